"""Streams put together: the bytes of a single encoding, or one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

import colorvid
from colorvid.errors import ConfigError, DamagedStream, HeaderError, OutputError
from colorvid.files.concat import concat_files
from tests import clv
from tests.conftest import CodedClip


def part(coded: CodedClip, folder: Path, first: int, frames: int | None, **options: int) -> Path:
    path = folder / f"part{first}.clv"
    choice = {"gop": 3, "threads": 1, **options}
    colorvid.encode_file(coded.source, path, seek=first, frames=frames, **choice)  # type: ignore[arg-type]
    return path


def test_parts_of_whole_groups_give_the_bytes_of_a_single_encoding(
    coded: CodedClip, tmp_path: Path
) -> None:
    parts = [part(coded, tmp_path, 0, 3), part(coded, tmp_path, 3, 3), part(coded, tmp_path, 6, 2)]
    report = concat_files(parts, tmp_path / "all.clv")
    assert (tmp_path / "all.clv").read_bytes() == coded.stream.read_bytes()
    assert (report.frames, report.size_bytes) == (8, coded.stream.stat().st_size)


def test_a_stream_twice_is_a_whole_stream(coded: CodedClip, tmp_path: Path) -> None:
    report = concat_files([coded.stream, coded.stream], tmp_path / "twice.clv")
    summary = colorvid.probe(tmp_path / "twice.clv")
    assert report.frames == summary.total_frames == 16
    assert summary.key_frames == 6 and not summary.damage
    verified = colorvid.verify_file(tmp_path / "twice.clv", threads=1)
    assert verified.ok and verified.frames == 16


def test_one_stream_comes_out_as_it_is(coded: CodedClip, tmp_path: Path) -> None:
    concat_files([coded.stream], tmp_path / "one.clv")
    assert (tmp_path / "one.clv").read_bytes() == coded.stream.read_bytes()


def test_streams_of_two_kinds_are_refused(coded: CodedClip, tmp_path: Path) -> None:
    other = part(coded, tmp_path, 0, 2, gop=2)
    with pytest.raises(HeaderError, match=r"part0.clv: gop_length is 2, that of .*coded.clv is 3"):
        concat_files([coded.stream, other], tmp_path / "all.clv")
    assert not (tmp_path / "all.clv").exists()


def test_frames_out_of_order_are_numbered_anew(tmp_path: Path) -> None:
    (tmp_path / "a.clv").write_bytes(clv.stream())
    report = concat_files([tmp_path / "a.clv"] * 2, tmp_path / "all.clv")
    frames = colorvid.probe(tmp_path / "all.clv").frames
    assert report.frames == 12
    assert [f.header.frame_number for f in frames] == list(range(12))
    shown = [0, 2, 1, 3, 5, 4]
    assert [f.header.display_number for f in frames] == [*shown, *(n + 6 for n in shown)]
    assert frames[-1].header.references == (9, 11)
    other = clv.header(reorder=2).to_bytes() + clv.stream()[clv.HEADER_SIZE :]
    (tmp_path / "b.clv").write_bytes(other)
    with pytest.raises(HeaderError, match=r"b.clv: reorder is 2, that of .*a.clv is 1; only"):
        concat_files([tmp_path / "a.clv", tmp_path / "b.clv"], tmp_path / "no.clv")


def test_a_forged_stream_is_blamed_for_its_references(tmp_path: Path) -> None:
    whole = clv.parts()
    whole[2] = clv.packet(1, past=3).to_bytes()
    (tmp_path / "bad.clv").write_bytes(b"".join(whole))
    with pytest.raises(DamagedStream, match=r"bad.clv: frame 1 refers to what shows at -1; a dec"):
        concat_files([tmp_path / "bad.clv"], tmp_path / "all.clv")
    assert not (tmp_path / "all.clv").exists()


def test_damage_is_refused_and_leaves_nothing(coded: CodedClip, tmp_path: Path) -> None:
    data = bytearray(coded.stream.read_bytes())
    data[200] ^= 1
    (tmp_path / "bad.clv").write_bytes(data)
    with pytest.raises(DamagedStream, match=r"bad.clv: .*CRC"):
        concat_files([coded.stream, tmp_path / "bad.clv"], tmp_path / "all.clv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.clv"]


def test_an_existing_target_is_kept(coded: CodedClip, tmp_path: Path) -> None:
    (tmp_path / "all.clv").write_text("keep")
    with pytest.raises(OutputError, match="overwrite=True"):
        concat_files([coded.stream], tmp_path / "all.clv")
    assert (tmp_path / "all.clv").read_text() == "keep"
    concat_files([coded.stream], tmp_path / "all.clv", overwrite=True)
    assert (tmp_path / "all.clv").read_bytes() == coded.stream.read_bytes()


def test_nothing_to_put_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give one or more"):
        concat_files([], tmp_path / "all.clv")
