"""Pictures of a page: which frames and which part of them, as WebP in data URIs of bounded size.

Originals and decoded pictures are lossless, maps of the colour difference are not.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from colorvid.errors import ColorvidError
from colorvid.evaluation.page.data import DecodedPictures, Pictures
from colorvid.evaluation.score.pictures import SCALE_DE, FramePairs, Rgb, heat_map
from colorvid.frame import Frame, Size
from colorvid.quality.color import ColorSpec, frame_delta_e, frame_to_rgb
from colorvid.system.packages import needed_for

MOST_PICTURE_BYTES = 15_000_000
"""All pictures of a page together, as text."""
MOST_FRAMES = 12
"""Frames of a clip to step through."""
MOST_PIXELS = 960 * 540
"""Samples of a picture; of a larger one its middle is shown."""
_LEAST_SIDE_PX, _MOST_SIDE_PX = 32, 16383  # more than that, WebP cannot hold
_SHRINK = 0.75
_MAP_QUALITY = 80

Window = tuple[int, int, int, int]
"""Left column, top row, width and height, luma samples."""


def check_webp() -> None:
    """Refuse to start what needs WebP where there is none.

    Raises:
        ColorvidError: Pillow is missing, or was built without WebP.
    """
    with needed_for("a report"):
        from PIL import features
    if not features.check("webp"):
        raise ColorvidError("a report needs Pillow with WebP, and this one was built without it")


def middle_frames(count: int) -> range:
    """Numbers of the frames of a clip that are shown: those in its middle."""
    shown = min(count, MOST_FRAMES)
    first = (count - shown) // 2
    return range(first, first + shown)


@dataclass(frozen=True, slots=True)
class Coded:
    """What a codec made of the frames that are shown.

    Attributes:
        codec: its name.
        frames: decoded.
        captions: a line for each.
    """

    codec: str
    frames: Sequence[Frame]
    captions: Sequence[str]


class KeptPairs(FramePairs):
    """Keeps chosen frames of both videos.

    Attributes:
        pairs: original and decoded frame by number.
    """

    def __init__(self, at: Sequence[int] | None) -> None:
        """Choose frames: the first `MOST_FRAMES` of ``at``, or of the videos, as far as they go."""
        super().__init__(range(MOST_FRAMES) if at is None else at[:MOST_FRAMES], all_there=bool(at))
        self.pairs: dict[int, tuple[Frame, Frame]] = {}

    def take(self, number: int, original: Frame, decoded: Frame) -> None:
        """Keep a pair."""
        self.pairs[number] = original, decoded


def show_frames(
    numbers: Sequence[int],
    originals: Sequence[Frame],
    coded: Sequence[Coded],
    spec: ColorSpec,
    room_bytes: int,
) -> Pictures | None:
    """Pictures of as many of the first of these frames as there is room for.

    Where there is no room for one, less of the picture is shown, around its middle.

    Args:
        numbers: of the frames, rising, at least one.
        originals: frames of one size.
        coded: what each codec made of them.
        spec: what their samples mean.
        room_bytes: for all of them together.

    Returns:
        None where there is no room for anything.
    """
    decoded = [one.frames for one in coded]
    size = originals[0].size
    for window in _windows(size):
        cards = [_cards(originals[0], [frames[0] for frames in decoded], spec, window)]
        room = room_bytes - _size(cards[0])
        if room >= 0:
            break
    else:
        return None
    for place in range(1, len(numbers)):
        card = _cards(originals[place], [frames[place] for frames in decoded], spec, window)
        room -= _size(card)
        if room < 0:
            break
        cards.append(card)
    return Pictures(
        window,
        tuple(numbers[: len(cards)]),
        tuple(card[0] for card in cards),
        tuple(
            DecodedPictures(
                one.codec,
                tuple(card[1 + 2 * place] for card in cards),
                tuple(card[2 + 2 * place] for card in cards),
                tuple(one.captions[: len(cards)]),
            )
            for place, one in enumerate(coded)
        ),
    )


def _windows(size: Size) -> Iterator[Window]:
    """Parts of a picture around its middle, each smaller than the last."""
    share = min(1.0, (MOST_PIXELS / size.pixels) ** 0.5)
    while True:
        width, height = (min(int(side * share), _MOST_SIDE_PX) for side in size)
        yield (size.width - width) // 2, (size.height - height) // 2, width, height
        share *= _SHRINK
        if min(width, height) < _LEAST_SIDE_PX:
            return


def _cards(original: Frame, decoded: Sequence[Frame], spec: ColorSpec, window: Window) -> list[str]:
    """Images of one frame: the original, then picture and map of each codec."""
    left, top, width, height = window
    inside = slice(top, top + height), slice(left, left + width)
    images = [_data_uri(frame_to_rgb(original, spec)[inside], lossless=True)]
    for frame in decoded:
        difference = frame_delta_e(original, frame, spec)[inside]
        images.append(_data_uri(frame_to_rgb(frame, spec)[inside], lossless=True))
        images.append(_data_uri(heat_map(difference, SCALE_DE), lossless=False))
    return images


def _size(images: Sequence[str]) -> int:
    return sum(map(len, images))


def _data_uri(rgb: Rgb, *, lossless: bool) -> str:
    """A picture as WebP in a data URI."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(rgb).save(data, "WEBP", lossless=lossless, quality=_MAP_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
