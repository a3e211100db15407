from pathlib import Path

from tests.conftest import CodedClip, read_clip
from tools import bench, demo


def test_demo_prints_every_figure(coded: CodedClip, tmp_path: Path) -> None:
    text = demo.run(coded.source, tmp_path / "new", frames=4, quality=32)
    rows = {line[:16].strip(): line[16:] for line in text.splitlines()}
    assert rows["frames"] == "4"
    assert rows["verified"] == "4 frames, all right"
    for name in ("rate", "PSNR Y / U / V", "PSNR YUV 6:1:1", "dE00", "encode", "decode"):
        assert any(c.isdigit() for c in rows[name]), name
    assert len(read_clip(tmp_path / "new" / "source.y4m")) == 4


def test_bench_measures_every_stage(coded: CodedClip, tmp_path: Path) -> None:
    settings = bench.EncoderSettings(gop=4)
    text = "\n".join(bench.bench(coded.source, tmp_path, settings))
    assert "torch " in text and "8 frames" in text and "2 workers" in text
    for line in text.splitlines()[-2:]:
        for stage in ("I/O", "motion", "networks", "entropy"):
            assert f"{stage} " in line


def test_generated_clip_moves_and_fills_the_range() -> None:
    first, second = bench.generated_frames(2, 65, 33)
    assert (first.width, first.height) == (65, 33)
    assert first.y.std() > 10 and first.u.std() > 2
    assert abs(first.y.astype(int) - second.y).mean() > 2
