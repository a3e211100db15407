"""One encoding and one decoding, from file to file, and the time that they take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from colorvid.bitstream import ClvWriter
from colorvid.codec.groups import encode_frames
from colorvid.codec.settings import EncoderSettings
from colorvid.evaluation.compare.anchors import AnchorRun
from colorvid.files.decode import decode_file
from colorvid.files.streams import header_of
from colorvid.io import open_reader
from colorvid.models.loading import Model, model_on

X264_CRF = 23
"""x264's own default."""
X264_THREADS = 2


@dataclass(frozen=True, slots=True)
class Job:
    """Frames to code.

    Attributes:
        source: y4m file.
        frames: the first frames of it that are coded.
        settings: of colorvid; its distance of key frames is x264's too.
        folder: for the coded and the decoded file.
    """

    source: Path
    frames: int
    settings: EncoderSettings
    folder: Path

    @property
    def stream(self) -> Path:
        """The coded file."""
        return self.folder / "coded.clv"

    @property
    def decoded(self) -> Path:
        """The decoded file."""
        return self.folder / "decoded.y4m"


@dataclass(frozen=True, slots=True)
class Spent:
    """Time of some work: by the clock, and of all cores together, in seconds."""

    wall_s: float
    cpu_s: float


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def spent(self) -> Spent:
        """Time of this process since the start."""
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._cpu)


@dataclass(frozen=True, slots=True)
class Round:
    """Time of one encoding and of one decoding of the same frames."""

    encode: Spent
    decode: Spent


def code(model: Model, job: Job, workers: int) -> Round:
    """Encode and decode with colorvid; the model is ready, so loading it does not count.

    Raises:
        HashMismatch: the decoder gives other pictures than the encoder: colorvid has a fault.
    """
    watch = Stopwatch()
    with open_reader(job.source, frames=job.frames) as reader, job.stream.open("wb") as file:
        writer = ClvWriter(file)
        writer.write_header(header_of(reader.info, job.settings, model.identity))
        coded = encode_frames(model, job.settings, reader, reader.info.size, threads=workers)
        with closing(coded):
            for item in coded:
                writer.write_packet(item.packet)
        writer.finish()
    encode = watch.spent()
    job.decoded.unlink(missing_ok=True)  # to replace it would take time too
    watch = Stopwatch()
    decode_file(job.stream, job.decoded, model=model, threads=workers, on_error="stop")
    return Round(encode, watch.spent())


def code_in_pytorch(job: Job, workers: Sequence[int]) -> list[Round]:
    """The same with each number of workers, but for motion all in PyTorch.

    Call it in a process of its own (`colorvid.evaluation.compare.machine.call_alone`).
    """
    import torch

    model = model_on("cpu", "default", torch.float32)
    return [code(model, job, count) for count in workers]


def code_with_x264(job: Job) -> Round:
    """Encode and decode with x264, preset medium, and FFmpeg's decoder, through PyAV."""
    run = AnchorRun("x264", job.settings.gop, X264_THREADS)
    run.settings(X264_CRF)  # looks for the version, once
    coded = job.folder / f"coded{run.suffix}"
    with open_reader(job.source) as reader:
        info = reader.info
    job.decoded.unlink(missing_ok=True)
    watch = Stopwatch()
    run.encode(job.source, coded, X264_CRF)
    encode = watch.spent()
    watch = Stopwatch()
    run.decode(coded, job.decoded, info)
    return Round(encode, watch.spent())
