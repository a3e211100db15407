"""A tiny model, so that tests of batches need little time for coding."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny.save(path)
    return path


@pytest.fixture(autouse=True)
def no_model_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for a worker is the process of the tests."""
    monkeypatch.setattr("colorvid.models.loading._kept", None)
