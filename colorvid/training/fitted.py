"""What fitting filters and tables to clips has in common: the clips, and the model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import save

from colorvid.io.files import write_output
from colorvid.models.modelfile import FORMAT, ModelFile
from colorvid.training.data.sources import MovingStills, Source

_STILLS = 3  # that become a clip


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was made.

    Attributes:
        identity: of the model file, 16 bytes.
        clips: that it was fitted on.
    """

    identity: bytes
    clips: int


def moving(sources: list[Source]) -> list[Source]:
    """The clips among sources, and the stills set in motion, three to a clip."""
    clips = [source for source in sources if source.is_clip]
    stills = [source.files[0] for source in sources if not source.is_clip]
    groups = (stills[first : first + _STILLS] for first in range(0, len(stills), _STILLS))
    return clips + [MovingStills(tuple(group), seed) for seed, group in enumerate(groups)]


def write_model(file: ModelFile, output: Path, *, overwrite: bool = False) -> None:
    """Write a model file.

    Raises:
        OutputError: ``output`` exists or cannot be written.
    """
    metadata = {"format": FORMAT, "config": file.config}
    write_output(output, save(dict(file.tensors), metadata), overwrite=overwrite)
