import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.signal

from colorvid.errors import ConfigError, InputError
from colorvid.frame import Frame, Plane, chroma_size
from colorvid.quality.color import ColorSpec, Matrix
from colorvid.quality.metrics import (
    QUALITY_CAP_DB,
    bd_rate,
    bits_per_pixel,
    kbit_per_second,
    ms_ssim,
    ms_ssim_db,
    psnr,
    weighted_psnr,
)
from tests.clips import moving_frames
from tests.published_curves import CROSSCHECK, VTM

SPEC = ColorSpec(Matrix.BT601)
Curve = list[tuple[float, float]]


def noise(height: int, width: int, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    chroma = chroma_size(height, width)
    shapes = ((height, width), chroma, chroma)
    return Frame(*(rng.integers(60, 180, shape, dtype=np.uint8) for shape in shapes))


def test_psnr_of_a_known_error_and_of_equal_planes() -> None:
    plane = np.full((4, 4), 100, np.uint8)
    assert psnr(plane, plane) == math.inf
    assert psnr(plane, plane + np.uint8(5)) == pytest.approx(10 * math.log10(255**2 / 25))
    black, white = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0  # no wrap-around of u8


def test_psnr_refuses_planes_that_differ_or_are_not_8_bit() -> None:
    plane = np.zeros((4, 4), np.uint8)
    with pytest.raises(InputError, match=r"shapes \(4, 4\) and \(4, 5\)"):
        psnr(plane, np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match="plane is float64; it must be uint8, or uint16 for 10"):
        psnr(plane, np.zeros((4, 4)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="planes are uint8 and uint16; both must be the same"):
        psnr(plane, plane.astype(np.uint16))


def test_peak_of_10_bits() -> None:
    plane = np.full((4, 4), 400, np.uint16)
    assert psnr(plane, plane + np.uint16(5)) == pytest.approx(10 * math.log10(1023**2 / 25))
    fine = moving_frames(1, 176, 208)[0].at_depth(10)
    other = moving_frames(1, 176, 208, depth=10)[0]
    assert ms_ssim(fine.y, other.y) == pytest.approx(
        independent_ms_ssim(fine.y, other.y, 1023), abs=1e-5
    )


def test_weighted_psnr_by_name() -> None:
    assert weighted_psnr((40, 32, 48)) == pytest.approx(40.0)
    assert weighted_psnr((36, 42, 42), "yuv411") == pytest.approx(38.0)
    assert weighted_psnr((math.inf, 20, 20)) == pytest.approx((6 * QUALITY_CAP_DB + 40) / 8)
    with pytest.raises(ConfigError, match="use one of yuv611, yuv411"):
        weighted_psnr((1, 2, 3), "yuv")


def test_ms_ssim_falls_with_the_error_and_names_its_smallest_size() -> None:
    frame = noise(161, 170)
    assert ms_ssim(frame.y, frame.y) == pytest.approx(1)
    small, large = (
        frame.y + np.uint8(k) * (frame.v[0, 0] % 2 + noise(161, 170, k).y % 2) for k in (4, 30)
    )
    assert 1 > ms_ssim(frame.y, small) > ms_ssim(frame.y, large)
    with pytest.raises(InputError, match="170x160 is too small for MS-SSIM.*161 samples"):
        ms_ssim(frame.y[:160], frame.y[:160])
    assert ms_ssim_db(0.99) == pytest.approx(20)
    assert ms_ssim_db(1.0) == QUALITY_CAP_DB


def independent_ms_ssim(one: Plane, two: Plane, peak: int = 255) -> float:
    """Wang, Simoncelli and Bovik 2003, with SciPy in float64; sides divisible by 16."""
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    kernel = np.outer(window, window)
    x, y = one.astype(np.float64), two.astype(np.float64)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        means = [scipy.signal.convolve2d(p, kernel, "valid") for p in (x, y, x * x, y * y, x * y)]
        mx, my = means[0], means[1]
        vx, vy, cov = means[2] - mx * mx, means[3] - my * my, means[4] - mx * my
        structure = (2 * cov + c2) / (vx + vy + c2)
        if scale == 4:
            structure = structure * (2 * mx * my + c1) / (mx * mx + my * my + c1)
        result *= float(structure.mean()) ** weight
        if scale < 4:
            x, y = (p.reshape(len(p) // 2, 2, -1, 2).mean((1, 3)) for p in (x, y))
    return result


@pytest.mark.parametrize("error", [4, 20, 60])
def test_ms_ssim_is_that_of_an_independent_implementation(error: int) -> None:
    plane = moving_frames(1, 176, 208)[0].y
    noise = np.random.default_rng(error).integers(-error, error + 1, plane.shape)
    other = (plane + noise).clip(0, 255).astype(np.uint8)
    other[40:80, 50:120] = 90
    assert ms_ssim(plane, other) == pytest.approx(independent_ms_ssim(plane, other), abs=1e-5)


def test_rates() -> None:
    assert bits_per_pixel(1000, 4, 100, 50) == pytest.approx(0.4)
    assert kbit_per_second(30_000, 30, Fraction(30000, 1001)) == pytest.approx(240 / 1.001)


@pytest.mark.parametrize(("anchor", "test", "pchip", "akima", "overlap"), CROSSCHECK)
def test_bd_rate_meets_published_comparisons(
    anchor: Curve, test: Curve, pchip: float, akima: float, overlap: float
) -> None:
    result = bd_rate(anchor, test)
    assert result.percent == pytest.approx(pchip, abs=0.01)
    assert result.overlap == pytest.approx(overlap, abs=0.005)
    assert bd_rate(anchor, test, method="akima").percent == pytest.approx(akima, abs=0.01)


def test_bd_rate_of_a_scaled_curve_is_the_scale() -> None:
    result = bd_rate(VTM, [(1.25 * rate, quality) for rate, quality in reversed(VTM)])
    assert result.percent == pytest.approx(25)


def test_bd_rate_refuses_what_means_nothing() -> None:
    assert bd_rate(VTM[:4], VTM[4:]).percent is None
    low = bd_rate(VTM[:5], VTM[3:])
    assert low.percent is None
    assert low.reason == "curves overlap by 26%; 50% is needed"
    assert bd_rate(VTM[:5], VTM[3:], min_overlap=0.2).percent == pytest.approx(0, abs=1)
    assert "test curve has 3 points" in bd_rate(VTM, VTM[:3]).reason
    assert "anchor curve has 0 points" in bd_rate([], VTM).reason
    assert "does not rise" in bd_rate(VTM, [*VTM[:-1], (4.0, 30.0)]).reason


def test_importing_color_and_metrics_loads_no_torch() -> None:
    code = (
        "import sys, colorvid.quality.color, colorvid.quality.metrics; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
