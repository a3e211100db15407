"""Training by several processes, each on its share of every batch.

All processes draw the same random numbers for the whole batch and average their gradients, so that
their number changes nothing but rounding: two of them do what one does with twice the batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from colorvid.errors import ConfigError

Items = TypeVar("Items", Tensor, NDArray[Any])

_PATIENCE = timedelta(days=7)  # the leader may decode a large data set; torchrun ends the dead


def size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_leader() -> bool:
    """Whether this is the process that decodes data and writes files."""
    return rank() == 0


def share(items: Items) -> Items:
    """This process's part of what was drawn for all; their number is a multiple of `size`."""
    count = len(items) // size()
    return items[rank() * count : (rank() + 1) * count]


def average(tensors: Sequence[Tensor]) -> None:
    """Replace float32 tensors by their means over all processes, in one exchange."""
    if size() == 1:
        return
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    flat /= size()
    parts = torch.split(flat, [t.numel() for t in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))


def anyone(said: bool) -> bool:
    """Whether a process says so; all of them ask in the same place, and get the same answer."""
    if size() == 1:
        return said
    votes = torch.tensor([float(said)])  # of the CPU: a GPU need not finish its work first
    dist.all_reduce(votes)
    return bool(votes.item() > 0)


def wait_for_all() -> None:
    """Go on when all processes are here."""
    if size() > 1:
        dist.barrier()


def copy_from_leader(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by the leader's."""
    if size() == 1:
        return
    for tensor in tensors:
        whole = tensor.contiguous()
        dist.broadcast(whole, 0)
        tensor.copy_(whole)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """In the block torch computes with ``count`` threads in this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def leader_first() -> Iterator[None]:
    """Run the block in the leader, then in all others."""
    if not is_leader():
        wait_for_all()
    yield
    if is_leader():
        wait_for_all()


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Join the processes that ``torchrun`` started, if it did, while the block runs.

    Args:
        device: ``cpu`` or ``cuda``.

    Yields:
        The device of this process: of several GPUs the one of its number on this machine.

    Raises:
        ConfigError: there is no such GPU.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = device == "cuda"
    if cuda and torch.cuda.device_count() <= local:
        raise ConfigError(
            f"process {local} needs GPU {local}, and torch sees {torch.cuda.device_count()}; "
            "start fewer processes, or pass device=cpu"
        )
    if cuda:
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
        torch.backends.cudnn.allow_tf32 = False  # too coarse for the rounded part of a run
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield device
        return
    own = torch.device(device) if cuda else None
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE, device_id=own)
    yield device
    dist.destroy_process_group()
