"""Make the golden files anew: ``python -m tests.golden.make``, from the root of the repository.

A tiny codec with random networks that do take part, a clip that it coded, and what each frame
must decode to. They say what the format and the arithmetic are: make them anew only when one of
these changes on purpose, and write that into the changelog. Release weights have no part in them.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import tempfile
from pathlib import Path

import torch

from colorvid.bitstream import ClvWriter, StreamHeader
from colorvid.codec import Encoder, EncoderSettings
from colorvid.frame import Frame
from colorvid.models.modelfile import Model, load_model, save_model
from tests import tiny
from tests.clips import moving_frames

FOLDER = Path(__file__).parent
MODEL = FOLDER / "tiny.safetensors.xz"
STREAM = FOLDER / "tiny.clv"
EXPECTED = FOLDER / "tiny.json"
HEIGHT, WIDTH, FRAMES = 45, 59, 6
SETTINGS = EncoderSettings(quality=46, gop=4, inter_quality=40)


def sha256(frame: Frame) -> str:
    """SHA-256 of the rows of Y, U and V, in this order, as hexadecimal digits."""
    return hashlib.sha256(b"".join(plane.tobytes() for plane in frame.planes)).hexdigest()


def golden_model(carrier: torch.dtype = torch.float32) -> Model:
    """The committed model, unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        path.write_bytes(lzma.decompress(MODEL.read_bytes()))
        return load_model(str(path), carrier=carrier)


def write_model() -> None:
    """Make the model and pack it."""
    network = tiny.network(seed=2026)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        save_model(path, network, tiny.tables_for(network))
        MODEL.write_bytes(lzma.compress(path.read_bytes(), preset=9))


def main() -> None:
    """Write model, stream and expectations."""
    write_model()
    model = golden_model()
    encoder = Encoder(model, SETTINGS)
    header = StreamHeader(
        width=WIDTH,
        height=HEIGHT,
        rate_num=25,
        rate_den=1,
        gop_length=SETTINGS.gop,
        model_id=model.identity,
    )
    frames = []
    with open(STREAM, "wb") as file:
        writer = ClvWriter(file)
        writer.write_header(header)
        for frame in moving_frames(FRAMES, HEIGHT, WIDTH, seed=9):
            coded = encoder.push(frame)
            writer.write_packet(coded.packet)
            frames.append({"crc32": coded.packet.frame_crc, "sha256": sha256(coded.picture)})
        writer.finish()
    expected = {"model": model.identity.hex(), "frames": frames}
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n")
    total = sum(p.stat().st_size for p in (MODEL, STREAM, EXPECTED))
    print(f"{STREAM.stat().st_size} bytes of stream, {total} bytes in all")


if __name__ == "__main__":
    main()
