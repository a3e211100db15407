"""Tasks that measure: scores of a video against its original, and a comparison with others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from colorvid.batch.options import Options
from colorvid.errors import OutputError
from colorvid.files.reports import Progress
from colorvid.io.files import os_errors, output_text
from colorvid.quality.scores import FrameScores, mean_scores


def score(
    source: str, options: Options, target: Path, threads: int, progress: Callable[[Progress], None]
) -> FrameScores:
    """Score a video against its original, as ``colorvid eval`` does, into a JSON file.

    Args:
        source: the video to score.
        options: of a job of the task ``eval``.
        target: the JSON file.
        threads: of the decoder.
        progress: called after every frame.

    Returns:
        Means over all frames.

    Raises:
        ColorvidError: a video cannot be read, or they cannot be compared.
    """
    from colorvid.evaluation.score.summary import as_json, check_sizes, score_videos, summarise
    from colorvid.evaluation.score.video import Source, choose_colors, open_video

    with ExitStack() as stack:
        reference, decoded = (
            stack.enter_context(
                open_video(
                    Source(
                        path,
                        frames=options.get("frames"),
                        model=options.get("model"),
                        device=options.get("device", "cpu"),
                        threads=threads,
                        convert=options.get("convert", False),
                        rate=None,
                        size=None,
                    ),
                    sizes=sizes,
                )
            )
            for path, sizes in ((options["reference"], False), (source, True))
        )
        check_sizes(reference, decoded)
        colors = choose_colors(reference.info, decoded.info)
        rows = score_videos(reference, decoded, colors, progress=progress)
        text = as_json(summarise(reference, decoded, colors, rows), rows)
    with output_text(target, overwrite=True) as file:
        file.write(f"{text}\n")
    return mean_scores(row.scores for row in rows)


def compare(source: str, options: Options, target: Path) -> int:
    """Compare colorvid with other encoders on one clip, into a folder, without speeds.

    Args:
        source: a clip or a still image.
        options: of a job of the task ``compare``.
        target: the folder.

    Returns:
        Frames that were coded, at all qualities by all codecs.

    Raises:
        ColorvidError: a choice is not allowed, the source cannot be read, or a codec failed.
    """
    from colorvid.evaluation.compare.choices import COMPARED_FRAMES, check_packages
    from colorvid.evaluation.compare.points import Measuring
    from colorvid.evaluation.compare.report import Comparison
    from colorvid.evaluation.compare.running import Choice, run_all

    check_packages()
    names = (
        "gop",
        "scenecut",
        "anchors",
        "qualities",
        "bframes",
        "preset",
        "inter_quality",
        "model",
    )
    chosen = {name: options[name] for name in names if name in options}
    for name in ("anchors", "qualities"):
        if name in chosen:
            chosen[name] = tuple(chosen[name])
    codecs = Choice(**chosen).codecs([Path(source)])
    frames = options.get("frames", COMPARED_FRAMES)
    points = run_all(codecs, [Path(source)], frames, Measuring(cache=None, memory="none"))
    # Others work at the same time, so that speeds say nothing: as with several jobs.
    shared = [replace(point, jobs=max(2, point.jobs)) for point in points]
    with os_errors(str(target), OutputError):
        target.mkdir()
    Comparison.of(shared, options.get("model", "default")).write(target)
    return sum(point.frames for point in points)
