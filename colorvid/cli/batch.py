"""``colorvid batch``: its options, and what it does with them."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorvid.batch.options import FIELDS, TASKS
from colorvid.cli.coding import add_choices
from colorvid.cli.options import (
    Command,
    Options,
    add_cluster,
    add_progress,
    add_quiet,
    bframes_of,
    in_words_of_options,
    model_of,
    numbers,
    whole,
)
from colorvid.cli.targets import quality_of, targets_of
from colorvid.cli.terminal import BatchLine, Signals, say, show
from colorvid.config import DEFAULT_BFRAMES, DEFAULT_GOP, DEFAULT_MIN_GOP, DEFAULT_QUALITY, TUNES
from colorvid.effort import DEFAULT_PRESET
from colorvid.errors import ConfigError
from colorvid.system.cores import available_cores

if TYPE_CHECKING:
    from colorvid.batch.jobs import Job
    from colorvid.batch.report import Row
    from colorvid.batch.run import Batch
    from colorvid.batch.track import Status

LINE_SECONDS = 30
"""Between two lines of progress where stderr is no terminal."""


def add_commands(command: Command) -> None:
    """Add the command of this family."""
    parser = command("batch", "encode, decode or measure many files, on one machine or many")
    parser.set_defaults(run=run_batch)
    parser.description = (
        "Do one task for many files at once. Long videos are cut into parts of whole groups; the\n"
        "streams are those of single encodings. The same command again goes on where it was."
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="files, folders, globs, a .toml or .csv file of jobs; - = a list on stdin",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="folder of outputs and reports"
    )
    parser.add_argument(
        "-y", "--overwrite", action="store_true",
        help="replace outputs that this batch has not made, or made of other inputs or options",
    )  # fmt: skip
    parser.add_argument(
        "--task", choices=TASKS, default=TASKS[0], help=f"what to do (default: {TASKS[0]})"
    )
    parser.add_argument(
        "--keep-tree", action="store_true", help="outputs keep the folders of their inputs"
    )
    _add_running(parser.add_argument_group("work"))
    add_choices(parser).add_argument(
        "--from", "--seek", dest="seek", type=whole(0), default=0, metavar="N",
        help="skip N frames of each input first",
    )  # fmt: skip
    _add_other_tasks(parser.add_argument_group("other tasks"))


def _add_running(parser: Options) -> None:
    """Who does the work, and how it is shown."""
    parser.add_argument(
        "--jobs", type=whole(1), metavar="N",
        help="workers on this machine (default: one for each core)",
    )  # fmt: skip
    add_cluster(parser)
    parser.add_argument(
        "--threads", type=whole(1), default=1, metavar="N", help="of each worker (default: 1)"
    )
    parser.add_argument(
        "--retries", type=whole(0), default=2, metavar="N",
        help="times to try a part again after a fault that may go away (default: 2)",
    )  # fmt: skip
    add_progress(parser)
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    add_quiet(parser)


def _add_other_tasks(parser: Options) -> None:
    """Options of tasks other than encode."""
    parser.add_argument("--suffix", help="decode: kind of outputs, as in .mkv (default: .y4m)")
    parser.add_argument(
        "--on-error", choices=("conceal", "stop"), help="decode: see colorvid decode --help"
    )
    parser.add_argument(
        "--max-pixels", type=whole(1), metavar="N",
        help="decode, verify: refuse pictures of more luma samples",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="PATH", help="eval: the original, or a folder of originals"
    )
    parser.add_argument("--anchors", metavar="NAMES", help="compare: see colorvid compare --help")
    parser.add_argument(
        "--qualities", type=numbers, metavar="Q,Q,...", help="compare: qualities of colorvid"
    )


def _options(options: Namespace) -> dict[str, Any]:
    """Options of the jobs, without those that have their default.

    Raises:
        ConfigError: one belongs to another task.
    """
    model = str(Path(options.model).absolute()) if options.model else model_of(options)
    given = {
        "quality": (quality_of(options), DEFAULT_QUALITY),
        **{name: (value, None) for name, value in targets_of(options).items() if value},
        "gop": (options.gop, DEFAULT_GOP),
        "scenecut": (options.scenecut, True),
        "min_gop": (options.min_gop, DEFAULT_MIN_GOP),
        "bframes": (bframes_of(options), DEFAULT_BFRAMES),
        "preset": (options.preset, DEFAULT_PRESET),
        "inter_quality": (options.inter_quality, None),
        "frames": (options.frames, None),
        "seek": (options.seek, 0),
        "size": (None if options.size is None else list(options.size), None),
        "rate": (None if options.fps is None else str(options.fps), None),
        "convert": (options.convert, False),
        "bit_depth": (options.bit_depth, None),
        "model": (model, TUNES[0]),
        "device": (options.device, "cpu"),
        "scores": (options.psnr, False),
        "suffix": (options.suffix, None),
        "on_error": (options.on_error, None),
        "max_pixels": (options.max_pixels, None),
        "reference": (options.reference, None),
        "anchors": (options.anchors.split(",") if options.anchors else None, None),
        "qualities": (list(options.qualities) if options.qualities else None, None),
    }
    chosen = {name: value for name, (value, default) in given.items() if value != default}
    for name in chosen:
        if name not in FIELDS[options.task]:
            spelt = {"scores": "psnr", "rate": "fps"}.get(name, name).replace("_", "-")
            raise ConfigError(f"--{spelt} is no option of --task {options.task}; leave it out")
    return chosen


def run_batch(options: Namespace, signals: Signals) -> int:
    """Run ``colorvid batch``; gives the exit code.

    Raises:
        ColorvidError: an input, an option or the cluster is not what it must be.
    """
    from colorvid.batch.jobs import Plan
    from colorvid.batch.report import exit_code, write_report
    from colorvid.batch.run import Batch, Settings
    from colorvid.batch.state import State
    from colorvid.batch.track import Listener

    listed: Iterable[str] = sys.stdin if "-" in options.inputs else ()
    jobs = Plan(options.task, _options(options), options.keep_tree).jobs(options.inputs, listed)
    settings = Settings(options.retries, options.threads, options.overwrite)
    view = _View(options, signals)
    with State(Path(options.output)) as state, closing(view):
        listener = Listener(view.tell, view.status, view.file)
        signals.outcome = "finished files and parts are kept; the same command goes on from there"
        batch = Batch(state, settings, listener)
        try:
            _work(batch, jobs, options)
        finally:
            write_report(state.outputs, batch.rows)
    if not options.quiet:
        say(_summary(batch.rows, view.seconds))
    return exit_code(batch.rows)


def _work(batch: Batch, jobs: list[Job], options: Namespace) -> None:
    """Open the engine and run the batch on it."""
    from colorvid.batch.opening import open_engine

    count = options.jobs or max(1, available_cores() // options.threads)
    with closing(open_engine(count, options.cluster)) as engine:
        batch.run(engine, jobs)


class _View:
    """What the user sees of a batch while it runs."""

    def __init__(self, options: Namespace, signals: Signals) -> None:
        self._json = options.progress == "json"
        self._quiet = options.quiet
        shown = options.progress == "line" and not options.quiet
        self._line = BatchLine(signals, shown=shown)
        self._lines = shown and not self._line.is_shown
        self._signals = signals
        self._start = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def tell(self, text: str, level: str) -> None:
        """Print a line above the progress."""
        if not self._quiet or level == "error":
            self._line.clear()
            say(in_words_of_options(text), level)

    def status(self, status: Status) -> None:
        """Show the progress; ends the batch after a signal."""
        self._signals.check()
        now = time.monotonic()
        if self._json and now - self._said >= 1:
            self._said = now
            show(json.dumps({"event": "progress", **asdict(status)}))
        elif self._lines and now - self._said >= LINE_SECONDS:
            self._said = now
            say(_in_words(status))
        else:
            self._line(_in_words(status))

    def file(self, row: Row) -> None:
        """Show a finished file."""
        if self._json:
            show(json.dumps({"event": "file", **asdict(row)}))

    def close(self) -> None:
        """Remove the line."""
        self._line.close()


def _in_words(status: Status) -> str:
    """The status as one line."""
    frames = f"{status.frames_done}" + (f"/{status.frames}" if status.frames else "")
    text = (
        f"{status.files_done}/{status.files} files, {status.parts_done}/{status.parts} parts, "
        f"{frames} frames, {status.speed_fps:.2f} fps"
    )
    if status.frames:
        text = f"[{min(1.0, status.frames_done / status.frames):.1%}] {text}"
    if status.eta_s is not None:
        left = round(status.eta_s)
        text += f", eta {left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
    return text


def _summary(rows: list[Row], seconds: float) -> str:
    """The closing line."""
    done = [row for row in rows if row.outcome in ("done", "damaged")]
    now = sum(row.frames for row in done if not row.earlier)
    text = f"{len(done)} of {len(rows)} files done, {now} frames, {now / seconds:.2f} fps"
    earlier = sum(row.earlier for row in rows)
    if earlier:
        text += f"; {earlier} were done before"
    bad = sum(row.outcome in ("failed", "damaged") for row in rows)
    return text + (f"; {bad} failed or are damaged, see batch.csv" if bad else "")
