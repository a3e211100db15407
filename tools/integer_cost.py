"""What the integers cost: ``python tools/integer_cost.py --data IMAGES --intra RUN``.

Codes stills with a model file and with the float weights of the run that it was exported from
(``--chroma-offset`` and all else as in the file), with the same quantiser and tables. The float
codec neither rounds weights, activations, steps and means nor proves anything, and its streams
could not be decoded elsewhere. Rate is the information of all symbols under the tables, for both.
Prints BD-rates of the integers against the floats; ``--out FILE.tsv`` keeps them.
"""

from __future__ import annotations

if __name__ == "__main__":
    from colorvid.cli.tool import run_tool

    run_tool(__file__)

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colorvid.cli.tool import errors_in_one_line, tool_parser
from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.entropy.rans import CodeBook
from colorvid.entropy.tables import SCALES
from colorvid.errors import ConfigError
from colorvid.evaluation.compare.choices import INTRA_QUALITIES
from colorvid.evaluation.compare.clips import Clip, find_sources, load
from colorvid.evaluation.compare.machine import commit
from colorvid.evaluation.compare.tables import BD_METRICS, bd_rates, markdown, write_tsv
from colorvid.frame import Frame
from colorvid.models.loading import Model, load_model
from colorvid.models.modelfile import is_encoder
from colorvid.models.passes import BranchOutput
from colorvid.models.planes import FEATURES_PER_SAMPLE, FrameTensors, from_features
from colorvid.models.video import VideoModel
from colorvid.nn.prior import INDEX
from colorvid.nn.transforms import UNIT
from colorvid.quality.scores import FrameScores, score_frame
from colorvid.training.loop.weights import load_run

Row = dict[str, Any]
FLOATS, INTEGERS = "floats", "integers"


def float_network(model: Model, run: Path) -> VideoModel:
    """The intra codec of ``model`` in floats, with the averaged weights of ``run``.

    Raises:
        ConfigError: the model was not exported from this run.
        InputError: the run has no checkpoint.
    """
    network = VideoModel(model.network.intra.config, model.network.inter.config).eval()
    try:
        load_run(network, "intra", run)
    except RuntimeError as error:
        raise ConfigError(f"{run}: its networks are not those of the model file") from error
    network.finalise()
    made = network.intra.state_dict()
    for name, value in model.network.intra.named_buffers():
        if name in made and not (is_encoder(name) or torch.equal(made[name], value)):
            raise ConfigError(f"{run}: the model file has another {name}; give the run it is from")
    for branch in ("luma", "chroma"):
        bits = getattr(model.network.intra, branch).symbol_bits
        getattr(network.intra, branch).set_symbol_bits(bits)
    return network.requires_grad_(False)


def information(output: BranchOutput, book: CodeBook) -> float:
    """Bits of what a branch coded, under the tables of ``book``."""
    z = torch.round(output.z).clamp(-127, 127)[0].to(torch.int32).numpy()
    channel = np.broadcast_to(np.arange(len(z))[:, None, None], z.shape)
    scale = torch.round(output.parameters.index * INDEX.steps).clamp(0, SCALES - 1)
    index = scale.flatten().to(torch.int32).numpy()
    symbols = torch.round(output.symbols).flatten().to(torch.int32).numpy()
    coded = (index > 0) | (symbols != 0)
    return book.hyper.bits(z, channel) + book.latents.bits(symbols[coded], index[coded])


@torch.no_grad()
def code_floats(
    network: VideoModel, books: tuple[CodeBook, CodeBook], frame: Frame, quality: int
) -> tuple[float, Frame]:
    """Bits and decoded picture of a frame coded in floats."""
    output = network.intra(*FrameTensors.of(frame).units(), torch.tensor([quality]))
    bits = information(output.luma, books[0]) + information(output.chroma, books[1])
    scale = UNIT * FEATURES_PER_SAMPLE
    picture = from_features(output.y * scale, output.uv * scale, frame.height, frame.width)
    return bits, picture.frame()


@dataclass(frozen=True, slots=True)
class StillPoint:
    """A codec at one quality on one still."""

    codec: str
    clip: str
    quality: int
    rate_bpp: float
    scores: FrameScores

    def figure(self, column: str) -> float | None:
        """The rate, or a figure of ``METRICS``, by its column."""
        return self.rate_bpp if column == "rate_bpp" else self.scores.figure(column)


def points(
    model: Model, network: VideoModel, still: Clip, qualities: Sequence[int]
) -> list[StillPoint]:
    """A point for each quality and each of the two codecs."""
    frame, found = still.frames[0], []
    for quality in qualities:
        [coded] = Encoder(model, EncoderSettings(quality=quality, gop=1)).push(frame)
        results = {
            FLOATS: code_floats(network, model.pair("intra"), frame, quality),
            INTEGERS: (sum(coded.bits.values()), coded.picture),
        }
        for name, (bits, picture) in results.items():
            scores = score_frame(frame, picture, still.spec)
            rate = bits / (frame.height * frame.width)
            found.append(StillPoint(name, still.name, quality, rate, scores))
    return found


def compare(
    name: str, run: Path, sources: Sequence[Path], qualities: Sequence[int]
) -> tuple[list[Row], Model]:
    """BD-rates of integers against floats, a row for each still and one for the average."""
    model = load_model(name)
    network = float_network(model, run)
    rows = [r for path in sources for r in points(model, network, load(path, 1), qualities)]
    found = {metric: bd_rates(rows, INTEGERS, FLOATS, metric) for metric in BD_METRICS}
    table = [
        {"picture": clip, **{f"bd_{m}": found[m][clip].percent for m in BD_METRICS}}
        for clip in found[BD_METRICS[0]]
    ]
    return table, model


@errors_in_one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = tool_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--intra", type=Path, required=True, help="run of the intra codec")
    parser.add_argument("--model", default="default", help="model file, or name of a released one")
    parser.add_argument("--every", type=int, default=6, help="take every N-th image (default: 6)")
    parser.add_argument("--out", type=Path, help="TSV file to write")
    options = parser.parse_args(arguments)
    sources = find_sources([options.data])[:: max(1, options.every)]
    table, model = compare(options.model, options.intra, sources, INTRA_QUALITIES)
    print(markdown(table))
    if options.out is not None:
        origin = {"commit": commit(), "model_id": model.identity.hex()}
        write_tsv(options.out, [row | origin for row in table])
    return 0
