"""Small generated sequences in the place of UVG, so that its evaluation can be tried anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from colorvid.evaluation.compare import uvg
from colorvid.evaluation.compare.clips import Clip
from colorvid.evaluation.generated import generated_frames
from colorvid.io import VideoInfo, open_writer

SIZE = (192, 112)
"""Width and height, luma samples."""
SEQUENCES = uvg.SEQUENCES[:3]
FRAMES, GOP = 12, 6
"""Frames of each sequence and distance of key frames, unless said otherwise."""


def write_sequences(folder: Path, frames: int) -> None:
    """Write ``SEQUENCES`` into a folder as archives of UVG unpack, with their size in the name."""
    for seed, name in enumerate(SEQUENCES):
        path = folder / name / uvg.file_names(name, SIZE)[0]
        path.parent.mkdir()
        with open_writer(path, VideoInfo(*SIZE, uvg.RATE)) as writer:
            for frame in generated_frames(frames, *SIZE, seed=seed):
                writer.write(frame)


def load(path: Path, frames: int | None) -> Clip:
    """Read a sequence as UVG's are; ``synthetic`` stands in its name, and so in every table."""
    clip = uvg.load(path, frames)
    return replace(clip, name=f"synthetic-{clip.name}")
