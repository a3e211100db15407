"""Decoders beside each other: in one process, in threads, and in processes made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

import colorvid
from tests.conftest import CodedClip

PROGRAM = """
import multiprocessing, sys, threading
import colorvid

def hashes(path):
    return [frame.crc32() for frame in colorvid.decode(path, threads=1)]

def main(kind, path):
    expected, decoding = hashes(path), threading.Event()
    def work():
        while not decoding.is_set():
            assert hashes(path) == expected
    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(8 if kind == "fork" else 1):
            with multiprocessing.get_context(kind).Pool(2) as pool:
                assert pool.map(hashes, [path] * 4, chunksize=1) == [expected] * 4
    finally:
        decoding.set()
        thread.join()

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def test_decoders_in_turn(coded: CodedClip) -> None:
    clips = [colorvid.open(coded.stream, threads=1) for _ in range(3)]
    for frames in zip(*clips, coded.decoded, strict=True):
        assert all(frame == frames[-1] for frame in frames)
    for clip in clips:
        clip.close()


def test_threads_with_one_clip_and_with_their_own(coded: CodedClip) -> None:
    shared, right = colorvid.open(coded.stream), []

    def work(first: int) -> None:
        count = len(coded.decoded)
        for number in (*range(first, count), *range(first)):
            assert shared[number] == coded.decoded[number]
        assert colorvid.decode(coded.stream, threads=1) == coded.decoded
        right.append(first)

    threads = [Thread(target=work, args=(first,)) for first in range(0, 8, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    assert sorted(right) == [0, 2, 4, 6]


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_processes_while_a_thread_decodes(kind: str, coded: CodedClip, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), kind, str(coded.stream)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
