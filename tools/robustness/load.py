"""Long and parallel runs: memory and open files must not grow, and the bytes must be the same.

The clip is generated and goes through pipes, so that nothing is stored. Each process is sampled
while it works; the run fails if the last third of its work needs more than the first third.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import hashlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.errors import ColorvidError

WIDTH, HEIGHT, PERIOD = 64, 48, 24
GROWTH_BYTES = 8 * 2**20
"""What resident memory may differ between the first and the last third: the allocator breathes."""
HEADER_BYTES = 60
"""Of a stream, before its first packet."""
INTERVAL_S = 0.02
WARM_UP = 0.1
"""Part of the samples at the start that is left out: the buffers fill."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Medians of a process over the first and the last third of its work.

    Attributes:
        memory_bytes: resident.
        files: open descriptors.
        seconds: of the whole process.
    """

    memory_bytes: tuple[int, int]
    files: tuple[int, int]
    seconds: float

    def grown(self) -> bool:
        """Whether the last third needs more than the first."""
        first, last = self.memory_bytes
        return last > first + GROWTH_BYTES or self.files[1] > self.files[0]


def frames(count: int) -> Iterator[bytes]:
    """A y4m stream: stripes that move, with a period of 24 frames."""
    yield f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip C420\n".encode()
    chroma = bytes(100 + i % 50 for i in range(WIDTH * HEIGHT // 2))
    pictures = []
    for shift in range(PERIOD):
        rows = (bytes(40 + 7 * ((x + y + shift) % PERIOD) for x in range(WIDTH))
                for y in range(HEIGHT))  # fmt: skip
        pictures.append(b"FRAME\n" + b"".join(rows) + chroma)
    for number in range(count):
        yield pictures[number % PERIOD]


def sample(pid: int) -> tuple[int, int] | None:
    """Resident bytes and open files of a process (Linux, ``/proc``); None once it has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        status = (folder / "status").read_text()
        files = sum(1 for _ in (folder / "fd").iterdir())
    except OSError:
        return None
    resident = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return (int(resident[0]) * 1024, files) if resident else None


def usage(samples: list[tuple[int, int]], seconds: float) -> Usage:
    """Medians of the thirds, without the warm-up.

    Raises:
        ColorvidError: too few samples to compare.
    """
    steady = samples[int(len(samples) * WARM_UP) :]
    third = len(steady) // 3
    if third < 3:
        raise ColorvidError(f"{len(samples)} samples are too few; encode more --frames")
    columns = [sorted(part) for part in zip(*steady[:third], strict=True)]
    ends = [sorted(part) for part in zip(*steady[-third:], strict=True)]
    memory, files = ((a[third // 2], b[third // 2]) for a, b in zip(columns, ends, strict=True))
    return Usage(memory, files, seconds)


def command(*arguments: object) -> list[str]:
    """A command line of colorvid."""
    return [sys.executable, "-m", "colorvid", *(str(a) for a in arguments), "--quiet"]


def watched(process: subprocess.Popen[bytes], begun: Callable[[], bool]) -> Usage:
    """Sample a process until it ends, from the moment when its first picture is ``begun``.

    Raises:
        ColorvidError: it failed.
    """
    start = time.monotonic()
    samples: list[tuple[int, int]] = []
    while process.poll() is None:
        found = sample(process.pid)
        if found is not None and (samples or begun()):
            samples.append(found)
        time.sleep(INTERVAL_S)
    if process.returncode:
        raise ColorvidError(f"{process.args!r} ended with code {process.returncode}")
    return usage(samples, time.monotonic() - start)


def has_packets(folder: Path) -> bool:
    """Whether an output in work is longer than a stream header."""
    return any(part.stat().st_size > HEADER_BYTES for part in folder.glob(".*.part"))


def endurance(folder: Path, count: int, threads: int) -> dict[str, Usage]:
    """Encode and decode ``count`` frames through pipes.

    Raises:
        ColorvidError: a process failed, or not all frames came back.
    """
    stream, decoded = folder / "long.clv", 0
    process = subprocess.Popen(
        command("encode", "-", "-o", stream, "-y", "--threads", threads), stdin=subprocess.PIPE
    )

    def feed() -> None:
        assert process.stdin is not None
        with process.stdin as pipe:
            for piece in frames(count):
                pipe.write(piece)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    used = {"encode": watched(process, lambda: has_packets(folder))}
    process = subprocess.Popen(
        command("decode", stream, "-o", "-", "--threads", threads), stdout=subprocess.PIPE
    )

    def drain() -> None:
        nonlocal decoded
        assert process.stdout is not None
        with process.stdout as pipe:
            pipe.readline()
            while piece := pipe.read(2**16):
                decoded += len(piece)

    drainer = threading.Thread(target=drain, daemon=True)
    drainer.start()
    used["decode"] = watched(process, lambda: decoded > 0)
    drainer.join()
    if decoded != count * (len(b"FRAME\n") + WIDTH * HEIGHT * 3 // 2):
        raise ColorvidError(f"{decoded} bytes of pictures came back, not those of {count} frames")
    return used


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def crowd(folder: Path, jobs: int, count: int) -> float:
    """Encode and then decode with ``jobs`` processes at once; gives the seconds.

    Raises:
        ColorvidError: one failed, or its bytes are not those of a process alone.
    """
    source = folder / "source.y4m"
    source.write_bytes(b"".join(frames(count)))
    start = time.monotonic()
    for verb, given, suffix in (("encode", source, ".clv"), ("decode", None, ".y4m")):
        given = given or folder / "alone.clv"
        options = ("-y", "--threads", 1)
        alone = folder / f"alone{suffix}"
        if subprocess.run(command(verb, given, "-o", alone, *options)).returncode:
            raise ColorvidError(f"{verb}: failed alone")
        names = [folder / f"{number}{suffix}" for number in range(jobs)]
        running = [subprocess.Popen(command(verb, given, "-o", n, *options)) for n in names]
        failed = sum(process.wait() != 0 for process in running)
        expected = digest(alone)
        different = sum(digest(name) != expected for name in names if name.exists())
        if failed or different:
            raise ColorvidError(f"{verb}: {failed} of {jobs} failed, {different} differ")
    return time.monotonic() - start


def table(used: dict[str, Usage], count: int) -> str:
    """The figures as a table in Markdown."""
    lines = [
        "| run | frames | seconds | resident, first third | last third | open files |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in used.items():
        first, last = (f"{value / 2**20:.1f} MiB" for value in found.memory_bytes)
        files = f"{found.files[0]}, {found.files[1]}"
        lines.append(f"| {name} | {count} | {found.seconds:.0f} | {first} | {last} | {files} |")
    return "\n".join(lines)


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and print the figures; 1 if something grows, fails or differs."""
    parser = tool_parser(__doc__)
    parser.add_argument("--frames", type=int, default=10_000, help="of the long run; 0 = none")
    parser.add_argument("--jobs", type=int, default=50, help="processes at once; 0 = none")
    parser.add_argument("--job-frames", type=int, default=8, help="frames of each of them")
    parser.add_argument("--threads", type=int, default=1, help="of the long run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.frames:
            used = endurance(folder, options.frames, options.threads)
            print(table(used, options.frames))
            for what in (name for name, found in used.items() if found.grown()):
                raise ColorvidError(f"{what}: needs more and more memory or files")
        if options.jobs:
            seconds = crowd(folder, options.jobs, options.job_frames)
            print(f"{options.jobs} at once, encode and decode: {seconds:.0f} s, all the same")
    return 0
