from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.uvg import (
    RATE,
    SEQUENCES,
    SIZE,
    check,
    choose,
    file_names,
    find,
    load,
)
from colorvid.frame import Size
from colorvid.io import VideoInfo, open_writer
from colorvid.quality.color import Matrix
from tests.evaluation.sources import moving_frames

SMALL = Size(96, 72)
FRAME_BYTES = 96 * 72 * 3 // 2


def write(path: Path, count: int = 3, size: Size = SMALL, rate: int = 120) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_writer(path, VideoInfo(size.width, size.height, Fraction(rate))) as writer:
        for frame in moving_frames(count, *size.shape):
            writer.write(frame)
    return path


@pytest.mark.parametrize("name", file_names("Beauty", SMALL))
def test_every_usual_name_is_found_and_read(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    files, missing = find(tmp_path, ["Beauty"], SMALL)
    assert files == {"Beauty": path}
    assert not missing
    check(path, 3, SMALL)
    clip = load(path, 2)
    assert (clip.name, clip.rate, len(clip.frames)) == ("Beauty", RATE, 2)
    for frame, expected in zip(clip.frames, moving_frames(3, 72, 96), strict=False):
        assert frame.crc32() == expected.crc32()


def test_a_file_that_turns_out_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Beauty.mkv has 3 frames; 4 are needed"):
        load(write(tmp_path / "Beauty.mkv"), 4)


def test_the_usual_names_are_those_of_uvg() -> None:
    assert file_names("Jockey")[0] == "Jockey_1920x1080_120fps_420_8bit_YUV.yuv"
    assert {"Jockey.y4m", "Jockey.mkv", "Jockey_1920x1080_120fps.y4m"} < set(file_names("Jockey"))


def test_one_folder_below_capitals_and_the_preferred_of_several(tmp_path: Path) -> None:
    raw = write(
        tmp_path / "unpacked" / file_names("Jockey", SMALL)[0].upper().replace("YUV", "yuv")
    )
    write(tmp_path / "Jockey.y4m")
    deep = write(tmp_path / "a" / "b" / "Beauty.y4m")
    files, missing = find(tmp_path, ["Jockey", "Beauty"], SMALL)
    assert files == {"Jockey": raw}
    assert missing == {"Beauty": "not found; expected Beauty_96x72_120fps_420_8bit_YUV.yuv"}
    assert deep.exists()


def test_an_archive_is_named_with_the_advice_to_unpack_it(tmp_path: Path) -> None:
    write(tmp_path / "HoneyBee.y4m")
    (tmp_path / "Beauty_1920x1080_120fps_420_8bit_YUV_RAW.7z").touch()
    (tmp_path / "yachtride.zip").touch()
    _, missing = find(tmp_path, SEQUENCES, SMALL)
    assert missing["Beauty"].endswith(
        "is an archive; unpack it: 7z x Beauty_1920x1080_120fps_420_8bit_YUV_RAW.7z"
    )
    assert missing["YachtRide"].endswith("is an archive; unpack it: unzip yachtride.zip")
    assert missing["Jockey"].startswith("not found")


def test_nothing_found_is_one_error_with_the_expected_names(tmp_path: Path) -> None:
    (tmp_path / "Beauty.zip").touch()
    with pytest.raises(InputError) as caught:
        find(tmp_path, SEQUENCES)
    text = str(caught.value)
    assert "\n" not in text
    assert f"holds none of {', '.join(SEQUENCES)}" in text
    assert "Beauty_1920x1080_120fps_420_8bit_YUV.yuv" in text
    assert "unpack it: unzip Beauty.zip" in text
    with pytest.raises(InputError, match="No such file or directory"):
        find(tmp_path / "nowhere", SEQUENCES)


def test_a_cut_raw_file_and_a_short_one_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.yuv")
    with pytest.raises(InputError, match=r"cut.yuv: has 3 frames; 4 are needed, or frames=3"):
        check(path, 4, SMALL)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InputError, match=rf"{3 * FRAME_BYTES - 1} bytes are no whole number of frames of 96x72"
    ):
        check(path, 2, SMALL)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="0 bytes are no whole number"):
        check(path, 1, SMALL)


def test_another_size_or_frame_rate_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "Beauty.y4m")
    with pytest.raises(InputError, match="is 96x72; it must be 1920x1080"):
        check(path, 1)
    with pytest.raises(InputError, match="has 3 frames; 9 are needed"):
        check(path, 9, SMALL)
    with pytest.raises(InputError, match="has 25 frames per second; it must have 120"):
        check(write(tmp_path / "slow.y4m", rate=25), 1, SMALL)


def test_untagged_full_hd_is_bt709_limited(tmp_path: Path) -> None:
    width, height = SIZE.width, SIZE.height
    path = tmp_path / file_names("Beauty")[0]
    with open_writer(path, VideoInfo(width, height, RATE)) as writer:
        writer.write(moving_frames(1, height, width)[0])
    spec = load(path, None).spec
    assert (spec.matrix, spec.full_range) == (Matrix.BT709, False)


def test_names_are_chosen_without_regard_to_capitals() -> None:
    assert choose(["jockey", "Beauty", "JOCKEY"]) == ["Jockey", "Beauty"]
    with pytest.raises(ConfigError, match="sequence 'Foreman' is unknown; use Beauty, Bosphorus"):
        choose(["Foreman"])
    with pytest.raises(ConfigError, match="no sequence is named"):
        choose([])
