"""Whatever Python has for pictures becomes a stream, in memory or in a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import colorvid
from colorvid import Color, Encoder, EncoderSettings, Writer
from colorvid.bitstream import summarise
from colorvid.errors import ConfigError, InputError, OutputError
from colorvid.frame import Frame
from colorvid.images.pictures import spec_of
from colorvid.quality.color import rgb_to_frame
from tests import tiny
from tests.clips import moving_frames
from tests.conftest import CodedClip, read_clip
from tests.files.test_outputs import with_sound

Rgb = NDArray[np.uint8]
SIZE = (34, 50)
FRAMES = moving_frames(4, *SIZE)
BT709 = Color("bt709", "bt709", "iec61966-2-1", "limited", "left")


def pictures() -> list[Rgb]:
    """R'G'B' ``(H, W, 3)`` of the clip."""
    return [np.stack([f.y, 255 - f.y, np.roll(f.y, 9, 1)], axis=-1) for f in FRAMES]


def as_tensor(rgb: Rgb) -> torch.Tensor:
    return torch.from_numpy(rgb.transpose(2, 0, 1).copy())


RGB: dict[str, Callable[[], Any]] = {
    "arrays": pictures,
    "one array": lambda: np.stack(pictures()),
    "a generator": lambda: iter(pictures()),
    "pillow": lambda: [Image.fromarray(rgb) for rgb in pictures()],
    "tensors of bytes": lambda: [as_tensor(rgb) for rgb in pictures()],
    "one tensor of floats": lambda: torch.stack([as_tensor(r) for r in pictures()]).float() / 255,
}


@pytest.mark.parametrize("kind", RGB)
def test_rgb_of_every_kind_gives_the_same_stream(kind: str) -> None:
    data = colorvid.encode(RGB[kind](), fps=25, quality=50)
    clip = colorvid.open(data)
    assert (len(clip), clip.fps, clip.size) == (4, 25, (50, 34))
    assert clip.color == BT709
    planes = [rgb_to_frame(rgb, spec_of(full_range=False)) for rgb in pictures()]
    assert list(clip) == colorvid.decode(colorvid.encode(planes, fps=25, quality=50))


@pytest.mark.parametrize("kind", ["frames", "tuples", "lists"])
def test_planes(kind: str) -> None:
    kinds = {"frames": FRAMES, "tuples": [f.planes for f in FRAMES]}
    source: Any = kinds.get(kind, [list(f.planes) for f in FRAMES])
    data = colorvid.encode(source, fps="30000/1001", quality=63)
    clip = colorvid.open(data)
    assert clip.fps == Fraction(30000, 1001) and clip.color == Color()
    for frame, original in zip(clip, FRAMES, strict=True):
        assert np.abs(frame.y.astype(int) - original.y).mean() < 4


def test_a_buffer_that_is_used_again() -> None:
    """B frames wait: what the caller does with its arrays meanwhile must not matter."""

    def one_buffer() -> Iterator[Frame]:
        buffer = Frame(*(np.zeros_like(plane) for plane in FRAMES[0].planes))
        for frame in FRAMES:
            for plane, values in zip(buffer.planes, frame.planes, strict=True):
                plane[:] = values
            yield buffer

    assert colorvid.encode(one_buffer(), fps=25) == colorvid.encode(FRAMES, fps=25)


def test_colours_of_rgb() -> None:
    full = Color(matrix="bt601", range="full")
    clip = colorvid.open(colorvid.encode(pictures(), fps=25, color=full, quality=63))
    assert clip.color == Color(matrix="smpte170m", range="full", siting="left")
    assert np.abs(clip[0].to_rgb().astype(int) - pictures()[0]).mean() < 40
    with pytest.raises(ConfigError, match="color has matrix 'ycgco', in which R'G'B' cannot be"):
        colorvid.encode(pictures(), fps=25, color=Color(matrix="ycgco"))


def test_a_part_of_a_clip(coded: CodedClip) -> None:
    """Frames of a clip carry rate and colour."""
    clip = colorvid.open(coded.stream.read_bytes())
    part = colorvid.open(colorvid.encode(clip[2:5], quality=50))
    assert (len(part), part.fps, part.color) == (3, clip.fps, clip.color)
    assert colorvid.open(colorvid.encode(clip[2:5], fps=50)).fps == 50


def test_targets(tmp_path: Path) -> None:
    data = colorvid.encode(FRAMES, fps=25)
    path, memory = tmp_path / "a.clv", io.BytesIO()
    report = colorvid.encode(FRAMES, path, fps=25)
    assert path.read_bytes() == data
    assert (report.frames, report.size_bytes) == (4, len(data))
    colorvid.encode(FRAMES, memory, fps=25)
    assert memory.getvalue() == data and not memory.closed
    with pytest.raises(OutputError, match=r"a.clv exists; pass overwrite=True"):
        colorvid.encode(FRAMES, path, fps=25)
    colorvid.encode(FRAMES, path, fps=25, overwrite=True)
    with pytest.raises(ConfigError, match="target is of type int; it must be the name of a file"):
        colorvid.encode(FRAMES, 7, fps=25)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="target is of type StringIO"):
        colorvid.encode(FRAMES, io.StringIO(), fps=25)  # type: ignore[call-overload]
    memory.close()
    with pytest.raises(ConfigError, match="target is stream, which is closed; open it again"):
        colorvid.encode(FRAMES, memory, fps=25)
    with path.open("rb") as file:
        with pytest.raises(ConfigError, match="target is .*a.clv, which is open for reading only"):
            colorvid.encode(FRAMES, file, fps=25)


def test_sequences_are_read_as_often_as_a_target_needs() -> None:
    rgb = np.stack(pictures())
    goal = 8 * len(colorvid.encode(rgb, fps=25, quality=30)) * 25 // len(rgb)
    found = colorvid.encode(rgb, fps=25, bitrate=goal)
    assert found == colorvid.encode(list(rgb), fps=25, bitrate=goal)
    with pytest.raises(ConfigError, match="takes several passes, and the input can be read only"):
        colorvid.encode(iter(rgb), fps=25, target_psnr=35)


def test_numbers_of_numpy_are_numbers() -> None:
    data = colorvid.encode(FRAMES, fps=np.float32(25), quality=np.int64(20), gop=np.uint8(2))
    assert data == colorvid.encode(FRAMES, fps=25, quality=20, gop=2)
    assert len(colorvid.decode(data, threads=np.int32(1))) == len(FRAMES)


def test_videos(coded: CodedClip, tmp_path: Path) -> None:
    """A file, its bytes and an open file give what `encode_file` gives."""
    path = tmp_path / "a.clv"
    colorvid.encode_file(coded.source, path, gop=3)
    data = path.read_bytes()
    assert colorvid.encode(coded.source, gop=3) == data
    assert colorvid.encode(str(coded.source), gop=3) == data
    assert colorvid.encode(coded.source.read_bytes(), gop=3) == data
    with coded.source.open("rb") as file:
        assert colorvid.encode(file, gop=3) == data
        assert not file.closed
    short = colorvid.open(colorvid.encode(coded.source, frames=2, seek="0.1s", fps=50))
    assert (len(short), short.fps) == (2, 50)
    assert colorvid.open(colorvid.encode(coded.source, color=BT709, frames=1)).color == BT709


def test_a_part_of_pictures() -> None:
    part = colorvid.encode(FRAMES, fps=25, seek=1, frames=2)
    assert part == colorvid.encode(FRAMES[1:3], fps=25)
    assert colorvid.encode(FRAMES, fps=25, seek="0.08s") == colorvid.encode(FRAMES[2:], fps=25)


def test_options_reach_the_encoder(tmp_path: Path) -> None:
    log, seen = tmp_path / "a.csv", []
    data = colorvid.encode(
        FRAMES, fps=25, quality=20, gop=2, csv=log, progress=lambda p: seen.append(p.total)
    )
    assert [f.header.quality for f in summarise(io.BytesIO(data)).frames if f.is_key] == [20, 20]
    assert len(log.read_text().splitlines()) == 5
    assert seen == [4] * 4


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": ([], r"^source holds no picture; give at least one$"),
    "text": (
        ["a"],
        r"^source\[0\] is of type str; it must be a Frame, planes \(y, u, v\), a n",
    ),
    "number": (3, r"^source is of type int; it must be pictures one after the other, the name of"),
    "picture": (pictures()[0], r"^source has shape \(34, 50, 3\), which is no stack of pictures"),
    "tensor": (as_tensor(pictures()[0]), r"^source has shape \(3, 34, 50\), which is no stack"),
    "image": (Image.fromarray(pictures()[0]), r"^source is of type Image; it must be pictures"),
    "floats": (
        [pictures()[0].astype(np.float32)],
        r"^source\[0\] is an array of float32, shape \(34, 50, 3\); it must be uint8 of shape",
    ),
    "channels": (
        [pictures()[0].transpose(2, 0, 1)],
        r"^source\[0\] is an array of uint8, shape \(3, 34, 50\); it must be uint8 of shape",
    ),
    "tensor with channels last": (
        [torch.from_numpy(pictures()[0])],
        r"^source\[0\] is a tensor of torch.uint8, shape \(34, 50, 3\); it must be \(3, height",
    ),
    "floats of another scale": (
        [as_tensor(pictures()[0]).float()],
        r"^source\[0\] holds floats from [\d.]+ to 2\d\d; they must be 0..1$",
    ),
    "tensor without values": ([torch.zeros(3, 4, 4, device="meta")], r"^source\[0\] is no plain t"),
    "sparse tensor": ([torch.zeros(3, 4, 4).to_sparse()], r"^source\[0\] is no plain tensor; give"),
    "no number": ([torch.full((3, 4, 4), float("nan"))], r"^source\[0\] holds values that are no"),
    "two sizes": (
        [pictures()[0], pictures()[1][:20]],
        r"^source\[1\] is 50x20; all must be 50x34, as source\[0\]$",
    ),
    "two kinds": (
        [pictures()[0], FRAMES[0]],
        r"^source\[1\] is planes, and source\[0\] was R'G'B'; give one kind$",
    ),
    "two planes": ([FRAMES[0].planes[:2]], r"^source\[0\] has 2 planes; it must be \(y, u, v\)$"),
    "4:4:4": ([(FRAMES[0].y,) * 3], r"^source\[0\]: plane u has shape \(34, 50\); 4:2:0 of 34x50"),
    "alpha": ([Image.new("RGBA", (4, 4))], r"^source\[0\]: has an alpha channel; pass convert"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_named(name: str, tmp_path: Path) -> None:
    source, message = WRONG[name]
    with pytest.raises((InputError, ConfigError), match=message):
        colorvid.encode(source, tmp_path / "a.clv", fps=25)
    assert not list(tmp_path.iterdir())


def test_alpha_is_dropped_on_request() -> None:
    image = Image.new("RGBA", (16, 16), (200, 10, 10, 100))
    assert len(colorvid.decode(colorvid.encode([image], fps=1, convert=True))) == 1


@pytest.mark.parametrize("fps", [0, -1, "fast", "1/0", float("nan")])
def test_rates_that_are_none(fps: Any) -> None:
    with pytest.raises(ConfigError, match=r"^fps=.* is not allowed; give a rate such as 25 or"):
        colorvid.encode(FRAMES, fps=fps)


def test_arguments_that_are_missing_or_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^fps is missing, and pictures carry no rate; pass fps"):
        colorvid.encode(FRAMES)
    with pytest.raises(ConfigError, match=r"^size=\(50, 34\) is for raw video; pictures have"):
        colorvid.encode(FRAMES, fps=25, size=(50, 34))
    with pytest.raises(ConfigError, match=r"^quality 64 is not allowed; it must be 0..63"):
        colorvid.encode(FRAMES, fps=25, quality=64)
    with pytest.raises(ConfigError, match=r"^color='bt709' is not allowed; give a colorvid.Color"):
        colorvid.encode(FRAMES, fps=25, color="bt709")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"^model is of type int; it must be a name or a file"):
        colorvid.encode(FRAMES, fps=25, model=3)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="matrix='bt999' is not allowed; use one of .*bt709"):
        Color(matrix="bt999")


def coded_by_packets(target: Any, frames: list[Frame], **options: Any) -> Encoder:
    encoder = Encoder(tiny.model(), EncoderSettings(quality=40, gop=3))
    with Writer(target, encoder, fps=25, **options) as writer:
        for frame in frames:
            for coded in encoder.push(frame):
                assert writer.write(coded.packet) == len(coded.packet)
        for coded in encoder.flush():
            writer.write(coded.packet)
    return encoder


def test_packets_make_a_stream(tmp_path: Path) -> None:
    path, memory = tmp_path / "a.clv", io.BytesIO()
    encoder = coded_by_packets(path, FRAMES, color=BT709)
    coded_by_packets(memory, FRAMES, color=BT709)
    assert path.read_bytes() == memory.getvalue()
    clip = colorvid.open(path.read_bytes(), model=tiny.model())
    assert (len(clip), clip.fps, clip.color, clip.size) == (4, 25, BT709, encoder.size)
    assert clip.header.gop_length == 3
    assert len(list(clip)) == 4
    with pytest.raises(OutputError, match="exists"):
        coded_by_packets(path, FRAMES)


def test_packets_of_the_color_model_say_so() -> None:
    encoder = Encoder(colorvid.load_model("color"), EncoderSettings(gop=1))
    memory = io.BytesIO()
    with Writer(memory, encoder, fps=25) as writer:
        writer.write(encoder.push(FRAMES[0])[0].packet)
    assert colorvid.open(memory.getvalue()).header.tune == 1


def test_a_writer_that_fails_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.clv"
    encoder = Encoder(tiny.model(), EncoderSettings())
    with pytest.raises(InputError, match="no packet was written; write those that Encoder.push"):
        Writer(path, encoder, fps=25).close()
    with pytest.raises(ZeroDivisionError), Writer(path, encoder, fps=25) as writer:
        for coded in encoder.push(FRAMES[0]):
            writer.write(coded.packet)
        raise ZeroDivisionError
    encoder.flush()
    writer = Writer(path, encoder, fps=25)
    with pytest.raises(ConfigError, match="the next is 0"):
        for frame in FRAMES:
            for coded in encoder.push(frame):
                writer.write(coded.packet)
        for coded in encoder.flush():
            writer.write(coded.packet)
    writer.__exit__(ConfigError, ConfigError(), None)
    assert not list(tmp_path.iterdir())


def test_a_packet_in_words() -> None:
    [coded] = tiny.encode_all(tiny.model(), FRAMES[:1], EncoderSettings(quality=33))
    packet = coded.packet
    assert len(packet) == len(packet.to_bytes())
    assert repr(packet) == f"Packet(key, frame 0, quality 33, {len(packet)} bytes)"


def test_what_a_stream_holds_is_what_decode_file_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.clv"
    colorvid.encode(pictures(), path, fps=25)
    colorvid.decode_file(path, tmp_path / "a.y4m")
    assert read_clip(tmp_path / "a.y4m") == colorvid.decode(path)


def test_what_is_doubtful_is_a_warning_where_there_is_no_report(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "a.mkv")
    assert "has sound" in colorvid.encode(source, tmp_path / "a.clv", frames=1).warnings[0]
    with pytest.warns(UserWarning, match="has sound, which a .clv stream does not hold"):
        colorvid.encode(source, frames=1)
