from __future__ import annotations

import numpy as np
import pytest
import torch

from colorvid.frame import Frame
from colorvid.models.planes import FrameTensors, from_features, padded
from tests.clips import moving_frames


@pytest.mark.parametrize(("size", "wanted"), [(1, 16), (16, 16), (17, 32), (720, 720)])
def test_sizes_are_padded_to_multiples_of_16(size: int, wanted: int) -> None:
    assert padded(size) == wanted


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (17, 33), (16, 48)])
def test_features_and_back(size: tuple[int, int], depth: int) -> None:
    frame = moving_frames(1, *size, depth=depth)[0]
    picture = FrameTensors.of(frame)
    assert picture.depth == depth and picture.frame() == frame
    for carrier in (torch.float32, torch.float64):
        y, uv = picture.features(carrier)
        assert y.dtype == carrier and y.shape[-2:] == (padded(size[0]), padded(size[1]))
        assert uv.shape == (1, 2, y.shape[2] // 2, y.shape[3] // 2)
        back = from_features(y, uv, *size, depth).frame()
        for a, b in zip(back.planes, frame.planes, strict=True):
            assert np.array_equal(a, b)


def test_edges_are_repeated() -> None:
    y = np.array([[10, 20, 30]], np.uint8)
    chroma = np.array([[1, 2]], np.uint8)
    luma, uv = FrameTensors.of(Frame(y, chroma, chroma + 100)).padded()
    assert luma[0, 0, 15].tolist() == [10, 20] + 14 * [30]
    assert uv[0, :, 7].tolist() == [[1] + 7 * [2], [101] + 7 * [102]]


def test_units_are_32_samples_around_128() -> None:
    plane = np.array([[128, 160], [0, 255]], np.uint8)
    y, _ = FrameTensors.of(Frame(plane, plane[:1, :1], plane[:1, :1])).units()
    assert y[0, 0, :2, :2].tolist() == [[0, 1], [-4, 127 / 32]]
    plane = np.array([[512, 640], [0, 1023]], np.uint16)
    y, _ = FrameTensors.of(Frame(plane, plane[:1, :1], plane[:1, :1])).units()
    assert y[0, 0, :2, :2].tolist() == [[0, 1], [-4, 511 / 128]]


def test_features_are_rounded_half_to_even_and_clipped() -> None:
    y = torch.tensor([4.0, 12, 3, 2047, -2047, -4]).reshape(1, 1, 1, 6)
    uv = torch.zeros(1, 2, 1, 3)
    assert from_features(y, uv, 1, 6).y.tolist() == [[128, 130, 128, 255, 0, 128]]
    y = torch.tensor([1.0, 3, -1, 2047, -2047, -5]).reshape(1, 1, 1, 6)
    assert from_features(y, uv, 1, 6, 10).y.tolist() == [[512, 514, 512, 1023, 0, 510]]


def test_changing_the_tensor_leaves_the_frame_alone() -> None:
    frame = moving_frames(1, 4, 4)[0]
    before = frame.crc32()
    FrameTensors.of(frame).y.zero_()
    assert frame.crc32() == before
