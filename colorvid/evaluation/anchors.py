"""Reference encoders to compare with: x264, x265 and SVT-AV1, through PyAV, on real files.

Each picture sequence is encoded into a raw elementary stream (``.264`` and ``.265``: Annex B;
``.obu``: AV1 in Section 5 format), the leanest file that still decodes: no container index, no
per-frame header (IVF spends 12 bytes per frame). SEI messages, in which x264 and x265 write
their version and options (some 700 to 2,500 bytes, more than a small still), are removed before
the file is written. The rate is then every byte of the file, and the decoded frames are read
back from it.

x264 and x265 take even sizes only: odd sizes are padded by repeating the last column or row and
cropped after decoding. With one thread the encoders use no slices, wavefronts or frame threads,
which costs them nothing in compression.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame, Plane

X26X_CRFS = (19, 23, 27, 31, 35, 39)
SVT_CRFS = (23, 31, 39, 47, 55, 63)


@dataclass(frozen=True, slots=True)
class Coded:
    """What one encoding of one sequence gave.

    Attributes:
        size_bytes: all bytes of the coded file.
        frames: decoded from that file, in display order.
        encode_seconds, decode_seconds: wall clock, from frames in memory to a closed file, and
            from the file to frames in memory.
        settings: everything that defines the encoding, as strings.
    """

    size_bytes: int
    frames: list[Frame]
    encode_seconds: float
    decode_seconds: float
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Anchor:
    """One reference encoder.

    Attributes:
        encoder: name of the encoder in FFmpeg.
        crfs: constant rate factors of its curve, best quality first.
        intra: every frame is a key frame.
        low_delay: tuned for zero latency; no B frames, no lookahead.
    """

    encoder: str
    crfs: tuple[int, ...]
    intra: bool = False
    low_delay: bool = False


ANCHORS: dict[str, Anchor] = {
    "x264-intra": Anchor("libx264", X26X_CRFS, intra=True),
    "x265-intra": Anchor("libx265", X26X_CRFS, intra=True),
    "svtav1-intra": Anchor("libsvtav1", SVT_CRFS, intra=True),
    "x264-zl": Anchor("libx264", X26X_CRFS, low_delay=True),
    "x265-zl": Anchor("libx265", X26X_CRFS, low_delay=True),
    "x264": Anchor("libx264", X26X_CRFS),
    "x265": Anchor("libx265", X26X_CRFS),
    "svtav1": Anchor("libsvtav1", SVT_CRFS),
}
_FORMATS = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "obu"}
_SUFFIXES = {"libx264": ".264", "libx265": ".265", "libsvtav1": ".obu"}
_WITHOUT_SEI = {
    "libx264": "filter_units=remove_types=6",
    "libx265": "filter_units=remove_types=39|40",
}
_PRESETS = {"libx264": "medium", "libx265": "medium", "libsvtav1": "6"}


def anchor_settings(
    name: str, crf: int, *, keyint: int, threads: int = 1, preset: str | None = None
) -> dict[str, str]:
    """Exact settings of an anchor: encoder, PyAV version and the options that FFmpeg hands on.

    Args:
        name: a key of ``ANCHORS``.
        crf: constant rate factor; lower is better.
        keyint: distance of key frames, in frames; intra anchors use 1.
        threads: of the encoder; 1 keeps it on one core.
        preset: instead of the usual one (medium; SVT-AV1: 6).

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in ANCHORS:
        raise ConfigError(f"anchor {name!r} is unknown; use one of {', '.join(ANCHORS)}")
    anchor = ANCHORS[name]
    encoder = anchor.encoder
    keyint = 1 if anchor.intra else keyint
    settings = {
        "encoder": encoder,
        "pyav": av.__version__,
        "preset": preset or _PRESETS[encoder],
        "crf": str(crf),
        "g": str(keyint),
    }
    if encoder == "libsvtav1":
        return settings | {"svtav1-params": f"lp={threads}:scd=0"}
    if anchor.low_delay:
        settings["tune"] = "zerolatency"
    common = f"keyint={keyint}:min-keyint={keyint}:scenecut=0"
    if encoder == "libx264":
        return settings | {"x264-params": f"{common}:threads={threads}"}
    pools = "pools=none:frame-threads=1:wpp=0" if threads == 1 else f"pools={threads}"
    b_frames = ":bframes=0" if anchor.low_delay else ""
    return settings | {"x265-params": f"log-level=none:{common}{b_frames}:{pools}"}


def run_anchor(frames: Sequence[Frame], settings: dict[str, str], rate: Fraction) -> Coded:
    """Encode frames into a temporary file with the settings of an anchor, and decode the file.

    Args:
        frames: of one size, at least one.
        settings: from :func:`anchor_settings`.
        rate: frames per second.

    Raises:
        InputError: no frames, or the decoder returned another number of them.
    """
    if not frames:
        raise InputError("no frames to encode; give at least one")
    encoder = settings["encoder"]
    with tempfile.TemporaryDirectory() as folder, _quiet_svt():
        path = Path(folder) / f"coded{_SUFFIXES[encoder]}"
        start = time.perf_counter()
        _encode(frames, path, settings, rate)
        middle = time.perf_counter()
        decoded = list(_decode(path, frames[0].height, frames[0].width))
        end = time.perf_counter()
        size_bytes = path.stat().st_size
    if len(decoded) != len(frames):
        raise InputError(f"{encoder} returned {len(decoded)} frames of {len(frames)}")
    return Coded(size_bytes, decoded, middle - start, end - middle, settings)


def _encode(frames: Sequence[Frame], path: Path, settings: dict[str, str], rate: Fraction) -> None:
    encoder = settings["encoder"]
    options = {key: value for key, value in settings.items() if key not in ("encoder", "pyav")}
    even = encoder != "libsvtav1"
    first = frames[0]
    with av.open(str(path), "w", format=_FORMATS[encoder]) as container:
        stream = container.add_stream(encoder, rate=rate, options=options)
        stream.width = first.width + first.width % 2 if even else first.width
        stream.height = first.height + first.height % 2 if even else first.height
        stream.pix_fmt = "yuv420p"
        clean = _WITHOUT_SEI.get(encoder)
        units = BitStreamFilterContext(clean, stream) if clean else None
        for frame in [*frames, None]:
            picture = None if frame is None else _to_picture(frame, stream.width, stream.height)
            for packet in stream.encode(picture):
                container.mux(units.filter(packet) if units else packet)


def _decode(path: Path, height: int, width: int) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for picture in container.decode(video=0):
            yield picture_to_frame(picture, height, width)


def _to_picture(frame: Frame, width: int, height: int) -> av.VideoFrame:
    """PyAV picture of ``width`` x ``height``, the frame in its top left, edges repeated."""
    picture = av.VideoFrame(width, height, "yuv420p")
    for target, plane in zip(picture.planes, frame.planes, strict=True):
        rows, columns = target.height - plane.shape[0], target.line_size - plane.shape[1]
        target.update(np.pad(plane, ((0, rows), (0, columns)), mode="edge").tobytes())
    return picture


def picture_to_frame(picture: av.VideoFrame, height: int, width: int) -> Frame:
    """Top left ``height`` x ``width`` of a PyAV picture in yuv420p or yuvj420p."""
    if picture.format.name not in ("yuv420p", "yuvj420p"):
        raise InputError(f"pictures are {picture.format.name}; 8-bit 4:2:0 (yuv420p) is needed")
    shapes = ((height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2)
    planes: list[Plane] = []
    for source, (rows, columns) in zip(picture.planes, shapes, strict=True):
        lines = np.frombuffer(bytes(source), np.uint8).reshape(-1, source.line_size)
        planes.append(np.ascontiguousarray(lines[:rows, :columns]))
    return Frame(*planes)


@contextmanager
def _quiet_svt() -> Iterator[None]:
    """Keep SVT-AV1 from printing its configuration; it looks at this variable alone."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"  # errors only
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before
