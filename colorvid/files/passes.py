"""Encoding a file in several passes, so that the whole video meets a target.

The first pass codes all groups at one quality, each further one those that need another quality;
`colorvid.codec.rate` says which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from colorvid.bitstream.headers import header_bytes
from colorvid.bitstream.index import MIN_INDEX_BYTES
from colorvid.codec.groups import EncodedFrame, PlannedFrame, encode_planned, plan_frames
from colorvid.codec.rate import Search
from colorvid.codec.settings import EncoderSettings
from colorvid.codec.targets import Aim, Target
from colorvid.config import DEFAULT_QUALITY
from colorvid.errors import InputError, TargetMissed
from colorvid.files.reports import FrameCounter, Progress, Scorer
from colorvid.files.spool import Spool
from colorvid.io import FrameReader, VideoInfo
from colorvid.system.text import file_size

if TYPE_CHECKING:
    from colorvid.models.loading import Model

_INDEX_ENTRY_BYTES = 7
"""Of the index for a group, hardly ever more."""


@dataclass(frozen=True, slots=True)
class Work:
    """What does not change from pass to pass.

    Attributes:
        open: opens the source at its start.
        model: see `colorvid.models.loading.model_on`.
        settings: of the encoder; its quality counts for nothing.
        threads: most workers; 0 = one for each core.
        score: scores a frame; None = the target needs no scores.
        progress: called after every frame.
    """

    open: Callable[[], FrameReader]
    model: Model
    settings: EncoderSettings
    threads: int
    score: Scorer | None
    progress: Callable[[Progress], None] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the passes came to.

    Attributes:
        qualities: of the groups, in order; all are in the spool.
        warnings: what is doubtful about source and result, a line each.
        passes: how many there were.
    """

    qualities: list[int]
    warnings: tuple[str, ...]
    passes: int


class Passes:
    """Codes a video until it meets a target."""

    def __init__(self, work: Work, target: Target, spool: Spool) -> None:
        """Prepare.

        Args:
            work: what is to be done.
            target: what the whole video shall have.
            spool: takes the coded groups.
        """
        self._work, self._target, self._spool = work, target, spool
        self._start = time.perf_counter()
        self._count = 0
        self._groups: list[tuple[int, int]] = []  # number of the key frame, frames

    def run(self, reader: FrameReader) -> Outcome:
        """Do all passes.

        Args:
            reader: the source, opened at its start for the first pass.

        Raises:
            InputError: the source cannot be read, or has changed between passes.
            OutputError: there is no room for temporary files.
            TargetMissed: no quality meets the target.
        """
        info = reader.info
        search = self._first(reader)
        warnings = reader.warnings
        while search.advance():
            wanted = search.wanted()
            if wanted:  # else each group was coded so for another step
                self._again(search, wanted, info)
        if not self._aim(info).is_near(search.reached):
            warnings += (self._far(search, info),)
        return Outcome(search.qualities, warnings, self._count)

    def _first(self, reader: FrameReader) -> Search:
        """Code all groups at one quality; gives a search that knows of them."""
        info = reader.info
        start = self._first_quality(info)
        planned = plan_frames(replace(self._work.settings, quality=start), reader)
        values = []
        for frames in self._coded(planned, info.frames, info):
            number = sum(count for _, count in self._groups)
            self._spool.put(len(self._groups), start, frames)
            self._groups.append((number, len(frames)))
            values.append(self._value(frames, info))
        search = Search(self._aim(info), [count for _, count in self._groups], start)
        for group, value in enumerate(values):
            search.note(group, start, value)
        return search

    def _again(self, search: Search, wanted: Mapping[int, int], info: VideoInfo) -> None:
        """Code some groups at other qualities."""
        total = sum(self._groups[group][1] for group in wanted)
        with self._work.open() as reader:
            planned = self._chosen(reader, wanted)
            coded = self._coded(planned, total, info)
            for (group, quality), frames in zip(wanted.items(), coded, strict=True):
                self._spool.put(group, quality, frames)
                search.note(group, quality, self._value(frames, info))

    def _chosen(self, reader: FrameReader, wanted: Mapping[int, int]) -> Iterator[PlannedFrame]:
        """The frames of some groups."""
        at = 0
        for group, quality in wanted.items():
            first, count = self._groups[group]
            reader.skip(first - at)
            for number in range(first, first + count):
                frame = next(reader, None)
                if frame is None:
                    raise InputError(
                        f"the input ends at frame {number}, where it had more before; it must not "
                        "change while it is encoded"
                    )
                yield PlannedFrame(number, frame, number == first, quality)
            at = first + count

    def _coded(
        self, planned: Iterable[PlannedFrame], total: int | None, info: VideoInfo
    ) -> Generator[list[EncodedFrame], None, None]:
        """One pass: the frames of each group, in order of decoding."""
        self._count += 1
        work, counter = self._work, FrameCounter()
        coded = encode_planned(
            work.model, work.settings, planned, info.size, depth=info.depth,
            threads=work.threads,
            scorer=counter.counting(work.score),
        )  # fmt: skip
        start = time.perf_counter()
        group: list[EncodedFrame] = []
        count = size = 0
        with closing(coded):
            for item in coded:
                if item.packet.is_key and group:
                    yield group
                    group = []
                group.append(item)
                count, size = count + 1, size + item.packet.size_bytes
                if work.progress is not None:
                    done, seconds = counter.at_least(count), time.perf_counter() - start
                    progress = Progress(done, total, size, info.rate, seconds, count, self._count)
                    work.progress(progress)
        if group:
            yield group

    def _value(self, frames: list[EncodedFrame], info: VideoInfo) -> float:
        """The figure of a group that the target is about: its mean over frames."""
        metric = self._target.figure.metric
        if metric is None:
            size = sum(item.packet.size_bytes for item in frames)
            return 8 * size / (len(frames) * info.size.pixels)
        total = 0.0
        for item in frames:
            figure = None if item.row.scores is None else item.row.scores.figure(metric)
            assert figure is not None  # as was checked before the first pass
            total += figure
        return total / len(frames)

    def _far(self, search: Search, info: VideoInfo) -> str:
        """A warning that the target was met roughly.

        Raises:
            TargetMissed: no quality comes nearer.
        """
        shown, target = self._shown(search.reached, info), self._target
        if search.end is not None:
            which = "highest" if search.end else "lowest"
            raise TargetMissed(
                f"{target.name}={target.value} is out of reach; the nearest is {shown}, with "
                f"quality {search.end}, the {which}"
            )
        return f"{target.name}={target.value}: the nearest is {shown}; more key frames would help"

    def _shown(self, value: float, info: VideoInfo) -> str:
        """A mean of the figure as people write the target."""
        bits = value * info.size.pixels
        frames = sum(count for _, count in self._groups)
        match self._target.name:
            case "bitrate":
                return f"{float(bits * info.rate) / 1000:.1f} kbit/s"
            case "target_size":
                return file_size(round(bits * frames / 8))
            case "target_psnr":
                return f"{value:.2f} dB"
        return f"{value:.4f}"

    def _first_quality(self, info: VideoInfo) -> int:
        """The quality to begin with."""
        if self._target.name == "target_size" and not info.frames:
            return DEFAULT_QUALITY
        return self._target.aim(self._bits_a_sample(info, info.frames or 0, 0)).start

    def _aim(self, info: VideoInfo) -> Aim:
        """What the packets must come to, now that the number of frames and groups is known."""
        frames = sum(count for _, count in self._groups)
        overhead = header_bytes(info.depth) + MIN_INDEX_BYTES
        overhead += _INDEX_ENTRY_BYTES * len(self._groups)
        return self._target.aim(self._bits_a_sample(info, frames, overhead))

    def _bits_a_sample(self, info: VideoInfo, frames: int, overhead: int) -> float:
        """Bits for a luma sample that a rate or a size leaves, less the bytes of ``overhead``."""
        target, samples = self._target, frames * info.size.pixels
        if not target.is_rate:
            return 0.0
        less = 8 * overhead / samples if samples else 0.0
        if target.name == "bitrate":
            return max(0.0, target.value / float(info.rate) / info.size.pixels - less)
        return max(0.0, 8 * target.value / samples - less)
