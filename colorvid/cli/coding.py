"""What each command does with its options; returns exit codes."""

from __future__ import annotations

import json
from argparse import Namespace

from colorvid.cli.compare import run_compare
from colorvid.cli.evaluate import run_eval
from colorvid.cli.info import as_json, as_text
from colorvid.cli.terminal import Signals, progress_line, say, show
from colorvid.errors import DamagedStream
from colorvid.files.decode import decode_file, verify_file
from colorvid.files.encode import encode_file
from colorvid.files.reports import DecodeReport
from colorvid.files.streams import probe
from colorvid.quality.scores import FrameScores


def run(options: Namespace, signals: Signals) -> int:
    """Run the command that ``options`` names.

    Raises:
        ColorvidError: it failed.
    """
    if options.command in _ALONE:
        return _ALONE[options.command](options)
    return _AT_WORK[options.command](options, signals)


def _encode(options: Namespace, signals: Signals) -> int:
    shown = not (options.quiet or options.no_progress)
    with progress_line(signals, shown=shown) as line:
        report = encode_file(
            options.input,
            options.output,
            quality=options.quality,
            gop=options.gop,
            inter_quality=options.inter_quality,
            frames=options.frames,
            seek=options.seek,
            size=options.size,
            rate=options.fps,
            convert=options.convert,
            threads=options.threads,
            device=options.device,
            model=options.model or options.tune,
            overwrite=options.overwrite,
            csv=options.csv,
            scores=options.psnr,
            progress=line,
        )
    for text in () if options.quiet else report.warnings:
        say(text, "warning")
    if options.psnr and report.scores is not None:
        say(_scores(report.scores))
    if not options.quiet:
        say(f"encoded {report.frames} frames, {report.fps:.2f} fps, {report.kbps:.2f} kb/s")
    return 0


def _scores(scores: FrameScores) -> str:
    """Mean quality as one line."""
    difference = "not known" if scores.de00_mean is None else f"{scores.de00_mean:.3f}"
    return (
        f"PSNR Y {scores.psnr_y_db:.3f}, U {scores.psnr_u_db:.3f}, V {scores.psnr_v_db:.3f}, "
        f"YUV 6:1:1 {scores.psnr_yuv611_db:.3f} dB; dE00 {difference}"
    )


def _decode(options: Namespace, signals: Signals) -> int:
    shown = not (options.quiet or options.no_progress)
    with progress_line(signals, shown=shown) as line:
        report = decode_file(
            options.input,
            options.output,
            threads=options.threads,
            device=options.device,
            model=options.model,
            overwrite=options.overwrite,
            on_error=options.on_error,
            max_pixels=options.max_pixels,
            progress=line,
        )
    return _tell(report, "decoded", options.quiet)


def _verify(options: Namespace, signals: Signals) -> int:
    shown = not (options.quiet or options.no_progress)
    with progress_line(signals, shown=shown) as line:
        report = verify_file(
            options.input,
            threads=options.threads,
            device=options.device,
            model=options.model,
            max_pixels=options.max_pixels,
            progress=line,
        )
    return _tell(report, "verified", options.quiet)


def _tell(report: DecodeReport, verb: str, quiet: bool) -> int:
    """Print damage and the closing line."""
    if not quiet:
        for text in report.damage:
            say(text, "warning")
        say(f"{verb} {report.frames} frames, {report.fps:.2f} fps, {report.kbps:.2f} kb/s")
    if not report.ok:
        places = f"{report.damages} place{'s' if report.damages > 1 else ''}"
        text = f"the stream is damaged in {places}; {report.lost} frames are lost"
        if verb == "decoded":
            text += f", {report.concealed} of them replaced"
        if report.mismatches:
            text += f"; {report.mismatches} decoded to another picture than was encoded"
        say(text, "error")
    return report.exit_code


def _info(options: Namespace) -> int:
    summary = probe(options.input)
    if options.json:
        show(json.dumps(as_json(summary, frames=options.frames), indent=2))
    else:
        show(as_text(summary, frames=options.frames))
    for damage in summary.damage:
        say(str(damage), "warning")
    if summary.damages > len(summary.damage):
        say(f"{summary.damages - len(summary.damage)} more places are not shown", "warning")
    return DamagedStream.exit_code if summary.damage else 0


def _selftest(options: Namespace) -> int:
    from colorvid.files.selftest import run

    for line in run(options.device):
        show(line)
    return 0


def _model(options: Namespace) -> int:
    from colorvid.models.complexity import describe_model
    from colorvid.models.modelfile import load_model

    show(describe_model(options.name, load_model(options.name)))
    return 0


_AT_WORK = {
    "encode": _encode,
    "decode": _decode,
    "verify": _verify,
    "eval": run_eval,
    "compare": run_compare,
}
_ALONE = {"info": _info, "selftest": _selftest, "model": _model}
