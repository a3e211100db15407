"""The core is found, chosen by the environment, and missed in one line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import numpy as np
import pytest

from colorvid.effort import SearchEffort
from colorvid.errors import ConfigError
from colorvid.frame import Motion
from colorvid.native import core as module
from colorvid.native.core import (
    INTERFACE,
    VARIABLE,
    Core,
    Level,
    Status,
    at_level,
    core,
    core_for_encoding,
    describe,
)
from colorvid.native.motion import MotionState, Reference
from tests.motion.frames import b_links, p_links
from tests.native.sources import SOURCES


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As after an installation without a compiler."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    for cached in (module._library, module.at_level, module._warn):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in (module._library, module.at_level, module._warn):
        cached.cache_clear()


def test_the_core_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert isinstance(core(), Core), describe()
    assert re.fullmatch(r"native core with (plain|avx2|avx512|avx512vnni|neon) kernels", describe())


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "plain")
    chosen = core()
    assert chosen is not None and chosen.level is Level.PLAIN
    monkeypatch.setenv(VARIABLE, "0")
    assert core() is None and describe() == "native core switched off by COLORVID_NATIVE=0"
    monkeypatch.setenv(VARIABLE, "fast")
    with pytest.raises(ConfigError, match="COLORVID_NATIVE is 'fast'; this machine allows 0, 1, "):
        core()


@pytest.mark.usefixtures("without_library")
def test_a_missing_core_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "colorvid"):
        assert core() is None and core() is None
    [record] = caplog.records
    assert "\n" not in record.getMessage()
    assert "runs without its native core" in record.getMessage()
    assert "install a C++ compiler and then colorvid again" in describe()
    with pytest.raises(ConfigError, match="no native core"):
        at_level("plain")
    with pytest.raises(ConfigError, match="^encoding needs the native core, and .* installed"):
        core_for_encoding()


@pytest.mark.usefixtures("without_library")
def test_a_library_of_another_interface_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(module, "INTERFACE", INTERFACE + 1)
    monkeypatch.setitem(module._FUNCTIONS, "of_the_next_interface", (None, ()))
    assert f"it has interface {INTERFACE}, this colorvid needs {INTERFACE + 1}" in describe()


def test_python_and_cpp_agree_on_numbers() -> None:
    functions = set(re.findall(r"\bcolorvid_(\w+)\(", (SOURCES / "api.h").read_text()))
    assert functions == set(module._FUNCTIONS)
    levels = re.search(r"enum class Level : int \{(.*?)\}", (SOURCES / "cpu.h").read_text())
    assert levels is not None
    assert dict(re.findall(r"(\w+) = (\d+)", levels[1])) == {
        level.name.lower(): str(level.value) for level in Level
    }
    states = (SOURCES / "api.h").read_text().split("enum Status : int {")[1].split("};")[0]
    assert [int(n) for n in re.findall(r"= (\d+)", states)] == [s.value for s in Status]


def test_wrong_arguments_are_refused() -> None:
    core = at_level("1")
    state = MotionState(core, (2, 2), 4)
    state.start(0)
    links = p_links(0, 1)
    with pytest.raises(ConfigError, match="motion_encode refuses its arguments"):
        state.encode(links, Motion(np.full((2, 2, 2), 2048, np.int16)))
    still = np.zeros((2, 2, 2), np.int16)
    for uses in (3, 255):
        pair = Motion(still, still, np.full((1, 1), uses, np.uint8))
        with pytest.raises(ConfigError, match="motion_encode refuses its arguments"):
            state.encode(b_links(0, 0, 1), pair)
    for slot in (-1, 4):
        with pytest.raises(ConfigError, match="motion_start refuses its arguments"):
            state.start(slot)
        with pytest.raises(ConfigError, match="motion_decode refuses its arguments"):
            state.decode(p_links(0, slot), b"")
    for wrong in (p_links(2, 1), b_links(0, 3, 1)):
        with pytest.raises(ConfigError, match="native core: an inter frame needs its references"):
            state.decode(wrong, b"")
    for distance in (0, 17):
        with pytest.raises(ConfigError, match="motion_decode refuses its arguments"):
            state.decode(p_links(0, 1, distance), b"")
    reference, other, plane = Reference(core), Reference(core), np.zeros((16, 9), np.uint8)
    with pytest.raises(ConfigError, match="reference_fill refuses its arguments"):
        reference.fill(np.zeros((1, 8193), np.uint8))
    with pytest.raises(ConfigError, match=r"has shape \(16, 9\); it must be \(0, 0\) as its ref"):
        state.estimate(links, plane, (reference, None), 1)
    reference.fill(plane)
    for weight in (-1, 2**30 + 1):
        with pytest.raises(ConfigError, match="estimate refuses its arguments"):
            state.estimate(links, plane, (reference, None), weight)
    for effort in (
        SearchEffort(split_bits=-1),
        SearchEffort(split_bits=1001),
        SearchEffort(rounds=-1),
        SearchEffort(rounds=17),
    ):
        with pytest.raises(ConfigError, match="estimate refuses its arguments"):
            state.estimate(links, plane, (reference, None), 1, effort)
    with pytest.raises(ConfigError, match=r"has shape \(8, 9\); it must be \(16, 9\) as its ref"):
        state.estimate(links, plane[:8], (reference, None), 1)
    other.fill(np.zeros((33, 9), np.uint8))
    with pytest.raises(ConfigError, match="estimate refuses its arguments"):
        state.estimate(b_links(0, 0, 1), plane, (reference, other), 1)
