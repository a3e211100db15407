import io
import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import av
import pytest

import colorvid
from colorvid.bitstream.headers import VERSION
from colorvid.cli.defaults import commands_of
from colorvid.cli.main import EXAMPLES, FAMILIES, main, make_parser, parse
from colorvid.files.encode import EncodeOptions
from colorvid.files.reports import Progress
from colorvid.models.modelfile import RELEASED, model_identity
from colorvid.native.core import describe
from colorvid.system import pace
from colorvid.system.text import file_size
from tests import clv
from tests.clips import moving_frames
from tests.conftest import CodedClip, read_clip, write_clip

LAUNCHER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from colorvid.cli.main import EXAMPLES, FAMILIES, main, parse
sys.exit(main())
"""


def command(*arguments: object) -> list[str]:
    """A command line of its own process, which takes Ctrl-C also where pytest ignores it."""
    return [sys.executable, "-c", LAUNCHER, *(str(a) for a in arguments)]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def one_error_line(text: str) -> str:
    """The message of a stderr that holds one line."""
    lines = text.splitlines()
    assert len(lines) == 1 and lines[0].startswith("colorvid [error]: "), text
    return lines[0].removeprefix("colorvid [error]: ")


def test_encode_decode_verify(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream, result, log = tmp_path / "a.clv", tmp_path / "a.y4m", tmp_path / "a.csv"
    assert run("encode", coded.source, "-o", stream, "--keyint", 3, "--psnr", "--csv", log) == 0
    assert stream.read_bytes() == coded.stream.read_bytes()
    assert len(log.read_text().splitlines()) == 9
    out, err = capfd.readouterr()
    assert out == ""
    quality, summary = err.splitlines()
    assert quality.startswith("PSNR Y ") and "dE00" in quality
    size = re.escape(file_size(stream.stat().st_size))
    pattern = rf"{re.escape(str(stream))}: 8 frames, {size}, [0-9.]+ s \([0-9.]+ fps\), [0-9.]+ "
    assert re.fullmatch(pattern + r"kbit/s, mean quality \d\d\.\d", summary), summary
    assert run("decode", "-i", stream, "-o", result) == 0
    assert [f.crc32() for f in read_clip(result)] == [f.crc32() for f in coded.decoded]
    assert run("verify", stream) == 0
    out, err = capfd.readouterr()
    assert out == ""
    decoded, verified = err.splitlines()
    assert decoded.startswith(f"{result}: 8 frames from ") and decoded.endswith(", uncompressed")
    assert verified.startswith(f"{stream}: 8 frames from ")
    assert verified.endswith(" kbit/s, intact")


def test_quiet_says_nothing(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = tmp_path / "a.clv"
    assert run("encode", coded.source, "-o", stream, "--frames", 2, "--quiet") == 0
    assert run("decode", stream, "-o", tmp_path / "a.y4m", "--quiet") == 0
    assert run("verify", stream, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_raw_video_needs_its_size_and_rate(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw, stream = tmp_path / "a.yuv", tmp_path / "a.clv"
    assert run("decode", coded.stream, "-o", raw, "--quiet") == 0
    assert run("encode", raw, "-o", stream) == 2
    assert "pass --size" in one_error_line(capfd.readouterr().err)
    options = ("--input-res", "64x48", "--fps", "30000/1001", "--seek", 6, "-q", 63, "--quiet")
    assert run("encode", raw, "-o", stream, *options) == 0
    header = colorvid.probe(stream).header
    assert (header.width, header.height, header.rate_num) == (64, 48, 30000)


def test_info_in_words_and_as_json(coded: CodedClip, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("info", coded.stream, "--frames") == 0
    text = capfd.readouterr().out
    rows = {line[:9].strip(): line[9:] for line in text.splitlines()[:8]}
    assert rows["stream"] == f"{coded.stream}, {file_size(coded.stream.stat().st_size)}"
    assert rows["video"] == "64x48, 29.97 fps, 8 frames, 0.3 s, samples of 12:11"
    assert rows["colours"] == "SMPTE 170M; range limited; chroma center"
    assert rows["coding"].startswith("3 groups of 2 to 3 frames, quality of key frames 32, ")
    assert rows["coding"].endswith(", reorder 1, 2 reference pictures")
    assert rows["bytes"].startswith("key frames ") and "motion " in rows["bytes"]
    assert rows["model"].startswith("default of colorvid ")
    assert rows["state"] == "whole"
    table = [line.split() for line in text.splitlines()[9:]]
    assert [row[:5] for row in table[:4]] == [
        ["packet", "frame", "type", "level", "references"],
        ["0", "0", "key", "0", "-"],
        ["1", "2", "P", "0", "0"],
        ["2", "1", "b", "1", "0,2"],
    ]
    assert len(table) == 9
    assert run("info", coded.stream, "--json") == 0
    values = json.loads(capfd.readouterr().out)
    size = coded.stream.stat().st_size
    assert values["total_frames"] == values["readable_frames"] == 8
    assert values["bytes"].pop("total") == size == sum(values["bytes"].values())
    assert [(g["frame"], g["frames"]) for g in values["gops"]] == [(0, 3), (3, 3), (6, 2)]
    assert values["damage"] == [] and "frames" not in values
    assert values["rate_kbps"] == pytest.approx(size * 8 * 30000 / 1001 / 8 / 1000)
    assert run("info", coded.stream, "--json", "--frames") == 0
    frames = json.loads(capfd.readouterr().out)["frames"]
    assert [f["type"] for f in frames[:4]] == ["key", "P", "b", "key"]
    assert [f["references"] for f in frames[:4]] == [[], [0], [0, 2], []]
    assert frames[2]["offset"] == frames[1]["offset"] + frames[1]["bytes"]


def test_info_of_frames_that_are_not_shown_as_they_lie(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = tmp_path / "b.clv"
    stream.write_bytes(clv.stream())
    assert run("info", stream, "--frames") == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.endswith(", reorder 1, 2 reference pictures") for line in lines)
    assert [line.split()[:6] for line in lines[-3:]] == [
        ["3", "3", "key", "0", "-", "13"],
        ["4", "5", "P", "0", "3", "14"],
        ["5", "4", "b", "1", "3,5", "15"],
    ]
    assert run("info", stream, "--frames", "--json") == 0
    values = json.loads(capfd.readouterr().out)
    assert (values["header"]["reorder"], values["header"]["references"]) == (1, 2)
    assert [f["frame"] for f in values["frames"]] == [0, 2, 1, 3, 5, 4]
    assert [f["references"] for f in values["frames"]] == [[], [0], [0, 2], [], [3], [3, 5]]
    assert [f["level"] for f in values["frames"]] == [0, 0, 1, 0, 0, 1]


def test_damage(coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(coded.stream.read_bytes())
    data[colorvid.probe(coded.stream).frames[4].offset + 20] ^= 1
    stream, result = tmp_path / "bad.clv", tmp_path / "out.y4m"
    stream.write_bytes(data)
    assert run("info", stream) == 5
    out, err = capfd.readouterr()
    assert "state    damaged in 1 place; 1 of 8 frames missing" in out
    assert err.startswith("colorvid [warning]: ") and "frame 4 is lost" in err
    assert run("verify", stream) == 5
    warning, closing, error = capfd.readouterr().err.splitlines()
    assert "CRC" in warning and closing.startswith(f"{stream}: 6 frames")
    assert error == "colorvid [error]: the stream is damaged in 1 place; 2 frames are lost"
    assert run("decode", stream, "-o", result, "--quiet") == 5
    assert one_error_line(capfd.readouterr().err).endswith("2 of them replaced")
    assert len(read_clip(result)) == 8
    assert run("decode", stream, "-o", result, "-y", "--on-error", "stop") == 5
    assert "CRC" in one_error_line(capfd.readouterr().err)
    assert len(read_clip(result)) == 8, "the file from before is kept"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("", 1, "required: COMMAND; see colorvid --help"),
        ("paint a -o b", 1, "invalid choice: 'paint'"),
        ("encode IN", 1, "required: -o/--output; see colorvid encode --help"),
        ("encode -o OUT", 1, "the input is not given; see colorvid encode --help"),
        ("encode IN -i IN -o OUT", 1, "the input is twice given"),
        ("encode IN -o OUT -q 64", 1, "-q/--quality: '64' must be a whole number, 0 to 63"),
        ("encode IN -o OUT --gop 0", 1, "--gop/--keyint: '0' must be a whole number, 1 to"),
        ("encode IN -o OUT --frames none", 1, "'none' must be a whole number, 1 or more"),
        ("encode IN -o OUT --size 64", 1, "'64' must be WxH, as in 1920x1080"),
        ("encode IN -o OUT --fps 1/0", 1, "'1/0' must be a frame rate"),
        ("encode IN -o OUT --fram 2", 1, "unrecognized arguments: --fram 2"),
        ("encode IN -o x.mkv", 1, "encoding writes .clv streams"),
        ("encode none.y4m -o OUT", 2, "none.y4m: No such file or directory"),
        ("encode IN -o none/x.clv", 2, "none/x.clv: No such file or directory"),
        ("decode IN -o OUT.y4m", 3, "not a .clv stream"),
        ("info none.clv", 2, "none.clv: No such file or directory"),
        ("info IN", 3, "not a .clv stream"),
        ("encode IN -o OUT --csv -", 1, "--csv - is not allowed; give the name of a file"),
        ("decode CLV -o OUT.y4m --on-error hide", 1, "invalid choice: 'hide'"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    arguments: str,
    code: int,
    message: str,
    coded: CodedClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"IN": str(coded.source), "OUT": "out.clv", "CLV": str(coded.stream)}
    assert main([names.get(word, word) for word in arguments.split()]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert message in one_error_line(err)
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_refused_without_y(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.y4m"
    target.write_text("keep")
    assert run("decode", coded.stream, "-o", target) == 2
    assert one_error_line(capfd.readouterr().err) == f"{target} exists; pass -y to overwrite"
    assert target.read_text() == "keep"
    assert run("decode", coded.stream, "-o", target, "-y", "--quiet") == 0
    assert len(read_clip(target)) == 8


def test_unexpected_error_is_one_line_with_a_hint(
    coded: CodedClip, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(options: object, signals: object) -> int:
        raise IndexError("deep\ninside")

    monkeypatch.setattr("colorvid.cli.info._info", fail)
    monkeypatch.delenv("COLORVID_TRACEBACK", raising=False)
    assert run("info", coded.stream) == 1
    message = one_error_line(capfd.readouterr().err)
    assert message.startswith("IndexError: deep inside; ") and "COLORVID_TRACEBACK=1" in message
    monkeypatch.setenv("COLORVID_TRACEBACK", "1")
    assert run("info", coded.stream) == 1
    assert "Traceback" in capfd.readouterr().err


def test_help_and_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    first, second, third = capfd.readouterr().out.splitlines()
    assert first == f"colorvid {colorvid.__version__} ({describe()})"
    models = [f"{name} {model_identity(name).hex()[:8]}" for name in RELEASED]
    assert second == f"format {VERSION}, models: {', '.join(models)}"
    assert third == (
        f"Python {platform.python_version()}, PyAV {av.__version__} with FFmpeg "
        f"{av.ffmpeg_version_info}, numpy {version('numpy')}, torch {version('torch')}"
    )
    for name in ("encode", "decode", "info", "verify", "selftest", "model"):
        assert run(name, "--help") == 0
        text = capfd.readouterr().out
        assert text.startswith(f"usage: colorvid {name} ") and "examples:" in text
    assert run("encode", "--help") == 0
    assert "a higher number gives a better picture" in " ".join(capfd.readouterr().out.split())


def test_the_version_does_without_torch(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def version_of(name: str) -> str:
        if name == "torch":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr("colorvid.cli.version.version", version_of)
    assert run("--version") == 0
    assert capfd.readouterr().out.endswith(", numpy 1, no torch\n")


def test_model_tells_what_it_costs(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("model") == 0
    out, err = capfd.readouterr()
    assert colorvid.load_model().identity.hex() in out and err == ""
    assert run("model", "nothing") == 3
    assert "neither a file nor one of default" in one_error_line(capfd.readouterr().err)


def test_help_info_and_errors_answer_without_torch(coded: CodedClip) -> None:
    lines = [
        ["--help"], ["encode", "--help"], ["encode", "-q", "99"],
        ["info", str(coded.stream), "--json"], ["info", str(coded.source)],
        ["encode", "none.y4m", "-o", "none.clv"], ["encode", str(coded.source), "-o", "no/a.clv"],
        ["decode", "none.clv", "-o", "no.y4m"], ["decode", str(coded.source), "-o", "no.y4m"],
        ["decode", str(coded.stream), "-o", str(coded.source)], ["verify", str(coded.source)],
    ]  # fmt: skip
    program = (
        "import sys\nfrom colorvid.cli.main import main\n"
        f"codes = [main(line) for line in {lines!r}]\n"
        "assert not {'torch', 'compressai', 'tqdm', 'av'} & sys.modules.keys()\n"
        "codes.append(main(['--version']))\n"
        "assert 'torch' not in sys.modules\n"
        "sys.exit(' '.join(map(str, codes)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stderr.splitlines()[-1] == "0 0 1 0 3 2 2 2 3 2 3 0"


def test_pipes_in_both_directions(coded: CodedClip) -> None:
    source = coded.source.read_bytes()
    encode = command("encode", "-", "-o", "-", "--gop", 3)
    encoded = subprocess.run(encode, input=source, capture_output=True)
    assert encoded.stdout == coded.stream.read_bytes()
    assert encoded.stderr.startswith(b"stdout: 8 frames, ")
    decode = command("decode", "-", "-o", "-")
    decoded = subprocess.run(decode, input=encoded.stdout, capture_output=True)
    assert decoded.stdout == coded.stream.with_name("decoded.y4m").read_bytes()
    assert decoded.stderr.startswith(b"stdout: 8 frames from ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "long.y4m", moving_frames(2, 48, 64) * 1000)
    target = tmp_path / "out.clv"
    arguments = command("encode", source, "-o", target, "--gop", 8, "--threads", 2)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size > 500 for part in tmp_path.glob("*.part")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (4, "")
    assert f"aborted by {number.name}" in one_error_line(err)
    assert list(tmp_path.iterdir()) == [source]


def test_full_disk_leaves_nothing_behind(coded: CodedClip, tmp_path: Path) -> None:
    program = (
        "import resource, sys\nfrom colorvid.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "source, stream, folder = sys.argv[1:]\n"
        "assert main(['encode', source, '-o', folder + '/a.clv']) == 2\n"
        "assert main(['decode', stream, '-o', folder + '/a.y4m']) == 2"
    )
    arguments = [sys.executable, "-c", program, coded.source, coded.stream, tmp_path]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    encode, decode = result.stderr.splitlines()
    assert encode.startswith("colorvid [error]: ") and encode.endswith("File too large")
    assert decode.startswith("colorvid [error]: ") and decode.endswith("File too large")
    assert list(tmp_path.iterdir()) == []


def test_closed_pipe_is_one_line(coded: CodedClip) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = command("decode", coded.stream, "-o", "-")
    result = subprocess.run(arguments, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert result.returncode == 2
    assert "stdout: Broken pipe" in one_error_line(result.stderr)


@pytest.mark.parametrize("arguments", ["--help", "--version", "encode --help", "manual man"])
def test_who_has_read_enough_of_a_page_hears_no_error(arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for unbuffered in ("", "1"):
        result = subprocess.run(
            command(*arguments.split()),
            stdout=writing,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
        assert (result.returncode, result.stderr) == (0, b"")
    os.close(writing)


@pytest.mark.parametrize(
    ("arguments", "code"), [("info CLV", 2), ("decode CLV -o -", 2), ("info - ", 2), ("--help", 0)]
)
def test_standard_streams_that_are_closed(
    arguments: str, code: int, coded: CodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stdin", None)
    assert main([str(coded.stream) if w == "CLV" else w for w in arguments.split()]) == code
    if code:
        assert "is closed; " in one_error_line(terminal.getvalue())
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["info", "none.clv"]) == 2


def test_full_stdout(coded: CodedClip) -> None:
    arguments = command("info", coded.stream)
    with open("/dev/full", "wb") as full:
        result = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert one_error_line(result.stderr) == "stdout: No space left on device"


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_only_at_a_terminal(
    coded: CodedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.clv"
    for option, shown in (("--psnr", True), ("--no-progress", False), ("--quiet", False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert run("encode", coded.source, "-o", target, "-y", "--frames", 4, option) == 0
        text = terminal.getvalue()
        bar = r"\r(\d+% \d+/4, [0-9.]+ fps, \d+ kbit/s, [0-9.]+ \w+ in all, [0-9:?]+ left)"
        bars = re.findall(bar, text)
        assert bool(bars) == shown
        assert all(len(bar) <= 70 for bar in bars)
        assert ("a.clv: 4 frames, " in text) == (option != "--quiet")


def test_progress_elsewhere_is_a_line_at_times(
    coded: CodedClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ("encode", coded.source, "-o", tmp_path / "a.clv", "-y")
    assert run(*words) == 0
    assert len(capfd.readouterr().err.splitlines()) == 1, "short work has no such line"
    monkeypatch.setattr(pace.Pace.__init__, "__defaults__", (0.0,))
    assert run(*words) == 0
    *lines, summary = capfd.readouterr().err.splitlines()
    assert len(lines) == 8 and "a.clv: 8 frames" in summary
    pattern = (
        r"colorvid: \d of 8 frames, [0-9.]+ fps, \d+ kbit/s, [0-9.]+ kB in all, [0-9.]+ s left"
    )
    assert re.fullmatch(pattern, lines[3])
    for option in ("--no-progress", "--quiet"):
        assert run(*words, option) == 0
        assert "colorvid: " not in capfd.readouterr().err


def test_targets_and_the_summary(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.clv"
    words = ("encode", coded.source, "-o", target, "-y", "--gop", 3, "--summary")
    assert run(*words, "--bitrate", "60k") == 0
    *lines, last = capfd.readouterr().err.splitlines()
    rate = re.search(r"([0-9.]+) kbit/s", last)
    assert rate is not None and float(rate[1]) == pytest.approx(60, rel=0.04)
    assert [line.split()[0] for line in lines[:3]] == ["key", "P", "B1"]
    assert re.fullmatch(r"key 3 frames, mean quality [\d.]+, [\d.]+ kB \([\d.]+ %\)", lines[0])
    assert run(*words, "--psnr", "--maxrate", "9M", "--bufsize", "1.5M") == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("PSNR Y ") and " dB, " in lines[1]
    assert re.match(r"worst group: frames \d to \d, \d frames, mean quality ", lines[-2])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--bitrate 1", 9, "--bitrate 1 is out of reach; the nearest is "),
        ("--bitrate 0", 1, "'0' must be an amount, as in 800k, 1.5M or 20M"),
        ("--bitrate 8kk", 1, "'8kk' must be an amount"),
        ("--size 20M", 1, "'20M' must be WxH, as in 1920x1080; the size of a stream is --target"),
        ("--bitrate 60k -q 40", 1, "--quality 40 does not go with --bitrate 60000; leave out one"),
        ("--target-de 0", 1, "--target-de 0.0 is not allowed"),
        ("--bufsize 8k", 1, "--bufsize 8000 belongs to a maxrate"),
        ("--one-pass", 1, "--one-pass is for a bitrate; give one"),
    ],
)
def test_targets_that_are_wrong(
    words: str, code: int, message: str,
    coded: CodedClip, outputs: Path, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run("encode", coded.source, "-o", outputs / "a.clv", *words.split()) == code
    assert message in one_error_line(capfd.readouterr().err)
    assert list(outputs.iterdir()) == []


def test_progress_counts_the_frames_of_all_groups(coded: CodedClip, tmp_path: Path) -> None:
    """With two groups at once, frames of the second one are done before the first one ends."""
    seen: list[Progress] = []
    target = tmp_path / "a.clv"
    options = EncodeOptions(gop=4, threads=2, overwrite=True, progress=seen.append)
    colorvid.encode_file(coded.source, target, options)
    assert [p.written for p in seen] == list(range(1, 9))
    assert all(p.frames >= (p.written or 0) for p in seen)
    assert [p.frames for p in seen] == sorted(p.frames for p in seen)
    assert seen[-1].frames == seen[-1].total == 8
    assert seen[-1].kbps < seen[0].kbps, "of the frames that are written"
    seen.clear()
    colorvid.decode_file(target, tmp_path / "a.y4m", threads=2, progress=seen.append)
    written = [p.written or 0 for p in seen]
    assert written == sorted(written) and (written[0], written[-1]) == (1, 8)
    assert all(8 >= p.frames >= (p.written or 0) for p in seen)


def test_a_reader_of_info_may_leave(coded: CodedClip) -> None:
    words = command("info", coded.stream, "--frames")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_working_directory_that_was_removed(coded: CodedClip, tmp_path: Path) -> None:
    """There MKL aborts the process, and a temporary file would be left."""
    target = tmp_path / "o.clv"
    script = 'cd "$0" && rmdir "$0" && exec "$@"'
    words = [sys.executable, "-m", "colorvid", "encode", str(coded.source), "-o", str(target)]
    gone = tmp_path / "gone"
    gone.mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(colorvid.__file__).parents[1])}
    done = subprocess.run(
        ["sh", "-c", script, str(gone), *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert one_error_line(done.stderr) == "the working directory was removed; change to another one"
    assert list(tmp_path.iterdir()) == []


def test_help_pages_have_two_examples_that_are_understood(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run("--help") == 0
    top = capfd.readouterr().out
    assert "exit codes:" in top
    assert set(EXAMPLES) == set(commands_of(make_parser()))
    for family, names in FAMILIES.items():
        assert tuple(commands_of(make_parser([family]))) == names
    for name, examples in EXAMPLES.items():
        assert f"    {name} " in top and len(examples) == 2
        for example in examples:
            words = shlex.split(example.partition(" < ")[0])
            assert words[:2] == ["colorvid", name]
            assert parse(words[1:]).command == name
        assert run(name, "--help") == 0
        page = capfd.readouterr().out
        assert "exit codes" not in page
        assert page.endswith(f"examples:\n  {examples[0]}\n  {examples[1]}\n")
