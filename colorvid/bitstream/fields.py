"""Field tables: each field of a header is declared once, and the table reads, writes and prints it.

All integers in a file are unsigned and little-endian. ``u2`` to ``u6`` are so many bits of a byte,
bit 0 the lowest; together they fill it, in ascending order. A varint is LEB128: seven bits a byte,
low bits first, bit 7 set in all bytes but the last, shortest form only, no longer than its largest
allowed value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from colorvid.errors import ColorvidError

Kind = Literal["u2", "u3", "u4", "u5", "u6", "u8", "u16", "u32", "u64", "varint", "bytes"]
Value = int | bytes
Buffer = bytes | bytearray | memoryview

U16_MAX = 2**16 - 1
U32_MAX = 2**32 - 1
_BITS: Mapping[str, int] = {"u2": 2, "u3": 3, "u4": 4, "u5": 5, "u6": 6}
_SIZES: Mapping[str, int] = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


@dataclass(frozen=True)
class Field:
    """One field of a header.

    Attributes:
        name: the name in error messages, in ``docs/bitstream.md`` and in the dataclass.
        kind: how the value lies in the file.
        meaning: one line, with the unit.
        low, high: smallest and largest value of an integer; ``high`` is the size of ``bytes``.
        constant: the only value allowed, or None.
        labels: names of single values, for printing.
        bit: lowest bit of a ``u2`` to ``u6`` in its byte.
        bias: what is added to a value of ``u2`` to ``u6`` where it is stored.
    """

    name: str
    kind: Kind
    meaning: str
    low: int = 0
    high: int = U32_MAX
    constant: Value | None = None
    labels: Mapping[int, str] = field(default_factory=dict)
    bit: int = 0
    bias: int = 0

    @cached_property
    def bits(self) -> int:
        """Width of a ``u2`` to ``u6`` in bits; 0 for the kinds of whole bytes."""
        return _BITS.get(self.kind, 0)

    @cached_property
    def size(self) -> int | None:
        """Size in bytes; None for a varint. A byte of bits counts in the field that holds bit 7."""
        if self.bits:
            return (self.bit + self.bits) // 8
        return self.high if self.kind == "bytes" else _SIZES.get(self.kind)

    @cached_property
    def max_size(self) -> int:
        """Largest size in bytes: that of the largest value for a varint, else ``size``."""
        return len(write_varint(self.high)) if self.size is None else self.size

    @property
    def allowed(self) -> str:
        """The allowed values, as printed in messages and in the format document."""
        if isinstance(self.constant, bytes):
            return self.constant.hex(" ").upper()
        if self.constant is not None:
            return str(self.constant)
        return f"{self.high} bytes" if self.kind == "bytes" else f"{self.low}..{self.high}"

    def is_allowed(self, value: object) -> bool:
        """Whether ``value`` has the right type and lies within the limits."""
        if self.constant is not None:
            return value == self.constant
        if self.kind == "bytes":
            return isinstance(value, bytes) and len(value) == self.high
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high

    def show(self, value: object) -> str:
        """The value as text: bytes in hexadecimal, known numbers with their label."""
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, int) and value in self.labels:
            return f"{int(value)} ({self.labels[value]})"
        return str(value)

    def write(self, value: Value) -> bytes:
        """The bytes of a value that passed ``is_allowed``; not for ``u2`` to ``u6``."""
        if isinstance(value, bytes):
            return value
        return write_varint(value) if self.size is None else value.to_bytes(self.size, "little")

    def read(self, data: Buffer, pos: int) -> tuple[Value | None, int]:
        """The value at ``pos`` and the position after it.

        The value is None if ``data`` ends inside the field or a varint is malformed.
        """
        if self.size is None:
            return read_varint(data, pos, self.max_size)
        if self.bits:
            if pos >= len(data):
                return None, len(data)
            stored = data[pos] >> self.bit & (1 << self.bits) - 1
            return stored - self.bias, pos + self.size
        end = pos + self.size
        raw = bytes(data[pos:end])
        if len(raw) < self.size:
            return None, len(data)
        return (raw if self.kind == "bytes" else int.from_bytes(raw, "little")), end


def write_varint(value: int) -> bytes:
    """LEB128 bytes of ``value``, which is not negative."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: Buffer, pos: int, max_bytes: int) -> tuple[int | None, int]:
    """The varint at ``pos`` and the position after it; None if cut, too long or not the shortest.

    The position shows which: it is past the end of ``data`` only where the varint is cut.
    """
    value = 0
    for i in range(max_bytes):
        if pos + i >= len(data):
            return None, len(data) + 1
        byte = data[pos + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            malformed = byte == 0 and i > 0
            return (None if malformed else value), pos + i + 1
    return None, pos + max_bytes


@dataclass(frozen=True, slots=True)
class FieldTable:
    """An ordered list of fields: the layout of one header.

    Attributes:
        name: what error messages call the header.
        fields: the fields in the order of the file.
    """

    name: str
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Largest size in bytes; the exact size if the table holds no varint."""
        return sum(f.max_size for f in self.fields)

    def offsets(self) -> list[int | None]:
        """Byte offset of each field; None behind a varint."""
        offsets: list[int | None] = []
        pos: int | None = 0
        for f in self.fields:
            offsets.append(pos)
            pos = None if pos is None or f.size is None else pos + f.size
        return offsets

    def offset_of(self, name: str) -> int:
        """Byte offset of a field before which no varint lies."""
        names = [f.name for f in self.fields]
        offset = self.offsets()[names.index(name)]
        assert offset is not None
        return offset

    def check(self, values: Mapping[str, Value], error: type[ColorvidError]) -> None:
        """Raise ``error``, naming the field, the value and what is allowed, if a value is not."""
        for f in self.fields:
            if f.name in values and not f.is_allowed(values[f.name]):
                raise self._wrong(f, values[f.name], error)

    def _wrong(self, f: Field, value: Value, error: type[ColorvidError]) -> ColorvidError:
        """What to raise for a value that is out of its limits."""
        return error(f"{self.name}: {f.name} is {f.show(value)}; allowed is {f.allowed}")

    def pack(self, values: Mapping[str, Value], error: type[ColorvidError]) -> bytes:
        """The bytes of a header; constant fields are filled in.

        Raises:
            error: a value is out of its limits.
        """
        self.check(values, error)
        out, byte = bytearray(), 0
        for f in self.fields:
            value = values[f.name] if f.constant is None else f.constant
            if not f.bits:
                out += f.write(value)
                continue
            byte |= int(value) + f.bias << f.bit
            if f.size:
                out.append(byte)
                byte = 0
        return bytes(out)

    def unpack(
        self, data: Buffer, pos: int, error: type[ColorvidError]
    ) -> tuple[dict[str, Any], int]:
        """Values by name, without the constant fields, and the position after the header.

        Args:
            data: bytes that hold the header.
            pos: where it starts, bytes.
            error: what to raise if the data end early or a value is out of its limits.
        """
        values: dict[str, Any] = {}
        for f in self.fields:
            value, pos = f.read(data, pos)
            if value is None:
                cut = f.size is not None or pos > len(data)
                problem = "is cut: the data end here" if cut else "is not a varint in shortest form"
                raise error(f"{self.name}: {f.name} {problem}")
            if not f.is_allowed(value):
                raise self._wrong(f, value, error)
            if f.constant is None:
                values[f.name] = value
        return values, pos

    def describe(self, values: Mapping[str, Value]) -> str:
        """One line per field that has a value: name, value, meaning."""
        rows = [
            (f.name, f.show(values[f.name]), f.meaning) for f in self.fields if f.name in values
        ]
        name_width = max(len(row[0]) for row in rows)
        value_width = max(len(row[1]) for row in rows)
        return "\n".join(f"{n:<{name_width}}  {v:<{value_width}}  {m}" for n, v, m in rows)


def constant(name: str, kind: Kind, value: Value, meaning: str) -> Field:
    """A field with one allowed value: a marker, a version."""
    size = len(value) if isinstance(value, bytes) else U32_MAX
    return Field(name, kind, meaning, high=size, constant=value)


def item(
    kind: Kind,
    meaning: str,
    low: int = 0,
    high: int = U32_MAX,
    *,
    labels: Mapping[int, str] | None = None,
    default: Value | None = None,
) -> Any:
    """A dataclass field that is a header field too; ``fields_of`` collects them.

    Args:
        kind: how the value lies in the file.
        meaning: one line, with the unit.
        low, high: smallest and largest value; ``high`` is the size in bytes of kind ``bytes``.
        labels: names of single values, for printing.
        default: value when the caller gives none; without it the field must be given.
    """
    metadata = dict(kind=kind, meaning=meaning, low=low, high=high, labels=labels or {})
    if default is None:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def bits(kind: Kind, meaning: str, low: int, high: int, *, bit: int = 0, bias: int = 0) -> Any:
    """As `item`, for a part of a byte; ``bit`` and ``bias`` as in `Field`."""
    metadata = dict(kind=kind, meaning=meaning, low=low, high=high, bit=bit, bias=bias)
    return field(metadata=metadata)


def fields_of(header: type) -> tuple[Field, ...]:
    """The header fields that a dataclass declares with ``item``, in order."""
    return tuple(Field(f.name, **f.metadata) for f in dataclasses.fields(header) if f.metadata)
