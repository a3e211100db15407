from __future__ import annotations

import io
import os
import threading

import pytest

from colorvid.bitstream import ClvReader, ClvWriter, StreamIndex, summarise
from colorvid.errors import ConfigError, HeaderError, OutputError
from tests.clv import header, packet, stream, successor


def writer(**changes: object) -> ClvWriter:
    """A writer whose header is written."""
    made = ClvWriter(io.BytesIO())
    made.write_header(header(**changes))
    return made


def test_counts_bytes() -> None:
    file = io.BytesIO()
    made = ClvWriter(file)
    assert made.write_header(header()) == 62
    assert made.write_packet(packet(0)) == len(packet(0).to_bytes())
    assert made.finish() == 20
    assert made.bytes_written == len(file.getvalue())


def test_stream_without_frames() -> None:
    assert list(ClvReader(io.BytesIO(stream(0)))) == []
    assert ClvReader(io.BytesIO(stream(0))).load_index() == StreamIndex(0, ())


def test_order_of_calls() -> None:
    made = ClvWriter(io.BytesIO())
    for call in (lambda: made.write_packet(packet(0)), made.finish):
        with pytest.raises(ConfigError, match="no stream header yet; call write_header first"):
            call()
    made.write_header(header())
    with pytest.raises(ConfigError, match="stream header is written already"):
        made.write_header(header())
    made.finish()
    for call in (lambda: made.write_packet(packet(0)), made.finish):
        with pytest.raises(ConfigError, match="the stream is finished"):
            call()


def test_frames_in_order_and_key_frames_in_time() -> None:
    made = writer(gop_length=3)
    with pytest.raises(ConfigError, match="frame number is 1; the next is 0"):
        made.write_packet(packet(1))
    with pytest.raises(ConfigError, match="the first frame is not a key frame"):
        made.write_packet(successor(0))
    for number in range(3):
        made.write_packet(packet(number))
    with pytest.raises(
        ConfigError, match="frame 3 must be a key frame: the last is 0 and the GOP length is 3"
    ):
        made.write_packet(successor(3))
    made.write_packet(packet(3))


def test_gop_length_zero_allows_any_distance() -> None:
    made = writer(gop_length=0)
    made.write_packet(packet(0))
    for number in range(1, 9):
        made.write_packet(successor(number))


def test_frames_that_show_where_they_must_not() -> None:
    made = writer(gop_length=0)
    for number in range(4):
        made.write_packet(packet(number))
    with pytest.raises(HeaderError, match="shift is -2; the stream header says .* at least -1"):
        made.write_packet(packet(2, frame_number=4, shift=-2))
    made.write_packet(packet(4))
    with pytest.raises(ConfigError, match="frame 5 shows at 5, where another frame does"):
        made.write_packet(successor(5, past=2))
    for call in (lambda: made.write_packet(packet(0, frame_number=5)), made.finish):
        with pytest.raises(ConfigError, match="a frame shows at 5; its group ends before 5"):
            call()
    made.write_packet(packet(5))
    made.finish()


def test_references_that_a_decoder_does_not_keep() -> None:
    made = writer(gop_length=0)
    made.write_packet(packet(0))
    with pytest.raises(ConfigError, match="frame 1 refers to what shows at -1; .* keeps only 0$"):
        made.write_packet(packet(1, past=3))
    made.write_packet(packet(1))
    with pytest.raises(ConfigError, match="frame 2 refers to what shows at 3; .* keeps only 0, 2"):
        made.write_packet(packet(2, future=2))
    made.write_packet(packet(2))
    with pytest.raises(ConfigError, match="frame 3 refers to what shows at 1; .* keeps only 0, 2"):
        made.write_packet(successor(3, past=2))
    made.write_packet(successor(3))
    with pytest.raises(ConfigError, match="frame 4 refers to what shows at 0; .* keeps only 2, 3"):
        made.write_packet(successor(4, past=4))
    made.write_packet(packet(0, frame_number=4))
    with pytest.raises(ConfigError, match="frame 5 refers to what shows at 3; .* keeps only 4"):
        made.write_packet(successor(5, past=2))


def test_payload_above_the_limit_of_the_picture() -> None:
    made = writer(width=1, height=1)
    made.write_packet(packet(0, latents=bytes(4102)))
    with pytest.raises(HeaderError, match="payload has 4103 bytes; at most 4102 are allowed"):
        made.write_packet(packet(1, latents=bytes(4101)))


def test_writes_into_a_pipe_and_reads_from_one() -> None:
    read_end, write_end = os.pipe()

    def write() -> None:
        with open(write_end, "wb", buffering=0) as file:
            made = ClvWriter(file)
            made.write_header(header())
            for number in range(100):
                made.write_packet(packet(number, quality=5, latents=bytes(3000)))
            made.finish()

    thread = threading.Thread(target=write)
    thread.start()
    with open(read_end, "rb") as file:
        summary = summarise(file)
    thread.join()
    assert (len(summary.frames), summary.damage, summary.total_frames) == (100, (), 100)


def test_closed_pipe_is_an_output_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb", buffering=0) as file:
        with pytest.raises(OutputError, match="cannot write the stream: Broken pipe"):
            ClvWriter(file).write_header(header())
