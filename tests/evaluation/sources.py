"""Small generated clips."""

import io
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorvid.evaluation.compare.clips import Clip
from colorvid.evaluation.compare.codecs import Encoded
from colorvid.frame import Frame, chroma_size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.files import read_packed_frame
from colorvid.quality.color import ColorSpec, Matrix


def moving_frames(count: int, height: int = 72, width: int = 96) -> list[Frame]:
    """A smooth coloured texture that moves by one sample per frame."""
    rng = np.random.default_rng(4)
    frames = []
    coarse = rng.integers(40, 200, (height // 8 + 3, width // 8 + 3))
    large = np.kron(coarse, np.ones((8, 8)))
    kernel = np.ones(5) / 5
    for axis in (0, 1):
        large = np.apply_along_axis(np.convolve, axis, large, kernel, "same")
    large = large.astype(np.uint8)
    rows, columns = chroma_size(height, width)
    for i in range(count):
        y = large[4 : 4 + height, i % 8 : i % 8 + width].copy()
        u = np.full((rows, columns), 110, np.uint8)
        u[: rows // 2] = 140
        v = (255 - large[:rows, i % 8 : i % 8 + columns]).astype(np.uint8)
        frames.append(Frame(y, u, v))
    return frames


def moving_clip(
    count: int, height: int = 72, width: int = 96, name: str = "moving", depth: int = 8
) -> Clip:
    """The same as a clip at 25 frames per second, BT.601 limited range."""
    frames = [frame.at_depth(depth) for frame in moving_frames(count, height, width)]
    return Clip(name, frames, Fraction(25), ColorSpec(Matrix.BT601))


def colourful(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` u8 of smooth colours with a few hard edges."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.empty((height, width, 3))
    for channel in range(3):
        across, down, phase = rng.uniform(0.02, 0.2, 3)
        picture[..., channel] = 128 + 90 * np.sin(across * columns + down * rows + 9 * phase)
    picture[(rows // 24 + columns // 32) % 5 == 0] = rng.integers(0, 256, 3)
    return picture.astype(np.uint8)


@dataclass(frozen=True, slots=True)
class CoarseRun:
    """A codec for tests: drops low bits of samples, the fewer the higher the quality, 0..4.

    Each frame is a length in four bytes and the planes behind it, deflated.

    Attributes:
        log: file that gets a line for each encoding.
    """

    log: Path | None = None

    @property
    def suffix(self) -> str:
        return ".coarse"

    def settings(self, quality: int) -> dict[str, str]:
        return {"encoder": "coarse", "quality": str(quality)}

    def encode(self, source: Path, target: Path, quality: int) -> Encoded:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{quality}\n")
        mask = np.uint8(256 - (1 << (4 - quality)))
        with open_reader(source) as reader:
            packed = [
                zlib.compress(b"".join((p & mask).tobytes() for p in f.planes)) for f in reader
            ]
        target.write_bytes(b"".join(len(part).to_bytes(4, "little") + part for part in packed))
        return Encoded(0.5, [4 + len(part) for part in packed])

    def decode(self, coded: Path, target: Path, info: VideoInfo) -> float:
        data = io.BytesIO(coded.read_bytes())
        with open_writer(target, info) as writer:
            while size := int.from_bytes(data.read(4), "little"):
                planes = io.BytesIO(zlib.decompress(data.read(size)))
                frame, _ = read_packed_frame(planes, info.size)
                assert frame is not None
                writer.write(frame)
        return 0.25

    def frame_types(self, coded: Path) -> list[str]:
        raise NotImplementedError
