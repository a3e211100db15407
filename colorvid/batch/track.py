"""Jobs on their way: what is known of each, what it costs, and where all of them stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from colorvid.batch.crew import Tell
from colorvid.batch.jobs import Job
from colorvid.batch.report import Row
from colorvid.batch.state import Json, Manifest
from colorvid.errors import InputError
from colorvid.files.concat import concat_files


@dataclass
class Track:
    """A job on its way.

    Attributes:
        job: what is wanted.
        row: what became of it so far.
        manifest: once the input is known.
        facts: of finished parts by number.
        tries: that failed, by number of the part.
        avoid: workers that had no luck with a part.
        closed: whether it is finished, or given up.
    """

    job: Job
    row: Row
    manifest: Manifest | None = None
    facts: dict[int, Json] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    avoid: dict[int, frozenset[str]] = field(default_factory=dict)
    closed: bool = False

    @property
    def frames(self) -> int | None:
        """Frames that it has in all; None = not known."""
        if self.closed:
            return self.row.frames
        return None if self.manifest is None else self.manifest.survey.get("frames")

    def cost(self, part: int | None = None) -> int:
        """Luma samples of the file or of a part; of an input of unknown length, its bytes."""
        if self.manifest is None:
            return 0
        pixels, frames = self.manifest.survey["pixels"], self.frames
        if not frames or not pixels:
            return int(self.manifest.source["bytes"])
        if part is not None and 0 <= part < len(self.manifest.parts):
            first, count = self.manifest.parts[part]
            frames = count or max(1, frames - first)
        return int(frames * pixels)

    def filled_parts(self) -> list[int]:
        """Numbers of the finished parts that have frames; those after the end have none.

        Raises:
            InputError: a part in the middle is short, so the source was not the same for all.
        """
        assert self.manifest is not None
        counts = [self.facts[part]["frames"] for part in range(len(self.manifest.parts))]
        filled = [part for part, count in enumerate(counts) if count]
        whole = all(counts[part] == self.manifest.parts[part][1] for part in filled[:-1])
        if not whole or filled != list(range(len(filled))):
            raise InputError("has not the same frames each time that it is read")
        return filled or [0]


def join(paths: Sequence[Path], target: Path) -> tuple[Path, int]:
    """Put parts together; gives the new stream and its size in bytes."""
    return target, concat_files(paths, target, overwrite=True).size_bytes


@dataclass(frozen=True)
class Status:
    """Where a batch stands.

    Attributes:
        files_done, files: finished or failed, and all.
        parts_done, parts: finished, and all that are known so far.
        frames_done: finished, those of earlier runs and of parts at work included.
        frames: of all files; None = not known of every one.
        speed_fps: frames per second of this run, all workers together.
        eta_s: seconds that are left at this speed; None = not known.
        workers: calls that run at once at present.
    """

    files_done: int
    files: int
    parts_done: int
    parts: int
    frames_done: int
    frames: int | None
    speed_fps: float
    eta_s: float | None
    workers: int


@dataclass(frozen=True)
class Listener:
    """Who hears of a batch.

    Attributes:
        tell: gets lines for the user.
        status: gets the status, some times a second; what it raises ends the batch.
        file: gets the row of each file as soon as it is finished or has failed.
    """

    tell: Tell = lambda text, level: None
    status: Callable[[Status], None] = lambda status: None
    file: Callable[[Row], None] = lambda row: None


class Clock:
    """Measures the speed of a run, from its start on."""

    def __init__(self) -> None:
        """Start now."""
        self._start = time.monotonic()
        self.frames_before = 0
        """Frames that earlier runs have finished."""

    def status(self, tracks: Sequence[Track], live: Mapping[str, int], workers: int) -> Status:
        """Where the jobs stand.

        Args:
            tracks: all jobs.
            live: frames of calls that run, as far as they have reported.
            workers: calls that run at once.
        """
        done = sum(track.row.frames for track in tracks) + sum(live.values())
        speed = max(0, done - self.frames_before) / max(time.monotonic() - self._start, 1e-9)
        lengths = [track.frames for track in tracks]
        known = [length for length in lengths if length is not None]
        total = sum(known) if len(known) == len(lengths) else None
        left = None if total is None or not speed else max(0, total - done) / speed
        return Status(
            files_done=sum(track.closed for track in tracks),
            files=len(tracks),
            parts_done=sum(track.row.parts for track in tracks),
            parts=sum(
                len(t.manifest.parts) if t.manifest is not None else t.row.parts for t in tracks
            ),
            frames_done=done,
            frames=total,
            speed_fps=round(speed, 3),
            eta_s=None if left is None else round(left, 1),
            workers=workers,
        )
