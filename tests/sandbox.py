"""A command line that cannot open a socket and that tells where it writes; run as a program.

``python -m tests.sandbox LOG -- ARGUMENTS [-- ARGUMENTS ...]`` runs the command lines one after the
other in this process and writes into LOG, as JSON, their exit codes, the files that Python opened
for writing, and the sockets that were wanted.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import socket
import struct
import sys
from itertools import groupby
from typing import Any

sys.dont_write_bytecode = True  # bytecode of Python is not what is looked for

SOCKET_CALLS = {"x86_64": 41, "aarch64": 198}
"""Number of the system call ``socket``, by machine."""
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
BPF_LOAD_WORD, BPF_JUMP_IF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06


def deny_sockets() -> None:
    """Let the system refuse ``socket`` from now on, also to C code; nothing can undo it."""
    rules = (
        (BPF_LOAD_WORD, 0, 0, 0),  # the number of the system call
        (BPF_JUMP_IF_EQUAL, 0, 1, SOCKET_CALLS[platform.machine()]),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0
    try:
        socket.socket().close()
    except PermissionError:
        return
    raise AssertionError("a socket could be opened all the same")


def main() -> None:
    log, *rest = sys.argv[1:]
    lines = [list(words) for is_line, words in groupby(rest, lambda w: w != "--") if is_line]
    deny_sockets()
    written: list[str] = []
    sockets: list[str] = []

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event.startswith("socket."):
            sockets.append(event)
        if event == "open" and (details[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            written.append(str(details[0]))

    sys.addaudithook(watch)
    from colorvid.cli.main import main as colorvid

    codes = [colorvid(line) for line in lines]
    found = {"codes": codes, "written": list(written), "sockets": list(sockets)}
    with open(log, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
