"""What ``decode`` writes: videos that play, lossless ones, pictures, parts, and sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import colorvid
from colorvid.cli.main import main
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.files.pictures import PictureWriter
from colorvid.frame import Frame
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.times import frame_number
from colorvid.quality.color import frame_to_rgb
from colorvid.quality.scores import color_spec
from tests.cli.test_main import one_error_line
from tests.clips import moving_frames
from tests.conftest import INFO, CodedClip, read_clip

PLAIN = VideoInfo(64, 48, Fraction(25), Fraction(1), 1, 1, 1, 1, 1)


def psnr(one: list[Frame], two: list[Frame]) -> float:
    error = np.mean([np.square(a.y.astype(float) - b.y) for a, b in zip(one, two, strict=True)])
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_what_every_player_shows(tmp_path: Path, suffix: str) -> None:
    frames, path = moving_frames(12, 48, 64), tmp_path / f"a{suffix}"
    with open_writer(path, PLAIN) as writer:
        for frame in frames:
            writer.write(frame)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index stands in front"
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        context: Any = stream.codec_context
        assert (context.name, context.profile, context.pix_fmt) == ("h264", "High", "yuv420p")
    with open_reader(path) as reader:
        assert reader.info == VideoInfo(**{**_fields(PLAIN), "frames": 12})
        assert psnr(frames, list(reader)) > 44


def _fields(info: VideoInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in info.__dataclass_fields__}


@pytest.mark.parametrize(
    ("name", "option", "exact", "kind"),
    [
        ("a.mp4", [], False, "H.264 High, visually lossless"),
        ("a.mp4", ["--lossless"], True, "lossless H.264, High 4:4:4"),
        ("a.mkv", [], True, "lossless FFV1"),
        ("a.mkv", ["--lossless"], True, "lossless FFV1"),
        ("a.y4m", [], True, "uncompressed"),
    ],
)
def test_the_summary_says_what_was_written(
    name: str,
    option: list[str],
    exact: bool,
    kind: str,
    coded: CodedClip,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    assert main(["decode", str(coded.stream), "-o", str(path), *option]) == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"{path}: 8 frames from ") and line.endswith(f", {kind}")
    same = [f.crc32() for f in read_clip(path)] == [f.crc32() for f in coded.decoded]
    assert same == exact


# Pictures.


@pytest.mark.parametrize(
    ("pattern", "names", "most"),
    [
        ("new/%04d.png", ["0001.png", "0002.png", "0003.png"], 0.0),
        ("new/a%d.png", ["a1.png", "a2.png", "a3.png"], 0.0),
        ("new/100%%-%2d.jpg", ["100%- 1.jpg", "100%- 2.jpg", "100%- 3.jpg"], 3.0),
        ("new/%03d.JPEG", ["001.JPEG", "002.JPEG", "003.JPEG"], 3.0),
    ],
)
def test_numbered_pictures(
    pattern: str, names: list[str], most: float, coded: CodedClip, tmp_path: Path
) -> None:
    report = colorvid.decode_file(coded.stream, tmp_path / pattern, frames=3)
    assert report.frames == 3
    found = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert found == names
    spec = color_spec(INFO)
    assert spec is not None
    for name, frame in zip(names, coded.decoded, strict=False):
        with Image.open(tmp_path / "new" / name) as image:
            rgb = np.asarray(image.convert("RGB")).astype(int)
        away = np.abs(rgb - frame_to_rgb(frame, spec)).mean()
        assert away <= most, name


def test_pictures_come_all_or_none(tmp_path: Path) -> None:
    frames = moving_frames(3, 48, 64)
    with pytest.raises(KeyboardInterrupt), PictureWriter(tmp_path / "%d.png", PLAIN) as writer:
        writer.write(frames[0])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "2.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="2.png exists"):
        with PictureWriter(tmp_path / "%d.png", PLAIN) as writer:
            for frame in frames:
                writer.write(frame)
    assert [path.name for path in tmp_path.iterdir()] == ["2.png"]
    with PictureWriter(tmp_path / "%d.png", PLAIN, overwrite=True) as writer:
        for frame in frames:
            writer.write(frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "2.png", "3.png"]
    with pytest.raises(OutputError, match="no frame was written"):
        PictureWriter(tmp_path / "new%d.png", PLAIN).close()


@pytest.mark.parametrize("name", ["a.png", "%d-%d.png", "%s.png", "%%d.png", "a.jpg"])
def test_pictures_need_one_number(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need a place for their number; give a name such as"):
        PictureWriter(tmp_path / name, PLAIN)


def test_a_matrix_that_is_no_rgb(tmp_path: Path) -> None:
    info = VideoInfo(64, 48, Fraction(25), matrix=8)
    with pytest.raises(OutputError, match="matrix coefficients 8 .* cannot be turned into RGB"):
        PictureWriter(tmp_path / "%d.png", info)


# Parts.


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("--frames 2", 0, 2),
        ("--from 4", 4, 8),
        ("--seek 5 --frames 2", 5, 7),
        ("--from 2 --to 6", 2, 6),
        ("--from 0.1s", 3, 8),
        ("--from 0.1s --to 0:0.2", 3, 6),
        ("--to 0:00:00.101", 0, 4),
        ("--from 7", 7, 8),
        ("--to 100", 0, 8),
    ],
)
@pytest.mark.parametrize("piped", [False, True])
def test_parts(
    words: str,
    first: int,
    last: int,
    piped: bool,
    coded: CodedClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clip has 30000/1001 frames per second."""
    path = tmp_path / "a.y4m"
    source = str(coded.stream)
    if piped:
        data = coded.stream.read_bytes()
        monkeypatch.setattr("sys.stdin", _Pipe(data))
        source = "-"
    assert main(["decode", source, "-o", str(path), "--quiet", *words.split()]) == 0
    assert [f.crc32() for f in read_clip(path)] == [f.crc32() for f in coded.decoded[first:last]]


class _Pipe:
    """A standard input that cannot seek."""

    def __init__(self, data: bytes) -> None:
        import io

        class Bytes(io.BytesIO):
            def seekable(self) -> bool:
                return False

        self.buffer = Bytes(data)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--from 8", 2, "--from 8 skips all frames there are; skip fewer"),
        ("--from 99s", 2, "--from 99s skips all frames there are"),
        ("--from 5 --to 5", 1, "--to 5 is not after --from 5"),
        ("--from x", 1, "--from x is not allowed; give a frame by its number, or a time such as"),
        ("--to -1", 1, "--to -1 is not allowed"),
        ("--to 1m", 1, "--to 1m is not allowed"),
        ("--frames 2 --to 3", 1, "not allowed with argument"),
    ],
)
def test_parts_that_are_none(
    words: str,
    code: int,
    message: str,
    coded: CodedClip,
    outputs: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    target = outputs / "a.y4m"
    assert main(["decode", str(coded.stream), "-o", str(target), *words.split()]) == code
    assert message in one_error_line(capfd.readouterr().err)
    assert list(outputs.iterdir()) == []


def test_a_part_reports_its_own_frames(coded: CodedClip, tmp_path: Path) -> None:
    seen: list[int | None] = []
    report = colorvid.decode_file(
        coded.stream,
        tmp_path / "a.y4m",
        seek=4,
        frames=2,
        threads=1,
        progress=lambda p: seen.append(p.total),
    )
    assert report.frames == 2 and set(seen) == {2}


def test_times_are_frames() -> None:
    rate = Fraction(30000, 1001)
    expected = {"10s": 300, "0:10": 300, "1:00": 1799, "1:00:00": 107893, "7": 7, "0": 0}
    assert {text: frame_number(text, rate, "seek") for text in expected} == expected
    assert frame_number("10.01s", Fraction(25), "seek") == 251, "the first one at or after it"
    for bad in ("", "s", "-1s", "1:2:3:4", "1e3", "٣", -1, 2.5, True, None):
        with pytest.raises(ConfigError, match="seek="):
            frame_number(bad, rate, "seek")  # type: ignore[arg-type]


# Sound.


def with_sound(path: Path, seconds: float = 1.0, late: int = 0) -> Path:
    """A video of 25 frames with a tone, which begins at ``late`` seconds."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        tone: Any = container.add_stream("aac", rate=8000)
        for index in range(round(25 * seconds)):
            picture: Any = av.VideoFrame(64, 48, "yuv420p")
            for plane in picture.planes:
                np.frombuffer(plane, np.uint8)[:] = 50 + index
            picture.pts, picture.time_base = index + 25 * late, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        for index in range(round(8000 * seconds) // 1024):
            wave = np.sin(np.arange(1024) * 0.3).astype(np.float32)[None]
            frame: Any = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * index + 8000 * late
            container.mux(tone.encode(frame))
        container.mux(tone.encode(None))
    return path


def sounds(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_sound_is_told_of_and_comes_back(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, stream, target = with_sound(tmp_path / "in.mp4"), tmp_path / "a.clv", tmp_path / name
    assert main(["encode", str(source), "-o", str(stream), "-q", "20"]) == 0
    warning, _ = capfd.readouterr().err.splitlines()
    assert warning == (
        f"colorvid [warning]: {source}: has sound, which a .clv stream does not hold; decode with "
        f"--with-audio {source} to get it back"
    )
    words = ["decode", str(stream), "-o", str(target), "--with-audio", str(source), "--quiet"]
    assert main(words) == 0
    assert sounds(target) == sounds(source)
    with open_reader(target) as reader:
        assert sum(1 for _ in reader) == 25
    part = tmp_path / f"part{Path(name).suffix}"
    assert main([*words[:3], str(part), *words[4:], "--frames", "10"]) == 0
    assert 0 < len(sounds(part)) < len(sounds(source))


def times_of_sound(path: Path) -> list[float]:
    """Seconds from the first frame of the video to the packets of the sound."""
    with av.open(str(path)) as container:
        first: Any = next(container.demux(video=0))
    with av.open(str(path)) as container:
        found = [p for p in container.demux(audio=0) if p.size]
        assert first.pts is not None
        start = first.pts * first.time_base
        return [float((p.pts or 0) * (p.time_base or 1) - start) for p in found]


@pytest.mark.parametrize("late", [0, 3])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_of_a_part(name: str, late: int, tmp_path: Path) -> None:
    """Ten frames from 0.4 s on bring the sound from 0.4 s to 0.8 s, whatever the first time is."""
    source, stream = with_sound(tmp_path / "in.mkv", late=late), tmp_path / "a.clv"
    colorvid.encode_file(source, stream, quality=20)
    target = tmp_path / name
    colorvid.decode_file(stream, target, seek="0.4s", frames=10, with_audio=source)
    pairs = list(zip(times_of_sound(source), sounds(source), strict=True))
    wanted = [(time - 0.4, data) for time, data in pairs if 0.399 <= time < 0.799]
    assert len(wanted) == 3
    assert sounds(target) == [data for _, data in wanted]
    assert times_of_sound(target) == pytest.approx([time for time, _ in wanted], abs=0.002)


def test_sound_that_cannot_be_copied(coded: CodedClip, tmp_path: Path) -> None:
    silent = tmp_path / "silent.mkv"
    with open_writer(silent, PLAIN) as writer:
        writer.write(moving_frames(1, 48, 64)[0])
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for target, sound, kind, message in (
        ("a.mkv", silent, ConfigError, "has no sound that .*a.mkv can hold"),
        ("a.y4m", silent, ConfigError, "a.y4m: holds no sound; leave out with_audio="),
        ("%d.png", silent, ConfigError, "pictures hold no sound"),
        ("a.mkv", tmp_path / "none", InputError, "none: No such file"),
        ("a.mkv", coded.stream, InputError, "cannot be opened as video"),
    ):
        with pytest.raises(kind, match=message):
            colorvid.decode_file(coded.stream, outputs / target, with_audio=sound)
        assert list(outputs.iterdir()) == []
