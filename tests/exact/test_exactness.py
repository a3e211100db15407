"""The main promise: a stream decodes to the same bits however torch is set up.

And the other one: a frame is coded as the same bytes, given the same vectors.

All with the released model and real packets, key and inter frames of odd size.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor

from colorvid.bitstream import FrameType, Packet
from colorvid.bitstream.packets import short_crc
from colorvid.codec.decoder import Decoder
from colorvid.codec.settings import EncoderSettings
from colorvid.exact.arithmetic import ExactArithmetic
from colorvid.exact.guard import exact_torch
from colorvid.exact.layers import Conv
from colorvid.frame import Frame, Size
from colorvid.models.branch import Branch
from colorvid.models.loading import Model, load_model
from colorvid.motion.compensate import predict_in_torch
from colorvid.nn.prior import Prior
from tests import tiny
from tests.clips import moving_frames
from tests.motion.test_compensate import pair_of, picture

HEIGHT, WIDTH = 51, 67
SETTINGS = EncoderSettings(quality=44, gop=4, inter_quality=42)


@lru_cache(maxsize=4)
def released(device: str = "cpu", carrier: torch.dtype = torch.float32) -> Model:
    return load_model(device=device, carrier=carrier)


def encode(seed: int = 0, model: Model | None = None) -> tuple[list[Packet], list[Frame]]:
    """Packets and the encoder's pictures: key, P, kept B and unkept B, key, P."""
    frames = moving_frames(6, HEIGHT, WIDTH, seed)
    coded = tiny.encode_all(model or released(), frames, SETTINGS)
    return [c.packet for c in coded], [c.picture for c in coded]


@lru_cache(maxsize=2)
def stream(seed: int = 0) -> tuple[list[Packet], list[Frame]]:
    """The stream that all tests decode, made with torch as it comes."""
    return encode(seed)


def decode(packets: list[Packet], model: Model | None = None) -> list[bytes]:
    """All samples of each decoded frame; `Decoder` compares them with the CRC in the packet."""
    decoder = Decoder(model or released(), Size(WIDTH, HEIGHT))
    return [samples(decoder.decode(packet)) for packet in packets]


def samples(frame: Frame) -> bytes:
    return b"".join(plane.tobytes() for plane in frame.planes)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def onednn(enabled: bool) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a setting for other hardware
        with torch.backends.mkldnn.flags(enabled=enabled):
            yield


@contextmanager
def layout(memory_format: torch.memory_format) -> Iterator[None]:
    """Lay out inputs, weights and so results of all convolutions as asked."""
    plain_conv, plain_integers = ExactArithmetic.conv, Conv.integers

    def conv(self: ExactArithmetic, layer: Conv, x: Tensor) -> Tensor:
        laid = x.contiguous(memory_format=memory_format)
        assert laid.is_contiguous(memory_format=memory_format)
        return plain_conv(self, layer, laid).contiguous(memory_format=memory_format)

    def integers(self: Conv, carrier: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        weight, bias, factor = plain_integers(self, carrier)
        return torch.empty_like(weight, memory_format=memory_format).copy_(weight), bias, factor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExactArithmetic, "conv", conv)
        patch.setattr(Conv, "integers", integers)
        yield


@contextmanager
def flag(setter: Callable[[Any], Any], value: Any, default: Any) -> Iterator[None]:
    setter(value)
    try:
        yield
    finally:
        setter(default)


@contextmanager
def precision(library: str, kind: str, value: str) -> Iterator[None]:
    """What a program allows that prefers speed; torch 2.9 and later."""
    place = getattr(getattr(torch.backends, library), kind)
    before = place.fp32_precision
    place.fp32_precision = value
    try:
        yield
    finally:
        place.fp32_precision = before


SETUPS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "one thread": lambda: threads(1),
    "two threads": lambda: threads(2),
    "oneDNN off": lambda: onednn(False),
    "contiguous": lambda: layout(torch.contiguous_format),
    "channels last": lambda: layout(torch.channels_last),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "short products": lambda: flag(torch.set_float32_matmul_precision, "medium", "highest"),
    "no denormals": lambda: flag(torch.set_flush_denormal, True, False),
    "float64 default": lambda: flag(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16 default": lambda: flag(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "another default device": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
    "deterministic": lambda: flag(torch.use_deterministic_algorithms, True, False),
}
if hasattr(torch.backends.mkldnn, "conv"):
    SETUPS |= {
        "short convolutions": lambda: precision("mkldnn", "conv", "bf16"),
        "short products of oneDNN": lambda: precision("mkldnn", "matmul", "bf16"),
        "TF32 of CUDA alone": lambda: precision("cuda", "matmul", "tf32"),
        "no TF32 of cuDNN alone": lambda: precision("cudnn", "conv", "ieee"),
    }


def test_the_stream_is_worth_the_proof() -> None:
    packets, _ = stream()
    labels = [FrameType(p.frame_type).label for p in packets]
    assert labels == ["key", "P", "B", "b", "key", "P"]
    assert all(len(p.latents) > 50 for p in packets) and any(p.motion for p in packets)
    assert len(set(decode(packets))) == 6


@pytest.mark.parametrize("setup", SETUPS)
def test_predictions_from_two_references_do_not_depend_on(setup: str) -> None:
    past, future, motion = picture(51, 67, 1), picture(51, 67, 2), pair_of(51, 67, 1, 90)
    wanted = predict_in_torch(motion, past, future)
    with SETUPS[setup]():
        for a, b in zip(predict_in_torch(motion, past, future), wanted, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("setup", SETUPS)
def test_decoded_bytes_do_not_depend_on(setup: str) -> None:
    packets, pictures = stream()
    with SETUPS[setup]():
        decoded = decode(packets)
    assert decoded == [samples(p) for p in pictures]


@pytest.mark.parametrize("off", [False, True], ids=["oneDNN on", "oneDNN off"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_decoded_bytes_do_not_depend_on_combinations(
    off: bool, memory_format: torch.memory_format, carrier: torch.dtype
) -> None:
    packets, pictures = stream()
    with onednn(not off), layout(memory_format), threads(2):
        decoded = decode(packets, released(carrier=carrier))
    assert decoded == [samples(p) for p in pictures]


@pytest.mark.parametrize("setup", SETUPS)
def test_encoded_bytes_do_not_depend_on(setup: str) -> None:
    with SETUPS[setup]():
        packets, pictures = encode(seed=5)
    assert packets == stream(seed=5)[0]
    assert decode(packets) == [samples(p) for p in pictures]
    assert [p.frame_crc for p in packets] == [short_crc(p.crc32()) for p in pictures]


def test_encoded_bytes_do_not_depend_on_the_carrier() -> None:
    assert encode(model=released(carrier=torch.float64))[0] == stream()[0]


@pytest.mark.parametrize("setup", [name for name in SETUPS if "default" in name])
def test_a_model_can_be_loaded_with(setup: str) -> None:
    packets, pictures = stream()
    with SETUPS[setup]():
        model = load_model()
        coded = tiny.encode_all(model, moving_frames(6, HEIGHT, WIDTH)[:4], SETTINGS)
        assert decode(packets, model) == [samples(p) for p in pictures]
    assert [c.packet for c in coded] == packets[:4]


def test_decoders_in_threads_share_a_model() -> None:
    jobs = [stream(0), stream(1)] * 2
    results: list[list[bytes]] = [[] for _ in jobs]

    def work(number: int) -> None:
        results[number] = decode(jobs[number][0])

    running = [threading.Thread(target=work, args=(n,)) for n in range(len(jobs))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert results == [[samples(p) for p in pictures] for _, pictures in jobs]


Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]
PARTS = (
    (Branch, "reconstruct"),
    (Branch, "correct"),
    (Prior, "features"),
    (Prior, "advance"),
    (Prior, "parameters_of"),
)


def calls_of(packets: list[Packet]) -> list[Call]:
    """Every call of the decoder's networks while ``packets`` are decoded, with its result."""
    calls: list[Call] = []
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in PARTS:
            patch.setattr(owner, name, spy(getattr(owner, name), calls))
        decode(packets)
    return calls


def spy(plain: Callable[..., Any], calls: list[Call]) -> Callable[..., Any]:
    def watched(*arguments: Any, **named: Any) -> Any:
        result = plain(*arguments, **named)
        calls.append((plain, arguments, named, result))
        return result

    return watched


def stacked(a: Any, b: Any, times: int) -> Any:
    """Tensors one behind the other in a batch, over and over; anything else must be alike."""
    if isinstance(a, Tensor):
        return torch.cat((a, b) * times)
    if is_dataclass(a):
        return type(a)(*(stacked(getattr(a, f.name), getattr(b, f.name), times) for f in fields(a)))
    assert a is b or a == b
    return a


def tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [t for f in fields(result) if (t := getattr(result, f.name)) is not None]


@pytest.mark.parametrize("off", [False, True], ids=["oneDNN on", "oneDNN off"])
@pytest.mark.parametrize("times", [1, 8])
def test_frames_in_a_batch_are_the_frames_one_by_one(times: int, off: bool) -> None:
    first, second = calls_of(stream(0)[0]), calls_of(stream(1)[0])
    network = released().network
    steps = 2 * (2 * network.intra.config.context_steps + 4 * network.inter.config.context_steps)
    once = len(PARTS) - 2
    assert len(first) == len(second) == 6 * 2 * once + 2 * steps, "two key and four inter frames"
    for (part, a, named_a, result_a), (_, b, named_b, result_b) in zip(first, second, strict=True):
        arguments = [stacked(x, y, times) for x, y in zip(a, b, strict=True)]
        named = {key: stacked(named_a[key], named_b[key], times) for key in named_a}
        with onednn(not off), exact_torch():
            batched = tensors(part(*arguments, **named))
        results = tensors(stacked(result_a, result_b, times))
        for got, wanted in zip(batched, results, strict=True):
            assert got.shape[0] == 2 * times and torch.equal(got, wanted), part


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("carrier", [torch.float32, torch.float64])
def test_cuda_decodes_the_same_bytes(carrier: torch.dtype) -> None:
    packets, pictures = stream()
    model = released("cuda", carrier)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        assert decode(packets, model) == [samples(p) for p in pictures]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_cpu_decodes_what_cuda_encoded() -> None:
    coded = tiny.encode_all(released("cuda"), moving_frames(6, HEIGHT, WIDTH), SETTINGS)
    assert decode([c.packet for c in coded]) == [samples(c.picture) for c in coded]
