from __future__ import annotations

import gc
import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tools.robustness import fuzz
from tools.robustness.fuzz import SHARES, main, target_class
from tools.robustness.fuzz_targets import MEGABYTE, Target, require
from tools.robustness.fuzz_worker import Cases


class Fragile(Target):
    """Breaks a promise or takes too much memory, as the first byte says."""

    name = "fragile"
    memory_bytes = 16 * MEGABYTE

    def make_corpus(self) -> Sequence[bytes]:
        return [b"good"]

    def structured(self) -> SearchStrategy[bytes]:
        return st.binary(max_size=8)

    def check(self, data: bytes) -> None:
        require(data[:1] != b"e", "no e")
        if data[:1] == b"m":
            bytearray(256 * MEGABYTE)[::4096] = b"x" * (256 * MEGABYTE // 4096)


class Aborts(Fragile):
    """Dies at the first case after its corpus."""

    name = "aborts"
    checked = 0

    def check(self, data: bytes) -> None:
        self.checked += 1
        if self.checked > 1:
            os.abort()


class Hangs(Aborts):
    """Does not end where the other dies."""

    name = "hangs"

    def check(self, data: bytes) -> None:
        self.checked += 1
        if self.checked > 1:
            time.sleep(3600)


@pytest.mark.parametrize("name", SHARES)
def test_a_few_cases_of_each_target_find_nothing(name: str) -> None:
    mutations, structures = {"stream": (40, 10), "api": (25, 5)}.get(name, (300, 40))
    with closing(target_class(name)()) as target:
        cases = Cases(target, 20, lambda case, data: None)
        assert [*cases.mutations(0, mutations), *cases.structures(mutations, structures)] == []


def test_cases_depend_on_seed_and_number_alone() -> None:
    def inputs(seed: int, first: int) -> dict[int, bytes]:
        seen: dict[int, bytes] = {}
        cases = Cases(target_class("packet")(), seed, seen.__setitem__)
        assert list(cases.mutations(first, 30)) == []
        assert list(cases.structures(30, 10)) == []
        return seen

    assert inputs(5, 10) == {n: d for n, d in inputs(5, 0).items() if n >= 10}
    assert inputs(6, 0) != inputs(5, 0)


def test_errors_and_memory_are_findings_and_hypothesis_shrinks() -> None:
    gc.collect()  # what earlier tests left must not be given back while the memory is measured
    cases = Cases(Fragile(), 1, lambda case, data: None)
    error = cases.run_one(3, b"evil")
    assert error is not None and (error.kind, error.case, error.data) == ("error", 3, b"evil")
    assert error.what.rstrip().endswith("Broken: no e")
    memory = cases.run_one(4, b"much")
    assert memory is not None and memory.kind == "memory" and "are allowed" in memory.what
    assert cases.run_one(5, b"fine") is None

    class OnlyErrors(Fragile):
        def check(self, data: bytes) -> None:
            require(b"\x07" not in data, "no 7")

    (found,) = Cases(OnlyErrors(), 1, lambda case, data: None).structures(0, 2000)
    assert (found.kind, found.data) == ("error", b"\x07")


@pytest.mark.parametrize(("kind", "expected"), [(Aborts, "crash"), (Hangs, "hang")])
def test_a_death_of_the_child_is_a_finding_and_the_run_goes_on(
    kind: type[Target],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fuzz, "target_class", lambda name: kind)
    arguments = ["header", "--cases", "2", "--seed", "9", "--limit", "2", "--keep", str(tmp_path)]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert f"header: seed 9, case 0: {expected}: " in out
    assert f"header: seed 9, case 1: {expected}: " in out
    assert "seed 9: 2 cases" in out and out.endswith("2 findings\n")
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == ["header-9-0.bin", "header-9-1.bin"]


def test_kept_inputs_are_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x89CLV")
    assert main(["header", "--replay", str(path)]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    path.write_bytes(b"not JSON")
    assert main(["api", "--replay", str(path)]) == 1
    assert "the input is not a call" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["all", "--replay", str(path)])
