from __future__ import annotations

import io
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from colorvid.bitstream import ClvReader, ClvWriter, StreamHeader, describe, summarise
from colorvid.bitstream.fields import Field, FieldTable
from colorvid.bitstream.headers import STREAM_HEADER, header_size
from colorvid.bitstream.index import INDEX_ENTRY, INDEX_HEADER, INDEX_TAIL
from colorvid.bitstream.packets import PACKET_HEADER
from colorvid.colors import Light
from colorvid.errors import HeaderError, UnsupportedVersion
from tests.clv import header, packet

GOLDEN = bytes.fromhex(
    "89434c560d0a1a0a 02 b000 9000 30750000 e9030000 0c000000 0b000000 03000000 01 02"
    "00 01 06 05 01 01 01 000102030405060708090a0b0c0d0e0f 04ed5631"
)


def with_crc(data: bytes) -> bytes:
    """The header with its CRC made right."""
    return data[:58] + zlib.crc32(data[:58]).to_bytes(4, "little")


def test_golden_bytes() -> None:
    assert header().to_bytes() == GOLDEN
    assert StreamHeader.from_bytes(GOLDEN) == header()


LIMITS = [
    (field.name, value, f"stream header: {field.name} is {value}; allowed is {field.allowed}")
    for field in STREAM_HEADER.fields
    if field.constant is None and field.kind != "bytes" and field.name != "header_crc"
    for value in (field.low - 1, field.high + 1)
]


@pytest.mark.parametrize(("name", "value", "message"), LIMITS)
def test_field_out_of_range_cannot_be_made(name: str, value: int, message: str) -> None:
    with pytest.raises(HeaderError) as caught:
        header(**{name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("offset", "data", "message"),
    [
        (8, "00", "version is 0; allowed is 2"),
        (9, "0000", "width is 0; allowed is 1..8192"),
        (9, "0120", "width is 8193; allowed is 1..8192"),
        (11, "0000", "height is 0; allowed is 1..8192"),
        (11, "ffff", "height is 65535; allowed is 1..8192"),
        (13, "00000000", "rate_num is 0; allowed is 1..4294967295"),
        (17, "00000000", "rate_den is 0; allowed is 1..4294967295"),
        (21, "00000000", "sample aspect ratio is 0/11; an unknown ratio is written 0/1"),
        (25, "00000000", "sar_den is 0; allowed is 1..4294967295"),
        (33, "10", "reorder is 16; allowed is 0..15"),
        (34, "00", "references is 0; allowed is 1..16"),
        (34, "11", "references is 17; allowed is 1..16"),
        (35, "02", "pixel_format is 2; allowed is 0..1"),
        (36, "03", "color_range is 3; allowed is 0..2"),
        (40, "07", "chroma_location is 7; allowed is 0..6"),
        (41, "02", "tune is 2; allowed is 0..1"),
    ],
)
def test_field_out_of_range_is_refused(offset: int, data: str, message: str) -> None:
    raw = bytes.fromhex(data)
    changed = with_crc(GOLDEN[:offset] + raw + GOLDEN[offset + len(raw) :])
    with pytest.raises(HeaderError) as caught:
        StreamHeader.from_bytes(changed)
    assert str(caught.value) == f"stream header: {message}"


def test_model_id_has_16_bytes() -> None:
    with pytest.raises(HeaderError, match="model_id is 0001; allowed is 16 bytes"):
        header(model_id=b"\x00\x01")


OLD = bytes.fromhex(
    "89434c560d0a1a0a 01 b000 9000 30750000 e9030000 0c000000 0b000000 03000000"
    "00 01 06 05 01 01 01 000102030405060708090a0b0c0d0e0f 4a0be74e"
)
"""The same header in format version 1."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (OLD, "1, this colorvid reads version 2; decode it with the colorvid that made it"),
        (GOLDEN[:8] + b"\x03" + GOLDEN[9:], "3, this colorvid reads version 2; update colorvid"),
    ],
)
def test_other_versions(data: bytes, message: str) -> None:
    for part in (data, data + bytes(9), data[:9]):
        with pytest.raises(UnsupportedVersion) as caught:
            StreamHeader.from_bytes(part)
        assert str(caught.value) == f"stream has format version {message}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a .clv stream: it is empty"),
        (b"RIFF....WAVE", "not a .clv stream: it starts with 52 49 46 46 2e 2e 2e 2e, not 89 43"),
        (GOLDEN.replace(b"\r\n", b"\n"), "line ends were changed; transfer the file as binary"),
        (GOLDEN[:61], "stream header is cut: 61 of 62 bytes are there"),
        (GOLDEN[:4], "stream header is cut: 4 of 62 bytes are there"),
        (GOLDEN[:-1] + b"\x00", "stream header is damaged: its CRC is 00"),
    ],
)
def test_not_a_header(data: bytes, message: str) -> None:
    with pytest.raises(HeaderError, match=re.escape(message)):
        StreamHeader.from_bytes(data)


@pytest.mark.parametrize(
    ("width", "height", "limit"),
    [(1, 1, 2 * 3 + 4096), (3, 5, 2 * (15 + 2 * 6) + 4096), (8192, 8192, 2**26)],
)
def test_payload_limit(width: int, height: int, limit: int) -> None:
    assert header(width=width, height=height).payload_limit == limit


DEEP = bytes.fromhex(
    "89434c560d0a1a0a 02 b000 9000 30750000 e9030000 0c000000 0b000000 03000000 01 02"
    "01 01 06 05 01 01 01 000102030405060708090a0b0c0d0e0f"
    "d084 803e c233 c486 4c1d b80b 133d 4240 80969800 32000000 e803 9001"
)
"""The same header of 10 bits with light, without its CRC."""
LIGHT = Light(34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10**7, 50, 1000, 400)


def test_golden_bytes_of_10_bits() -> None:
    deep, data = header(pixel_format=1, light=LIGHT), DEEP + zlib.crc32(DEEP).to_bytes(4, "little")
    assert deep.to_bytes() == data and len(data) == deep.size_bytes == 90
    assert header_size(data) == header_size(data[:36]) == 90 and header_size(GOLDEN) == 62
    assert StreamHeader.from_bytes(data) == deep and deep.depth == 10
    unlit = header(pixel_format=1)
    assert unlit.to_bytes()[58:86] == bytes(28)
    assert StreamHeader.from_bytes(unlit.to_bytes()) == unlit
    with pytest.raises(HeaderError, match="stream header is cut: 89 of 90 bytes are there"):
        StreamHeader.from_bytes(data[:-1])
    with pytest.raises(HeaderError, match="stream header is damaged: its CRC is"):
        StreamHeader.from_bytes(data[:60] + b"\1" + data[61:])


def test_light_out_of_range_is_refused() -> None:
    with pytest.raises(
        HeaderError, match=r"stream header: white_y is 50001; allowed is 0\.\.50000"
    ):
        header(pixel_format=1, light=replace(LIGHT, white_y=50001))
    wrong = DEEP[:58] + b"\xff\xff" + DEEP[60:]
    with pytest.raises(HeaderError, match=r"red_x is 65535; allowed is 0\.\.50000"):
        StreamHeader.from_bytes(wrong + zlib.crc32(wrong).to_bytes(4, "little"))
    with pytest.raises(HeaderError, match="a stream of 8 bits has no place for the light"):
        header(light=LIGHT)


def test_a_stream_of_10_bits_is_read_back() -> None:
    file = io.BytesIO()
    writer = ClvWriter(file)
    assert writer.write_header(header(pixel_format=1, light=LIGHT)) == 90
    for number in range(6):
        writer.write_packet(packet(number))
    writer.finish()
    file.seek(0)
    reader = ClvReader(file)
    assert reader.header.light == LIGHT and [p.frame_number for p in reader] == list(range(6))
    assert reader.seek_to_key(4) == 3 and [p.frame_number for p in reader] == [3, 4, 5]
    file.seek(0)
    found = summarise(file)
    assert found.total_bytes == len(file.getvalue()) and found.frames[0].offset == 90
    text = describe(found.header)
    assert len(text.splitlines()) == 17 + 12 and re.search("^max_cll +1000 ", text, re.M)


def test_describe_names_every_field_and_label() -> None:
    text = describe(header())
    assert len(text.splitlines()) == 17
    assert re.search(r"^width +176 +luma columns, px$", text, re.M)
    assert re.search(r"^matrix +6 \(SMPTE 170M\) +matrix coefficients, H.273$", text, re.M)
    assert re.search(r"^model_id +000102030405060708090a0b0c0d0e0f ", text, re.M)


def documented_rows() -> list[list[str]]:
    """The cells of all field rows in the format document, which alone have six of them."""
    page = Path(__file__).parents[2] / "docs" / "bitstream.md"
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    fields = [row for row in rows if len(row) == 6]
    return [row for row in fields if row[0] != "offset" and not row[0].startswith("---")]


def size_of(field: Field) -> str:
    """The size of a field as the document gives it: bytes, a range of them, or bits of a byte."""
    if field.bits:
        return f"bits {field.bit}-{field.bit + field.bits - 1}"
    return str(field.size or f"1..{field.max_size}")


def table_rows(table: FieldTable) -> list[list[str]]:
    """The same cells from the field table: offset, size, name, type, allowed, meaning."""
    return [
        [
            "-" if at is None else str(at),
            size_of(f),
            f.name,
            f.kind,
            f.allowed,
            f.meaning,
        ]
        for f, at in zip(table.fields, table.offsets(), strict=True)
    ]


def test_document_agrees_with_field_tables() -> None:
    tables = (STREAM_HEADER, PACKET_HEADER, INDEX_HEADER, INDEX_ENTRY, INDEX_TAIL)
    assert documented_rows() == [row for table in tables for row in table_rows(table)]
