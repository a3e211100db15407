"""Faults while working: killed, stopped, starved and cut off, in real processes.

What must hold: nothing half-written under a final name, no temporary file where the process could
still remove it, one clear line, and the exit code of the documents.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colorvid.cli.main import main
from tests.children import Child, Feeder, one_line, run
from tests.clips import moving_frames
from tests.conftest import CodedClip, write_clip

ENCODE = ("--gop", 3, "--threads", 2)
F_SETPIPE_SZ = 1031  # not in Python before 3.10 and not everywhere after it
SMALL_PIPE = 4096
HEADER = 200
"""More bytes than the header of a y4m or a .clv stream has."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def cuts(data: bytes, seed: int, count: int) -> list[bytes]:
    """Data in pieces that end at random places, some of them within a frame or a packet.

    The first one holds the header of the stream at least, so that work begins.
    """
    places = sorted(random.Random(seed).sample(range(HEADER, len(data)), count - 1))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def work(direction: str, coded: CodedClip, outputs: Path) -> tuple[bytes, list[object]]:
    """What to feed and the command line, for ``encode`` or the suffix of a decoder's output."""
    if direction == "encode":
        arguments = ["encode", "-", "-o", outputs / "a.clv", "--csv", outputs / "a.csv", *ENCODE]
        return coded.source.read_bytes(), arguments
    return coded.stream.read_bytes(), ["decode", "-", "-o", outputs / f"a{direction}"]


def wait_for_output(child: Child, folder: Path) -> None:
    while not names(folder):
        assert child.running()
        time.sleep(0.005)


def stop(direction: str, number: int, seed: int, coded: CodedClip, tmp_path: Path) -> int:
    """Send a signal at a random moment of the work; gives the exit code, with one line if it can.

    The child has taken a random part of its input and may be anywhere in its work on that.
    """
    outputs = tmp_path / "outputs"
    data, arguments = work(direction, coded, outputs)
    chance = random.Random(seed)
    feeder = Feeder(tmp_path / f"pipe{seed}", cuts(data, seed, 5))
    with Child(*arguments, folder=tmp_path, stdin=feeder.path) as child:
        for index in range(chance.randint(1, 4)):
            feeder.give(index)
        wait_for_output(child, outputs)
        time.sleep(chance.uniform(0, 0.3))
        os.kill(child.pid, number)
        code, text = child.wait()
    feeder.end()
    if number != signal.SIGKILL:
        assert f"aborted by {signal.Signals(number).name}" in one_line(text)
    return code


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("direction", ["encode", ".y4m", ".mkv"])
def test_stopped(
    direction: str, number: int, seed: int, coded: CodedClip, tmp_path: Path, outputs: Path
) -> None:
    assert stop(direction, number, seed, coded, tmp_path) == 4
    assert names(outputs) == []


@pytest.mark.parametrize("direction", ["encode", ".y4m"])
def test_killed_and_started_again(
    direction: str, coded: CodedClip, tmp_path: Path, outputs: Path
) -> None:
    for seed in (3, 4, 5):
        assert stop(direction, signal.SIGKILL, seed, coded, tmp_path) == -signal.SIGKILL
        assert all(n.startswith(".a.") and n.endswith(".part") for n in names(outputs))
    data, arguments = work(direction, coded, outputs)
    (tmp_path / "all").write_bytes(data)
    assert run(*arguments, folder=tmp_path, stdin=tmp_path / "all")[0] == 0
    if direction == "encode":
        assert (outputs / "a.clv").read_bytes() == coded.stream.read_bytes()
    else:
        assert (outputs / "a.y4m").read_bytes() == coded.stream.with_name(
            "decoded.y4m"
        ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_stopped_at_many_moments(seed: int, coded: CodedClip, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    direction = ("encode", ".y4m", ".yuv", ".mkv", ".mp4")[seed % 5]
    assert stop(direction, (signal.SIGINT, signal.SIGTERM)[seed % 2], seed, coded, tmp_path) == 4
    assert names(outputs) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 230))
def test_killed_at_many_moments(seed: int, coded: CodedClip, tmp_path: Path) -> None:
    """Nobody can clean up then: of each output its temporary file is left."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    direction = ("encode", ".y4m", ".yuv", ".mkv", ".mp4")[seed % 5]
    assert stop(direction, signal.SIGKILL, seed, coded, tmp_path) == -signal.SIGKILL
    left = names(outputs)
    assert 1 <= len(left) <= (2 if direction == "encode" else 1)
    assert all(name.startswith(".a.") and name.endswith(".part") for name in left)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300, 330))
def test_ended_anywhere(seed: int, coded: CodedClip, tmp_path: Path) -> None:
    """From before the first frame to behind the last one: an output is whole or not there."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    chance = random.Random(seed)
    direction = ("encode", ".y4m")[seed % 2]
    number = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[seed % 3]
    data, arguments = work(direction, coded, outputs)
    (tmp_path / "all").write_bytes(data)
    with Child(*arguments, folder=tmp_path, stdin=tmp_path / "all") as child:
        time.sleep(chance.uniform(0, 0.3))
        with contextlib.suppress(ProcessLookupError):  # it may be done already
            os.kill(child.pid, number)
        code, _ = child.wait()
    hidden = [name for name in names(outputs) if name.startswith(".")]
    assert not hidden or number == signal.SIGKILL
    whole = {"a.clv": coded.stream, "a.y4m": coded.stream.with_name("decoded.y4m")}
    for name in set(names(outputs)) & set(whole):
        assert (outputs / name).read_bytes() == whole[name].read_bytes()
    assert code != 0 or not hidden and set(names(outputs)) & set(whole)


@pytest.mark.parametrize(
    ("direction", "size"),
    [
        ("encode", 400),
        ("encode", 900),
        (".y4m", 9000),
        (".yuv", 400),
        (".mkv", 5000),
        (".mp4", 900),
    ],
)
def test_full_disk(
    direction: str, size: int, coded: CodedClip, tmp_path: Path, outputs: Path
) -> None:
    data, arguments = work(direction, coded, outputs)
    (tmp_path / "all").write_bytes(data)
    code, text = run(*arguments, folder=tmp_path, stdin=tmp_path / "all", file_size=size)
    assert code == 2
    assert one_line(text).endswith("File too large")
    assert names(outputs) == []


def test_disk_that_has_room_for_the_stream_alone(
    coded: CodedClip, tmp_path: Path, outputs: Path
) -> None:
    log, target = outputs / "a.csv", outputs / "a.clv"
    few = ("encode", coded.source, "-q", 0, "--csv", log)
    assert run(*few, "-o", target, folder=tmp_path)[0] == 0
    stream, lines = target.stat().st_size, log.stat().st_size
    assert stream < lines
    target.unlink()
    log.unlink()
    code, text = run(*few, "-o", target, folder=tmp_path, file_size=(stream + lines) // 2)
    assert (code, one_line(text)) == (2, f"{log}: File too large")
    assert names(outputs) == []


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_full_device(direction: str, coded: CodedClip, tmp_path: Path) -> None:
    source = coded.source if direction == "encode" else coded.stream
    code, text = run(direction, source, "-o", "-", folder=tmp_path, stdout="/dev/full")
    assert code == 2
    assert one_line(text).endswith(": No space left on device")


def can_mount() -> bool:
    """Whether this system lets anyone mount a small disk of their own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("direction", ["encode", ".mkv"] if can_mount() else [])
def test_full_small_disk(direction: str, coded: CodedClip, outputs: Path) -> None:
    _, arguments = work(direction, coded, outputs)
    source = coded.source if direction == "encode" else coded.stream
    script = 'mount -t tmpfs -o size=4k none "$0" && { "$@"; code=$?; ls -A "$0"; exit $code; }'
    words = [str(source if a == "-" else a) for a in arguments]
    command = ["unshare", "-rm", "sh", "-c", script, str(outputs)]
    done = subprocess.run(
        [*command, sys.executable, "-m", "colorvid", *words], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).endswith("No space left on device")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/proc/a", "/proc/a: No such file or directory"),
        ("/dev/full", "No space left on device"),
        ("{folder}/none/a", "{folder}/none/a: No such file or directory"),
        ("{folder}/file/a", "{folder}/file/a: Not a directory"),
        ("{folder}", "{folder}: is a directory; give the name of a file"),
        ("{folder}/" + "n" * 300, "File name too long"),
    ],
)
def test_unwritable_target(
    target: str,
    message: str,
    coded: CodedClip,
    outputs: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (outputs / "file").write_text("keep")
    name = target.format(folder=outputs)
    for arguments in (("-o", name), ("-o", str(outputs / "a.clv"), "--csv", name)):
        assert main(["encode", str(coded.source), *arguments, "-y"]) == 2
        assert message.format(folder=outputs) in one_line(capfd.readouterr().err)
    assert names(outputs) == ["file"]
    assert (outputs / "file").read_text() == "keep"


def test_log_and_stream_cannot_be_one_file(
    coded: CodedClip, outputs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = outputs / "a.clv"
    (outputs / "link").symlink_to(target)
    for log in (target, outputs / "link"):
        assert main(["encode", str(coded.source), "-o", str(target), "--csv", str(log)]) == 1
        assert "is the output itself; give another name" in one_line(capfd.readouterr().err)
    assert names(outputs) == ["link"]


def long_clip(path: Path) -> Path:
    """A y4m file of 120 frames: far more than a child has read when it makes its output."""
    return write_clip(path, moving_frames(8, 48, 64) * 15)


def test_input_cut_meanwhile(tmp_path: Path, outputs: Path) -> None:
    source = long_clip(tmp_path / "long.y4m")
    with Child("encode", source, "-o", outputs / "a.clv", *ENCODE, folder=tmp_path) as child:
        wait_for_output(child, outputs)
        os.truncate(source, source.stat().st_size // 2 + 100)
        code, text = child.wait()
    assert code == 2
    assert " is cut: " in one_line(text)
    assert names(outputs) == []


def test_input_removed_meanwhile_is_still_read(tmp_path: Path, outputs: Path) -> None:
    source = long_clip(tmp_path / "long.y4m")
    with Child("encode", source, "-o", outputs / "a.clv", *ENCODE, folder=tmp_path) as child:
        wait_for_output(child, outputs)
        source.unlink()
        assert child.wait()[0] == 0
    long_clip(source)
    assert run("encode", source, "-o", outputs / "b.clv", *ENCODE, folder=tmp_path)[0] == 0
    assert (outputs / "a.clv").read_bytes() == (outputs / "b.clv").read_bytes()


@pytest.mark.parametrize("convert", [[], ["--convert"]])
def test_pipe_that_ends_within_a_frame(
    convert: list[str], coded: CodedClip, tmp_path: Path, outputs: Path
) -> None:
    data = coded.source.read_bytes()
    if convert:
        size = 6 + 64 * 48 * 3
        data = b"YUV4MPEG2 W64 H48 F25:1 C444\n" + (b"FRAME\n" + bytes(size - 6)) * 4
    feeder = Feeder(tmp_path / "pipe", [data[:-1000]])
    target = outputs / "a.clv"
    with Child("encode", "-", "-o", target, *convert, folder=tmp_path, stdin=feeder.path) as child:
        feeder.give(0)
        feeder.end()
        code, text = child.wait()
    assert code == 2
    assert f"stdin: frame {3 if convert else 7} is cut" in one_line(text)
    assert names(outputs) == []


def test_pipe_that_ends_within_a_packet(coded: CodedClip, tmp_path: Path, outputs: Path) -> None:
    (tmp_path / "cut").write_bytes(coded.stream.read_bytes()[:-300])
    target = outputs / "a.y4m"
    code, text = run("decode", "-", "-o", target, folder=tmp_path, stdin=tmp_path / "cut")
    assert code == 5
    assert text.splitlines()[-1].startswith("colorvid [error]: the stream is damaged in 1 place")
    whole = coded.stream.with_name("decoded.y4m").read_bytes()
    assert names(outputs) == ["a.y4m"] and whole.startswith(target.read_bytes())
    stop_at_damage = ("decode", "-", "-o", target, "-y", "--on-error", "stop")
    (tmp_path / "cut").write_bytes(coded.stream.read_bytes()[:40])
    code, text = run(*stop_at_damage, folder=tmp_path, stdin=tmp_path / "cut")
    assert code == 3
    assert one_line(text).startswith("stdin: ")
    assert target.stat().st_size > 4608, "the file from before is kept"


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_reader_that_takes_the_first_bytes_only(
    direction: str, coded: CodedClip, tmp_path: Path
) -> None:
    """As ``| head -c 10``."""
    # More than a pipe takes, also where the reader is slow.
    large = ("encode", coded.source, "-q", 63, "--gop", 1, "--model", "color")
    work = large if direction == "encode" else ("decode", coded.stream)
    os.mkfifo(tmp_path / "pipe")
    with Child(*work, "-o", "-", folder=tmp_path, stdout=tmp_path / "pipe") as child:
        with open(tmp_path / "pipe", "rb", buffering=0) as pipe:
            fcntl.fcntl(pipe, F_SETPIPE_SZ, SMALL_PIPE)
            assert len(pipe.read(10)) == 10
        code, text = child.wait()
    assert code == 2
    assert one_line(text).endswith(": Broken pipe")


def test_signal_while_libraries_load(coded: CodedClip, outputs: Path) -> None:
    """PyTorch aborts the process if a handler raises while it loads, so that must wait."""
    program = """if True:
    import os, signal, sys
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "torch.nn":
                os.kill(os.getpid(), signal.SIGTERM)
                print("still loading")
    sys.meta_path.insert(0, Finder())
    from colorvid.cli.main import main
    sys.exit(main())
    """
    words = ["decode", str(coded.stream), "-o", str(outputs / "a.y4m")]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "COLORVID_NATIVE": "0"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (4, "still loading\n")
    assert "aborted by SIGTERM" in one_line(done.stderr)
    assert names(outputs) == []


def test_what_is_left_when_nobody_cleans_up(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom colorvid.io.files import OutputFile\n"
        "output = OutputFile(Path(sys.argv[1]), overwrite=False)\n"
        "assert output.temporary.exists()\nraise KeyboardInterrupt"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.y4m")]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGINT
    assert names(tmp_path) == []
