import json
from pathlib import Path

import pytest

from colorvid.cli.main import main
from tests.conftest import CodedClip

QUICK = ("--frames", "4", "--gop", "2", "--repeats", "1", "--no-progress")


def test_sizes_are_measured_one_after_the_other(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "bench.json"
    options = ("--clip", str(coded.source), "--against", "x264", "--json", str(target))
    sizes = ("--size", "48x32", "--size", "32x48")
    assert main(["bench", *QUICK, *options, *sizes]) == 0
    text = capfd.readouterr().out
    for name in ("machine ", "versions ", "codec ", "model "):
        assert f"\n{name}" in f"\n{text}"
    for size in ("48x32", "32x48"):
        assert f"{size}, source.y4m, quality 44: 4 frames, a key frame every 2\n" in text
        assert f"{size}, encoding by stage, one worker" in text
        assert f"{size}, start of a process\n" in text
    assert "x264 medium, CRF 23, 2 threads" in text and "PyTorch" not in text.split("model ")[1]
    content = json.loads(target.read_text(encoding="utf-8"))
    assert [size["size"] for size in content["sizes"]] == ["48x32", "32x48"]
    assert main(["bench", *QUICK, *options, *sizes]) == 2
    assert f"{target} exists; pass -y to overwrite" in capfd.readouterr().err


def test_json_on_standard_output_stands_alone(
    coded: CodedClip, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--clip", str(coded.source), "--against", "none", "--size", "32x32", "--json", "-")
    assert main(["bench", *QUICK, *options]) == 0
    content = json.loads(capfd.readouterr().out)
    codecs = {coding["codec"] for coding in content["sizes"][0]["codings"]}
    assert len(codecs) == 1 and "x264" not in codecs


def test_markdown(coded: CodedClip, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("--clip", str(coded.source), "--against", "none", "--size", "32x32", "--markdown")
    assert main(["bench", *QUICK, *options]) == 0
    text = capfd.readouterr().out
    assert text.startswith("```text\nmachine ")
    assert "| stage | ms a frame | share | GMAC/s | of the roof |\n| --- | ---: |" in text


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--frames", "0"), 1, "'0' must be a whole number, 1 or more"),
        (("--pytorch-frames", "1"), 1, "'1' must be a whole number, 2 or more"),
        (("--against", "none,x264"), 1, "--against none,x264: none stands alone"),
        (("--against", "x265"), 1, "'x265' is unknown; use pytorch, x264, none"),
        (("--size", "0x32"), 2, "width is 0; it must be an integer from 1 to 8192"),
        (("--size", "32x32", "--frames", "999"), 2, "fewer than --frames 999; ask for fewer"),
        (("--json", "a.json", "--markdown"), 1, "not allowed with argument"),
        (("--json", "no/such/folder/a.json"), 2, "no/such/folder/a.json: No such file"),
    ],
)
def test_wrong_options(
    coded: CodedClip,
    capfd: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    code: int,
    text: str,
) -> None:
    assert main(["bench", "--clip", str(coded.source), *options]) == code
    assert text in capfd.readouterr().err
