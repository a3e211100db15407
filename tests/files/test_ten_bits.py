"""Videos of 10 bits through the whole codec: files, arrays, parts, damage and the command line."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import colorvid
from colorvid import Encoder, EncoderSettings, Writer
from colorvid.batch.options import parse_option
from colorvid.batch.survey import survey
from colorvid.cli.main import main
from colorvid.colors import Light
from colorvid.errors import ConfigError, HeaderError, InputError
from colorvid.files.concat import concat_files
from colorvid.files.cut import CutOptions, cut_file
from colorvid.frame import Frame, Size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.quality.metrics import psnr
from tests.clips import moving_frames
from tests.conftest import read_clip, write_clip

LIGHT = Light(34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10**7, 50, 1000, 400)
INFO = VideoInfo(
    64, 48, Fraction(25), Fraction(1), 1, matrix=9, primaries=9, transfer=16, depth=10, light=LIGHT
)
FRAMES = moving_frames(8, 48, 64, depth=10)


@dataclass(frozen=True)
class DeepClip:
    """Eight frames of 64x48 with key frames 0, 4."""

    source: Path
    stream: Path
    decoded: list[Frame]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> DeepClip:
    """The clip; its files must not be changed."""
    folder = tmp_path_factory.mktemp("deep")
    source, stream = folder / "source.mp4", folder / "deep.clv"
    with open_writer(source, INFO, lossless=True) as writer:
        for frame in FRAMES:
            writer.write(frame)
    report = colorvid.encode_file(source, stream, gop=4, quality=63, scores=True)
    assert report.scores is not None and 40 < report.scores.psnr_y_db < 60
    decoded = colorvid.decode_file(stream, folder / "decoded.y4m")
    assert (decoded.frames, decoded.depth, decoded.ok) == (8, 10, True)
    return DeepClip(source, stream, read_clip(folder / "decoded.y4m"))


def test_pictures_and_description_are_kept(deep: DeepClip) -> None:
    header = colorvid.probe(deep.stream).header
    assert (header.pixel_format, header.depth, header.transfer) == (1, 10, 16)
    for decoded, frame in zip(deep.decoded, FRAMES, strict=True):
        assert decoded.depth == 10
        assert all(psnr(a, b) > 38 for a, b in zip(decoded.planes, frame.planes, strict=True))
    low_bits = np.unique(np.concatenate([f.y.ravel() & 3 for f in deep.decoded]))
    assert low_bits.tolist() == [0, 1, 2, 3]
    assert colorvid.verify_file(deep.stream).ok


def test_10_bits_come_nearer_than_8(deep: DeepClip, tmp_path: Path) -> None:
    """At about the same bytes, for a source that has them."""
    colorvid.encode_file(deep.source, tmp_path / "a.clv", gop=4, quality=63, bit_depth=8)
    colorvid.decode_file(tmp_path / "a.clv", tmp_path / "a.y4m")
    coarse = read_clip(tmp_path / "a.y4m")
    sizes = (tmp_path / "a.clv").stat().st_size, deep.stream.stat().st_size
    assert sizes[1] < 1.05 * sizes[0]

    def error(frames: list[Frame]) -> float:
        lifted = [frame.at_depth(10).y.astype(float) for frame in frames]
        return float(np.mean([np.square(a - b.y) for a, b in zip(lifted, FRAMES, strict=True)]))

    assert error(deep.decoded) < error(coarse)


def test_coded_as_8_bits_it_is_the_rounded_video(deep: DeepClip, tmp_path: Path) -> None:
    plain = [frame.at_depth(8) for frame in FRAMES]
    info = replace(INFO, depth=8, light=Light(), chroma_location=1)
    write_clip(tmp_path / "plain.y4m", plain, info)
    colorvid.encode_file(tmp_path / "plain.y4m", tmp_path / "a.clv", gop=4)
    colorvid.encode_file(deep.source, tmp_path / "b.clv", gop=4, bit_depth=8)
    assert (tmp_path / "a.clv").read_bytes() == (tmp_path / "b.clv").read_bytes()
    colorvid.encode_file(tmp_path / "plain.y4m", tmp_path / "c.clv", gop=4, bit_depth=10)
    assert colorvid.probe(tmp_path / "c.clv").header.depth == 10


def test_parts_and_damage(deep: DeepClip, tmp_path: Path) -> None:
    first, second, both = (tmp_path / f"{name}.clv" for name in ("first", "second", "both"))
    cut_file(deep.stream, first, CutOptions(to=4))
    cut_file(deep.stream, second, CutOptions(seek=4))
    concat_files([first, second], both)
    assert both.read_bytes() == deep.stream.read_bytes()
    cut_file(deep.stream, first, CutOptions(seek=1, to=3, exact=True, overwrite=True))
    assert colorvid.verify_file(first).frames == 2
    colorvid.encode_file(deep.source, second, gop=4, quality=63, bit_depth=8, overwrite=True)
    with pytest.raises(HeaderError, match="second.clv: pixel_format is 0, that of .*deep.clv is 1"):
        concat_files([deep.stream, second], both, overwrite=True)

    frames = colorvid.probe(deep.stream).frames
    data = bytearray(deep.stream.read_bytes())
    data[frames[2].offset + 20] ^= 1
    first.write_bytes(data)
    report = colorvid.decode_file(first, tmp_path / "a.y4m")
    shown = read_clip(tmp_path / "a.y4m")
    assert report.concealed > 0 and len(shown) == 8
    assert shown[0] == deep.decoded[0] and all(frame.depth == 10 for frame in shown)


def test_other_outputs(deep: DeepClip, tmp_path: Path) -> None:
    for name in ("a.mkv", "a.mp4", "a.yuv", "%d.png"):
        colorvid.decode_file(deep.stream, tmp_path / name, lossless=True)
    with open_reader(tmp_path / "a.mp4") as reader:
        assert (reader.info.light, reader.info.primaries) == (LIGHT, 9)
        assert list(reader) == deep.decoded
    assert read_clip(tmp_path / "a.mkv") == deep.decoded
    colorvid.encode_file(
        tmp_path / "a.yuv", tmp_path / "b.clv", size=Size(64, 48), rate=Fraction(25), bit_depth=10,
        frames=2,
    )  # fmt: skip
    assert colorvid.probe(tmp_path / "b.clv").header.depth == 10
    assert len(list(tmp_path.glob("?.png"))) == 8


def test_arrays(deep: DeepClip) -> None:
    planes = [frame.planes for frame in FRAMES]
    data = colorvid.encode(planes, fps=25, gop=4, quality=63)
    clip = colorvid.open(data)
    assert [Frame(*frame.planes) for frame in clip] == deep.decoded
    assert clip[3].y.dtype == np.uint16 and clip[3].to_rgb().dtype == np.uint8
    again = colorvid.encode(clip, gop=4, quality=63, bit_depth=8)
    assert colorvid.open(again)[0].y.dtype == np.uint8
    with pytest.raises(InputError, match=r"source\[1\] has 8 bits a sample; all must have 10, as"):
        colorvid.encode([FRAMES[0], FRAMES[1].at_depth(8)], fps=25)
    with pytest.raises(ConfigError, match="bit_depth=12 is not allowed; it must be 8 or 10"):
        colorvid.encode(planes, fps=25, bit_depth=12)


def test_frames_one_by_one() -> None:
    encoder = Encoder(colorvid.load_model(), EncoderSettings(quality=50, gop=4, bframes=1))
    coded = [ready for frame in FRAMES[:3] for ready in encoder.push(frame)] + encoder.flush()
    with pytest.raises(ConfigError, match="frame 3 has 8 bits a sample; all frames must have 10"):
        encoder.push(FRAMES[3].at_depth(8))
    decoder = colorvid.Decoder(encoder.model, (64, 48), depth=10)
    shown = [frame for ready in coded for frame in decoder.push(ready.packet)] + decoder.flush()
    wanted = sorted(coded, key=lambda ready: ready.packet.display_number)
    assert shown == [ready.picture for ready in wanted]
    with pytest.raises(ConfigError, match="depth 9 is not allowed; it must be 8 or 10"):
        colorvid.Decoder(encoder.model, (64, 48), depth=9)
    file = io.BytesIO()
    with Writer(file, encoder, fps=25) as writer:
        for ready in coded:
            writer.write(ready.packet)
    assert list(colorvid.open(file.getvalue())) == shown


def test_targets(deep: DeepClip, tmp_path: Path) -> None:
    report = colorvid.encode_file(
        deep.source, tmp_path / "a.clv", gop=4, target_psnr=38.0, threads=1
    )
    assert report.scores is not None and abs(report.scores.psnr_yuv611_db - 38) < 0.5
    report = colorvid.encode_file(deep.source, tmp_path / "b.clv", gop=4, bitrate=40_000)
    assert abs(report.kbps - 40) < 4


def test_command_line(deep: DeepClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(deep.stream)]) == 0
    text = capsys.readouterr().out
    assert "video    64x48, 10 bits, 25 fps, 8 frames" in text
    assert "light    display 0.005 to 1000 cd/m2; red 0.68 0.32, green 0.265 0.69, blue" in text
    assert "content 1000 cd/m2 at most, 400 on average" in text
    assert main(["info", "--json", str(deep.stream)]) == 0
    assert '"max_cll": 1000' in capsys.readouterr().out
    target = tmp_path / "a.clv"
    assert main(["encode", str(deep.source), "-o", str(target), "--bit-depth", "8"]) == 0
    assert colorvid.probe(target).header.depth == 8
    assert main(["decode", str(deep.stream), "-o", str(tmp_path / "a.mp4")]) == 0
    assert "H.265 Main 10, visually lossless" in capsys.readouterr().err
    assert main(["eval", str(deep.source), str(target), "--quiet", "--frames", "2"]) == 0


def test_batch_options(deep: DeepClip, tmp_path: Path) -> None:
    assert parse_option("encode", "bit_depth", "8", "jobs.csv") == 8
    colorvid.decode_file(deep.stream, tmp_path / "a.yuv")
    raw = {"size": [64, 48], "rate": "25/1", "bit_depth": 10}
    assert survey("encode", str(tmp_path / "a.yuv"), raw)["frames"] == 8
