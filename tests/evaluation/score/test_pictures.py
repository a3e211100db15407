"""Pictures of single frames beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorvid.errors import OutputError
from colorvid.evaluation.score.pictures import TriptychWriter, heat_map, triptych
from colorvid.quality.color import ColorSpec, Matrix, frame_delta_e, frame_to_rgb
from tests.clips import moving_frames

SPEC = ColorSpec(Matrix.BT601)
FIRST, SECOND = moving_frames(3, 60, 81), moving_frames(3, 60, 81, seed=1)


def test_the_map_gets_brighter_up_to_its_scale() -> None:
    steps = np.linspace(0, 10, 41)[None]
    weights = np.array([0.2126, 0.7152, 0.0722])
    brightness = heat_map(steps, 10) @ weights
    assert (np.diff(brightness[0]) > 0).all()
    assert heat_map(np.zeros((1, 1)), 10)[0, 0].tolist() == [0, 0, 4]
    assert (heat_map(np.array([[10.0, 99.0]]), 10) == (252, 255, 164)).all()


def test_pictures_stand_beside_each_other_sample_for_sample() -> None:
    picture = np.asarray(triptych(FIRST[0], SECOND[0], SPEC, 10, "frame 0"))
    head, step = 16, 81 + 4
    assert picture.shape == (60 + head, 3 * step + 12 + 40, 3)
    below = picture[head:]
    assert np.array_equal(below[:, :81], frame_to_rgb(FIRST[0], SPEC))
    assert np.array_equal(below[:, step : step + 81], frame_to_rgb(SECOND[0], SPEC))
    difference = frame_delta_e(FIRST[0], SECOND[0], SPEC)
    assert np.array_equal(below[:, 2 * step : 2 * step + 81], heat_map(difference, 10))
    bar = below[:, 3 * step]
    assert bar[0].tolist() == [252, 255, 164] and bar[-1].tolist() == [0, 0, 4]
    assert (below[:, 3 * step + 12 :] < 128).any(), "the scale has numbers"
    assert (picture[:head] < 128).any(), "there is a title"


def test_tiny_frames_have_room_for_the_scale() -> None:
    one, two = moving_frames(1, 2, 3), moving_frames(1, 2, 3, seed=1)
    assert triptych(one[0], two[0], SPEC, 5, "").size == (3 * 7 + 52, 48 + 16)


def pump(writer: TriptychWriter) -> None:
    """Read both videos as the scoring does: the original first."""
    pairs = zip(writer.originals(FIRST), writer.decoded(SECOND), strict=True)
    assert [(a is FIRST[n], b is SECOND[n]) for n, (a, b) in enumerate(pairs)] == [(True, True)] * 3


def test_chosen_frames_are_drawn_on_the_way_and_written_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    writer = TriptychWriter(folder, (0, 2, 9), SPEC, scale=20)
    pump(writer)
    assert not list(folder.iterdir())
    writer.write()
    assert sorted(p.name for p in folder.iterdir()) == ["frame_000000.png", "frame_000002.png"]
    assert writer.missing == {9}
    with Image.open(folder / "frame_000002.png") as picture:
        expected = triptych(FIRST[2], SECOND[2], SPEC, 20, "frame 2: original, decoded, dE00")
        assert np.array_equal(np.asarray(picture), np.asarray(expected))


def test_existing_pictures_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "frame_000001.png").write_text("mine")
    with pytest.raises(OutputError, match="frame_000001.png exists; pass overwrite=True"):
        TriptychWriter(tmp_path, (0, 1), SPEC)
    assert len(list(tmp_path.iterdir())) == 1
    writer = TriptychWriter(tmp_path, (0, 1), SPEC, overwrite=True)
    pump(writer)
    writer.write()
    assert (tmp_path / "frame_000001.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/pictures: Not a directory"):
        TriptychWriter(tmp_path / "file" / "pictures", (0,), SPEC)
