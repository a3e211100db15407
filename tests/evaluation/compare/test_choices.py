"""What a comparison is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorvid.errors import ColorvidError, ConfigError, ModelMismatch
from colorvid.evaluation.compare import choices
from colorvid.evaluation.compare.choices import (
    ANCHORS,
    OWN,
    check_packages,
    default_cache,
    rising_settings,
)
from colorvid.evaluation.compare.running import Choice

CLIPS, STILLS = [Path("a.y4m"), Path("b.png")], [Path("a.png"), Path("b.jpg")]


def test_choices_follow_the_sources() -> None:
    clips, stills = Choice().codecs(CLIPS), Choice().codecs(STILLS)
    assert [codec.name for codec in clips] == ["colorvid", "x264-zl", "x265-zl"]
    assert [codec.name for codec in stills] == ["colorvid", "x264-intra", "x265-intra"]
    assert clips[0].run.settings(9)["gop"] == clips[1].run.settings(9)["g"] == "32"
    assert stills[0].run.settings(9)["gop"] == "1"
    assert [c.name for c in Choice(gop=1).codecs(CLIPS)] == [c.name for c in stills]


def test_choices_of_a_user_hold() -> None:
    scenes = Choice(scenecut=True, anchors=("x264",)).codecs(CLIPS)
    assert scenes[0].run.settings(9)["scenecut"] == "true"
    assert "scenecut=0" not in scenes[1].run.settings(9)["x264-params"]
    choice = Choice(gop=8, anchors=("jpeg", "svtav1"), qualities=(4, 9), threads=3)
    own, jpeg, svt = choice.codecs(STILLS)
    assert own.qualities == (9, 4)
    assert (jpeg.name, svt.qualities) == ("jpeg", (23, 31, 39, 47, 55, 63))
    assert (svt.run.settings(23)["g"], svt.run.settings(23)["threads"]) == ("8", "3")
    assert [codec.name for codec in Choice(anchors=("none",)).codecs(CLIPS)] == ["colorvid"]


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match="anchors are x264, none; none stands alone"):
        Choice(anchors=("x264", "none")).codecs(CLIPS)
    with pytest.raises(ConfigError, match=r"quality 64 is not allowed; it must be 0..63"):
        Choice(qualities=(1, 64)).codecs(CLIPS)
    with pytest.raises(ConfigError, match="device 'abacus' cannot be used"):
        Choice(device="abacus").codecs(CLIPS)
    with pytest.raises(ModelMismatch, match="model 'nothing'"):
        Choice(model="nothing").codecs(CLIPS)


def test_the_cache_stands_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_cache() == Path("/cache/colorvid-cache")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "colorvid-cache"


def test_a_missing_package_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check_packages()
    monkeypatch.setattr(choices, "find_spec", lambda name: None if name == "PIL" else name)
    with pytest.raises(ColorvidError, match="needs pillow; install it with: pip install pillow$"):
        check_packages()


def test_every_setting_of_a_curve_can_be_chosen_for_a_patch() -> None:
    assert rising_settings(OWN)[0] == 0 and rising_settings(OWN)[-1] == 63
    for name, anchor in ANCHORS.items():
        settings = rising_settings(name)
        assert set(anchor.qualities) <= set(settings)
        falling = sorted(anchor.qualities, key=settings.index, reverse=True)
        assert falling == list(anchor.qualities), "best first"
