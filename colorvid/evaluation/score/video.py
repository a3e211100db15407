"""Videos to compare: anything readable, ``.clv`` streams, coded sizes, and what colours mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any, BinaryIO, cast

from colorvid.bitstream import FrameSummary, FrameType, summarise
from colorvid.config import STREAM_SIGN
from colorvid.errors import InputError
from colorvid.files.decode import DecodedVideo, DecodeOptions
from colorvid.files.streams import named_errors
from colorvid.frame import Frame, Size
from colorvid.io import VideoInfo, open_reader
from colorvid.io.base import CHROMA_LOCATIONS, RANGE_FULL, RANGE_LIMITED, RANGE_UNKNOWN, UNSPECIFIED
from colorvid.io.opening import is_raw
from colorvid.io.sources import ByteSource, kept, open_source
from colorvid.io.y4m import is_y4m
from colorvid.quality.color import ColorSpec, Matrix, Siting
from colorvid.quality.scores import color_spec

MATRICES = {"bt709": Matrix.BT709, "bt601": Matrix.BT601, "bt2020": Matrix.BT2020_NCL}
RANGES = {"limited": RANGE_LIMITED, "full": RANGE_FULL}
SITINGS: dict[Siting, int] = {
    name: CHROMA_LOCATIONS.index(name) for name in ("left", "center", "topleft")
}
_ANY_RATE = Fraction(25)  # a raw video needs one to be opened


@dataclass(frozen=True, slots=True)
class Source:
    """How to open a video.

    Attributes:
        path: a file, or ``-`` for y4m on standard input.
        frames: most frames to read, from the first on; ``None`` = all.
        size: of the pictures of a raw ``.yuv``.
        rate: frames per second; replaces what the file states.
        convert: convert what is not 4:2:0 of 8 or 10 bits.
        threads: of the decoder of ``.clv``; 0 = one for each core.
        device: torch device for ``.clv``.
        model: path of the model of a ``.clv``; ``None`` = the released one that it names.
    """

    path: str
    frames: int | None = None
    size: Size | None = None
    rate: Fraction | None = None
    convert: bool = False
    threads: int = 0
    device: str = "cpu"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """An open video.

    Attributes:
        name: as in messages.
        info: what it states; the rate of a raw video means nothing.
        rate: frames per second; ``None`` = not known.
        frames: read once, in display order.
        frame_bytes: coded size of each frame, in display order; ``None`` = not known.
        frame_types: how each is coded, as in ``key``, ``P`` and ``B``; ``None`` = not known.
        file_bytes: size of the file; ``None`` = not coded, or a pipe.
        whole: the file holds these frames and nothing else, so that its size is their rate.
    """

    name: str
    info: VideoInfo
    rate: Fraction | None
    frames: Iterator[Frame]
    frame_bytes: list[int] | None = None
    frame_types: list[str] | None = None
    file_bytes: int | None = None
    whole: bool = False


@contextmanager
def open_video(source: Source, *, sizes: bool = False) -> Iterator[Video]:
    """Open a video for the block.

    Args:
        source: what to open. A ``.clv`` is decoded as its frames are asked for, and torch is
            loaded only then.
        sizes: find out the coded sizes and the types of the frames. Files that FFmpeg reads are
            decoded once more for that.

    Raises:
        InputError: the file cannot be read.
        HeaderError: a ``.clv`` is none.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_source(source.path))
        if file.start.startswith(STREAM_SIGN):
            yield _open_clv(source, file, stack, sizes)
        else:
            yield _open_other(source, file, stack, sizes)


def _open_other(source: Source, file: ByteSource, stack: ExitStack, sizes: bool) -> Video:
    """A video that `open_reader` takes."""
    raw = is_raw(file)
    coded = sizes and not raw and not is_y4m(file.start) and bool(file.start)
    found = None
    if coded:
        from colorvid.io.pyav_reader import frame_sizes

        file = stack.enter_context(kept(file))
        found = frame_sizes(file, source.frames)
    file_bytes = file.file_bytes if coded else None
    reader = stack.enter_context(
        open_reader(
            file,
            size=source.size if raw else None,
            rate=source.rate or _ANY_RATE if raw else source.rate,
            convert=source.convert,
            frames=source.frames,
        )
    )
    known = source.rate if raw else reader.info.rate
    return Video(
        file.label,
        reader.info,
        known,
        reader,
        frame_bytes=None if found is None else found.sizes,
        frame_types=None if found is None else found.types,
        file_bytes=file_bytes,
        whole=found is not None and found.complete and found.alone,
    )


def _open_clv(source: Source, file: ByteSource, stack: ExitStack, sizes: bool) -> Video:
    """A ``.clv`` stream; a damaged one is refused where the damage is reached."""
    options = DecodeOptions(
        threads=source.threads, device=source.device, model=source.model, on_error="stop"
    )
    packets: Sequence[FrameSummary] = ()
    if sizes:
        file = stack.enter_context(kept(file))
        with named_errors(file.label):
            found = summarise(cast(BinaryIO, file)).frames
        packets = sorted(found, key=lambda frame: frame.header.display_number)
        file.rewind()
    decoded = DecodedVideo(cast(BinaryIO, file), options, file.label)
    frames = stack.enter_context(closing(decoded.frames()))
    info, rate = decoded.info, source.rate or decoded.info.rate
    video = Video(file.label, info, rate, islice(frames, source.frames))
    if not sizes:
        return video
    taken = packets[: source.frames]
    return replace(
        video,
        info=replace(info, frames=len(taken)),
        frame_bytes=[frame.packet_bytes for frame in taken],
        frame_types=[FrameType(frame.header.frame_type).label for frame in taken],
        file_bytes=file.file_bytes,
        whole=len(taken) == len(packets),
    )


@dataclass(frozen=True, slots=True)
class Colors:
    """What the samples of two videos are taken to mean.

    Attributes:
        spec: for both.
        origin: of ``matrix``, ``range`` and ``siting``: who says so, or that it is assumed and why.
        conflicts: a line for each property that the two videos state differently.
    """

    spec: ColorSpec
    origin: dict[str, str]
    conflicts: tuple[str, ...]

    @property
    def values(self) -> dict[str, str]:
        """Matrix, range and siting by name."""
        weights = self.spec.luma_weights  # the same for BT.470BG and BT.601
        return {
            "matrix": next(n for n, m in MATRICES.items() if ColorSpec(m).luma_weights == weights),
            "range": "full" if self.spec.full_range else "limited",
            "siting": self.spec.siting,
        }

    def __str__(self) -> str:
        """All three with their origin, in one line."""
        return ", ".join(f"{key} {v} ({self.origin[key]})" for key, v in self.values.items())


_FIELDS = {
    "matrix": ("matrix", UNSPECIFIED),
    "range": ("color_range", RANGE_UNKNOWN),
    "siting": ("chroma_location", 0),
}
"""Field of `VideoInfo` of each property, and its value where nothing is stated."""


def choose_colors(
    reference: VideoInfo,
    decoded: VideoInfo,
    *,
    matrix: str | None = None,
    color_range: str | None = None,
    siting: Siting | None = None,
) -> Colors:
    """Decide what the samples of two videos mean.

    An argument goes first, then what the reference states, then what the decoded video states.
    What nobody states is assumed: BT.709 from 720 rows up, else BT.601; limited range; chroma on
    even columns, between rows (``left``).

    Args:
        reference, decoded: what the videos state.
        matrix, color_range, siting: keys of ``MATRICES``, ``RANGES`` and ``SITINGS``.

    Raises:
        InputError: the matrix that is stated is not supported.
    """
    asked = {
        "matrix": None if matrix is None else int(MATRICES[matrix]),
        "range": None if color_range is None else RANGES[color_range],
        "siting": None if siting is None else SITINGS[siting],
    }
    origin: dict[str, str] = {}
    values: dict[str, Any] = {}
    conflicts: list[str] = []
    for key, (field, unknown) in _FIELDS.items():
        one, two = getattr(reference, field), getattr(decoded, field)
        values[field], origin[key] = _decide(one, two, unknown, asked[key])
        if asked[key] is None and unknown not in (one, two) and one != two:
            conflicts.append(
                f"the original states {key} {one}, the decoded video {two} (code points of ITU-T "
                f"H.273 and FFmpeg); {one} is taken for both"
            )
    spec = color_spec(replace(reference, **values))
    if spec is None:
        raise InputError(
            f"matrix coefficients {values['matrix']} (ITU-T H.273) are not supported; pass "
            f"matrix=NAME with one of {', '.join(MATRICES)}"
        )
    if SITINGS[spec.siting] != values["chroma_location"]:
        origin["siting"] = "assumed"
    return Colors(spec, origin, tuple(conflicts))


def _decide(one: int, two: int, unknown: int, asked: int | None) -> tuple[int, str]:
    """Value of a property, and where it comes from."""
    if asked is not None:
        return asked, "as asked for"
    if one != unknown:
        return one, "stated by the original"
    return (two, "stated by the decoded video") if two != unknown else (unknown, "assumed")
