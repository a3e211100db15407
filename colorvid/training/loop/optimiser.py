"""Optimisers: AdamW for everything, or one-sided SOAP for matrices and AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from colorvid.errors import ConfigError

NAMES = ("adamw", "soap")
"""What `make_optimisers` knows."""

_STATISTICS = 5  # steps from one update of a covariance to the next
_TURN = 20  # steps from one new basis to the next


def as_matrix(x: Tensor) -> Tensor:
    """``x`` as a matrix whose columns are its smaller side; of square ones the inputs.

    The first dimension is one side, for weights the outputs; all others are the other side.
    """
    matrix = x.reshape(len(x), -1)
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T


def is_matrix(x: Tensor) -> bool:
    """Whether both sides of ``x``, see `as_matrix`, are longer than one."""
    return x.dim() > 1 and 1 < len(x) < x.numel()


class Soap(torch.optim.Optimizer):
    """SOAP (Vyas et al., arXiv 2409.11321) for matrices, on their smaller side alone.

    Adam in the basis in which the columns of the gradient are uncorrelated: the eigenvectors of
    their running covariance, followed by one step of orthogonal iteration at a time. On both sides,
    as published, a step of the intra model takes longer and learns less. Weights decay as in AdamW.

    Args:
        parameters: float32 tensors for which `is_matrix` holds.
        lr: learning rate.
        betas: decay of the means of gradient and squared gradient; the latter of covariances too.
        weight_decay: share of a weight that a step at rate 1 takes away.
    """

    found_inf: Tensor | None = None
    """If not zero, the gradients are no numbers: `step` does nothing."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 1e-4,
    ) -> None:
        """Keep the settings; state is made in the first step."""
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move the parameters against their gradients; the first step only finds the bases."""
        assert closure is None, "gradients are there already"
        if self.found_inf is not None and bool(self.found_inf):
            return
        for settings in self.param_groups:
            for number, parameter in enumerate(settings["params"]):
                if parameter.grad is not None:
                    self._move(parameter, settings, number)

    def _move(self, parameter: Tensor, settings: dict[str, Any], number: int) -> None:
        gradient, state = as_matrix(parameter.grad), self.state[parameter]  # type: ignore[arg-type]
        first, second = settings["betas"]
        if not state:
            self._begin(state, gradient, second)
            return
        state["step"] += 1
        # Each parameter has its own turn, so that all steps take equally long.
        if (state["step"] + number) % _STATISTICS == 0:
            state["covariance"].lerp_(gradient.T @ gradient, 1 - second)
        if (state["step"] + number) % _TURN == 0:
            _turn(state)
        turned = gradient @ state["basis"]
        state["mean"].lerp_(turned, 1 - first)
        state["square"].mul_(second).addcmul_(turned, turned, value=1 - second)
        step, rate = state["step"], settings["lr"]
        size = rate * math.sqrt(1 - second**step) / (1 - first**step)
        update = (state["mean"] / state["square"].sqrt().add_(1e-8)) @ state["basis"].T
        if len(update) != len(parameter):  # `as_matrix` turned it
            update = update.T
        parameter.mul_(1 - rate * settings["weight_decay"])
        parameter.sub_(update.reshape(parameter.shape), alpha=size)

    @staticmethod
    def _begin(state: dict[str, Any], gradient: Tensor, second: float) -> None:
        exact = gradient.double().T @ gradient.double()  # small ones must not vanish
        exact /= exact.diagonal().sum().clamp(min=1e-300)
        state["step"] = 0
        state["covariance"] = (1 - second) * (gradient.T @ gradient)
        state["basis"] = torch.linalg.eigh(exact)[1].flip(1).to(gradient).contiguous()
        state["mean"] = torch.zeros_like(gradient, memory_format=torch.contiguous_format)
        state["square"] = torch.zeros_like(state["mean"])


def _turn(state: dict[str, Any]) -> None:
    """Bring the basis closer to the eigenvectors of the covariance, and the means with it."""
    basis = state["basis"]
    mean = state["mean"] @ basis.T
    ahead = state["covariance"] @ basis
    order = (basis * ahead).sum(dim=0).argsort(descending=True, stable=True)
    state["square"] = state["square"][:, order]
    state["basis"] = torch.linalg.qr(ahead[:, order])[0]
    state["mean"] = mean @ state["basis"]


def make_optimisers(
    parameters: Sequence[Tensor], name: str, rate: float
) -> list[torch.optim.Optimizer]:
    """Optimisers that together train ``parameters`` at ``rate``.

    Raises:
        ConfigError: ``name`` is none of `NAMES`.
    """
    if name not in NAMES:
        raise ConfigError(f"optimiser {name!r} is unknown; allowed are {', '.join(NAMES)}")
    matrices = [p for p in parameters if name == "soap" and is_matrix(p)]
    own = {id(p) for p in matrices}
    rest = [p for p in parameters if id(p) not in own]
    made: list[torch.optim.Optimizer] = []
    if rest:
        made.append(
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
        )
    if matrices:
        made.append(Soap(matrices, rate))
    return made
