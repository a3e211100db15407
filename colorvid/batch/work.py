"""What a worker does: one call, one answer; whatever goes wrong stands in the answer."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from colorvid.batch.identity import Fingerprint, is_same, made_by, model_digest
from colorvid.batch.options import Options, encode_keywords
from colorvid.batch.state import Json, file_crc32, keep_part
from colorvid.batch.survey import survey
from colorvid.batch.worker import Beat, pin_threads, settle, worker_name
from colorvid.bitstream import ClvReader
from colorvid.errors import (
    ColorvidError,
    DamagedStream,
    InputError,
    OutOfMemory,
    OutputError,
)
from colorvid.files.streams import named_errors, open_stream
from colorvid.io.files import os_errors
from colorvid.io.opening import PastEnd
from colorvid.system.memory import is_out_of_memory


@dataclass(frozen=True)
class Place:
    """Where the parts of a batch go.

    Attributes:
        token: path of the token file in the state folder.
        text: what stands in it; a worker that reads the same shares the folder.
    """

    token: str
    text: str

    def is_shared(self) -> bool:
        """Whether this process sees the folder."""
        try:
            return Path(self.token).read_text(encoding="ascii") == self.text
        except (OSError, ValueError):
            return False


@dataclass(frozen=True)
class Call:
    """What a worker is asked for.

    Attributes:
        key: of the call, for reports of progress.
        task: one of `colorvid.batch.options.TASKS`.
        source: absolute path of the input.
        options: of the job.
        made_by: what colorvid the worker must have.
        model: digest that the model must have.
        place: where the result goes.
        fingerprint: of the input; None = only look at the input.
        target: absolute path of the part.
        first, frames: the part, counted after the job's own ``seek``; None = to the end.
        threads: of the codec.
    """

    key: str
    task: str
    source: str
    options: Options
    made_by: Json
    model: str
    place: Place
    fingerprint: Fingerprint | None = None
    target: str = ""
    first: int = 0
    frames: int | None = None
    threads: int = 1


@dataclass(frozen=True)
class Trouble:
    """Why a call failed.

    Attributes:
        message: one line.
        exit_code: of the error.
        retry: whether another try may do better.
        unfit: whether the worker itself is the reason, so that it should get no more work.
    """

    message: str
    exit_code: int = 1
    retry: bool = False
    unfit: bool = False


@dataclass(frozen=True)
class Answer:
    """What became of a call.

    Attributes:
        worker: who did it.
        facts: of a part: ``frames``, ``bytes``, ``crc32``, ``seconds``, ``worker``, ``scores``,
            ``warnings``, ``damage``; of a look at the input: see `colorvid.batch.survey.Survey`.
        data: bytes of the part, if the worker does not see the folder of parts.
        trouble: why it failed; None = it did not.
    """

    worker: str
    facts: Json = field(default_factory=dict)
    data: bytes | None = None
    trouble: Trouble | None = None


class Unfit(ColorvidError):
    """This worker cannot do the work, another one may."""


def perform(call: Call) -> Answer:
    """Do what a call asks for; never raises an ordinary error."""
    pin_threads()
    start = time.perf_counter()
    try:
        check_worker(call.made_by, call.model, call.options)
        if call.fingerprint is None:
            return Answer(worker_name(), survey(call.task, call.source, call.options))
        _check_source(call.source, call.fingerprint)
        settle()
        answer = _WORK[call.task](call)
    except Exception as error:
        return Answer(worker_name(), trouble=trouble_of(error, call.source))
    seconds = time.perf_counter() - start
    return replace(answer, facts={**answer.facts, "seconds": round(seconds, 3)})


def trouble_of(error: Exception, source: str) -> Trouble:
    """How an error is reported, and whether it may go away."""
    if isinstance(error, Unfit):
        return Trouble(str(error), 1, retry=True, unfit=True)
    if is_out_of_memory(error):
        return Trouble(str(error) or "out of memory", OutOfMemory.exit_code, retry=True)
    if isinstance(error, OutputError):
        return Trouble(str(error), error.exit_code, retry=True)
    if isinstance(error, ColorvidError):
        # What one machine does not see another one may.
        return Trouble(str(error), error.exit_code, retry=not os.path.exists(source))
    return Trouble(f"{type(error).__name__}: {error}", retry=True)


def check_worker(wanted: Json, model: str, options: Options) -> None:
    """Refuse to work with another colorvid or another model than the batch has.

    Raises:
        Unfit: this process has another one.
    """
    own = made_by()
    if own["version"] != wanted["version"]:
        raise Unfit(f"has colorvid {own['version']}, this batch is of {wanted['version']}")
    if own != wanted:
        raise Unfit(f"has other code of colorvid {own['version']} than this batch")
    name = options.get("model")
    try:
        if model_digest(name) != model:
            raise Unfit(f"has another model file {name}")
    except InputError as error:
        raise Unfit(f"cannot read the model: {error}") from None


def _check_source(source: str, wanted: Fingerprint) -> None:
    """Refuse an input that is not the one that was planned with.

    Raises:
        InputError: it cannot be read, or is another one.
    """
    if not is_same(source, wanted):
        raise InputError(f"{source}: has changed since the batch began; run it again")


@contextlib.contextmanager
def _workplace(call: Call) -> Iterator[Path]:
    """A name for the part while it is made: beside its final one, or in a temporary folder."""
    target = Path(call.target)
    name = f".{target.stem}-{secrets.token_hex(4)}{target.suffix}"
    if call.place.is_shared():
        made = target.with_name(name)
        try:
            yield made
        finally:
            if made.is_dir():
                shutil.rmtree(made, ignore_errors=True)
            made.unlink(missing_ok=True)
        return
    with os_errors(tempfile.gettempdir(), OutputError):
        folder = tempfile.mkdtemp(prefix="colorvid-batch-")
    try:
        yield Path(folder) / name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hand_over(call: Call, made: Path, facts: Json) -> Answer:
    """Give a finished part its name, or send its bytes where that folder is not seen."""
    with os_errors(str(made), OutputError):
        size = 0 if made.is_dir() else made.stat().st_size
        facts = {**facts, "bytes": size, "crc32": file_crc32(made), "worker": worker_name()}
        if not call.place.is_shared():
            return Answer(worker_name(), facts, data=made.read_bytes())
    keep_part(made, Path(call.target), facts)
    return Answer(worker_name(), facts)


def _encode(call: Call) -> Answer:
    """Encode one part, and read it again to see that all of its packets are whole."""
    from colorvid.files.encode import EncodeOptions, encode_file

    keywords = encode_keywords(call.options)
    keywords["seek"] = keywords.get("seek", 0) + call.first
    whole = keywords.get("frames")
    keywords["frames"] = call.frames if whole is None else min(
        whole - call.first, call.frames or whole
    )  # fmt: skip
    keywords |= {"threads": call.threads, "progress": Beat(call.key)}
    with _workplace(call) as made:
        try:
            report = encode_file(call.source, made, EncodeOptions(**keywords))
        except PastEnd:
            if call.first == 0:
                raise
            return Answer(worker_name(), {"frames": 0, "bytes": 0, "worker": worker_name()})
        _check_packets(made, report.frames)
        scores = None if report.scores is None else asdict(report.scores)
        facts = {"frames": report.frames, "scores": scores, "warnings": list(report.warnings)}
        return _hand_over(call, made, facts)


def _check_packets(path: Path, frames: int) -> None:
    """Read a stream that was just written, every CRC of it.

    Raises:
        OutputError: it is not what was written.
    """
    try:
        with open_stream(path) as file, named_errors(str(path)):
            found = sum(1 for _ in ClvReader(file))
    except DamagedStream as error:
        raise OutputError(f"{error}; the disk does not give back what was written") from error
    if found != frames:
        raise OutputError(f"{path}: has {found} frames, {frames} were written")


def _need_folder(call: Call) -> None:
    """Refuse work whose result is too large to be sent, where the folder of outputs is not seen.

    Raises:
        Unfit: it is not.
    """
    if not call.place.is_shared():
        raise Unfit(f"cannot see the folder of outputs, {Path(call.place.token).parent}")


def _decode(call: Call) -> Answer:
    from colorvid.files.decode import DecodeOptions, decode_file

    _need_folder(call)
    keywords = {key: value for key, value in call.options.items() if key != "suffix"}
    options = DecodeOptions(**keywords, threads=call.threads, progress=Beat(call.key))
    with _workplace(call) as made:
        report = decode_file(call.source, made, options)
        facts = {"frames": report.frames, "warnings": list(report.damage)}
        if not report.ok:
            facts["damage"] = [report.exit_code, report.problem(decoded=True)]
        return _hand_over(call, made, facts)


def _verify(call: Call) -> Answer:
    from colorvid.files.decode import DecodeOptions, verify_file

    options = DecodeOptions(**call.options, threads=call.threads, progress=Beat(call.key))
    report = verify_file(call.source, options)
    facts: Json = {
        "frames": report.frames, "bytes": report.size_bytes, "warnings": list(report.damage),
        "worker": worker_name(),
    }  # fmt: skip
    if not report.ok:
        facts["damage"] = [report.exit_code, report.problem(decoded=False)]
    return Answer(worker_name(), facts)


def _score(call: Call) -> Answer:
    from colorvid.batch.measure import score

    beat = Beat(call.key)
    with _workplace(call) as made:
        scores = score(call.source, call.options, made, call.threads, beat)
        return _hand_over(call, made, {"frames": beat.frames, "scores": asdict(scores)})


def _compare(call: Call) -> Answer:
    from colorvid.batch.measure import compare

    _need_folder(call)
    with _workplace(call) as made:
        return _hand_over(call, made, {"frames": compare(call.source, call.options, made)})


_WORK: dict[str, Callable[[Call], Answer]] = {
    "encode": _encode,
    "decode": _decode,
    "verify": _verify,
    "eval": _score,
    "compare": _compare,
}


def check_here(wanted: tuple[Json, str, Options, tuple[str, ...]]) -> str | None:
    """Why this worker cannot do the work; None if it can.

    Args:
        wanted: what made the batch, digest of the model, options, and some inputs that the worker
            must see.
    """
    made, model, options, sources = wanted
    try:
        check_worker(made, model, options)
    except Unfit as error:
        return str(error)
    for source in sources:
        try:
            with open(source, "rb"):
                pass
        except OSError as error:
            return f"cannot see {source}: {error.strerror}"
    return None
