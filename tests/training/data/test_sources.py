from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import InputError
from colorvid.io import VideoInfo
from colorvid.training.data.pictures import PictureStore, draw_places
from colorvid.training.data.sequences import SequenceStore
from colorvid.training.data.sources import DataConfig, Source, find_clips, find_sources
from tests import tiny
from tests.clips import moving_frames
from tests.conftest import write_clip

SIZE = (48, 64)


def write_picture(path: Path, y: np.ndarray) -> None:
    """A grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([y] * 3, axis=-1)).save(path)


def write_video(path: Path, count: int = 5, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = VideoInfo(width=SIZE[1], height=SIZE[0], rate=Fraction(25), color_range=1)
    write_clip(path, moving_frames(count, *SIZE, seed), info)


def write_vimeo(folder: Path) -> None:
    """Three septuplets, the second of them not listed for training."""
    for number in (1, 2, 3):
        for index, frame in enumerate(moving_frames(7, *SIZE, seed=number)):
            name = f"sequences/00001/{number:04}/im{index + 1}.png"
            write_picture(folder / name, frame.y)
    (folder / "sep_trainlist.txt").write_text("00001/0001\n00001/0003\n\n")
    (folder / "sep_testlist.txt").write_text("00001/0002\n")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, clips and Vimeo-90k side by side."""
    folder = tmp_path_factory.mktemp("mixed")
    write_picture(folder / "b.PNG", moving_frames(1, *SIZE)[0].y)
    write_picture(folder / "deep" / "er" / "a.jpg", moving_frames(1, *SIZE)[0].y)
    for name in ("a.mp4", "deep/b.y4m"):
        write_video(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / "._b.png").write_bytes(b"what some systems leave beside a picture")
    write_vimeo(folder / "vimeo_septuplet")
    return folder


def names(sources: list[Source], folder: Path) -> list[str]:
    return [str(s.files[0].relative_to(folder)) for s in sources]


def test_pictures_clips_and_septuplets_are_found_in_subfolders(mixed: Path) -> None:
    septuplets = [f"vimeo_septuplet/sequences/00001/{n}/im1.png" for n in ("0001", "0003")]
    found = find_sources(mixed)
    assert names(found, mixed) == [
        "a.mp4", "b.PNG", "deep/b.y4m", "deep/er/a.jpg", *septuplets
    ]  # fmt: skip
    assert [len(s.files) for s in found] == [1, 1, 1, 1, 7, 7]
    assert names(find_clips(mixed), mixed) == ["a.mp4", "deep/b.y4m", *septuplets]


def test_a_septuplet_is_a_clip_of_seven_frames(mixed: Path) -> None:
    clip = find_sources(mixed / "vimeo_septuplet")[1]
    planes = list(clip.planes())
    assert len(planes) == 7
    for (y, u, v), source in zip(planes, moving_frames(7, *SIZE, seed=3), strict=True):
        limited = 16 + source.y.astype(float) * 219 / 255
        assert np.abs(y - limited).max() < 2
        assert u.shape == v.shape == (24, 32) and np.abs(u.astype(int) - 128).max() <= 1
    every = list(clip.planes(3))
    assert len(every) == 3 and np.array_equal(every[1][0], planes[3][0])


def test_all_kinds_become_one_store(mixed: Path, tmp_path: Path) -> None:
    config = DataConfig(folders=("deep", "vimeo_septuplet"))
    store = PictureStore.open(config, mixed, tmp_path / "pictures.bin", every=4)
    assert store.entries[:, 1:3].tolist() == [list(SIZE)] * (2 + 1 + 2 * 2)
    assert store.entries[:, 3].tolist() == [0, 0, 1, 2, 2, 3, 3], "frames of one source"
    assert store.data.size == 7 * 48 * 64 * 3 // 2


def test_clips_of_all_kinds_are_coded(mixed: Path, tmp_path: Path) -> None:
    config = DataConfig(folders=("deep", "vimeo_septuplet"), frames=3, passes=2)
    store = SequenceStore.open(tiny.network(ends=0), config, mixed, tmp_path / "sequences.bin")
    assert len(store.entries) == 2 * 3 * (3 - 1)
    sample = store.sample(len(store.entries) - 1)
    quality = store.entries[-1, 3]
    assert sample.y.shape == SIZE and 0 <= quality < 64
    assert np.abs(sample.y.astype(int) - sample.y_predicted).mean() < 20


def test_sources_are_thinned_evenly(mixed: Path) -> None:
    config = DataConfig(folders=(".", "deep"), most=2)
    assert names(config.sources(mixed), mixed) == [
        "a.mp4", "deep/er/a.jpg", "deep/b.y4m", "deep/er/a.jpg"
    ]  # fmt: skip
    assert len(DataConfig(most=3).clips(mixed)) == 3


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_data_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as error:
        DataConfig(folders=(name,)).sources(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name}: no training data; expected pictures (jpeg jpg ")
    assert "mkv" in message and "sep_trainlist.txt beside sequences/" in message
    assert "\n" not in message


def test_pictures_are_no_clips(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", moving_frames(1, *SIZE)[0].y)
    with pytest.raises(InputError, match="no clips, only single pictures; expected videos "):
        find_clips(tmp_path)


def test_a_septuplet_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    write_vimeo(tmp_path)
    (tmp_path / "sequences/00001/0003/im4.png").unlink()
    with pytest.raises(InputError, match=r"0003.im4.png: missing; .* lists 00001/0003, so im1.png"):
        find_sources(tmp_path)


def test_a_file_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="a.mkv: cannot be opened as video: Invalid data found"):
        PictureStore.open(DataConfig(), tmp_path, tmp_path / "pictures.bin")
    assert not (tmp_path / "pictures.json").exists(), "the next try decodes anew"


def test_crops_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv")
    store = PictureStore.open(DataConfig(), tmp_path, tmp_path / "pictures.bin")
    with pytest.raises(InputError, match="crop of 128 samples: none of the 1 training pictures"):
        draw_places(store.entries, np.random.default_rng(0), 2, 128, 2)
    places = draw_places(store.entries, np.random.default_rng(0), 500, 32, 16)
    assert {tuple(p) for p in places} == {(0, t, x) for t in (0, 16) for x in (0, 16, 32)}
