"""Locks of what the whole process shares."""

from __future__ import annotations

import os
import threading


def process_lock() -> threading.Lock:
    """A lock that lives as long as the process, and is open in every process forked from it.

    To fork waits until no thread holds it. Without that, the new process would wait for ever: the
    thread that held the lock does not go on there.
    """
    lock = threading.Lock()
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
