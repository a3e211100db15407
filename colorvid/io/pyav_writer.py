"""Files in common containers, through PyAV: lossless, or such as every player shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from colorvid.colors import Light
from colorvid.errors import ConfigError, OutputError
from colorvid.frame import Frame
from colorvid.io.base import H264_SUFFIXES, FrameWriter, Sound, VideoInfo, check_frame_size
from colorvid.io.files import OutputFile
from colorvid.io.pyav_stream import ASPECT_TAG, OneFilter, av_errors, open_container
from colorvid.io.sources import ByteSource, open_source

_FFV1 = ("ffv1", {"level": "3", "slicecrc": "1"})
_EXACT = ("libx264", {"qp": "0", "preset": "veryfast"})
_PLAYABLE = ("libx264", {"crf": "12", "preset": "fast", "profile": "high"})
_DEEP_X265 = "log-level=none:pools=none:frame-threads=1:wpp=0"
_DEEP = ("libx265", {"crf": "8", "preset": "fast", "profile": "main10"})
_CONTAINERS = {".mkv": "matroska", ".avi": "avi", ".mp4": "mp4", ".mov": "mov"}


def picture_format(depth: int) -> str:
    """FFmpeg's name of 4:2:0 pictures of 8 or 10 bits."""
    return "yuv420p" if depth == 8 else "yuv420p10le"


class PyAvWriter(FrameWriter):
    """Writes FFV1 level 3 (RFC 9043) to mkv and avi, H.264, or H.265 of 10 bits, to mp4 and mov.

    H.264 is of the High profile, which browsers, telephones and hardware play, at a quality at
    which nobody sees a loss, with the index in front; with ``lossless`` it has QP 0, which few of
    them play. H.265 is of the Main 10 profile, likewise, and carries what is known of the light,
    if the display is.

    Size, rate and colour description are kept, with these exceptions. avi has no place for the
    colour description. mkv stores the frame duration in nanoseconds and no chroma location below
    the middle (bottomleft, bottom). FFV1 keeps the sample aspect ratio in its frames; mkv has it
    as the tag ``SAMPLE_ASPECT_RATIO`` too, because PyAV cannot set the display size of mkv. H.264
    stores an unknown range as limited, and an unspecified chroma location as left.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        *,
        overwrite: bool = False,
        lossless: bool = False,
        sound: Sound | None = None,
    ) -> None:
        """Open the output.

        Args:
            path: of the file.
            info: of the video.
            overwrite: whether an existing file is replaced.
            lossless: whether H.264 and H.265 keep every sample.
            sound: what streams besides the video are copied; None = none.

        Raises:
            OutputError: see ``OutputFile``; or H.264, H.265 and an odd size; or no such encoder.
            InputError: ``sound`` cannot be read.
        """
        self.info = info
        self._name = str(path)
        self._count = 0
        self._closed = False
        suffix = path.suffix.lower()
        codec, options = _coding(suffix, info, lossless)
        if codec != "ffv1" and (info.width % 2 or info.height % 2):
            name = "H.264" if codec == "libx264" else "H.265"
            raise OutputError(
                f"{path}: {info.size} is odd, which {name} cannot hold; write .mkv, .y4m or .yuv"
            )
        self._file = OutputFile(path, overwrite=overwrite)
        self._sound: _OtherStreams | None = None
        try:
            with av_errors(self._name, OutputError):
                self._container: Any = av.open(
                    str(self._file.temporary),
                    "w",
                    format=_CONTAINERS[suffix],
                    options={"movflags": "+faststart"} if suffix in H264_SUFFIXES else {},
                )
                self._stream = self._add_stream(codec, options)
                self._aspect: OneFilter | None = None
            if sound is not None:
                self._sound = _OtherStreams(sound, self._container, self._name)
        except BaseException:
            self.abort()
            raise

    def _add_stream(self, codec: str, options: dict[str, str]) -> Any:
        """Return an ``av.VideoStream`` set up for ``info``."""
        info = self.info
        # PyAV has no attribute for the chroma location, but FFmpeg has an option.
        location = {"chroma_sample_location": str(info.chroma_location)}
        options = options | location | _slices(codec, info)
        stream = self._container.add_stream(codec, rate=info.rate, options=options)
        stream.width, stream.height = info.width, info.height
        stream.pix_fmt = picture_format(info.depth)
        context = stream.codec_context
        if codec == "libx265":
            context.codec_tag = "hvc1"  # what players on Apple's systems ask for
        context.thread_count = 1
        context.time_base = 1 / info.rate
        context.color_range = info.color_range
        context.colorspace = info.matrix
        context.color_primaries = info.primaries
        context.color_trc = info.transfer
        if info.sample_aspect:
            context.sample_aspect_ratio = info.sample_aspect
            stream.metadata[ASPECT_TAG] = str(info.sample_aspect)
        return stream

    def write(self, frame: Frame) -> None:
        """Append a frame; see ``FrameWriter.write``."""
        if self._closed:
            raise OutputError(f"{self._name}: is closed; open a new writer for more frames")
        check_frame_size(self._name, self.info, frame, self._count)
        with av_errors(self._name, OutputError):
            picture: Any = as_picture(frame)
            if self.info.sample_aspect:
                picture = self._with_aspect(picture)
            picture.pts, picture.time_base = self._count, 1 / self.info.rate
            if self._sound is not None:
                self._sound.copy(self._count / self.info.rate)
            self._container.mux(self._stream.encode(picture))
        self._count += 1

    def _with_aspect(self, picture: Any) -> Any:
        """Set the sample aspect ratio of a frame, from which FFV1 takes it."""
        if self._aspect is None:
            ratio = self.info.sample_aspect
            self._aspect = OneFilter(picture, "setsar", f"{ratio.numerator}/{ratio.denominator}")
        return self._aspect(picture)

    def close(self) -> None:
        """Finish the output; see ``FrameWriter.close``."""
        if self._closed:
            return
        try:
            if self._count == 0:
                raise OutputError(f"{self._name}: no frame was written")
            with av_errors(self._name, OutputError):
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.copy(self._count / self.info.rate)
                    self._sound.close()
                self._container.close()
            self._file.commit()
        except BaseException:
            self.abort()
            raise
        self._closed = True

    def abort(self) -> None:
        """Throw the output away."""
        if self._closed:
            return
        self._closed = True
        if self._sound is not None:
            self._sound.close()
        try:
            container = getattr(self, "_container", None)
            if container is not None:
                with av_errors(self._name, OutputError):
                    container.close()
        except OutputError:
            pass  # the file goes away in any case
        finally:
            self._file.discard()


class _OtherStreams:
    """Sound and subtitles of a file, copied as they are coded."""

    def __init__(self, sound: Sound, target: Any, name: str) -> None:
        """Add streams for them to the container ``target``, called ``name``.

        Raises:
            InputError: the file cannot be read.
            ConfigError: it has none that the container can hold.
        """
        self._target = target
        self._source: ByteSource = open_source(sound.path)
        try:
            self._container: Any = open_container(self._source)
        except BaseException:
            self._source.close()
            raise
        self._streams: dict[int, Any] = {}
        for stream in (*self._container.streams.audio, *self._container.streams.subtitles):
            if target.format.name == "matroska" or _fits(target, stream):
                self._streams[stream.index] = target.add_stream_from_template(stream)
        if not self._streams:
            self.close()
            raise ConfigError(
                f"{sound.path}: has no sound that {name} can hold; leave out "
                f"with_audio={sound.path}"
            )
        self._packets: Iterator[Any] = self._container.demux()
        self._next: Any = None
        self._start = sound.start + _first_time(self._container)

    def copy(self, until: Fraction) -> None:
        """Copy what begins before a time of the target, in seconds."""
        while True:
            packet = self._next or next(self._packets, None)
            self._next = None
            if packet is None:
                return
            stream = self._streams.get(packet.stream_index)
            if stream is None or packet.dts is None:
                continue
            time = packet.dts * packet.time_base - self._start
            if time >= until:
                self._next = packet
                return
            if self._start and time < 0:
                continue
            _move(packet, self._start)
            packet.stream = stream
            self._target.mux(packet)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._source.close()


def _first_time(container: Any) -> Fraction:
    """When the video of a file begins, seconds; 0 without one."""
    video = next(iter(container.streams.video), None)
    if video is None or not video.start_time:
        return Fraction(0)
    return Fraction(video.start_time * video.time_base)


def _move(packet: Any, earlier: Fraction) -> None:
    """Let a packet come earlier by a number of seconds."""
    ticks = round(earlier / packet.time_base)
    packet.dts -= ticks
    if packet.pts is not None:
        packet.pts -= ticks


def _fits(target: Any, stream: Any) -> bool:
    """Whether a container takes a stream as it is coded."""
    context = stream.codec_context
    return context is not None and context.name in target.supported_codecs


def _coding(suffix: str, info: VideoInfo, lossless: bool) -> tuple[str, dict[str, str]]:
    """The encoder for a file and its options."""
    if suffix not in H264_SUFFIXES:
        return _FFV1
    if info.depth == 8:
        return _EXACT if lossless else _PLAYABLE
    codec, options = _DEEP
    if lossless:
        options = {key: value for key, value in options.items() if key != "crf"}
    more = ":lossless=1" if lossless else ""
    return codec, options | {"x265-params": f"{_DEEP_X265}{more}{_light(info.light)}"}


def _light(light: Light) -> str:
    """What x265 writes of the display and of the content.

    Without a display it writes nothing: FFmpeg would read one all the same, from wild memory.
    """
    if replace(light, max_cll=0, max_fall=0) == Light():
        return ""
    text = (
        f":master-display=G({light.green_x},{light.green_y})B({light.blue_x},{light.blue_y})"
        f"R({light.red_x},{light.red_y})WP({light.white_x},{light.white_y})"
        f"L({light.brightest},{light.darkest})"
    )
    if light.max_cll or light.max_fall:
        text += f":max-cll={light.max_cll},{light.max_fall}"
    return text


def _slices(codec: str, info: VideoInfo) -> dict[str, str]:
    """Return the number of FFV1 slices: its encoder refuses to cut small pictures."""
    return {"slices": "1" if min(info.width, info.height) < 64 else "4"} if codec == "ffv1" else {}


def as_picture(frame: Frame) -> Any:
    """Copy the planes into an ``av.VideoFrame``, whose rows have padding."""
    picture: Any = av.VideoFrame(frame.width, frame.height, picture_format(frame.depth))
    for source, target in zip(frame.packed(), picture.planes, strict=True):
        height, width = source.shape
        step = target.line_size // source.itemsize
        rows = np.frombuffer(target, source.dtype, count=height * step)
        rows.reshape(height, step)[:, :width] = source
    return picture
