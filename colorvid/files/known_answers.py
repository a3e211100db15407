"""Known answers of the self-test, fixed elsewhere, and how a result is compared with them.

The small stream of a released model and its hashes lie beside its weights; ``python -m
tests.conformance.make`` writes both.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorvid.bitstream import ClvReader, Packet
from colorvid.codec.decoder import Decoder
from colorvid.errors import DamagedStream, HashMismatch, ModelMismatch
from colorvid.frame import Frame, Links, Motion, Plane, Size, chroma_size
from colorvid.models.loading import Model
from colorvid.models.modelfile import find_model
from colorvid.motion.field import VECTOR_LIMIT
from colorvid.motion.native import AnyMotionCoder

SIZE = Size(67, 51)

# Two tables and symbols coded with them, an escape among them.
CDF = np.array(
    [[0, 9000, 56000, 65000, 65536, 0, 0], [0, 4000, 14000, 50000, 60000, 65535, 65536]], np.int32
)
SIZES = np.array([5, 7], np.int32)
SYMBOLS = (0, 1, -1, 0, -2, 2, 0, 1, 9, -300, 2047, 0)
INDEX = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1], np.int32)
RANS_WORDS = "d729c19a1a5fffffc1ff332583fe"
VECTORS = (
    "f000bfe8b3f0e74421205dc795974d4bbfe4a3130543306c46fd5cf8ce785989a3c45e2e7e2e992c1df0461c"
    "3aef367e900b5a8c24a96b88266c16"
)
VECTORS_SHAPE = (5, 6)
P_LINKS = Links(past=0, future=None, inherits=0, target=1, past_distance=3)
B_LINKS = Links(past=0, future=1, inherits=1, target=2, past_distance=1, future_distance=2)
B_VECTORS = (
    "de993c4d3b5a1479bfcb2a49c36a060ae8af8ac099ec75fdf06a1eeb1a85ccec09625b659030d77886229d45"
    "f72f9d9ccda0f53ec1dc6707cdf93bc6d46b44c91f210fd8fdad09"
)
B_SHA256 = "c76aad2d33e55c71a007b8e8eae9e503dac7c6aee164450a3a6df2bf9522ecfe"
MOTION_SHA256 = "6dbbb40afe1676cae84ddc47ed506995364637bbff0873d8489d8370224abb54"
MOTION10_SHA256 = "35fdf538047ef27fe188fd8226517f71e40c83dba1e7e8790224d8a4dc0b7d9f"


def made_up(count: int, low: int, high: int, first: int = 0) -> NDArray[np.int64]:
    """``count`` integers from ``low`` to ``high`` that are the same everywhere, int64.

    Multiplicative hashing by the golden ratio (Knuth, The Art of Computer Programming 6.4) of
    the numbers from ``first`` on.
    """
    mixed = (np.arange(first + 1, first + count + 1, dtype=np.int64) * 2654435761) % 2**32
    return low + (mixed >> 8) % (high - low + 1)


def vectors(shape: tuple[int, int]) -> NDArray[np.int16]:
    """A field of vectors ``(rows, columns, 2)``: most are short, some of the longest."""
    field = made_up(shape[0] * shape[1] * 2, -9, 9)
    field[::11] = VECTOR_LIMIT * np.sign(field[::11])
    return field.astype(np.int16).reshape(*shape, 2)


def picture() -> Frame:
    """A picture of noise, 67x51."""
    chroma = chroma_size(*SIZE.shape)
    planes: list[Plane] = []
    for number, (rows, columns) in enumerate((SIZE.shape, chroma, chroma)):
        samples = made_up(rows * columns, 0, 255, number * 10**6).reshape(rows, columns)
        planes.append(samples.astype(np.uint8))
    return Frame(*planes)


def check(title: str, compute: Callable[[], object], expected: object) -> str:
    """Compare a result with its known answer; gives the line that says so.

    Raises:
        HashMismatch: they differ.
    """
    try:
        got = compute()
    except (DamagedStream, HashMismatch) as error:
        got = error
    if got != expected:
        raise HashMismatch(
            f"self-test failed: {title}: the result is {_short(got)}, it must be "
            f"{_short(expected)}; this machine would decode wrong pictures"
        )
    return f"{title}: as it must be"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 64 else f"{text[:61]}..."


def b_motion() -> Motion:
    """Motion of a B frame between the key frame and the frame of `vectors`."""
    past = vectors(VECTORS_SHAPE)
    shape = -(-VECTORS_SHAPE[0] // 2), -(-VECTORS_SHAPE[1] // 2)
    uses = made_up(shape[0] * shape[1], 0, 2, 10**4).astype(np.uint8).reshape(shape)
    return Motion(past // 3, past[::-1].copy(), uses)


def read_vectors(coder: AnyMotionCoder) -> list[object]:
    """What a motion coder makes of `VECTORS`, and of `B_VECTORS` the SHA-256."""
    coder.start(0)
    vectors = coder.decode(P_LINKS, bytes.fromhex(VECTORS)).past.tolist()
    b = coder.decode(B_LINKS, bytes.fromhex(B_VECTORS))
    assert b.future is not None and b.uses is not None
    digest = hashlib.sha256()
    for array in (b.past.astype("<i2"), b.future.astype("<i2"), b.uses):
        digest.update(array.tobytes())
    return [vectors, digest.hexdigest()]


def answers(name: str, model: Model) -> dict[str, Any]:
    """The known answers of a released model.

    Raises:
        ModelMismatch: they belong to another model.
    """
    path = find_model(name)
    expected: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if model.identity.hex() != expected["model"]:
        raise ModelMismatch(
            f"model {name} is {model.identity.hex()}, its self-test data are for "
            f"{expected['model']}; run python -m tests.conformance.make"
        )
    return expected


def stream(name: str, title: str, model: Model, expected: list[str]) -> str:
    """Decode the small stream of a released model and compare every frame.

    Raises:
        HashMismatch: one differs.
    """
    data = find_model(name).with_suffix(".clv").read_bytes()
    reader = ClvReader(io.BytesIO(data))
    header = reader.header
    decoder = Decoder(model, header.size, references=header.references, reorder=header.reorder)
    packets = [record for record in reader if isinstance(record, Packet)]
    what = f"{title}: {len(packets)} frames of a stream of {len(data)} bytes"
    return check(what, lambda: [frame.sha256() for frame in _shown(decoder, packets)], expected)


def _shown(decoder: Decoder, packets: Sequence[Packet]) -> list[Frame]:
    """The frames of a stream in order of display."""
    frames = [frame for packet in packets for frame in decoder.push(packet)]
    return frames + decoder.flush()
