"""Training of frames one after the other: what a frame decodes to is what the next one starts from.

The loss of a run of frames is passed back through the motion compensation to all frames before, so
networks in the loop learn what helps the frames to come, not one frame alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from colorvid.config import CodecConfig, InterConfig
from colorvid.errors import ConfigError, InputError
from colorvid.exact.arithmetic import straight_through
from colorvid.models.branch import FrameOutput
from colorvid.motion.compensate import compensate_with_gradient
from colorvid.nn.transforms import UNIT
from colorvid.training import group
from colorvid.training.data.pictures import draw_places
from colorvid.training.data.sequences import CELL, Crops, SequenceStore, read_crops
from colorvid.training.tasks.loss import Figures, LossConfig, Planes, figures
from colorvid.training.tasks.rate import inter_networks, intra_networks

LONGEST = 6
"""Frames of a run at most: memory and time grow with them, what one frame does to another fades."""


@dataclass(frozen=True, slots=True)
class UnrollConfig:
    """How runs of frames are taken.

    Attributes:
        frames: of a run, 2 to 6.
        border: luma samples around each crop, a multiple of 16, where frames are coded too, so that
            vectors and filters find something real, but count for nothing. There is none where the
            picture ends.

    Raises:
        ConfigError: a value is not allowed.
    """

    frames: int = 4
    border: int = 32

    def __post_init__(self) -> None:
        """Refuse what is not allowed."""
        if not 2 <= self.frames <= LONGEST:
            raise ConfigError(f"frames {self.frames} is not allowed; it must be 2..{LONGEST}")
        if self.border < 0 or self.border % CELL:
            raise ConfigError(
                f"border {self.border} is not allowed; it must be a multiple of {CELL}, or 0"
            )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a frame leaves for the next one: planes in units, on 8-bit samples, and symbols."""

    y: Tensor
    uv: Tensor
    luma: Tensor
    chroma: Tensor


def run_batch(
    store: SequenceStore,
    config: UnrollConfig,
    generator: np.random.Generator,
    batch: int,
    size: int,
) -> tuple[list[Crops], Tensor]:
    """Random runs: crops at one place of frames that follow each other, and the cells that count.

    Drawn for the ``batch`` of all processes; this one's share is read.

    Returns:
        Crops of ``size + 2 * border`` luma samples, frame by frame, and `counted_cells`.

    Raises:
        InputError: no clip is long enough, or none is large enough.
    """
    starts = store.runs(config.frames)
    if not len(starts):
        raise InputError(
            f"runs of {config.frames} frames: no training clip has that many inter frames; give "
            "longer ones, or smaller frames in [unroll]"
        )
    whole = size + 2 * config.border
    places = group.share(draw_places(store.entries[starts], generator, batch, whole, CELL))
    places[:, 0] = starts[places[:, 0]]
    counted = counted_cells(places, store.entries[places[:, 0], 1:3], whole, config.border)
    steps = [np.array([t, 0, 0]) for t in range(config.frames)]
    return [read_crops(store, places + step, whole) for step in steps], counted


def packed(run: list[Crops], counted: Tensor) -> list[Tensor]:
    """A batch of runs as plain tensors."""
    return [counted, *(tensor for crops in run for tensor in crops.tensors())]


def unpacked(drawn: list[Tensor]) -> tuple[list[Crops], Tensor]:
    """What was `packed`."""
    size = len(Crops.__slots__)
    return [Crops(*drawn[k : k + size]) for k in range(1, len(drawn), size)], drawn[0]


def counted_cells(
    places: NDArray[np.int64], sizes: NDArray[np.int64], whole: int, border: int
) -> Tensor:
    """Cells of 16x16 luma samples that count: not in the border, unless the picture ends there.

    Args:
        places: rows of sample, top and left, see `draw_places`.
        sizes: height and width of each picture.
        whole: side of the crops in luma samples, border included.
        border: luma samples.

    Returns:
        1 where a cell counts, else 0; float32 ``(B, 1, whole / 16, whole / 16)``.
    """
    counted = torch.ones(len(places), 1, whole // CELL, whole // CELL)
    cells = border // CELL
    for cell, corner, size in zip(counted[:, 0], places[:, 1:], sizes, strict=True):
        for axis, (low, full) in enumerate(zip(corner, size, strict=True)):
            side = cell.transpose(0, axis)
            side[: 0 if low == 0 else cells] = 0
            side[len(side) - (0 if low + whole == full else cells) :] = 0
    return counted


def inside(counted: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a`` where cells count and ``b`` elsewhere, both ``(B, C, h, w)`` of any resolution."""
    return torch.where(F.interpolate(counted, size=a.shape[-2:]) > 0, a, b)


def shown(x: Tensor) -> Tensor:
    """Planes in units as the decoder shows them: on 8-bit samples, gradients straight through."""
    samples = x.float() * UNIT + 128
    return (straight_through(torch.round(samples), samples).clamp(0, 255) - 128) / UNIT


def follow(crops: Crops, before: Decoded, counted: Tensor) -> Crops:
    """A frame as it meets the decoder after ``before``; what does not count stays as stored."""
    y = inside(counted, before.y, crops.y_reference) * UNIT + 128
    uv = inside(counted, before.uv, crops.uv_reference) * UNIT + 128
    vectors = crops.vectors.movedim(1, -1)
    y, u, v = compensate_with_gradient((y[:, 0], uv[:, 0], uv[:, 1]), vectors)
    predicted = (torch.stack(planes, dim=1) for planes in ((y,), (u, v)))
    y, uv = ((p - 128) / UNIT for p in predicted)
    return replace(
        crops,
        y_predicted=inside(counted, y, crops.y_predicted),
        uv_predicted=inside(counted, uv, crops.uv_predicted),
        luma=inside(counted, before.luma, crops.luma),
        chroma=inside(counted, before.chroma, crops.chroma),
    )


def settle(
    networks: nn.ModuleDict,
    loss: LossConfig,
    output: FrameOutput,
    source: Planes,
    quality: Tensor,
    counted: Tensor,
) -> tuple[Planes, Figures]:
    """The decoded planes of a coded frame and its figures, over the cells that count.

    ``networks`` have the rate models ``luma`` and ``chroma``.
    """
    bits = [b for k in ("luma", "chroma") for b in networks[k](getattr(output, k), counted)]
    decoded = (shown(output.y), shown(output.uv))
    judged = (inside(counted, decoded[0], source[0]), inside(counted, decoded[1], source[1]))
    share = counted.mean(dim=(1, 2, 3))
    return decoded, figures(loss, judged, source, bits, quality, share)


def code_run(
    networks: nn.ModuleDict,
    loss: LossConfig,
    run: list[Crops],
    counted: Tensor,
    before: Decoded | None = None,
) -> list[Figures]:
    """Code inter frames one after the other; gives the figures of each.

    Without ``before`` the first one starts from what its clip's codec decoded.
    """
    result = []
    for crops in run:
        crops = crops if before is None else follow(crops, before, counted)
        source = (crops.y, crops.uv)
        output = networks["model"](*source, crops.context(), crops.quality)
        decoded, values = settle(networks, loss, output, source, crops.quality, counted)
        before = Decoded(*decoded, output.luma.symbols, output.chroma.symbols)
        result.append(values)
    return result


def over_run(frames: list[Figures]) -> Figures:
    """Means over the frames of a run, and luma's PSNR of the last frame alone."""
    means = {name: torch.stack([f[name] for f in frames]).mean() for name in frames[0]}
    return {**means, "psnr_y_last": frames[-1]["psnr_y"]}


class UnrolledTask:
    """Runs of inter frames at the quality at which their clip was coded."""

    def __init__(
        self,
        config: InterConfig,
        loss: LossConfig,
        sequences: SequenceStore,
        unroll: UnrollConfig,
    ) -> None:
        """Make the model and its rate models."""
        self.config, self.loss_config, self.unroll = config, loss, unroll
        self.sequences = sequences
        self.networks = inter_networks(config, loss.rate_weight).to(
            memory_format=torch.channels_last
        )

    def draw(self, generator: np.random.Generator, batch: int, crop: int) -> list[Tensor]:
        """See `colorvid.training.loop.gradients.Task.draw`: what `unpacked` takes."""
        return packed(*run_batch(self.sequences, self.unroll, generator, batch, crop))

    def loss(self, drawn: list[Tensor]) -> Figures:
        """See `colorvid.training.loop.gradients.Task.loss`."""
        run, counted = unpacked(drawn)
        return over_run(code_run(self.networks, self.loss_config, run, counted))


class JointTask:
    """Runs whose first frame is a key frame; all other frames are inter frames.

    The first frame has the quality of its clip's key frame. The vectors of the frame after it are
    those that were found for another decoded picture of the same frame.
    """

    def __init__(
        self,
        config: CodecConfig,
        loss: LossConfig,
        sequences: SequenceStore,
        unroll: UnrollConfig,
    ) -> None:
        """Make both models and their rate models."""
        self.config, self.loss_config, self.unroll = config, loss, unroll
        self.sequences = sequences
        self.intra = intra_networks(config.intra)
        self.inter = inter_networks(config.inter, loss.rate_weight)
        parts = {"intra": self.intra, "inter": self.inter}
        self.networks = nn.ModuleDict(parts).to(memory_format=torch.channels_last)

    def draw(self, generator: np.random.Generator, batch: int, crop: int) -> list[Tensor]:
        """See `colorvid.training.loop.gradients.Task.draw`: what `unpacked` takes."""
        return packed(*run_batch(self.sequences, self.unroll, generator, batch, crop))

    def loss(self, drawn: list[Tensor]) -> Figures:
        """See `colorvid.training.loop.gradients.Task.loss`."""
        run, counted = unpacked(drawn)
        key, source = run[0], (run[0].y, run[0].uv)
        quality = key.key_quality
        output = self.intra["model"](*source, quality)
        decoded, values = settle(self.intra, self.loss_config, output, source, quality, counted)
        nothing = (torch.zeros_like(key.luma), torch.zeros_like(key.chroma))
        before = Decoded(*decoded, *nothing)
        rest = code_run(self.inter, self.loss_config, run[1:], counted, before)
        return over_run([values, *rest])
