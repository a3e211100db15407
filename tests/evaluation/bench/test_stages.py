from pathlib import Path

import pytest

from colorvid.codec.settings import EncoderSettings
from colorvid.evaluation.bench.coding import Job, Spent, Stopwatch, code, code_with_x264
from colorvid.evaluation.bench.stages import (
    FILES,
    NETWORKS,
    OTHER,
    WorkLog,
    decode_by_stage,
    encode_by_stage,
    networks,
    summed_up,
)
from colorvid.models.loading import model_on
from colorvid.native.core import core
from colorvid.native.model import STAGES, Work
from tests.conftest import CodedClip, read_clip


@pytest.fixture
def job(coded: CodedClip, tmp_path: Path) -> Job:
    """Five frames, each coded at once, and fine enough that none is empty."""
    return Job(coded.source, 5, EncoderSettings(quality=56, gop=4, bframes=0), tmp_path)


def test_stages_of_a_clip(job: Job) -> None:
    model = model_on("cpu", "default")
    for run in (encode_by_stage(model, job), decode_by_stage(model, job)):
        assert len(run) == 5
        assert {"motion", "entropy", OTHER, FILES} <= set(run[0])
        assert all(work.seconds >= 0 for row in run for work in row.values())
        assert all(row["entropy"].seconds > 0 and row[FILES].seconds > 0 for row in run)
    assert len(read_clip(job.decoded)) == 5


@pytest.mark.skipif(core() is None, reason="PyTorch counts no multiplications")
def test_multiplications_are_those_of_the_frame(job: Job) -> None:
    model = model_on("cpu", "default")
    first, second = (encode_by_stage(model, job) for _ in range(2))
    assert set(STAGES) <= set(first[0])
    for name in NETWORKS:
        counts = [row[name].multiplications for row in first]
        assert counts == [row[name].multiplications for row in second]
        # Keys are 0 and 4; latents of zero, of which frames have more or fewer, cost nothing.
        assert counts[4] == pytest.approx(counts[0], rel=0.05)
        if name != "prior":  # works at active positions alone
            assert counts[2:4] == pytest.approx([counts[1]] * 2, rel=0.05)
    assert all(row["prior"].multiplications > 0 for row in first)
    decoding = decode_by_stage(model, job)
    assert [row["analysis"].multiplications for row in decoding] == [0] * 5
    pairs = [
        (d["prior"].multiplications, e["prior"].multiplications)
        for d, e in zip(decoding, first, strict=True)
    ]
    assert all(pairs[key][0] == pairs[key][1] for key in (0, 4))
    # The encoder tries what is zero before it codes an inter frame.
    assert all(0 < decoded < encoded for decoded, encoded in pairs[1:4])


@pytest.mark.skipif(core() is None, reason="PyTorch counts no multiplications")
def test_b_frames_count_where_they_are_coded(coded: CodedClip, tmp_path: Path) -> None:
    job = Job(coded.source, 6, EncoderSettings(quality=40, gop=4), tmp_path)
    model = model_on("cpu", "default")
    encoding, decoding = encode_by_stage(model, job), decode_by_stage(model, job)
    assert len(encoding) == len(decoding) == 6
    products = [row["prior"].multiplications for row in encoding]
    # Frames 0 to 2 wait for the P frame 3; the last two are coded at the end.
    assert [count > 0 for count in products] == [False, False, False, True, False, True]
    assert decoding[0]["prior"].multiplications > 0  # of others nothing may be coded
    assert sum(products) > sum(row["prior"].multiplications for row in decoding)
    assert len(read_clip(job.decoded)) == 6


class Watch(Stopwatch):
    """Shows what it is given."""

    def __init__(self, wall_s: float, cpu_s: float) -> None:
        self._shown = Spent(wall_s, cpu_s)

    def spent(self) -> Spent:
        return self._shown


def test_what_other_programs_took_does_not_count() -> None:
    log = WorkLog()
    log.add_files(Watch(0.5, 0.1))
    log.add(Watch(0.4, 0.2), {"prior": Work(0.3, 1e9), "other": Work(0.05)})
    log.add(Watch(0.2, 0.3), {"prior": Work(0.4, 3e9), "other": Work(0.06)})  # two threads
    assert log.rows[0]["prior"] == Work(pytest.approx(0.15), 1e9)
    assert log.rows[0][OTHER].seconds == pytest.approx(0.05)
    assert log.rows[1]["prior"] == Work(pytest.approx(0.1), 2e9)
    assert log.rows[1][OTHER].seconds == pytest.approx(0.1)
    assert [row[FILES].seconds for row in log.rows] == [0.1, 0.0]


def test_the_fastest_of_each_frame_and_stage_counts() -> None:
    runs = [
        [{"prior": Work(0.5, 2e9), "other": Work(0.1)}, {"prior": Work(0.1, 1e9), "other": Work()}],
        [{"prior": Work(0.2, 2e9), "other": Work(0.1)}, {"prior": Work(0.9, 1e9), "other": Work()}],
    ]
    prior, other = summed_up(runs, 20.0)
    assert (prior.name, other.name) == ("prior", "other")
    assert prior.ms == pytest.approx(150) and other.ms == pytest.approx(50)
    assert prior.share == pytest.approx(0.75) and other.share == pytest.approx(0.25)
    assert prior.gmac_per_s == pytest.approx(10) and prior.roof_share == pytest.approx(0.5)
    assert other.gmac_per_s is None and other.roof_share is None


def test_networks_together() -> None:
    row = {"prior": Work(0.2, 4e9), "synthesis": Work(0.3, 1e9), "motion": Work(0.5)}
    together = networks(summed_up([[row]], 40.0))
    assert together is not None
    assert together.ms == pytest.approx(500) and together.share == pytest.approx(0.5)
    assert together.gmac_per_s == pytest.approx(10) and together.roof_share == pytest.approx(0.25)
    without = networks(summed_up([[row]], None))
    assert without is not None and without.roof_share is None
    assert networks(summed_up([[{"networks": Work(0.2), "other": Work(0.1)}]], 40.0)) is None


def test_stages_without_time_are_left_out() -> None:
    row = {"analysis": Work(), "prior": Work(0.1, 1e9)}
    assert [stage.name for stage in summed_up([[row]], None)] == ["prior"]


def test_rounds_take_time(job: Job) -> None:
    for done in (code(model_on("cpu", "default"), job, 2), code_with_x264(job)):
        for spent in (done.encode, done.decode):
            assert spent.wall_s > 0 and spent.cpu_s > 0
    assert (job.folder / "coded.264").stat().st_size > 0
