"""Types of options; the others are covered by the commands that use them."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from colorvid.cli.options import numbers, one_or_more_of


def test_numbers_are_sorted_and_each_once() -> None:
    assert numbers("20,0,10,0") == (0, 10, 20)
    for text in ("", "1,", "-1", "1.5", "a", "²"):
        with pytest.raises(ArgumentTypeError, match="must be numbers from 0, as in 0,10,20"):
            numbers(text)


def test_names_keep_their_order_and_must_be_known() -> None:
    parse = one_or_more_of(["one", "two"])
    assert parse("two,one,two") == ("two", "one")
    with pytest.raises(ArgumentTypeError, match="'three' is unknown; use one, two"):
        parse("one,three")
