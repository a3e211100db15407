"""A stage of training as a TOML file describes it: what is trained, on what, for how long."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from colorvid.config import CodecConfig, InterConfig, IntraConfig, from_table, read_toml
from colorvid.errors import ConfigError
from colorvid.models.modelfile import RELEASED, find_model
from colorvid.models.video import VideoModel
from colorvid.training import group
from colorvid.training.data.pictures import PictureStore
from colorvid.training.data.sequences import SequenceStore
from colorvid.training.data.sources import DataConfig
from colorvid.training.loop.gradients import Task
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.trainer import Trainer
from colorvid.training.loop.weights import averaged_weights, load_run, run_config
from colorvid.training.tasks.loss import LossConfig
from colorvid.training.tasks.single import InterTask, IntraTask
from colorvid.training.tasks.unrolled import JointTask, UnrollConfig, UnrolledTask

KINDS = ("intra", "inter", "unrolled", "joint")
"""What ``kind`` may be."""
_TABLES = ("kind", "data", "model", "loss", "schedule")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The configuration of a stage, and the folders that it speaks of.

    Attributes:
        table: contents of the file, see ``configs/``.
        name: of the file, for error messages.
        data: folder of the training data.
        runs: folder of all runs; ``[data.models]`` names runs or model files in it.
        held_out: folder of pictures or clips for the validation loss; None = crops of the
            training data.
    """

    table: dict[str, Any]
    name: str
    data: Path
    runs: Path
    held_out: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a file that does not describe a stage.

        Raises:
            ConfigError: a table is missing, or the kind is unknown.
        """
        missing = [part for part in _TABLES if part not in self.table]
        if missing:
            raise ConfigError(
                f"{self.name}: no configuration of training; it lacks {', '.join(missing)}"
            )
        kind = self.table["kind"]
        if kind not in KINDS:
            raise ConfigError(
                f"{self.name}: kind {kind!r} is unknown; allowed are {', '.join(KINDS)}"
            )

    @staticmethod
    def read(path: Path, data: Path, runs: Path, held_out: Path | None = None) -> Recipe:
        """Read a file.

        Raises:
            ConfigError: it cannot be read, or does not describe a stage.
        """
        return Recipe(read_toml(path), str(path), data, runs, held_out)

    @property
    def models(self) -> dict[str, str]:
        """Names of the runs or model files that code the data, by ``intra`` and ``inter``."""
        found: dict[str, str] = self.table["data"].get("models", {})
        return found

    @property
    def sources(self) -> DataConfig:
        """Which data to train on."""
        table = {k: v for k, v in self.table["data"].items() if k != "models"}
        config: DataConfig = from_table(DataConfig, table, self.name)
        return config

    def codec(self) -> CodecConfig:
        """What ``[model]`` says of the inter codec, and ``[model.intra]`` of the intra codec.

        The latter are changes to the configuration of the intra run in `models`, if there is one.
        """
        table, runs = self.table["model"], self.models
        kept = asdict(run_config(IntraConfig, self.runs / runs["intra"])) if "intra" in runs else {}
        intra = from_table(IntraConfig, {**kept, **table.get("intra", {})}, self.name)
        inter = {key: value for key, value in table.items() if key != "intra"}
        return CodecConfig(intra, from_table(InterConfig, inter, self.name))

    def coder(self, config: CodecConfig) -> VideoModel:
        """The codec that makes closed-loop data: the runs in `models`, the rest untrained.

        Chroma offsets are those of ``config``.
        """
        inter = config.inter
        if "inter" in self.models:
            trained = run_config(InterConfig, self.runs / self.models["inter"])
            inter = replace(trained, chroma_offset=inter.chroma_offset)
        coder = VideoModel(config.intra, inter).to(memory_format=torch.channels_last).eval()
        for part, run in self.models.items():
            load_run(coder, part, self.runs / run)
        coder.finalise()
        coder.use_exact()
        return coder

    def task(self, run: Path) -> Task:
        """What is trained; its data are decoded into the folder ``run``.

        Raises:
            ConfigError: a table has a key or a value that is not allowed.
            InputError: there are no data, or they cannot be read.
        """
        loss = from_table(LossConfig, self.table["loss"], self.name)
        if self.table["kind"] == "intra":
            pictures = PictureStore.open(self.sources, self.data, run / "pictures.bin")
            return IntraTask(
                from_table(IntraConfig, self.table["model"], self.name), loss, pictures
            )
        sources, config = self.sources, self.codec()
        coder = self.coder(config)
        sequences = SequenceStore.open(coder, sources, self.data, run / "sequences.bin")
        if self.table["kind"] == "inter":
            return InterTask(config.inter, loss, sequences)
        unroll = from_table(UnrollConfig, self.table.get("unroll", {}), self.name)
        if self.table["kind"] == "unrolled":
            return UnrolledTask(config.inter, loss, sequences, unroll)
        task = JointTask(config, loss, sequences, unroll)
        for part, trained in self.models.items():
            weights = averaged_weights(self.runs / trained, part)
            task.networks.get_submodule(part).load_state_dict(weights, strict=False)
        return task

    def on_held_out(self, task: Task, run: Path) -> Task | None:
        """``task`` with its networks, on the data of `held_out`, decoded into ``run``; or None.

        Raises:
            InputError: there are no data, or they cannot be read.
        """
        if self.held_out is None:
            return None
        other, cache = copy.copy(task), run / "validation.bin"
        if isinstance(other, IntraTask):
            other.pictures = PictureStore.open(DataConfig(), self.held_out, cache)
        else:
            assert isinstance(other, InterTask | UnrolledTask | JointTask)
            plain = DataConfig(frames=self.sources.frames, bframes=self.sources.bframes)
            coder = self.coder(self.codec())
            other.sequences = SequenceStore.open(coder, plain, self.held_out, cache)
        return other

    def train(
        self,
        run: Path,
        device: str = "cpu",
        start: Path | None = None,
        until: int | None = None,
        threads: int = 1,
    ) -> None:
        """Train, or go on from the checkpoint in ``run``.

        Args:
            run: folder of decoded data, checkpoint and logs; made if it is missing.
            device: ``cpu`` or ``cuda``.
            start: run, model file, or name of a released model, whose weights a new run starts
                from, see `Trainer`.
            until: stop after this step; None = at the end of the schedule.
            threads: of torch, in each process.

        Raises:
            ConfigError: the configuration is not allowed, or does not fit ``start``.
            InputError: there are no data, or no checkpoint in ``start``.
            KeyboardInterrupt: stopped, see `Trainer.run`.
            OutputError: ``run`` cannot be written to.
        """
        schedule = from_table(ScheduleConfig, self.table["schedule"], self.name)
        run.mkdir(parents=True, exist_ok=True)
        if start is not None and not start.exists() and str(start) in RELEASED:
            start = find_model(str(start))
        with group.threads(threads), group.joined(device) as place:
            torch.manual_seed(schedule.seed)
            task = self.task(run)
            held_out = self.on_held_out(task, run)
            Trainer(task, schedule, run, place, start).run(until, held_out)
