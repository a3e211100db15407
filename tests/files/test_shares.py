"""How the latents of a stream are shared between luma and chroma."""

from __future__ import annotations

import io
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import colorvid
from colorvid.bitstream import ClvReader, ClvWriter, Packet
from colorvid.cli.main import main
from colorvid.codec.decoder import Decoder
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError
from colorvid.files.shares import chroma_share
from colorvid.frame import Frame
from tests import tiny
from tests.cli.test_main import one_error_line
from tests.clips import moving_frames
from tests.clv import HEADER_SIZE
from tests.conftest import CodedClip

pytestmark = pytest.mark.skipif(
    colorvid.load_model().native is None, reason="needs the native core"
)


def test_bits_are_those_that_the_encoder_counted() -> None:
    """Exactly, but for the filling of a stream of few symbols and the digits of escapes."""
    frames, model = moving_frames(6, 64, 96), tiny.model()
    decoder = Decoder(model, frames[0].size)
    for coded in tiny.encode_all(model, frames, EncoderSettings(quality=50)):
        decoder.decode(coded.packet)
        bits = decoder.decoded_bits()
        assert bits is not None
        luma, chroma = bits
        counted = coded.bits
        assert luma + chroma == pytest.approx(sum(counted.values()), rel=0.01, abs=4)
        assert luma > 0.99 * counted["luma"] - 4 and chroma > 0.99 * counted["chroma"] - 4
        assert luma + chroma <= 8 * len(coded.packet.latents)


def test_grey_has_hardly_any_chroma(tmp_path: Path) -> None:
    frames = [
        Frame(f.y, np.full_like(f.u, 128), np.full_like(f.v, 128)) for f in moving_frames(3, 48, 64)
    ]
    colorvid.encode(frames, tmp_path / "grey.clv", fps=25, quality=50)
    assert chroma_share(tmp_path / "grey.clv") < 0.1


def test_info_tells_luma_from_chroma(coded: CodedClip, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(coded.stream), "--json"]) == 0
    plain = json.loads(capfd.readouterr().out)["bytes"]
    assert main(["info", str(coded.stream), "--json", "--shares"]) == 0
    shared = json.loads(capfd.readouterr().out)["bytes"]
    assert list(shared) == ["motion", "luma", "chroma", "headers", "index", "total"]
    assert shared["luma"] + shared["chroma"] == plain.pop("latents")
    assert {name: shared[name] for name in plain} == plain
    share = chroma_share(coded.stream)
    assert shared["chroma"] == round(share * (shared["luma"] + shared["chroma"]))
    assert 0.02 < share < 0.98
    assert main(["info", str(coded.stream), "--shares"]) == 0
    [line] = [t for t in capfd.readouterr().out.splitlines() if t.startswith("bytes")]
    assert "; motion " in line and ", luma " in line and ", chroma " in line
    assert "latents" not in line


def test_what_cannot_be_shared(coded: CodedClip, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "-", "--shares"]) == 1
    assert one_error_line(capfd.readouterr().err) == (
        "--shares reads the stream twice, and stdin can be read only once; give a file"
    )
    read, write = os.pipe()
    os.close(write)
    assert main(["info", f"/dev/fd/{read}", "--shares"]) == 1
    os.close(read)
    assert "can be read only once; give a file" in one_error_line(capfd.readouterr().err)
    reference = colorvid.load_model(carrier=torch.float64)
    with pytest.raises(ConfigError, match="shares=True needs the native core"):
        chroma_share(coded.stream, reference)


def with_packets_changed(data: bytes, byte: int) -> bytes:
    """A stream whose latents have another byte, under right CRCs."""
    reader, file = ClvReader(io.BytesIO(data)), io.BytesIO()
    writer = ClvWriter(file)
    writer.write_header(reader.header)
    for packet in reader:
        assert isinstance(packet, Packet)
        latents = bytearray(packet.latents)
        if latents:
            latents[min(byte, len(latents) - 1)] ^= 255
        writer.write_packet(replace(packet, latents=bytes(latents)))
    writer.finish()
    return file.getvalue()


def with_bytes_flipped(data: bytes, places: list[int]) -> bytes:
    """The bytes with some of them inverted."""
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 255
    return bytes(changed)


def test_shares_of_damaged_streams(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is left is shared, and damage is told as without ``--shares``."""
    data, frames = coded.stream.read_bytes(), colorvid.probe(coded.stream).frames
    payloads = [frame.offset + frame.packet_bytes - 1 for frame in frames]
    keys = [place for place, frame in zip(payloads, frames, strict=True) if frame.is_key]
    for name, damaged, decodable in (
        ("a group lost", with_bytes_flipped(data, keys[:1]), True),
        ("a frame lost", with_bytes_flipped(data, payloads[4:5]), True),
        ("cut", data[: payloads[5]], True),
        ("no index", data[: frames[-1].offset + frames[-1].packet_bytes], True),
        ("no group left", with_bytes_flipped(data, keys), False),
        ("no frame left", with_bytes_flipped(data, payloads), None),
        ("noise", data[:HEADER_SIZE] + b"?" * 200, None),
    ):
        stream = tmp_path / "damaged.clv"
        stream.write_bytes(damaged)
        assert main(["info", str(stream)]) == 5, name
        plain = capfd.readouterr()
        assert main(["info", str(stream), "--shares"]) == 5, name
        out, err = capfd.readouterr()
        assert ("luma" in out) == bool(decodable), name
        lines = err.splitlines()
        if decodable is False:
            assert lines.pop() == (
                "colorvid [warning]: no frame can be decoded, so luma and chroma are not told apart"
            )
        assert lines == plain.err.splitlines() and lines, name
        assert all(line.startswith("colorvid [warning]: byte ") for line in lines), name


@pytest.mark.parametrize("length", [0, 30, HEADER_SIZE - 1])
def test_no_shares_without_a_header(
    length: int, coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = tmp_path / "cut.clv"
    stream.write_bytes(coded.stream.read_bytes()[:length])
    assert main(["info", str(stream), "--shares"]) == 3
    assert str(stream) in one_error_line(capfd.readouterr().err)


def test_shares_of_forged_packets(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = tmp_path / "forged.clv"
    stream.write_bytes(with_packets_changed(coded.stream.read_bytes(), 8))
    assert main(["info", str(stream)]) == 0
    capfd.readouterr()
    assert main(["info", str(stream), "--shares"]) == 5
    out, err = capfd.readouterr()
    assert "latents" in out and "no frame can be decoded" in one_warning_line(err)


def one_warning_line(text: str) -> str:
    """The only line of standard error, which is a warning."""
    [line] = text.splitlines()
    assert line.startswith("colorvid [warning]: ")
    return line


def test_no_damage_ends_in_a_traceback(coded: CodedClip, tmp_path: Path) -> None:
    data, stream = coded.stream.read_bytes(), tmp_path / "random.clv"
    for seed in range(60):
        draw = random.Random(seed)
        places = draw.sample(range(HEADER_SIZE, len(data)), draw.randint(1, 8))
        stream.write_bytes(with_bytes_flipped(data, places))
        share = chroma_share(stream)
        assert share is None or 0 < share < 1, f"seed {seed}"
