"""What damage to a stream costs: it is cut at every byte, and single bytes of it are flipped.

::

    python tools/robustness/damage.py --flips 10000 --out damage.tsv

A clip of 64x48 in several groups of pictures is generated and encoded. For every damaged copy it is
checked that the damage is noticed, and that every frame that counts as good is the very frame that
the whole stream decodes to.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import argparse
import io
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

from colorvid.bitstream import ClvReader, Damage, Packet, StreamHeader
from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.codec.encoder import Encoder
from colorvid.codec.groups import DecodedRecord, decode_records
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ColorvidError, HeaderError
from colorvid.evaluation.compare.tables import markdown, write_tsv
from colorvid.evaluation.generated import generated_frames
from colorvid.files.concealment import Concealment
from colorvid.files.streams import header_of
from colorvid.frame import Frame
from colorvid.io import VideoInfo
from colorvid.models.loading import Model, model_on
from colorvid.system.cores import one_torch_thread
from tools.robustness.container import container

WIDTH, HEIGHT = 64, 48
Record = Packet | Damage
Row = dict[str, Any]
Copy = tuple[bytes, int]
"""A damaged copy of a stream, and the number of its frames that must come out right."""


def coded_stream(model: Model, frames: Sequence[Frame], gop: int, quality: int) -> bytes:
    """A whole stream of frames of one size, at 25 frames per second."""
    first = frames[0]
    info = VideoInfo(first.width, first.height, Fraction(25), depth=first.depth)
    settings = EncoderSettings(quality=quality, gop=gop)
    encoder = Encoder(model, settings)
    coded = [coded for frame in frames for coded in encoder.push(frame)] + encoder.flush()
    header = header_of(info, settings, model.identity)
    return container(header, [frame.packet for frame in coded])


def groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records of a stream, a new group at each key frame."""
    group: list[Record] = []
    for record in records:
        if isinstance(record, Packet) and record.is_key and group:
            yield group
            group = []
        group.append(record)
    if group:
        yield group


class Sweep:
    """Decodes damaged copies of one stream and counts what became of them."""

    def __init__(self, model: Model, data: bytes) -> None:
        """Decode the whole stream."""
        self._model, self.data = model, data
        self._known: dict[tuple[Record, ...], list[DecodedRecord]] = {}
        self._clean: list[int] = []
        self.rows: list[Row] = []
        noticed, _, good = self.outcome(data)
        if noticed or not good:
            raise ColorvidError("the stream that is to be damaged is not sound itself")

    def outcome(self, data: bytes) -> tuple[bool, int, int]:
        """Decode a copy with lost frames replaced.

        Returns:
            Whether anything was noticed; wrong frames that count as good; and good frames.

        Raises:
            HeaderError: the stream header is damaged.
        """
        reader = ClvReader(io.BytesIO(data), "resync")
        shown: list[int] = []
        output = Concealment(reader.header, strict=False)
        wrong = 0
        for group in groups(reader):
            for item in self._decode(reader.header, group):
                shown += [frame.crc32() for frame in output.frames(item)]
                if item.frame is not None and item.header is not None and self._clean:
                    wrong += item.frame.crc32() != self._clean[item.header.display_number]
        shown += [frame.crc32() for frame in output.rest(reader.total_frames)]
        self._clean = self._clean or shown
        report = output.report(Fraction(25), reader.index_bytes, 1.0)
        return not report.ok, wrong, report.frames

    def _decode(self, header: StreamHeader, group: Sequence[Record]) -> list[DecodedRecord]:
        """What becomes of the records of a group; groups that were seen are decoded once."""
        known = tuple(group)
        if known not in self._known:
            with closing(decode_records(self._model, group, header, threads=1)) as decoded:
                self._known[known] = list(decoded)
        return self._known[known]

    def add(self, kind: str, copies: Iterable[Copy]) -> None:
        """Decode all copies and append a row of figures."""
        counts = dict.fromkeys(("copies", "refused", "noticed", "wrong", "missed"), 0)
        good: list[int] = []
        for data, expected in copies:
            counts["copies"] += 1
            try:
                noticed, wrong, frames = self.outcome(data)
            except HeaderError:
                counts["refused"] += 1
                continue
            counts["noticed"] += noticed
            counts["wrong"] += wrong
            counts["missed"] += max(0, expected - frames)
            good.append(frames)
        self.rows.append(
            {
                "damage": kind,
                "copies": counts["copies"],
                "refused by the header": counts["refused"],
                "noticed in the stream": counts["noticed"],
                "not noticed": counts["copies"] - counts["refused"] - counts["noticed"],
                "wrong frames": counts["wrong"],
                "missed frames": counts["missed"],
                "recovered, mean": round(sum(good) / len(good), 2) if good else None,
                "recovered, least": min(good, default=None),
            }
        )


class Layout:
    """Where the packets of a sound stream lie, and what damage to them must cost."""

    def __init__(self, data: bytes) -> None:
        """Read the stream."""
        self.data = data
        reader = ClvReader(io.BytesIO(data))
        self.ends, self.keys = [reader.header.size_bytes], []
        for packet in reader:
            self.ends.append(reader.packet_offset + reader.packet_bytes)
            self.keys.append(isinstance(packet, Packet) and packet.is_key)

    def without(self, number: int) -> int:
        """Frames that can be decoded if packet ``number`` is damaged."""
        after = number + 1
        while after < len(self.keys) and not self.keys[after]:
            after += 1
        return len(self.keys) - (after - number)

    def cuts(self, step: int) -> Iterator[Copy]:
        """Copies that end before every ``step``-th byte."""
        for length in range(0, len(self.data), step):
            yield self.data[:length], sum(end <= length for end in self.ends[1:])

    def flips(self, count: int, rng: random.Random) -> Iterator[Copy]:
        """Copies with one byte changed to another value at a random place."""
        data = self.data
        for _ in range(count):
            at = rng.randrange(len(data))
            flipped = bytes([data[at] ^ rng.randrange(1, 256)])
            packet = bisect_right(self.ends, at) - 1
            expected = self.without(packet) if packet < len(self.keys) else len(self.keys)
            yield data[:at] + flipped + data[at + 1 :], expected

    def packet_edits(self) -> dict[str, list[Copy]]:
        """Copies with each single packet left out, sent twice, or swapped with the next one."""
        bounds = [0, *self.ends, len(self.data)]
        parts = [self.data[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
        head, packets, index = parts[0], parts[1:-1], parts[-1]
        edits: dict[str, list[Copy]] = {"packet left out": [], "packet sent twice": []}
        edits["packets swapped"] = []

        def note(kind: str, pieces: Sequence[bytes], expected: int) -> None:
            edits[kind].append((b"".join([head, *pieces, index]), expected))

        for n, packet in enumerate(packets):
            note("packet left out", [*packets[:n], *packets[n + 1 :]], self.without(n))
            note("packet sent twice", [*packets[:n], packet, *packets[n:]], len(packets))
            if n + 1 < len(packets):
                swapped = [*packets[:n], packets[n + 1], packet, *packets[n + 2 :]]
                note("packets swapped", swapped, self.without(n))
        return edits


def sweep(frames: int, gop: int, quality: int, flipped: int, step: int, seed: int) -> Sweep:
    """All kinds of damage to a stream of ``frames`` frames; cuts at every ``step``-th byte."""
    model = model_on("cpu", "default")
    with one_torch_thread():
        clip = list(generated_frames(frames, WIDTH, HEIGHT))
        result = Sweep(model, coded_stream(model, clip, gop, quality))
        layout = Layout(result.data)
        result.add("cut", layout.cuts(step))
        result.add("byte flipped", layout.flips(flipped, random.Random(seed)))
        for kind, copies in layout.packet_edits().items():
            result.add(kind, copies)
    return result


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line to options."""
    parser = tool_parser(__doc__)
    parser.add_argument("--frames", type=int, default=16, help="default: 16")
    parser.add_argument("--gop", type=int, default=4, help="default: 4")
    parser.add_argument("--quality", type=int, default=20, help="default: 20")
    parser.add_argument("--flips", type=int, default=10_000, help="default: 10000")
    parser.add_argument("--step", type=int, default=1, help="bytes from cut to cut (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="decides the flips (default: 1)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table as TSV too")
    return parser.parse_args(arguments)


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 if damage was always noticed and cost no more frames than it must."""
    o = parse(arguments)
    result = sweep(o.frames, o.gop, o.quality, o.flips, o.step, o.seed)
    print(f"{o.frames} frames in {len(result.data)} bytes, GOP {o.gop}, seed {o.seed}")
    print(markdown(result.rows))
    if o.out is not None:
        write_tsv(o.out, result.rows)
    faults = ("not noticed", "wrong frames", "missed frames")
    return int(any(row[fault] for row in result.rows for fault in faults))
