"""What a GPU may record as a step, and steps whose gradients are not finite."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from colorvid.nn.steps import coded
from colorvid.training.loop.schedule import ScheduleConfig
from colorvid.training.loop.trainer import Trainer
from colorvid.training.tasks import delta_e
from colorvid.training.tasks.loss import Figures, LossConfig
from tests.training import runs

MAKERS: dict[str, Callable[[Path, ScheduleConfig], Trainer]] = {
    "intra": runs.intra_trainer,
    "inter": runs.inter_trainer,
    "unrolled": runs.unrolled_trainer,
    "joint": runs.joint_trainer,
}


def _form(value: Any) -> Any:
    """Of a tensor all but the values, which ``meta`` does not have; other things themselves."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, list | tuple):
        return tuple(_form(v) for v in value)
    return type(value), value


class Watch(TorchDispatchMode):
    """Notes operations that a recorded step cannot have: their results are not on the device.

    What the same operation gave for tensors of the same form it does not work out again, which
    takes ``meta`` most of the time.
    """

    def __init__(self, known: dict[Any, Any]) -> None:
        """Look up, and put down, the forms of results in ``known``."""
        super().__init__()
        self.found: set[str] = set()
        self._known = known

    def _result(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = func, _form(args), _form(tuple(kwargs.items()))
        if key in self._known:
            shape, stride, dtype, device = self._known[key]
            return torch.empty_strided(shape, stride, dtype=dtype, device=device)
        result = func(*args, **kwargs)
        plain = isinstance(result, Tensor) and result.is_meta
        schema = func._schema
        if plain and not any(a.alias_info for a in (*schema.arguments, *schema.returns)):
            self._known[key] = _form(result)
        return result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = self._result(func, args, kwargs or {})
        values = [v for v in tree_leaves(result) if isinstance(v, Tensor)]
        if any(v.device.type == "cpu" for v in values) or "_local_scalar" in str(func):
            self.found.add(str(func))
        return result


@pytest.mark.parametrize("kind", MAKERS)
def test_a_second_step_asks_nothing_of_the_processor(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device ``meta`` stands for a GPU; the first step may still make constants."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    for constants in (coded, delta_e._taps, delta_e._to_xyz):
        constants.cache_clear()
    task: Any = MAKERS[kind](tmp_path, runs.schedule(4)).task
    task.loss_config = LossConfig(delta_e=1e-5)
    task.networks.to("meta")
    drawn = [tensor.to("meta") for tensor in task.draw(np.random.default_rng(1), 2, 64)]
    known: dict[Any, Any] = {}
    with Watch(known) as first:
        task.loss(drawn)["loss"].backward()
    with Watch(known) as second:
        task.loss(drawn)["loss"].backward()
    assert first.found, "or nothing is watched"
    assert not second.found


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(4))
    trainer.run(1)
    task: Any = trainer.task
    sound = task.loss
    before = {k: v.clone() for k, v in task.networks.state_dict().items()}

    def broken(drawn: list[Tensor]) -> Figures:
        return {name: value * float("inf") for name, value in sound(drawn).items()}

    task.loss = broken
    trainer.run(3)
    after = task.networks.state_dict()
    assert trainer.step == 3 and all(torch.equal(after[k], v) for k, v in before.items())
    task.loss = sound
    trainer.run(4)
    after = task.networks.state_dict()
    assert not all(torch.equal(after[k], v) for k, v in before.items())
    assert all(torch.isfinite(v).all() for v in after.values() if v.is_floating_point())


def test_the_average_is_the_weights_themselves_while_rounding(tmp_path: Path) -> None:
    trainer = runs.intra_trainer(tmp_path, runs.schedule(4, rounding=0.5))
    name = "model.luma.prior.context.high_first.weight"
    equal = []
    for _ in range(4):
        trainer._advance()
        equal.append(torch.equal(trainer.average[name], trainer.task.networks.state_dict()[name]))
    assert equal == [False] * 2 + [True] * 2
