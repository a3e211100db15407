"""Pictures to streams and back, in memory, in files and at the command line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.bitstream import ClvReader
from colorvid.cli.main import main
from colorvid.errors import ConfigError, DamagedStream, HeaderError, ModelMismatch
from colorvid.images.pictures import Rgb, spec_of
from colorvid.images.stills import decode_picture, encode_picture
from colorvid.models.loading import Model, load_model
from colorvid.quality.color import frame_to_rgb, rgb_to_frame
from tests import tiny
from tests.clips import moving_frames


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path, ends=0)
    return path


@pytest.fixture(scope="module")
def model(model_file: Path) -> Model:
    return load_model(str(model_file))


def picture(height: int = 45, width: int = 51) -> Rgb:
    return frame_to_rgb(moving_frames(1, height, width)[0], spec_of(full_range=False))


def encoded(model: Model, rgb: Rgb, quality: int = 60, *, full_range: bool = False) -> bytes:
    stream = io.BytesIO()
    report = encode_picture(stream, rgb, model, quality, full_range=full_range)
    assert report.size_bytes == len(stream.getvalue())
    assert report.rate_bpp == 8 * report.size_bytes / (rgb.shape[0] * rgb.shape[1])
    return stream.getvalue()


def psnr(a: Rgb, b: Rgb) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@pytest.mark.parametrize("size", [(45, 51), (16, 16), (1, 1), (1, 33)])
@pytest.mark.parametrize("full_range", [False, True])
def test_pictures_come_back(model: Model, size: tuple[int, int], full_range: bool) -> None:
    rgb = picture(*size)
    fine, coarse = (encoded(model, rgb, q, full_range=full_range) for q in (60, 10))
    spec = spec_of(full_range=full_range)
    ceiling = frame_to_rgb(rgb_to_frame(rgb, spec), spec)
    found = decode_picture(fine, model)
    assert found.shape == rgb.shape and found.dtype == np.uint8
    assert psnr(found, ceiling) > 33
    if size == (45, 51):
        assert len(coarse) < len(fine) / 2
        assert psnr(found, rgb) > psnr(decode_picture(coarse, model), rgb) + 3


def test_the_stream_says_what_its_colours_are(model: Model) -> None:
    for full_range, stated in ((False, 1), (True, 2)):
        reader = ClvReader(io.BytesIO(encoded(model, picture(), full_range=full_range)))
        header = reader.header
        assert (header.matrix, header.primaries, header.transfer) == (1, 1, 13)
        assert (header.color_range, header.chroma_location) == (stated, 1)
        assert (header.rate_num, header.gop_length) == (1, 1)


def test_damage_is_an_error(model: Model) -> None:
    stream = bytearray(encoded(model, picture()))
    with pytest.raises(HeaderError):
        decode_picture(b"nothing", model)
    with pytest.raises(DamagedStream):
        decode_picture(bytes(stream[: len(stream) // 2]), model)
    stream[len(stream) // 2] ^= 1
    with pytest.raises(DamagedStream):
        decode_picture(bytes(stream), model)


def test_another_model_is_an_error(model: Model) -> None:
    stream = encoded(model, picture())
    for other in (None, tiny.model(seed=5)):
        with pytest.raises(ModelMismatch, match="the stream needs model"):
            decode_picture(stream, other)


def test_at_the_command_line(
    tmp_path: Path, model_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, stream, target = (str(tmp_path / n) for n in ("a.png", "a.clv", "b.png"))
    Image.fromarray(picture()).save(source)
    own = ["--model", str(model_file)]
    assert main(["encode", source, "-o", stream, "-q", "60", *own]) == 0
    assert main(["decode", stream, "-o", target, *own]) == 0
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith(f"{stream}: picture of 51x45, ") and first.endswith(" bit/pixel")
    assert second.startswith(f"{target}: picture of 51x45, ")
    data = Path(stream).read_bytes()
    with Image.open(target) as image:
        wanted = decode_picture(data, load_model(str(model_file)))
        assert np.array_equal(np.asarray(image), wanted)
    assert main(["decode", stream, "-o", target, *own]) != 0
    assert "b.png exists; pass -y to overwrite" in capfd.readouterr().err
    assert main(["verify", stream, *own]) == 0
    assert main(["encode", source, "-o", stream, "-y", "--full-range", "--quiet", *own]) == 0
    assert Path(stream).read_bytes() != data
    assert main(["decode", stream, "-o", target, "-y", "--quiet", *own]) == 0
    with Image.open(target) as image:
        assert psnr(np.asarray(image), picture()) > 20


@pytest.mark.parametrize("option", ["--frames 3", "--fps 25", "--csv a.csv", "--psnr", "--seek 1"])
def test_options_of_videos_are_refused(
    tmp_path: Path, option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    arguments = ["encode", str(tmp_path / "a.png"), "-o", str(tmp_path / "a.clv")]
    assert main([*arguments, *option.split()]) == ConfigError.exit_code
    name = option.split()[0]
    assert f"{name} is for videos, and {tmp_path / 'a.png'} is a picture" in capfd.readouterr().err
    assert not (tmp_path / "a.clv").exists()


def test_a_video_is_no_picture(
    tmp_path: Path, model_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from colorvid.bitstream import ClvWriter
    from colorvid.codec.settings import EncoderSettings
    from colorvid.files.streams import header_of
    from colorvid.images.pictures import info_of_picture

    model, frames = load_model(str(model_file)), moving_frames(3, 32, 48)
    path = tmp_path / "a.clv"
    with path.open("wb") as file:
        writer, settings = ClvWriter(file), EncoderSettings()
        info = info_of_picture(frames[0], spec_of(full_range=False))
        writer.write_header(header_of(info, settings, model.identity))
        for coded in tiny.encode_all(model, frames, settings):
            writer.write_packet(coded.packet)
        writer.finish()
    arguments = ["decode", str(path), "-o", str(tmp_path / "b.png"), "--model", str(model_file)]
    assert main(arguments) == ConfigError.exit_code
    assert "holds several frames, and a picture is one" in capfd.readouterr().err
    assert not (tmp_path / "b.png").exists()
    assert main(["encode", str(path), "-o", "b.clv", "--full-range"]) == ConfigError.exit_code
    assert "--full-range is for pictures in RGB" in capfd.readouterr().err
