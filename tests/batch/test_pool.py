"""Processes of this machine as workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from colorvid.batch.engine import WorkerLost
from colorvid.batch.opening import open_engine
from colorvid.batch.pool import Pool
from colorvid.errors import OutputError
from tests.batch import calls

PATIENCE = 300
"""Seconds after which something counts as hanging, on a machine that is busy with other things."""


@pytest.fixture
def pool() -> Iterator[Pool]:
    with closing(Pool(2)) as pool:
        yield pool


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "hangs"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_results_and_errors(pool: Pool) -> None:
    futures = [pool.submit(calls.double, n) for n in range(5)]
    failed = pool.submit(calls.refuse, 3)
    assert [f.result(PATIENCE) for f in futures] == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="3 is refused"):
        failed.result(PATIENCE)
    assert pool.workers() == {"this machine": 2}
    assert pool.everywhere(calls.double, 1) == {}


def test_workers_have_one_thread_and_load_torch_only_when_needed(pool: Pool) -> None:
    name, threads, loaded = pool.submit(calls.whoami, 0).result(PATIENCE)
    assert name.partition(":")[2].isdecimal() and threads == "1" and not loaded


def test_a_worker_that_is_killed_loses_its_own_call_alone(pool: Pool) -> None:
    futures = [pool.submit(calls.double, n) for n in range(3)]
    killed = [pool.submit(calls.die, n) for n in range(2)]
    futures += [pool.submit(calls.double, n) for n in range(3, 6)]
    for future in killed:
        with pytest.raises(WorkerLost, match="the worker died"):
            future.result(PATIENCE)
    assert [f.result(PATIENCE) for f in futures] == [0, 2, 4, 6, 8, 10]


def test_a_worker_that_is_killed_while_it_is_idle_is_replaced(pool: Pool) -> None:
    names = {pool.submit(calls.whoami, n).result(PATIENCE)[0] for n in range(4)}
    pids = {int(name.partition(":")[2]) for name in names}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not pids & {child.pid for child in multiprocessing.active_children()})
    assert pool.submit(calls.double, 4).result(PATIENCE) == 8


def test_progress_is_heard(pool: Pool) -> None:
    future = pool.submit(calls.count, "a")
    heard: list[int] = []

    def listen() -> bool:
        heard.extend(pool.progress().values())
        return future.done()

    wait_for(listen)
    assert heard and heard == sorted(heard) and max(heard) < 8


def test_closing_ends_the_work_in_an_orderly_way(tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())
    pool = Pool(2)
    for _ in range(3):
        pool.submit(calls.linger, str(tmp_path))
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 30
    assert len(list(tmp_path.glob("*-ended"))) == 2
    assert set(multiprocessing.active_children()) == before


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def occupants(temporary: Path) -> list[int]:
    """Processes that run `calls.occupy`."""
    return [int(path.name) for path in temporary.glob("colorvid-*/*/colorvid-*/*")]


@pytest.mark.parametrize("stubborn", [False, True])
def test_closing_removes_temporary_files(
    stubborn: bool, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorvid.batch.pool.GRACE_SECONDS", 2 if stubborn else PATIENCE)
    with closing(Pool(2)) as pool:
        assert not list(temporary.iterdir()), "nothing is started yet"
        for _ in range(2):
            pool.submit(calls.occupy, stubborn)
        wait_for(lambda: len(occupants(temporary)) == 2)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_leaves_no_temporary_files(
    number: signal.Signals, temporary: Path
) -> None:
    with closing(Pool(1)) as pool:
        future = pool.submit(calls.occupy, False)
        wait_for(lambda: occupants(temporary))
        os.kill(*occupants(temporary), number)
        with pytest.raises(WorkerLost, match="the worker died"):
            future.result(PATIENCE)
        assert not occupants(temporary)
        assert pool.submit(calls.double, 4).result(PATIENCE) == 8
    assert not list(temporary.iterdir())


def test_a_result_that_is_being_sent_is_sent(pool: Pool) -> None:
    before = set(multiprocessing.active_children())
    for _ in range(2):
        result = pool.submit(calls.signalling, 0).result(PATIENCE)
        assert isinstance(result, bytes) and len(result) == 10_000_000
        wait_for(lambda: set(multiprocessing.active_children()) <= before)


def test_no_folder_for_temporary_files_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with closing(Pool(1)) as pool, pytest.raises(OutputError, match="^temporary files: No such"):
        pool.submit(calls.double, 1)


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom colorvid.batch.pool import Pool\nfrom tests.batch import calls\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(2)\n    for _ in range(2): pool.submit(calls.linger, sys.argv[1])\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(program)
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "work")],
        env=os.environ | {"PYTHONPATH": root, "TMPDIR": str(tmp_path / "temporary")},
    )
    wait_for(lambda: len(list((tmp_path / "work").iterdir())) == 2)
    workers = [int(p.name) for p in (tmp_path / "work").iterdir()]
    assert list((tmp_path / "temporary").iterdir())
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(is_running(pid) for pid in workers))
    assert len(list((tmp_path / "work").glob("*-ended"))) == 2
    assert not list((tmp_path / "temporary").iterdir())


def test_the_default_engine_is_a_pool() -> None:
    with closing(open_engine(3, None)) as engine:
        assert engine.workers() == {"this machine": 3}


def test_worker_ends_though_a_finalizer_met_the_signal(tmp_path: Path) -> None:
    program = (
        "import multiprocessing, os, pathlib, signal, sys, time\n"
        "from colorvid.batch import pool\n"
        "class Interrupted:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(5)\n"
        "pool._begin(multiprocessing.Pipe()[1], pathlib.Path(sys.argv[1]))\n"
        "Interrupted()\n"
        f"time.sleep({PATIENCE})\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path)]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (1, "")
