import errno
import mmap

import pytest

from colorvid.errors import InputError, OutOfMemory
from colorvid.system import memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        RuntimeError("could not create a primitive"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    ids=lambda e: str(e)[:20],
)
def test_ways_to_say_it(error: Exception) -> None:
    assert memory.is_out_of_memory(error)
    with pytest.raises(InputError) as caught:
        try:
            raise error
        except type(error) as cause:
            raise InputError("a.mkv: something else") from cause
    assert memory.is_out_of_memory(caught.value), "by its cause"


def test_other_errors() -> None:
    assert not memory.is_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))
    assert not memory.is_out_of_memory(RuntimeError("shape mismatch"))


def test_chain_that_bites_its_tail() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert not memory.is_out_of_memory(first)


def test_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Map:
        def __init__(self, file: int, size: int) -> None:
            asked.append(size >> 20)
            if size > 2**31:
                raise OSError(errno.ENOMEM, "Cannot allocate memory")

        def close(self) -> None:
            asked.append(0)

    monkeypatch.setattr(mmap, "mmap", Map)
    memory.require(1, 2**20)
    memory.require(4, 2**20)
    assert asked == [32 + 100, 0, 32 + 4 * (96 + 100), 0]
    message = r"^24724 MiB of memory are needed and not available; lower threads=2 or"
    with pytest.raises(OutOfMemory, match=message):
        memory.require(2, 123 * 2**20 - 2**19)
