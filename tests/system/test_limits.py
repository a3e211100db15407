"""Limits of memory, measured in processes of their own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from colorvid.bitstream import ClvReader, ClvWriter, Packet, StreamHeader
from colorvid.cli.main import main
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import ConfigError, HeaderError
from colorvid.models.loading import load_model
from colorvid.system import limits
from colorvid.system.limits import DECODE_BYTES_PER_PIXEL, check_picture, memory_bytes, most_workers
from tests import clv, tiny
from tests.clips import moving_frames

SIDE = 320


def test_memory_of_this_machine() -> None:
    memory = memory_bytes()
    assert memory is not None and memory > 2**28
    pixels = memory // (3 * DECODE_BYTES_PER_PIXEL)
    assert most_workers(pixels) == 3


@pytest.mark.parametrize(("text", "expected"), [("4096\n", 4096), ("max\n", None), (None, None)])
def test_memory_of_a_control_group(
    text: str | None, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = memory_bytes()
    path = tmp_path / "memory.max"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(limits, "_CGROUP", path)
    assert memory_bytes() == expected or (
        expected is None and (memory_bytes() or 0) >= (whole or 0)
    )


def test_pictures_too_large_for_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    header = clv.header(width=8192, height=8192)
    monkeypatch.setattr(limits, "memory_bytes", lambda: 2**34)
    with pytest.raises(
        HeaderError,
        match=r"8192x8192 = 67108864 px; decoding it takes up to 34\.4 GB of memory, more than is "
        "here; pass max_pixels=67108864 to try",
    ):
        check_picture(header.size, None)
    check_picture(header.size, 2**26)
    check_picture(clv.header(width=4096, height=8192).size, None)
    monkeypatch.setattr(limits, "memory_bytes", lambda: None)
    check_picture(header.size, None)


def test_largest_picture_can_be_chosen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    check_picture(clv.header().size, 176 * 144)
    with pytest.raises(HeaderError, match="176x144 = 25344 px; max_pixels=25343 allows fewer"):
        check_picture(clv.header().size, 25343)
    for wrong in (0, -1, True, 1.5, "9"):
        with pytest.raises(ConfigError, match="max_pixels is .*; it must be a whole number, 1 or"):
            check_picture(clv.header().size, wrong)  # type: ignore[arg-type]
    (tmp_path / "a.clv").write_bytes(clv.stream())
    target = str(tmp_path / "a.y4m")
    for command in (["decode", "-o", target], ["verify"]):
        assert main([*command, str(tmp_path / "a.clv"), "--max-pixels", "25343"]) == 3
        assert "--max-pixels 25343 allows fewer" in capfd.readouterr().err
    assert not Path(target).exists()


def write(path: Path, side: int, packets: list[Packet]) -> Path:
    """A stream of square pictures for the released model, of any packets."""
    header = StreamHeader(
        width=side, height=side, rate_num=25, rate_den=1, gop_length=0,
        model_id=load_model().identity,
    )  # fmt: skip
    with path.open("wb") as file:
        writer = ClvWriter(file)
        writer.write_header(header)
        for packet in packets:
            writer.write_packet(packet)
        writer.finish()
    return path


MEASURE = """
import sys
from colorvid.bitstream import ClvReader
from colorvid.codec.groups import decode_stream
from colorvid.models.loading import model_on

def status(name):
    text = open("/proc/self/status").read()
    return int(text.split(name + ":")[1].split()[0]) * 1024

def decode(path):
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
    before, good = status("VmRSS"), 0
    with open(path, "rb") as file:
        for item in decode_stream(ClvReader(file, "resync"), model=model, threads=1):
            good += item.frame is not None
    return good, status("VmHWM") - before

model = model_on("cpu", "default")
decode(sys.argv[1])
for path in sys.argv[2:]:
    print(*decode(path))
"""


@pytest.mark.parametrize("way", ["0", "1"])
def test_hostile_streams_take_no_more_memory_than_sound_ones(way: str, tmp_path: Path) -> None:
    frames, settings = moving_frames(2, SIDE, SIDE), EncoderSettings(quality=40)
    sound = [coded.packet for coded in tiny.encode_all(load_model(), frames, settings)]
    small = Packet(frame_type=0, quality=1, frame_number=0, frame_crc=0)
    limit = clv.header(width=SIDE, height=SIDE).payload_limit
    rng = random.Random(5)

    def hostile(kind: int, motion: bytes, latents: bytes) -> Packet:
        return Packet(
            frame_type=kind, quality=63, frame_number=kind, past=kind, frame_crc=1,
            motion=motion, latents=latents,
        )  # fmt: skip

    streams = {
        "random": [hostile(0, b"", rng.randbytes(limit))],
        "escapes": [hostile(0, b"", rng.randbytes(6) + b"\xff" * (limit - 6))],
        "motion": [sound[0], hostile(1, rng.randbytes(limit // 2), rng.randbytes(limit // 2))],
    }
    paths = [write(tmp_path / "small.clv", 16, [small]), write(tmp_path / "sound.clv", SIDE, sound)]
    paths += [write(tmp_path / f"{name}.clv", SIDE, packets) for name, packets in streams.items()]
    cut = tmp_path / "cut.clv"
    cut.write_bytes(paths[1].read_bytes()[:-40])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, [*paths, cut])],
        env={**os.environ, "COLORVID_NATIVE": way},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert [good for good, _ in rows] == [2, 0, 0, 1, 1]
    clean, *hostiles = (taken for _, taken in rows)
    assert max(clean, *hostiles) < DECODE_BYTES_PER_PIXEL * SIDE**2
    if way == "0":  # the core takes so little that the measurement hardly sees it
        assert clean > 100 * SIDE**2, "the measurement sees the pictures"
        assert max(hostiles) < 2 * clean


CLAIMS = """
import resource, sys
import colorvid
from colorvid.cli.main import main

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

cut, whole, target = sys.argv[1:]
before = peak()
assert main(["decode", cut, "-o", target]) == 3
assert main(["decode", whole, "-o", target, "--max-pixels", "1000000"]) == 3
assert "torch" not in sys.modules
assert peak() - before < 8 * 2**20, peak() - before
from colorvid.models.loading import model_on
model_on("cpu", "default")
status = open("/proc/self/status").read()
used = int(status.split("VmData:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 2**28, used + 2**28))
assert main(["decode", whole, "-o", target, "--max-pixels", str(2**26)]) == 7
"""


def test_a_few_bytes_that_claim_the_largest_picture(tmp_path: Path) -> None:
    packet = Packet(frame_type=0, quality=1, frame_number=0, frame_crc=0)
    whole = write(tmp_path / "claim.clv", 8192, [packet])
    assert whole.stat().st_size < 100
    cut = tmp_path / "cut.clv"
    cut.write_bytes(whole.read_bytes()[:30])
    with cut.open("rb") as file, pytest.raises(HeaderError, match="30 of 62 bytes are there"):
        ClvReader(file)
    arguments = [sys.executable, "-c", CLAIMS, str(cut), str(whole), str(tmp_path / "a.y4m")]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cut_line, size_line, memory_line = done.stderr.splitlines()
    assert "30 of 62 bytes are there; get the whole file" in cut_line
    assert "8192x8192 = 67108864 px; --max-pixels 1000000 allows fewer" in size_line
    assert "not enough memory for pictures of 8192x8192; use fewer threads" in memory_line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["claim.clv", "cut.clv"]
