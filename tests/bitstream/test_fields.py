from __future__ import annotations

import pytest

from colorvid.bitstream.fields import (
    U32_MAX,
    Field,
    FieldTable,
    constant,
    read_varint,
    write_varint,
)
from colorvid.errors import DamagedStream, HeaderError

TABLE = FieldTable(
    "test header",
    (
        constant("mark", "bytes", b"\x01\x02", "a marker"),
        Field("low_bits", "u6", "six bits", high=50, bit=0),
        Field("kind", "u2", "two bits", high=2, bit=6),
        Field("step", "u3", "three bits", bit=0, high=7),
        Field("move", "u5", "five bits", -8, 16, bit=3, bias=8),
        Field("near", "u4", "four bits", 1, 16, bit=0, bias=-1),
        Field("far", "u4", "four bits more", 1, 16, bit=4, bias=-1),
        Field("small", "u8", "a byte, px", 3, 9, labels={4: "four"}),
        Field("wide", "u64", "eight bytes", high=2**64 - 1),
        Field("count", "varint", "a count"),
        Field("blob", "bytes", "two bytes", high=2),
    ),
)
VALUES = {
    "low_bits": 0x15,
    "kind": 1,
    "step": 5,
    "move": -3,
    "near": 1,
    "far": 16,
    "small": 4,
    "wide": 0x0102030405060708,
    "count": 300,
    "blob": b"ab",
}
BYTES = bytes.fromhex("0102 55 2d f0 04 0807060504030201 ac02 6162")


@pytest.mark.parametrize(
    ("value", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (U32_MAX, "ffffffff0f"),
     (2**63 - 1, "ff" * 8 + "7f")],
)  # fmt: skip
def test_varint_golden(value: int, data: str) -> None:
    assert write_varint(value).hex() == data
    assert read_varint(bytes.fromhex(data), 0, 9) == (value, len(data) // 2)


@pytest.mark.parametrize("data", ["8000", "ff00", "ffffffffff01", "808080808000"])
def test_varint_too_long(data: str) -> None:
    value, pos = read_varint(bytes.fromhex(data), 0, 5)
    assert value is None
    assert pos <= len(data) // 2


@pytest.mark.parametrize("data", ["", "80", "ffffffff"])
def test_varint_cut(data: str) -> None:
    assert read_varint(bytes.fromhex(data), 0, 5) == (None, len(data) // 2 + 1)


def test_table_writes_and_reads_golden_bytes() -> None:
    assert TABLE.pack(VALUES, HeaderError) == BYTES
    assert TABLE.unpack(b"??" + BYTES, 2, HeaderError) == (VALUES, len(BYTES) + 2)


def test_table_offsets_and_size() -> None:
    assert TABLE.offsets() == [0, 2, 2, 3, 3, 4, 4, 5, 6, 14, None]
    assert TABLE.size == 2 + 3 + 1 + 8 + 5 + 2


@pytest.mark.parametrize(
    ("high", "size"), [(127, 1), (128, 2), (2**26, 4), (U32_MAX, 5), (2**63 - 1, 9)]
)
def test_varint_is_no_longer_than_its_largest_value(high: int, size: int) -> None:
    table = FieldTable("test header", (Field("count", "varint", "a count", high=high),))
    assert table.size == size
    with pytest.raises(DamagedStream, match="count is not a varint in shortest form"):
        table.unpack(b"\xff" * 12, 0, DamagedStream)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("low_bits", 51, "test header: low_bits is 51; allowed is 0..50"),
        ("kind", 3, "test header: kind is 3; allowed is 0..2"),
        ("move", -9, "test header: move is -9; allowed is -8..16"),
        ("move", 17, "test header: move is 17; allowed is -8..16"),
        ("near", 0, "test header: near is 0; allowed is 1..16"),
        ("far", 17, "test header: far is 17; allowed is 1..16"),
        ("small", 2, "test header: small is 2; allowed is 3..9"),
        ("small", 10, "test header: small is 10; allowed is 3..9"),
        ("small", 4.0, "test header: small is 4.0; allowed is 3..9"),
        ("small", True, "test header: small is True; allowed is 3..9"),
        ("wide", -1, "test header: wide is -1; allowed is 0..18446744073709551615"),
        ("count", U32_MAX + 1, "test header: count is 4294967296; allowed is 0..4294967295"),
        ("blob", b"a", "test header: blob is 61; allowed is 2 bytes"),
    ],
)
def test_table_refuses_to_write(name: str, value: int, message: str) -> None:
    with pytest.raises(HeaderError) as caught:
        TABLE.pack({**VALUES, name: value}, HeaderError)
    assert str(caught.value) == message


@pytest.mark.parametrize("length", range(len(BYTES)))
def test_table_cut_anywhere(length: int) -> None:
    with pytest.raises(DamagedStream, match=r"^test header: \w+ is cut: the data end here$"):
        TABLE.unpack(BYTES[:length], 0, DamagedStream)


@pytest.mark.parametrize(
    ("at", "byte", "message"),
    [
        (0, 9, "test header: mark is 0902; allowed is 01 02"),
        (2, 0xC0, "test header: kind is 3; allowed is 0..2"),
        (3, 0xFD, "test header: move is 23; allowed is -8..16"),
        (2, 0x3F, "test header: low_bits is 63; allowed is 0..50"),
        (5, 2, "test header: small is 2; allowed is 3..9"),
        (15, 0, "test header: count is not a varint in shortest form"),
    ],
)
def test_table_refuses_to_read(at: int, byte: int, message: str) -> None:
    data = bytearray(BYTES)
    data[at] = byte
    with pytest.raises(DamagedStream) as caught:
        TABLE.unpack(data, 0, DamagedStream)
    assert str(caught.value) == message


def test_table_describes() -> None:
    assert TABLE.describe({"small": 4, "blob": b"ab"}) == (
        "small  4 (four)  a byte, px\nblob   6162      two bytes"
    )
