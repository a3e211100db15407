"""The native core against the Python path: the same bytes, vectors, samples and errors."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import torch

from colorvid.errors import DamagedStream
from colorvid.motion.coding import MotionCoder
from colorvid.motion.compensate import compensate_in_torch
from colorvid.motion.native import NativeMotionCoder
from colorvid.native.core import at_level, levels
from colorvid.native.motion import compensate
from tests.motion.test_coding import SHAPES, fields
from tests.motion.test_compensate import moves, picture

LEVELS = [level.name.lower() for level in levels()]
SIZES = [(1, 1), (2, 2), (5, 9), (8, 8), (17, 33), (24, 16), (61, 83), (144, 176)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_bytes_of_vectors_are_the_same(shape: tuple[int, int], seed: int) -> None:
    reference, native = MotionCoder(), NativeMotionCoder(at_level("1"))
    for field in fields(shape, seed):
        assert native.encode(field) == reference.encode(field)


@pytest.mark.parametrize("seed", range(300))
def test_damage_gives_the_same_field_or_the_same_error(seed: int) -> None:
    rng = random.Random(seed)
    shape = (rng.randrange(1, 12), rng.randrange(1, 20))
    data = bytearray(MotionCoder().encode(fields(shape, seed)[rng.choice((4, 5, 6))]) or b"\0")
    for _ in range(rng.randrange(4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    damaged = bytes(data[: rng.randrange(len(data) + 1)]) + rng.randbytes(rng.choice((0, 0, 9)))
    answers = []
    for coder in (MotionCoder(), NativeMotionCoder(at_level("1"))):
        try:
            answers.append((coder.decode(damaged, shape).tolist(), ""))
        except DamagedStream as error:
            answers.append(([], str(error)))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("reach", [0, 9, 60, 2047])
@pytest.mark.parametrize("size", SIZES)
def test_the_same_samples_are_predicted(size: tuple[int, int], reach: int, level: str) -> None:
    planes, field = picture(*size, reach), moves(*size, reach, reach)
    wanted = compensate_in_torch(planes, torch.from_numpy(field))
    y, u, v = (plane.numpy() for plane in planes)
    for got, plane in zip(compensate(at_level(level), (y, u, v), field), wanted, strict=True):
        np.testing.assert_array_equal(got, plane.numpy())


def test_threads_do_not_disturb_each_other() -> None:
    every = [fields((18, 22), seed) for seed in range(4)]
    wanted = [[MotionCoder().encode(field) for field in part] for part in every]
    got: list[list[bytes]] = [[] for _ in every]

    def work(number: int) -> None:
        for _ in range(20):
            got[number] = [NativeMotionCoder(at_level("1")).encode(f) for f in every[number]]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(every))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == wanted
