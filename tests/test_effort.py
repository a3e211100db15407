from __future__ import annotations

import pytest

from colorvid.effort import DEFAULT_PRESET, MEDIUM, PRESETS, effort_of
from colorvid.errors import ConfigError


def test_presets_by_name() -> None:
    assert tuple(PRESETS) == ("fast", "medium", "slow", "best")
    assert effort_of(DEFAULT_PRESET) is MEDIUM
    assert len(set(PRESETS.values())) == len(PRESETS)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="^preset 'quick' is unknown; use fast, medium, slow or best$"
    ):
        effort_of("quick")
