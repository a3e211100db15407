import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import torch
from threadpoolctl import threadpool_info

from colorvid.system.cores import one_torch_thread


def test_torch_works_with_one_thread_in_every_worker_and_is_restored() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    try:
        with pytest.raises(RuntimeError), one_torch_thread():
            worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            worker.start()
            worker.join()
            raise RuntimeError
        assert seen == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def in_thread(work: Callable[[], object]) -> object:
    """Result of a function in a new thread."""
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    thread.join()
    return got[0]


def test_blocks_that_overlap_in_two_threads_leave_nothing_behind() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    blas = blas_threads()
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    seen: dict[str, int] = {}

    def first() -> None:
        with one_torch_thread():
            first_in.set()
            second_in.wait(60)
        seen["first, after"] = torch.get_num_threads()
        first_out.set()

    def second() -> None:
        first_in.wait(60)
        with one_torch_thread():
            second_in.set()
            first_out.wait(60)
            seen["second, own"] = torch.get_num_threads()
            seen["second, worker"] = int(f"{in_thread(torch.get_num_threads)}")
            seen["second, blas"] = max(blas_threads(), default=1)
        seen["second, after"] = torch.get_num_threads()

    threads = [threading.Thread(target=work) for work in (first, second)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == {
            "first, after": 3,
            "second, own": 1,
            "second, worker": 1,
            "second, blas": 1,
            "second, after": 3,
        }
        assert torch.get_num_threads() == in_thread(torch.get_num_threads) == 3
        assert blas_threads() == blas
    finally:
        torch.set_num_threads(before)


def blas_threads() -> list[int]:
    """Threads that each BLAS of this process uses."""
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def test_the_command_line_starts_no_threads_of_blas() -> None:
    program = (
        "import colorvid.cli.main, numpy, os\n"
        "a = numpy.ones((500, 500)); a @ a\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
