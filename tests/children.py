"""The command line in child processes that start at once, to be killed, starved and cut off.

They are forked from a server that has loaded everything, so that a test can afford many of them.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 120
"""Seconds after which a child counts as hanging."""


def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preload"])
    return context


SERVER = _server()


def _stand_in(number: int, path: str, flags: int) -> None:
    """Put a file in the place of a standard stream."""
    file = os.open(path, flags, 0o600)
    os.dup2(file, number)
    os.close(file)


def _address_space() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _main(
    arguments: list[str],
    stdin: str,
    stdout: str,
    stderr: str,
    file_size: int | None,
    spare_memory: int | None,
) -> None:
    """What runs in the child."""
    from colorvid.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    _stand_in(2, stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    _stand_in(1, stdout, os.O_WRONLY | os.O_CREAT)
    _stand_in(0, stdin, os.O_RDONLY)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if spare_memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + spare_memory,) * 2)
    sys.exit(main(arguments))


class Child:
    """A running command line; also a context manager that kills what is still running.

    Attributes:
        pid: its process.
    """

    def __init__(
        self,
        *arguments: object,
        folder: Path,
        stdin: Path | str = os.devnull,
        stdout: Path | str = os.devnull,
        file_size: int | None = None,
        spare_memory: int | None = None,
    ) -> None:
        """Start ``colorvid`` with ``arguments``.

        Args:
            arguments: of the command line.
            folder: place for what goes to stderr; not the folder of the outputs.
            stdin, stdout: files or pipes by name.
            file_size: most bytes that a file may have.
            spare_memory: bytes that it may ask for beyond what it starts with.
        """
        self._stderr = folder / f"stderr{os.urandom(4).hex()}"
        self._stderr.touch()  # it may be ended before it opens that
        given = [str(a) for a in arguments], str(stdin), str(stdout), str(self._stderr)
        self._process = SERVER.Process(target=_main, args=(*given, file_size, spare_memory))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def running(self) -> bool:
        return self._process.is_alive()

    def wait(self) -> tuple[int, str]:
        """Exit code, negative for a signal, and what stands on stderr."""
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, "hangs"
        return self._process.exitcode, self._stderr.read_text(encoding="utf-8")


def run(*arguments: object, folder: Path, **options: Any) -> tuple[int, str]:
    """Run a command line to its end; arguments as for `Child`."""
    with Child(*arguments, folder=folder, **options) as child:
        return child.wait()


class Feeder:
    """Writes pieces into a named pipe, the next one when it is told to; for a child's stdin."""

    def __init__(self, path: Path, pieces: Iterable[bytes]) -> None:
        """Make the pipe and a thread that waits for the child to open it."""
        os.mkfifo(path)
        self.path = path
        self._pieces = list(pieces)
        self._go = [threading.Event() for _ in range(len(self._pieces) + 1)]
        self._done = [threading.Event() for _ in self._pieces]
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def _feed(self) -> None:
        with open(self.path, "wb", buffering=0) as pipe:
            for piece, go, done in zip(self._pieces, self._go, self._done, strict=False):
                go.wait(PATIENCE)
                try:
                    pipe.write(piece)
                except BrokenPipeError:
                    return
                done.set()
            self._go[-1].wait(PATIENCE)

    def give(self, index: int) -> None:
        """Write a piece and wait until the pipe has taken all of it."""
        self._go[index].set()
        assert self._done[index].wait(PATIENCE), "the child does not read"

    def end(self) -> None:
        """Close the pipe; whoever reads sees the end of the file."""
        for go in self._go:
            go.set()
        self._thread.join(PATIENCE)


def one_line(text: str) -> str:
    """The message of a stderr that holds one error and nothing else."""
    lines = text.splitlines()
    assert len(lines) == 1 and lines[0].startswith("colorvid [error]: "), text
    return lines[0].removeprefix("colorvid [error]: ")
