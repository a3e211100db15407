"""Every public name can be had."""

import colorvid


def test_every_public_name_is_there() -> None:
    for name in colorvid.__all__:
        assert getattr(colorvid, name).__name__ == name
