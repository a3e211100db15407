"""Faults that are really made: killed processes, full disks, strangers among the workers, Ctrl-C.

A scheduler and workers of Dask run as processes of their own, on loopback alone. After each fault
the same command finishes, and the bytes are those of an undisturbed single encoding.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import colorvid
from tests.batch.helpers import write_clips
from tests.batch.test_pool import is_running, wait_for
from tests.files.test_faults import can_mount

ROOT = Path(__file__).parents[2]
FRAMES = 100
"""Two parts, of 64 and 36 frames."""
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
MAIN = START + "import sys; from colorvid.cli.main import main; sys.exit(main())"


class Film:
    """A clip, the bytes of its single encoding, and the command that encodes it in parts."""

    def __init__(self, folder: Path, model: Path) -> None:
        write_clips(folder / "in", film=FRAMES)
        self.source = folder / "in" / "film.y4m"
        self.options = ("--model", str(model), "--gop", "4")
        colorvid.encode_file(self.source, folder / "film.clv", model=str(model), gop=4, threads=1)
        self.bytes = (folder / "film.clv").read_bytes()

    def command(self, outputs: Path, *options: str) -> list[str]:
        """Encodes it with one worker, or on a cluster."""
        words = ["batch", str(self.source.parent), "-o", str(outputs), *self.options, *options]
        return [sys.executable, "-c", MAIN, *words]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Film:
    return Film(tmp_path_factory.mktemp("film"), model)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Ends all processes of a test."""
    with ExitStack() as stack:
        yield stack


def start(
    command: Sequence[str], processes: ExitStack, stderr: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that this test ends; what it writes on stderr goes to a file."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    file = processes.enter_context(stderr.open("wb")) if stderr else subprocess.DEVNULL
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=file, stdin=subprocess.DEVNULL
    )
    processes.callback(process.wait)
    processes.callback(process.kill)
    return process


def finish(command: Sequence[str], folder: Path, processes: ExitStack) -> tuple[int, str]:
    """Run a command to its end; gives its exit code and what it says."""
    process = start(command, processes, folder / "said")
    return process.wait(500), (folder / "said").read_text()


class Dask:
    """A scheduler, and workers that a test adds."""

    def __init__(self, folder: Path, processes: ExitStack) -> None:
        self._folder, self._processes = folder, processes
        self._file = folder / "scheduler.json"
        self._file.unlink(missing_ok=True)
        program = "from distributed.cli.dask_scheduler import main; main()"
        self.scheduler = start(
            [sys.executable, "-c", program, "--host", "127.0.0.1", "--port", "0",
             "--no-dashboard", "--scheduler-file", str(self._file)],
            processes,
        )  # fmt: skip
        wait_for(self._file.exists)
        wait_for(lambda: self._file.read_text().endswith("}"))
        self.address: str = json.loads(self._file.read_text())["address"]

    def worker(self, first: str = "", within: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Add a worker; ``first`` is what it runs first, ``within`` a program that starts it."""
        program = f"{first}\nfrom distributed.cli.dask_worker import main; main()"
        command = [
            *within, sys.executable, "-c", program, self.address, "--no-nanny", "--nthreads", "1",
            "--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(self._folder),
        ]  # fmt: skip
        before = self.count()
        process = start(command, self._processes)
        wait_for(lambda: self.count() > before)
        return process

    def count(self) -> int:
        """Workers that the scheduler knows."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=100) as client:
            return len(client.nthreads())


@pytest.fixture
def dask(tmp_path: Path, processes: ExitStack) -> Dask:
    pytest.importorskip("distributed")
    return Dask(tmp_path, processes)


def begun(out: Path, parts: int = 0) -> Callable[[], bool]:
    """Whether a part is being made, and so many are finished."""

    def look() -> bool:
        folder = out / ".colorvid" / "encode" / "film.clv.parts"
        made = [p for p in folder.glob(".*0*") if size_of(p) > 100]
        return bool(made) and len(list(folder.glob("0*.clv"))) >= parts

    return look


def size_of(path: Path) -> int:
    """Bytes of a file that may be gone any time."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def none_runs(processes: Sequence[int]) -> bool:
    """Whether all of these processes have ended."""
    return not any(is_running(pid) for pid in processes)


def names(out: Path) -> list[str]:
    """Outputs under final names."""
    return sorted(p.name for p in out.glob("*.clv"))


def report(out: Path) -> Any:
    return json.loads((out / "batch.json").read_text())[0]


def check_whole(film: Film, out: Path) -> None:
    """The film is there, its bytes are right, and nothing else is left."""
    assert (out / "film.clv").read_bytes() == film.bytes
    assert not list(out.rglob("*.parts")) and not list(out.rglob("*.part"))
    assert report(out)["outcome"] == "done" and report(out)["frames"] == FRAMES


def goes_on(
    film: Film, out: Path, folder: Path, processes: ExitStack, *options: str
) -> dict[str, Any]:
    """The same command again finishes; gives the report."""
    code, said = finish(film.command(out, *options), folder, processes)
    assert code == 0, said
    check_whole(film, out)
    found: dict[str, Any] = report(out)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(
    number: int, film: Film, out: Path, tmp_path: Path, processes: ExitStack
) -> None:
    command = film.command(out, "--jobs", "2")
    batch = start(command, processes, tmp_path / "stopped")
    wait_for(begun(out, parts=1))
    batch.send_signal(number)
    assert batch.wait(200) == 4
    said = (tmp_path / "stopped").read_text()
    assert said.endswith(f"aborted by {signal.Signals(number).name}; finished files and parts are "
                         "kept; the same command goes on from there\n")  # fmt: skip
    assert names(out) == [] and (out / "batch.csv").is_file()
    left = [p.name for p in (out / ".colorvid" / "encode" / "film.clv.parts").iterdir()]
    assert not any(name.startswith(".") for name in left), "nothing half-written is left"
    assert "00000.clv" in left or "00001.clv" in left
    goes_on(film, out, tmp_path, processes, "--jobs", "2")


@pytest.mark.slow
def test_worker_of_the_pool_killed(
    film: Film, out: Path, tmp_path: Path, processes: ExitStack
) -> None:
    batch = start(film.command(out, "--jobs", "1"), processes, tmp_path / "said")
    wait_for(begun(out, parts=1))
    children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children").read_text().split()
    workers = [c for c in children if "spawn_main" in Path(f"/proc/{c}/cmdline").read_text()]
    for pid in workers:
        os.kill(int(pid), signal.SIGKILL)
    assert workers and batch.wait(500) == 0, (tmp_path / "said").read_text()
    check_whole(film, out)
    assert report(out)["tries"] == 2


@pytest.mark.slow
def test_client_with_a_pool_killed(
    film: Film, out: Path, tmp_path: Path, processes: ExitStack
) -> None:
    batch = start(film.command(out, "--jobs", "2"), processes)
    wait_for(begun(out, parts=1))
    children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children").read_text().split()
    batch.kill()
    wait_for(lambda: not any(is_running(int(c)) for c in children))
    assert names(out) == []
    goes_on(film, out, tmp_path, processes, "--jobs", "1")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ended_again_and_again(
    seed: int,
    film: Film,
    out: Path,
    tmp_path: Path,
    processes: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten times at random moments: outputs are whole or not there, and nothing piles up."""
    chance = random.Random(seed)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    for _ in range(10):
        number = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        batch = start(film.command(out, "--jobs", "2"), processes)
        time.sleep(chance.uniform(0, 4))
        children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children")
        workers = [int(pid) for pid in children.read_text().split()]
        batch.send_signal(number)
        batch.wait(200)
        wait_for(partial(none_runs, workers))
        # Their folders are left, empty, where it was killed before they began.
        assert not [path for path in temporary.rglob("*") if path.is_file()]
        assert number == signal.SIGKILL or not list(temporary.iterdir())
        shutil.rmtree(temporary)
        temporary.mkdir()
        # Of each worker a part, and a file of the state: the next start removes the parts.
        assert len(list(out.rglob(".*.part"))) <= 3
        if names(out):
            assert (out / "film.clv").read_bytes() == film.bytes
            shutil.rmtree(out)
    goes_on(film, out, tmp_path, processes, "--jobs", "2")


@pytest.mark.slow
def test_embedded_cluster(film: Film, out: Path, tmp_path: Path, processes: ExitStack) -> None:
    pytest.importorskip("distributed")
    command = film.command(out, "--jobs", "2", "--cluster", "local", "--progress", "none")
    batch = start(command, processes, tmp_path / "stopped")
    wait_for(begun(out, parts=1))
    batch.send_signal(signal.SIGINT)
    assert batch.wait(200) == 4
    assert (tmp_path / "stopped").read_text().count("\n") == 1
    assert names(out) == []
    found = goes_on(film, out, tmp_path, processes, "--jobs", "2", "--cluster", "local")
    assert found["workers"].startswith("tcp://127.0.0.1:")


@pytest.mark.slow
def test_worker_of_a_cluster_killed(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    first, _ = dask.worker(), dask.worker()
    batch = start(film.command(out, "--cluster", dask.address), processes, tmp_path / "said")
    wait_for(begun(out))
    first.kill()
    assert batch.wait(500) == 0, (tmp_path / "said").read_text()
    check_whole(film, out)


@pytest.mark.slow
def test_scheduler_killed(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    dask.worker()
    batch = start(film.command(out, "--cluster", dask.address), processes, tmp_path / "lost")
    wait_for(begun(out, parts=1))
    dask.scheduler.kill()
    assert batch.wait(300) == 8
    said = (tmp_path / "lost").read_text().splitlines()
    assert said[-1] == (
        f"colorvid [error]: the scheduler at {dask.address} is lost; what is finished is kept, "
        "the same command goes on from there"
    )
    assert names(out) == []
    again = Dask(tmp_path, processes)
    again.worker()
    goes_on(film, out, tmp_path, processes, "--cluster", again.address)


@pytest.mark.slow
def test_client_of_a_cluster_killed(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    dask.worker()
    batch = start(film.command(out, "--cluster", dask.address), processes)
    wait_for(begun(out, parts=1))
    batch.kill()
    batch.wait()
    assert names(out) == []
    goes_on(film, out, tmp_path, processes, "--cluster", dask.address)


@pytest.mark.slow
def test_full_disk_on_one_worker(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    dask.worker("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))")
    dask.worker()
    found = goes_on(film, out, tmp_path, processes, "--cluster", dask.address)
    assert found["tries"] == 2, "parts that did not fit were made by the other one"


@pytest.mark.slow
def test_full_disk_on_all_workers(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    small = dask.worker("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))")
    code, said = finish(film.command(out, "--cluster", dask.address), tmp_path, processes)
    assert code == 2 and "File too large (tried 3 times)" in said
    assert names(out) == [] and report(out)["outcome"] == "failed"
    dask.worker()
    small.kill()
    goes_on(film, out, tmp_path, processes, "--cluster", dask.address)


OTHER_VERSION = "import colorvid.config; colorvid.config.PACKAGE_VERSION = '9.9'"


@pytest.mark.slow
def test_worker_with_another_version(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    dask.worker(OTHER_VERSION)
    command = film.command(out, "--cluster", dask.address)
    code, said = finish(command, tmp_path, processes)
    own = colorvid.__version__
    assert code == 8 and said.splitlines()[-1] == (
        "colorvid [error]: the only worker cannot do the work: has colorvid 9.9, this batch is of "
        f"{own}"
    )
    dask.worker()
    code, said = finish(command, tmp_path, processes)
    assert code == 0 and said.count(f"has colorvid 9.9, this batch is of {own}; it gets no") == 1
    check_whole(film, out)
    assert len(report(out)["workers"].split()) == 1


@pytest.mark.slow
def test_worker_without_colorvid(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    dask.worker("import sys; sys.modules['colorvid.batch'] = None")
    dask.worker()
    code, said = finish(film.command(out, "--cluster", dask.address), tmp_path, processes)
    assert code == 0 and said.count("has no colorvid that can run batches") == 1
    check_whole(film, out)


@pytest.mark.slow
def test_worker_that_joins_late(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    said = tmp_path / "said"
    batch = start(film.command(out, "--cluster", dask.address), processes, said)
    wait_for((out / ".colorvid" / "here").exists)
    time.sleep(2)
    assert batch.poll() is None
    dask.worker()
    dask.worker(OTHER_VERSION)  # at once: all may be done soon
    assert batch.wait(500) == 0, said.read_text()
    check_whole(film, out)


HIDE = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
"""Starts a program for which the folder that follows is empty."""


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="this system lets nobody mount a small disk")
def test_workers_that_do_not_see_a_folder(
    film: Film, out: Path, tmp_path: Path, dask: Dask, processes: ExitStack
) -> None:
    dask.worker(within=(*HIDE, str(film.source.parent)))
    out.mkdir()
    dask.worker(within=(*HIDE, str(out)))
    code, said = finish(film.command(out, "--cluster", dask.address), tmp_path, processes)
    assert code == 0, said
    assert said.count(f"cannot see {film.source}: No such file or directory; it gets no work") == 1
    check_whole(film, out)


def test_no_scheduler(film: Film, out: Path, tmp_path: Path, processes: ExitStack) -> None:
    pytest.importorskip("distributed")
    command = film.command(out, "--cluster", "tcp://127.0.0.1:9")
    command[2] = f"from colorvid.batch import cluster\ncluster.TIMEOUT_SECONDS = 2\n{command[2]}"
    code, said = finish(command, tmp_path, processes)
    assert code == 8
    assert said == (
        "colorvid [error]: tcp://127.0.0.1:9: the scheduler cannot be reached; check its address, "
        "as in tcp://host:8786, and that it runs\n"
    )


@pytest.mark.skipif(shutil.which("unshare") is None or not can_mount(), reason="no small disks")
def test_full_disk_of_the_outputs(
    film: Film, out: Path, tmp_path: Path, processes: ExitStack
) -> None:
    out.mkdir()
    command = film.command(out, "--jobs", "1", "--retries", "0")
    small = 'mount -t tmpfs -o size=12k none "$0" && { "$@"; code=$?; ls "$0"; exit $code; }'
    within = ["unshare", "-rm", "sh", "-c", small, str(out)]
    code, said = finish([*within, *command], tmp_path, processes)
    assert code == 2 and "No space left on device" in said
    goes_on(film, out, tmp_path, processes, "--jobs", "1")
