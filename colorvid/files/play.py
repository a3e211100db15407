"""Streams on the screen, through a player that is installed."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from colorvid.errors import OutputError
from colorvid.files.decode import DecodedVideo, DecodeOptions, open_decoded
from colorvid.files.reports import DecodeReport
from colorvid.files.streams import name_of
from colorvid.io.y4m import Y4mWriter

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from colorvid.files.decode import DecodeKeywords

PLAYERS = {
    "ffplay": ("-hide_banner", "-loglevel", "error", "-autoexit", "-window_title", "{name}", "-"),
    "mpv": ("--really-quiet", "--title={name}", "-"),
}
"""Programs that show y4m from standard input, the preferred one first, and their arguments."""


def player(name: str) -> list[str]:
    """The command that shows a video called ``name``.

    Raises:
        OutputError: no player is installed.
    """
    for program, arguments in PLAYERS.items():
        found = shutil.which(program)
        if found is not None:
            return [found, *(argument.format(name=name) for argument in arguments)]
    raise OutputError(
        f"no player is installed; install {' or '.join(PLAYERS)}, or decode to a file such as .mp4"
    )


def play_file(
    source: str | Path, options: DecodeOptions | None = None, **keywords: Unpack[DecodeKeywords]
) -> DecodeReport:
    """Show a ``.clv`` stream in ffplay or mpv, as fast as it can be decoded.

    It ends when the player does: who closes the window has seen enough.

    Args:
        source: a ``.clv`` file; ``-`` = standard input.
        options: see `DecodeOptions`; what concerns a target has no effect.
        keywords: fields of `DecodeOptions`, in place of those of ``options``.

    Raises:
        OutputError: no player is installed, or it fails.
        ColorvidError: see `colorvid.files.decode.decode_file`.
    """
    options = replace(options or DecodeOptions(), **keywords)
    name = name_of(source, "stdin")
    command = player(name)
    with open_decoded(source, options) as video:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with process:  # waits for its end
            try:
                _show(video, process)
            except BaseException:
                process.terminate()
                raise
        if process.returncode > 0:
            raise OutputError(f"{command[0]}: failed with code {process.returncode}")
        return video.report()


def _show(video: DecodedVideo, process: subprocess.Popen[bytes]) -> None:
    """Send the frames to a player, until it closes its input."""
    assert process.stdin is not None
    writer = Y4mWriter(process.stdin, "player", video.info)  # type: ignore[arg-type]
    with closing(video.frames()) as frames:
        for frame in frames:
            try:
                writer.write(frame)
            except OutputError as error:
                if isinstance(error.__cause__, BrokenPipeError):
                    break
                raise
        else:
            video.check_not_empty()
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
