"""Frequency tables: from the distributions of the training, and from counted symbols."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from colorvid.config import DEFAULT_BFRAMES
from colorvid.entropy.tables import HYPER_LIMIT, MAX_REACH, SCALES, Tables, tables_of
from colorvid.frame import Frame
from colorvid.io.files import OutputFile
from colorvid.models.modelfile import ModelFile, read_model_file, table_arrays
from colorvid.models.networks import load_networks, set_costs
from colorvid.models.video import VideoModel
from colorvid.nn.prior import scale_of
from colorvid.training.data.sequences import Counts, code_clip, draw_settings, tally_coders
from colorvid.training.data.sources import Source, find_sources
from colorvid.training.fitted import Fitted, moving, write_model
from colorvid.training.progress import shown
from colorvid.training.tasks.rate import BranchRate

FAMILY_WEIGHT = 400.0
"""Counted symbols as many as which the distribution of the training weighs, for latents."""
HYPER_WEIGHT = 50.0
"""The same for hyper-latents, of which there are fewer."""
TAIL = 2e-5
"""Probability of an escape at which a table ends."""
COUNT_EVERY = 7
"""Of a folder of clips, one in seven is coded to count symbols."""
_COUNT_FRAMES = 8  # of each of them
_FIT_FRAMES = 17  # to fit a finished model: a key frame, and the longest mini-GOP
_ROUNDS = 2  # as what symbols cost also decides which are coded

Pair = tuple[Tables, Tables]
"""Tables of the hyper-latents and of the latents of a branch."""


def _trim(pmf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut the tails off a distribution over ``-R..R`` where less than `TAIL` is left in them.

    Every symbol of a table takes at least 1/65536: a long table of rare symbols costs more than
    escapes do.
    """
    middle = len(pmf) // 2
    beyond = np.cumsum((pmf[middle:] + pmf[middle::-1])[::-1])[::-1] / pmf.sum()
    reach = int(np.count_nonzero(beyond[1:] > TAIL))
    return pmf[middle - reach : middle + reach + 1]


def _counted(
    families: NDArray[np.float64], weight: float, seen: NDArray[np.float64] | None
) -> Tables:
    """Tables of families ``(N, 2R + 1)``, alone or as ``weight`` symbols beside those ``seen``."""
    families = families / families.sum(axis=1, keepdims=True)
    rows = families if seen is None else seen + weight * families
    return tables_of([_trim(row) for row in rows])


def _both_signs(magnitudes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts ``(N, R + 1)`` of magnitudes as those of ``-R..R``: no sign is likelier."""
    halves = magnitudes[:, 1:] / 2
    return np.concatenate((halves[:, ::-1], magnitudes[:, :1], halves), axis=1)


@torch.no_grad()
def hyper_tables(rate: BranchRate, counts: Counts | None = None) -> Tables:
    """Tables of the hyper-latents, one for each channel.

    They follow the trained factorised model and, where ``counts`` say how often each value really
    came, that: the model then weighs as much as `HYPER_WEIGHT` symbols.
    """
    places = torch.arange(-float(HYPER_LIMIT), HYPER_LIMIT + 1)
    values = places.expand(rate.bottleneck.channels, 1, -1)
    likelihood, _, _ = rate.bottleneck._likelihood(values)
    family = likelihood[:, 0].double().numpy()
    return _counted(family, HYPER_WEIGHT, None if counts is None else counts.hyper.astype(float))


@torch.no_grad()
def latent_tables(rate: BranchRate, counts: Counts | None = None) -> Tables:
    """Tables of the latents, one for each scale index.

    They follow the family of the training and, where ``counts`` say how often each magnitude really
    came, that: the family then weighs as much as `FAMILY_WEIGHT` symbols.
    """
    places = torch.arange(-MAX_REACH, MAX_REACH + 1, dtype=torch.float64)
    scales = scale_of(torch.arange(SCALES, dtype=torch.float64))
    values = places.expand(SCALES, -1)
    family = rate.conditional._likelihood(values, scales[:, None].expand_as(values))
    seen = None if counts is None else _both_signs(counts.latents)
    return _counted(family.numpy(), FAMILY_WEIGHT, seen)


def count_symbols(
    model: VideoModel, clips: Sequence[Source], per_clip: int, seed: int
) -> dict[str, Counts]:
    """How often each symbol comes when the model codes clips in a closed loop.

    Args:
        model: in exact arithmetic, knowing what symbols cost.
        clips: each is coded once at a random quality.
        per_clip: frames of each clip.
        seed: of the qualities.

    Returns:
        Counts by branch, as in `BRANCHES`.
    """
    generator = np.random.default_rng(seed)
    coders = tally_coders(model)
    for clip in shown(clips, "counting symbols", "clip"):
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
    model: VideoModel, rates: dict[str, BranchRate], clips: list[Source]
) -> dict[str, Pair]:
    """All tables of a model that was trained; counted in two rounds if there are ``clips``."""
    tables = {name: (hyper_tables(rate), latent_tables(rate)) for name, rate in rates.items()}
    model.use_exact()
    for turn in range(_ROUNDS if clips else 0):
        set_costs(model, tables)
        counts = count_symbols(model, clips, _COUNT_FRAMES, turn)
        for name, rate in rates.items():
            tables[name] = hyper_tables(rate, counts[name]), latent_tables(rate, counts[name])
    return tables


def fit_tables(
    output: Path,
    model: str,
    clips: Path,
    *,
    every: int = COUNT_EVERY,
    chroma_offset: int | None = None,
    overwrite: bool = False,
) -> Fitted:
    """Write a model file that differs from ``model`` in the tables of inter frames alone.

    If a ``chroma_offset`` is given, it differs in that too, and the tables follow it.

    Args:
        output: file to write.
        model: name or file of the model that codes the clips.
        clips: folder of clips and pictures, see `moving`.
        every: of them, one in so many is coded.
        chroma_offset: see `colorvid.config.InterConfig`; None = that of the model.
        overwrite: whether an existing file is replaced.

    Raises:
        InputError: ``clips`` holds none.
        ModelMismatch: no such model.
        OutputError: ``output`` exists or cannot be written.
    """
    OutputFile(output, overwrite=overwrite).discard()  # said now, not after an hour of coding
    file = read_model_file(model)
    if chroma_offset is not None:
        file = _with_offset(file, chroma_offset)
    network, _ = load_networks(file)
    sources = moving(find_sources(clips))[::every]
    before = {name: pair for name, pair in file.tables().items() if name.startswith("inter.")}
    tables = dict(before)
    for turn in range(_ROUNDS):
        set_costs(network, tables)
        counts = count_symbols(network, sources, _FIT_FRAMES, turn)
        for name, (hyper, latents) in before.items():
            seen = counts[name]
            tables[name] = (
                _counted(_families(hyper, HYPER_LIMIT), HYPER_WEIGHT, seen.hyper.astype(float)),
                _counted(_families(latents, MAX_REACH), FAMILY_WEIGHT, _both_signs(seen.latents)),
            )
    fitted = _with_tables(file, tables)
    write_model(fitted, output, overwrite=overwrite)
    return Fitted(fitted.identity, len(sources))


def _with_offset(file: ModelFile, chroma_offset: int) -> ModelFile:
    """A model whose inter frames have another offset of chroma."""
    config = json.loads(file.config)
    config["inter"] = asdict(replace(file.configs()[1], chroma_offset=chroma_offset))
    return replace(file, config=json.dumps(config, sort_keys=True))


def _families(tables: Tables, reach: int) -> NDArray[np.float64]:
    """Shares of the symbols ``-reach..reach``, ``(N, 2 * reach + 1)``."""
    families = np.zeros((len(tables.sizes), 2 * reach + 1))
    for family, row, own in zip(families, tables.rows, tables.reach, strict=True):
        family[reach - own : reach + own + 1] = np.diff(row)[:-1]
    return families


def _with_tables(file: ModelFile, tables: Mapping[str, Pair]) -> ModelFile:
    """A model with other tables."""
    tensors = dict(file.tensors)
    for name, pair in tables.items():
        tensors |= table_arrays(name, pair)
    return replace(file, tensors=tensors)
