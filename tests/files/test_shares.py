"""How the latents of a stream are shared between luma and chroma."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import colorvid
from colorvid.cli.main import main
from colorvid.codec.decoder import Decoder
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError
from colorvid.files.shares import chroma_share
from colorvid.frame import Frame
from tests import tiny
from tests.cli.test_main import one_error_line
from tests.clips import moving_frames
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
    reference = colorvid.load_model(carrier=torch.float64)
    with pytest.raises(ConfigError, match="shares=True needs the native core"):
        chroma_share(coded.stream, reference)
