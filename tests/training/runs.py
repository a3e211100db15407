"""Tiny training runs on generated pictures."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from pathlib import Path

import torch

from colorvid.codec.settings import EncoderSettings
from colorvid.config import CodecConfig, InterConfig, IntraConfig
from colorvid.models.video import VideoModel
from colorvid.training.data.pictures import PictureStore
from colorvid.training.data.sequences import (
    SequenceStore,
    write_samples,
)
from colorvid.training.data.sources import DataConfig
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.trainer import Trainer
from colorvid.training.tasks.loss import LossConfig
from colorvid.training.tasks.single import InterTask, IntraTask
from colorvid.training.tasks.unrolled import JointTask, UnrollConfig, UnrolledTask
from tests import tiny
from tests.clips import moving_frames

UNROLL = UnrollConfig(frames=2, border=0)
SETTINGS = EncoderSettings(quality=40, inter_quality=34, bframes=0)


def schedule(steps: int, **changes: object) -> ScheduleConfig:
    values = dict(
        steps=steps, batch=2, crop=32, late_crop=64, rate=2e-3, warmup=2, rounding=0.7, late=0.8,
        bfloat16=False,
    )  # fmt: skip
    return ScheduleConfig(**{**values, **changes})  # type: ignore[arg-type]


def pictures(folder: Path, count: int = 3) -> PictureStore:
    """A store of generated pictures of 80x96 samples, as if decoded before."""
    entries, offset = [], 0
    with open(folder / "pictures.bin", "wb") as file:
        for seed in range(count):
            planes = moving_frames(1, 80, 96, seed)[0].planes
            entries.append((offset, 80, 96))
            offset += sum(file.write(p.tobytes()) for p in planes)
    (folder / "pictures.json").write_text(json.dumps(entries))
    return PictureStore.open(DataConfig(), folder, folder / "pictures.bin")


@lru_cache(maxsize=1)
def coder() -> VideoModel:
    """What codes the data; nothing changes it, nor the random numbers of who asks first."""
    with torch.random.fork_rng(devices=[]):
        return tiny.network(ends=0)


@lru_cache(maxsize=8)
def _coded(
    counts: tuple[int, ...], size: tuple[int, int], settings: EncoderSettings
) -> tuple[bytes, str]:
    """Contents of both files of `sequences`, as coding the same for every test takes long."""
    file, entries = io.BytesIO(), []
    for count in counts:
        entries += write_samples(file, coder(), moving_frames(count, *size), settings)
    return file.getvalue(), json.dumps(entries)


def sequences(
    folder: Path,
    counts: tuple[int, ...] = (4,),
    size: tuple[int, int] = (80, 96),
    settings: EncoderSettings = SETTINGS,
) -> SequenceStore:
    """A store of the inter frames of generated clips of ``counts`` frames, as if coded before."""
    samples, entries = _coded(counts, size, settings)
    (folder / "sequences.bin").write_bytes(samples)
    (folder / "sequences.json").write_text(entries)
    return SequenceStore.open(coder(), DataConfig(), folder, folder / "sequences.bin")


def intra_trainer(
    folder: Path, plan: ScheduleConfig, config: IntraConfig = tiny.INTRA, start: Path | None = None
) -> Trainer:
    folder.mkdir(parents=True, exist_ok=True)
    task = IntraTask(config, LossConfig(), pictures(folder))
    return Trainer(task, plan, folder, start=start)


def inter_trainer(folder: Path, plan: ScheduleConfig, config: InterConfig = tiny.INTER) -> Trainer:
    folder.mkdir(parents=True, exist_ok=True)
    return Trainer(InterTask(config, LossConfig(), sequences(folder)), plan, folder)


def unrolled_trainer(
    folder: Path, plan: ScheduleConfig, config: InterConfig = tiny.INTER
) -> Trainer:
    folder.mkdir(parents=True, exist_ok=True)
    return Trainer(UnrolledTask(config, LossConfig(), sequences(folder), UNROLL), plan, folder)


def joint_trainer(folder: Path, plan: ScheduleConfig) -> Trainer:
    folder.mkdir(parents=True, exist_ok=True)
    config = CodecConfig(tiny.INTRA, tiny.INTER)
    return Trainer(JointTask(config, LossConfig(), sequences(folder), UNROLL), plan, folder)
