"""One picture to a ``.clv`` stream and back, in memory and between files."""

from __future__ import annotations

import io
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from colorvid.bitstream import ClvWriter, Tune
from colorvid.config import DEFAULT_QUALITY
from colorvid.errors import ConfigError, InputError
from colorvid.files.decode import DecodedVideo, DecodeOptions, open_decoded
from colorvid.files.streams import create_stream, header_of, name_of
from colorvid.frame import Frame, Size
from colorvid.images.pictures import (
    Rgb,
    info_of_picture,
    read_picture,
    spec_of,
    write_picture,
)
from colorvid.quality.color import frame_to_rgb, rgb_to_frame
from colorvid.quality.scores import color_spec

if TYPE_CHECKING:
    from colorvid.models.loading import Model


@dataclass(frozen=True, slots=True)
class PictureReport:
    """What became of a picture.

    Attributes:
        width, height: in samples.
        size_bytes: of the stream.
        seconds: that it took, without loading of the model.
    """

    width: int
    height: int
    size_bytes: int
    seconds: float

    @property
    def size(self) -> Size:
        """Width and height."""
        return Size(self.width, self.height)

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel."""
        return 8 * self.size_bytes / (self.width * self.height)


def encode_picture(
    file: BinaryIO,
    rgb: Rgb,
    model: Model,
    quality: int = DEFAULT_QUALITY,
    *,
    full_range: bool = False,
    tune: Tune = Tune.DEFAULT,
) -> PictureReport:
    """Write a picture as a stream of one key frame.

    Args:
        file: to write to.
        rgb: samples in sRGB.
        model: a loaded model.
        quality: 0..63.
        full_range: code Y from 0 to 255 and not from 16 to 235: finer by a sixth.
        tune: what the header says of the model.

    Raises:
        ConfigError: the quality is not allowed.
        InputError: a side is longer than 8192.
        OutputError: ``file`` cannot be written.
    """
    from colorvid.codec.encoder import Encoder
    from colorvid.codec.settings import EncoderSettings

    start = time.perf_counter()
    spec = spec_of(full_range=full_range)
    frame = rgb_to_frame(rgb, spec)
    info = info_of_picture(frame, spec)
    settings = EncoderSettings(quality=quality, gop=1)
    [coded] = Encoder(model, settings).push(frame)
    writer = ClvWriter(file)
    writer.write_header(header_of(info, settings, model.identity, tune))
    writer.write_packet(coded.packet)
    writer.finish()
    seconds = time.perf_counter() - start
    return PictureReport(frame.width, frame.height, writer.bytes_written, seconds)


def decode_picture(stream: bytes, model: Model | None = None) -> Rgb:
    """Samples in R'G'B' of a stream that holds one picture.

    Args:
        stream: a whole ``.clv`` stream.
        model: a loaded model; None = the released one that the stream names.

    Raises:
        HeaderError: it is no ``.clv`` stream.
        DamagedStream: it is damaged, or empty.
        HashMismatch: the picture is not the one that was encoded.
        ConfigError: it holds several frames.
        InputError: its colours are not those of BT.601, BT.709 or BT.2020.
        ModelMismatch: the model is another one, or not there.
    """
    options = DecodeOptions(on_error="stop", threads=1, model=model)
    video = DecodedVideo(io.BytesIO(stream), options)
    return _only_picture(video, "stream")


def _only_picture(video: DecodedVideo, name: str) -> Rgb:
    """The one frame of a stream, in R'G'B'."""
    spec = color_spec(video.info)
    if spec is None:
        raise InputError(
            f"{name}: has matrix {video.info.matrix}; pictures need BT.601, BT.709 or BT.2020"
        )
    found: Frame | None = None
    with closing(video.frames()) as frames:
        for frame in frames:
            if found is not None:
                raise ConfigError(
                    f"{name}: holds several frames, and a picture is one; decode it to a video, or "
                    "to pictures with numbers such as %04d.png"
                )
            found = frame
    if found is None:
        video.check_not_empty()
    assert found is not None
    return frame_to_rgb(found, spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """How to encode a picture file.

    Attributes:
        quality: 0..63, higher is better.
        full_range: see `encode_picture`.
        convert: drop alpha.
        device: torch device.
        model: ``default``, ``color`` or the path of a model file.
        overwrite: whether an existing target is replaced.
    """

    quality: int = DEFAULT_QUALITY
    full_range: bool = False
    convert: bool = False
    device: str = "cpu"
    model: str = "default"
    overwrite: bool = False


def encode_picture_file(
    source: str | Path, target: str | Path, options: PictureOptions | None = None
) -> PictureReport:
    """Encode a picture in sRGB, of a format in `READ_SUFFIXES`, into a ``.clv`` stream.

    Args:
        source: a file, see `colorvid.images.pictures.read_picture`.
        target: a ``.clv`` file; ``-`` = standard output.
        options: see `PictureOptions`.

    Raises:
        InputError: the source cannot be read, or holds what colorvid does not take.
        OutputError: the target exists or cannot be written.
        ConfigError: an option is not allowed.
        ModelMismatch: no such model.
    """
    options = options or PictureOptions()
    rgb = read_picture(Path(source), convert=options.convert)
    with create_stream(target, overwrite=options.overwrite) as file:
        from colorvid.models.loading import model_on

        model = model_on(options.device, options.model)
        tune = Tune.COLOR if options.model == "color" else Tune.DEFAULT
        full = options.full_range
        return encode_picture(file, rgb, model, options.quality, full_range=full, tune=tune)


def decode_picture_file(
    source: str | Path, target: str | Path, options: DecodeOptions | None = None
) -> PictureReport:
    """Decode a stream that holds one picture into a PNG file.

    A damaged stream leaves no file, whatever ``on_error`` says.

    Args:
        source: a ``.clv`` file; ``-`` = standard input.
        target: the file, see `colorvid.images.pictures.WRITE_SUFFIXES`.
        options: as for videos.

    Raises:
        ColorvidError: see `decode_picture`.
        InputError: the source cannot be read.
        OutputError: the target exists or cannot be written.
    """
    options = replace(options or DecodeOptions(), on_error="stop")
    with open_decoded(source, options) as video:
        rgb = _only_picture(video, name_of(source, "stdin"))
        write_picture(Path(target), rgb, overwrite=options.overwrite)
        report = video.report()
    return PictureReport(rgb.shape[1], rgb.shape[0], report.size_bytes, report.seconds)
