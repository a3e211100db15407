import threading
from contextlib import closing

import pytest
import torch

from colorvid.bitstream import Damage, Packet
from colorvid.codec import groups
from colorvid.codec.coder import EncoderSettings
from colorvid.errors import ConfigError, ModelMismatch, OutOfMemory
from colorvid.models.modelfile import Model, find_model, load_model
from tests.clips import moving_frames


def test_torch_works_with_one_thread_in_every_worker_and_is_restored() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    try:
        with pytest.raises(RuntimeError), groups.one_torch_thread():
            worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            worker.start()
            worker.join()
            raise RuntimeError
        assert seen == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_model_is_loaded_by_one_torch_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = torch.get_num_threads(), []

    def load(name: str, device: str) -> Model:
        seen.append(torch.get_num_threads())
        return load_model(name, device)

    monkeypatch.setattr(groups, "load_model", load)
    torch.set_num_threads(3)
    try:
        groups.model_on("cpu", "default")
        assert seen == [1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_model_is_found_by_its_identity() -> None:
    identity = load_model().identity
    assert groups.model_for(identity, "cpu", None).identity == identity
    assert groups.model_for(identity, "cpu", str(find_model("default"))).identity == identity
    with pytest.raises(ModelMismatch, match=f"needs model {'00' * 16}; here is default"):
        groups.model_for(bytes(16), "cpu", None)
    for device in ("abacus", "meta", 2**70, True, []):
        with pytest.raises(ConfigError, match="device .* cannot be used: .*; use cpu"):
            groups.model_for(identity, device, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")],
)
def test_too_little_memory_is_named(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match="not enough memory for pictures of 9x7; use fewer"):
        with groups.enough_memory((7, 9)):
            raise error
    with pytest.raises(RuntimeError, match="shape"), groups.enough_memory((7, 9)):
        raise RuntimeError("shape")


def test_frames_to_packets_and_back_with_damage_between() -> None:
    model, frames = groups.model_on("cpu", "default"), moving_frames(5, 18, 20)
    settings = EncoderSettings(gop=2)
    with groups.one_torch_thread():
        with closing(groups.encode_frames(model, settings, frames, (18, 20))) as results:
            encoded = list(results)
        assert [item.packet.is_key for item in encoded] == [True, False, True, False, True]
        assert [item.row.scores for item in encoded] == [None] * 5
        records: list[tuple[Packet | Damage, int]] = [(item.packet, 7) for item in encoded]
        records[0] = (Damage("hole", 60, range(0, 1)), 0)
        records[4:4] = [(Damage("noise", 99, range(0)), 0)]
        with closing(groups.decode_records(model, records, (18, 20), 2)) as results:
            decoded = list(results)
    good = [item.frame is not None for item in decoded]
    assert good == [False, False, True, True, False, True]
    assert [item.lost for item in decoded] == [1, 1, 0, 0, 0, 0]
    assert [item.problem is not None for item in decoded] == [True, *[False] * 3, True, False]
    for item, source in zip(decoded[2:4], encoded[2:4], strict=True):
        assert item.frame is not None and item.frame.crc32() == source.packet.frame_crc
