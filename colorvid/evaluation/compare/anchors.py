"""Reference encoders to compare with: x264, x265, SVT-AV1 (through PyAV) and JPEG, on real files.

Each picture sequence is encoded into a raw elementary stream (``.264`` and ``.265``: Annex B;
``.obu``: AV1 in Section 5 format; ``.mjpeg``: JPEG files, one after the other), the leanest file
that still decodes: no container index, no per-frame header (IVF spends 12 bytes per frame). SEI
messages, in which x264 and x265 write their version and options (some 700 to 2,500 bytes, more
than a small still), are removed before the file is written. The rate is then every byte of the
file, and the decoded frames are read back from it.

x264 and x265 take even sizes only: odd sizes are padded by repeating the last column or row and
cropped after decoding. With one thread the encoders use no slices, wavefronts or frame threads,
which costs them nothing in compression.

JPEG files (ITU-T T.81) are written through Pillow's libjpeg, which takes chroma at full resolution
and halves it with a 2x2 box filter. Each chroma sample is handed over four times, so that the
filter gives back the very planes. Sample values are coded as they are, whatever their range; those
of 10 bits are rounded to 8.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.choices import ANCHORS
from colorvid.evaluation.compare.codecs import Codec, Encoded
from colorvid.frame import Frame, Plane, Size, chroma_size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.pyav_pictures import FORMATS_420
from colorvid.io.pyav_reader import type_of
from colorvid.io.pyav_writer import picture_format
from colorvid.system.packages import needed_for

_FORMATS = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "obu", "jpeg": "mjpeg"}
_SUFFIXES = {"libx264": ".264", "libx265": ".265", "libsvtav1": ".obu", "jpeg": ".mjpeg"}
_WITHOUT_SEI = {
    "libx264": "filter_units=remove_types=6",
    "libx265": "filter_units=remove_types=39|40",
}
_VERSIONS = {
    "libx264": rb"x264 - (core \d+(?: r\d+)?)",
    "libx265": rb"x265 \(build \d+\) - ([\w.+-]+)",
}
"""Where the first packet of an encoder states its version."""
_PRESETS = {"libx264": "medium", "libx265": "medium", "libsvtav1": "6"}
_NOT_OPTIONS = ("encoder", "library", "pyav", "avcodec", "threads")
"""Settings that FFmpeg's encoder does not get by name."""


def anchor_settings(
    name: str,
    quality: int,
    *,
    keyint: int,
    threads: int = 1,
    preset: str | None = None,
    scenecut: bool = False,
) -> dict[str, str]:
    """Exact settings of an anchor: encoder, versions and the options that FFmpeg hands on.

    Args:
        name: a key of ``ANCHORS``.
        quality: constant rate factor, lower is better; for JPEG 1..100, higher is better.
        keyint: distance of key frames, in frames; intra anchors use 1.
        threads: of encoder and decoder; 1 keeps them on one core.
        preset: instead of the usual one (medium; SVT-AV1: 6); JPEG has none.
        scenecut: whether new scenes begin with a key frame too, as the encoder sees them.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in ANCHORS:
        raise ConfigError(f"anchor {name!r} is unknown; use one of {', '.join(ANCHORS)}")
    anchor = ANCHORS[name]
    encoder = anchor.encoder
    keyint = 1 if anchor.intra else keyint
    settings = {
        "pyav": av.__version__,
        "avcodec": ".".join(str(part) for part in av.library_versions["libavcodec"]),
        "threads": str(threads),
    }
    if encoder == "jpeg":
        return jpeg_settings(quality) | settings
    settings = {"encoder": encoder, "library": library_version(encoder)} | settings
    settings |= {"preset": preset or _PRESETS[encoder], "crf": str(quality), "g": str(keyint)}
    if encoder == "libsvtav1":
        return settings | {"svtav1-params": f"lp={threads}:scd={int(scenecut)}"}
    if anchor.low_delay:
        settings["tune"] = "zerolatency"
    common = f"keyint={keyint}"
    if not scenecut:
        common += f":min-keyint={keyint}:scenecut=0"
    if encoder == "libx264":
        return settings | {"x264-params": f"{common}:threads={threads}"}
    pools = "pools=none:frame-threads=1:wpp=0" if threads == 1 else f"pools={threads}"
    b_frames = ":bframes=0" if anchor.low_delay else ""
    return settings | {"x265-params": f"log-level=none:{common}{b_frames}:{pools}"}


@lru_cache(maxsize=8)
def library_version(encoder: str) -> str:
    """Version of x264 or x265 as they write it into a stream; ``of-avcodec`` for others.

    SVT-AV1 writes none; it comes with the libavcodec whose version is stated too.
    """
    if encoder not in _VERSIONS:
        return "of-avcodec"
    context: Any = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = 32, 32, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}
    grey = av.VideoFrame.from_ndarray(np.full((48, 32), 128, np.uint8), "yuv420p")
    packets = [*context.encode(grey), *context.encode(None)]
    found = re.search(_VERSIONS[encoder], b"".join(bytes(packet) for packet in packets))
    return found[1].decode().replace(" ", "-") if found else "unknown"


@dataclass(frozen=True, slots=True)
class AnchorRun:
    """An anchor as a `colorvid.evaluation.compare.codecs.FileCodec`.

    Attributes:
        name: a key of ``ANCHORS``.
        keyint: distance of key frames, in frames.
        threads: of encoder and decoder.
        preset: instead of the usual one.
        scenecut: whether new scenes begin with a key frame too.
    """

    name: str
    keyint: int
    threads: int = 1
    preset: str | None = None
    scenecut: bool = False

    @property
    def suffix(self) -> str:
        """Suffix of the elementary stream."""
        return _SUFFIXES[ANCHORS[self.name].encoder]

    def settings(self, quality: int) -> dict[str, str]:
        """Settings at one quality, see `anchor_settings`."""
        return anchor_settings(
            self.name,
            quality,
            keyint=self.keyint,
            threads=self.threads,
            preset=self.preset,
            scenecut=self.scenecut,
        )

    def encode(self, source: Path, target: Path, quality: int) -> Encoded:
        """Encode a ``.y4m`` file into an elementary stream."""
        settings = self.settings(quality)
        start = time.perf_counter()
        with open_reader(source) as reader:
            if settings["encoder"] == "jpeg":
                sizes = write_jpegs(reader, target, quality)
            else:
                sizes = _encode(reader, reader.info, target, settings)
        return Encoded(time.perf_counter() - start, sizes)

    def decode(self, coded: Path, target: Path, info: VideoInfo) -> float:
        """Decode an elementary stream into a ``.y4m`` file; sizes are cut to those of ``info``."""
        start = time.perf_counter()
        form = _FORMATS[ANCHORS[self.name].encoder]
        with av.open(str(coded), format=form) as container, open_writer(target, info) as writer:
            container.streams.video[0].codec_context.thread_count = self.threads
            for picture in container.decode(video=0):
                writer.write(picture_to_frame(picture, info.size).at_depth(info.depth))
        return time.perf_counter() - start

    def frame_types(self, coded: Path) -> list[str]:
        """Types of the frames of an elementary stream."""
        form = _FORMATS[ANCHORS[self.name].encoder]
        with av.open(str(coded), format=form) as container:
            return [type_of(picture) for picture in container.decode(video=0)]

    def codec(self) -> Codec:
        """The codec to evaluate, with the usual curve of the anchor."""
        return Codec(self.name, ANCHORS[self.name].qualities, self)


def _encode(
    frames: Iterable[Frame], info: VideoInfo, path: Path, settings: dict[str, str]
) -> list[int]:
    """Write an elementary stream; gives the bytes of each frame, in display order."""
    encoder = settings["encoder"]
    even = encoder != "libsvtav1"
    sizes: dict[int, int] = {}
    options = {key: value for key, value in settings.items() if key not in _NOT_OPTIONS}
    with _tame_svt(), av.open(str(path), "w", format=_FORMATS[encoder]) as container:
        stream = container.add_stream(encoder, rate=info.rate, options=options)
        stream.width = info.width + info.width % 2 if even else info.width
        stream.height = info.height + info.height % 2 if even else info.height
        stream.pix_fmt = picture_format(info.depth)
        clean = _WITHOUT_SEI.get(encoder)
        units = BitStreamFilterContext(clean, stream) if clean else None
        for packet in _packets(stream, frames, info.rate):
            for part in units.filter(packet) if units else [packet]:
                number = part.pts
                assert number is not None  # as `_packets` gave it
                sizes[number] = sizes.get(number, 0) + part.size
                container.mux(part)
    return [sizes[number] for number in sorted(sizes)]


def _packets(stream: av.VideoStream, frames: Iterable[Frame], rate: Fraction) -> Iterator[Any]:
    """Packets of an encoder, in the order of coding; the time stamp numbers the frames."""
    for number, frame in enumerate(frames):
        picture = to_picture(frame, Size(stream.width, stream.height))
        picture.pts, picture.time_base = number, 1 / rate
        yield from stream.encode(picture)
    yield from stream.encode(None)


def to_picture(frame: Frame, size: Size) -> av.VideoFrame:
    """PyAV picture of ``size``, the frame in its top left, edges repeated."""
    picture = av.VideoFrame(size.width, size.height, picture_format(frame.depth))
    for target, plane in zip(picture.planes, frame.packed(), strict=True):
        rows = target.height - plane.shape[0]
        columns = target.line_size // plane.itemsize - plane.shape[1]
        target.update(np.pad(plane, ((0, rows), (0, columns)), mode="edge").tobytes())
    return picture


def picture_to_frame(picture: av.VideoFrame, size: Size) -> Frame:
    """Top left part, of ``size``, of a PyAV picture of `FORMATS_420`."""
    kind = FORMATS_420.get(picture.format.name)
    if kind is None:
        raise InputError(f"pictures are {picture.format.name}; 4:2:0 of 8 or 10 bits is needed")
    shapes = (size.shape, *[chroma_size(*size.shape)] * 2)
    planes: list[Plane] = []
    for source, (rows, columns) in zip(picture.planes, shapes, strict=True):
        lines = np.frombuffer(bytes(source), kind).reshape(-1, source.line_size // kind.itemsize)
        planes.append(lines[:rows, :columns].astype(kind.newbyteorder("="), order="C"))
    return Frame(*planes)


@contextmanager
def _tame_svt() -> Iterator[None]:
    """Keep SVT-AV1 from printing its configuration, and from making this thread a real-time one.

    It looks at this variable alone. Run by root, it gives the calling thread the highest real-time
    priority and leaves it so: threads that are started later inherit that, and when they wait for
    each other they can take all cores and never get any further.
    """
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"  # errors only
    linux = hasattr(os, "sched_getscheduler")
    usual = (os.sched_getscheduler(0), os.sched_getparam(0)) if linux else None
    try:
        yield
    finally:
        if usual is not None:
            os.sched_setscheduler(0, *usual)
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before


def jpeg_settings(quality: int) -> dict[str, str]:
    """Exact settings of a JPEG quality, 1..100, with the versions of Pillow and libjpeg.

    Raises:
        ColorvidError: Pillow is missing.
    """
    with needed_for("JPEG"):
        import PIL
        from PIL import Image, features
    Image.preinit()  # loads its part for JPEG, so that no encoding has to
    turbo = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
    return {
        "encoder": "jpeg",
        "library": f"{turbo}-{version}",
        "pillow": PIL.__version__,
        "quality": str(quality),
        "subsampling": "4:2:0",
        "optimize": "1",
    }


def write_jpegs(frames: Iterable[Frame], path: Path, quality: int) -> list[int]:
    """Write one JPEG file after the other into ``path``; gives the bytes of each."""
    from PIL import Image

    sizes: list[int] = []
    with path.open("wb") as file:
        for frame in frames:
            frame = frame.at_depth(8)
            chroma = (_at_full_size(plane, frame.y.shape) for plane in (frame.u, frame.v))
            planes = [Image.fromarray(plane, "L") for plane in (frame.y, *chroma)]
            image = Image.merge("YCbCr", planes)
            image.save(file, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
            sizes.append(file.tell() - sum(sizes))
    return sizes


def _at_full_size(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Each sample four times, cut to the size of luma."""
    return plane.repeat(2, axis=0).repeat(2, axis=1)[: shape[0], : shape[1]].copy()
