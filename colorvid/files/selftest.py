"""The self-test: known answers that show that this machine decodes streams exactly.

It proves what decoding would use: the native core, or PyTorch where that is missing, switched off
or not for the device; see `colorvid.files.selftest_torch`. Each check compares a result of this
machine with integers or hashes that were fixed elsewhere; `docs/exactness.md` says what they prove.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator

from colorvid.files.known_answers import (
    B_SHA256,
    CDF,
    INDEX,
    MOTION10_SHA256,
    MOTION_SHA256,
    RANS_WORDS,
    SIZE,
    SIZES,
    SYMBOLS,
    VECTORS_SHAPE,
    answers,
    check,
    picture,
    read_vectors,
    stream,
    vectors,
)
from colorvid.frame import DEPTHS, Frame, Motion
from colorvid.models.loading import check_device, load_model, need_torch
from colorvid.models.modelfile import RELEASED
from colorvid.motion.field import grid_shape
from colorvid.motion.native import motion_coder
from colorvid.native.core import Core, core, describe
from colorvid.native.motion import compensate
from colorvid.native.symbols import read_symbols


def run(device: str = "cpu") -> Iterator[str]:
    """Run all checks; yields a line of text for each as soon as it has passed.

    Args:
        device: torch device; ``cpu`` takes the native core where it is there.

    Raises:
        ConfigError: no such device.
        HashMismatch: a result differs; this machine would decode wrong pictures.
        ModelMismatch: a released model cannot be used, or its data belong to another model.
    """
    check_device(device)
    machine = f"machine: {platform.machine()}, Python {platform.python_version()}"
    native = core() if device == "cpu" else None
    if native is not None:
        yield f"{machine}, {describe()}"
        yield from _native(native)
    else:
        need_torch(device)
        from colorvid.files import selftest_torch

        yield f"{machine}, {selftest_torch.describe(device)}"
        yield from selftest_torch.checks(device)
    yield "all right: this machine decodes exactly"


def _native(native: Core) -> Iterator[str]:
    """Checks of the native core."""
    tables = (CDF, SIZES)
    data = bytes.fromhex(RANS_WORDS)
    title = "entropy decoder: symbols from fixed bytes"
    yield check(title, lambda: read_symbols(native, tables, INDEX, data).tolist(), list(SYMBOLS))
    known = [vectors(VECTORS_SHAPE).tolist(), B_SHA256]
    title = "motion decoder: vectors from fixed bytes"
    yield check(title, lambda: read_vectors(motion_coder(VECTORS_SHAPE, 3)), known)
    moved = Motion(vectors(grid_shape(*SIZE.shape)))
    yield check(
        "motion compensation: a picture by fixed vectors",
        lambda: [
            Frame(*compensate(native, moved, picture().at_depth(depth).planes)).sha256()
            for depth in DEPTHS
        ],
        [MOTION_SHA256, MOTION10_SHA256],
    )
    for name in RELEASED:
        model = load_model(name)
        expected = answers(name, model)
        yield f"model {name}: all sums proved to be exact"
        yield stream(name, f"model {name}", model, expected["frames"])
