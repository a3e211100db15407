from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.data_sets import (
    DATA_SETS,
    UVG,
    DataSet,
    check,
    find,
    load,
)
from colorvid.frame import Size
from colorvid.io import VideoInfo, open_writer
from colorvid.quality.color import Matrix
from tests.evaluation.sources import moving_frames

SMALL = Size(96, 72)
TRIAL = replace(UVG, size=SMALL)
SEQUENCES = tuple(UVG.rates)
RATE = Fraction(120)
FRAME_BYTES = 96 * 72 * 3 // 2


def write(path: Path, count: int = 3, size: Size = SMALL, rate: int = 120) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(path, VideoInfo(size.width, size.height, Fraction(rate))) as writer:
        for frame in moving_frames(count, *size.shape):
            writer.write(frame)
    return path


@pytest.mark.parametrize("name", TRIAL.file_names("Beauty"))
def test_every_usual_name_is_found_and_read(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    files, missing = find(TRIAL, tmp_path, ["Beauty"])
    assert files == {"Beauty": path}
    assert not missing
    check(TRIAL, "Beauty", path, 3)
    clip = load(path, 2)
    assert (clip.name, clip.rate, len(clip.frames)) == ("Beauty", RATE, 2)
    for frame, expected in zip(clip.frames, moving_frames(3, 72, 96), strict=False):
        assert frame.crc32() == expected.crc32()


def test_a_file_that_turns_out_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Beauty.mkv has 3 frames; 4 are needed"):
        load(write(tmp_path / "Beauty.mkv"), 4)


def test_the_usual_names_are_those_of_uvg() -> None:
    assert UVG.file_names("Jockey")[0] == "Jockey_1920x1080_120fps_420_8bit_YUV.yuv"
    assert {"Jockey.y4m", "Jockey.mkv", "Jockey_1920x1080_120fps.y4m"} < set(
        UVG.file_names("Jockey")
    )


def test_one_folder_below_capitals_and_the_preferred_of_several(tmp_path: Path) -> None:
    raw = write(tmp_path / "unpacked" / TRIAL.file_names("Jockey")[0].upper().replace("YUV", "yuv"))
    write(tmp_path / "Jockey.y4m")
    deep = write(tmp_path / "a" / "b" / "Beauty.y4m")
    files, missing = find(TRIAL, tmp_path, ["Jockey", "Beauty"])
    assert files == {"Jockey": raw}
    assert missing == {"Beauty": "not found; expected Beauty_96x72_120fps_420_8bit_YUV.yuv"}
    assert deep.exists()


def test_an_archive_is_named_with_the_advice_to_unpack_it(tmp_path: Path) -> None:
    write(tmp_path / "HoneyBee.y4m")
    (tmp_path / "Beauty_1920x1080_120fps_420_8bit_YUV_RAW.7z").touch()
    (tmp_path / "yachtride.zip").touch()
    _, missing = find(TRIAL, tmp_path, SEQUENCES)
    assert missing["Beauty"].endswith(
        "is an archive; unpack it: 7z x Beauty_1920x1080_120fps_420_8bit_YUV_RAW.7z"
    )
    assert missing["YachtRide"].endswith("is an archive; unpack it: unzip yachtride.zip")
    assert missing["Jockey"].startswith("not found")


def test_nothing_found_is_one_error_with_the_expected_names(tmp_path: Path) -> None:
    (tmp_path / "Beauty.zip").touch()
    with pytest.raises(InputError) as caught:
        find(UVG, tmp_path, SEQUENCES)
    text = str(caught.value)
    assert "\n" not in text
    assert f"holds none of {', '.join(SEQUENCES)}" in text
    assert "Beauty_1920x1080_120fps_420_8bit_YUV.yuv" in text
    assert "unpack it: unzip Beauty.zip" in text
    with pytest.raises(InputError, match="No such file or directory"):
        find(UVG, tmp_path / "nowhere", SEQUENCES)


def test_a_cut_raw_file_and_a_short_one_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.yuv")
    with pytest.raises(InputError, match=r"cut.yuv: has 3 frames; 4 are needed, or frames=3"):
        check(TRIAL, "Beauty", path, 4)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InputError, match=rf"{3 * FRAME_BYTES - 1} bytes are no whole number of frames of 96x72"
    ):
        check(TRIAL, "Beauty", path, 2)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="0 bytes are no whole number"):
        check(TRIAL, "Beauty", path, 1)


def test_another_size_or_frame_rate_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "Beauty.y4m")
    with pytest.raises(InputError, match="is 96x72; it must be 1920x1080"):
        check(UVG, "Beauty", path, 1)
    with pytest.raises(InputError, match="has 3 frames; 9 are needed"):
        check(TRIAL, "Beauty", path, 9)
    with pytest.raises(InputError, match="has 25 frames per second; it must have 120"):
        check(TRIAL, "Beauty", write(tmp_path / "slow.y4m", rate=25), 1)


def test_untagged_full_hd_is_bt709_limited(tmp_path: Path) -> None:
    width, height = UVG.size.width, UVG.size.height
    path = tmp_path / UVG.file_names("Beauty")[0]
    with open_writer(path, VideoInfo(width, height, RATE)) as writer:
        writer.write(moving_frames(1, height, width)[0])
    spec = load(path, None).spec
    assert (spec.matrix, spec.full_range) == (Matrix.BT709, False)


def test_names_are_chosen_without_regard_to_capitals() -> None:
    assert UVG.choose(["jockey", "Beauty", "JOCKEY"]) == ["Jockey", "Beauty"]
    with pytest.raises(ConfigError, match="sequence 'Foreman' is unknown; use Beauty, Bosphorus"):
        UVG.choose(["Foreman"])
    with pytest.raises(ConfigError, match="no sequence is named"):
        UVG.choose([])


@pytest.mark.parametrize(
    ("data", "name", "file", "rate"),
    [
        ("hevc-b", "BQTerrace", "BQTerrace_1920x1080_60.yuv", 60),
        ("hevc-c", "RaceHorses", "RaceHorses_832x480_30.yuv", 30),
        ("hevc-d", "RaceHorses", "RaceHorses_416x240_30.yuv", 30),
        ("hevc-e", "KristenAndSara", "KristenAndSara_1280x720_60.yuv", 60),
        ("mcl-jcv", "videoSRC17", "videoSRC17_1920x1080_24.yuv", 24),
    ],
)
def test_other_sets_by_their_usual_names(data: str, name: str, file: str, rate: int) -> None:
    known = DATA_SETS[data]
    assert known.file_names(name)[0] == file
    assert known.rates[name] == rate
    assert known.choose([name.upper()]) == [name]


def test_a_raw_file_of_another_set_is_read_by_its_name(tmp_path: Path) -> None:
    small = DataSet("small", SMALL, {"RaceHorses": 30})
    path = write(tmp_path / small.file_names("RaceHorses")[0].lower(), rate=30)
    files, missing = find(small, tmp_path, ["RaceHorses"])
    assert files == {"RaceHorses": path} and not missing
    check(small, "RaceHorses", path, 3)
    clip = load(path, 3)
    assert (clip.name, clip.rate, clip.info.size) == ("RaceHorses", 30, SMALL)


def test_rates_of_television_are_those_of_the_film(tmp_path: Path) -> None:
    film = DataSet("film", SMALL, {"Kimono1": 24})
    path = tmp_path / "Kimono1.y4m"
    with open_writer(path, VideoInfo(96, 72, Fraction(24000, 1001))) as writer:
        writer.write(moving_frames(1, 72, 96)[0])
    check(film, "Kimono1", path, 1)


def test_sets_have_as_many_sequences_as_they_are_known_for() -> None:
    counts = {name: len(data.rates) for name, data in DATA_SETS.items()}
    expected = {"uvg": 7, "mcl-jcv": 30, "hevc-b": 5, "hevc-c": 4, "hevc-d": 4, "hevc-e": 3}
    assert counts == expected
