import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import colorvid
from colorvid import config
from colorvid.bitstream import ClvReader, Packet
from colorvid.bitstream.packets import short_crc
from colorvid.cli.main import main
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import (
    ConfigError,
    DamagedStream,
    HashMismatch,
    HeaderError,
    InputError,
    ModelMismatch,
    OutputError,
)
from colorvid.files.concealment import MAX_GAP
from colorvid.files.encode import EncodeOptions
from colorvid.files.reports import Progress
from colorvid.frame import Frame
from colorvid.io import VideoInfo, open_reader
from tests.clips import moving_frames
from tests.clv import HEADER_SIZE
from tests.conftest import INFO, CodedClip, read_clip, write_clip


def sums(frames: list[Frame]) -> list[int]:
    return [frame.crc32() for frame in frames]


def packets(path: Path) -> list[Packet]:
    with path.open("rb") as file:
        return [record for record in ClvReader(file) if isinstance(record, Packet)]


def edited(coded: CodedClip, target: Path, edit: Callable[[int, Packet], bytes]) -> Path:
    """Write the stream with each packet replaced by what ``edit`` makes of it.

    ``edit`` gets the number at which a frame is shown, and its packet.
    """
    data = coded.stream.read_bytes()
    summary = colorvid.probe(coded.stream)
    parts = [data[:HEADER_SIZE]]
    parts += [edit(packet.display_number, packet) for packet in packets(coded.stream)]
    last = summary.frames[-1]
    parts.append(data[last.offset + last.packet_bytes :])
    target.write_bytes(b"".join(parts))
    return target


def broken(packet: Packet) -> bytes:
    """A packet with a wrong byte in the middle."""
    data = bytearray(packet.to_bytes())
    data[len(data) // 2] ^= 0x10
    return bytes(data)


def break_frames(coded: CodedClip, target: Path, *numbers: int) -> Path:
    return edited(coded, target, lambda n, p: broken(p) if n in numbers else p.to_bytes())


def test_public_names() -> None:
    assert colorvid.__all__ == sorted(colorvid.__all__)
    for name in colorvid.__all__:
        assert getattr(colorvid, name).__doc__, name
        assert name in dir(colorvid)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        colorvid.nothing  # noqa: B018
    assert EncoderSettings().quality == config.DEFAULT_QUALITY


def test_round_trip_keeps_pictures_and_description(coded: CodedClip) -> None:
    source = moving_frames(8, 48, 64)
    assert len(coded.decoded) == 8
    for frame, decoded in zip(source, coded.decoded, strict=True):
        assert abs(frame.y.astype(int) - decoded.y).mean() < 6
    with open_reader(coded.stream.with_name("decoded.y4m")) as reader:
        assert reader.info == replace(INFO, frames=8)


def test_every_decoded_picture_is_what_its_packet_says(coded: CodedClip) -> None:
    found = packets(coded.stream)
    assert [packet.display_number for packet in found] == [0, 2, 1, 3, 5, 4, 6, 7]
    assert [packet.frame_number for packet in found] == list(range(8))
    found.sort(key=lambda packet: packet.display_number)
    assert [packet.frame_crc for packet in found] == [short_crc(s) for s in sums(coded.decoded)]


@pytest.mark.parametrize("bframes", [0, 1, 4, 15])
def test_b_frames_round_trip(bframes: int, coded: CodedClip, tmp_path: Path) -> None:
    stream, result = tmp_path / "a.clv", tmp_path / "a.y4m"
    log = tmp_path / "a.csv"
    colorvid.encode_file(coded.source, stream, bframes=bframes, threads=1, csv=log)
    header = colorvid.probe(stream).header
    settings = EncoderSettings(bframes=bframes)
    assert (header.reorder, header.references) == (settings.reorder, settings.references)
    colorvid.decode_file(stream, result, threads=1)
    source, decoded = moving_frames(8, 48, 64), read_clip(result)
    for frame, shown in zip(source, decoded, strict=True):
        assert abs(frame.y.astype(int) - shown.y).mean() < 7
    by_number = {packet.display_number: packet.frame_crc for packet in packets(stream)}
    assert [by_number[n] for n in range(8)] == [short_crc(s) for s in sums(decoded)]
    numbers = [line.split(",")[0] for line in log.read_text().splitlines()[1:]]
    assert numbers == [str(n) for n in range(8)], "lines of the log are in order of display"


@pytest.mark.parametrize("seek", [1, 3, 4, 5, 7])
def test_seek_into_a_group_with_b_frames(seek: int, coded: CodedClip, tmp_path: Path) -> None:
    for stream in (coded.stream, tmp_path / "whole.clv"):
        if stream != coded.stream:
            colorvid.encode_file(coded.source, stream, threads=1)  # one group
        colorvid.decode_file(stream, tmp_path / "all.y4m", overwrite=True)
        result = tmp_path / "part.y4m"
        report = colorvid.decode_file(stream, result, seek=seek, frames=2, overwrite=True)
        wanted = read_clip(tmp_path / "all.y4m")[seek : seek + 2]
        assert sums(read_clip(result)) == sums(wanted)
        assert (report.frames, report.lost) == (len(wanted), 0)


def group_of(frames: list[int], coded: CodedClip, folder: Path, threads: int) -> list[int]:
    """What is shown of a group of eight without some of its frames, by numbers of good ones."""
    whole, result = folder / "whole.clv", folder / "out.y4m"
    colorvid.encode_file(coded.source, whole, threads=1, bframes=6)
    colorvid.decode_file(whole, result, threads=1)
    good = sums(read_clip(result))
    lost = edited(
        CodedClip(coded.source, whole, []), folder / "lost.clv",
        lambda n, p: b"" if n in frames else p.to_bytes(),
    )  # fmt: skip
    report = colorvid.decode_file(lost, result, threads=threads, overwrite=True)
    assert report.exit_code == 5
    return [good.index(crc) for crc in sums(read_clip(result))]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("lost", "shown"),
    [
        # 0 key, 7 P, 3 B, 1 B, 2 b, 5 B, 4 b, 6 b
        ([2], [0, 1, 1, 3, 4, 5, 6, 7]),
        ([5], [0, 1, 2, 3, 3, 3, 3, 7]),
        ([1], [0, 0, 0, 3, 4, 5, 6, 7]),
        ([3], [0, 0, 0, 0, 0, 0, 0, 7]),
        ([7], [0] * 8),
        ([6], [0, 1, 2, 3, 4, 5, 5, 7]),
        ([1, 4, 6], [0, 0, 0, 3, 3, 5, 5, 7]),
    ],
)
def test_a_lost_b_frame_costs_what_depends_on_it(
    lost: list[int], shown: list[int], threads: int, coded: CodedClip, tmp_path: Path
) -> None:
    assert group_of(lost, coded, tmp_path, threads) == shown


def test_the_number_of_threads_changes_no_byte(coded: CodedClip, tmp_path: Path) -> None:
    stream, result = tmp_path / "a.clv", tmp_path / "a.y4m"
    colorvid.encode_file(coded.source, stream, gop=3, threads=3, csv=tmp_path / "a.csv")
    assert stream.read_bytes() == coded.stream.read_bytes()
    colorvid.decode_file(stream, result, threads=3)
    assert sums(read_clip(result)) == sums(coded.decoded)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 9


@pytest.mark.parametrize(("width", "height"), [(1, 1), (37, 23), (16, 2)])
def test_odd_sizes(width: int, height: int, tmp_path: Path) -> None:
    info = VideoInfo(width, height, Fraction(25))
    source = write_clip(tmp_path / "in.y4m", moving_frames(3, height, width), info)
    report = colorvid.encode_file(source, tmp_path / "a.clv", scores=True, threads=1)
    assert report.frames == 3
    assert report.size_bytes == (tmp_path / "a.clv").stat().st_size
    assert report.scores is not None and report.scores.psnr_yuv611_db > 20
    for suffix in (".y4m", ".yuv"):
        colorvid.decode_file(tmp_path / "a.clv", tmp_path / f"out{suffix}", threads=1)
    decoded = read_clip(tmp_path / "out.y4m")
    assert [(f.width, f.height) for f in decoded] == [(width, height)] * 3
    with open_reader(tmp_path / "out.yuv", size=(width, height), rate=Fraction(25)) as reader:
        assert sums(list(reader)) == sums(decoded)


def test_options_reach_the_stream(coded: CodedClip, tmp_path: Path) -> None:
    stream = tmp_path / "a.clv"
    colorvid.encode_file(
        coded.source, stream, quality=50, inter_quality=20, gop=2, frames=3, seek=4,
        rate=Fraction(10), threads=1,
    )  # fmt: skip
    summary = colorvid.probe(stream)
    assert [frame.header.quality for frame in summary.frames] == [50, 20, 50]
    assert (summary.header.rate_num, summary.header.gop_length) == (10, 2)
    assert summary.header.model_id == colorvid.load_model().identity


def test_progress_of_both_directions(coded: CodedClip, tmp_path: Path) -> None:
    seen: list[Progress] = []
    colorvid.encode_file(coded.source, tmp_path / "a.clv", frames=2, progress=seen.append)
    check_progress(seen)
    assert seen[1].size_bytes > seen[0].size_bytes > HEADER_SIZE
    seen.clear()
    colorvid.decode_file(tmp_path / "a.clv", tmp_path / "a.y4m", progress=seen.append)
    check_progress(seen)


def check_progress(seen: list[Progress]) -> None:
    """Frames come one by one, while the workers may be ahead of them."""
    assert [(p.written, p.total) for p in seen] == [(1, 2), (2, 2)]
    assert seen[0].frames in (1, 2) and seen[1].frames == 2


def test_verify_a_whole_stream(coded: CodedClip) -> None:
    report = colorvid.verify_file(coded.stream, threads=1)
    assert report.ok and (report.frames, report.lost, report.exit_code) == (8, 0, 0)
    assert report.size_bytes == coded.stream.stat().st_size


@pytest.mark.parametrize(
    ("damaged", "shown"),
    [
        ([4], [0, 1, 2, 3, 3, 5, 6, 7]),
        ([5], [0, 1, 2, 3, 3, 3, 6, 7]),
        ([3], [0, 1, 2, 2, 2, 2, 6, 7]),
        ([0], [3, 3, 3, 3, 4, 5, 6, 7]),
        ([7], [0, 1, 2, 3, 4, 5, 6, 6]),
        ([1, 5], [0, 0, 2, 3, 3, 3, 6, 7]),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_lost_frames_are_replaced(
    damaged: list[int], shown: list[int], threads: int, coded: CodedClip, tmp_path: Path
) -> None:
    stream = break_frames(coded, tmp_path / "bad.clv", *damaged)
    report = colorvid.decode_file(stream, tmp_path / "out.y4m", threads=threads)
    expected = [coded.decoded[i] for i in shown]
    assert sums(read_clip(tmp_path / "out.y4m")) == sums(expected)
    assert (report.exit_code, report.damages) == (5, len(damaged))
    wrong = sum(i != place for place, i in enumerate(shown))
    assert (report.frames, report.lost, report.concealed) == (8 - wrong, wrong, wrong)
    assert "CRC" in report.damage[0]


def test_cut_stream_decodes_up_to_the_cut(coded: CodedClip, tmp_path: Path) -> None:
    summary = colorvid.probe(coded.stream)
    cut = tmp_path / "cut.clv"
    cut.write_bytes(coded.stream.read_bytes()[: summary.frames[5].offset + 10])
    report = colorvid.decode_file(cut, tmp_path / "out.y4m")
    # The cut is in the B frame 4; the P frame 5 came before it.
    wanted = [coded.decoded[i] for i in (0, 1, 2, 3, 3, 5)]
    assert sums(read_clip(tmp_path / "out.y4m")) == sums(wanted)
    assert (report.exit_code, report.frames, report.concealed) == (5, 5, 1)
    assert "cut" in report.damage[0]


def test_lie_about_the_frame_number_is_not_believed(coded: CodedClip, tmp_path: Path) -> None:
    def far(number: int, packet: Packet) -> bytes:
        far = 10**9 if number > 5 else 0
        return replace(packet, frame_number=packet.frame_number + far).to_bytes()

    stream = edited(coded, tmp_path / "far.clv", far)
    report = colorvid.decode_file(stream, tmp_path / "out.y4m")
    assert report.exit_code == 5
    assert sums(read_clip(tmp_path / "out.y4m")) == sums(coded.decoded)
    assert report.lost > MAX_GAP and report.concealed == 0
    assert "too many to repeat" in report.damage[1]


def test_wrong_hash_is_told_and_replaced(coded: CodedClip, tmp_path: Path) -> None:
    def lie(number: int, packet: Packet) -> bytes:
        crc = packet.frame_crc ^ (number == 5)
        return replace(packet, frame_crc=crc).to_bytes()

    stream = edited(coded, tmp_path / "lie.clv", lie)
    report = colorvid.decode_file(stream, tmp_path / "out.y4m")
    assert (report.exit_code, report.mismatches, report.concealed) == (6, 1, 2)
    assert sums(read_clip(tmp_path / "out.y4m")) == sums(
        [coded.decoded[i] for i in (0, 1, 2, 3, 3, 3, 6, 7)]
    )
    with pytest.raises(HashMismatch, match="frame 5"):
        colorvid.decode_file(stream, tmp_path / "b.y4m", on_error="stop")


def test_stop_leaves_nothing(coded: CodedClip, tmp_path: Path) -> None:
    stream = break_frames(coded, tmp_path / "bad.clv", 4)
    with pytest.raises(DamagedStream, match=r"bad\.clv: .*CRC"):
        colorvid.decode_file(stream, tmp_path / "out.y4m", on_error="stop")
    assert list(tmp_path.iterdir()) == [stream]
    with pytest.raises(ConfigError, match="on_error is 'skip'; allowed are conceal, stop"):
        colorvid.decode_file(stream, tmp_path / "out.y4m", on_error="skip")  # type: ignore


def test_nothing_to_decode(coded: CodedClip, tmp_path: Path) -> None:
    stream = break_frames(coded, tmp_path / "bad.clv", *range(8))
    with pytest.raises(DamagedStream, match="no frame can be decoded"):
        colorvid.decode_file(stream, tmp_path / "out.y4m")
    assert list(tmp_path.iterdir()) == [stream]
    report = colorvid.verify_file(stream)
    assert (report.frames, report.lost, report.exit_code) == (0, 8, 5)


def test_stream_of_another_model(coded: CodedClip, tmp_path: Path) -> None:
    with coded.stream.open("rb") as file:
        header = replace(ClvReader(file).header, model_id=bytes(range(16)))
    stream = tmp_path / "other.clv"
    stream.write_bytes(header.to_bytes() + coded.stream.read_bytes()[HEADER_SIZE:])
    with pytest.raises(
        ModelMismatch, match=r"needs model 000102\w+; available are default \(\w+\)"
    ):
        colorvid.decode_file(stream, tmp_path / "out.y4m")
    with pytest.raises(ModelMismatch, match="neither a file nor one of default"):
        colorvid.decode_file(stream, tmp_path / "out.y4m", model="nothing")
    assert list(tmp_path.iterdir()) == [stream]


def test_wrong_use_is_refused_and_leaves_nothing(coded: CodedClip, tmp_path: Path) -> None:
    target = tmp_path / "a.clv"
    encode = colorvid.encode_file
    with pytest.raises(InputError, match="No such file"):
        encode(tmp_path / "none.y4m", target)
    with pytest.raises(ConfigError, match=r"encoding writes \.clv streams"):
        encode(coded.source, tmp_path / "a.mkv")
    for threads in (-1, 1.5, True):
        with pytest.raises(ConfigError, match=f"threads is {threads}"):
            encode(coded.source, target, threads=threads)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="frames='2' is not allowed; it must be 1"):
        encode(coded.source, target, frames="2")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"seek=0\.5 is not allowed; give a frame by"):
        encode(coded.source, target, seek=0.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"quality 64 is not allowed; it must be 0\.\.63"):
        encode(coded.source, target, quality=64)
    with pytest.raises(ConfigError, match="device 'abacus' cannot be used"):
        encode(coded.source, target, device="abacus")
    with pytest.raises(ConfigError, match="unknown suffix"):
        colorvid.decode_file(coded.stream, tmp_path / "a.txt")
    with pytest.raises(HeaderError, match=r"source\.y4m: not a \.clv stream"):
        colorvid.verify_file(coded.source)
    with pytest.raises(InputError, match="is a directory"):
        colorvid.probe(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_existing_targets_are_kept(coded: CodedClip, tmp_path: Path) -> None:
    for name in ("a.clv", "a.csv", "a.y4m"):
        (tmp_path / name).write_text("keep")
    with pytest.raises(OutputError, match=r"a\.clv exists; pass overwrite=True"):
        colorvid.encode_file(coded.source, tmp_path / "a.clv")
    with pytest.raises(OutputError, match=r"a\.csv exists; pass overwrite=True"):
        colorvid.encode_file(coded.source, tmp_path / "b.clv", csv=tmp_path / "a.csv")
    with pytest.raises(OutputError, match=r"a\.y4m exists; pass overwrite=True"):
        colorvid.decode_file(coded.stream, tmp_path / "a.y4m")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == dict.fromkeys(
        ("a.clv", "a.csv", "a.y4m"), "keep"
    )
    colorvid.decode_file(coded.stream, tmp_path / "a.y4m", overwrite=True)
    assert sums(read_clip(tmp_path / "a.y4m")) == sums(coded.decoded)


def test_source_that_breaks_off_leaves_nothing(coded: CodedClip, tmp_path: Path) -> None:
    source = tmp_path / "cut.y4m"
    source.write_bytes(coded.source.read_bytes()[:-10])
    with pytest.raises(InputError, match="frame 7 is cut"):
        colorvid.encode_file(source, tmp_path / "a.clv", gop=3, threads=2)
    assert list(tmp_path.iterdir()) == [source]


def test_imports_stay_light_and_never_take_in_the_training_side(
    coded: CodedClip, tmp_path: Path
) -> None:
    program = """
import sys
import colorvid
assert not {"numpy", "torch", "av"} & sys.modules.keys()
colorvid.probe(sys.argv[1])
assert not {"torch", "av"} & sys.modules.keys()
colorvid.encode_file(sys.argv[1].replace("coded.clv", "source.y4m"), sys.argv[2], frames=2)
colorvid.verify_file(sys.argv[2])
heavy = {"compressai", "torchvision", "torch_geometric", "skvideo", "matplotlib"}
print(sorted(heavy & sys.modules.keys()))
print([name for name in sys.modules if name.startswith("colorvid.training")])
"""
    arguments = [sys.executable, "-c", program, str(coded.stream), str(tmp_path / "a.clv")]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert result.stderr == ""
    assert result.stdout == "[]\n[]\n"


@pytest.mark.parametrize("names", [("a.clv", "a\0.csv"), ("a\0.clv", "a.csv")])
def test_a_name_with_a_nul_is_refused(
    coded: CodedClip, tmp_path: Path, names: tuple[str, str]
) -> None:
    target, csv = (str(tmp_path / name) for name in names)
    with pytest.raises(OutputError, match="a file name cannot hold a NUL"):
        colorvid.encode_file(coded.source, target, csv=csv)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("module", "name"), [("encode", "Encode"), ("decode", "Decode")])
def test_keywords_are_the_fields_of_the_options(module: str, name: str) -> None:
    """The types for keyword arguments stand beside the options, for type checkers alone."""
    path = Path(colorvid.__file__).parent / "files" / f"{module}.py"
    written = {
        node.name: {
            ast.unparse(line.target): ast.unparse(line.annotation)
            for line in node.body
            if isinstance(line, ast.AnnAssign)
        }
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert written[f"{name}Keywords"] == written[f"{name}Options"] != {}


def test_options_and_keywords_together(coded: CodedClip, tmp_path: Path) -> None:
    """Keyword arguments replace fields of the options."""
    options = EncodeOptions(quality=9, frames=2)
    report = colorvid.encode_file(coded.source, tmp_path / "a.clv", options, frames=1)
    assert report.frames == 1
    assert colorvid.probe(tmp_path / "a.clv").frames[0].header.quality == 9
    with pytest.raises(TypeError, match="nonsense"):
        colorvid.encode_file(coded.source, tmp_path / "b.clv", nonsense=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(("seek", "first"), [("0.1s", 3), ("0:00.2", 6), ("2", 2), (5, 5)])
def test_encoding_from_a_time(
    seek: str | int, first: int, coded: CodedClip, tmp_path: Path
) -> None:
    """The clip has 30000/1001 frames per second: the first frame at or after the time."""
    by_time, by_number = tmp_path / "time.clv", tmp_path / "number.clv"
    command = ["encode", str(coded.source), "-o", str(by_time), "--quiet", "--frames", "2"]
    assert main([*command, "--seek", str(seek)]) == 0
    colorvid.encode_file(coded.source, by_number, seek=first, frames=2)
    assert by_time.read_bytes() == by_number.read_bytes()


def test_a_time_that_is_none(
    coded: CodedClip, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.clv"
    assert main(["encode", str(coded.source), "-o", str(target), "--seek", "soon"]) == 1
    assert capfd.readouterr().err == (
        "colorvid [error]: --from soon is not allowed; give a frame by its number, or a time such "
        "as 10s or 1:02.5\n"
    )
    assert main(["encode", str(coded.source), "-o", str(target), "--seek", "9s"]) == 2
    assert "skips all frames there are" in capfd.readouterr().err
    assert not target.exists()
