"""A TOML file of defaults: a table for each command, whose keys are its options.

::

    [encode]
    quality = 40
    scenecut = false
    csv = "frames.csv"

Its options stand in front of those of the command line, which replace them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from colorvid.codec.targets import FIGURES
from colorvid.config import read_toml
from colorvid.errors import ConfigError

_RIVALS = frozenset(("quality", *FIGURES))
"""One of these on the command line stands for all of them."""


def with_defaults(
    path: Path, command: argparse.ArgumentParser, name: str, given: argparse.Namespace
) -> list[str]:
    """Arguments for a command, from its table of a file of defaults.

    Args:
        path: of the file.
        command: its parser.
        name: of the command.
        given: what the command line says by itself.

    Raises:
        ConfigError: the file cannot be read, or has a key or a value that the command does not
            take.
    """
    content = read_toml(path)
    table = content.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {name} is {table!r}; it must be a table [{name}]")
    known = dict(_options(command))
    rivals: frozenset[str] = frozenset()
    if any(getattr(given, rival, None) is not None for rival in _RIVALS):
        rivals = _RIVALS
    words: list[str] = []
    for key, value in table.items():
        where = f"{path}: [{name}] {key}"
        if key not in known:
            raise ConfigError(f"{where} is no option; allowed are {', '.join(sorted(known))}")
        if known[key].dest not in rivals:
            words += _words(known[key], key, value, where)
    return words


def _options(command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Long options of a command without their dashes, as keys of its table."""
    for action in command._actions:
        for option in action.option_strings:
            if option.startswith("--") and action.dest not in ("help", "input_option"):
                if not option.startswith("--no-") or action.nargs != 0 or option == "--no-progress":
                    yield option[2:].replace("-", "_"), action


def _words(action: argparse.Action, key: str, value: Any, where: str) -> Sequence[str]:
    """An option as it would stand on the command line."""
    option = f"--{key.replace('_', '-')}"
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ConfigError(f"{where} is {value!r}; it must be true or false")
        no = f"--no-{option[2:]}"
        if value:
            return [option]
        return [no] if no in action.option_strings else []
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConfigError(f"{where} is {value!r}; it must be a number or a text")
    return [f"{option}={value}"]


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of all commands, by name."""
    [action] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def check_tables(path: Path, commands: Sequence[str]) -> None:
    """Refuse a file of defaults with tables of commands that do not exist.

    Raises:
        ConfigError: it has one, or cannot be read.
    """
    unknown = sorted(set(read_toml(path)) - set(commands))
    if unknown:
        allowed = ", ".join(f"[{name}]" for name in commands)
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; allowed are {allowed}")
