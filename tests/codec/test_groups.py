from contextlib import closing

import pytest

from colorvid.bitstream import Damage, Packet
from colorvid.codec import groups
from colorvid.codec.settings import EncoderSettings
from colorvid.errors import OutOfMemory
from colorvid.frame import Size
from colorvid.models.loading import model_on
from colorvid.system.cores import one_torch_thread
from tests.clips import moving_frames


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")],
)
def test_too_little_memory_is_named(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match="not enough memory for pictures of 9x7; use fewer"):
        with groups.enough_memory(Size(9, 7)):
            raise error
    with pytest.raises(RuntimeError, match="shape"), groups.enough_memory(Size(9, 7)):
        raise RuntimeError("shape")


def test_frames_to_packets_and_back_with_damage_between() -> None:
    model, frames = model_on("cpu", "default"), moving_frames(5, 18, 20)
    settings = EncoderSettings(gop=2)
    with one_torch_thread():
        with closing(groups.encode_frames(model, settings, frames, Size(20, 18))) as results:
            encoded = list(results)
        assert [item.packet.is_key for item in encoded] == [True, False, True, False, True]
        assert [item.row.scores for item in encoded] == [None] * 5
        records: list[Packet | Damage] = [item.packet for item in encoded]
        records[0] = Damage("hole", 60, range(0, 1))
        records[4:4] = [Damage("noise", 99, range(0))]
        with closing(groups.decode_records(model, records, Size(20, 18), 2)) as results:
            decoded = list(results)
    good = [item.frame is not None for item in decoded]
    assert good == [False, False, True, True, False, True]
    sizes = [item.packet.size_bytes for item in encoded]
    assert [item.size_bytes for item in decoded] == [0, *sizes[1:4], 0, sizes[4]]
    assert [item.lost for item in decoded] == [1, 1, 0, 0, 0, 0]
    assert [item.problem is not None for item in decoded] == [True, *[False] * 3, True, False]
    for item, source in zip(decoded[2:4], encoded[2:4], strict=True):
        assert item.frame is not None and item.frame.crc32() == source.packet.frame_crc
