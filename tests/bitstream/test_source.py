from __future__ import annotations

import io
import os

import pytest

from colorvid.bitstream.source import ByteWindow, write_all
from colorvid.errors import InputError, OutputError


class Dribble(io.RawIOBase):
    """Takes three bytes at a time, and none after nine."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: object) -> int:
        piece = bytes(data)[:3] if len(self.taken) < 9 else b""  # type: ignore[call-overload]
        self.taken += piece
        return len(piece)


class Broken(io.RawIOBase):
    """Every use fails."""

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError(5, "Input/output error")


def test_write_all_goes_on_until_nothing_is_taken() -> None:
    file = Dribble()
    write_all(file, b"12345678")
    assert file.taken == b"12345678"
    with pytest.raises(OutputError, match="the file takes no bytes"):
        write_all(file, b"abcdefgh")


def test_window_fills_drops_and_seeks() -> None:
    file = io.BytesIO(b"..abcdefgh")
    file.seek(2)
    window = ByteWindow(file)
    assert window.fill(8) and not window.fill(9)
    window.drop(3)
    assert (window.data, window.offset) == (b"defgh", 3)
    assert window.size() == 8
    window.seek(1)
    assert window.fill(2) and window.data.startswith(b"bc")


def test_stopped_window_ends_until_the_next_seek() -> None:
    window = ByteWindow(io.BytesIO(b"abc"))
    window.stop()
    assert not window.fill(1)
    window.seek(0)
    assert window.fill(3)


def test_pipe_cannot_seek() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    with open(read_end, "rb") as file:
        window = ByteWindow(file)
        with pytest.raises(InputError, match="cannot seek in a pipe; give the stream as a file"):
            window.seek(0)


def test_errors_of_the_file_are_translated() -> None:
    window = ByteWindow(Broken())
    with pytest.raises(InputError, match="cannot read the stream: Input/output error"):
        window.fill(1)
    with pytest.raises(InputError, match="cannot seek in the stream: Input/output error"):
        window.seek(3)
