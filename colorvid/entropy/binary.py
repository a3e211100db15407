"""Adaptive binary range coder in plain integers.

A 32-bit range coder with carry propagation, as in G. N. N. Martin, "Range encoding" (1979). Each
bit is coded with the probability kept in a context; probabilities are 16-bit integers that adapt
fast while a context is young and slowly later. Encoder and decoder share the method names, so that
one function that walks over the data serves both: it passes the value to an encoder and None to a
decoder, and uses the value that comes back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from colorvid.errors import DamagedStream

_TOP = 1 << 24
_MASK = (1 << 32) - 1
_FLUSH_BYTES = 4
_START = (1 << 15) << 6
# Adaptation shift by the number of bits seen: 1/(n + 2) to the nearest power of two, then 1/64.
_SHIFTS = (1,) + (2,) * 3 + (3,) * 6 + (4,) * 11 + (5,) * 23 + (6,)
_OLD = len(_SHIFTS) - 1

# Probabilities, times 2^16, of odds: their logarithms in units of 1/256 are multiples of 128 from
# -2048 on; straight lines between.
_KNOTS = (
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768,
    40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438,
    65476, 65500, 65514,
)  # fmt: skip
_KNOT = 128
ODDS_LIMIT = 2047
"""Largest magnitude of odds, see `probability_of`."""
_WEIGHT_ONE = 1 << 16
_WEIGHT_LIMIT = 1 << 19
_WEIGHT_SHIFT = 14


def probability_of(odds: int) -> int:
    """2^16 times the probability, from 256 times the logarithm of the odds, -2047..2047."""
    knot, part = divmod(odds + 16 * _KNOT, _KNOT)
    return _KNOTS[knot] + (_KNOTS[knot + 1] - _KNOTS[knot]) * part // _KNOT


def _odds_table() -> list[int]:
    """The largest odds of at most the probability ``(16 * i + 8) / 2^16``, for i in 0..4095."""
    table, odds = [], -ODDS_LIMIT
    for step in range(4096):
        while odds < ODDS_LIMIT and probability_of(odds + 1) <= 16 * step + 8:
            odds += 1
        table.append(odds)
    return table


_ODDS = _odds_table()


@dataclass(frozen=True, slots=True)
class Bin:
    """A kind of bit.

    Attributes:
        first: where the contexts of each of its sets begin.
        weights: where their weights begin; a single set has none.
    """

    first: tuple[int, ...]
    weights: int


class Layout:
    """Gives bins their contexts and weights."""

    __slots__ = ("contexts", "start")

    def __init__(self) -> None:
        """No bins yet."""
        self.contexts = 0
        self.start: list[int] = []

    def bin(self, *sizes: int) -> Bin:
        """A bin with sets of so many contexts."""
        first, weights = [], len(self.start)
        for size in sizes:
            first.append(self.contexts)
            self.contexts += size
        if len(sizes) > 1:
            self.start += [6 * _WEIGHT_ONE // (5 * len(sizes))] * len(sizes)
        return Bin(tuple(first), weights)


class Contexts:
    """Contexts of the bins of a `Layout`, and their weights.

    A context is one integer, ``probability of a one * 2^16`` above 6 bits that count its bits.
    Where a bin has several sets, one context of each speaks of a bit: the logarithms of their odds
    are weighted and added; contexts and weights adapt (M. Mahoney, "Adaptive weighing of context
    models for lossless data compression", 2005).

    Attributes:
        states: the contexts.
        weights: in 1/65536.
    """

    __slots__ = ("states", "weights")

    def __init__(self, layout: Layout) -> None:
        """Fresh ones: both bits equally likely, fast adaptation."""
        self.states = [_START] * layout.contexts
        self.weights = layout.start.copy()

    def copy(self) -> Contexts:
        """Contexts that adapt on their own."""
        new = Contexts.__new__(Contexts)
        new.states, new.weights = self.states.copy(), self.weights.copy()
        return new

    def mix(self, bin: Bin, places: tuple[int, ...]) -> tuple[int, list[int]]:
        """2^16 times the probability of a one, and the odds of each context."""
        at = zip(bin.first, places, strict=True)
        states = [self.states[first + place] for first, place in at]
        if len(states) == 1:
            return states[0] >> 6, []
        odds = [_ODDS[state >> 10] for state in states]
        weights = self.weights[bin.weights : bin.weights + len(odds)]
        total = sum(weight * one for weight, one in zip(weights, odds, strict=True)) >> 16
        return probability_of(max(-ODDS_LIMIT, min(ODDS_LIMIT, total))), odds

    def adapt(
        self, bin: Bin, places: tuple[int, ...], bit: int, mixed: tuple[int, list[int]]
    ) -> None:
        """Learn from a bit; ``mixed`` is what `mix` gave."""
        probability, odds = mixed
        for first, place in zip(bin.first, places, strict=True):
            state = self.states[first + place]
            count, value = state & 63, state >> 6
            shift = _SHIFTS[count]
            value += (65536 - value) >> shift if bit else -(value >> shift)
            self.states[first + place] = (value << 6) | min(count + 1, _OLD)
        missed = (bit << 16) - probability
        for number, one in enumerate(odds, bin.weights):
            weight = self.weights[number] + (missed * one >> _WEIGHT_SHIFT)
            self.weights[number] = max(-_WEIGHT_LIMIT, min(_WEIGHT_LIMIT, weight))


class BinaryCoder(ABC):
    """What an encoder and a decoder have in common."""

    __slots__ = ()

    def code(self, bit: int | None, contexts: Contexts, bin: Bin, *places: int) -> int:
        """Code one bit with contexts, which adapt.

        Args:
            bit: 0 or 1 for an encoder, None for a decoder.
            contexts: of the caller.
            bin: what kind of bit it is.
            places: which context of each of its sets.

        Returns:
            The bit.
        """
        mixed = contexts.mix(bin, places)
        bit = self._code(bit, mixed[0])
        contexts.adapt(bin, places, bit, mixed)
        return bit

    @abstractmethod
    def _code(self, bit: int | None, probability: int) -> int:
        """Code one bit that is a one with a probability in units of 2^-16."""

    @abstractmethod
    def code_bits(self, value: int | None, count: int) -> int:
        """Code ``count`` bits (0..32) that are as likely 0 as 1, most significant first.

        Args:
            value: ``0..2**count - 1`` for an encoder, None for a decoder.
            count: number of bits.

        Returns:
            The value.
        """

    def code_magnitude(
        self, value: int | None, limit: int, code: Callable[[int | None, int], int]
    ) -> int:
        """Code a non-negative integer as Exp-Golomb (order 0) with adaptive prefix.

        Prefix bits and the first bit after the prefix have contexts, the others are plain.

        Args:
            value: ``0..2**(limit + 1) - 2`` for an encoder, None for a decoder.
            limit: longest prefix, 1..30; bounds what a damaged stream can say.
            code: codes a bit at one of the places ``0 .. 2 * limit`` of this kind of number.

        Returns:
            The value.
        """
        wanted = None if value is None else (value + 1).bit_length() - 1
        length = 0
        while length < limit and code(None if wanted is None else int(length < wanted), length):
            length += 1
        if length == 0:
            return 0
        rest = None if value is None else value + 1 - (1 << length)
        low = length - 1
        first = code(None if rest is None else rest >> low, limit + length)
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

    def _code(self, bit: int | None, probability: int) -> int:
        """Append one bit; see `BinaryCoder._code`."""
        assert bit is not None, "an encoder needs the bit"
        bound = (self._range * probability) >> 16
        if bit:
            self._range = bound
        else:
            self._low += bound
            self._range -= bound
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

    __slots__ = ("_at", "_value", "_data", "_range")

    def __init__(self, data: bytes) -> None:
        """Start at the first byte.

        Args:
            data: what `BinaryEncoder.finish` returned, or any damaged form of it.
        """
        self._data = data
        self._range = _MASK
        self._value = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self._at = 4

    def _code(self, bit: int | None, probability: int) -> int:
        """Read one bit; see `BinaryCoder._code`."""
        bound = (self._range * probability) >> 16
        bit = int(self._value < bound)
        if bit:
            self._range = bound
        else:
            self._value -= bound
            self._range -= bound
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
            part = min(self._value // self._range, (1 << step) - 1)
            self._value -= self._range * part
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
            self._value = ((self._value << 8) | byte) & _MASK
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
