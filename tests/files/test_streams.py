import io
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError, DamagedStream, HeaderError, InputError, OutputError
from colorvid.files.streams import (
    create_stream,
    header_of,
    info_of,
    named_errors,
    open_stream,
    probe,
)
from colorvid.io import VideoInfo, open_reader
from tests.conftest import INFO, CodedClip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_header_keeps_the_description_of_a_video() -> None:
    header = header_of(INFO, EncoderSettings(gop=32), bytes(16))
    assert (header.gop_length, header.reorder, header.references) == (32, 4, 5)
    assert info_of(header) == INFO
    plain = VideoInfo(1, 8192, Fraction(1, 2))
    assert info_of(header_of(plain, EncoderSettings(gop=1), bytes(16))) == plain
    alone = EncoderSettings(bframes=0, preset="fast"), EncoderSettings(gop=2)
    for number, settings in enumerate((EncoderSettings(bframes=0), *alone)):
        at_once = header_of(INFO, settings, bytes(16))
        assert (at_once.reorder, at_once.references) == (0, 1 if number else 2)
    few = header_of(INFO, EncoderSettings(bframes=3), bytes(16))
    assert (few.reorder, few.references, info_of(few)) == (2, 3, INFO)


def test_ratio_that_no_output_can_carry_is_refused() -> None:
    header = replace(header_of(INFO, EncoderSettings(), bytes(16)), rate_num=2**32 - 1)
    with pytest.raises(HeaderError, match="stream header: frame rate is 4294967295/1001"):
        info_of(header)


def test_file_appears_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "a.clv"
    with create_stream(target, overwrite=False) as file:
        file.write(b"data")
        assert not target.exists()
    assert target.read_bytes() == b"data"
    with pytest.raises(RuntimeError), create_stream(target, overwrite=True) as file:
        file.write(b"other")
        raise RuntimeError
    assert target.read_bytes() == b"data"
    assert list(tmp_path.iterdir()) == [target]


def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="No such file"), open_stream(tmp_path / "none.clv"):
        pass
    with pytest.raises(InputError, match="is a directory"), open_stream(tmp_path):
        pass
    with pytest.raises(OutputError, match="is a directory"):
        with create_stream(tmp_path, overwrite=True):
            pass
    with pytest.raises(ConfigError, match="give a name in .clv"):
        with create_stream(tmp_path / "a.MP4", overwrite=True):
            pass
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(ConfigError, match="stdin is a terminal"), open_stream("-"):
        pass
    with pytest.raises(ConfigError, match="stdout is a terminal"):
        with create_stream("-", overwrite=False):
            pass


def test_errors_of_the_stream_get_its_name() -> None:
    with pytest.raises(DamagedStream, match="^a.clv: byte 3$"), named_errors("a.clv"):
        raise DamagedStream("byte 3")
    with pytest.raises(OutputError, match="^stdout: full$"), named_errors("a.clv"):
        raise OutputError("stdout: full")


def test_probe(coded: CodedClip) -> None:
    summary = probe(coded.stream)
    assert (summary.total_frames, summary.key_frames, len(summary.damage)) == (8, 3, 0)
    assert summary.total_bytes == coded.stream.stat().st_size


def test_names_with_a_nul_are_refused(tmp_path: Path) -> None:
    for call in (
        lambda: probe("a\0b.clv"),
        lambda: open_reader("a\0b.y4m"),
        lambda: open_reader("a\0b.yuv", size=(2, 2), rate=Fraction(25)),
    ):
        with pytest.raises(InputError, match=r"'a\\x00b\.\w+': a file name cannot hold a NUL"):
            call()
    with pytest.raises(OutputError, match="a file name cannot hold a NUL"):
        with create_stream(tmp_path / "a\0b.clv", overwrite=True):
            pass
