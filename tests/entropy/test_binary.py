"""Range coder: golden bytes, round trips, damaged input."""

import math
import random

import pytest

from colorvid.entropy.binary import (
    ODDS_LIMIT,
    BinaryCoder,
    BinaryDecoder,
    BinaryEncoder,
    Contexts,
    Layout,
    probability_of,
)
from colorvid.errors import DamagedStream

Item = tuple[str, int, int]

LAYOUT = Layout()
BIT = LAYOUT.bin(64)
MAGNITUDE = LAYOUT.bin(25)
MIXED = LAYOUT.bin(2, 4, 3)


def walk(coder: BinaryCoder, items: list[Item], known: bool) -> list[int]:
    """Code a list of (method, value, argument) in either direction."""
    contexts = Contexts(LAYOUT)
    out = []

    def magnitude(bit: int | None, place: int) -> int:
        return coder.code(bit, contexts, MAGNITUDE, place)

    for method, value, argument in items:
        given = value if known else None
        if method == "bit":
            out.append(coder.code(given, contexts, BIT, argument))
        elif method == "mixed":
            out.append(coder.code(given, contexts, MIXED, argument % 2, argument % 4, argument % 3))
        elif method == "bits":
            out.append(coder.code_bits(given, argument))
        else:
            out.append(coder.code_magnitude(given, argument, magnitude))
    return out


def random_items(seed: int, count: int) -> list[Item]:
    rng = random.Random(seed)
    items: list[Item] = []
    for _ in range(count):
        kind = rng.choice(("bit", "mixed", "bits", "magnitude"))
        if kind in ("bit", "mixed"):
            context = rng.randrange(8)
            items.append((kind, int(rng.random() < context**2 / 50), context))
        elif kind == "bits":
            width = rng.randrange(33)
            items.append((kind, rng.getrandbits(width) if width else 0, width))
        else:
            items.append((kind, min(int(rng.expovariate(0.1)), (1 << 13) - 2), 12))
    return items


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_of_value_comes_back(seed: int) -> None:
    items = random_items(seed, 40 * seed)
    encoder = BinaryEncoder()
    values = walk(encoder, items, known=True)
    assert values == [value for _, value, _ in items]
    decoder = BinaryDecoder(encoder.finish())
    assert walk(decoder, items, known=False) == values
    decoder.finish()


def test_golden_bytes() -> None:
    items: list[Item] = [("bit", int(n % 5 == 0), n % 3) for n in range(60)]
    items += [("magnitude", n * n, 12) for n in range(12)]
    items += [("bits", 0x12345, 20), ("bits", 0, 0), ("bits", 0xFFFFFFFF, 32)]
    encoder = BinaryEncoder()
    walk(encoder, items, known=True)
    assert encoder.finish().hex() == "7b58c37ef905bfbcfc6af29795a13e8a58634434cf65725fff21"


@pytest.mark.parametrize("first", [0x40, 0x80, 0xC0])
def test_carry_runs_through_bytes_of_255(first: int) -> None:
    """Bits whose interval straddles a round number, so that the carry comes at the very end."""
    rng = random.Random(first)
    places: list[Item] = [("bit", 0, rng.randrange(8)) for _ in range(300)]
    bits = walk(BinaryDecoder(bytes([first])), places, known=False)
    encoder, contexts, longest = BinaryEncoder(), Contexts(LAYOUT), 0
    for (_, _, place), bit in zip(places, bits, strict=True):
        encoder.code(bit, contexts, BIT, place)
        written = bytes(encoder._out)
        longest = max(longest, len(written) - len(written.rstrip(b"\xff")))
    assert longest > 3
    assert encoder.finish().rstrip(b"\0") == bytes([first])


def test_nothing_costs_nothing() -> None:
    assert BinaryEncoder().finish() == b""
    BinaryDecoder(b"").finish()


def test_a_likely_bit_costs_next_to_nothing() -> None:
    encoder, contexts = BinaryEncoder(), Contexts(LAYOUT)
    for _ in range(10000):
        encoder.code(0, contexts, BIT, 0)
    assert len(encoder.finish()) <= 4


def test_rate_is_near_the_entropy() -> None:
    rng = random.Random(1)
    encoder, contexts = BinaryEncoder(), Contexts(LAYOUT)
    for _ in range(20000):
        encoder.code(int(rng.random() < 0.11), contexts, BIT, 0)
    assert 0.49 < len(encoder.finish()) * 8 / 20000 < 0.52  # entropy of 0.11 is 0.4999 bit


@pytest.mark.parametrize("value", [0, 1, 2, 3, 6, 7, 62, 8190])
def test_magnitudes_up_to_the_limit(value: int) -> None:
    encoder = BinaryEncoder()
    walk(encoder, [("magnitude", value, 12)], known=True)
    assert walk(BinaryDecoder(encoder.finish()), [("magnitude", 0, 12)], known=False) == [value]


def test_cut_data_is_reported() -> None:
    items = random_items(5, 300)
    encoder = BinaryEncoder()
    walk(encoder, items, known=True)
    data = encoder.finish()
    decoder = BinaryDecoder(data[: len(data) // 2])
    walk(decoder, items, known=False)
    with pytest.raises(DamagedStream, match=f"damaged: {len(data) // 2} bytes"):
        decoder.finish()


def test_bytes_left_over_are_reported() -> None:
    decoder = BinaryDecoder(bytes(40))
    with pytest.raises(DamagedStream, match="40 bytes, but the decoder stands at byte 4"):
        decoder.finish()


@pytest.mark.parametrize("seed", range(10))
def test_noise_decodes_to_values_in_range(seed: int) -> None:
    items = random_items(seed, 400)
    noise = b"\xff\xff\xff\xff" + random.Random(seed).randbytes(50 * seed)
    values = walk(BinaryDecoder(noise), items, known=False)
    for (method, _, argument), value in zip(items, values, strict=True):
        top = {"bit": 1, "mixed": 1, "bits": (1 << argument) - 1, "magnitude": (1 << 13) - 2}[
            method
        ]
        assert 0 <= value <= top


def test_contexts_end_equal_on_both_sides() -> None:
    rng = random.Random(3)
    encoder, sent, received = BinaryEncoder(), Contexts(LAYOUT), Contexts(LAYOUT)
    places = [rng.randrange(12) for _ in range(500)]

    def run(coder: BinaryCoder, contexts: Contexts, known: bool) -> None:
        for place in places:
            bit = int(place == 2) if known else None
            coder.code(bit, contexts, MIXED, place % 2, place % 4, place % 3)

    run(encoder, sent, known=True)
    run(BinaryDecoder(encoder.finish()), received, known=False)
    assert (sent.states, sent.weights) == (received.states, received.weights)
    assert all(0 < state >> 6 < 65536 for state in sent.states)


def test_odds_stand_for_their_probabilities() -> None:
    for odds in range(-ODDS_LIMIT, ODDS_LIMIT + 1):
        exact = 65536 / (1 + math.exp(-odds / 256))
        assert probability_of(odds) == pytest.approx(exact, rel=0.033, abs=3)
    rising = [probability_of(odds) for odds in range(-ODDS_LIMIT, ODDS_LIMIT + 1)]
    assert rising == sorted(rising)
    assert (min(rising), max(rising)) == (22, 65513)


def test_mixed_contexts_learn_which_of_them_know() -> None:
    """One of three sets says the bit, the others nothing: its weight rises, the rate falls."""
    rng = random.Random(4)
    encoder, contexts = BinaryEncoder(), Contexts(LAYOUT)
    start = contexts.weights.copy()
    for _ in range(3000):
        known = rng.randrange(4)
        bit = int(known == 1) if rng.random() < 0.95 else rng.randrange(2)
        encoder.code(bit, contexts, MIXED, rng.randrange(2), known, rng.randrange(3))
    first, second, third = contexts.weights
    assert second > start[1] > max(first, third)
    assert len(encoder.finish()) * 8 / 3000 < 0.22  # the entropy of 0.025 is 0.169


def test_extreme_weights_stay_in_their_range() -> None:
    contexts = Contexts(LAYOUT)
    encoder = BinaryEncoder()
    for bit in (1, 0) * 20 + (1,) * 3000 + (0,) * 10:
        encoder.code(bit, contexts, MIXED, 0, 0, 0)
        assert all(abs(weight) <= 1 << 19 for weight in contexts.weights)
