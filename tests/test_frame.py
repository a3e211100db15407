from __future__ import annotations

import hashlib
import zlib

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
    with pytest.raises(
        InputError, match="plane y is of type list; it must be an array of uint8 or "
    ):
        Frame([[1]], [[1]], [[1]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"4:2:0 of 3x3 \(height x width\) needs \(2, 2\)"):
        Frame(*(np.zeros(s, np.uint8) for s in ((3, 3), (2, 2), (1, 2))))


def test_samples_of_10_bits() -> None:
    y = np.array([[0, 1, 1023], [2, 513, 1022]], np.uint16)
    frame = Frame(y, y[:1, :2], y[1:, :2])
    assert (frame.depth, frame.peak, repr(frame)) == (10, 1023, "Frame(3x2, 10 bits)")
    data = b"".join(plane.astype("<u2").tobytes() for plane in frame.planes)
    assert data[:6] == b"\0\0\1\0\xff\3"
    assert frame.crc32() == zlib.crc32(data)
    assert frame.sha256() == hashlib.sha256(data).hexdigest()


def test_samples_of_other_bits() -> None:
    y = np.array([[0, 1, 2, 5, 6, 1021, 1022, 1023]], np.uint16)
    fine = Frame(y, y[:, :4], y[:, 4:])
    coarse = fine.at_depth(8)
    assert coarse.depth == 8 and coarse.y.tolist() == [[0, 0, 1, 1, 2, 255, 255, 255]]
    assert coarse.v.tolist() == [[2, 255, 255, 255]]
    back = coarse.at_depth(10)
    assert back.y.tolist() == [[0, 0, 4, 4, 8, 1020, 1020, 1020]] and back != coarse
    assert fine.at_depth(10) is fine and coarse.at_depth(8) is coarse
    assert fine.search_luma().tolist() == coarse.search_luma().tolist() == coarse.y.tolist()


def test_planes_of_other_types_are_refused() -> None:
    wide = np.zeros((1, 1), np.uint16)
    with pytest.raises(InputError, match="plane y is int64; it must be uint8, or uint16 for 10 b"):
        Frame(*[wide.astype(np.int64)] * 3)
    with pytest.raises(InputError, match="plane v is uint8; it must be uint16 as y"):
        Frame(wide, wide, wide.astype(np.uint8))
    with pytest.raises(InputError, match="plane u has the sample 1024; samples of 10 bits are 0.."):
        Frame(wide, wide + np.uint16(1024), wide)
