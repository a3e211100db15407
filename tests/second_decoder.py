"""A second decoder, written from ``docs/coding.md`` alone, in plain Python and NumPy.

It shows that the page suffices, so it imports nothing of the package; the caller brings the header
and the packets. `tests.second_motion` is a part of it. Names are those of the page. It is slow and
meant for small pictures.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.second_motion import (
    Array,
    Contexts,
    MotionReader,
    Moved,
    Refused,
    Trace,
    predict,
    unevenness,
    up,
)

BRANCHES = {
    "intra.luma": (1, 16),
    "intra.chroma": (2, 8),
    "inter.luma": (1, 8),
    "inter.chroma": (2, 4),
}
"""Planes and block of each branch."""
DTYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4", "F32": "<f4", "F16": "<f2"}
NAMES = {"I8": "torch.int8", "I16": "torch.int16", "I32": "torch.int32", "F32": "torch.float32"}
LATER = {"synthesis_fine": 2, "synthesis_kernel": 3, "prior_kernel": 3}
"""Keys that an identity leaves out where they have these defaults."""
DEFAULTS: dict[str, dict[str, Any]] = {
    "intra": {
        "luma_widths": [96, 192],
        "chroma_widths": [48, 96],
        "luma_prior": 192,
        "chroma_prior": 96,
        "luma_hyper": 48,
        "chroma_hyper": 24,
        "synthesis_blocks": 1,
        **LATER,
        "context_steps": 5,
        "chroma_from_luma": True,
        "chroma_offset": 0,
        "attention": True,
        "dct": True,
    },
    "inter": {
        "luma_synthesis": None,
        "chroma_synthesis": None,
        "luma_prior": 96,
        "chroma_prior": 48,
        "luma_hyper": 8,
        "chroma_hyper": 4,
        "context_steps": 2,
        "chroma_from_luma": True,
        "chroma_offset": 0,
        "context": True,
    },
}
SHARES = (
    (4, 48, 72, 96),
    (13, 58, 109, 150),
    (24, 69, 108, 145),
    (31, 87, 137, 195),
    (47, 100, 165, 216),
    (88, 125, 175, 226),
    (205, 185, 224, 246),
)
"""Share of set flags in 1/256, by class and set ones above."""
CLASSES = [*range(7), *(7 + 8191 * k for k in range(9)), 65536]
"""Table of the class."""
PAIRS = (
    (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0),
    (1, 2), (1, -2), (2, 1), (2, -1), (0, 3), (3, 0),
)  # fmt: skip
"""Neighbours that a loop filter weighs."""
ENCODER_ONLY = {
    "rate_weight",
    "analysis_blocks",
    "analysis_kernel",
    "luma_analysis",
    "chroma_analysis",
    "rounding",
}


def unshuffle(x: Array, r: int) -> Array:
    """See the page."""
    c, h, w = x.shape
    parts = x.reshape(c, h // r, r, w // r, r).transpose(0, 2, 4, 1, 3)
    return parts.reshape(c * r * r, h // r, w // r)


def shuffle(x: Array, r: int) -> Array:
    """See the page."""
    c, h, w = x.shape
    parts = x.reshape(c // (r * r), r, r, h, w).transpose(0, 3, 1, 4, 2)
    return parts.reshape(c // (r * r), h * r, w * r)


def concat(*parts: Array) -> Array:
    """Join along the channels."""
    return np.concatenate(parts)


def limit(x: Array, largest: int = 2047) -> Array:
    """Clip to both sides of zero."""
    return np.clip(x, -largest, largest)


def add(a: Array, b: Array) -> Array:
    """Sum of features; a row of a quality table goes to every place of its channel."""
    return limit(a + (b if b.ndim == 3 else b[:, None, None]))


def leaky(x: Array) -> Array:
    """Slope 1/8 below zero."""
    return np.where(x >= 0, x, np.rint(x / 8).astype(np.int64))


def gate(u: Array, v: Array) -> Array:
    """``u`` times an opening from 0 to 1."""
    return np.rint(u * np.clip(v + 512, 0, 1024) / 1024).astype(np.int64)


def requantise(total: Array, factor: Array, largest: int) -> Array:
    """One float32 product, rounded to an integer and clipped."""
    product = total.astype(np.float32) * factor.astype(np.float32)[:, None, None]
    return limit(np.rint(product).astype(np.float64), largest).astype(np.int64)


def conv1x1(x: Array, weight: Array, bias: Array, factor: Array, largest: int = 2047) -> Array:
    """A 1x1 layer; float64 carries the integers."""
    flat = weight[:, :, 0, 0].astype(np.float64) @ x.reshape(len(x), -1).astype(np.float64)
    total = flat.reshape(-1, *x.shape[1:]) + bias[:, None, None]
    return requantise(total, factor, largest)


def depthwise(x: Array, weight: Array, bias: Array, factor: Array) -> Array:
    """A depthwise layer."""
    k = weight.shape[-1]
    padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    total = np.zeros(x.shape, np.int64) + bias[:, None, None]
    for i, j in np.ndindex(k, k):
        part = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
        total += weight[:, 0, i, j].astype(np.int64)[:, None, None] * part
    return requantise(total, factor, 2047)


def direction_of(down: int, across: int, falling: int, rising: int) -> int:
    """Along which a block bends more than across it; 0 = neither."""
    high, low = max(down, across), min(down, across)
    d_high, d_low = max(falling, rising), min(falling, rising)
    if high > 2 * low and (d_high <= 2 * d_low or high * d_low >= d_high * low):
        return 1 + (down > across)
    return 3 + (rising > falling) if d_high > 2 * d_low else 0


class ModelFile:
    """A model file: configuration, tensors, identity, bounds."""

    def __init__(self, data: bytes) -> None:
        """Read and check.

        Raises:
            Refused: not a model that can be decoded with.
        """
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        metadata = header.pop("__metadata__")
        if metadata.get("format") != "colorvid-model-2":
            raise Refused("format of the model")
        self.tensors: dict[str, Array] = {}
        self.names = {n: NAMES.get(e["dtype"], "") for n, e in header.items()}
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            values = np.frombuffer(data[8 + size + first : 8 + size + last], DTYPES[entry["dtype"]])
            self.tensors[name] = values.reshape(entry["shape"])
        written = json.loads(metadata["config"])
        for kind, table in written.items():
            if set(table) - set(DEFAULTS[kind]) - ENCODER_ONLY:
                raise Refused(f"key of the configuration of {kind}")
        self.config = {kind: {**DEFAULTS[kind], **written[kind]} for kind in DEFAULTS}
        self.identity = self._identity(written)
        self.rows = {
            f"{branch}.{kind}": self._rows(f"tables.{branch}.{kind}")
            for branch in BRANCHES
            for kind in ("hyper", "latents")
        }
        self._check_bounds()

    @staticmethod
    def _is_encoder(name: str) -> bool:
        return bool({"analysis", "hyper_analysis"} & set(name.split(".")))

    def _identity(self, written: dict[str, dict[str, Any]]) -> bytes:
        needed = {
            kind: {
                k: v
                for k, v in table.items()
                if k not in ENCODER_ONLY and not (k in LATER and LATER[k] == v)
            }
            for kind, table in written.items()
        }
        digest = hashlib.sha256(json.dumps(needed, sort_keys=True).encode())
        for name in sorted(self.tensors):
            if not self._is_encoder(name):
                tensor = self.tensors[name]
                shape = tuple(int(n) for n in tensor.shape)
                digest.update(f"\n{name} {self.names[name]} {shape}\n".encode())
                digest.update(tensor.tobytes())
        return digest.digest()[:16]

    def _rows(self, name: str) -> list[list[int]]:
        """The frequency tables of one kind."""
        cdf, sizes = self.tensors[f"{name}.cdf"], self.tensors[f"{name}.sizes"]
        rows = [cdf[i, :size].tolist() for i, size in enumerate(sizes.tolist())]
        for row, size in zip(rows, sizes.tolist(), strict=True):
            rising = all(a < b for a, b in zip(row, row[1:], strict=False))
            fits = size % 2 == 1 and 3 <= size <= cdf.shape[1]
            if not (fits and rising and row[0] == 0 and row[-1] == 65536):
                raise Refused(f"table of {name}")
        return rows

    def filtered(self, name: str, planes: tuple[Array, Array], flags: Array, q: int) -> Array:
        """Loop filter of a decoded plane and its prediction, where flags are 1."""
        b = 8 if name.endswith("luma") else 4
        decoded, predicted = planes
        h, w = decoded.shape
        margins = ((3, 3 + -h % b), (3, 3 + -w % b))
        p = np.pad(decoded.astype(np.int64), margins, mode="edge")
        result = decoded.copy()
        for row, column in np.argwhere(flags.repeat(4, 0).repeat(4, 1)[: up(h, b), : up(w, b)]):
            top, left = b * row, b * column
            inside = np.s_[top : min(top + b, h), left : min(left + b, w)]
            coded = bool((decoded[inside] != predicted[inside]).any())
            block = p[top : top + b + 6, left : left + b + 6]
            f = self.filtered_block(name, block, coded, q, 0 if decoded.dtype == np.uint8 else 2)
            result[inside] = f[: result[inside].shape[0], : result[inside].shape[1]]
        return result

    def filtered_block(self, name: str, p: Array, coded: bool, q: int, m: int = 0) -> Array:
        """A block by the samples in it and three more at each side, of ``m`` bits more than 8."""
        weights, clips, activity = (
            self.tensors[f"{name}.{part}"].astype(np.int64)
            for part in ("weights", "clips", "activity")
        )
        h, w = p.shape
        middle = p[3:-3, 3:-3]

        def at(dy: int, dx: int) -> Array:
            return p[3 + dy : h - 3 + dy, 3 + dx : w - 3 + dx]

        def bend(dy: int, dx: int) -> int:
            return int(np.abs(2 * middle - at(dy, dx) - at(-dy, -dx)).sum())

        down, across = bend(1, 0), bend(0, 1)
        direction = direction_of(down, across, bend(1, 1), bend(1, -1))
        level = int((activity[q] * 2**m <= down + across).sum())
        of_class = weights[q >> 3][35 * coded + 7 * direction + level]
        total = np.full(middle.shape, 128)
        for t, (dy, dx) in enumerate(PAIRS):
            for i, clip in enumerate((clips[q] * 2**m).tolist()):
                pair = limit(at(dy, dx) - middle, clip) + limit(at(-dy, -dx) - middle, clip)
                total += of_class[2 * t + i] * pair
        return np.clip(middle + (total >> 8), 0, 2 ** (8 + m) - 1).astype(p.dtype)

    def _check_bounds(self) -> None:
        for kind in ("luma", "chroma"):
            clips = self.tensors[f"inter.filter.{kind}.clips"]
            if clips.min() < 1 or clips.max() > 255:
                raise Refused(f"clips of the {kind} filter")
        for name, weight in self.tensors.items():
            layer, _, part = name.rpartition(".")
            if part == "weight_int":
                largest = 127 if layer.endswith("hyper_synthesis.up1") else 2047
                sums = np.abs(weight.astype(np.int64)).sum(axis=(1, 2, 3)) * largest
                sums += np.abs(self.tensors[f"{layer}.bias_int"].astype(np.int64))
                finite = np.isfinite(self.tensors[f"{layer}.factor"]).all()
                if sums.max() >= 2**24 or not finite:
                    raise Refused(f"bound of {layer}")
        for branch in BRANCHES:
            basis = np.abs(self.tensors[f"{branch}.transform.basis_int"].astype(np.int64))
            largest = int(self.tensors[f"{branch}.gains.table"].max()) * (16 * 2047 + 8191)
            if int(basis.sum(axis=0).max()) * largest > 2**53:
                raise Refused(f"bound of {branch}.transform")

    def layer(self, name: str, x: Array, largest: int = 2047) -> Array:
        """Apply a convolution."""
        parts = (self.tensors[f"{name}.{p}"] for p in ("weight_int", "bias_int", "factor"))
        weight, bias, factor = parts
        if weight.shape[-1] > 1:
            return depthwise(x, weight, bias, factor)
        return conv1x1(x, weight, bias, factor, largest)

    def quality(self, name: str, q: int) -> Array:
        """A row of a quality table."""
        return self.tensors[f"{name}.quality.table"][q].astype(np.int64)

    def block(self, name: str, x: Array, active: Array | int = 1) -> Array:
        """A residual block; its filter sees zeros where ``active``, 0 or 1, is 0."""
        inner = leaky(self.layer(f"{name}.enter", x)) * active
        x = add(x, self.layer(f"{name}.leave", self.layer(f"{name}.context", inner)))
        u, v = np.split(self.layer(f"{name}.expand", x), 2)
        return add(x, self.layer(f"{name}.project", gate(u, v)))

    def attention(self, name: str, x: Array) -> Array:
        """Gated attention."""
        mask = self.layer(f"{name}.mask_near", self.layer(f"{name}.mask_enter", x))
        mask = self.layer(f"{name}.mask_far", leaky(mask))
        mask = self.layer(f"{name}.mask_leave", mask)
        gated = gate(self.block(f"{name}.trunk", x), mask)
        return add(x, self.layer(f"{name}.project", gated))

    def scale(self, branch: str, y: Array) -> Array:
        """Latents as features."""
        factor = np.float32(16) * self.tensors[f"{branch}.scale.scale"][:, 0, 0]
        return requantise(y, factor, 2047)

    def inverse(self, branch: str, y: Array, q: int) -> Array:
        """Inverse quantisation and transform."""
        planes, b = BRANCHES[branch]
        _, h, w = y.shape
        step = self.tensors[f"{branch}.gains.table"][q].astype(np.float64)
        coefficients = (y * step[:, None, None]).reshape(planes, b * b, h * w)
        basis = self.tensors[f"{branch}.transform.basis_int"].astype(np.float64)
        samples = basis.T @ coefficients
        features = limit(np.rint(samples / 2**22)).astype(np.int64)
        return shuffle(features.reshape(planes * b * b, h, w), b)

    def synthesis(self, branch: str, picture: Array, q: int, condition: Array | None) -> Array:
        """The correction of the linear picture."""
        kind, _, plane = branch.partition(".")
        config = self.config[kind]
        if kind == "inter" and config[f"{plane}_synthesis"] is None:
            return picture
        name, r = f"{branch}.synthesis", BRANCHES[branch][1] // 2
        x = unshuffle(picture, r)
        x = x if condition is None else concat(x, condition)
        x = add(self.layer(f"{name}.enter", x), self.quality(name, q))
        x = self.block(f"{name}.first.0", x)
        d = self.layer(f"{name}.down", unshuffle(x, 2))
        for n in range(config.get("synthesis_blocks", 0)):
            d = self.block(f"{name}.deep.{n}", d)
        attending = config.get("attention", True)
        d = (self.attention if attending else self.block)(f"{name}.coarse", d)
        x = add(x, shuffle(self.layer(f"{name}.up", d), 2))
        for n in range(config.get("synthesis_fine", 2)):
            x = self.block(f"{name}.last.{n}", x)
        return add(picture, shuffle(self.layer(f"{name}.leave", x), r))

    def hyper_synthesis(self, name: str, z: Array, size: tuple[int, int]) -> Array:
        """Hyper-latents to features."""
        x = shuffle(self.layer(f"{name}.up1", z), 2)
        x = shuffle(self.layer(f"{name}.up2", self.block(f"{name}.middle.0", x)), 2)
        return x[:, : size[0], : size[1]]


class RansReader:
    """The symbols of one frame."""

    def __init__(self, data: bytes) -> None:
        """Start with the state."""
        self.data = data
        self.at = len(data) if len(data) <= 8 else 5 + (len(data) - 5) % 4
        self.x = int.from_bytes(data[: self.at], "little")

    def _refill(self) -> None:
        if self.x < 2**31 and self.at < len(self.data):
            word = int.from_bytes(self.data[self.at : self.at + 4], "little")
            self.x, self.at = self.x << 32 | word, self.at + 4

    def _nibble(self) -> int:
        k = self.x % 16
        self.x >>= 4
        self._refill()
        return k

    def symbol(self, cdf: Sequence[int]) -> int:
        """The next symbol."""
        if not self.data:
            return 0
        size, slot = len(cdf), self.x % 65536
        v = bisect_right(cdf, slot) - 1
        self.x = (cdf[v + 1] - cdf[v]) * (self.x >> 16) + slot - cdf[v]
        self._refill()
        if v == size - 2:
            v = self._escape(size)
        return max(-2047, min(2047, v - (size - 3) // 2))

    def _escape(self, size: int) -> int:
        n = k = self._nibble()
        while k == 15:
            k = self._nibble()
            n += k
        if n > 3:
            raise Refused("escape")
        raw = sum(self._nibble() << 4 * j for j in range(n))
        return -(raw >> 1) - 1 if raw % 2 else (raw >> 1) + size - 2


def flags_of(reader: RansReader, rows: int, columns: int) -> Array:
    """Flags of areas: 0 or 1."""
    flags = np.zeros((rows, columns), np.int64)
    number = abs(reader.symbol(CLASSES)) % 8
    for row, column in np.ndindex(rows, columns) if number else ():
        above = flags[max(row - 1, 0) : row, max(column - 1, 0) : column + 2]
        share = 256 * SHARES[number - 1][int(above.sum())]
        flags[row, column] = reader.symbol([0, 1, 65535 - share, 65535, 65536]) != 0
    return flags


def steps_of(count: int, block: int, planes: int) -> list[tuple[str, list[int], int, int]]:
    """Context steps: name, channels, parity of the sum, parity of the row; -1 = any."""
    area = block * block
    every = list(range(planes * area))
    if count == 1:
        return [("all", every, -1, -1)]
    if count == 2:
        return [("first", every, 0, -1), ("second", every, 1, -1)]
    border = block // 2 * (block // 2 + 1) // 2
    low = [c for c in every if c % area < border]
    high = [c for c in every if c % area >= border]
    return [
        ("low_first", low, 0, 0),
        ("low_second", low, 0, 1),
        ("low_third", low, 1, -1),
        ("high_first", high, 0, -1),
        ("high_second", high, 1, -1),
    ]


def in_step(step: tuple[str, list[int], int, int], h: int, w: int) -> list[tuple[int, int, int]]:
    """Places ``(j, row, column)`` of a step in coding order; j counts its channels."""
    _, channels, parity, row_parity = step
    return [
        (j, row, column)
        for j, c in enumerate(channels)
        for row in range(h)
        for column in range(w)
        if parity in (-1, (c + row + column) % 2) and row_parity in (-1, row % 2)
    ]


@dataclass
class Kept:
    """What a decoder keeps with a picture."""

    level: int
    picture: list[Array]
    symbols: tuple[Array, Array]
    contexts: Contexts
    trace: Trace


class SecondDecoder:
    """Decodes the packets of one stream, in decoding order."""

    def __init__(
        self, model: ModelFile, height: int, width: int, references: int, depth: int = 8
    ) -> None:
        """For pictures of ``height`` x ``width``, of which so many are kept."""
        self.m = depth - 8
        self.model, self.size, self.references = model, (height, width), references
        self.padded = up(height, 16) * 16, up(width, 16) * 16
        self.motion = MotionReader(up(height, 8), up(width, 8))
        self.buffer: dict[int, Kept] = {}  # by display number
        self.anchor = 0  # the last picture of level 0

    def push(self, packet: Any) -> list[Array]:
        """Y, U and V of the next packet.

        Raises:
            Refused: what a decoder must report.
        """
        if packet.frame_type == 0:
            self.buffer.clear()
        frame = self._intra(packet) if packet.frame_type in (0, 4) else self._inter(packet)
        if zlib.crc32(b"".join(p.tobytes() for p in frame.picture)) % 65536 != packet.frame_crc:
            raise Refused("CRC of the picture")
        number = packet.frame_number + packet.shift
        if packet.level == 0:
            self.anchor = number
        if packet.frame_type != 3:
            self.buffer[number] = frame
        if len(self.buffer) > self.references:
            del self.buffer[min(n for n in self.buffer if n != self.anchor)]
        return frame.picture

    def _reference(self, number: int) -> Kept:
        if number not in self.buffer:
            raise Refused("no picture to predict from")
        return self.buffer[number]

    def _intra(self, packet: Any) -> Kept:
        m, config, q = self.model, self.model.config["intra"], packet.quality
        reader = RansReader(packet.latents)
        qc = min(63, max(0, q + config["chroma_offset"]))
        h, w = self.padded[0] // 8, self.padded[1] // 8
        symbols = np.zeros((64, h, w), np.int64), np.zeros((32, h, w), np.int64)
        y = self._latents(reader, "intra.luma", q, None)
        condition = m.scale("intra.luma", y) if config["chroma_from_luma"] else None
        uv = self._latents(reader, "intra.chroma", qc, condition)
        luma = m.synthesis("intra.luma", m.inverse("intra.luma", y, q), q, None)
        chroma = m.inverse("intra.chroma", uv, qc)
        chroma = m.synthesis("intra.chroma", chroma, qc, unshuffle(luma, 8))
        picture = self._samples(luma, chroma)
        return Kept(packet.level, picture, symbols, Contexts(), self.motion.still())

    def _inter(self, packet: Any) -> Kept:
        number = packet.frame_number + packet.shift
        references = [self._reference(number - packet.past)]
        if packet.future:
            references.append(self._reference(number + packet.future))
        past, later = references[0], references[-1]
        inherits = later if packet.future > 0 and later.level > past.level else past
        nearer = later if 0 < packet.future < packet.past else past
        known = later.trace if packet.future > 0 else past.trace
        distances = packet.past, packet.future
        moved, contexts, trace = self.motion.read(
            packet.motion, inherits.contexts, known, *distances
        )
        pictures = [reference.picture for reference in references]
        picture, symbols = self._residual(packet, pictures, moved, nearer.symbols)
        return Kept(packet.level, picture, symbols, contexts, trace)

    def _residual(
        self, packet: Any, pictures: list[list[Array]], moved: Moved, before: tuple[Array, Array]
    ) -> tuple[list[Array], tuple[Array, Array]]:
        """The picture and its symbols; ``before`` are those of the nearer reference."""
        m, config, q = self.model, self.model.config["inter"], packet.quality
        reader = RansReader(packet.latents)
        qc = min(63, max(0, q + config["chroma_offset"]))
        py, puv = self._predict(pictures, moved)
        grid = self.padded[0] // 8, self.padded[1] // 8
        uneven = unevenness(moved.past, *grid)
        if moved.future is not None:
            uneven = np.maximum(uneven, unevenness(moved.future, *grid))
        seen = [unshuffle(py, 8), unshuffle(puv, 4)]
        parts = [[*seen, limit(256 * s), 8 * uneven] for s in before]
        known = parts if config["context"] else [[], []]
        y = self._latents(reader, "inter.luma", q, concat(*known[0]) if known[0] else None)
        linear = add(py, m.inverse("inter.luma", y, q))
        luma = m.synthesis("inter.luma", linear, q, unshuffle(py, 4))
        if config["chroma_from_luma"]:
            known[1].append(m.scale("inter.luma", y))
        uv = self._latents(reader, "inter.chroma", qc, concat(*known[1]) if known[1] else None)
        linear = add(puv, m.inverse("inter.chroma", uv, qc))
        condition = concat(unshuffle(puv, 2), unshuffle(luma, 4))
        chroma = m.synthesis("inter.chroma", linear, qc, condition)
        planes = list(zip(self._samples(luma, chroma), self._samples(py, puv), strict=True))
        areas = up(self.padded[0], 32), up(self.padded[1], 32)
        kinds = ["inter.filter.luma", *["inter.filter.chroma"] * 2]
        flags = [flags_of(reader, *areas) for _ in range(2)]
        picture = [
            m.filtered(kind, pair, flags[min(number, 1)], q)
            for number, (kind, pair) in enumerate(zip(kinds, planes, strict=True))
        ]
        return picture, (y // 16, uv // 16)

    def _predict(self, pictures: list[list[Array]], moved: Moved) -> tuple[Array, Array]:
        """The prediction, padded, as features."""
        features = []
        for number, planes in enumerate(zip(*pictures, strict=True)):
            p = predict(planes, moved, number > 0, self.m)
            tall, wide = (s // (2 if number else 1) for s in self.padded)
            margins = ((0, tall - p.shape[0]), (0, wide - p.shape[1]))
            features.append(2 ** (3 - self.m) * np.pad(p, margins, mode="edge") - 1024)
        return features[0][None], np.stack(features[1:])

    def _latents(self, reader: RansReader, branch: str, q: int, condition: Array | None) -> Array:
        """Decode the latents of a branch."""
        m, name = self.model, f"{branch}.prior"
        kind, _, plane = branch.partition(".")
        planes, block = BRANCHES[branch]
        cell = 16 if kind == "intra" else 8
        h, w = self.padded[0] // cell, self.padded[1] // cell
        y = np.zeros((planes * block * block, h, w), np.int64)
        flags = np.ones((up(h, 4), up(w, 4)), np.int64)
        if kind == "inter":
            flags = flags_of(reader, *flags.shape)
        if not flags.any():
            return y
        z = np.zeros((len(m.rows[f"{branch}.hyper"]), *flags.shape), np.int64)
        for channel, table in enumerate(m.rows[f"{branch}.hyper"]):
            for row, column in np.argwhere(flags):
                z[channel, row, column] = max(-127, min(127, reader.symbol(table)))
        active = flags.repeat(4, 0).repeat(4, 1)[:h, :w]
        f = m.hyper_synthesis(f"{name}.hyper_synthesis", z, (h, w))
        f = add(f, m.quality(name, q))
        if condition is not None:
            f = add(f, m.layer(f"{name}.condition", condition))
        f = m.block(f"{name}.trunk.1", m.block(f"{name}.trunk.0", f, active), active)
        count = m.config[kind]["context_steps"]
        for number, step in enumerate(steps_of(count, block, planes)):
            if number:
                f = add(f, m.layer(f"{name}.context.{step[0]}", m.scale(branch, y)))
                f = m.block(f"{name}.refine.{step[0]}.0", f, active)
            self._step(reader, (branch, step), f, active, y)
        return y

    def _step(
        self,
        reader: RansReader,
        place: tuple[str, tuple[str, list[int], int, int]],
        f: Array,
        active: Array,
        y: Array,
    ) -> None:
        """Decode the latents of one context step of a branch into ``y``."""
        branch, step = place
        m, tables = self.model, self.model.rows[f"{branch}.latents"]
        index = np.clip(m.layer(f"{branch}.prior.index_heads.{step[0]}", f), 0, 63) * active
        mean = np.zeros_like(index)
        if branch.startswith("intra"):
            mean = m.layer(f"{branch}.prior.mean_heads.{step[0]}", f, 8191)
        for j, row, column in in_step(step, *y.shape[1:]):
            i = int(index[j, row, column])
            s = reader.symbol(tables[i]) if i else 0
            y[step[1][j], row, column] = 16 * s + mean[j, row, column]

    def _samples(self, y: Array, uv: Array) -> list[Array]:
        """The decoded picture."""
        h, w = self.size
        parts = (y[0, :h, :w], *uv[:, : up(h, 2), : up(w, 2)])
        kind, steps = np.dtype("<u2" if self.m else "u1"), 2 ** (3 - self.m)
        peak = 2 ** (8 + self.m) - 1
        return [np.clip(np.rint((p + 1024) / steps), 0, peak).astype(kind) for p in parts]
