"""Figures of speed, memory and start as data, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from colorvid.evaluation.bench.coding import X264_CRF, Round, Spent
from colorvid.evaluation.bench.stages import Stage, networks
from colorvid.evaluation.bench.start import Start
from colorvid.frame import Size

NATIVE, PYTORCH, X264 = "native", "pytorch", "x264"
_NAMES = {NATIVE: "native core", PYTORCH: "PyTorch", X264: f"x264 medium, CRF {X264_CRF}"}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """Lines under a title; the first column holds names, the others figures."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_text(self) -> str:
        """With columns that stand below each other."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        shown = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *shown])

    def as_markdown(self) -> str:
        """As a table of Markdown under its title."""
        rule = ("---", *["---:"] * (len(self.header) - 1))
        lines = [f"| {' | '.join(line)} |" for line in (self.header, rule, *self.rows)]
        return "\n".join([f"{self.title}:", "", *lines])


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures depend on.

    Attributes:
        processor: its name.
        cores, all_cores: those that this process may use, and those of the machine.
        system: of the machine.
        versions: of programs and libraries by name; None = not installed.
        path: what runs the codec, and with which kernels.
        model_id: identity of the model, hexadecimal.
        notes: what is left out, and what to mind, a line each.
    """

    processor: str
    cores: int
    all_cores: int
    system: str
    versions: tuple[tuple[str, str | None], ...]
    path: str
    model_id: str
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """A line for each."""
        versions = ", ".join(f"{name} {found or 'not installed'}" for name, found in self.versions)
        lines = [
            f"machine   {self.processor}, {self.cores} of {self.all_cores} cores, {self.system}",
            f"versions  {versions}",
            f"codec     {self.path}",
            f"model     {self.model_id}",
        ]
        return "\n".join([*lines, *(f"note      {note}" for note in self.notes)])

    def as_json(self) -> Json:
        """Everything by name."""
        return asdict(self) | {"versions": dict(self.versions)}


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of encoding or decoding ``frames`` frames: the best of several times.

    Attributes:
        frames: coded each time.
        wall_s: least seconds by the clock.
        cpu_s: least seconds of all cores together.
    """

    frames: int
    wall_s: float
    cpu_s: float

    @staticmethod
    def best(frames: int, times: Sequence[Spent]) -> Speed:
        """Of several times, at least one."""
        return Speed(frames, min(t.wall_s for t in times), min(t.cpu_s for t in times))

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / max(self.wall_s, 1e-9)

    @property
    def frames_per_cpu_s(self) -> float:
        """Frames for each second of one core, which other programs hardly change."""
        return self.frames / max(self.cpu_s, 1e-9)

    def as_json(self) -> Json:
        """Everything by name."""
        derived: Json = {"fps": self.fps, "frames_per_cpu_s": self.frames_per_cpu_s}
        return asdict(self) | derived


@dataclass(frozen=True, slots=True)
class Coding:
    """Speed of a codec.

    Attributes:
        codec: `NATIVE`, `PYTORCH` or `X264`.
        workers: of colorvid; threads of x264.
        gop: distance of key frames.
        encode, decode: speeds.
    """

    codec: str
    workers: int
    gop: int
    encode: Speed
    decode: Speed

    @staticmethod
    def best(codec: str, workers: int, gop: int, frames: int, rounds: Sequence[Round]) -> Coding:
        """Of several rounds, at least one."""
        encode = Speed.best(frames, [done.encode for done in rounds])
        decode = Speed.best(frames, [done.decode for done in rounds])
        return Coding(codec, workers, gop, encode, decode)

    @property
    def name(self) -> str:
        """As printed."""
        unit = "thread" if self.codec == X264 else "worker"
        return f"{_NAMES[self.codec]}, {self.workers} {unit}{'s' if self.workers > 1 else ''}"

    def row(self) -> tuple[str, ...]:
        """Cells of a table."""
        speeds = (self.encode, self.decode)
        figures = (figure for speed in speeds for figure in (speed.fps, speed.frames_per_cpu_s))
        return (self.name, *(f"{figure:.1f}" for figure in figures))

    def as_json(self) -> Json:
        """Everything by name."""
        return {
            "codec": self.codec,
            "workers": self.workers,
            "gop": self.gop,
            "encode": self.encode.as_json(),
            "decode": self.decode.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    """Speed of one codec over that of another one on the same frames."""

    over: Coding
    under: Coding

    def figures(self) -> tuple[float, float, float, float]:
        """Of encoding by the clock and by seconds of cores, then of decoding."""
        pairs = ((self.over.encode, self.under.encode), (self.over.decode, self.under.decode))
        encode, decode = (
            (a.fps / b.fps, a.frames_per_cpu_s / b.frames_per_cpu_s) for a, b in pairs
        )
        return (*encode, *decode)

    def row(self) -> tuple[str, ...]:
        """Cells of a table."""
        return (
            f"  {self._name()} / {self.under.name}",
            *(f"{figure:.2f}x" for figure in self.figures()),
        )

    def _name(self) -> str:
        """What the row calls the codec that is compared."""
        if self.over.codec == self.under.codec:
            return self.over.name
        return _NAMES[self.over.codec]

    def as_json(self) -> Json:
        """Everything by name."""
        names = ("encode", "encode_per_cpu_s", "decode", "decode_per_cpu_s")
        compared: Json = {"over": self.over.name, "under": self.under.name}
        return compared | dict(zip(names, self.figures(), strict=True))


@dataclass(frozen=True, slots=True)
class SizeReport:
    """Figures of one picture size.

    Attributes:
        size: of the pictures.
        clip: where the frames come from.
        quality: of colorvid's key frames.
        codings: of colorvid and of x264 on all frames.
        short: of colorvid in the native core and in PyTorch on fewer frames, each number of
            workers side by side; empty if not compared.
        roof_gmacs: 10^9 multiplications of 16-bit integers that one core did in a second with the
            best instruction that the kernels use; None without such an instruction.
        encoding, decoding: stages of one worker, slowest first.
        starts: of ``colorvid decode``, by `NATIVE` and `PYTORCH`: the best of several runs.
    """

    size: Size
    clip: str
    quality: int
    codings: tuple[Coding, ...]
    short: tuple[Coding, ...]
    roof_gmacs: float | None
    encoding: tuple[Stage, ...]
    decoding: tuple[Stage, ...]
    starts: tuple[tuple[str, Start], ...]

    def ratios(self) -> list[Ratio]:
        """Most workers over one, and over x264; on fewer frames, the native core over PyTorch."""
        own = [coding for coding in self.codings if coding.codec != X264]
        others = [coding for coding in self.codings if coding.codec == X264]
        over_one = [Ratio(own[-1], own[0])] if len(own) > 1 else []
        return [*over_one, *(Ratio(own[-1], other) for other in others), *self.over_pytorch()]

    def over_pytorch(self) -> list[Ratio]:
        """The native core over PyTorch, for each number of workers."""
        return [
            Ratio(a, b)
            for a in self.short
            for b in self.short
            if (a.codec, b.codec) == (NATIVE, PYTORCH) and a.workers == b.workers
        ]

    def tables(self) -> list[Table]:
        """All figures as tables."""
        found = [self._speeds(self.codings, "")]
        if self.short:
            found.append(self._speeds(self.short, ", the same in PyTorch"))
        roof = "" if self.roof_gmacs is None else f", roof of int16 {self.roof_gmacs:.0f} GMAC/s"
        for name, stages in (("encoding", self.encoding), ("decoding", self.decoding)):
            found.append(_stage_table(f"{self.size}, {name} by stage, one worker{roof}", stages))
        rows = tuple(_start_row(_NAMES[path], start) for path, start in self.starts)
        header = ("colorvid decode", "first frame", "of it on a core", "peak memory")
        return [*found, Table(f"{self.size}, start of a process", header, rows)]

    def _speeds(self, codings: tuple[Coding, ...], what: str) -> Table:
        """Speeds, and the ratios between them."""
        first = codings[0]
        title = (
            f"{self.size}, {self.clip}, quality {self.quality}: {first.encode.frames} frames, "
            f"a key frame every {first.gop}{what}"
        )
        ratios = [ratio for ratio in self.ratios() if ratio.over in codings]
        rows = [coding.row() for coding in codings] + [ratio.row() for ratio in ratios]
        header = ("", "encode fps", "frames/CPU s", "decode fps", "frames/CPU s")
        return Table(title, header, tuple(rows))

    def as_json(self) -> Json:
        """Everything by name."""
        return {
            "size": str(self.size),
            "clip": self.clip,
            "quality": self.quality,
            "codings": [coding.as_json() for coding in self.codings],
            "short": [coding.as_json() for coding in self.short],
            "roof_gmacs": self.roof_gmacs,
            "ratios": [ratio.as_json() for ratio in self.ratios()],
            "stages": {
                "encode": [asdict(stage) for stage in with_networks(self.encoding)],
                "decode": [asdict(stage) for stage in with_networks(self.decoding)],
            },
            "start": {path: asdict(start) for path, start in self.starts},
        }


def with_networks(stages: Sequence[Stage]) -> list[Stage]:
    """The stages, and behind them the networks together if they are known."""
    together = networks(stages)
    return [*stages, *([] if together is None else [together])]


def _stage_table(title: str, stages: Sequence[Stage]) -> Table:
    total = Stage("all", sum(s.ms for s in stages), sum(s.share for s in stages), None, None)
    rows = tuple(
        (
            stage.name,
            f"{stage.ms:.2f}",
            f"{stage.share:.0%}",
            "" if stage.gmac_per_s is None else f"{stage.gmac_per_s:.1f}",
            "" if stage.roof_share is None else f"{stage.roof_share:.0%}",
        )
        for stage in [*with_networks(stages), total]
    )
    return Table(title, ("stage", "ms a frame", "share", "GMAC/s", "of the roof"), rows)


def _start_row(name: str, start: Start) -> tuple[str, ...]:
    unknown = "not known"
    memory = unknown if start.peak_mb is None else f"{start.peak_mb:.0f} MB"
    cpu = unknown if start.first_frame_cpu_s is None else f"{start.first_frame_cpu_s:.2f} s"
    return name, f"{start.first_frame_s:.2f} s", cpu, memory


def as_json(machine: Machine, sizes: Sequence[SizeReport]) -> str:
    """All figures of a run, indented."""
    content = {"machine": machine.as_json(), "sizes": [size.as_json() for size in sizes]}
    return json.dumps(content, indent=1)
