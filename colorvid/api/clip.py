"""A ``.clv`` stream as a sequence of frames, any of which can be had by its number."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, overload

from colorvid.api.shared import SharedFile, Source, plain
from colorvid.bitstream import ClvReader, StreamHeader, StreamIndex
from colorvid.colors import Color
from colorvid.errors import ConfigError, DamagedStream, InputError
from colorvid.files.decode import DecodedVideo, DecodeOptions, OnError
from colorvid.files.streams import named_errors
from colorvid.frame import Frame, Size
from colorvid.images.pictures import Rgb, from_rgb
from colorvid.io import VideoInfo
from colorvid.io.opening import MAX_COUNT
from colorvid.io.times import shown_at
from colorvid.quality.color import frame_to_rgb
from colorvid.quality.scores import color_spec
from colorvid.system.text import frame_rate, plural

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from typing_extensions import TypedDict, Unpack

    from colorvid.models.loading import Model

    class OpenKeywords(TypedDict, total=False):
        """The keyword arguments of `open`."""

        threads: int
        device: str
        model: str | Model | None
        on_error: OnError
        max_pixels: int | None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ClipFrame(Frame):
    """A decoded frame: the planes ``y``, ``u`` and ``v`` as NumPy arrays, and its place.

    Attributes:
        info: the video that it is of: rate and colour.
        number: in the video, from 0.
    """

    info: VideoInfo
    number: int

    def __repr__(self) -> str:
        """Number and size."""
        return f"ClipFrame({self.number}, {self.size})"

    @property
    def time(self) -> float:
        """When it is shown, seconds."""
        return float(self.number / self.info.rate)

    def to_rgb(self) -> Rgb:
        """R'G'B' as u8 ``(H, W, 3)``; see `colorvid.quality.color.frame_to_rgb`.

        Raises:
            InputError: the matrix of the video is not BT.601, BT.709 or BT.2020.
        """
        spec = color_spec(self.info)
        if spec is None:
            raise InputError(
                f"frame {self.number} has matrix {self.info.color.matrix}; R'G'B' can be made of "
                "BT.601, BT.709 and BT.2020, so use its planes y, u and v"
            )
        return frame_to_rgb(self, spec)

    def to_image(self) -> Image:
        """R'G'B' as a Pillow image.

        Raises:
            InputError: see `to_rgb`.
            ColorvidError: Pillow is missing.
        """
        image: Image = from_rgb(self.to_rgb(), "pil")
        return image

    def to_tensor(self) -> Tensor:
        """R'G'B' as a torch tensor, floats 0..1, ``(3, H, W)``.

        Raises:
            InputError: see `to_rgb`.
            ColorvidError: PyTorch is missing.
        """
        tensor: Tensor = from_rgb(self.to_rgb(), "torch")
        return tensor


class _Stream:
    """What a clip and its parts share: the file, its index, and the frame that was wanted last."""

    def __init__(self, source: Source, options: DecodeOptions) -> None:
        self.file = SharedFile(source)
        self.label = self.file.label
        self.options = options
        try:
            video = DecodedVideo(self.file.view(), options, self.label)
            self.header: StreamHeader = video.header
            self.info = video.info
            with named_errors(self.label):
                strict = options.on_error == "stop"
                reader = ClvReader(self.file.view(), "raise" if strict else "resync")
                if strict and reader.stated_frames() is None:
                    raise DamagedStream(
                        "the stream is cut or its index damaged; pass on_error='conceal' to read "
                        "what is there"
                    )
                self.index: StreamIndex = reader.load_index()
        except BaseException:
            self.file.close()
            raise
        self.info = replace(self.info, frames=self.index.total_frames)
        self._lock = threading.Lock()
        self._coming: Generator[ClipFrame, None, None] | None = None
        self._next = 0  # number of the frame that comes
        self._last: ClipFrame | None = None

    def frames(
        self, first: int, number: int, threads: int | None = None
    ) -> Generator[ClipFrame, None, None]:
        """Decode a number of frames from the first on; with one thread no group but theirs."""
        options = replace(
            self.options,
            seek=first,
            frames=min(number, MAX_COUNT),
            model=self._model(),
            threads=self.options.threads if threads is None else threads,
        )
        video = DecodedVideo(self.file.view(), options, self.label)
        with closing(video.frames()) as frames:
            for place, frame in zip(count(first), frames, strict=False):
                yield ClipFrame(*frame.planes, info=self.info, number=place)

    def _model(self) -> Model:
        """The model, loaded once for all that is decoded."""
        if self.options.model is None or isinstance(self.options.model, str):
            from colorvid.models.loading import model_for

            with named_errors(self.label):
                model = model_for(self.header.model_id, self.options.device, self.options.model)
            self.options = replace(self.options, model=model)
        assert self.options.model is not None and not isinstance(self.options.model, str)
        return self.options.model

    def frame(self, number: int) -> ClipFrame:
        """One frame.

        Decoding goes on where it stopped if no key frame lies between, so that frames one after
        the other are decoded once.
        """
        with self._lock:
            if self._last is not None and self._last.number == number:
                return self._last
            key = self.index.key_at(number)
            start = number if key is None else key.number
            if self._coming is None or not start <= self._next <= number:
                self._stop()
                total = self.index.total_frames
                self._coming, self._next = self.frames(number, total - number, threads=1), number
            try:
                for frame in self._coming:
                    self._next = frame.number + 1
                    if frame.number == number:
                        self._last = frame
                        return frame
            except BaseException:
                self._stop()
                raise
            self._stop()
        raise InputError(f"{self.label}: frame {number} cannot be decoded, nor replaced")

    def _stop(self) -> None:
        """Forget the decoding that `frame` goes on with."""
        if self._coming is not None:
            self._coming.close()
        self._coming = self._last = None

    def close(self) -> None:
        """Stop decoding and close the file."""
        with self._lock:
            self._stop()
        self.file.close()


class Clip(Sequence[ClipFrame]):
    """A ``.clv`` stream, or a part of one, as a sequence of frames; see `open`.

    It has a length, can be looped over any number of times, and gives single frames by number,
    for which only their group of pictures is decoded. A slice is a clip, too; it reads the same
    file, which is closed with the whole clip. Looping decodes on several threads.

    Attributes:
        header: the stream header.
        info: size, rate and colour as codes.
    """

    def __init__(self, stream: _Stream, numbers: range, *, whole: bool = False) -> None:
        """Frames of a stream by their numbers; `open` makes clips."""
        self._stream, self._numbers, self._whole = stream, numbers, whole
        self.header, self.info = stream.header, stream.info

    @property
    def fps(self) -> Fraction:
        """Frames per second of the video."""
        return self.info.rate

    @property
    def size(self) -> Size:
        """Width and height, luma samples."""
        return self.info.size

    @property
    def color(self) -> Color:
        """What the samples mean, by name."""
        return self.info.color

    @property
    def duration(self) -> float:
        """Of all frames, seconds."""
        return float(len(self) / self.fps)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._numbers)

    def __repr__(self) -> str:
        """Name, frames, size and rate."""
        frames, rate = plural(len(self), "frame"), frame_rate(self.fps)
        return f"Clip({self._stream.label!r}, {frames}, {self.size}, {rate} fps)"

    @overload
    def __getitem__(self, index: int) -> ClipFrame: ...
    @overload
    def __getitem__(self, index: slice) -> Clip: ...
    def __getitem__(self, index: int | slice) -> ClipFrame | Clip:
        """A frame, counted from the end if negative; or the clip of a slice.

        Raises:
            IndexError: there is no such frame.
            DamagedStream: it cannot be decoded.
        """
        if isinstance(index, slice):
            return Clip(self._stream, self._numbers[index])
        try:
            number = self._numbers[index]
        except IndexError:
            raise IndexError(
                f"{self._stream.label}: has no frame {index}; it has {len(self)}, counted from 0"
            ) from None
        return self._stream.frame(number)

    def __iter__(self) -> Iterator[ClipFrame]:
        """The frames in their order; steps other than 1 are decoded one by one.

        Raises:
            DamagedStream: a frame cannot be decoded.
        """
        numbers = self._numbers
        if numbers.step == 1 and numbers:
            return self._stream.frames(numbers.start, len(numbers))
        return (self._stream.frame(number) for number in numbers)

    def at(self, time: float | Fraction | str) -> ClipFrame:
        """The frame that is on the screen at a time of this clip.

        Args:
            time: seconds, or text such as ``3.2s`` and ``1:02.5``.

        Raises:
            ConfigError: it is no time, or lies behind the end.
        """
        index = shown_at(time, self.fps, "time")
        if index >= len(self):
            raise ConfigError(
                f"time={time!r} lies behind the end of {self._stream.label}, which has "
                f"{self.duration:.3f} s; give an earlier one"
            )
        return self[index]

    def close(self) -> None:
        """Close the file if it was opened here; does nothing for a part."""
        if self._whole:
            self._stream.close()

    def __enter__(self) -> Clip:
        """The clip."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def open(
    source: Source,
    *,
    threads: int = 0,
    device: str = "cpu",
    model: str | Model | None = None,
    on_error: OnError = "stop",
    max_pixels: int | None = None,
) -> Clip:
    """Open a ``.clv`` stream for reading; nothing is decoded yet.

    Args:
        source: name of a file, bytes, or a binary file, from its present position. A pipe is read
            to its end first.
        threads, device, model, max_pixels: see `colorvid.files.decode.DecodeOptions`.
        on_error: likewise, but ``stop`` by default: damage raises.

    Raises:
        InputError: the source cannot be read.
        HeaderError: not a ``.clv`` stream, its header is damaged, or its pictures are too large.
        DamagedStream: it has no index, or a damaged one, with ``on_error="stop"``.
        ConfigError: an argument is not allowed.
    """
    given = {"threads": threads, "device": device, "model": model, "max_pixels": max_pixels}
    stream = _Stream(source, DecodeOptions(on_error=on_error, **plain(given)))
    return Clip(stream, range(stream.index.total_frames), whole=True)


def decode(source: Source, **keywords: Unpack[OpenKeywords]) -> list[ClipFrame]:
    """All frames of a ``.clv`` stream at once; for long ones use `open`, or `decode_file`.

    Arguments are those of `open`.

    Raises:
        ColorvidError: see `open`.
        DamagedStream: a frame cannot be decoded, with ``on_error="stop"``.
        HashMismatch: a frame is not what was encoded, with ``on_error="stop"``.
        ModelMismatch: the model that the stream needs is not available.
    """
    with open(source, **keywords) as clip:
        return list(clip)
