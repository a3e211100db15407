"""VMAF by FFmpeg's filter ``libvmaf`` in PyAV, with the filter's own model for 1920x1080.

Netflix, https://github.com/Netflix/vmaf. The figure of a frame depends on the motion to its
neighbours on both sides, so all of them are known at the end of the video.
"""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path

from colorvid.errors import ColorvidError
from colorvid.evaluation.score.pair_filter import PairFilter, check_filter
from colorvid.frame import Frame

VMAF_MIN_SIDE_PX = 64
"""Smallest side; libvmaf gives nothing for much smaller pictures."""

_FILTER = "libvmaf"


def check_vmaf() -> None:
    """Refuse to begin what would fail.

    Raises:
        ColorvidError: the FFmpeg in PyAV was built without libvmaf.
    """
    check_filter(
        "vmaf",
        _FILTER,
        "build PyAV on an FFmpeg that has it (pip install --no-binary av --force-reinstall av)",
    )


class VmafScorer:
    """VMAF of a video, a `colorvid.evaluation.score.extra.LateScorer`."""

    def __init__(self, rate: Fraction | None) -> None:
        """Prepare.

        Args:
            rate: frames per second; ``None`` = not known.

        Raises:
            ColorvidError: see `check_vmaf`.
        """
        check_vmaf()
        self._folder = tempfile.TemporaryDirectory(prefix="colorvid-")
        self._log = Path(self._folder.name) / "vmaf.json"
        options = {"log_path": str(self._log), "log_fmt": "json", "n_threads": "1"}
        self._filter = PairFilter(_FILTER, rate, options)
        self._count, self._large = 0, False

    def __call__(self, reference: Frame, decoded: Frame) -> dict[str, float | None]:
        """Take the next frame of both videos; its figure is not known yet."""
        self._count += 1
        self._large = min(reference.size) >= VMAF_MIN_SIDE_PX
        if self._large:
            self._filter(decoded, reference)
        return {"vmaf": None}

    def finish(self) -> list[dict[str, float | None]]:
        """VMAF of every frame, 0..100; None where a side is too small.

        Raises:
            ColorvidError: libvmaf gave no figures.
        """
        if not self._large:
            return [{"vmaf": None}] * self._count
        self._filter.close()
        try:
            frames = json.loads(self._log.read_text(encoding="utf-8"))["frames"]
            found = {frame["frameNum"]: float(frame["metrics"]["vmaf"]) for frame in frames}
            return [{"vmaf": found[number]} for number in range(self._count)]
        except (OSError, ValueError, KeyError) as error:
            raise ColorvidError(
                "libvmaf gave no figures for these frames; leave vmaf out"
            ) from error

    def close(self) -> None:
        """Remove what was written."""
        self._filter.close()
        self._folder.cleanup()
