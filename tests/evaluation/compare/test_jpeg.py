"""JPEG files of frames: the planes that go in come out."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from colorvid.evaluation.compare.anchors import picture_to_frame
from colorvid.evaluation.compare.jpeg import write_jpegs
from colorvid.frame import Frame, chroma_size


@pytest.mark.parametrize("size", [(64, 48), (33, 47)])
def test_flat_blocks_of_chroma_come_back_as_they_were(
    size: tuple[int, int], tmp_path: Path
) -> None:
    """Blocks of one value survive the transform: what is lost would be lost in resampling."""
    rng = np.random.default_rng(3)
    shapes = (size, chroma_size(*size), chroma_size(*size))
    planes = []
    for height, width in shapes:
        blocks = rng.integers(16, 235, (-(-height // 8), -(-width // 8)), np.uint8)
        planes.append(blocks.repeat(8, 0).repeat(8, 1)[:height, :width].copy())
    frame = Frame(*planes)
    path = tmp_path / "a.mjpeg"
    sizes = write_jpegs([frame, frame], path, 100)
    assert sum(sizes) == path.stat().st_size and sizes[0] == sizes[1]
    with av.open(str(path), format="mjpeg") as container:
        pictures = [picture_to_frame(p, *size) for p in container.decode(video=0)]
    assert len(pictures) == 2
    for one, two in zip(frame.planes, pictures[1].planes, strict=True):
        assert np.abs(one.astype(int) - two.astype(int)).max() <= 1  # rounding of the transform


def test_a_higher_quality_costs_more(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    frame = Frame(noise, noise[::2, ::2].copy(), noise[::2, ::2].copy())
    sizes = [write_jpegs([frame], tmp_path / "a.mjpeg", quality)[0] for quality in (10, 50, 95)]
    assert sizes == sorted(set(sizes))
