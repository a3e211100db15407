"""What the samples of a video mean, by the names that FFmpeg gives the codes of ITU-T H.273."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from colorvid.errors import ConfigError

UNSPECIFIED = "unspecified"
_SHARED = {2: UNSPECIFIED}
_NAMES: Mapping[str, Mapping[int, str]] = {
    "matrix": _SHARED
    | {
        0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
        9: "bt2020nc", 10: "bt2020c",
    },
    "primaries": _SHARED
    | {
        1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
        9: "bt2020", 11: "smpte431", 12: "smpte432",
    },
    "transfer": _SHARED
    | {
        1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
        13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67",
    },
    "range": {0: UNSPECIFIED, 1: "limited", 2: "full"},
    "siting": dict(
        enumerate((UNSPECIFIED, "left", "center", "topleft", "top", "bottomleft", "bottom"))
    ),
}  # fmt: skip
_ALIASES = {
    "matrix": {"bt601": 6, "bt2020": 9},
    "primaries": {"bt601": 6},
    "transfer": {"bt601": 6, "srgb": 13, "pq": 16, "hlg": 18},
}
"""Names that are understood, too."""
_FIELDS = {"range": "color_range", "siting": "chroma_location"}
"""What headers and videos call a field, where it is another name."""
_MOST_CODE = 255


@dataclass(frozen=True, slots=True)
class Color:
    """What the samples of a video mean.

    A code without a name is written as a number, as in ``matrix="11"``.

    Attributes:
        matrix: of Y'CbCr: ``bt709``, ``smpte170m`` (also as ``bt601``), ``bt470bg``, ``bt2020nc``
            (also as ``bt2020``) and others.
        primaries: ``bt709``, ``bt2020``, ``smpte432`` and others.
        transfer: ``bt709``, ``iec61966-2-1`` (also as ``srgb``), ``smpte2084`` (also as ``pq``),
            ``arib-std-b67`` (also as ``hlg``) and others.
        range: ``limited`` (Y from 16 to 235) or ``full`` (0 to 255).
        siting: place of the chroma samples: ``left``, ``center``, ``topleft``, ``top``,
            ``bottomleft`` or ``bottom``.

    Raises:
        ConfigError: a name is unknown.
    """

    matrix: str = UNSPECIFIED
    primaries: str = UNSPECIFIED
    transfer: str = UNSPECIFIED
    range: str = UNSPECIFIED
    siting: str = UNSPECIFIED

    def __post_init__(self) -> None:
        """Refuse unknown names, and replace aliases."""
        for field in fields(self):
            code = _code(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, _name(field.name, code))

    def __repr__(self) -> str:
        """What is stated."""
        stated = {f.name: getattr(self, f.name) for f in fields(self)}
        shown = (f"{n}={value!r}" for n, value in stated.items() if value != UNSPECIFIED)
        return f"Color({', '.join(shown)})"

    @classmethod
    def of(cls, video: object) -> Color:
        """The colour of a stream header or of a `colorvid.io.VideoInfo`, whose fields are codes."""
        return cls(**{n: _name(n, getattr(video, _FIELDS.get(n, n))) for n in _NAMES})

    @property
    def codes(self) -> dict[str, int]:
        """The codes, by the names of the fields of a stream header and of a `VideoInfo`."""
        return {_FIELDS.get(n, n): _code(n, getattr(self, n)) for n in _NAMES}


def _name(field: str, code: int) -> str:
    return _NAMES[field].get(code, str(code))


def _code(field: str, name: object) -> int:
    """The code of a name.

    Raises:
        ConfigError: it is none.
    """
    known = {text: code for code, text in _NAMES[field].items()} | _ALIASES.get(field, {})
    if isinstance(name, str) and name in known:
        return known[name]
    most = _MOST_CODE if field in _ALIASES else -1
    if isinstance(name, str) and name.isdecimal() and int(name) <= most:
        return int(name)
    raise ConfigError(f"{field}={name!r} is not allowed; use one of {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Light:
    """The display that a video was made on, and how light its content is; 0 = not stated.

    Attributes:
        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y: chromaticities of the
            display (SMPTE ST 2086) in 0.00002, 0..50000.
        brightest, darkest: its luminances in 0.0001 cd/m2.
        max_cll, max_fall: most light of a pixel, and most of a frame's mean (CTA-861.3), cd/m2.
    """

    red_x: int = 0
    red_y: int = 0
    green_x: int = 0
    green_y: int = 0
    blue_x: int = 0
    blue_y: int = 0
    white_x: int = 0
    white_y: int = 0
    brightest: int = 0
    darkest: int = 0
    max_cll: int = 0
    max_fall: int = 0
