"""Clips are sequences of frames, any of which can be had without the others."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import colorvid
from colorvid.bitstream import Packet
from colorvid.codec.decoder import PacketDecoder
from colorvid.codec.slots import Order
from colorvid.colors import Color
from colorvid.errors import (
    ColorvidError,
    ConfigError,
    DamagedStream,
    HeaderError,
    InputError,
    ModelMismatch,
)
from colorvid.native.model import Decoded
from colorvid.quality.color import frame_to_rgb
from colorvid.quality.scores import color_spec
from tests import tiny
from tests.conftest import CodedClip

COLOR = Color("smpte170m", "smpte170m", "smpte170m", "limited", "center")


def test_what_a_clip_is(coded: CodedClip) -> None:
    with colorvid.open(coded.stream) as clip:
        assert len(clip) == 8
        assert clip.fps == Fraction(30000, 1001)
        assert clip.duration == pytest.approx(8 * 1001 / 30000)
        width, height = clip.size
        assert (width, height) == (64, 48) and str(clip.size) == "64x48"
        assert clip.color == clip.header.color == COLOR
        assert clip.header.fps == clip.fps
        assert repr(clip) == f"Clip('{coded.stream}', 8 frames, 64x48, 29.97 fps)"
        assert list(clip) == coded.decoded == list(clip), "a clip can be read again"


@pytest.mark.parametrize("kind", ["name", "path", "bytes", "memoryview", "file", "memory", "pipe"])
def test_whatever_holds_the_stream(kind: str, coded: CodedClip) -> None:
    data = coded.stream.read_bytes()
    if kind == "file":
        with coded.stream.open("rb") as file:
            assert colorvid.decode(file) == coded.decoded
            assert not file.closed
        return
    if kind == "pipe":
        ends = os.pipe()
        os.write(ends[1], data)
        os.close(ends[1])
        with open(ends[0], "rb") as pipe:
            assert colorvid.open(pipe)[5] == coded.decoded[5]
        return
    behind = io.BytesIO(b"before" + data)
    behind.seek(6)
    sources = {"name": str(coded.stream), "path": coded.stream, "bytes": data, "memory": behind}
    assert colorvid.decode(sources.get(kind, memoryview(data))) == coded.decoded


def test_single_frames_and_slices(coded: CodedClip) -> None:
    clip = colorvid.open(coded.stream.read_bytes())
    for number in (7, 0, 4, 4, 5, 2, -1, -8):
        frame = clip[number]
        assert frame == coded.decoded[number]
        assert frame.number == number % 8
        assert frame.time == pytest.approx(frame.number * 1001 / 30000)
    part = clip[2:7]
    assert (len(part), part.duration) == (5, pytest.approx(5 * 1001 / 30000))
    assert list(part) == coded.decoded[2:7]
    assert part[1] == coded.decoded[3] and list(part[1:3]) == coded.decoded[3:5]
    assert list(clip[1::3]) == coded.decoded[1::3]
    assert list(clip[::-1]) == list(reversed(clip)) == coded.decoded[::-1]
    assert list(clip[5:5]) == []
    with pytest.raises(IndexError, match="stream: has no frame 8; it has 8, counted from 0"):
        clip[8]


def test_loops_do_not_disturb_each_other(coded: CodedClip) -> None:
    clip = colorvid.open(coded.stream.read_bytes(), threads=1)
    for first, second in zip(clip, clip, strict=True):
        assert first == second == clip[first.number]


def test_only_the_group_of_a_frame_is_decoded(
    coded: CodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key frames are 0, 3 and 6; frames one after the other are decoded once."""
    decoded: list[int] = []
    decode = PacketDecoder.decode

    def spy(self: PacketDecoder, packet: Packet, order: Order) -> Decoded:
        decoded.append(packet.display_number)
        return decode(self, packet, order)

    monkeypatch.setattr(PacketDecoder, "decode", spy)
    clip = colorvid.open(coded.stream.read_bytes(), threads=1)
    assert len(clip) == 8 and not decoded
    clip[4]
    assert set(decoded) <= {3, 4, 5} and 4 in decoded
    clip[5]
    assert sorted(decoded) == [3, 4, 5]
    clip[5]
    clip[7]
    assert sorted(decoded) == [3, 4, 5, 6, 7]


def test_frames_by_time(coded: CodedClip) -> None:
    """At 29.97 fps frame 3 is on the screen from 0.1001 s to 0.1335 s."""
    clip = colorvid.open(coded.stream.read_bytes())
    for time, number in (
        (0, 0), ("0.1s", 2), (0.1001, 3), (Fraction(1001, 10000), 3), ("0:00.12", 3), (0.266, 7),
    ):  # fmt: skip
        assert clip.at(time).number == number, time  # type: ignore[arg-type]
    assert clip[2:].at("0.1s").number == 4
    for wrong in ("3", "soon", -1, True, float("nan"), "", None):
        with pytest.raises(ConfigError, match=r"^time=.* is not allowed; give seconds, or a time"):
            clip.at(wrong)
    with pytest.raises(
        ConfigError, match=r"time='9s' lies behind the end of .*, which has 0.267 s"
    ):
        clip.at("9s")


def test_pictures_of_a_frame(coded: CodedClip) -> None:
    frame = colorvid.open(coded.stream.read_bytes())[3]
    spec = color_spec(frame.info)
    assert spec is not None
    rgb = frame_to_rgb(coded.decoded[3], spec)
    assert np.array_equal(frame.to_rgb(), rgb)
    image = frame.to_image()
    assert isinstance(image, Image.Image) and np.array_equal(np.asarray(image), rgb)
    tensor = frame.to_tensor()
    assert tensor.shape == (3, 48, 64) and tensor.dtype == torch.float32
    assert torch.equal((tensor * 255).round().byte().permute(1, 2, 0), torch.from_numpy(rgb))
    assert frame.y.shape == (48, 64) and frame.u.shape == frame.v.shape == (24, 32)
    assert repr(frame) == "ClipFrame(3, 64x48)" and repr(coded.decoded[3]) == "Frame(64x48)"


def test_a_matrix_that_is_no_rgb(coded: CodedClip) -> None:
    data = colorvid.encode(coded.decoded[:1], fps=25, color=Color(matrix="ycgco"))
    with pytest.raises(InputError, match="frame 0 has matrix ycgco; R'G'B' can be made of BT.601"):
        colorvid.decode(data)[0].to_rgb()


@pytest.mark.parametrize(("package", "method"), [("PIL", "to_image"), ("torch", "to_tensor")])
def test_a_missing_package_is_named(
    package: str, method: str, coded: CodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = colorvid.open(coded.stream.read_bytes())[0]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ColorvidError, match=r"need.* install it with: pip install"):
        getattr(frame, method)()


def test_damage_raises_unless_it_is_to_be_concealed(coded: CodedClip, tmp_path: Path) -> None:
    data = bytearray(coded.stream.read_bytes())
    packet = colorvid.probe(coded.stream).frames[4]
    data[packet.offset + packet.packet_bytes - 1] ^= 1
    clip = colorvid.open(bytes(data))
    assert clip[1] == coded.decoded[1], "other groups are whole"
    with pytest.raises(DamagedStream, match="stream: byte .*packet is corrupt"):
        list(clip)
    with pytest.raises(DamagedStream):
        list(clip[3:6])
    assert clip[7] == coded.decoded[7], "a failure is not the end"
    concealed = colorvid.decode(bytes(data), on_error="conceal")
    assert len(concealed) == 8 and concealed[6:] == coded.decoded[6:]


def test_a_stream_that_is_cut(coded: CodedClip) -> None:
    cut = coded.stream.read_bytes()[: colorvid.probe(coded.stream).frames[6].offset]
    with pytest.raises(DamagedStream, match="stream: the stream is cut .*on_error='conceal'"):
        colorvid.open(cut)
    clip = colorvid.open(cut, on_error="conceal")
    assert len(clip) == 6 and list(clip) == coded.decoded[:6] and clip[4] == coded.decoded[4]


def test_what_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="stream: not a .clv stream: it is empty"):
        colorvid.open(b"")
    with pytest.raises(InputError, match="missing.clv: No such file"):
        colorvid.open(tmp_path / "missing.clv")
    with pytest.raises(ConfigError, match="source is of type int; it must be the name of a file"):
        colorvid.open(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="source is of type StringIO"):
        colorvid.open(io.StringIO())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="source is of type bytes; it must be the name of a file"):
        colorvid.probe(b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="seek"):
        colorvid.decode(b"", seek=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="on_error is 'hope'"):
        colorvid.open(b"", on_error="hope")  # type: ignore[arg-type]


def test_a_closed_clip(coded: CodedClip) -> None:
    with colorvid.open(coded.stream) as clip:
        part = clip[2:4]
        part.close()
        assert clip[0] == coded.decoded[0], "a part leaves the file open"
    with pytest.raises(ConfigError, match=r"coded.clv: is closed; open it again"):
        clip[5]
    with pytest.raises(ConfigError, match="is closed"):
        list(part)


def test_a_file_that_is_closed(coded: CodedClip) -> None:
    with coded.stream.open("rb") as file:
        pass
    with pytest.raises(ConfigError, match=r"source is .*coded.clv, which is closed; open it again"):
        colorvid.open(file)


def test_a_model_that_is_another(coded: CodedClip, tmp_path: Path) -> None:
    message = "the stream needs model .*; model=.* is another; pass the right one, or leave it out"
    clip = colorvid.open(coded.stream.read_bytes(), model=tiny.model())
    with pytest.raises(ModelMismatch, match=message):
        clip[0]
    with pytest.raises(ModelMismatch, match=message):
        colorvid.decode_file(coded.stream, tmp_path / "a.y4m", model=tiny.model())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(colorvid.load_model().native is None, reason="needs the native core")
def test_reading_needs_no_torch(coded: CodedClip) -> None:
    program = (
        "import sys, colorvid\n"
        "with colorvid.open(sys.argv[1]) as clip:\n"
        " light = 'numpy' if clip[4].to_rgb().shape == (48, 64, 3) else ''\n"
        " colorvid.encode(clip[2:4])\n"
        "print([m for m in ('torch', 'PIL') if m in sys.modules], light)"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(coded.stream)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "[] numpy\n", done.stderr
