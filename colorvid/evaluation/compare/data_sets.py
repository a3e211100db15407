"""Sequences that publications measure on: found by their usual names, checked, and read.

They are not part of colorvid, and nothing is downloaded. Each is looked for in a folder and in the
folders directly below it, as archives unpack, as ``.yuv``, ``.y4m`` or ``.mkv``; capitals do not
matter. A set is an entry in ``DATA_SETS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.clips import Clip, read_video
from colorvid.evaluation.generated import generated_frames
from colorvid.frame import Size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.files import frame_bytes, os_errors


@dataclass(frozen=True, slots=True)
class DataSet:
    """Sequences of 8-bit 4:2:0 pictures of one size.

    Attributes:
        name: as printed.
        size: of the pictures.
        rates: frames per second by sequence, in the usual order.
        stems: names of files without suffix, the usual one first; raw files have that alone.
    """

    name: str
    size: Size
    rates: Mapping[str, int]
    stems: tuple[str, ...] = ("{name}_{size}_{rate}", "{name}_{size}_{rate}fps", "{name}")

    def file_names(self, name: str) -> list[str]:
        """File names of a sequence, the preferred one first."""
        stems = [
            stem.format(name=name, size=self.size, rate=self.rates[name]) for stem in self.stems
        ]
        return [f"{stems[0]}.yuv", *(s + suffix for suffix in (".y4m", ".mkv") for s in stems)]

    def choose(self, names: Sequence[str]) -> list[str]:
        """Names of sequences as the set spells them; capitals do not matter, repeats are dropped.

        Raises:
            ConfigError: a name is none of the set, or there are none.
        """
        known = {name.lower(): name for name in self.rates}
        for name in names:
            if name.lower() not in known:
                raise ConfigError(f"sequence {name!r} is unknown; use {', '.join(self.rates)}")
        if not names:
            raise ConfigError(f"no sequence is named; use {', '.join(self.rates)}")
        return list(dict.fromkeys(known[name.lower()] for name in names))


_RATES_OF_MCL_JCV = (
    *(30, 30, 30, 30, 25, 25, 25, 25, 25, 30),
    *(30, 30, 30, 30, 30, 30, 24, 25, 30, 25),
    *(24, 24, 24, 24, 24, 30, 30, 30, 24, 30),
)
UVG = DataSet(
    "UVG",
    Size(1920, 1080),
    dict.fromkeys(
        "Beauty Bosphorus HoneyBee Jockey ReadySteadyGo ShakeNDry YachtRide".split(), 120
    ),
    ("{name}_{size}_{rate}fps_420_8bit_YUV", "{name}_{size}_{rate}fps", "{name}"),
)
DATA_SETS: dict[str, DataSet] = {
    "uvg": UVG,
    "mcl-jcv": DataSet(
        "MCL-JCV",
        Size(1920, 1080),
        {f"videoSRC{n:02}": rate for n, rate in enumerate(_RATES_OF_MCL_JCV, start=1)},
    ),
    "hevc-b": DataSet(
        "HEVC B",
        Size(1920, 1080),
        {"BasketballDrive": 50, "BQTerrace": 60, "Cactus": 50, "Kimono1": 24, "ParkScene": 24},
    ),
    "hevc-c": DataSet(
        "HEVC C",
        Size(832, 480),
        {"BasketballDrill": 50, "BQMall": 60, "PartyScene": 50, "RaceHorses": 30},
    ),
    "hevc-d": DataSet(
        "HEVC D",
        Size(416, 240),
        {"BasketballPass": 50, "BlowingBubbles": 50, "BQSquare": 60, "RaceHorses": 30},
    ),
    "hevc-e": DataSet(
        "HEVC E", Size(1280, 720), {"FourPeople": 60, "Johnny": 60, "KristenAndSara": 60}
    ),
}
"""By the names of options."""

SYNTHETIC = DataSet(
    "synthetic",
    Size(352, 288),
    dict.fromkeys(("Beauty", "Bosphorus", "HoneyBee"), 120),
    UVG.stems,
)
"""Generated ones in the place of UVG, so that its evaluation can be tried anywhere."""
SYNTHETIC_FRAMES, SYNTHETIC_GOP = 12, 6
_ARCHIVES = (".7z", ".zip")
_IN_NAME = re.compile(r"_(?P<width>\d+)x(?P<height>\d+)_(?P<rate>\d+)(?:fps)?(?:_|$)")


def check(data: DataSet, name: str, path: Path, frames: int) -> None:
    """Look at size, frame rate and length of a sequence, as far as that works without decoding.

    Args:
        data: the set.
        name: of the sequence.
        path: from :func:`find`.
        frames: that are going to be coded, 1 or more.

    Raises:
        InputError: the file is not what its name says, is cut or too short.
    """
    if _is_raw(path):
        count: int | None = _raw_frames(path, data.size)
    else:
        count = _tagged_frames(path, data.size, data.rates[name])
    if count is not None and count < frames:
        raise InputError(f"{path}: has {count} frames; {frames} are needed, or frames={count}")


def _is_raw(path: Path) -> bool:
    return path.suffix.lower() == ".yuv"


def _raw_frames(path: Path, size: Size) -> int:
    with os_errors(str(path), InputError):
        length = path.stat().st_size
    step = frame_bytes(size)
    if length % step or length == 0:
        raise InputError(
            f"{path}: {length} bytes are no whole number of frames of {size} "
            f"({step} bytes each); the file is cut, or not 8-bit 4:2:0: copy it again"
        )
    return length // step


def _tagged_frames(path: Path, size: Size, rate: int) -> int | None:
    with open_reader(path) as reader:
        info = reader.info
    if info.size != size:
        raise InputError(f"{path}: is {info.size}; it must be {size}")
    if round(info.rate) != rate:  # 24000/1001 will do for 24
        raise InputError(
            f"{path}: has {info.rate} frames per second; it must have {rate}: write it again with "
            "the right rate, or use the raw file"
        )
    return info.frames


@lru_cache(maxsize=1)
def load(path: Path, frames: int | None) -> Clip:
    """Read the first frames of a sequence (``None``: all); the clip has the name of the sequence.

    Raises:
        InputError: the file cannot be read, or holds fewer frames.
    """
    found = _IN_NAME.search(path.stem)
    if _is_raw(path) and found is not None:
        width, height, rate = (int(found[part]) for part in ("width", "height", "rate"))
        clip = read_video(path, frames, size=Size(width, height), rate=Fraction(rate))
    else:
        clip = read_video(path, frames)
    return replace(clip, name=name_of(path))


def name_of(path: Path) -> str:
    """Name of the sequence that a file is called after, as its set spells it."""
    name = path.stem.partition("_")[0]
    every = (known for data in DATA_SETS.values() for known in data.rates)
    return next((known for known in every if known.lower() == name.lower()), name)


def find(
    data: DataSet, folder: Path, names: Sequence[str]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Look for sequences in a folder and in the folders directly below it.

    Args:
        data: the set.
        folder: where to look.
        names: of sequences of the set.

    Returns:
        By sequence, in the order of ``names``: the files found; and what to do about each sequence
        that is missing.

    Raises:
        InputError: the folder cannot be read, or holds none of the sequences.
    """
    with os_errors(str(folder), InputError):
        here = sorted(folder.iterdir())
        below = [path for sub in here if sub.is_dir() for path in sorted(sub.iterdir())]
    paths = [path for path in [*here, *below] if path.is_file()]
    by_name = {path.name.lower(): path for path in reversed(paths)}
    files: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name in names:
        wanted = [file for file in data.file_names(name) if file.lower() in by_name]
        if wanted:
            files[name] = by_name[wanted[0].lower()]
        else:
            missing[name] = _advice(data, name, paths)
    if not files:
        reasons = "".join(f"; {name}: {text}" for name, text in missing.items() if "unpack" in text)
        raise InputError(
            f"{folder} holds none of {', '.join(names)}; expected names like "
            f"{data.file_names(names[0])[0]}, here or one folder below{reasons}"
        )
    return files, missing


def _advice(data: DataSet, name: str, paths: Sequence[Path]) -> str:
    for path in paths:
        ours = path.stem.lower().partition("_")[0] == name.lower()
        if ours and path.suffix.lower() in _ARCHIVES:
            tool = "7z x" if path.suffix.lower() == ".7z" else "unzip"
            return f"{path} is an archive; unpack it: {tool} {path.name}"
    return f"not found; expected {data.file_names(name)[0]}"


def write_synthetic(folder: Path, frames: int) -> None:
    """Write the generated sequences of ``SYNTHETIC`` as archives of UVG unpack."""
    width, height = SYNTHETIC.size.width, SYNTHETIC.size.height
    for seed, (name, rate) in enumerate(SYNTHETIC.rates.items()):
        path = folder / name / SYNTHETIC.file_names(name)[0]
        path.parent.mkdir()
        with open_writer(path, VideoInfo(width, height, Fraction(rate))) as writer:
            for frame in generated_frames(frames, width, height, seed):
                writer.write(frame)


def load_synthetic(path: Path, frames: int | None) -> Clip:
    """Read a sequence as UVG's are; ``synthetic`` stands in its name, and so in every table."""
    clip = load(path, frames)
    return replace(clip, name=f"synthetic-{clip.name}")
