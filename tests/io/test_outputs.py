"""Outputs in the place of files that exist, and outputs that are no files."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from colorvid.errors import ConfigError, OutputError
from colorvid.io import files
from colorvid.io.files import OutputFile, file_name, output_text, write_output
from tests.files.test_faults import can_mount


@pytest.fixture
def old(outputs: Path) -> Path:
    """A file that is there already."""
    path = outputs / "a.txt"
    path.write_bytes(b"old and long")
    return path


def put(path: Path, data: bytes = b"new") -> None:
    write_output(path, data, overwrite=True)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o666])
def test_the_mode_of_a_file_is_kept(old: Path, mode: int) -> None:
    old.chmod(mode)
    output = OutputFile(old, overwrite=True)
    assert stat.S_IMODE(output.temporary.stat().st_mode) & ~mode == 0, "open to nobody else"
    with output.open() as file:
        file.write(b"new")
    output.commit()
    assert (stat.S_IMODE(old.stat().st_mode), old.read_bytes()) == (mode, b"new")
    assert names(old.parent) == ["a.txt"]


def test_the_time_of_a_file_is_that_of_its_writing(old: Path) -> None:
    os.utime(old, (1, 1))
    put(old)
    assert old.stat().st_mtime > 1e9


def test_attributes_of_a_file_are_kept(old: Path) -> None:
    os.setxattr(old, "user.note", b"mine")
    put(old)
    assert os.getxattr(old, "user.note") == b"mine"


def test_a_new_file_has_the_mode_that_the_process_gives(outputs: Path) -> None:
    before = os.umask(0o027)
    try:
        put(outputs / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((outputs / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("data", [b"new", b"new and longer than before"])
def test_all_names_of_a_file_stay_its_names(old: Path, data: bytes) -> None:
    os.link(old, old.with_name("b.txt"))
    put(old, data)
    assert old.with_name("b.txt").read_bytes() == old.read_bytes() == data
    assert os.path.samefile(old, old.with_name("b.txt"))
    assert names(old.parent) == ["a.txt", "b.txt"]


def test_a_full_disk_costs_nothing_of_a_file_with_two_names(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    os.link(old, old.with_name("b.txt"))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="a.txt: No space left on device"):
        put(old, b"new and longer than before")
    assert old.read_bytes() == b"old and long"
    assert names(old.parent) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written(
    old: Path, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a folder is no hindrance to writing a file in it, only to making one."""
    real = os.open

    def guarded(path: str | Path, *arguments: int) -> int:
        if Path(path).parent == old.parent:
            raise OSError(error, os.strerror(error))
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", guarded)
    put(old)
    assert old.read_bytes() == b"new"
    with pytest.raises(OutputError, match=os.strerror(error)):
        put(old.with_name("new"))
    assert names(old.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [errno.EBUSY, errno.EPERM, errno.EXDEV])
def test_a_file_that_cannot_be_replaced(
    old: Path, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "replace", fixed)
    put(old)
    assert old.read_bytes() == b"new"
    assert names(old.parent) == ["a.txt"]


def test_the_owner_of_a_file_is_kept(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the owner cannot be given to a new file, the old one is written."""
    number = old.stat().st_ino
    monkeypatch.setattr(files, "_keep_attributes", lambda *_: False)
    put(old)
    assert (old.stat().st_ino, old.read_bytes()) == (number, b"new")


@pytest.mark.parametrize("count", [1] if can_mount() else [])
def test_a_file_that_is_mounted(old: Path, count: int) -> None:
    script = 'mount --bind "$0" "$1" && exec "$2" -c "$3" "$1"'
    program = (
        "import sys\nfrom pathlib import Path\nfrom colorvid.io.files import write_output\n"
        "write_output(Path(sys.argv[1]), b'new', overwrite=True)"
    )
    mounted = old.with_name("mounted")
    mounted.touch()
    command = ["unshare", "-rm", "sh", "-c", script, old, mounted, sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert old.read_bytes() == b"new"
    assert names(old.parent) == ["a.txt", "mounted"]


@pytest.mark.parametrize("length", [241, 255])
def test_long_names(outputs: Path, length: int) -> None:
    for letter in ("a", "é", "動"):
        size = len(letter.encode())
        name = letter * (length // size) + "x" * (length % size)
        put(outputs / name)
        assert (outputs / name).read_bytes() == b"new"
        assert names(outputs) == [name]
        (outputs / name).unlink()
    broken = os.fsdecode(b"\xff" * length)
    put(outputs / broken)
    assert names(outputs) == [broken]


def test_names_made_of_long_names() -> None:
    assert file_name("a-", "clip", ".csv") == "a-clip.csv"
    made = [file_name("a-", letter * 127 + "x", "-end.csv") for letter in ("é", "è")]
    assert made[0] != made[1]
    for name in made:
        assert 250 < len(name.encode()) <= 255
        assert name.startswith("a-") and name.endswith("-end.csv")


def test_a_file_that_appears_meanwhile_is_kept(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also between the last look and the renaming."""
    path = outputs / "a.txt"
    real = files._name_anew

    def late(temporary: Path, final: Path) -> None:
        final.write_bytes(b"precious")
        real(temporary, final)

    monkeypatch.setattr(files, "_name_anew", late)
    with pytest.raises(OutputError, match="a.txt: File exists"):
        write_output(path, b"new", overwrite=False)
    assert path.read_bytes() == b"precious"
    assert names(outputs) == ["a.txt"]


def test_a_file_that_others_write_to(old: Path) -> None:
    before = os.dup(1)
    with old.open("ab") as file:
        try:
            os.dup2(file.fileno(), 1)
            with pytest.raises(ConfigError, match="a.txt: standard output goes to this file"):
                OutputFile(old, overwrite=True)
        finally:
            os.dup2(before, 1)
            os.close(before)
    assert old.read_bytes() == b"old and long"


def test_a_descriptor_gets_its_lines_in_their_place(old: Path) -> None:
    with old.open("ab") as file:
        file.write(b"\n")
        file.flush()
        with output_text(Path(f"/dev/fd/{file.fileno()}"), overwrite=False) as text:
            text.write("new\n")
        file.write(b"last\n")
    assert old.read_bytes() == b"old and long\nnew\nlast\n"
    assert names(old.parent) == ["a.txt"]


@pytest.mark.parametrize("whole", [False, True])
def test_a_named_pipe(outputs: Path, whole: bool) -> None:
    """``whole``: written to a file first, as containers are that seek."""
    path = outputs / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    output = OutputFile(path, overwrite=False)
    if whole:
        output.temporary.write_bytes(b"new")
    else:
        with output.open() as file:
            file.write(b"new")
    output.commit()
    reader.join()
    assert got == [b"new"]
    assert names(outputs) == ["pipe"]


def test_a_device(outputs: Path) -> None:
    put(Path("/dev/null"))
    with pytest.raises(OutputError, match="/dev/full: No space left on device"):
        put(Path("/dev/full"))
    with pytest.raises(OutputError, match="/dev/fd/999: Bad file descriptor"):
        put(Path("/dev/fd/999"))


def test_names_that_are_no_text_can_be_written_of(outputs: Path) -> None:
    with output_text(outputs / "a", overwrite=False) as file:
        file.write("caf\udce9 é\n")
    assert (outputs / "a").read_text(encoding="utf-8") == "caf\\udce9 é\n"
