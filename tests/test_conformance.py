"""A committed stream and a committed model decode to the committed hashes."""

from __future__ import annotations

import json

import pytest
import torch

from colorvid.bitstream import ClvReader, Packet
from colorvid.codec import Decoder
from colorvid.errors import HashMismatch
from tests.golden.make import EXPECTED, FRAMES, HEIGHT, MODEL, STREAM, WIDTH, golden_model, sha256


def packets() -> list[Packet]:
    with open(STREAM, "rb") as file:
        reader = ClvReader(file)
        assert (reader.header.height, reader.header.width) == (HEIGHT, WIDTH)
        assert reader.header.model_id.hex() == json.loads(EXPECTED.read_text())["model"]
        found = list(reader)
    assert all(isinstance(p, Packet) for p in found)
    return [p for p in found if isinstance(p, Packet)]


@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_the_golden_stream_decodes_to_the_golden_frames(carrier: torch.dtype) -> None:
    expected = json.loads(EXPECTED.read_text())
    model = golden_model(carrier)
    assert model.identity.hex() == expected["model"]
    decoder = Decoder(model, HEIGHT, WIDTH)
    decoded = [decoder.push(packet) for packet in packets()]
    assert len(decoded) == FRAMES
    got = [{"crc32": frame.crc32(), "sha256": sha256(frame)} for frame in decoded]
    assert got == expected["frames"]


def test_the_golden_stream_uses_all_of_the_format() -> None:
    found = packets()
    assert [p.is_key for p in found] == [True, False, False, False, True, False]
    assert all(len(p.latents) > 100 for p in found)
    assert any(p.motion for p in found) and not any(p.motion for p in found if p.is_key)


def test_the_golden_model_has_networks_that_take_part() -> None:
    network = golden_model().network
    for model in (network.intra, network.inter):
        for branch in (model.luma, model.chroma):
            assert branch.synthesis is not None
            assert branch.synthesis.leave.weight_int.any()
            assert branch.synthesis.quality.table.any()


def test_another_weight_gives_other_frames() -> None:
    model = golden_model()
    synthesis = model.network.intra.luma.synthesis
    assert synthesis is not None
    synthesis.leave.bias_int += 2**20
    decoder = Decoder(model, HEIGHT, WIDTH)
    with pytest.raises(HashMismatch, match="frame 0: the decoded picture has CRC "):
        decoder.push(packets()[0])


def test_the_golden_files_are_small() -> None:
    assert sum(p.stat().st_size for p in (MODEL, STREAM, EXPECTED)) < 300_000
