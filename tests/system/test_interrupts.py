import os
import signal
import threading

import pytest

from colorvid.cli.terminal import Signals
from colorvid.system.interrupts import uninterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_block(number: int) -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), Signals() as signals:
        with uninterrupted() as waiting:
            assert not waiting
            os.kill(os.getpid(), number)
            assert waiting == [number]
            reached.append("the end")
            assert signals.received is None
        reached.append("beyond")
    assert reached == ["the end"]
    assert signals.received == signal.Signals(number).name


def test_handlers_come_back_and_the_default_stays() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with uninterrupted():
        inside = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    for old, new in zip(before, inside, strict=True):
        assert (new != old) == callable(old)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with uninterrupted():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone() -> None:
    seen = []

    def work() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
