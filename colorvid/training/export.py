"""From finished runs to the integers of a released model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from colorvid.config import DEFAULT_BFRAMES, InterConfig, IntraConfig
from colorvid.entropy.tables import COSTED, MAX_REACH, SCALES, Tables, tables_of
from colorvid.exact.layers import Bound
from colorvid.frame import Frame
from colorvid.io.files import OutputFile
from colorvid.models.networks import branch_of, prove_model, save_model
from colorvid.models.video import VideoModel
from colorvid.nn.prior import scale_of
from colorvid.training.data.sequences import code_clip, draw_settings, tally_coders
from colorvid.training.data.sources import Source, find_sources
from colorvid.training.loop.weights import fresh_rates, load_run, run_config
from colorvid.training.tasks.rate import BranchRate

FAMILY_WEIGHT = 400.0
TAIL = 2e-5
"""Probability of an escape at which a table ends."""
_COUNT_EVERY = 7  # of a folder of clips, one in seven is coded to count symbols
_COUNT_FRAMES = 8  # of each of them


def _trim(pmf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut the tails off a distribution over ``-R..R`` where less than `TAIL` is left in them.

    Every symbol of a table takes at least 1/65536: a long table of rare symbols costs more than
    escapes do.
    """
    middle = len(pmf) // 2
    beyond = np.cumsum((pmf[middle:] + pmf[middle::-1])[::-1])[::-1] / pmf.sum()
    reach = int(np.count_nonzero(beyond[1:] > TAIL))
    return pmf[middle - reach : middle + reach + 1]


@torch.no_grad()
def hyper_tables(rate: BranchRate) -> Tables:
    """Tables of the hyper-latents, one for each channel, from the trained factorised model."""
    places = torch.arange(-127.0, 128.0)
    channels = rate.bottleneck.channels
    values = places.expand(channels, 1, -1)
    likelihood, _, _ = rate.bottleneck._likelihood(values)
    return tables_of([_trim(row[0].double().numpy()) for row in likelihood])


@torch.no_grad()
def latent_tables(rate: BranchRate, counts: NDArray[np.int64] | None = None) -> Tables:
    """Tables of the latents, one for each scale index.

    They follow the family of the training and, where ``counts`` (see `TallyCoder`) say how often
    each magnitude really came, that: the family then weighs as much as `FAMILY_WEIGHT` symbols.
    """
    places = torch.arange(-MAX_REACH, MAX_REACH + 1, dtype=torch.float64)
    rows = []
    for index in range(SCALES):
        scale = scale_of(torch.tensor(float(index), dtype=torch.float64))
        pmf = rate.conditional._likelihood(places, scale.expand_as(places)).numpy()
        if counts is not None:
            seen = counts[index].astype(np.float64)
            signed = np.concatenate((seen[:0:-1] / 2, seen[:1], seen[1:] / 2))
            pmf = (signed + FAMILY_WEIGHT * pmf) / (seen.sum() + FAMILY_WEIGHT)
        rows.append(_trim(pmf))
    return tables_of(rows)


def count_symbols(
    model: VideoModel, clips: list[Source], per_clip: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """How often each symbol comes at each scale index when the model codes clips in a closed loop.

    Args:
        model: in exact arithmetic, knowing what symbols cost.
        clips: each is coded once at a random quality.
        per_clip: frames of each clip.
        seed: of the qualities.

    Returns:
        Counts by branch, see `TallyCoder`.
    """
    generator = np.random.default_rng(seed)
    coders = tally_coders()
    for clip in tqdm(clips, desc="counting symbols", disable=None):
        pictures = itertools.islice(clip.planes(), per_clip)
        frames = [Frame(*planes) for planes in pictures]
        for _ in code_clip(model, frames, draw_settings(generator, DEFAULT_BFRAMES), coders):
            pass
    return {
        f"{kind}.{name}": coder.counts
        for kind, pair in coders.items()
        for name, coder in zip(("luma", "chroma"), pair, strict=True)
    }


def make_tables(
    model: VideoModel, rates: dict[str, BranchRate], clips: list[Source], rounds: int = 2
) -> dict[str, tuple[Tables, Tables]]:
    """All tables; counted in ``rounds``, as what symbols cost also decides which are coded."""
    tables = {name: (hyper_tables(rate), latent_tables(rate)) for name, rate in rates.items()}
    model.use_exact()
    for turn in range(rounds if clips else 0):
        for name, (_, latents) in tables.items():
            costs = torch.from_numpy(latents.costs(COSTED))
            branch_of(model, name).set_symbol_bits(costs)
        counts = count_symbols(model, clips, _COUNT_FRAMES, turn)
        for name, rate in rates.items():
            tables[name] = (tables[name][0], latent_tables(rate, counts[name]))
    return tables


def assemble(
    intra_run: Path, inter_run: Path | None, chroma_offset: tuple[int, int] | None = None
) -> tuple[VideoModel, dict[str, BranchRate]]:
    """The finalised video model of two runs, or model files, and its rate models.

    Without an inter run, the inter codec is an untrained one: a plain block transform, whose tables
    mean little until symbols are counted.
    ``chroma_offset`` replaces those of the intra and the inter configuration.
    """
    runs = {"intra": intra_run, "inter": inter_run}
    intra = run_config(IntraConfig, intra_run)
    inter = run_config(InterConfig, inter_run) if inter_run else InterConfig()
    if chroma_offset is not None:
        intra = replace(intra, chroma_offset=chroma_offset[0])
        inter = replace(inter, chroma_offset=chroma_offset[1])
    model = VideoModel(intra, inter).eval()
    rates: dict[str, BranchRate] = {}
    for part, run in runs.items():
        rates |= load_run(model, part, run) if run else fresh_rates(model, part)
    model.finalise()
    model.requires_grad_(False)
    return model, rates


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has made.

    Attributes:
        identity: of the model file, 16 bytes.
        layers: number of layers whose sums are proved exact.
        tightest: the layer that comes closest to its bound.
    """

    identity: bytes
    layers: int
    tightest: Bound


def export(
    output: Path,
    intra: Path,
    inter: Path | None = None,
    chroma_offset: tuple[int, int] | None = None,
    clips: Path | None = None,
    *,
    overwrite: bool = False,
) -> Exported:
    """Write the model file ``output``: integer weights, proved bounds, tables.

    Args:
        output: file to write.
        intra, inter, chroma_offset: see `assemble`.
        clips: folder of clips and pictures to count symbols on; without it tables follow the
            distributions of the training alone.
        overwrite: whether an existing file is replaced.

    Raises:
        InputError: a run has no checkpoint, or ``clips`` holds nothing.
        ConfigError: a bound does not hold.
        OutputError: ``output`` exists or cannot be written.
    """
    OutputFile(output, overwrite=overwrite).discard()  # said now, not after hours of counting
    model, rates = assemble(intra, inter, chroma_offset)
    proved = prove_model(model)
    tightest = max(proved, key=lambda bound: bound.largest / bound.allowed)
    counted = find_sources(clips)[::_COUNT_EVERY] if clips else []
    tables = make_tables(model, rates, counted)
    identity = save_model(output, model, tables, overwrite=overwrite)
    return Exported(identity, len(proved), tightest)
