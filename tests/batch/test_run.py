"""Batches on an engine in this process: bytes, resuming, retries, changes, reports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import colorvid
from colorvid.batch import split
from colorvid.batch.engine import WorkerLost
from colorvid.batch.report import exit_code, write_report
from colorvid.batch.work import Answer, Trouble
from colorvid.errors import ClusterError, InputError
from tests.batch.helpers import HereEngine, plan, run, write_clips


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one group of four frames."""
    monkeypatch.setattr(split, "LEAST_FRAMES", 4)
    monkeypatch.setattr(split, "PARTS_OF_A_WORKER", 1000)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write_clips(folder, long=11, short=3)
    return folder


def single(model: Path, source: Path, target: Path, **options: Any) -> bytes:
    """The bytes of an undisturbed single encoding."""
    colorvid.encode_file(source, target, model=str(model), gop=4, threads=1, **options)
    return target.read_bytes()


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def parts_left(outputs: Path) -> list[str]:
    return [p.name for p in outputs.rglob("*.parts")]


def test_parts_become_the_bytes_of_a_single_encoding(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    engine = HereEngine()
    rows, told = run(plan(model, clips), tmp_path / "out", engine)
    assert [(r.outcome, r.frames, r.parts, r.tries) for r in rows] == [
        ("done", 11, 3, 1), ("done", 3, 1, 1),
    ]  # fmt: skip
    assert told.lines == [] and exit_code(rows) == 0
    for name in ("long", "short"):
        expected = single(model, clips / f"{name}.y4m", tmp_path / f"{name}.clv")
        assert (tmp_path / "out" / f"{name}.clv").read_bytes() == expected
    assert [r.size_bytes for r in rows] == [
        (tmp_path / f"{n}.clv").stat().st_size for n in ("long", "short")
    ]
    assert parts_left(tmp_path / "out") == []
    surveys, parts = engine.calls[:2], engine.calls[2:]
    assert all(call.fingerprint is None for call in surveys)
    assert [(c.first, c.frames) for c in parts] == [(0, 4), (4, 4), (8, None), (0, None)]


@pytest.mark.parametrize("options", [{"seek": 2}, {"frames": 7}, {"seek": 1, "frames": 6}])
def test_sections_of_the_source(
    options: dict[str, Any], model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    jobs = [j for j in plan(model, clips, **options) if j.source.stem == "long"]
    rows, _ = run(jobs, tmp_path / "out")
    assert rows[0].outcome == "done" and rows[0].parts > 1
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv", **options)
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected


def test_means_of_scores_are_those_of_a_single_encoding(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    rows, _ = run(plan(model, clips, scores=True), tmp_path / "out")
    report = colorvid.encode_file(
        clips / "long.y4m", tmp_path / "a.clv", model=str(model), gop=4, threads=1, scores=True
    )
    assert report.scores is not None
    assert rows[0].scores["psnr_yuv611_db"] == pytest.approx(report.scores.psnr_yuv611_db)
    assert rows[0].scores["de00_mean"] == pytest.approx(report.scores.de00_mean)
    assert rows[0].scores["ms_ssim_y"] is None


@pytest.mark.parametrize("stated", [2, 13, 40])
def test_a_source_that_states_a_wrong_length(
    stated: int, model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    def fault(number: int, call: Any) -> Answer | None:
        from colorvid.batch.work import perform

        if call.fingerprint is not None:
            return None
        answer = perform(call)
        return Answer(answer.worker, {**answer.facts, "frames": stated, "direct": False})

    rows, _ = run(plan(model, clips), tmp_path / "out", HereEngine(fault))
    assert [r.outcome for r in rows] == ["done", "done"] and rows[0].frames == 11
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv")
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected


def test_the_same_batch_again_does_nothing(model: Path, clips: Path, tmp_path: Path) -> None:
    first, _ = run(plan(model, clips), tmp_path / "out")
    engine = HereEngine()
    again, told = run(plan(model, clips), tmp_path / "out", engine)
    assert engine.calls == [] and told.lines == []
    assert [(r.outcome, r.earlier, r.frames, r.size_bytes) for r in again] == [
        ("done", True, r.frames, r.size_bytes) for r in first
    ]


def test_it_goes_on_from_finished_parts(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    def lost(number: int, call: Any) -> None:
        if call.fingerprint is not None and call.first == 8:
            raise ClusterError("the scheduler is lost")

    with pytest.raises(ClusterError):
        run(plan(model, clips), tmp_path / "out", HereEngine(lost))
    assert visible(tmp_path / "out") == []
    engine = HereEngine()
    rows, told = run(plan(model, clips), tmp_path / "out", engine)
    assert [c.first for c in engine.calls if c.source.endswith("long.y4m")] == [8]
    assert [r.outcome for r in rows] == ["done", "done"] and told.lines == []
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv")
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected
    assert rows[0].parts == 3 and rows[0].frames == 11


def test_a_part_that_was_damaged_meanwhile_is_made_again(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    def lost(number: int, call: Any) -> None:
        if call.fingerprint is not None and call.first == 8:
            raise ClusterError("lost")

    with pytest.raises(ClusterError):
        run(plan(model, clips), tmp_path / "out", HereEngine(lost))
    part = next((tmp_path / "out").rglob("long.clv.parts/00000.clv"))
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)
    engine = HereEngine()
    run(plan(model, clips), tmp_path / "out", engine)
    assert sorted(c.first for c in engine.calls if c.source.endswith("long.y4m")) == [0, 8]
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv")
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected


def test_what_a_killed_worker_leaves_is_removed(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    def lost(number: int, call: Any) -> None:
        if call.fingerprint is not None:
            raise ClusterError("lost")

    with pytest.raises(ClusterError):
        run(plan(model, clips), tmp_path / "out", HereEngine(lost))
    folder = next((tmp_path / "out").rglob("long.clv.parts"))
    (folder / ".00000-1234.clv").write_text("half a part")
    run(plan(model, clips), tmp_path / "out")
    assert parts_left(tmp_path / "out") == []


def test_a_poisoned_input_fails_alone(model: Path, clips: Path, tmp_path: Path) -> None:
    (clips / "bad.y4m").write_bytes(b"YUV4MPEG2 W32 H16 F25:1\nFRAME\n123")
    (clips / "no.y4m").write_bytes(b"nothing of the kind")
    rows, told = run(plan(model, clips), tmp_path / "out")
    assert [(Path(r.input).stem, r.outcome, r.exit_code) for r in rows] == [
        ("bad", "failed", 2), ("long", "done", 0), ("no", "failed", 2), ("short", "done", 0),
    ]  # fmt: skip
    assert rows[0].error.endswith("frame 0 is cut: 3 of 768 bytes")
    assert exit_code(rows) == 2
    assert [level for _, level in told.lines] == ["error", "error"]
    assert visible(tmp_path / "out") == ["long.clv", "short.clv"]


def test_a_missing_input_fails_alone(model: Path, clips: Path, tmp_path: Path) -> None:
    jobs = plan(model, clips)
    (clips / "long.y4m").unlink()
    rows, _ = run(jobs, tmp_path / "out")
    assert rows[0].error.endswith("long.y4m: No such file or directory")
    assert rows[1].outcome == "done"


def test_faults_that_go_away_are_tried_again(model: Path, clips: Path, tmp_path: Path) -> None:
    faults: dict[int, Any] = {
        2: WorkerLost("the worker died"),
        3: Answer("w1", trouble=Trouble("/tmp/x: No space left on device", 2, retry=True)),
        4: RuntimeError("something odd"),
    }

    def fault(number: int, call: Any) -> Any:
        found = faults.get(number)
        if isinstance(found, Exception):
            raise found
        return found

    engine = HereEngine(fault)
    rows, _ = run(plan(model, clips), tmp_path / "out", engine, retries=2)
    assert [r.outcome for r in rows] == ["done", "done"]
    assert max(r.tries for r in rows) == 3 or sum(r.tries for r in rows) == 5
    assert frozenset({"w1"}) in engine.avoided, "where the disk was full it is not tried again"


def test_an_input_that_kills_its_workers_fails_alone(
    model: Path, clips: Path, tmp_path: Path
) -> None:
    def fault(number: int, call: Any) -> None:
        if call.fingerprint is not None and call.source.endswith("long.y4m"):
            raise WorkerLost("the worker died")

    rows, told = run(plan(model, clips), tmp_path / "out", HereEngine(fault), retries=1)
    assert (rows[0].outcome, rows[0].error, rows[0].tries) == (
        "failed", "the worker died (tried 2 times)", 2,
    )  # fmt: skip
    assert rows[1].outcome == "done" and exit_code(rows) == 1
    assert "long.y4m: the worker died" in told.text


def test_a_worker_that_cannot_do_the_work_gets_no_more(
    model: Path, clips: Path, tmp_path: Path
) -> None:
    unfit = Answer("w9", trouble=Trouble("has colorvid 9.9", retry=True, unfit=True))
    engine = HereEngine(lambda number, call: unfit if number == 0 else None)
    rows, told = run(plan(model, clips), tmp_path / "out", engine, retries=0)
    assert [r.outcome for r in rows] == ["done", "done"]
    assert told.lines == [("worker w9 has colorvid 9.9; it gets no work", "warning")]
    assert engine.avoided[-1] == frozenset({"w9"})


def test_no_worker_that_can_do_the_work(model: Path, clips: Path, tmp_path: Path) -> None:
    unfit = Answer("here", trouble=Trouble("has colorvid 9.9", retry=True, unfit=True))
    with pytest.raises(ClusterError, match="the only worker cannot do the work: has colorvid 9.9"):
        run(plan(model, clips), tmp_path / "out", HereEngine(lambda number, call: unfit))


def test_bytes_from_a_worker_that_does_not_share_the_folder(
    model: Path, clips: Path, tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorvid.batch.work.Place.is_shared", lambda self: False)
    rows, _ = run(plan(model, clips), tmp_path / "out")
    assert [r.outcome for r in rows] == ["done", "done"]
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv")
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected
    streams = plan(model, tmp_path / "out", "decode")
    rows, told = run(streams, tmp_path / "decoded")
    assert "cannot see the folder of outputs, " in rows[0].error
    assert told.lines[0][0].endswith("; it gets no work")


def test_a_changed_source_is_noticed(model: Path, clips: Path, tmp_path: Path) -> None:
    run(plan(model, clips), tmp_path / "out")
    before = (tmp_path / "out" / "long.clv").read_bytes()
    write_clips(clips, long=9)
    rows, _ = run(plan(model, clips), tmp_path / "out")
    assert rows[0].outcome == "failed" and rows[1].earlier
    assert "exists, but the source has changed; pass overwrite=True" in rows[0].error
    assert (tmp_path / "out" / "long.clv").read_bytes() == before
    rows, told = run(plan(model, clips), tmp_path / "out", overwrite=True)
    assert told.lines == [("long.clv: the source has changed; it is made again", "warning")]
    assert rows[0].frames == 9 and rows[1].earlier
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv")
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected


def test_a_source_that_is_only_copied_is_the_same(model: Path, clips: Path, tmp_path: Path) -> None:
    run(plan(model, clips), tmp_path / "out")
    os.utime(clips / "long.y4m", (1, 1))
    rows, told = run(plan(model, clips), tmp_path / "out")
    assert all(r.earlier for r in rows) and told.lines == []


def test_a_changed_option_is_noticed(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    run(plan(model, clips), tmp_path / "out")
    rows, _ = run(plan(model, clips, quality=30), tmp_path / "out")
    assert "exists, but quality was not set and is 30; pass" in rows[0].error

    def lost(number: int, call: Any) -> None:
        if call.fingerprint is not None and call.first == 8:
            raise ClusterError("lost")

    with pytest.raises(ClusterError):
        run(plan(model, clips, quality=20), tmp_path / "other", HereEngine(lost))
    _, told = run(plan(model, clips, quality=10), tmp_path / "other")
    assert told.lines == [
        (f"{name}.clv: quality was 20 and is 10; its parts are made again", "warning")
        for name in ("long", "short")
    ]
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv", quality=10)
    assert (tmp_path / "other" / "long.clv").read_bytes() == expected


def test_parts_of_another_colorvid_are_made_again(
    model: Path, clips: Path, tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(number: int, call: Any) -> None:
        if call.fingerprint is not None and call.first == 8:
            raise ClusterError("lost")

    with monkeypatch.context() as other:
        other.setattr("colorvid.batch.identity.PACKAGE_VERSION", "0.0.9")
        with pytest.raises(ClusterError):
            run(plan(model, clips), tmp_path / "out", HereEngine(lost))
    _, told = run(plan(model, clips), tmp_path / "out")
    assert [text for text, _ in told.lines] == [
        f"{name}.clv: colorvid was 0.0.9 and is {colorvid.__version__}; its parts are made again"
        for name in ("long", "short")
    ]


def test_a_source_that_changes_while_it_is_worked_on(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    def fault(number: int, call: Any) -> None:
        if call.fingerprint is not None and call.first == 4:
            write_clips(clips, long=9)

    rows, _ = run(plan(model, clips), tmp_path / "out", HereEngine(fault))
    assert rows[0].outcome == "failed" and "has changed since the batch began" in rows[0].error
    assert visible(tmp_path / "out") == ["short.clv"]


def test_a_foreign_output_is_kept(model: Path, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "long.clv").write_text("mine")
    rows, _ = run(plan(model, clips), tmp_path / "out")
    assert "exists and is not of this batch; pass overwrite=True" in rows[0].error
    assert (tmp_path / "out" / "long.clv").read_text() == "mine" and rows[1].outcome == "done"
    rows, _ = run(plan(model, clips), tmp_path / "out", overwrite=True)
    assert rows[0].outcome == "done" and rows[1].earlier


def test_killed_between_the_record_and_the_name_of_an_output(
    model: Path, clips: Path, tmp_path: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr("colorvid.batch.state.State.give_name", killed)
        run(plan(model, clips), tmp_path / "out")
    assert visible(tmp_path / "out") == []
    rows, told = run(plan(model, clips), tmp_path / "out")
    assert [r.outcome for r in rows] == ["done", "done"] and told.lines == []
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv")
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected


def test_two_batches_in_one_folder(model: Path, clips: Path, tmp_path: Path) -> None:
    def second(number: int, call: Any) -> None:
        with pytest.raises(InputError, match="another batch works there"):
            run(plan(model, clips), tmp_path / "out")

    run(plan(model, clips), tmp_path / "out", HereEngine(second))


def test_decode_and_verify(model: Path, clips: Path, tmp_path: Path, small_parts: None) -> None:
    run(plan(model, clips), tmp_path / "out")
    data = bytearray((tmp_path / "out" / "long.clv").read_bytes())
    data[colorvid.probe(tmp_path / "out" / "long.clv").frames[5].offset + 20] ^= 1
    (tmp_path / "out" / "long.clv").write_bytes(data)
    streams = plan(model, tmp_path / "out", "verify")
    rows, told = run(streams, tmp_path / "checked")
    assert [(r.outcome, r.exit_code, r.frames) for r in rows] == [
        ("damaged", 5, 8), ("done", 0, 3),
    ]  # fmt: skip
    assert "the stream is damaged in 1 place; 3 frames are lost" in told.text
    assert visible(tmp_path / "checked") == []
    again, _ = run(streams, tmp_path / "checked", HereEngine())
    assert all(r.earlier for r in again) and exit_code(again) == 5
    rows, _ = run(plan(model, tmp_path / "out", "decode"), tmp_path / "decoded")
    assert rows[0].error.endswith("3 frames are lost, 3 of them replaced")
    assert visible(tmp_path / "decoded") == ["long.y4m", "short.y4m"]
    colorvid.decode_file(tmp_path / "out" / "short.clv", tmp_path / "s.y4m", model=str(model))
    assert (tmp_path / "decoded" / "short.y4m").read_bytes() == (tmp_path / "s.y4m").read_bytes()


def test_reports(model: Path, clips: Path, tmp_path: Path) -> None:
    (clips / "bad.y4m").write_bytes(b"x")
    rows, _ = run(plan(model, clips, scores=True), tmp_path / "out")
    write_report(tmp_path / "out", rows)
    head, *lines = (tmp_path / "out" / "batch.csv").read_text().splitlines()
    names = "input,output,task,outcome,earlier,frames,size_bytes,seconds,parts,tries,"
    assert head.startswith(names)
    assert len(lines) == 3 and ",failed," in lines[0] and ",done,False,11," in lines[1]
    found = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert [r["outcome"] for r in found] == ["failed", "done", "done"]
    assert found[1]["scores"]["psnr_y_db"] > 10 and found[1]["seconds"] > 0


def test_scores_of_streams(model: Path, clips: Path, tmp_path: Path) -> None:
    run(plan(model, clips), tmp_path / "out")
    streams = plan(model, tmp_path / "out", "eval", reference=str(clips))
    rows, _ = run(streams, tmp_path / "scores")
    assert [(r.outcome, r.frames, r.output) for r in rows] == [
        ("done", 11, "long.json"), ("done", 3, "short.json"),
    ]  # fmt: skip
    found = json.loads((tmp_path / "scores" / "long.json").read_text())
    mean = found["metrics"]["psnr_yuv611_db"]["mean"]
    assert rows[0].scores["psnr_yuv611_db"] == pytest.approx(mean) and mean > 10
    assert found["frames"] == 11
    again, _ = run(streams, tmp_path / "scores")
    assert all(r.earlier for r in again)


def test_comparisons(model: Path, clips: Path, tmp_path: Path) -> None:
    options = {"anchors": ["x264-zl"], "qualities": [20, 40], "frames": 2}
    rows, told = run(plan(model, clips, "compare", **options), tmp_path / "out")
    assert [(r.outcome, r.frames) for r in rows] == [("done", 2 * (2 + 6))] * 2, told.lines
    for name in ("long", "short"):
        folder = tmp_path / "out" / name
        assert {"points.tsv", "tables.md"} <= {p.name for p in folder.iterdir()}
        head, first, *_ = (folder / "points.tsv").read_text().splitlines()
        cells = dict(zip(head.split("\t"), first.split("\t"), strict=True))
        assert cells["encode_ratio"] in ("", "-") and cells["jobs"] == "2"


def test_a_target_is_met_by_the_file_as_a_whole(
    model: Path, clips: Path, tmp_path: Path, small_parts: None
) -> None:
    """Parts would each meet it on their own."""
    wanted = len(single(model, clips / "long.y4m", tmp_path / "free.clv", quality=40))
    jobs = [j for j in plan(model, clips, target_size=wanted) if j.source.stem == "long"]
    rows, _ = run(jobs, tmp_path / "out")
    assert [(r.outcome, r.parts) for r in rows] == [("done", 1)]
    expected = single(model, clips / "long.y4m", tmp_path / "long.clv", target_size=wanted)
    assert (tmp_path / "out" / "long.clv").read_bytes() == expected
    assert len(expected) <= wanted


def test_a_target_out_of_reach_is_the_fault_of_one_file(
    model: Path, clips: Path, tmp_path: Path
) -> None:
    rows, told = run(plan(model, clips, bitrate=1), tmp_path / "out")
    assert [(r.outcome, r.exit_code) for r in rows] == [("failed", 9)] * 2
    assert "bitrate=1 is out of reach; the nearest is " in told.lines[0][0]
