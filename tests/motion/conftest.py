"""Both motion coders: the reference in Python and the one of the native core."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from colorvid.motion.coding import MotionCoder
from colorvid.motion.native import AnyMotionCoder, NativeMotionCoder
from colorvid.native.core import at_level
from tests.motion.frames import SLOTS


@pytest.fixture(params=["reference", "native"])
def make(request: pytest.FixtureRequest) -> Callable[[tuple[int, int]], AnyMotionCoder]:
    """Makes fresh coders of one kind."""
    if request.param == "reference":
        return MotionCoder
    return lambda shape: NativeMotionCoder(at_level("1"), shape, SLOTS)
