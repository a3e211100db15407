import os
import signal
import sys
import time

import pytest

from colorvid.cli.terminal import BatchLine, Signals, say
from tests.cli.test_main import Terminal


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


class _Interrupted:
    """Its finalizer meets a signal."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_signal_in_a_finalizer_comes_again_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), Signals() as signals:
        _Interrupted()
        time.sleep(5)
        raise AssertionError("the signal was lost")
    assert signals.received == "SIGTERM"
    assert capfd.readouterr() == ("", "")
    # What was raised anew meanwhile, here by `check`, does not come a third time.
    with pytest.raises(KeyboardInterrupt), Signals() as signals:
        _Interrupted()
        signals.check()
    time.sleep(0.1)
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


class _Faulty:
    def __del__(self) -> None:
        raise ValueError("a fault of a finalizer")


def test_other_faults_of_finalizers_are_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda seen: told.append(str(seen.exc_value)))
    with Signals():
        _Faulty()
    assert told == ["a fault of a finalizer"]


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


def test_line_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    line = BatchLine(Signals(), shown=True)
    assert line.is_shown
    line("[10.0%] 1/10 files")
    line("[20.0%] 2/10 files")
    line.clear()
    line.close()
    shown = screen.getvalue().split("\r")
    assert "colorvid [10.0%] 1/10 files" in shown and "colorvid [20.0%] 2/10 files" in shown
    assert shown[-1].strip() == "", "the line is removed at the end"


def test_line_of_a_batch_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = BatchLine(Signals(), shown=True)
    line("[10.0%] 1/10 files")
    line.clear()
    line.close()
    assert not line.is_shown and capsys.readouterr().err == ""
