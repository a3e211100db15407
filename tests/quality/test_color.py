import time

import numpy as np
import pytest

from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame, chroma_size
from colorvid.quality.color import (
    ColorSpec,
    Matrix,
    choose_matrix,
    delta_e,
    frame_delta_e,
    frame_to_lab,
    frame_to_rgb,
    rgb_to_frame,
    rgb_to_xyz,
    srgb_to_linear,
    upsampling_taps,
)
from tests.clips import moving_frames
from tests.sharma import EXPECTED, FIRST, SECOND


def flat(y: int, u: int, v: int, height: int = 4, width: int = 6) -> Frame:
    chroma = chroma_size(height, width)
    return Frame(
        np.full((height, width), y, np.uint8),
        np.full(chroma, u, np.uint8),
        np.full(chroma, v, np.uint8),
    )


def noise(height: int, width: int, seed: int) -> Frame:
    rng = np.random.default_rng(seed)
    chroma = chroma_size(height, width)
    shapes = ((height, width), chroma, chroma)
    return Frame(*(rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes))


def reference_lab(y: float, u: float, v: float) -> list[float]:
    """CIELAB of one limited-range BT.709 colour, written out step by step in plain Python."""
    luma, cb, cr = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    rgb = (luma + 1.5748 * cr, luma - 0.187324 * cb - 0.468124 * cr, luma + 1.8556 * cb)
    clipped = [min(max(c, 0.0), 1.0) for c in rgb]
    lin = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in clipped]
    xyz = (
        (0.4124564 * lin[0] + 0.3575761 * lin[1] + 0.1804375 * lin[2]) / 0.95047,
        0.2126729 * lin[0] + 0.7151522 * lin[1] + 0.0721750 * lin[2],
        (0.0193339 * lin[0] + 0.1191920 * lin[1] + 0.9503041 * lin[2]) / 1.08883,
    )
    f = [t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in xyz]
    return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])]


def test_delta_e_meets_the_published_pairs_in_both_orders() -> None:
    assert np.abs(delta_e(FIRST, SECOND) - EXPECTED).max() < 1e-4
    assert np.abs(delta_e(SECOND, FIRST) - EXPECTED).max() < 1e-4


def test_delta_e_in_float32_stays_close() -> None:
    result = delta_e(FIRST.astype(np.float32), SECOND.astype(np.float32))
    assert result.dtype == np.float32
    assert np.abs(result - EXPECTED).max() < 5e-4


def test_delta_e_is_finite_at_greys_and_between_equal_colours() -> None:
    colours = np.array([[0.0, 50, 100, 50, 50], [0, 0, 0, 0, 30], [0, 0, 0, 0, -40.0]])
    assert (delta_e(colours, colours) == 0).all()
    grey_to_colour = delta_e(np.array([50.0, 0, 0]), np.array([50.0, 0, -40]))
    assert 10 < grey_to_colour < 40


@pytest.mark.parametrize("code", [(16, 128, 128), (235, 128, 128), (126, 128, 128), (81, 90, 220)])
def test_lab_of_a_flat_frame_follows_the_written_out_path(code: tuple[int, int, int]) -> None:
    lab = frame_to_lab(flat(*code), ColorSpec(Matrix.BT709))
    expected = np.array(reference_lab(*code))
    assert np.abs(lab - expected[:, None, None]).max() < 0.02


def test_greys_are_neutral_for_every_matrix_and_range() -> None:
    for matrix in (Matrix.BT709, Matrix.BT601, Matrix.BT2020_NCL):
        for full_range in (False, True):
            lab = frame_to_lab(flat(100, 128, 128), ColorSpec(matrix, full_range))
            assert np.abs(lab[1:]).max() < 1e-3


def test_full_range_black_and_white_reach_the_ends() -> None:
    spec = ColorSpec(full_range=True)
    assert frame_to_lab(flat(0, 128, 128), spec)[0] == pytest.approx(0, abs=1e-4)
    assert frame_to_lab(flat(255, 128, 128), spec)[0] == pytest.approx(100, abs=1e-4)


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("matrix", [Matrix.BT601, Matrix.BT709, Matrix.BT2020_NCL])
def test_colours_of_10_bits_are_those_of_8(siting: str, matrix: Matrix) -> None:
    """Of limited range, four times a sample is the same colour; steps between are finer."""
    frame, spec = noise(17, 33, seed=1), ColorSpec(matrix, siting=siting)  # type: ignore[arg-type]
    fine = frame.at_depth(10)
    assert np.abs(frame_to_lab(fine, spec) - frame_to_lab(frame, spec)).max() < 0.01
    assert frame_delta_e(frame, fine, spec).max() < 0.01
    assert np.array_equal(frame_to_rgb(fine, spec), frame_to_rgb(frame, spec))
    grey = np.full((2, 2), 400, np.uint16), *[np.full((1, 1), 512, np.uint16)] * 2
    one, four = (
        frame_delta_e(Frame(*grey), Frame(grey[0] + np.uint16(k), *grey[1:]), spec).mean()
        for k in (1, 4)
    )
    assert 0.24 * four < one < 0.26 * four


def test_full_range_of_10_bits_reaches_the_ends() -> None:
    spec = ColorSpec(full_range=True)
    for luma, lightness in ((0, 0), (1023, 100)):
        planes = (np.full((2, 2), luma, np.uint16), *[np.full((1, 1), 512, np.uint16)] * 2)
        lab = frame_to_lab(Frame(*planes), spec)
        assert lab[0] == pytest.approx(lightness, abs=1e-4) and np.abs(lab[1:]).max() < 1e-3


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (17, 33), (64, 48)])
def test_lab_has_the_size_of_luma_whatever_the_strip(
    siting: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = noise(*size, seed=1)
    spec = ColorSpec(siting=siting)  # type: ignore[arg-type]
    whole = frame_to_lab(frame, spec)
    assert whole.shape == (3, *size)
    monkeypatch.setattr("colorvid.quality.color._STRIP_PX", 1)
    assert np.array_equal(frame_to_lab(frame, spec), whole)


def test_taps_interpolate_a_ramp_exactly_inside_the_plane() -> None:
    for co_sited, offset in ((True, 0.0), (False, 0.5)):
        first, second, weight = upsampling_taps(9, co_sited)
        ramp = 2 * np.arange(5) + offset  # luma position of each chroma sample
        value = ramp[first] + (ramp[second] - ramp[first]) * weight
        assert value == pytest.approx(np.arange(9).clip(offset, 8 + offset))


def test_frame_delta_e_is_that_of_the_lab_planes_and_zero_for_equal_frames() -> None:
    one, two, spec = noise(13, 21, 2), noise(13, 21, 3), ColorSpec(Matrix.BT601)
    expected = delta_e(frame_to_lab(one, spec), frame_to_lab(two, spec))
    assert np.array_equal(frame_delta_e(one, two, spec), expected)
    assert (frame_delta_e(one, one, spec) == 0).all()


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="6x4 and 5x4 cannot be compared"):
        frame_delta_e(flat(0, 0, 0), flat(0, 0, 0, width=5), ColorSpec())


def test_matrix_follows_the_stream_and_then_the_height() -> None:
    assert choose_matrix(1, 144) is Matrix.BT709
    assert choose_matrix(6, 1080) is Matrix.BT601
    assert choose_matrix(2, 719) is Matrix.BT601
    assert choose_matrix(None, 720) is Matrix.BT709
    with pytest.raises(InputError, match="matrix coefficients 8 .* not supported"):
        choose_matrix(8, 1080)


def test_a_spec_without_a_colour_is_refused() -> None:
    with pytest.raises(ConfigError, match="use choose_matrix"):
        ColorSpec(Matrix.UNSPECIFIED)
    with pytest.raises(ConfigError, match="siting 'right'; use one of"):
        ColorSpec(siting="right")  # type: ignore[arg-type]


def test_primaries_give_the_published_matrix() -> None:
    white = np.array([0.95047, 1.0, 1.08883])[:, None]
    published = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    assert rgb_to_xyz(Matrix.BT709) * white == pytest.approx(published, abs=1e-4)
    assert srgb_to_linear(np.array([0.0, 0.04045, 0.5, 1.0])) == pytest.approx(
        [0.0, 0.0031308, 0.2140411, 1.0], abs=1e-7
    )


@pytest.mark.parametrize("matrix", [Matrix.BT709, Matrix.BT601, Matrix.BT2020_NCL])
@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_flat_colours_survive_the_way_to_420_and_back(matrix: Matrix, siting: str) -> None:
    spec = ColorSpec(matrix, siting=siting)  # type: ignore[arg-type]
    rgb = np.full((5, 7, 3), (200, 90, 40), np.uint8)
    linear = srgb_to_linear(rgb[0, 0] / 255)
    fx, fy, fz = np.cbrt(rgb_to_xyz(matrix) @ linear)
    expected = np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])
    frame = rgb_to_frame(rgb, spec)
    assert all(plane.flags.c_contiguous for plane in frame.planes)
    lab = frame_to_lab(frame, spec)
    wanted = np.broadcast_to(expected[:, None, None], lab.shape)
    assert delta_e(lab.astype(np.float64), wanted).max() < 1.0


def test_rgb_to_frame_filters_chroma_by_siting() -> None:
    rgb = np.zeros((2, 4, 3), np.uint8)
    rgb[:, 2] = (0, 0, 255)  # one blue column, on an even luma column
    full = 0.5 * 224  # Cb of blue, in code values
    blue = {s: rgb_to_frame(rgb, ColorSpec(siting=s)).u[0] - 128.0 for s in ("left", "center")}
    assert blue["left"].tolist() == [0, round(full / 2)]
    assert blue["center"].tolist() == [0, round(full / 2)]
    rgb[:, 2], rgb[:, 1] = 0, (0, 0, 255)  # now on an odd one
    blue = {s: rgb_to_frame(rgb, ColorSpec(siting=s)).u[0] - 128.0 for s in ("left", "center")}
    assert blue["left"].tolist() == [round(full / 4), round(full / 4)]
    assert blue["center"].tolist() == [round(full / 2), 0]


@pytest.mark.parametrize("spec", [ColorSpec(), ColorSpec(Matrix.BT601, True, "center")])
def test_flat_colours_survive_420_and_back(spec: ColorSpec) -> None:
    for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0), (17, 130, 222), (128, 128, 128)):
        rgb = np.broadcast_to(np.array(colour, np.uint8), (5, 7, 3))
        back = frame_to_rgb(rgb_to_frame(rgb, spec), spec)
        assert back.shape == rgb.shape and back.dtype == np.uint8
        assert np.abs(back.astype(int) - rgb).max() <= 2, colour


def test_frame_to_rgb_clips_and_puts_chroma_where_the_siting_says() -> None:
    assert frame_to_rgb(flat(255, 128, 128), ColorSpec())[0, 0].tolist() == [255, 255, 255]
    assert frame_to_rgb(flat(0, 128, 128), ColorSpec())[0, 0].tolist() == [0, 0, 0]
    frame = flat(126, 128, 128, 2, 4)
    frame.v[0] = (128, 148)
    reds = frame_to_rgb(frame, ColorSpec(siting="left"))[0, :, 0].astype(int)
    grey, red = round((126 - 16) * 255 / 219), 20 * 255 / 224 * 1.5748
    assert reds.tolist() == [grey, round(grey + red / 2), round(grey + red), round(grey + red)]


PRIMARIES = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
CODES = {  # Y, Cb and Cr of red, green and blue, from the tables of BT.601, BT.709 and JFIF
    (Matrix.BT601, False): ((81, 90, 240), (145, 54, 34), (41, 240, 110)),
    (Matrix.BT709, False): ((63, 102, 240), (173, 42, 26), (32, 240, 118)),
    (Matrix.BT601, True): ((76, 85, 255), (150, 44, 21), (29, 255, 107)),
    (Matrix.BT709, True): ((54, 99, 255), (182, 30, 12), (18, 255, 116)),
}
LAB = ((53.241, 80.092, 67.203), (87.735, -86.183, 83.179), (32.297, 79.188, -107.860))


@pytest.mark.parametrize(("matrix", "full_range"), CODES)
def test_primaries_have_the_codes_of_the_standards(matrix: Matrix, full_range: bool) -> None:
    spec = ColorSpec(matrix, full_range)
    for rgb, code in zip(PRIMARIES, CODES[matrix, full_range], strict=True):
        picture = np.broadcast_to(np.array(rgb, np.uint8), (4, 6, 3))
        frame = rgb_to_frame(picture, spec)
        assert tuple(int(plane[0, 0]) for plane in frame.planes) == code
        assert np.abs(frame_to_rgb(flat(*code), spec).astype(int) - picture).max() <= 2


@pytest.mark.parametrize(("matrix", "full_range"), CODES)
def test_codes_of_the_standards_have_the_published_lab(matrix: Matrix, full_range: bool) -> None:
    for code, expected in zip(CODES[matrix, full_range], LAB, strict=True):
        lab = frame_to_lab(flat(*code), ColorSpec(matrix, full_range))[:, 0, 0]
        assert float(delta_e(lab.astype(np.float64), np.array(expected))) < 0.6


@pytest.mark.slow
def test_ciede2000_of_a_1080p_frame_takes_less_than_half_a_second_of_one_core() -> None:
    one = moving_frames(1, 1080, 1920)[0]
    two = Frame(*((p ^ np.uint8(4)) for p in one.planes))
    frame_delta_e(one, two, ColorSpec())  # fills the tables
    times = []
    for _ in range(3):
        start = time.process_time()
        frame_delta_e(one, two, ColorSpec())
        times.append(time.process_time() - start)
    assert min(times) < 0.5
