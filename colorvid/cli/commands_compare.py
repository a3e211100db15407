"""What ``colorvid compare`` does with its options."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from pathlib import Path

from colorvid.cli.terminal import PointLine, Signals, say, show
from colorvid.evaluation.clips import find_sources, load
from colorvid.evaluation.compare import (
    Choice,
    Comparison,
    check_folder,
    check_packages,
    default_cache,
)
from colorvid.evaluation.runs import Measuring, run_all


def run_compare(options: Namespace, signals: Signals) -> int:
    """Run ``colorvid compare``; gives the exit code.

    Raises:
        ColorvidError: an option, a source or a package is not what it must be.
    """
    check_packages()
    out = None if options.out is None else Path(options.out)
    if out is not None:
        check_folder(out, overwrite=options.overwrite)
    sources = find_sources([Path(source) for source in options.sources])
    choice = Choice(
        gop=options.gop,
        anchors=options.anchors,
        qualities=options.qualities,
        inter_quality=options.inter_quality,
        model=options.model,
        threads=options.threads,
    )
    codecs, frames = choice.codecs(sources), options.frames or None
    how = Measuring(
        cache=_cache(options), memory=options.memory, extra=options.metrics, jobs=options.jobs
    )
    for source in sources:  # what is wrong with the last one is told before the first is coded
        load(source, frames)
        signals.check()
    if options.jobs > 1 and not options.quiet:
        say("with several jobs the speeds cannot be compared; pass --jobs 1 for them", "warning")
    shown = not (options.quiet or options.no_progress)
    with closing(PointLine(signals, shown=shown)) as line:
        rows = run_all(codecs, sources, frames, how, progress=line)
    comparison = Comparison.of(rows, options.model)
    if out is not None:
        comparison.write(out)
    show(comparison.as_markdown().rstrip("\n"))
    return 0


def _cache(options: Namespace) -> Path | None:
    """Folder for points, as the options say."""
    if options.no_cache:
        return None
    return default_cache() if options.cache is None else Path(options.cache)
