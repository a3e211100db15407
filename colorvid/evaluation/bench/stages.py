"""Where the time of one worker goes, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colorvid.bitstream import ClvReader, ClvWriter, Packet
from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import Encoder
from colorvid.evaluation.bench.coding import Job, Stopwatch
from colorvid.files.streams import header_of, info_of
from colorvid.io import open_reader, open_writer
from colorvid.models.loading import Model
from colorvid.native.model import Work, added_up

NETWORKS = ("analysis", "prior", "synthesis")
"""Stages whose multiplications are those of the roof."""
OTHER = "other"
FILES = "files"

FrameWork = dict[str, Work]
"""What one frame took, by stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of encoding or of decoding, for one frame on average.

    Attributes:
        name: ``files`` reads and writes; ``motion`` searches, chooses and codes vectors; the others
            are those of the codec.
        ms: milliseconds.
        share: of the time of all stages, 0..1.
        gmac_per_s: 10^9 multiplications of the networks a second; None for stages without.
        roof_share: that over the roof of one core; None without one.
    """

    name: str
    ms: float
    share: float
    gmac_per_s: float | None
    roof_share: float | None


class WorkLog:
    """Takes down what each frame took, while a codec counts what it did since its start.

    Codecs count by the clock. Where another program had the core for a part of a frame's time, all
    stages of the frame are taken to be longer by that part.
    """

    def __init__(self) -> None:
        """Nothing is done so far."""
        self.rows: list[FrameWork] = []
        self._done: Mapping[str, Work] = {}
        self._files = 0.0

    def add_files(self, watch: Stopwatch) -> None:
        """Reading or writing that ``watch`` has timed."""
        spent = watch.spent()
        self._files += min(spent.wall_s, spent.cpu_s)

    def join(self) -> None:
        """Make one frame of the last two: what is coded behind the last frame belongs to it."""
        last = self.rows.pop()
        self.rows[-1] = added_up(self.rows[-1], last)

    def add(self, watch: Stopwatch, done: Mapping[str, Work]) -> None:
        """A frame whose coding ``watch`` has timed; what its stages do not name is `OTHER`."""
        spent = watch.spent()
        seconds = min(spent.wall_s, spent.cpu_s)
        had_core = seconds / spent.wall_s
        row: FrameWork = {}
        for name, work in done.items():
            before = self._done.get(name, Work())
            row[name] = Work(
                had_core * (work.seconds - before.seconds),
                work.multiplications - before.multiplications,
            )
        named = sum(work.seconds for name, work in row.items() if name != OTHER)
        row[OTHER] = Work(max(0.0, seconds - named))
        row[FILES] = Work(self._files)
        self.rows.append(row)
        self._done, self._files = done, 0.0


def encode_by_stage(model: Model, job: Job) -> list[FrameWork]:
    """Encode with one worker; what each frame took."""
    frames = WorkLog()
    encoder = Encoder(model, job.settings)
    with open_reader(job.source, frames=job.frames) as reader, job.stream.open("wb") as file:
        writer = ClvWriter(file)
        writer.write_header(header_of(reader.info, job.settings, model.identity))
        watch = Stopwatch()
        for frame in reader:
            frames.add_files(watch)
            watch = Stopwatch()
            coded = encoder.push(frame)
            frames.add(watch, encoder.work())
            watch = Stopwatch()
            for ready in coded:
                writer.write_packet(ready.packet)
        watch = Stopwatch()
        coded = encoder.flush()
        frames.add(watch, encoder.work())
        frames.join()
        for ready in coded:
            writer.write_packet(ready.packet)
        writer.finish()
    return frames.rows


def decode_by_stage(model: Model, job: Job) -> list[FrameWork]:
    """Decode with one worker; what each frame took."""
    frames = WorkLog()
    with job.stream.open("rb") as file:
        reader = ClvReader(file)
        header = reader.header
        decoder = Decoder(model, header.size, references=header.references, reorder=header.reorder)
        with open_writer(job.decoded, info_of(reader.header), overwrite=True) as writer:
            watch = Stopwatch()
            for record in reader:
                assert isinstance(record, Packet)  # it was written just now
                frames.add_files(watch)
                watch = Stopwatch()
                due = decoder.push(record)
                frames.add(watch, decoder.work())
                watch = Stopwatch()
                for frame in due:
                    writer.write(frame)
            for frame in decoder.flush():
                writer.write(frame)
    return frames.rows


def summed_up(runs: Sequence[Sequence[FrameWork]], roof_gmacs: float | None) -> list[Stage]:
    """Stages of the same work, done several times.

    Every frame and stage counts with its fastest time: what other programs slow down are some
    frames of some runs, and hardly ever the same one in all.

    Args:
        runs: what each frame took, at least one run.
        roof_gmacs: 10^9 multiplications that one core could do in a second; None = not known.

    Returns:
        Those that took any time, slowest first.
    """
    frames = len(runs[0])
    names = list(runs[0][0])
    seconds = {
        name: sum(min(run[number][name].seconds for run in runs) for number in range(frames))
        for name in names
    }
    products = {name: sum(row[name].multiplications for row in runs[0]) for name in names}
    total = sum(seconds.values())
    stages = []
    for name in sorted(names, key=lambda name: -seconds[name]):
        if seconds[name] > 0:
            counted = products[name] if name in NETWORKS else 0.0
            gmacs = counted / seconds[name] / 1e9 if counted else None
            of_roof = gmacs / roof_gmacs if gmacs and roof_gmacs else None
            share = seconds[name] / total
            stages.append(Stage(name, 1000 * seconds[name] / frames, share, gmacs, of_roof))
    return stages


def networks(stages: Sequence[Stage]) -> Stage | None:
    """The networks of all `NETWORKS` together; None if no multiplications are known."""
    own = [stage for stage in stages if stage.gmac_per_s is not None]
    if not own:
        return None
    ms = sum(stage.ms for stage in own)
    gmac = sum((stage.gmac_per_s or 0.0) * stage.ms for stage in own)
    roofs = [(stage.roof_share or 0.0) * stage.ms for stage in own]
    of_roof = sum(roofs) / ms if own[0].roof_share is not None else None
    return Stage("networks", ms, sum(stage.share for stage in own), gmac / ms, of_roof)
