"""A chain of one FFmpeg filter, for what PyAV has no attribute for."""

from __future__ import annotations

from typing import Any

import av
import av.filter


class OneFilter:
    """Sends frames of one size and pixel format through one filter of FFmpeg."""

    def __init__(self, like: Any, name: str, options: str) -> None:
        """Prepare filter ``name`` for frames of the size and format of ``like``."""
        self._graph = av.filter.Graph()
        # Graph.add_buffer states square samples in some versions of PyAV, so it is not used; the
        # filters that are chained here do not look at the time base.
        source = self._graph.add(
            "buffer",
            f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}"
            ":time_base=1/1000:pixel_aspect=0/1",
        )
        middle = self._graph.add(name, options)
        source.link_to(middle)
        middle.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def __call__(self, frame: Any) -> Any:
        """Return the ``av.VideoFrame`` that comes out for ``frame``; its time base is 1/1000."""
        self._graph.push(frame)
        return self._graph.pull()
