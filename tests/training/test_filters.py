"""Loop filters by least squares: they mend what they have seen, and nothing else changes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from colorvid.errors import OutputError
from colorvid.io.base import VideoInfo
from colorvid.models.loading import load_model
from colorvid.models.modelfile import read_model_file
from colorvid.nn.loop_filter import LoopFilter
from colorvid.training.filters import NAMES, Normal, empty_filter, fit_filters
from tests import tiny
from tests.clips import moving_frames
from tests.conftest import write_clip


def test_bounds_rise_with_the_quantiser_step() -> None:
    made = empty_filter(8, (0.25, 1.0))
    assert made.clips[[0, 40, 63]].tolist() == [[30, 119], [4, 18], [1, 6]]
    assert (made.activity.diff(dim=1) > 0).all() and (made.activity.diff(dim=0) <= 0).all()


def test_least_squares_find_the_filter_that_was_there() -> None:
    rng = np.random.default_rng(4)
    truth = LoopFilter(8)
    truth.clips.fill_(60)
    truth.clips[:, 0] = 9
    truth.activity.fill_(2**20)  # one level
    rows = rng.integers(-20, 21, (1, 70, 24))
    truth.weights.copy_(torch.from_numpy(rows).expand(8, -1, -1))
    normal = Normal()
    plane = torch.from_numpy(rng.integers(60, 190, (160, 160)).astype(np.uint8))
    found, weighed = truth.blocks(plane, plane, 40)
    wide = found.repeat_interleave(8, 0).repeat_interleave(8, 1)
    change = truth(plane, plane, 40).int() - plane.int()
    normal.add(wide, weighed, change, 40)
    fitted = normal.weights()
    counts = np.bincount(wide.flatten().numpy(), minlength=70)
    often = int(counts.argmax())
    assert np.abs(fitted[5, often].astype(int) - rows[0, often]).max() <= 3
    assert not fitted[5, counts == 0].any()
    assert not fitted[0].any()  # a band that saw nothing


def test_a_fitted_model_differs_in_its_filters_alone(tmp_path: Path) -> None:
    tiny.save(tmp_path / "plain.safetensors")
    (tmp_path / "clips").mkdir()
    info = VideoInfo(64, 48, Fraction(25))
    write_clip(tmp_path / "clips" / "a.y4m", moving_frames(5, 48, 64, seed=2), info)
    output = tmp_path / "fitted.safetensors"
    fitted = fit_filters(output, str(tmp_path / "plain.safetensors"), tmp_path / "clips")
    assert fitted.clips == 1
    assert load_model(str(output)).identity == fitted.identity
    before, after = (read_model_file(str(p)) for p in (tmp_path / "plain.safetensors", output))
    assert before.config == after.config and before.tensors.keys() == after.tensors.keys()
    changed = {n for n, t in before.tensors.items() if not np.array_equal(t, after.tensors[n])}
    assert changed == {f"{n}.{part}" for n in NAMES for part in ("weights", "clips", "activity")}
    assert after.tensors["inter.filter.luma.weights"].any()


def test_an_output_that_exists_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    with pytest.raises(OutputError, match="exists"):
        fit_filters(tmp_path / "there", "default", tmp_path)
