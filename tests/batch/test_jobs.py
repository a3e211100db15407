"""Inputs become jobs: files, folders, globs, lists and job files."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorvid.batch.jobs import Job, Plan
from colorvid.errors import ColorvidError, ConfigError, InputError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some files in it, where the command is given."""
    for name in ("a.mkv", "b.y4m", "notes.txt", "sub/c.MP4", "sub/.hidden.mkv", "sub/d.clv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(jobs: list[Job]) -> list[tuple[str, str]]:
    return [(job.source.name, job.name) for job in jobs]


def test_files_folders_globs_and_a_list(here: Path) -> None:
    plan = Plan("encode")
    assert names(plan.jobs(["a.mkv", "b.y4m"])) == [("a.mkv", "a.clv"), ("b.y4m", "b.clv")]
    every = [("a.mkv", "a.clv"), ("b.y4m", "b.clv"), ("c.MP4", "c.clv")]
    assert names(plan.jobs(["."])) == every
    assert names(plan.jobs(["*.[my]*", "sub/*.MP4"])) == every
    assert names(plan.jobs(["-"], ["sub/c.MP4\n", "\n", "a.mkv\r\n"])) == [every[2], every[0]]
    assert names(plan.jobs(["a.mkv", ".", str(here / "a.mkv")])) == every, "once is enough"
    assert all(job.source.is_absolute() for job in plan.jobs(["."]))


def test_streams_are_what_a_folder_is_searched_for_when_decoding(here: Path) -> None:
    assert names(Plan("decode").jobs(["."])) == [("d.clv", "d.y4m")]
    assert names(Plan("decode", {"suffix": ".mkv"}).jobs(["."])) == [("d.clv", "d.mkv")]
    assert names(Plan("verify").jobs(["sub"])) == [("d.clv", "d.clv")]


def test_keep_tree(here: Path) -> None:
    plan = Plan("encode", keep_tree=True)
    assert [j.name for j in plan.jobs(["."])] == ["a.clv", "b.clv", "sub/c.clv"]
    assert [j.name for j in plan.jobs(["sub/c.MP4", "../x.mkv"])] == ["sub/c.clv", "x.clv"]
    assert plan.jobs([str(here / "a.mkv")])[0].name == f"{here.relative_to('/')}/a.clv"


def test_two_inputs_of_one_name_are_refused_before_anything_starts(here: Path) -> None:
    (here / "sub" / "A.mov").write_text("")
    with pytest.raises(ConfigError, match=r"a\.mkv and .*A\.mov would both become A\.clv; pass"):
        Plan("encode").jobs(["."])
    assert len(Plan("encode", keep_tree=True).jobs(["."])) == 4


def test_toml(here: Path) -> None:
    (here / "sub" / "jobs.toml").write_text(
        '[defaults]\nquality = 30\nrate = "30000/1001"\n'
        '[[job]]\ninput = "c.MP4"\noutput = "films/first.clv"\nsize = "64x48"\n'
        '[[job]]\ninput = "../a.mkv"\nquality = 50\nconvert = true\nmodel = "color"\n'
        '[[job]]\ninput = "../b.y4m"\nmodel = "m.safetensors"\n'
    )
    first, second, third = Plan("encode", {"gop": 8, "quality": 10}).jobs(["sub/jobs.toml"])
    assert (first.source, first.name) == (here / "sub/c.MP4", "films/first.clv")
    assert first.options == {"gop": 8, "quality": 30, "rate": "30000/1001", "size": [64, 48]}
    assert (second.source, second.name) == (here / "a.mkv", "a.clv")
    assert second.options["convert"] is True and second.options["model"] == "color"
    assert second.options["quality"] == 50
    assert third.options["model"] == str(here / "sub" / "m.safetensors")


def test_csv(here: Path) -> None:
    (here / "jobs.csv").write_text(
        "input,output,quality,inter_quality\na.mkv,,20,\nb.y4m,x/y.clv,,5\n", encoding="utf-8-sig"
    )
    first, second = Plan("encode").jobs(["jobs.csv"])
    assert (first.name, first.options) == ("a.clv", {"quality": 20})
    assert (second.name, second.options) == ("x/y.clv", {"inter_quality": 5})


def test_originals_of_scored_streams(here: Path) -> None:
    (here / "d.mkv").write_text("")
    job = Plan("eval", {"reference": "."}).jobs(["sub/d.clv"])[0]
    assert (job.name, job.options["reference"]) == ("d.json", str(here / "d.mkv"))
    with pytest.raises(ConfigError, match="pass reference=FILE or a folder"):
        Plan("eval").jobs(["sub/d.clv"])
    with pytest.raises(InputError, match="has no original of that name"):
        Plan("eval", {"reference": "sub"}).jobs(["sub/d.clv"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[job]]\noutput='a.clv'\n", "jobs.toml, job 1: has no input"),
        ("[[job]]\ninput='a.mkv'\nqualty=3\n", "job 1: 'qualty' is no option of encode; allowed"),
        ("[[job]]\ninput='a.mkv'\nquality='high'\n", "quality is 'high'; it must be a whole"),
        ("[[job]]\ninput='a.mkv'\nquality=64\n", "a.mkv: quality 64 is not allowed"),
        ("[[job]]\ninput='a.mkv'\nrate='0'\n", "rate is '0'; it must be a frame rate"),
        ("[[job]]\ninput='a.mkv'\nframes=0\n", "a.mkv: frames=0 is not allowed; it must be 1.."),
        ("[[job]]\ninput='a.mkv'\nconvert='maybe'\n", "convert is 'maybe'; it must be true or"),
        ("[[job]]\ninput='a.mkv'\noutput='../a.clv'\n", "'../a.clv' is outside the folder"),
        ("[[jobs]]\ninput='a.mkv'\n", "unknown key 'jobs'; allowed are"),
        ("job=3\n", "has no jobs; give a table"),
        ("job=[3]\n", "job 1: is 3; it must be a table"),
        ("[[job]\n", "not a TOML file"),
    ],
)
def test_a_wrong_job_file_is_one_clear_line(here: Path, text: str, message: str) -> None:
    (here / "jobs.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        Plan("encode").jobs(["jobs.toml"])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_csv_file_with_a_line_too_long(here: Path) -> None:
    (here / "jobs.csv").write_text("input,quality\na.mkv,20,3\n")
    with pytest.raises(ConfigError, match="line 2: has not as many cells"):
        Plan("encode").jobs(["jobs.csv"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["*.webm"], "matches no file"),
        (["empty"], "has no video in it"),
        (["-"], "there are no inputs"),
        (["none.csv"], "none.csv: No such file"),
    ],
)
def test_inputs_that_are_not_there(here: Path, words: list[str], message: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(ColorvidError, match=message):
        Plan("encode").jobs(words)
