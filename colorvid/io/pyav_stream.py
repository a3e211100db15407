"""What PyAV says about a stream, and what FFmpeg passes over in silence."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import av.error
import av.filter
import av.logging
from av.stream import Disposition

from colorvid.colors import Light
from colorvid.errors import InputError
from colorvid.io.base import CHROMA_LOCATIONS, MAX_RATIO_TERM, VideoInfo
from colorvid.io.pyav_light import light_of
from colorvid.io.pyav_pictures import depth_of, meaning
from colorvid.io.sources import ByteSource
from colorvid.system.locks import process_lock


@contextmanager
def av_errors(name: str, kind: type[InputError]) -> Iterator[None]:
    """Turn every PyAV or system error of the block into ``kind``: ``name: reason``, in one line.

    PyAV also raises plain ``ValueError`` (an option or a format it does not know) and
    ``RuntimeError`` (an object in the wrong state).
    """
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise kind(f"{name}: {' '.join(str(reason).split())}") from error


CONTAINERS = (
    "3g2", "3gp", "aac", "ac3", "aiff", "amr", "apng", "apv", "asf", "au", "av1", "avi", "avs2",
    "avs3", "bmp_pipe", "caf", "cavsvideo", "dds_pipe", "dirac", "dnxhd", "dpx_pipe", "dv", "evc",
    "exr_pipe", "flac", "flv", "gem_pipe", "gif", "gif_pipe", "gxf", "h261", "h263", "h264",
    "hdr_pipe", "hevc", "ico", "ingenient", "ivf", "j2k_pipe", "jpeg_pipe", "jpegls_pipe",
    "jpegxl_anim", "jpegxl_pipe", "jpegxs_pipe", "m4a", "m4v", "matroska", "mj2", "mjpeg",
    "mjpeg_2000", "mov", "mp3", "mp4", "mpeg", "mpegts", "mpegvideo", "mpjpeg", "mxf", "mxf_d10",
    "nsv", "nut", "obu", "ogg", "pam_pipe", "pbm_pipe", "pcx_pipe", "pfm_pipe", "pgm_pipe",
    "pgmyuv_pipe", "pgx_pipe", "phm_pipe", "png_pipe", "ppm_pipe", "psd_pipe", "qoi_pipe", "rm",
    "roq", "sgi_pipe", "smjpeg", "sunrast_pipe", "swf", "tiff_pipe", "vbn_pipe", "vc1", "vc1test",
    "vvc", "w64", "wav", "webm", "webp", "webp_pipe", "wtv", "xbm_pipe", "xpm_pipe", "xwd_pipe",
    "yuv4mpegpipe",
)  # fmt: skip
"""FFmpeg's demuxers that are used. None of them opens another file: playlists, patterns of names,
scripts, devices and the network are not among them."""
_OPENING = {
    "format_whitelist": ",".join(CONTAINERS),
    "protocol_whitelist": "none",  # the bytes come from us; nothing else is opened
}


# Metadata that are no UTF-8 are no reason to refuse a file; PyAV 19 lets them be by itself.
_METADATA: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


def open_container(source: ByteSource, form: str | None = None) -> Any:
    """Open a file or a pipe of one of the ``CONTAINERS``.

    The content tells which; where it does not, as in some raw streams, the suffix of the file may.

    Args:
        source: its bytes; closed by the caller.
        form: FFmpeg's name of the container; None = find out.

    Returns:
        An ``av.container.InputContainer``.

    Raises:
        InputError: it is none of them.
    """
    with av_errors(f"{source.label}: cannot be opened as video", InputError):
        try:
            return _open(source, form)
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:
            if source.is_text():
                raise InputError(f"{source.label}: is text, not a video; give a video") from error
            suffix = re.search(r"\.[A-Za-z0-9_]{1,8}$", source.label)
            if not source.seekable() or suffix is None:
                raise
            source.rewind()
            source.name = f"input{suffix[0]}"
            return _open(source, form)


def _open(source: ByteSource, form: str | None) -> Any:
    try:
        return av.open(source, "r", format=form, options=_OPENING, **_METADATA)
    except av.error.ArgumentError as error:  # all that FFmpeg says of its list
        code = error.errno or 0
        raise av.error.InvalidDataError(code, "is none of the formats that are read") from error


class OneFilter:
    """Sends frames of one size and pixel format through one filter of FFmpeg."""

    def __init__(self, like: Any, name: str, options: str) -> None:
        """Prepare filter ``name`` for frames of the size and format of ``like``."""
        self._graph = av.filter.Graph()
        # Graph.add_buffer states square samples in some versions of PyAV, so it is not used; the
        # filters that are chained here do not look at the time base.
        source = self._graph.add(
            "buffer",
            f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}"
            ":time_base=1/1000:pixel_aspect=0/1",
        )
        middle = self._graph.add(name, options)
        source.link_to(middle)
        middle.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def __call__(self, frame: Any) -> Any:
        """Return the ``av.VideoFrame`` that comes out for ``frame``; its time base is 1/1000."""
        self._graph.push(frame)
        return self._graph.pull()


ASPECT_TAG = "SAMPLE_ASPECT_RATIO"
"""Stream tag that holds the sample aspect ratio in Matroska files of colorvid, as in ``4/3``."""

_LOG_LEVEL = process_lock()  # the log level belongs to the whole process


@contextmanager
def _logging() -> Iterator[None]:
    """Let FFmpeg log what it has to say."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        yield
    finally:
        av.logging.set_level(level)


def describe(stream: Any, frame: Any, times: Times, *, rate: Fraction | None) -> VideoInfo:
    """Describe a video by its stream and first decoded frame.

    Args:
        stream: an ``av.VideoStream``.
        frame: the first ``av.VideoFrame``, before any conversion.
        times: of its first frames.
        rate: replaces the frame rate of the stream.

    Raises:
        InputError: no frame rate is known, or a value is out of its range.
    """
    own = _exact_rate(stream, times)
    rate = rate or own
    if not rate:
        raise InputError("frame rate unknown; pass rate=30000/1001")
    location, frame_aspect = _location_and_aspect(frame)
    colours = meaning(frame, stream.codec_context, location)
    return VideoInfo(
        width=frame.width,
        height=frame.height,
        rate=rate,
        sample_aspect=exact(stream.sample_aspect_ratio) or frame_aspect or _tagged_aspect(stream),
        color_range=colours.color_range,
        matrix=colours.matrix,
        primaries=colours.primaries,
        transfer=colours.transfer,
        chroma_location=colours.chroma_location,
        frames=stated_frames(stream, own or rate),
        depth=depth_of(frame),
        light=light_of(frame) if depth_of(frame) > 8 else Light(),
    )


RAW_STREAMS = {
    "avs2", "avs3", "apv", "av1", "cavsvideo", "dirac", "dnxhd", "evc", "h261", "h263", "h264",
    "hevc", "ingenient", "m4v", "mjpeg", "mjpeg_2000", "mpegvideo", "obu", "vc1", "vvc",
}  # fmt: skip
"""Containers without times: FFmpeg makes them up, at 25 frames per second."""
_PICTURES = "_pipe"
"""End of FFmpeg's names of containers that are single pictures, or many one after another."""


def is_raw_stream(container: Any) -> bool:
    """Whether the times of frames are made up."""
    return bool(set(container.format.name.split(",")) & RAW_STREAMS)


def states_no_rate(container: Any) -> bool:
    """Whether the rate is made up too, as that of pictures is."""
    return bool(container.format.name.endswith(_PICTURES))


_LOOK_AHEAD, _LOOK_AHEAD_BYTES = 32, 2**25
"""Packets, and their bytes, that are read to learn the times of frames."""


class Times:
    """The times of the first frames of a stream, read ahead of the decoder.

    Attributes:
        packets: of the stream, all of them from the first.
        shown: times of frames in display order, in units of the time base; as far as no later
            packet can come before them.
    """

    def __init__(self, packets: Iterator[Any]) -> None:
        """Read packets ahead.

        Raises:
            FFmpegError: they cannot be read.
        """
        ahead: list[Any] = []
        size = 0
        for packet in packets:
            ahead.append(packet)
            size += packet.size
            if len(ahead) >= _LOOK_AHEAD or size >= _LOOK_AHEAD_BYTES:
                break
        self.packets = chain(ahead, packets)
        times = sorted({p.pts for p in ahead if p.pts is not None and p.size and not p.is_discard})
        last = ahead[-1].dts if ahead else None
        self.shown = times if last is None else [t for t in times if t <= last]

    def mean(self) -> Fraction | None:
        """Time from frame to frame, in units of the time base; None if they are not even."""
        count = len(self.shown) - 1
        if count < 1:
            return None
        step = Fraction(self.shown[-1] - self.shown[0], count)
        even = all(abs(t - self.shown[0] - i * step) <= 1 for i, t in enumerate(self.shown))
        return step if even and step > 0 else None


def exact(ratio: Any) -> Fraction | None:
    """A ratio of PyAV, whose class depends on its version; None if it is unknown or 0."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def _tick(stream: Any) -> Fraction:
    """The unit of the times of a stream, seconds."""
    return exact(stream.time_base) or Fraction(0)


def _exact_rate(stream: Any, times: Times) -> Fraction | None:
    """The frame rate as the stream states it, checked against the times of its frames.

    What FFmpeg calls the average is derived from times in some containers, and its guess comes
    from a table of usual rates. One of what it knows is the true rate: the one that the times
    confirm, to the last digit or else within their rounding.
    """
    form = set(stream.container.format.name.split(","))
    coded = exact(stream.codec_context.framerate)
    if form & RAW_STREAMS:
        return _raw_rate(stream, form, coded)
    known = [exact(stream.average_rate), exact(stream.guessed_rate)]
    rates = [rate for rate in known if rate]
    if "matroska" in form:
        rates = [_undo_nanoseconds(rate) for rate in rates]
    plain = [rate for rate in rates if rate.denominator in (1, 1001)]
    usual: Fraction | None = next(iter(plain or rates[::-1]), None)
    step = times.mean()
    if step is None:
        return usual
    further = [rate for rate in (coded, _counted_rate(stream)) if rate]
    rates = [*rates[:1], *further, *rates[1:]]
    fitting = _fitting_rate(rates, step, len(times.shown) - 1, _tick(stream))
    average = exact(stream.average_rate)
    if fitting is None or average is None or fitting in rates:
        return fitting or usual
    # A rate that nothing states holds for the first frames; the average is that of all.
    return fitting if abs(fitting - average) < average / 50 else usual


def _raw_rate(stream: Any, form: set[str], coded: Fraction | None) -> Fraction | None:
    """The rate in the headers of a raw stream; None if they state none."""
    if "m4v" in form and coded:
        guessed = exact(stream.guessed_rate)  # its headers state a clock
        return guessed or coded
    return coded or None


def _counted_rate(stream: Any) -> Fraction | None:
    """Frames over duration as the header states both."""
    if not stream.frames or not stream.duration:
        return None
    seconds: Fraction = stream.duration * _tick(stream)
    return Fraction(stream.frames) / seconds


_ROUNDING = Fraction(1, 2000)
"""Share by which steps are off where each is rounded to a tick; usual rates are twice as far apart.
"""


def _fitting_rate(
    rates: list[Fraction], step: Fraction, steps: int, tick: Fraction
) -> Fraction | None:
    """The rate that times confirm.

    Args:
        rates: what may be true, the likeliest first.
        step: mean time from frame to frame, in ticks.
        steps: how many of them it was measured over.
        tick: seconds.
    """
    exact = 1 / (step * tick)
    if exact in rates:
        return exact

    def fits(rate: Fraction) -> bool:
        away = abs(1 / (rate * tick) - step)
        return away * steps <= 1 or away < min(Fraction(1), step * _ROUNDING)

    close = [rate for rate in rates if fits(rate)]
    plain = [rate for rate in close if rate.denominator in (1, 1001)]
    if plain or close:
        close.sort(key=lambda rate: rate.denominator)
        return (plain or close)[0]
    if step.denominator == 1 and exact.numerator <= MAX_RATIO_TERM:
        return exact
    # Nothing that is stated fits: the plainest rate that does.
    for denominator in (1, 2, 3, 4, 5, 1001, *range(6, 1000)):
        rate = Fraction(round(exact * denominator), denominator)
        if rate > 0 and fits(rate):
            return rate
    return None


def stated_frames(stream: Any, rate: Fraction) -> int | None:
    """Frames as the header states, without those that an edit list cuts off; None = unknown."""
    count = stream.frames
    if not count:
        return None
    if stream.duration and "mov" in stream.container.format.name.split(","):
        count = min(count, math.ceil(stream.duration * _tick(stream) * rate))
    return int(count)


def _undo_nanoseconds(rate: Fraction) -> Fraction:
    """Return n * 1000/1001 if ``rate`` is that but for rounding.

    Matroska stores the duration of a frame in nanoseconds, and FFmpeg returns the nearest
    fraction with small terms: 19001/317 for 60000/1001.
    """
    nearest = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    if rate.denominator != 1 and abs(nearest - rate) < rate / 2_000_000:
        return nearest
    return rate


def _location_and_aspect(frame: Any) -> tuple[int, Fraction]:
    """Chroma location and sample aspect ratio of a frame; 0 = unknown.

    PyAV has no attribute for either. FFmpeg's ``showinfo`` filter logs both, so one frame is sent
    through it.
    """
    text = _showinfo(frame)
    location = re.search(r"\bcl:([a-z]+)", text)
    aspect = re.search(r"\bsar:([0-9]+)/([0-9]+)", text)
    index = 0
    if location and location[1] in CHROMA_LOCATIONS:
        index = CHROMA_LOCATIONS.index(location[1])
    if not aspect or int(aspect[2]) == 0:
        return index, Fraction(0)
    return index, Fraction(int(aspect[1]), int(aspect[2]))


def _tagged_aspect(stream: Any) -> Fraction:
    """Return the aspect ratio of our own Matroska tag; 0 = none. FFmpeg before 8.1 needs it."""
    match = re.fullmatch(r"([0-9]{1,10})(?:/([0-9]{1,10}))?", stream.metadata.get(ASPECT_TAG, ""))
    if not match or int(match[2] or 1) == 0:
        return Fraction(0)
    return Fraction(int(match[1]), int(match[2] or 1))


def _showinfo(frame: Any) -> str:
    """Return what ``showinfo`` logs about the frame."""
    with _LOG_LEVEL, _logging(), av.logging.Capture() as lines:
        OneFilter(frame, "showinfo", "checksum=0")(frame)
    return "".join(text for _, source_name, text in lines if "showinfo" in source_name)


_STATES_DURATION = ("matroska", "mov")
"""Containers whose header states the duration; FFmpeg estimates that of others from what it finds.
"""


def video_stream(container: Any, name: str) -> tuple[Any, int]:
    """Choose the first video stream that is no cover picture.

    Returns:
        The ``av.VideoStream``, and the number of such streams.

    Raises:
        InputError: there is none, or nothing here decodes it.
    """
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not films:
        covers = " but a cover picture" if container.streams.video else ""
        raise InputError(f"{name}: has no video stream{covers}; give a video")
    known = [s for s in films if s.codec_context is not None]
    if not known:
        raise InputError(f"{name}: its video is coded in a way that is not known here")
    return known[0], len(known)


def refuse_hidden_alpha(stream: Any, name: str) -> None:
    """Refuse a stream with alpha beside its pictures (WebM), which FFmpeg does not decode.

    Raises:
        InputError: the stream is marked so.
    """
    if stream.metadata.get("alpha_mode") == "1":
        raise InputError(f"{name}: has an alpha channel; pass convert=True to drop it")


class Orientation:
    """Refuses frames that are to be turned or mirrored for display, which ``.clv`` cannot say."""

    def __init__(self) -> None:
        """No frame was seen yet."""
        self._strippers: dict[str, OneFilter] = {}

    def check(self, frame: Any, name: str) -> None:
        """Refuse such a frame of the video ``name``.

        Raises:
            InputError: its display matrix (ISO/IEC 14496-12, 6.2.2) is more than a scale.
        """
        data = self._side_data(frame).get("DISPLAYMATRIX")
        if data is None:
            return
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
        if b or c or a < 0 or d < 0:
            angle = f"turned by {-frame.rotation % 360} degrees"
            raise InputError(
                f"{name}: is to be shown {angle if a * d >= b * c else 'mirrored'}, which a .clv "
                "stream cannot say; turn the pictures first, as ffmpeg -i IN -c:v ffv1 OUT.mkv does"
            )

    def _side_data(self, frame: Any) -> Any:
        """What comes with a frame; kinds that PyAV does not know, and fails at, are taken off."""
        while True:
            try:
                return frame.side_data
            except ValueError as error:
                kind = re.match(r"\d+", str(error))
                if kind is None:
                    raise
                strip = self._strippers.get(kind[0])
                if strip is None:
                    strip = OneFilter(frame, "sidedata", f"mode=delete:type={kind[0]}")
                    self._strippers[kind[0]] = strip
                frame = strip(frame)


def cropping(container: Any, stream: Any, name: str) -> tuple[int, int, int, int]:
    """What the container says is to be cut off: samples left, right, above and below.

    PyAV has no attribute for it, but FFmpeg lists it in its description of the file.

    Raises:
        InputError: less than a sample would be left, or pictures of 4:2:0 cannot be cut there.
    """
    with _LOG_LEVEL, _logging():
        text = container.dumps_format()
    part = re.search(rf"Stream #0:{stream.index}\b(.*?)(?=\n  Stream #|\Z)", text, re.DOTALL)
    found = re.search(r"\n +Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", part[1] if part else "")
    if found is None:
        return 0, 0, 0, 0
    left, right, above, below = (int(number) for number in found.groups())
    if left % 2 or above % 2:
        raise InputError(
            f"{name}: is to be shown without its first {left} columns and {above} rows, which must "
            "be even numbers; cut the pictures first, as ffmpeg -i IN -c:v ffv1 OUT.mkv does"
        )
    return left, right, above, below


class Clock:
    """Compares the times of frames with a constant rate, and the end with the stated duration."""

    def __init__(self, container: Any, stream: Any, rate: Fraction, *, constant: bool) -> None:
        """Watch a stream of ``rate`` frames per second; ``constant``: its times do not matter."""
        self._rate = rate
        self._constant = constant
        self._stated_end = _stated_end(container, stream)
        self._first: Fraction | None = None
        self._end = Fraction(0)
        self._count = 0
        self._uneven = 0
        self._worst = (Fraction(0), 0)  # seconds, number of the frame
        self._cut = False

    def see(self, frame: Any) -> None:
        """Take note of the next ``av.VideoFrame``; one without a time counts as in its place."""
        number = self._count
        self._count += 1
        unit = exact(frame.time_base)
        if frame.pts is None or unit is None:
            return
        time = frame.pts * unit
        if self._first is None:
            self._first = time - number / self._rate
        length = (getattr(frame, "duration", 0) or 0) * unit
        self._end = max(self._end, time + max(length, 1 / self._rate))
        away = abs(time - self._first - number / self._rate)
        if away > Fraction(1, 2) / self._rate + unit:
            self._uneven += 1
            self._worst = max(self._worst, (away, number))

    def finish(self) -> None:
        """The source has ended: compare with its header."""
        missing = 0 if self._stated_end is None else self._stated_end - self._end
        self._cut = self._first is not None and missing * self._rate > Fraction(3, 4)

    def warnings(self, name: str) -> list[str]:
        """One line for a file that is cut, or else for times that are not even."""
        if self._cut and self._stated_end is not None:
            return [
                f"{name}: ends at {float(self._end):.3f} s, but its header says "
                f"{float(self._stated_end):.3f} s; {self._count} frames were read: it is cut short"
            ]
        if self._uneven and not self._constant:
            away, number = self._worst
            return [
                f"{name}: the frame rate varies: {self._uneven} of {self._count} frames are off "
                f"the times of {self._rate} frames per second (frame {number} by "
                f"{float(away):.3f} s); a .clv stream has a constant rate, so make the rate "
                f"constant first, or pass rate={self._rate} to take the frames at that rate"
            ]
        return []


def _stated_end(container: Any, stream: Any) -> Fraction | None:
    """Seconds at which the last frame ends by the header; None if it says nothing."""
    if not container.format.name.startswith(_STATES_DURATION):
        return None
    unit = exact(stream.time_base)
    if stream.duration is not None and unit is not None:
        return Fraction((stream.start_time or 0) + stream.duration) * unit
    tag = re.match(r"(\d+):(\d\d):(\d\d)(\.\d{1,9})?", stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = (int(tag[i]) for i in (1, 2, 3))
        return hours * 3600 + minutes * 60 + seconds + Fraction(tag[4] or 0)
    if len(container.streams) == 1 and container.duration is not None:
        return Fraction(container.duration, 1_000_000)  # FFmpeg's AV_TIME_BASE
    return None
