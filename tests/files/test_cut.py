"""Parts of streams: whole groups byte for byte, just the asked frames, or one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

import colorvid
from colorvid.bitstream import ClvReader, Packet
from colorvid.errors import ColorvidError, ConfigError, DamagedStream, HeaderError, InputError
from colorvid.files.concat import concat_files
from colorvid.files.cut import CutOptions, CutReport, cut_file
from colorvid.quality.metrics import psnr
from tests import clv
from tests.clips import grainy_frames
from tests.conftest import CodedClip, read_clip


def packets(path: Path) -> list[Packet]:
    with path.open("rb") as file:
        return [record for record in ClvReader(file) if isinstance(record, Packet)]


@pytest.mark.parametrize(
    ("seek", "to", "kept"),
    [
        (0, None, range(8)),
        (3, 6, range(3, 6)),
        (4, 5, range(3, 6)),
        (2, 4, range(6)),
        (7, None, range(6, 8)),
        (5, 99, range(3, 8)),
        ("0.1s", "0.2s", range(3, 6)),
    ],
)
def test_whole_groups_stay_as_they_are(
    seek: int | str, to: int | str | None, kept: range, coded: CodedClip, tmp_path: Path
) -> None:
    target = tmp_path / "part.clv"
    report = cut_file(coded.stream, target, CutOptions(seek=seek, to=to))
    assert report == CutReport(kept.start, len(kept), 0, target.stat().st_size)
    wanted = packets(coded.stream)[kept.start : kept.stop]
    for number, (own, other) in enumerate(zip(packets(target), wanted, strict=True)):
        assert (own.sections, own.frame_crc) == (other.sections, other.frame_crc)
        assert own.frame_number == number == other.frame_number - kept.start
    colorvid.decode_file(target, tmp_path / "part.y4m", threads=1)
    assert read_clip(tmp_path / "part.y4m") == coded.decoded[kept.start : kept.stop]
    summary = colorvid.probe(target)
    assert not summary.damage and summary.total_frames == len(kept)


def test_parts_put_together_are_the_stream_again(coded: CodedClip, tmp_path: Path) -> None:
    parts = [tmp_path / f"{first}.clv" for first in (0, 3, 6)]
    for first, path in zip((0, 3, 6), parts, strict=True):
        cut_file(coded.stream, path, CutOptions(seek=first, to=first + 3, exact=True))
    concat_files(parts, tmp_path / "all.clv")
    assert (tmp_path / "all.clv").read_bytes() == coded.stream.read_bytes()


@pytest.mark.parametrize(
    ("first", "end", "encoded"), [(1, 7, 3), (3, 6, 0), (4, 5, 1), (2, 4, 2), (5, None, 1)]
)
def test_an_exact_part_has_just_the_asked_frames(
    first: int, end: int | None, encoded: int, coded: CodedClip, tmp_path: Path
) -> None:
    target = tmp_path / "part.clv"
    options = CutOptions(seek=first, to=end, exact=True)
    report = cut_file(coded.stream, target, options)
    wanted = coded.decoded[first:end]
    assert (report.first, report.frames, report.encoded) == (first, len(wanted), encoded)
    verified = colorvid.verify_file(target, threads=1)
    assert verified.ok and verified.frames == len(wanted)
    colorvid.decode_file(target, tmp_path / "part.y4m", threads=1)
    shown = read_clip(tmp_path / "part.y4m")
    same = [a == b for a, b in zip(shown, wanted, strict=True)]
    assert sum(same) >= len(wanted) - encoded
    assert all(psnr(a.y, b.y) > 30 for a, b in zip(shown, wanted, strict=True))
    before, after = packets(coded.stream), packets(target)
    assert {p.quality for p in after if p.is_key} == {p.quality for p in before if p.is_key}


@pytest.mark.usefixtures("p_frames_alone")
@pytest.mark.parametrize(("preset", "kept"), [("fast", 1), ("slow", 2)])
def test_a_part_keeps_to_the_pictures_that_the_header_says(
    preset: str, kept: int, tmp_path: Path
) -> None:
    frames = grainy_frames(12, 34, 40)
    stream, target = tmp_path / "stream.clv", tmp_path / "part.clv"
    stream.write_bytes(colorvid.encode(frames, preset=preset, bframes=0, fps=25, quality=60))
    report = cut_file(stream, target, CutOptions(seek=1, to=11, exact=True))
    assert report.encoded == 10 and colorvid.verify_file(target, threads=1).ok
    with target.open("rb") as file:
        assert ClvReader(file).header.references == kept
    assert any(p.future < 0 for p in packets(stream)) == (kept == 2)


def test_what_lies_outside_of_the_part_may_be_damaged(coded: CodedClip, tmp_path: Path) -> None:
    data = bytearray(coded.stream.read_bytes())
    data[100] ^= 1  # in the first group
    (tmp_path / "bad.clv").write_bytes(data)
    cut_file(tmp_path / "bad.clv", tmp_path / "part.clv", CutOptions(seek=3))
    assert colorvid.probe(tmp_path / "part.clv").total_frames == 5
    with pytest.raises(DamagedStream, match="bad.clv: .*CRC"):
        cut_file(tmp_path / "bad.clv", tmp_path / "other.clv", CutOptions(to=3))
    assert not (tmp_path / "other.clv").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (CutOptions(seek=8), InputError, "coded.clv: seek=8 skips all frames there are; skip"),
        (CutOptions(seek=5, to=5), ConfigError, "to=5 is not after seek=5; give a later frame"),
        (CutOptions(seek="2s", to="1s"), ConfigError, "to=1s is not after seek=2s; give"),
        (CutOptions(seek="soon"), ConfigError, "seek=soon is not allowed; give a frame by its"),
        (CutOptions(seek=-1), ConfigError, "seek=-1 is not allowed; give a frame by its number"),
        (CutOptions(seek=1, exact=True, max_pixels=9), HeaderError, "max_pixels=9 allows fewer"),
    ],
)
def test_impossible_parts_are_one_line(
    options: CutOptions, error: type[ColorvidError], message: str, coded: CodedClip, outputs: Path
) -> None:
    with pytest.raises(error, match=message) as caught:
        cut_file(coded.stream, outputs / "part.clv", options)
    assert "\n" not in str(caught.value) and not list(outputs.iterdir())


def test_only_encoding_needs_the_core(
    coded: CodedClip, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORVID_NATIVE", "0")
    cut_file(coded.stream, outputs / "part.clv", CutOptions(seek=1))
    with pytest.raises(ConfigError, match="encoding needs the native core"):
        cut_file(coded.stream, outputs / "other.clv", CutOptions(seek=1, exact=True))


def test_frames_out_of_order_and_a_stream_without_index(tmp_path: Path) -> None:
    (tmp_path / "cut.clv").write_bytes(b"".join(clv.parts()[:-1]))
    with pytest.raises(DamagedStream, match="cut.clv: .*ends without its index"):
        cut_file(tmp_path / "cut.clv", tmp_path / "all.clv", CutOptions(seek=3))
    cut_file(tmp_path / "cut.clv", tmp_path / "part.clv", CutOptions(to=3))
    numbers = [p.display_number for p in packets(tmp_path / "part.clv")]
    assert numbers == [0, 2, 1]
