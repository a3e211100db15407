from __future__ import annotations

import numpy as np
import pytest

from colorvid.errors import InputError
from colorvid.frame import Frame


def test_hashes_run_over_the_rows_of_all_planes() -> None:
    samples = np.frombuffer(b"abcdefghij", np.uint8)
    y, u, v = samples[:6].reshape(2, 3), samples[6:8].reshape(1, 2), samples[8:].reshape(1, 2)
    for frame in (Frame(y, u, v), Frame(np.asfortranarray(y), u, v)):
        assert frame.crc32() == 0x3981703A
        assert frame.sha256() == (
            "72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf56b2106d06cb78b0"
        )


def test_planes_that_make_no_picture_are_refused() -> None:
    with pytest.raises(InputError, match="plane y is of type list; it must be an array of uint8"):
        Frame([[1]], [[1]], [[1]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"4:2:0 of 3x3 \(height x width\) needs \(2, 2\)"):
        Frame(*(np.zeros(s, np.uint8) for s in ((3, 3), (2, 2), (1, 2))))
