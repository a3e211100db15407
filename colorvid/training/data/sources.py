"""Where training data come from: folders of pictures, of clips, Vimeo-90k, moving pictures."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from colorvid.errors import ConfigError, InputError
from colorvid.io.pyav_stream import av_errors, open_container, video_stream
from colorvid.io.sources import open_source
from colorvid.training.data import synthetic

Planes = synthetic.Planes
STILLS = frozenset((".jpg", ".jpeg", ".png", ".webp"))
CLIPS = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv .y4m".split()
)
VIMEO_LIST = "sep_trainlist.txt"
"""Lists the septuplets of Vimeo-90k to train on: those below ``sequences/`` beside it."""
SYNTHETIC_FRAMES = 16
"""Frames of a clip of synthetic motion."""
SHRINK_FROM = 360
"""Stills whose short side is at least this are scaled by 0.7, which hides JPEG's artefacts."""


def _even(value: float) -> int:
    return int(value) // 2 * 2


def frame_planes(frame: av.VideoFrame, shrink: float = 1.0) -> Planes:
    """Planes of a PyAV frame as limited-range 4:2:0 of even size, scaled by ``shrink``."""
    width, height = _even(frame.width * shrink), _even(frame.height * shrink)
    frame = frame.reformat(width, height, "yuv420p", dst_color_range="MPEG", interpolation="AREA")
    planes = []
    for plane, (w, h) in zip(
        frame.planes, [(width, height)] + 2 * [(width // 2, height // 2)], strict=True
    ):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[:h, :w].copy())
    return planes[0], planes[1], planes[2]


@dataclass(frozen=True, slots=True)
class Source:
    """A still, a clip, or a clip in pictures.

    Attributes:
        files: one file, or the pictures of the clip in order.
    """

    files: tuple[Path, ...]

    @property
    def is_clip(self) -> bool:
        """Whether it has more than one frame."""
        return len(self.files) > 1 or self.files[0].suffix.lower() in CLIPS

    def planes(self, every: int = 1) -> Iterator[Planes]:
        """Every ``every``-th frame as 4:2:0 planes, the first included.

        Raises:
            InputError: a file cannot be decoded.
        """
        for number, (path, frame) in enumerate(self._frames()):
            if number % every == 0:
                shrink = not self.is_clip and min(frame.width, frame.height) >= SHRINK_FROM
                with av_errors(str(path), InputError):
                    planes = frame_planes(frame, 0.7 if shrink else 1.0)
                yield planes

    def _frames(self) -> Iterator[tuple[Path, av.VideoFrame]]:
        for path in self.files:
            with open_source(path) as source, open_container(source) as container:
                stream, _ = video_stream(container, str(path))
                with av_errors(str(path), InputError):
                    yield from ((path, frame) for frame in container.decode(stream))


@dataclass(frozen=True, slots=True)
class MovingStills(Source):
    """A clip of synthetic motion, made of pictures; see `colorvid.training.data.synthetic.animate`.

    Attributes:
        files: the background, then what is cut out of and moves over it.
        seed: of the motion.
    """

    seed: int = 0

    @property
    def is_clip(self) -> bool:
        """Yes, whatever its files are."""
        return True

    def planes(self, every: int = 1) -> Iterator[Planes]:
        """See `Source.planes`; `SYNTHETIC_FRAMES` frames in all."""
        stills = [next(Source((path,)).planes()) for path in self.files]
        moving = synthetic.animate(stills, SYNTHETIC_FRAMES, self.seed)
        return itertools.islice(moving, 0, None, every)


def find_sources(folder: Path) -> list[Source]:
    """All stills and clips below a folder, and the listed septuplets of every Vimeo-90k there.

    Hidden files are left out.

    Raises:
        InputError: there are none, or a listed septuplet lacks a picture.
    """
    found: list[Source] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        if VIMEO_LIST in names:
            folders.clear()
            found += _septuplets(Path(place))
            continue
        files = sorted(Path(place) / name for name in names if not name.startswith("."))
        found += [Source((f,)) for f in files if f.suffix.lower() in STILLS | CLIPS]
    if not found:
        raise InputError(
            f"{folder}: no training data; expected pictures ({_shown(STILLS)}), clips "
            f"({_shown(CLIPS)}) or Vimeo-90k ({VIMEO_LIST} beside sequences/)"
        )
    return found


def find_clips(folder: Path) -> list[Source]:
    """The clips among `find_sources`.

    Raises:
        InputError: there are none.
    """
    clips = [source for source in find_sources(folder) if source.is_clip]
    if not clips:
        raise InputError(
            f"{folder}: no clips, only single pictures; expected videos ({_shown(CLIPS)}) or "
            f"Vimeo-90k ({VIMEO_LIST} beside sequences/)"
        )
    return clips


def _shown(suffixes: frozenset[str]) -> str:
    return " ".join(sorted(s[1:] for s in suffixes))


def _septuplets(folder: Path) -> list[Source]:
    """What the list in ``folder`` names, such as ``00001/0001``."""
    lines = (folder / VIMEO_LIST).read_text(encoding="utf-8").split()
    found = []
    for line in lines:
        place = folder / "sequences" / line
        files = tuple(place / f"im{number}.png" for number in range(1, 8))
        missing = next((f for f in files if not f.is_file()), None)
        if missing is not None:
            raise InputError(
                f"{missing}: missing; {folder / VIMEO_LIST} lists {line}, so im1.png to im7.png "
                "are expected there"
            )
        found.append(Source(files))
    return found


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Which data to train on.

    Attributes:
        folders: below the folder given on the command line; each holds pictures, clips or
            Vimeo-90k, in any mixture and in subfolders too.
        most: sources taken of each folder at most, evenly spaced; 0 = all.
        frames: frames of each clip that are coded for inter training at most; 0 = all.
        stills: folders with the pictures that clips of synthetic motion are made of.
        synthetic: number of such clips that join the others for inter training.
        passes: how often each clip is coded for inter training.
        bframes: most B frames between two P frames in that, 0..15; 0 for runs of frames.
        seed: of what is random in that.
        by_source: for intra training draw a picture or clip first, then a frame of it; without
            it all decoded frames are equally likely, and long clips come more often.
        smallest_scale: crops for intra training are scaled down by a random factor from this to 1.
        even_qualities: for intra training spread the qualities of a batch evenly over 0..63;
            without it each is drawn alone.
    """

    folders: tuple[str, ...] = (".",)
    most: int = 0
    frames: int = 0
    stills: tuple[str, ...] = ()
    synthetic: int = 0
    passes: int = 1
    bframes: int = 0
    seed: int = 1
    by_source: bool = False
    smallest_scale: float = 1.0
    even_qualities: bool = False

    def __post_init__(self) -> None:
        """Check what has a range.

        Raises:
            ConfigError: ``smallest_scale`` is not above 0 and at most 1.
        """
        if not 0 < self.smallest_scale <= 1:
            raise ConfigError(
                f"smallest_scale is {self.smallest_scale}; it must be above 0 and at most 1"
            )

    def sources(self, root: Path) -> list[Source]:
        """Stills and clips of all folders, see `find_sources`."""
        return [s for f in self.folders for s in self._thinned(find_sources(root / f))]

    def clips(self, root: Path) -> list[Source]:
        """Clips of all folders, see `find_clips`, and those of synthetic motion."""
        found = [s for f in self.folders for s in self._thinned(find_clips(root / f))]
        return found + self._moving(root)

    def _moving(self, root: Path) -> list[Source]:
        if not self.synthetic:
            return []
        sources = [s for folder in self.stills for s in find_sources(root / folder)]
        pictures = [s.files[0] for s in sources if not s.is_clip]
        if not pictures:
            raise InputError(
                f"{root}: no pictures in {list(self.stills)} to make {self.synthetic} clips of "
                "synthetic motion of; name folders with pictures in stills in [data]"
            )
        generator = np.random.default_rng(self.seed)
        clips: list[Source] = []
        for _ in range(self.synthetic):
            count = 1 + int(generator.integers(0, synthetic.MOST_LAYERS + 1))
            files = tuple(pictures[i] for i in generator.integers(0, len(pictures), count))
            clips.append(MovingStills(files, seed=int(generator.integers(2**31))))
        return clips

    def _thinned(self, found: list[Source]) -> list[Source]:
        if not self.most or len(found) <= self.most:
            return found
        return [found[i * len(found) // self.most] for i in range(self.most)]
