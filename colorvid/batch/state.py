"""The state of a batch in files: what is finished, the parts that are, and what they were made of.

Below the folder of outputs::

    .colorvid/lock                      held by the running batch
    .colorvid/here                      by which workers see that they share this folder
    .colorvid/TASK/NAME.parts/manifest.json
    .colorvid/TASK/NAME.parts/00000.clv, 00000.facts, ...   parts, and what is known of each
    .colorvid/TASK/NAME.json            a finished job: manifest, output, line of the report

Everything appears under its name in one step. A finished job is recorded before its output gets its
name, so that no moment is left in which an output exists and nobody knows what it was made of.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from colorvid.batch.identity import is_same, made_by, model_digest
from colorvid.batch.jobs import Job
from colorvid.errors import OutputError
from colorvid.io.files import os_errors, output_text

FOLDER = ".colorvid"
FACTS = ".facts"
"""Suffix of what is known of a part, as JSON."""
_FORMAT = 1
Json = dict[str, Any]


@dataclass
class Manifest:
    """What the parts of a job are made of.

    Attributes:
        source: fingerprint of the input.
        options: of the job.
        model: see `colorvid.batch.identity.model_digest`.
        made_by: version, format version and code of colorvid.
        survey: what is known of the input: width, height, frames, rate; see
            `colorvid.batch.survey`.
        parts: first frame and number of frames of each, None = to the end.
    """

    source: Json
    options: Json
    model: str
    made_by: Json = field(default_factory=made_by)
    survey: Json = field(default_factory=dict)
    parts: list[tuple[int, int | None]] = field(default_factory=list)
    format: int = _FORMAT

    def changes(self, job: Job, *, code_too: bool) -> list[str]:
        """What is not as it was when this was written, a few words each.

        Args:
            job: as it is wanted now.
            code_too: whether another version or code of colorvid counts.
        """
        found = []
        if not is_same(job.source, self.source):
            found.append("the source has changed")
        for name in sorted({*self.options, *job.options}):
            before, now = self.options.get(name), job.options.get(name)
            if before != now:
                found.append(f"{name} was {_shown(before)} and is {_shown(now)}")
        if self.model != model_digest(job.options.get("model")) and not found:
            found.append("the model file has changed")
        if code_too and self.made_by != made_by():
            before, now = self.made_by.get("version"), made_by()["version"]
            found.append(f"colorvid was {before} and is {now if now != before else 'changed'}")
        return found


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


@dataclass(frozen=True)
class Standing:
    """How far a job is.

    Attributes:
        kind: ``done``: nothing to do; ``refused``: an output is in the way; ``resumed``: parts may
            be there; ``new``.
        notes: what the user should know, a line each.
        manifest: of parts that are there.
        row: line of the report of a finished job.
    """

    kind: Literal["done", "refused", "resumed", "new"]
    notes: tuple[str, ...] = ()
    manifest: Manifest | None = None
    row: Json | None = None


class State:
    """The state folder of a batch; a context manager that holds its lock."""

    def __init__(self, outputs: Path) -> None:
        """Nothing is made or read before the ``with`` block."""
        self.outputs = outputs.absolute()
        self.root = self.outputs / FOLDER
        self.token = self.root / "here"
        self._lock: Any = None

    def __enter__(self) -> State:
        """Make the folders, and lock them.

        Raises:
            OutputError: they cannot be made, or another batch works there.
        """
        with os_errors(str(self.outputs), OutputError):
            self.root.mkdir(parents=True, exist_ok=True)
            self._lock = (self.root / "lock").open("a")
        try:
            _lock(self._lock)
        except OSError:
            self._lock.close()
            raise OutputError(
                f"{self.outputs}: another batch works there; wait for it, or give another folder"
            ) from None
        with os_errors(str(self.token), OutputError):
            self.token.write_text(secrets.token_hex(8), encoding="ascii")
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the lock."""
        self._lock.close()

    def token_text(self) -> str:
        """What stands in the token file."""
        return self.token.read_text(encoding="ascii")

    def target(self, job: Job) -> Path | None:
        """Path of the output of a job; None if its task has none."""
        return None if job.task == "verify" else self.outputs / job.name

    def parts_folder(self, job: Job) -> Path:
        """Folder of the parts of a job."""
        return self.root / job.task / f"{job.name}.parts"

    def part(self, job: Job, number: int) -> Path:
        """Path of a part of a job; its suffix is that of the output."""
        return self.parts_folder(job) / f"{number:05}{Path(job.name).suffix}"

    def _record(self, job: Job) -> Path:
        return self.root / job.task / f"{job.name}.json"

    def look(self, job: Job, *, overwrite: bool) -> Standing:
        """How far a job is, and what has changed since.

        Args:
            job: what is wanted.
            overwrite: whether an output that was made otherwise may be replaced.

        Raises:
            InputError: the source cannot be read.
        """
        notes: list[str] = []
        target, record = self.target(job), _load(self._record(job))
        there = target is not None and target.exists()
        if record is not None:
            changes = _manifest(record).changes(job, code_too=False)
            if target is None or (there and _stat(target) == record["output"]):
                if not changes:
                    return Standing("done", row=record["row"])
            elif there and not changes:
                changes = ["the output has changed since"]
            if changes and (there or target is None):
                reason = "; ".join(changes)
                if there and not overwrite:
                    text = f"{target} exists, but {reason}; pass overwrite=True to make it again"
                    return Standing("refused", (text,))
                notes.append(f"{job.name}: {reason}; it is made again")
        elif there and not overwrite:
            text = f"{target} exists and is not of this batch; pass overwrite=True to overwrite"
            return Standing("refused", (text,))
        return self._look_at_parts(job, notes)

    def _look_at_parts(self, job: Job, notes: list[str]) -> Standing:
        """Whether parts are there that can be used; others are thrown away."""
        stored = _load(self.parts_folder(job) / "manifest.json")
        if stored is None:
            return Standing("new", tuple(notes))
        manifest = _manifest(stored)
        changes = manifest.changes(job, code_too=True)
        if not changes:
            return Standing("resumed", tuple(notes), manifest)
        if self.parts(job, manifest) and not notes:
            notes.append(f"{job.name}: {'; '.join(changes)}; its parts are made again")
        self.forget_parts(job)
        return Standing("new", tuple(notes))

    def parts(self, job: Job, manifest: Manifest) -> dict[int, Json]:
        """The finished parts of a job by number, with what is known of them; all are whole."""
        paths = {number: self.part(job, number) for number in range(len(manifest.parts))}
        known = {number: whole_part(path) for number, path in paths.items()}
        return {number: facts for number, facts in known.items() if facts is not None}

    def begin(self, job: Job, manifest: Manifest) -> None:
        """Write the manifest of a job.

        Raises:
            OutputError: it cannot be written.
        """
        folder = self.parts_folder(job)
        with os_errors(str(folder), OutputError):
            folder.mkdir(parents=True, exist_ok=True)
        _save(folder / "manifest.json", asdict(manifest))

    def clean(self, job: Job) -> None:
        """Remove what workers that were killed have left beside the parts of a job."""
        folder = self.parts_folder(job)
        for path in folder.glob(".*") if folder.is_dir() else ():
            path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path)

    def finish(self, job: Job, manifest: Manifest, made: Path | None, row: Json) -> None:
        """Record a finished job, then give its output ``made`` the final name.

        Raises:
            OutputError: a file cannot be written.
        """
        target = self.target(job)
        record = {**asdict(manifest), "row": row, "output": None}
        if made is not None:
            record["output"] = _stat(made)
        path = self._record(job)
        with os_errors(str(path), OutputError):
            path.parent.mkdir(parents=True, exist_ok=True)
        _save(path, record)
        if made is not None and target is not None:
            self.give_name(made, target)
        self.forget_parts(job)

    def give_name(self, made: Path, target: Path) -> None:
        """Move a finished output to its place.

        Raises:
            OutputError: it cannot be moved.
        """
        with os_errors(str(target), OutputError):
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and made.is_dir():
                shutil.rmtree(target)
            os.replace(made, target)

    def forget_parts(self, job: Job) -> None:
        """Remove the parts of a job."""
        shutil.rmtree(self.parts_folder(job), ignore_errors=True)


def keep_part(made: Path, part: Path, facts: Json) -> None:
    """Give a part its name, after what is known of it; both are then there, or neither counts.

    Args:
        made: the part under a temporary name in the same folder.
        part: its name.
        facts: what is known of it, ``bytes`` and ``crc32`` among it.

    Raises:
        OutputError: a file cannot be written.
    """
    _save(part.with_suffix(FACTS), facts)
    with os_errors(str(part), OutputError):
        os.replace(made, part)


def file_crc32(path: Path) -> int:
    """CRC-32 of all bytes of a file; 0 for a folder."""
    crc = 0
    if path.is_dir():
        return crc
    with path.open("rb") as file:
        while piece := file.read(2**20):
            crc = zlib.crc32(piece, crc)
    return crc


def whole_part(path: Path) -> Json | None:
    """What is known of a part whose bytes are all there; None if it is not."""
    try:
        facts: Json = json.loads(path.with_suffix(FACTS).read_text(encoding="utf-8"))
        whole = path.is_dir() or path.stat().st_size == facts["bytes"]
        return facts if whole and file_crc32(path) == facts["crc32"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lock(file: Any) -> None:
    """Lock a file until it is closed; raises OSError if somebody else has it."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to replace open files, which serves as well
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _stat(path: Path) -> Json | None:
    """Size and time of change of a file; of a folder, nothing."""
    status = path.stat()
    if path.is_dir():
        return {}
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _manifest(stored: Json) -> Manifest:
    names = Manifest.__dataclass_fields__
    values = {key: value for key, value in stored.items() if key in names}
    values["parts"] = [(first, frames) for first, frames in values["parts"]]
    return Manifest(**values)


def _load(path: Path) -> Json | None:
    """A record or manifest; None if it is not there, not whole or of another form."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        _manifest(stored)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return stored if stored.get("format") == _FORMAT else None


def _save(path: Path, content: Json) -> None:
    with output_text(path, overwrite=True) as file:
        json.dump(content, file, indent=1)
