"""What tests of training share."""

from __future__ import annotations

import pytest

from colorvid.training.loop import weights


@pytest.fixture
def short_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits the bottlenecks of a model file with few steps, where their values do not matter."""
    monkeypatch.setattr(weights, "_FIT_STEPS", 3)
