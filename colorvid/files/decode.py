"""``.clv`` streams to pictures: the one way from a file to frames, and what is built on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, get_args

from colorvid.bitstream import ClvReader, OnDamage, StreamHeader
from colorvid.config import is_whole
from colorvid.errors import ConfigError, InputError
from colorvid.files.concealment import Concealment
from colorvid.files.pictures import PictureWriter, is_picture_name
from colorvid.files.reports import DecodeReport, FrameCounter, Progress
from colorvid.files.streams import info_of, name_of, named_errors, open_stream
from colorvid.frame import Frame
from colorvid.io import FrameWriter, VideoInfo, open_writer
from colorvid.io.base import FFV1_SUFFIXES, H264_SUFFIXES, Sound
from colorvid.io.opening import check_section
from colorvid.io.places import check_apart
from colorvid.io.times import Place, frame_number, section
from colorvid.system.interrupts import uninterrupted
from colorvid.system.limits import check_picture, require_folder

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from colorvid.codec.groups import DecodedRecord
    from colorvid.models.loading import Model

    class DecodeKeywords(TypedDict, total=False):
        """The fields of `DecodeOptions` as keyword arguments."""

        threads: int
        device: str
        model: str | Model | None
        overwrite: bool
        on_error: OnError
        max_pixels: int | None
        progress: ProgressCallback | None
        seek: Place
        to: Place | None
        frames: int | None
        lossless: bool
        with_audio: str | Path | None


OnError = Literal["conceal", "stop"]
ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """How to decode a stream.

    Attributes:
        threads: most frames to work on at once; 0 = one for each core.
        device: torch device; the pictures are the same on all.
        model: a model that is loaded, or the path of a model file; None = the released model that
            the stream names.
        overwrite: whether an existing target is replaced.
        on_error: ``conceal`` repeats the last good frame for every lost one whose number is
            known, goes on at the next key frame, and says so in the report; ``stop`` raises at
            the first damage and leaves no target.
        max_pixels: refuse pictures with more luma samples; None = those that the memory of this
            machine has no room for.
        progress: called after every frame; the total is not known in a pipe.
        seek: the first frame to give, a number or a time such as ``10s``; a file is read from the
            key frame before it.
        to: the first frame not to give, likewise; None = the end.
        frames: most frames to give; None = all.
        lossless: whether mp4 and mov keep every sample, which few players show.
        with_audio: file whose sound and subtitles are copied into mkv, mp4, mov or avi, those of
            the frames that are given.

    Raises:
        ConfigError: a value is not allowed.
    """

    threads: int = 0
    device: str = "cpu"
    model: str | Model | None = None
    overwrite: bool = False
    on_error: OnError = "conceal"
    max_pixels: int | None = None
    progress: ProgressCallback | None = None
    seek: Place = 0
    to: Place | None = None
    frames: int | None = None
    lossless: bool = False
    with_audio: str | Path | None = None

    def __post_init__(self) -> None:
        """Refuse values out of their ranges."""
        check_section(frame_number(self.seek, Fraction(1), "seek"), self.frames)
        if self.to is not None:
            frame_number(self.to, Fraction(1), "to")
        allowed = get_args(OnError)
        if self.on_error not in allowed:
            raise ConfigError(f"on_error is {self.on_error!r}; allowed are {', '.join(allowed)}")
        check_threads(self.threads)


def check_threads(threads: int) -> None:
    """Refuse what is not a number of threads.

    Raises:
        ConfigError: it is none.
    """
    if not is_whole(threads, 0):
        raise ConfigError(f"threads is {threads!r}; it must be 1 or more, or 0 for all cores")


class DecodedVideo:
    """A ``.clv`` stream as a video: the frames that a viewer sees, and what was wrong with it.

    Nothing is decoded, and torch is not loaded, before the first frame is asked for.

    Attributes:
        header: the stream header.
        info: size, rate and colours.
    """

    def __init__(self, file: BinaryIO, options: DecodeOptions, name: str = "stream") -> None:
        """Read the header from the present position of ``file``; ``name`` stands in messages.

        Raises:
            HeaderError: not a ``.clv`` stream, its header is damaged, or its pictures are too
                large.
            InputError: the file cannot be read.
        """
        strict = options.on_error == "stop"
        mode: OnDamage = "raise" if strict else "resync"
        self._file, self._options, self._name = file, options, name
        with named_errors(name):
            self._reader = ClvReader(file, mode)
            self.header: StreamHeader = self._reader.header
            self.info: VideoInfo = info_of(self.header)
            check_picture(self.header.size, options.max_pixels)
        self._account = Concealment(self.header, strict=strict)
        self._start: float | None = None
        self._skipped = 0
        self._ended = False
        self._seek, self._limit = self._section()

    def frames(self) -> Generator[Frame, None, None]:
        """Decode the frames in the order of display; lost ones are replaced by the last good one.

        Close the generator (``contextlib.closing``) if it is not read to its end: that stops the
        workers.

        Raises:
            ModelMismatch: the model that the stream needs is not available.
            DamagedStream: at the first damage, with ``on_error="stop"``.
            HashMismatch: a frame is not what was encoded, with ``on_error="stop"``.
            OutOfMemory: the memory does not suffice.
        """
        require_folder()
        with uninterrupted():
            from colorvid.codec.groups import decode_stream

        options, counter = self._options, FrameCounter()
        with named_errors(self._name), ExitStack() as stack:
            total = self._frames_to_come()
            skip = self._go_to(self._seek)
            decoded = decode_stream(
                self._reader,
                device=options.device,
                model=options.model,
                threads=options.threads,
                done=counter,
            )
            stack.enter_context(closing(decoded))
            self._start = time.perf_counter()
            shown = 0
            for due in self._due(decoded):
                before = shown
                for frame in due:
                    if self._skipped < skip:
                        self._skipped += 1
                        continue
                    shown += 1
                    yield frame
                    if shown == self._limit:
                        break
                if options.progress is not None and (shown > before or not self._ended):
                    self._tell(options.progress, counter, shown, total)
                if shown == self._limit:
                    return
        if self._seek and not shown:
            raise InputError(
                f"{self._name}: seek={options.seek} skips all frames there are; skip fewer"
            )

    def _due(self, decoded: Iterator[DecodedRecord]) -> Iterator[Iterator[Frame]]:
        """The frames that are due after every record, and at the end."""
        for record in decoded:
            yield self._account.frames(record)
        self._ended = True
        yield self._account.rest(self._reader.total_frames)

    def _section(self) -> tuple[int, int | None]:
        """The first frame to give, and most frames; None = all.

        Raises:
            ConfigError: there is none between the two.
        """
        options = self._options
        seek, count = section(options.seek, options.to, self.info.rate)
        if count is None or options.frames is None:
            return seek, options.frames if count is None else count
        return seek, min(count, options.frames)

    def _frames_to_come(self) -> int | None:
        """How many frames `frames` will give, if it can be known and somebody asks."""
        stated = self.stated_frames() if self._options.progress is not None else None
        if stated is None:
            return None
        left = max(0, stated - self._seek)
        return left if self._limit is None else min(left, self._limit)

    def _go_to(self, seek: int) -> int:
        """Go to the last key frame at or before a frame, in a file; how many frames to skip then.

        Raises:
            InputError: there is no such frame.
        """
        if not seek or not self._file.seekable():
            return seek
        try:
            key = self._reader.seek_to_key(seek)
        except ConfigError as error:
            raise InputError(
                f"{self._name}: seek={self._options.seek} skips all frames there are; skip fewer"
            ) from error
        self._account.start(key)
        return seek - key

    def _tell(
        self, progress: ProgressCallback, counter: FrameCounter, shown: int, total: int | None
    ) -> None:
        """Report the progress."""
        done = counter.at_least(self._skipped + shown) - self._skipped
        done = done if total is None else min(done, total)
        rate, seconds = self.info.rate, self._seconds
        size = self._account.size_bytes
        progress(Progress(done, total, size, rate, seconds, written=self._skipped + shown))

    @property
    def start(self) -> Fraction:
        """Time of the first frame to give, in seconds."""
        return self._seek / self.info.rate

    @property
    def _seconds(self) -> float:
        """Time since the model was ready."""
        return 0.0 if self._start is None else time.perf_counter() - self._start

    def stated_frames(self) -> int | None:
        """Frames as the index of a seekable stream says; None if it cannot be known."""
        return self._reader.stated_frames() if self._file.seekable() else None

    def report(self) -> DecodeReport:
        """What became of the frames that were read so far, from the moment the model was ready.

        Frames that were decoded only to come to the first wanted one do not count.
        """
        report = self._account.report(self.info.rate, self._reader.index_bytes, self._seconds)
        return replace(report, frames=max(0, report.frames - self._skipped))

    def check_not_empty(self) -> None:
        """Refuse a stream that gave no frame.

        Raises:
            DamagedStream: damage is the reason.
            InputError: the stream has none.
        """
        if self.report().frames == 0:
            with named_errors(self._name):
                raise self._account.nothing_decoded()


@contextmanager
def open_decoded(source: str | Path, options: DecodeOptions) -> Iterator[DecodedVideo]:
    """A ``.clv`` file, or standard input (``-``), as a video for the block.

    Raises:
        InputError: the source cannot be read.
        HeaderError: see `DecodedVideo`.
    """
    with open_stream(source) as file:
        yield DecodedVideo(file, options, name_of(source, "stdin"))


def decode_file(
    source: str | Path,
    target: str | Path,
    options: DecodeOptions | None = None,
    **keywords: Unpack[DecodeKeywords],
) -> DecodeReport:
    """Decode a ``.clv`` stream into a video.

    Args:
        source: a ``.clv`` file; ``-`` = standard input.
        target: a video, see `colorvid.io.open_writer`; numbered pictures, such as
            ``frames/%04d.png``, see `colorvid.files.pictures.PictureWriter`; ``-`` = y4m on
            standard output.
        options: see `DecodeOptions`.
        keywords: fields of `DecodeOptions`, in place of those of ``options``.

    Raises:
        InputError: the source cannot be read.
        OutputError: the target exists or cannot be written.
        HeaderError: not a ``.clv`` stream, its header is damaged, or its pictures are too large.
        ModelMismatch: the model that the stream needs is not available.
        DamagedStream: no frame can be decoded; or at any damage, with ``on_error="stop"``.
        HashMismatch: a frame is not what was encoded, with ``on_error="stop"``.
        ConfigError: an argument is not allowed.
    """
    options = replace(options or DecodeOptions(), **keywords)
    model_file = options.model if isinstance(options.model, str) else None
    check_apart(
        {"the input": source, "the model": model_file, "the sound": options.with_audio},
        {"the output": target},
    )
    with ExitStack() as stack:
        video = stack.enter_context(open_decoded(source, options))
        writer = stack.enter_context(_open_target(target, video, options))
        for frame in stack.enter_context(closing(video.frames())):
            writer.write(frame)
        video.check_not_empty()
        return video.report()


def output_kind(target: str | Path, *, lossless: bool, depth: int = 8) -> str:
    """What `decode_file` makes of frames of 8 or 10 bits, in a few words for people."""
    if is_picture_name(target):
        return "RGB pictures"
    suffix = Path(target).suffix.lower()
    if suffix in H264_SUFFIXES and depth > 8:
        return "lossless H.265, 10 bits" if lossless else "H.265 Main 10, visually lossless"
    if suffix in H264_SUFFIXES:
        return "lossless H.264, High 4:4:4" if lossless else "H.264 High, visually lossless"
    return "lossless FFV1" if suffix in FFV1_SUFFIXES else "uncompressed"


def _open_target(target: str | Path, video: DecodedVideo, options: DecodeOptions) -> FrameWriter:
    """What takes the frames: a video, or numbered pictures."""
    info, sound = video.info, None
    if options.with_audio is not None:
        sound = Sound(options.with_audio, video.start)
    if not is_picture_name(target):
        return open_writer(
            target,
            info,
            overwrite=options.overwrite,
            lossless=options.lossless,
            sound=sound,
        )
    if sound is not None:
        raise ConfigError(f"{target}: pictures hold no sound; leave out with_audio={sound.path}")
    return PictureWriter(Path(target), info, overwrite=options.overwrite)


def verify_file(
    source: str | Path, options: DecodeOptions | None = None, **keywords: Unpack[DecodeKeywords]
) -> DecodeReport:
    """Decode a ``.clv`` stream and check every CRC and every hash; nothing is written.

    Arguments and errors are those of `decode_file`; damage stands in the report, also where no
    frame can be decoded.
    """
    options = replace(options or DecodeOptions(), **keywords)
    with open_decoded(source, options) as video:
        with closing(video.frames()) as frames:
            for _ in frames:
                pass
        return video.report()
