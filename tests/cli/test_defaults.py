"""A file of defaults, JSON for programs, the manual page and completions."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import colorvid
from colorvid.cli.main import parse
from colorvid.errors import ConfigError
from tests.cli.test_main import one_error_line, run
from tests.conftest import CodedClip


def parsed(config: Path, words: str) -> dict[str, object]:
    return vars(parse(["--config", str(config), *words.split()]))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "encode"  # named as a command
    path.write_text(
        "[encode]\nquality = 30\nmin_gop = 5\nscenecut = false\npsnr = true\ntune = 'color'\n"
        "no_progress = false\n[decode]\nlossless = true\n"
    )
    return path


def test_defaults_stand_before_the_command_line(config: Path) -> None:
    options = parsed(config, "encode a.y4m -o b.clv --min-gop 7")
    assert (options["quality"], options["min_gop"], options["scenecut"]) == (30, 7, False)
    assert (options["psnr"], options["tune"], options["no_progress"]) == (True, "color", False)
    assert parsed(config, "encode a.y4m -o b.clv --scenecut -q 9")["scenecut"] is True
    assert parsed(config, "decode a.clv -o b.mp4")["lossless"] is True
    assert parsed(config, "info a.clv")["command"] == "info"
    assert vars(parse([f"--config={config}", "encode", "a", "-o", "b"]))["quality"] == 30


def test_a_target_on_the_command_line_replaces_a_default_quality(config: Path) -> None:
    options = parsed(config, "encode a.y4m -o b.clv --bitrate 800k")
    assert (options["quality"], options["bitrate"]) == (None, 800_000)
    config.write_text("[encode]\nbitrate = '1.5M'\n")
    assert parsed(config, "encode a -o b")["bitrate"] == 1_500_000
    assert parsed(config, "encode a -o b")["preset"] == "medium"
    config.write_text("[encode]\npreset = 'fast'\n[compare]\npreset = 'slow'\n")
    assert parsed(config, "encode a -o b")["preset"] == "fast"
    assert parsed(config, "compare a")["preset"] == "slow"
    config.write_text("[encode]\nbitrate = '1.5M'\n")
    options = parsed(config, "encode a -o b -q 3")
    assert (options["quality"], options["bitrate"]) == (3, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[encode]\nqualty = 3",
            r"\[encode\] qualty is no option; allowed are bframes, bit_depth, ",
        ),
        ("[enc]\nquality = 3", r"unknown key 'enc'; allowed are \[encode\], \[decode\], "),
        ("encode = 3", r"encode is 3; it must be a table \[encode\]"),
        ("[encode]\npsnr = 1", r"\[encode\] psnr is 1; it must be true or false"),
        ("[encode]\nquality = [3]", r"quality is \[3\]; it must be a number or a text"),
        ("[encode]\nquality = 99", r"--quality: '99' must be a whole number, 0 to 63; see"),
        ("[encode]\ntune = 'x'", r"--tune: invalid choice: 'x'"),
        ("[encode]\npreset = 'x'", r"--preset: invalid choice: 'x'"),
        ("[encode", "not a TOML file"),
    ],
)
def test_wrong_defaults_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        parsed(path, "encode a.y4m -o b.clv")


def test_a_file_of_defaults_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml: cannot be read: No such file"):
        parsed(tmp_path / "none.toml", "encode a.y4m -o b.clv")


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_progress_as_json(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stream = tmp_path / "a.clv"
    words = ("encode", coded.source, "-o", stream, "--gop", 3, "--progress", "json", "--quiet")
    assert run(*words) == 0
    *progress, done = events(capfd.readouterr().out)
    assert progress[-1]["frames"] == progress[-1]["total"] == 8
    rates = {"speed_fps", "rate_kbps", "size_bytes", "expected_bytes"}
    assert {"event", "turn", "eta_s", *rates} < set(progress[0])
    assert (done["event"], done["frames"], done["fps"]) == ("done", 8, 30000 / 1001)
    assert done["rate_kbps"] == pytest.approx(stream.stat().st_size * 30000 / 1001 / 1000)
    assert done["size_bytes"] == stream.stat().st_size
    assert run("decode", stream, "-o", tmp_path / "a.y4m", "--progress", "json", "--quiet") == 0
    assert events(capfd.readouterr().out)[-1]["lost"] == 0
    assert run("verify", stream, "--progress", "json", "--quiet") == 0
    assert events(capfd.readouterr().out)[-1]["event"] == "done"
    assert run("encode", coded.source, "-o", stream, "-y", "--progress", "none") == 0
    assert capfd.readouterr().out == ""


def test_json_and_a_stream_do_not_mix(coded: CodedClip, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("encode", coded.source, "-o", "-", "--progress", "json") == 1
    out, err = capfd.readouterr()
    assert out == "" and "--progress json needs stdout" in one_error_line(err)


@pytest.mark.parametrize("kind", ["man", "bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_manual(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("manual", kind) == 0
    text = capfd.readouterr().out.replace("\\-", "-")
    for name in ("encode", "decode", "batch", "manual"):
        assert name in text
    dashes = "-l " if kind == "fish" else "--"
    for option in ("target-psnr", "maxrate", "no-scenecut", "threads"):
        assert f"{dashes}{option}" in text
    assert "zerolatency" in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["ver"], {"verify"}),
        (["encode", "--target-p"], {"--target-psnr"}),
        (["encode", "--tune", "co"], {"color"}),
        (["decode", "a.clv", "--los"], {"--lossless"}),
        (["encode", "a"], set()),
    ],
)
def test_bash_completes(
    words: list[str], wanted: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("manual", "bash") == 0
    line = f"COMP_WORDS=(colorvid {' '.join(words)}); COMP_CWORD={len(words)}; _colorvid\n"
    script = f'{capfd.readouterr().out}\n{line}printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stderr == "" and set(done.stdout.split()) == wanted


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_man_understands_the_page(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("manual", "man") == 0
    page = capfd.readouterr().out
    command = ["groff", "-man", "-Tascii", "-ww"]
    done = subprocess.run(command, input=page, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"colorvid {colorvid.__version__}" in page
