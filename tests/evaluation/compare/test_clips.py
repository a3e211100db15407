import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import InputError
from colorvid.evaluation.compare.clips import Clip, find_sources, load, read_video, write_y4m
from colorvid.quality.color import ColorSpec, Matrix, Siting
from tests.evaluation.sources import moving_clip


@pytest.mark.parametrize("size", [(72, 96), (17, 33)])
def test_y4m_comes_back_as_written(tmp_path: Path, size: tuple[int, int]) -> None:
    clip = moving_clip(3, *size)
    clip = Clip(clip.name, clip.frames, Fraction(30000, 1001), clip.spec)
    path = tmp_path / "moving.y4m"
    write_y4m(path, clip)
    assert read_video(path, None).digest() == clip.digest()
    assert len(read_video(path, 2).frames) == 2
    with pytest.raises(InputError, match="has 3 frames; 9 are needed, or frames=3"):
        read_video(path, 9)


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_full_range_and_siting_are_kept(siting: Siting, tmp_path: Path) -> None:
    clip = moving_clip(1)
    spec = ColorSpec(Matrix.BT601, full_range=True, siting=siting)
    write_y4m(tmp_path / "full.y4m", Clip("full", clip.frames, clip.rate, spec))
    assert read_video(tmp_path / "full.y4m", 1).spec == spec


def test_digest_sees_every_plane_and_the_rate() -> None:
    clip = moving_clip(2)
    other = moving_clip(2)
    assert clip.digest() == other.digest()
    other.frames[1].v[-1, -1] ^= 1
    assert clip.digest() != other.digest()
    assert Clip("x", clip.frames, Fraction(24), clip.spec).digest() != clip.digest()


def test_stills_are_converted_to_bt709(tmp_path: Path) -> None:
    rgb = np.full((5, 7, 3), (255, 0, 0), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "red.webp", lossless=True)
    clip = load(tmp_path / "red.webp", None)
    frame = clip.frames[0]
    assert clip.spec.matrix is Matrix.BT709
    assert (frame.y == round(16 + 219 * 0.2126)).all()
    assert (frame.v == 240).all()
    assert frame.u.shape == (3, 4)


def test_files_and_folders_become_sources(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b.png", "a.MKV", "notes.txt"):
        (folder / name).write_text("")
    clip = tmp_path / "c.y4m"
    write_y4m(clip, moving_clip(1))
    assert find_sources([clip, folder]) == [clip, folder / "a.MKV", folder / "b.png"]


def test_sources_that_are_not_there_or_look_alike_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="holds no .*.mkv, .* file; give another folder"):
        find_sources([tmp_path])
    with pytest.raises(InputError, match="nowhere: No such file or directory"):
        find_sources([tmp_path / "nowhere"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is no file, and clips are read several times"):
        find_sources([tmp_path / "pipe"])
    (tmp_path / "pipe").unlink()
    with pytest.raises(InputError, match="nothing to code"):
        find_sources([])
    for name in ("same.png", "same.jpg"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError, match="are both called same; rename one of them"):
        find_sources([tmp_path])


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(InputError, match="a.png: is no image"):
        load(tmp_path / "a.png", None)
