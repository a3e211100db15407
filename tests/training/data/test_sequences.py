"""The groups of pictures that inter training sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from colorvid.bitstream import FrameType
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.structure import Place
from colorvid.training.data.sequences import draw_settings, read_crops
from tests.clips import moving_frames
from tests.training import runs


def test_most_groups_have_the_pattern_of_the_encoder() -> None:
    generator = np.random.default_rng(1)
    drawn = [draw_settings(generator) for _ in range(400)]
    steady = [s for s in drawn if s.inter_quality is not None]
    assert 70 < len(steady) < 130
    assert {s.quality for s in drawn} == set(range(3, 64))
    below = [s.quality - s.inter_quality for s in steady if s.inter_quality is not None]
    assert min(below) == 0 and max(below) == 20


def test_samples_know_their_place_in_the_pattern(tmp_path: Path) -> None:
    settings = EncoderSettings(quality=40, bframes=0)
    entries = runs.sequences(tmp_path, (11,), (32, 48), settings).entries
    places = [Place(n, FrameType.P, past=1, refresh=n % 8 == 0) for n in range(1, 11)]
    assert entries[:, 3].tolist() == [settings.quality_of(place) for place in places]
    assert entries[:, 3].tolist() == [20, 20, 20, 20, 21, 21, 21, 38, 21, 22]
    assert entries[:, 4].tolist() == list(range(1, 11))
    assert set(entries[:, 5]) == {40}


def test_clips_are_coded_with_b_frames(tmp_path: Path) -> None:
    """A mini-GOP of two frames: the P frame first, then the B frame between both."""
    found = runs.sequences(tmp_path, (3,), (32, 48), EncoderSettings(quality=40, bframes=1))
    assert found.entries[:, 3:].tolist() == [[23, 2, 40], [19, 1, 40]]
    assert found.runs(2).size == 0, "they do not follow each other in order of display"
    p, b = found.sample(0), found.sample(1)
    clip = moving_frames(3, 32, 48)
    assert np.array_equal(p.y, clip[2].y) and np.array_equal(b.y, clip[1].y)
    assert np.array_equal(p.y_reference, b.y_reference), "the key frame"
    difference = np.abs(b.y_predicted.astype(int) - clip[1].y).mean()
    assert difference < 20, "the prediction is one of this frame"


def test_a_fine_frame_is_coded_finer(tmp_path: Path) -> None:
    """The qualities of the entries are those at which the frames were really coded."""
    found = runs.sequences(tmp_path, (11,), (32, 48), EncoderSettings(quality=40, bframes=0))

    def error(number: int) -> float:
        """Of the decoded frame ``number``, which is the reference of the one after it."""
        decoded, source = found.sample(number).y_reference, found.sample(number - 1).y
        return float(np.mean((decoded.astype(float) - source) ** 2))

    assert error(8) < error(7) / 2, "frame 8 against frame 7"
    crops = read_crops(found, np.array([[7, 0, 0], [8, 0, 16]]), 32)
    assert crops.quality.tolist() == [38, 21]
    assert crops.key_quality.tolist() == [40, 40]
