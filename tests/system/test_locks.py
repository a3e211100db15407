"""Locks of the whole process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from colorvid.system.locks import process_lock


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_forked_while_another_thread_holds_it() -> None:
    lock, held, forking = process_lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            forking.wait(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=5) else 1)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    assert lock.acquire(timeout=5)


PROGRAM = """
import importlib, pkgutil, sys, threading
from colorvid.system import locks
ours, make = [], locks.process_lock
def noted():
    ours.append(make())
    return ours[-1]
locks.process_lock = noted
import colorvid
for found in pkgutil.walk_packages(colorvid.__path__, "colorvid."):
    if found.name not in ("colorvid.__main__", "colorvid.native._core"):
        importlib.import_module(found.name)
kinds = type(threading.Lock()), type(threading.RLock()), threading.Condition
for name in [n for n in sys.modules if n.startswith("colorvid")]:
    for thing in vars(sys.modules[name]).values():
        own = getattr(type(thing), "__module__", "").startswith("colorvid")
        inside = vars(thing).values() if own and hasattr(thing, "__dict__") else []
        for lock in (thing, *inside):
            if isinstance(lock, kinds) and not any(lock is other for other in ours):
                print(name, thing)
print(len(ours))
"""


def test_no_module_keeps_another_kind_of_lock() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "4\n", done.stdout + done.stderr
