import os
import signal
import sys
import time

import pytest

from colorvid.cli.terminal import Signals, say


def test_first_signal_interrupts_and_a_second_cannot_cut_the_clean_up() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signals = Signals()
    cleaned = False
    with pytest.raises(KeyboardInterrupt), signals:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)  # the handler runs here at the latest
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned = True
    assert cleaned and signals.received == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) == before
    assert (signals.error().exit_code, "aborted by SIGTERM" in str(signals.error())) == (4, True)


def test_signal_that_was_swallowed_is_raised_again() -> None:
    signals = Signals()
    signals.check()
    with signals:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            pass
        with pytest.raises(KeyboardInterrupt):
            signals.check()


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    say("all well")
    say("first\n  second", "error")
    monkeypatch.setattr(sys, "stderr", None)
    say("to nobody")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "all well\ncolorvid [error]: first second\n")
