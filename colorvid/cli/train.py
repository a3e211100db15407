"""The commands of training: train, export, fit-filters, fit-tables and curves."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.cli.options import Command, whole
from colorvid.cli.terminal import Signals, show
from colorvid.errors import Aborted
from colorvid.io.places import check_apart
from colorvid.system.interrupts import uninterrupted
from colorvid.system.text import plural

if TYPE_CHECKING:
    from colorvid.training.fitted import Fitted

CURVE_WIDTH = 21
"""Rows of a log that ``curves`` averages."""


def add_commands(command: Command) -> None:
    """Add the commands of this family."""
    _add_train(command("train", "train a model, or go on training"))
    _add_export(command("export", "turn training runs into a model file"))
    _add_fit_filters(command("fit-filters", "fit the loop filters of a model"))
    _add_fit_tables(command("fit-tables", "count the symbols of a model for its tables"))
    _add_curves(command("curves", "plot the logs of training runs"))


def _add_train(parser: argparse.ArgumentParser) -> None:
    """Options of ``colorvid train``."""
    parser.description = (
        "Train a model as a TOML file says. Ctrl-C saves the run; a run that was stopped goes on\n"
        "when the same command is given again. Several processes, one for each GPU with --device\n"
        "cuda: torchrun --nproc-per-node N -m -- colorvid train ..."
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="TOML file of the stage")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the training data"
    )
    parser.add_argument(
        "--run", dest="folder", type=Path, required=True, metavar="DIR",
        help="folder for checkpoint and logs",
    )  # fmt: skip
    parser.add_argument(
        "--validation", type=Path, metavar="DIR",
        help="folder of data that are kept out of training, for the validation loss (default: "
        "crops of the training data, always the same)",
    )  # fmt: skip
    parser.add_argument("--until", type=whole(0), metavar="STEP", help="stop after this step")
    parser.add_argument(
        "--start", type=Path, metavar="RUN",
        help="run, model file, default or color, whose weights to start from",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to train (default: cpu)"
    )
    parser.add_argument(
        "--threads", type=whole(1), default=1, metavar="N",
        help="threads of PyTorch in each process (default: 1)",
    )  # fmt: skip
    parser.set_defaults(run=_train)


def _add_export(parser: argparse.ArgumentParser) -> None:
    """Options of ``colorvid export``."""
    parser.description = (
        "Turn training runs into a model file: weights become integers, the bound of every\n"
        "sum is proved, and tables for the entropy coder are made."
    )
    parser.add_argument(
        "--intra", type=Path, required=True, metavar="RUN",
        help="run of the intra codec, or a model file",
    )  # fmt: skip
    parser.add_argument(
        "--inter", type=Path, metavar="RUN",
        help="run of the inter codec, or a model file (default: untrained)",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="model file to write"
    )
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--clips", type=Path, metavar="DIR",
        help="folder of clips and pictures to count symbols on",
    )  # fmt: skip
    parser.add_argument(
        "--chroma-offset", type=int, nargs=2, metavar=("INTRA", "INTER"),
        help="quality indices that chroma is coded above luma (default: those of the runs)",
    )  # fmt: skip
    parser.set_defaults(run=_export)


def _add_fit_filters(parser: argparse.ArgumentParser) -> None:
    """Options of ``colorvid fit-filters``."""
    parser.description = (
        "Write a model file with loop filters for inter frames: those that leave the smallest\n"
        "error in what the model codes without them. All else stays as it is."
    )
    _add_fitting(parser, 6)
    parser.set_defaults(run=_fit_filters)


def _add_fit_tables(parser: argparse.ArgumentParser) -> None:
    """Options of ``colorvid fit-tables``."""
    parser.description = (
        "Write a model file with other tables for the symbols of inter frames: how often each\n"
        "comes where the model codes clips. All else stays as it is."
    )
    _add_fitting(parser, 7)
    parser.add_argument(
        "--chroma-offset", type=int, metavar="N",
        help="quality indices that chroma of inter frames is above luma (default: the model's)",
    )  # fmt: skip
    parser.set_defaults(run=_fit_tables)


def _add_fitting(parser: argparse.ArgumentParser, every: int) -> None:
    """Options of what fits a model to clips."""
    parser.add_argument("model", metavar="MODEL", help="model file, default or color")
    parser.add_argument(
        "--clips",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of clips and pictures to fit to",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="model file to write"
    )
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--every", type=whole(1), default=every, metavar="N",
        help=f"use one in N (default: {every})",
    )  # fmt: skip


def _add_curves(parser: argparse.ArgumentParser) -> None:
    """Options of ``colorvid curves``."""
    parser.description = (
        "Plot the logs of training runs: loss, bits per pixel and PSNR of Y and of UV over the\n"
        "steps, as logged (thin) and smoothed, and on the crops of validation (dots)."
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help=".svg or .png to write"
    )
    parser.add_argument(
        "--width", type=whole(1), default=CURVE_WIDTH, metavar="N",
        help=f"rows of the log that are averaged (default: {CURVE_WIDTH})",
    )  # fmt: skip
    parser.set_defaults(run=_curves)


def _train(options: Namespace, signals: Signals) -> int:
    signals.outcome = "give the same command to go on"
    with uninterrupted():
        from colorvid.training import group
        from colorvid.training.loop.checkpoint import saved_step
        from colorvid.training.recipe import Recipe

    recipe = Recipe.read(options.config, options.data, options.folder.parent, options.validation)
    try:
        recipe.train(options.folder, options.device, options.start, options.until, options.threads)
    except KeyboardInterrupt:
        if group.is_leader():
            raise
        return Aborted.exit_code  # the leader says it for all
    finally:
        step = saved_step(options.folder)
        place = "nothing is saved" if step is None else f"step {step} is saved"
        signals.outcome = f"{place}; give the same command to go on"
    return 0


def _export(options: Namespace, signals: Signals) -> int:
    from colorvid.training.export import export

    check_apart(
        {"the intra model": options.intra, "the inter model": options.inter},
        {"the output": options.output},
    )
    offsets = options.chroma_offset and tuple(options.chroma_offset)
    report = export(
        options.output,
        options.intra,
        options.inter,
        offsets,
        options.clips,
        overwrite=options.overwrite,
    )
    size = options.output.stat().st_size
    tightest = report.tightest
    show(f"{options.output}: model {report.identity.hex()}, {size} bytes")
    show(
        f"{report.layers} layers proved; tightest {tightest.layer}, "
        f"{tightest.largest} of {tightest.allowed}"
    )
    return 0


def _fit_filters(options: Namespace, signals: Signals) -> int:
    from colorvid.training.filters import fit_filters

    return _fit(options, fit_filters)


def _fit_tables(options: Namespace, signals: Signals) -> int:
    from colorvid.training.tables import fit_tables

    return _fit(options, partial(fit_tables, chroma_offset=options.chroma_offset))


def _fit(options: Namespace, fit: Callable[..., Fitted]) -> int:
    """Fit a model to clips, and say what has become of it."""
    check_apart({"the model": Path(options.model)}, {"the output": options.output})
    fitted = fit(
        options.output,
        options.model,
        options.clips,
        every=options.every,
        overwrite=options.overwrite,
    )
    show(
        f"{options.output}: model {fitted.identity.hex()}, fitted on {plural(fitted.clips, 'clip')}"
    )
    return 0


def _curves(options: Namespace, signals: Signals) -> int:
    from colorvid.training.curves import plot, read_logs

    plot(options.output, {str(run): read_logs(run) for run in options.runs}, options.width)
    return 0
