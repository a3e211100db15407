"""A tiny codec for tests: small random networks that do take part, and plain tables."""

from __future__ import annotations

import math
import tempfile
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorvid.codec.encoder import CodedFrame, Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.config import InterConfig, IntraConfig
from colorvid.entropy.tables import SCALES, Tables, tables_of
from colorvid.frame import Frame
from colorvid.models.loading import Model, load_model
from colorvid.models.modelfile import BRANCHES
from colorvid.models.networks import branch_of, save_model
from colorvid.models.passes import Trial
from colorvid.models.video import VideoModel
from colorvid.nn.prior import scale_of

INTRA = IntraConfig(
    luma_widths=(8, 12),
    chroma_widths=(8, 8),
    luma_prior=16,
    chroma_prior=16,
    luma_hyper=4,
    chroma_hyper=2,
)
INTER = InterConfig(
    luma_analysis=(8, 8),
    luma_synthesis=(8, 8),
    chroma_analysis=(8, 8),
    chroma_synthesis=(8, 8),
    luma_prior=16,
    chroma_prior=16,
    luma_hyper=2,
    chroma_hyper=2,
)


class SilentCoder(Trial):
    """Takes the encoder's symbols and writes nothing; remembers them."""

    def __init__(self) -> None:
        self.symbols: list[Tensor] = []

    def latents(self, symbols: Tensor | None, index: Tensor) -> Tensor:
        self.symbols.append(super().latents(symbols, index))
        return self.symbols[-1]


def network(
    seed: int = 0, ends: float = 0.3, intra: IntraConfig = INTRA, inter: InterConfig = INTER
) -> VideoModel:
    """Random networks, finalised and in exact arithmetic; ``ends`` 0 leaves the plain transforms.

    With ``ends`` the last layers, the quality curves and the biases are random too.
    """
    torch.manual_seed(seed)
    model = VideoModel(intra, inter).eval().requires_grad_(False)
    if ends:
        for name, value in model.named_parameters():
            if name.endswith("leave.weight") and not bool(value.any()):
                value.normal_(0, ends / math.sqrt(value.shape[1]))
            elif name.endswith(("quality.knots.values", "bias")):
                value.add_(torch.randn_like(value) * 0.1)
        for part in (model.inter.filter.luma, model.inter.filter.chroma):
            part.weights.random_(-12, 13)
            part.clips.random_(1, 40)
            part.activity.copy_(torch.randint(3000, part.activity.shape).sort(1).values)
    model.finalise()
    model.use_exact()
    return model


def _laplace(deviation: float, reach: int) -> NDArray[np.float64]:
    """Distribution of a rounded Laplace variable over ``-reach..reach``."""
    edges = np.arange(-reach - 0.5, reach + 1) * (math.sqrt(2) / deviation)
    cumulative = np.where(edges < 0, 0.5 * np.exp(edges), 1 - 0.5 * np.exp(-edges))
    return np.diff(cumulative)


@lru_cache(maxsize=4)
def latent_tables() -> Tables:
    """One table for each scale index."""
    deviations = scale_of(torch.arange(float(SCALES))).tolist()
    return tables_of([_laplace(d, min(24, 2 + int(6 * d))) for d in deviations])


def tables_for(model: VideoModel) -> dict[str, tuple[Tables, Tables]]:
    """Tables of all branches."""
    return {
        name: (
            tables_of([_laplace(2.0, 12)] * branch_of(model, name).config.hyper),
            latent_tables(),
        )
        for name in BRANCHES
    }


@lru_cache(maxsize=4)
def model(seed: int = 0) -> Model:
    """A tiny model as `load_model` gives it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        save(path, seed)
        return load_model(str(path))


def encode_all(
    model: Model, frames: list[Frame], settings: EncoderSettings, first: int = 0
) -> list[CodedFrame]:
    """Encode frames to the end, in decoding order."""
    encoder = Encoder(model, settings, first)
    coded = [encoder.push(frame) for frame in frames]
    return [*chain.from_iterable(coded), *encoder.flush()]


def save(path: Path, seed: int = 0, ends: float = 0.3) -> bytes:
    """Write a tiny model file of a `network`; gives its identity."""
    data, identity = _saved(seed, ends)
    path.write_bytes(data)
    return identity


@lru_cache(maxsize=8)
def _saved(seed: int, ends: float) -> tuple[bytes, bytes]:
    """A tiny model file, and its identity."""
    built = network(seed, ends)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        identity = save_model(path, built, tables_for(built))
        return path.read_bytes(), identity
