"""The UVG sequences on disk: found by their usual names, checked, and read.

The seven usual ones are 1920x1080, 120 frames per second, 8-bit 4:2:0, BT.709 limited range. They
are not part of colorvid. Each is looked for in a folder and in the folders directly below it, as
archives unpack, under these names, in capitals or not (``SIZE`` stands for ``1920x1080``)::

    NAME_SIZE_120fps_420_8bit_YUV.yuv
    NAME_SIZE_120fps_420_8bit_YUV.y4m    NAME_SIZE_120fps.y4m    NAME.y4m
    NAME_SIZE_120fps_420_8bit_YUV.mkv    NAME_SIZE_120fps.mkv    NAME.mkv
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.clips import Clip, read_video
from colorvid.evaluation.generated import generated_frames
from colorvid.frame import Size
from colorvid.io import VideoInfo, open_reader, open_writer
from colorvid.io.files import frame_bytes, os_errors

SEQUENCES = (
    "Beauty",
    "Bosphorus",
    "HoneyBee",
    "Jockey",
    "ReadySteadyGo",
    "ShakeNDry",
    "YachtRide",
)
SIZE = Size(1920, 1080)
"""Of the pictures."""
RATE = Fraction(120)
"""Frames per second."""
_ARCHIVES = (".7z", ".zip")
_SIZE_IN_NAME = re.compile(r"_(\d+)x(\d+)_")


def check(path: Path, frames: int, size: Size = SIZE) -> None:
    """Look at size, frame rate and length of a sequence, as far as that works without decoding.

    Args:
        path: from :func:`find`.
        frames: that are going to be coded, 1 or more.
        size: that the pictures must have.

    Raises:
        InputError: the file is not what its name says, is cut or too short.
    """
    count = _raw_frames(path, size) if _is_raw(path) else _tagged_frames(path, size)
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


def _tagged_frames(path: Path, size: Size) -> int | None:
    with open_reader(path) as reader:
        info = reader.info
    if info.size != size:
        raise InputError(f"{path}: is {info.size}; it must be {size}")
    if info.rate != RATE:
        raise InputError(
            f"{path}: has {info.rate} frames per second; it must have {RATE}: write it again with "
            "the right rate, or use the raw file"
        )
    return info.frames


@lru_cache(maxsize=1)
def load(path: Path, frames: int | None) -> Clip:
    """Read the first frames of a sequence (``None``: all); the clip has the name of the sequence.

    Raises:
        InputError: the file cannot be read, or holds fewer frames.
    """
    size = _SIZE_IN_NAME.search(path.stem)
    if _is_raw(path) and size is not None:
        clip = read_video(path, frames, size=Size(int(size[1]), int(size[2])), rate=RATE)
    else:
        clip = read_video(path, frames)
    return replace(clip, name=name_of(path))


def name_of(path: Path) -> str:
    """Name of the sequence that a file is called after."""
    return choose([path.stem.partition("_")[0]])[0]


def choose(names: Sequence[str]) -> list[str]:
    """Names of sequences as UVG spells them; capitals do not matter, repeats are dropped.

    Raises:
        ConfigError: a name is none of ``SEQUENCES``, or there are none.
    """
    known = {name.lower(): name for name in SEQUENCES}
    for name in names:
        if name.lower() not in known:
            raise ConfigError(f"sequence {name!r} is unknown; use {', '.join(SEQUENCES)}")
    if not names:
        raise ConfigError(f"no sequence is named; use {', '.join(SEQUENCES)}")
    return list(dict.fromkeys(known[name.lower()] for name in names))


def file_names(name: str, size: Size = SIZE) -> list[str]:
    """File names of a sequence, the preferred one first."""
    long = f"{name}_{size}_120fps"
    stems = (f"{long}_420_8bit_YUV", long, name)
    tagged = [stem + suffix for suffix in (".y4m", ".mkv") for stem in stems]
    return [f"{stems[0]}.yuv", *tagged]


def find(
    folder: Path, names: Sequence[str], size: Size = SIZE
) -> tuple[dict[str, Path], dict[str, str]]:
    """Look for sequences in a folder and in the folders directly below it.

    Args:
        folder: where to look.
        names: of ``SEQUENCES``.
        size: of the pictures, as in the names of the files.

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
        wanted = [file for file in file_names(name, size) if file.lower() in by_name]
        if wanted:
            files[name] = by_name[wanted[0].lower()]
        else:
            missing[name] = _advice(name, paths, size)
    if not files:
        reasons = "".join(f"; {name}: {text}" for name, text in missing.items() if "unpack" in text)
        raise InputError(
            f"{folder} holds none of {', '.join(names)}; expected names like "
            f"{file_names(names[0], size)[0]}, here or one folder below{reasons}"
        )
    return files, missing


def _advice(name: str, paths: Sequence[Path], size: Size) -> str:
    for path in paths:
        ours = path.stem.lower().partition("_")[0] == name.lower()
        if ours and path.suffix.lower() in _ARCHIVES:
            tool = "7z x" if path.suffix.lower() == ".7z" else "unzip"
            return f"{path} is an archive; unpack it: {tool} {path.name}"
    return f"not found; expected {file_names(name, size)[0]}"


SYNTHETIC_SIZE = Size(192, 112)
SYNTHETIC_SEQUENCES = SEQUENCES[:3]
SYNTHETIC_FRAMES, SYNTHETIC_GOP = 12, 6
"""Small generated sequences in the place of UVG, so that its evaluation can be tried anywhere."""


def write_synthetic(folder: Path, frames: int) -> None:
    """Write ``SYNTHETIC_SEQUENCES`` as archives of UVG unpack, with their size in the name."""
    width, height = SYNTHETIC_SIZE.width, SYNTHETIC_SIZE.height
    for seed, name in enumerate(SYNTHETIC_SEQUENCES):
        path = folder / name / file_names(name, SYNTHETIC_SIZE)[0]
        path.parent.mkdir()
        with open_writer(path, VideoInfo(width, height, RATE)) as writer:
            for frame in generated_frames(frames, width, height, seed):
                writer.write(frame)


def load_synthetic(path: Path, frames: int | None) -> Clip:
    """Read a sequence as UVG's are; ``synthetic`` stands in its name, and so in every table."""
    clip = load(path, frames)
    return replace(clip, name=f"synthetic-{clip.name}")
