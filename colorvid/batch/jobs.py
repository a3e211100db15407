"""Jobs of a batch: files, folders, globs, lists and job files become inputs with outputs."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from colorvid.batch.options import Options, check_options, parse_option
from colorvid.config import TUNES, read_toml
from colorvid.errors import ConfigError, InputError
from colorvid.files.streams import SUFFIX
from colorvid.io.files import os_errors

VIDEO_SUFFIXES = frozenset(
    ".y4m .yuv .mkv .mp4 .mov .avi .webm .m4v .mpg .mpeg .ts .m2ts .mts .wmv .flv .ogv .3gp .mxf"
    " .h264 .264 .h265 .265 .hevc .ivf .obu".split()
)
"""Names of files that a folder is searched for, in small letters."""
JOB_FILES = (".toml", ".csv")
LIST = "-"
"""Stands for a list of inputs on standard input, one on each line."""


@dataclass(frozen=True)
class Job:
    """One file and what to do with it.

    Attributes:
        task: one of `colorvid.batch.options.TASKS`.
        source: absolute path of the input.
        name: of the output, relative to the folder of outputs; for tasks without an output, what
            the job is called in the state folder and the report.
        options: see `colorvid.batch.options.FIELDS`.
    """

    task: str
    source: Path
    name: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """An input: its path, the path that it keeps with ``keep_tree``, own options, own output."""

    path: Path
    kept: PurePath
    options: Options = field(default_factory=dict)
    output: str | None = None


@dataclass(frozen=True)
class Plan:
    """How inputs become jobs.

    Attributes:
        task: one of `colorvid.batch.options.TASKS`.
        options: of every job that does not set them itself.
        keep_tree: whether outputs keep the folders of their inputs.
    """

    task: str
    options: Options = field(default_factory=dict)
    keep_tree: bool = False

    def jobs(self, words: Sequence[str], listed: Iterable[str] = ()) -> list[Job]:
        """The jobs of a command line, in order; an input that is named twice counts once.

        Args:
            words: files, folders, globs, job files (``.toml``, ``.csv``), or ``-`` for ``listed``.
            listed: lines of standard input, each the path of a file.

        Raises:
            InputError: there is no such input, or none at all.
            ConfigError: an option is not allowed, or two inputs have one output.
        """
        check_options(self.task, self.options, "options")
        found: dict[tuple[Path, str | None], Found] = {}
        for word in words:
            for one in self._find(word, listed):
                found.setdefault((one.path, one.output), one)
        if not found:
            raise InputError("there are no inputs; give files, folders, globs or a job file")
        jobs = [self._job(one) for one in found.values()]
        _refuse_twins(jobs)
        return jobs

    def _find(self, word: str, listed: Iterable[str]) -> Iterator[Found]:
        """The inputs that a word of the command line stands for."""
        if word == LIST:
            for line in listed:
                if line.strip():
                    yield _plain(line.rstrip("\r\n"))
        elif Path(word).suffix.lower() in JOB_FILES:
            yield from read_job_file(Path(word), self.task)
        elif Path(word).is_dir():
            yield from self._folder(Path(word))
        elif not os.path.lexists(word) and glob.has_magic(word):
            matches = sorted(glob.glob(word, recursive=True))
            files = [m for m in matches if not Path(m).is_dir()]
            if not files:
                raise InputError(f"{word}: matches no file")
            yield from (_plain(match) for match in files)
        else:
            yield _plain(word)

    def _folder(self, folder: Path) -> Iterator[Found]:
        """All files of the right kind in a folder and below, hidden ones left out."""
        coded = self.task in ("decode", "verify", "eval")
        suffixes = {SUFFIX} if coded else VIDEO_SUFFIXES
        paths = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in suffixes
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        ]
        if not paths:
            kind = f"{SUFFIX} file" if coded else "video"
            raise InputError(f"{folder}: has no {kind} in it")
        yield from (Found(path.absolute(), path.relative_to(folder)) for path in paths)

    def _job(self, found: Found) -> Job:
        """The job of an input, with the name of its output."""
        options = {**self.options, **found.options}
        check_options(self.task, options, str(found.path))
        if self.task == "eval":
            options["reference"] = str(_reference(found.path, options.get("reference")))
        name = found.output
        if name is None:
            kept = found.kept if self.keep_tree else PurePath(found.path.name)
            name = kept.with_name(self._named(found.path, options)).as_posix()
        inside = PurePath(os.path.normpath(name))
        if inside.is_absolute() or ".." in inside.parts or not inside.name:
            raise ConfigError(f"{found.path}: output {name!r} is outside the folder of outputs")
        return Job(self.task, found.path, inside.as_posix(), options)

    def _named(self, path: Path, options: Options) -> str:
        """The name of an output without folders."""
        if self.task == "encode":
            return f"{path.stem}{SUFFIX}"
        if self.task == "decode":
            return f"{path.stem}{options.get('suffix', '.y4m')}"
        if self.task == "eval":
            return f"{path.stem}.json"
        return path.stem if self.task == "compare" else path.name


def _reference(path: Path, given: str | None) -> Path:
    """The original of a video that is scored: a file, or that of the same stem in a folder."""
    if given is None:
        raise ConfigError(f"{path}: its original is not given; pass reference=FILE or a folder")
    place = Path(given).absolute()
    if not place.is_dir():
        return place
    found = [
        p
        for p in sorted(place.iterdir())
        if p.stem == path.stem and p.suffix.lower() in VIDEO_SUFFIXES
    ]
    if len(found) != 1:
        count = "no original" if not found else f"{len(found)} originals"
        raise InputError(f"{path}: {place} has {count} of that name; name it in a job file")
    return found[0]


def _plain(word: str) -> Found:
    """A file by its name; with ``keep_tree`` it keeps the folders that it is named with."""
    parts = [p for p in PurePath(os.path.normpath(word)).parts if p != ".."]
    kept = PurePath(*parts)
    return Found(Path(word).absolute(), kept.relative_to(kept.anchor) if kept.anchor else kept)


def _refuse_twins(jobs: Sequence[Job]) -> None:
    """Refuse two jobs with one output, also where only the case of letters differs."""
    seen: dict[str, Job] = {}
    for job in jobs:
        other = seen.setdefault(job.name.casefold(), job)
        if other is not job:
            raise ConfigError(
                f"{other.source} and {job.source} would both become {job.name}; pass "
                "keep_tree=True to keep their folders, or name the outputs in a job file"
            )


def read_job_file(path: Path, task: str) -> Iterator[Found]:
    """The inputs of a job file; their paths are relative to its folder.

    TOML: a table ``[[job]]`` for each input, with ``input``, maybe ``output`` and options, and a
    table ``[defaults]`` of options for all. CSV: a line for each, the first one names the columns;
    an empty cell is not set.

    Raises:
        InputError: a CSV file cannot be read.
        ConfigError: a TOML file cannot be read, or a key or value is not allowed.
    """
    folder = path.absolute().parent
    rows = _toml_rows(path) if path.suffix.lower() == ".toml" else _csv_rows(path)
    for where, row in rows:
        source = row.pop("input", "")
        if not source:
            raise ConfigError(f"{where}: has no input; give the name of a file")
        output = row.pop("output", None)
        options = {name: parse_option(task, name, text, where) for name, text in row.items()}
        for name in ("model", "reference"):
            if name in row and row[name] not in TUNES:
                options[name] = str(folder / row[name])
        yield Found(Path(os.path.normpath(folder / source)), _plain(source).kept, options, output)


def _toml_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    content = read_toml(path)
    unknown = set(content) - {"defaults", "job"}
    if unknown:
        raise ConfigError(
            f"{path}: unknown key {min(unknown)!r}; allowed are [defaults] and [[job]]"
        )
    defaults, jobs = content.get("defaults", {}), content.get("job", [])
    if not isinstance(defaults, dict) or not isinstance(jobs, list) or not jobs:
        raise ConfigError(f"{path}: has no jobs; give a table [[job]] for each input")
    for number, table in enumerate(jobs, 1):
        where = f"{path}, job {number}"
        if not isinstance(table, dict):
            raise ConfigError(f"{where}: is {table!r}; it must be a table [[job]]")
        yield where, {key: _as_text(value) for key, value in {**defaults, **table}.items()}


def _as_text(value: Any) -> str:
    """A value of TOML as it would stand in CSV."""
    return ",".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with os_errors(str(path), InputError), path.open(newline="", encoding="utf-8-sig") as file:
        try:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise ConfigError(f"{where}: has not as many cells as the first line")
                yield where, {key: text for key, text in row.items() if text}
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a CSV file: {error}") from error
