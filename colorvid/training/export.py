"""From finished runs to the integers of a released model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from colorvid.config import InterConfig, IntraConfig
from colorvid.exact.layers import Bound
from colorvid.io.files import OutputFile
from colorvid.models.networks import prove_model, save_model
from colorvid.models.video import VideoModel
from colorvid.training.data.sources import find_sources
from colorvid.training.loop.weights import fresh_rates, load_run, run_config
from colorvid.training.tables import COUNT_EVERY, make_tables
from colorvid.training.tasks.rate import BranchRate


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
    counted = find_sources(clips)[::COUNT_EVERY] if clips else []
    tables = make_tables(model, rates, counted)
    identity = save_model(output, model, tables, overwrite=overwrite)
    return Exported(identity, len(proved), tightest)
