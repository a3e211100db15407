"""The loss of intra runs on fixed crops: ``python tools/fixed_loss.py RUN... --data IMAGES``.

Every run sees the same crops of pictures that it was not trained on, at the same qualities, without
noise on the latents. So two runs can be compared long before either is worth exporting. Model files
can be compared with each other alone: they lack the distributions of hyper-latents that a run has
learned, which costs some 5 %. Loss is the mean of ``log(bits per pixel + lambda * error)``;
``change`` is against the first run, in percent of rate and distortion, with the standard error of
its mean over the pictures: it says how sure the difference is for other pictures, not for another
seed of training.
``--out FILE.tsv`` keeps the rows.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.config import IntraConfig
from colorvid.errors import ConfigError, InputError
from colorvid.evaluation.compare.clips import find_sources, load
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.tables import markdown, write_tsv
from colorvid.training.data.pictures import to_units
from colorvid.training.loop.weights import averaged_weights, run_config
from colorvid.training.tasks.loss import LossConfig, distortion, rate_distortion
from colorvid.training.tasks.rate import intra_networks

Row = dict[str, Any]
QUALITIES = (8, 24, 40, 56)


@dataclass(frozen=True, slots=True)
class FixedCrops:
    """Crops of pictures, always the same ones.

    Attributes:
        y: luma in units, ``(B, 1, S, S)``.
        uv: chroma in units, ``(B, 2, S/2, S/2)``.
    """

    y: Tensor
    uv: Tensor

    @staticmethod
    def of(sources: Sequence[Path], size: int) -> FixedCrops:
        """One crop of each picture, at a place that a fixed seed draws.

        Raises:
            InputError: a picture cannot be read, or is smaller than ``size``.
        """
        generator = np.random.default_rng(0)
        ys, uvs = [], []
        for path in sources:
            frame = load(path, 1).frames[0]
            if min(frame.height, frame.width) < size:
                raise InputError(f"{path}: smaller than {size} samples; give a smaller --crop")
            room = np.array((frame.height - size, frame.width - size))
            top, left = generator.integers(0, room // 2 + 1) * 2
            half = np.s_[top // 2 : (top + size) // 2, left // 2 : (left + size) // 2]
            ys.append(torch.from_numpy(frame.y[top : top + size, left : left + size].copy()))
            uvs.append(torch.from_numpy(np.stack((frame.u[half], frame.v[half]))))
        return FixedCrops(to_units(torch.stack(ys)[:, None]), to_units(torch.stack(uvs)))


def load_networks(run: Path) -> nn.ModuleDict:
    """Averaged weights of an intra run, or a model file, as floats; ready to judge.

    Raises:
        ColorvidError: the run has no checkpoint, or is of another kind.
    """
    networks = intra_networks(run_config(IntraConfig, run))
    networks.load_state_dict(averaged_weights(run, "intra"), strict=False)
    return networks.eval().requires_grad_(False)


@torch.no_grad()
def losses(
    networks: nn.ModuleDict, crops: FixedCrops, loss: LossConfig, quality: int
) -> NDArray[np.float64]:
    """``log(rate + lambda * error)`` of each crop at ``quality``; ``(B,)``."""
    torch.manual_seed(quality)  # of the noise on the hyper-latents
    found = []
    wanted = torch.tensor([quality])
    for number in range(len(crops.y)):
        y, uv = crops.y[number, None], crops.uv[number, None]
        output = networks["model"](y, uv, wanted)
        bits = [b for k in ("luma", "chroma") for b in networks[k](getattr(output, k))]
        bpp = torch.stack(bits).sum(dim=0) / (y.shape[-2] * y.shape[-1])
        error = distortion(loss, (output.y, output.uv), (y, uv))
        found.append(float(rate_distortion(loss, bpp, error, wanted)))
    return np.array(found)


def compare(
    runs: Sequence[Path], crops: FixedCrops, loss: LossConfig, qualities: Sequence[int]
) -> list[Row]:
    """A row for each run: loss at each quality and in all, change against the first run.

    Raises:
        ConfigError: there are both runs and model files.
    """
    if len({run.is_file() for run in runs}) > 1:
        raise ConfigError(
            "runs and model files cannot be compared: files lack learned distributions of "
            "hyper-latents; give runs, or model files"
        )
    rows: list[Row] = []
    first: NDArray[np.float64] | None = None
    for run in runs:
        networks = load_networks(run)
        table = np.stack([losses(networks, crops, loss, q) for q in qualities])
        first = table if first is None else first
        change = 100 * (table - first).mean(axis=0)
        error = statistics.stdev(change.tolist()) / len(change) ** 0.5 if len(change) > 1 else 0.0
        rows.append(
            {
                "run": run.name,
                "loss": float(table.mean()),
                "change_percent": float(change.mean()),
                "error_percent": error,
                **{f"loss_{q}": float(row.mean()) for q, row in zip(qualities, table, strict=True)},
            }
        )
    return rows


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = tool_parser(__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="runs, or model files")
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--every", type=int, default=1, help="take every N-th image (default: 1)")
    parser.add_argument("--crop", type=int, default=256, help="side of the crops (default: 256)")
    parser.add_argument(
        "--qualities", type=int, nargs="+", default=QUALITIES, help="default: 8 24 40 56"
    )
    parser.add_argument(
        "--planes", type=float, nargs=3, default=(6.0, 8.0, 8.0), help="see [loss] (default: 6 8 8)"
    )
    parser.add_argument("--out", type=Path, help="TSV file to write")
    options = parser.parse_args(arguments)
    crops = FixedCrops.of(find_sources([options.data])[:: options.every], options.crop)
    loss = LossConfig(planes=tuple(options.planes))
    rows = compare(options.runs, crops, loss, options.qualities)
    print(markdown(rows))
    if options.out is not None:
        write_tsv(options.out, [row | {"commit": commit()} for row in rows])
    return 0
