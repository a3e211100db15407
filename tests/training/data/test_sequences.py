"""The groups of pictures that inter training sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from colorvid.bitstream import FrameType
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.structure import Place
from colorvid.training.data.sequences import draw_settings, read_crops
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


def test_clips_are_coded_without_b_frames(tmp_path: Path) -> None:
    found = []
    for bframes in (0, 15):
        folder = tmp_path / str(bframes)
        folder.mkdir()
        settings = EncoderSettings(bframes=bframes)
        found.append(runs.sequences(folder, (5,), (32, 48), settings))
    assert found[0].entries.tolist() == found[1].entries.tolist()
    assert found[0].data.tobytes() == found[1].data.tobytes()


def test_a_fine_frame_is_coded_finer(tmp_path: Path) -> None:
    """The qualities of the entries are those at which the frames were really coded."""
    found = runs.sequences(tmp_path, (11,), (32, 48), EncoderSettings(quality=40))

    def error(number: int) -> float:
        """Of the decoded frame ``number``, which is the reference of the one after it."""
        decoded, source = found.sample(number).y_reference, found.sample(number - 1).y
        return float(np.mean((decoded.astype(float) - source) ** 2))

    assert error(8) < error(7) / 2, "frame 8 against frame 7"
    crops = read_crops(found, np.array([[7, 0, 0], [8, 0, 16]]), 32)
    assert crops.quality.tolist() == [38, 21]
    assert crops.key_quality.tolist() == [40, 40]
