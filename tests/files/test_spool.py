"""Groups come back from the disk as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorvid.bitstream import FrameType
from colorvid.codec.groups import EncodedFrame
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import OutputError
from colorvid.files.spool import Spool
from colorvid.quality.log import FrameRow
from tests import tiny
from tests.clips import moving_frames


def group(first: int, quality: int) -> list[EncodedFrame]:
    settings = EncoderSettings(quality=quality, gop=5)
    coded = tiny.encode_all(tiny.model(), moving_frames(5, 18, 20, seed=first), settings, first)
    return [EncodedFrame(c.packet, FrameRow.of(c.packet, c.bits, None, 0.5)) for c in coded]


def test_groups_come_back_as_they_were() -> None:
    groups = {(0, 20): group(0, 20), (1, 20): group(5, 20), (0, 40): group(0, 40)}
    kinds = {item.packet.frame_type for item in groups[0, 20]}
    assert kinds >= {FrameType.KEY, FrameType.P, FrameType.B}
    with Spool() as spool:
        for (number, quality), frames in groups.items():
            spool.put(number, quality, frames)
        assert list(spool.frames([40, 20])) == groups[0, 40] + groups[1, 20]
        assert list(spool.frames([20, 20])) == groups[0, 20] + groups[1, 20]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_of_output() -> None:
    spool = Spool()
    spool._file.close()
    with open("/dev/full", "w+b", buffering=0) as full:
        spool._file = full
        with pytest.raises(OutputError, match="No space left on device"):
            spool.put(0, 20, group(0, 20))
