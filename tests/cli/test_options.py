"""Types of options; the others are covered by the commands that use them."""

from __future__ import annotations

import argparse
from argparse import ArgumentTypeError
from dataclasses import fields

import pytest

from colorvid.cli.main import make_parser
from colorvid.cli.options import in_words_of_options, numbers, one_or_more_of
from colorvid.files.decode import DecodeOptions
from colorvid.files.encode import EncodeOptions


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


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a.yuv: size unknown; pass size=64x48", "a.yuv: size unknown; pass --size 64x48"),
        ("max_pixels=9 allows fewer", "--max-pixels 9 allows fewer"),
        ("pass convert=True to convert it", "pass --convert to convert it"),
        ("pass rate=30000/1001", "pass --fps 30000/1001"),
        ("folder/size=4.yuv: is a directory", "folder/size=4.yuv: is a directory"),
        ("nothing=1 of theirs", "nothing=1 of theirs"),
    ],
)
def test_parameters_in_messages_become_options(message: str, expected: str) -> None:
    assert in_words_of_options(message) == expected


def test_every_option_in_a_translated_message_exists() -> None:
    known = {
        option
        for command in ("encode", "decode")
        for action in _actions(command)
        for option in action.option_strings
    }
    parameters = {f.name for kind in (EncodeOptions, DecodeOptions) for f in fields(kind)}
    for name in parameters - {"scores", "progress"}:  # nothing that a message asks for
        option = in_words_of_options(f"pass {name}=True").split()[1]
        assert option in known, name


def _actions(command: str) -> list[argparse.Action]:
    (commands,) = (a for a in make_parser()._actions if isinstance(a.choices, dict))
    return list(commands.choices[command]._actions)
