"""Adaptive binary range coder in plain integers.

A 32-bit range coder with carry propagation, as in G. N. N. Martin, "Range encoding" (1979). Each
bit is coded with the probability kept in a context; probabilities are 16-bit integers that adapt
fast while a context is young and slowly later. Encoder and decoder share the method names, so that
one function that walks over the data serves both: it passes the value to an encoder and None to a
decoder, and uses the value that comes back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from colorvid.errors import DamagedStream

States = list[int]
"""Contexts: one integer each, ``probability of a one * 2^16`` above 6 bits that count its bits."""

STATE_BITS = 22
"""Bits of a context; the probability is in the upper 16."""

_TOP = 1 << 24
_MASK = (1 << 32) - 1
_FLUSH_BYTES = 4
_START = (1 << 15) << 6
# Adaptation shift by the number of bits seen: 1/(n + 2) to the nearest power of two, then 1/64.
_SHIFTS = (1,) + (2,) * 3 + (3,) * 6 + (4,) * 11 + (5,) * 23 + (6,)
_OLD = len(_SHIFTS) - 1


def new_states(count: int) -> States:
    """Fresh contexts: both bits equally likely, fast adaptation."""
    return [_START] * count


class BinaryCoder(ABC):
    """What an encoder and a decoder have in common."""

    __slots__ = ()

    @abstractmethod
    def code(self, bit: int | None, states: States, index: int) -> int:
        """Code one bit with the context ``states[index]``, which adapts.

        Args:
            bit: 0 or 1 for an encoder, None for a decoder.
            states: contexts of the caller.
            index: which of them.

        Returns:
            The bit.
        """

    @abstractmethod
    def code_bits(self, value: int | None, count: int) -> int:
        """Code ``count`` bits (0..32) that are as likely 0 as 1, most significant first.

        Args:
            value: ``0..2**count - 1`` for an encoder, None for a decoder.
            count: number of bits.

        Returns:
            The value.
        """

    def code_magnitude(self, value: int | None, states: States, base: int, limit: int) -> int:
        """Code a non-negative integer as Exp-Golomb (order 0) with adaptive prefix.

        Prefix bits and the first bit after the prefix have contexts, the others are plain.

        Args:
            value: ``0..2**(limit + 1) - 2`` for an encoder, None for a decoder.
            states: contexts of the caller.
            base: the contexts ``base .. base + 2 * limit`` belong to this kind of number.
            limit: longest prefix, 1..30; bounds what a damaged stream can say.

        Returns:
            The value.
        """
        wanted = None if value is None else (value + 1).bit_length() - 1
        length = 0
        while length < limit:
            more = None if wanted is None else int(length < wanted)
            if not self.code(more, states, base + length):
                break
            length += 1
        if length == 0:
            return 0
        rest = None if value is None else value + 1 - (1 << length)
        low = length - 1
        first = self.code(None if rest is None else rest >> low, states, base + limit + length)
        tail = self.code_bits(None if rest is None else rest & ((1 << low) - 1), low) if low else 0
        return (1 << length) + (first << low) + tail - 1


class BinaryEncoder(BinaryCoder):
    """Turns bits into bytes."""

    __slots__ = ("_low", "_out", "_range")

    def __init__(self) -> None:
        """Start an empty stream."""
        self._low = 0
        self._range = _MASK
        self._out = bytearray()

    def code(self, bit: int | None, states: States, index: int) -> int:
        """Append one bit; see `BinaryCoder.code`."""
        state = states[index]
        probability = state >> 6
        count = state & 63
        bound = (self._range * probability) >> 16
        shift = _SHIFTS[count]
        if bit:
            self._range = bound
            probability += (65536 - probability) >> shift
        else:
            assert bit is not None, "an encoder needs the bit"
            self._low += bound
            self._range -= bound
            probability -= probability >> shift
        states[index] = (probability << 6) | (count + 1 if count < _OLD else count)
        if self._range < _TOP:
            self._shift_out()
        return bit

    def code_bits(self, value: int | None, count: int) -> int:
        """Append plain bits; see `BinaryCoder.code_bits`."""
        assert value is not None, "an encoder needs the value"
        left = count
        while left:
            step = min(left, 8)
            left -= step
            self._range >>= step
            self._low += self._range * ((value >> left) & ((1 << step) - 1))
            if self._range < _TOP:
                self._shift_out()
        return value

    def finish(self) -> bytes:
        """End the stream with as few bytes as identify it, and return all of it."""
        for kept in range(_FLUSH_BYTES + 1):
            unit = 1 << (32 - 8 * kept)
            value = -(-self._low // unit) * unit
            if value < self._low + self._range:
                self._low = value
                break
        self._carry()
        self._out += self._low.to_bytes(4, "big")[:kept]
        return bytes(self._out)

    def _shift_out(self) -> None:
        """Move finished bytes from ``low`` to the output until the range is wide again."""
        self._carry()
        while self._range < _TOP:
            self._out.append(self._low >> 24)
            self._low = (self._low << 8) & _MASK
            self._range <<= 8

    def _carry(self) -> None:
        """Add an overflow of ``low`` to the bytes already written."""
        if self._low > _MASK:
            self._low &= _MASK
            at = len(self._out) - 1
            while self._out[at] == 255:
                self._out[at] = 0
                at -= 1
            self._out[at] += 1


class BinaryDecoder(BinaryCoder):
    """Turns the bytes of a `BinaryEncoder` back into bits.

    Never reads out of bounds: bytes after the end count as zeros, and `finish` reports whether
    more of them were needed than a whole stream can need.
    """

    __slots__ = ("_at", "_code", "_data", "_range")

    def __init__(self, data: bytes) -> None:
        """Start at the first byte.

        Args:
            data: what `BinaryEncoder.finish` returned, or any damaged form of it.
        """
        self._data = data
        self._range = _MASK
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self._at = 4

    def code(self, bit: int | None, states: States, index: int) -> int:
        """Read one bit; see `BinaryCoder.code`."""
        state = states[index]
        probability = state >> 6
        count = state & 63
        bound = (self._range * probability) >> 16
        shift = _SHIFTS[count]
        if self._code < bound:
            bit = 1
            self._range = bound
            probability += (65536 - probability) >> shift
        else:
            bit = 0
            self._code -= bound
            self._range -= bound
            probability -= probability >> shift
        states[index] = (probability << 6) | (count + 1 if count < _OLD else count)
        if self._range < _TOP:
            self._shift_in()
        return bit

    def code_bits(self, value: int | None, count: int) -> int:
        """Read plain bits; see `BinaryCoder.code_bits`."""
        value = 0
        while count:
            step = min(count, 8)
            count -= step
            self._range >>= step
            # A damaged stream can point beyond the range: stay within the bits asked for.
            part = min(self._code // self._range, (1 << step) - 1)
            self._code -= self._range * part
            value = (value << step) | part
            if self._range < _TOP:
                self._shift_in()
        return value

    def finish(self) -> None:
        """Check that the bits read are all that the bytes hold.

        Raises:
            DamagedStream: bytes are missing or left over.
        """
        check_end(len(self._data), self._at)

    def _shift_in(self) -> None:
        """Take bytes until the range is wide again."""
        while self._range < _TOP:
            byte = self._data[self._at] if self._at < len(self._data) else 0
            self._code = ((self._code << 8) | byte) & _MASK
            self._range <<= 8
            self._at += 1


def check_end(size: int, position: int) -> None:
    """Check that a decoder that stands at byte ``position`` has read all of ``size`` bytes.

    Raises:
        DamagedStream: bytes are missing or left over.
    """
    if not size <= position <= size + _FLUSH_BYTES:
        raise DamagedStream(
            f"range-coded data is damaged: {size} bytes, but the decoder stands at byte "
            f"{position} (allowed: {size} to {size + _FLUSH_BYTES})"
        )
