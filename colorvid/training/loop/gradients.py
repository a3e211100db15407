"""Loss and gradients of one training step; a GPU records it once and then replays it.

A step is thousands of small kernels. To start them one by one takes a processor several times
longer than the GPU needs to run them; a CUDA graph starts them all at once.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from colorvid.config import CodecConfig, InterConfig, IntraConfig
from colorvid.exact.arithmetic import FloatArithmetic
from colorvid.exact.layers import use_arithmetic
from colorvid.training import group
from colorvid.training.tasks.loss import Figures

_WARM_UP = 3
"""Steps before recording: constants are made and kept, libraries choose their kernels."""


class Task(Protocol):
    """What is trained: networks, and the loss of one random batch."""

    @property
    def config(self) -> IntraConfig | InterConfig | CodecConfig:
        """What the networks were made from; stored with the weights."""

    @property
    def networks(self) -> nn.Module:
        """What is trained."""

    def draw(self, generator: np.random.Generator, batch: int, crop: int) -> list[Tensor]:
        """This process's share of one random batch, on the CPU.

        ``batch`` is that of all processes; all of them give the generator in the same state.
        """

    def loss(self, drawn: list[Tensor]) -> Figures:
        """Figures of what was drawn, now on the device of the networks.

        Only operations on that device: no decision here may depend on a value there.
        """


class Gradients:
    """Loss and gradients of batches of one shape, in one arithmetic."""

    def __init__(self, task: Task, device: str, *, rounding: bool, bfloat16: bool) -> None:
        """Choose the arithmetic of the networks.

        Args:
            task: what is trained.
            device: where its networks are.
            rounding: round weights and activations as in export.
            bfloat16: run convolutions in bfloat16.
        """
        use_arithmetic(task.networks, FloatArithmetic(rounding))
        self._task, self._device, self._bfloat16 = task, torch.device(device), bfloat16
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, drawn: list[Tensor]) -> Figures:
        """Figures of a batch; then the gradients are those of its loss.

        On a GPU both are promised, not there yet, and the next call overwrites them.
        """
        if self._device.type != "cuda":
            return self._compute([t.to(self._device) for t in drawn])
        if self._graph is None:
            self._record(drawn)
        for own, new in zip(self._batch, drawn, strict=True):
            own.copy_(new.pin_memory(), non_blocking=True)
        for parameter, gradient in self._recorded:
            parameter.grad = gradient
        assert self._graph is not None
        self._graph.replay()
        return self._figures

    def _compute(self, drawn: list[Tensor]) -> Figures:
        for parameter in self._task.networks.parameters():
            parameter.grad = None
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            figures = self._task.loss(drawn)
        figures["loss"].backward()  # type: ignore[no-untyped-call]
        return {name: value.detach() for name, value in figures.items()}

    def _record(self, drawn: list[Tensor]) -> None:
        """Record a step on memory of its own; random numbers stay as they were."""
        self._batch = [t.to(self._device) for t in drawn]
        random = torch.cuda.get_rng_state(self._device)
        main = torch.cuda.current_stream(self._device)
        side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        side.wait_stream(main)
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._compute(self._batch)
        main.wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._figures = self._compute(self._batch)
        self._recorded = [(p, p.grad) for p in self._task.networks.parameters()]
        torch.cuda.set_rng_state(random, self._device)


def bfloat16_pays(device: str) -> bool:
    """Whether networks on this device train faster in bfloat16 than in float32.

    GPUs do. A CPU does if it has AMX: with the bfloat16 of AVX-512 alone a step takes 1.3 to 1.6
    times as long as in float32, and without any it is emulated, up to a hundred times slower. A
    machine always answers the same, and so do all processes of a run.
    """
    if torch.device(device).type != "cpu":
        return True
    faster = torch.tensor([float(getattr(torch.cpu, "_is_amx_tile_supported", bool)())])
    group.average([faster])
    return bool(faster == 1)
