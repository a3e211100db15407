"""``colorvid manual``: the manual page and the completions of shells, made from the parser."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator

from colorvid.cli.defaults import commands_of
from colorvid.cli.options import Command
from colorvid.cli.terminal import Signals, show_to_reader
from colorvid.config import PACKAGE_VERSION


def add_commands(command: Command) -> None:
    """Add the command of this family; its default ``root`` must become the parser of all."""
    parser = command("manual", "print a manual page, or completions for a shell")
    parser.set_defaults(run=_manual)
    parser.add_argument("kind", choices=tuple(_KINDS), help="what to print")


def _manual(options: Namespace, signals: Signals) -> int:
    show_to_reader("\n".join(_KINDS[options.kind](options.root)))
    return 0


def _long_options(parser: argparse.ArgumentParser) -> list[str]:
    """Options with two dashes that help shows."""
    actions = (a for a in parser._actions if a.help != argparse.SUPPRESS)
    return [o for action in actions for o in action.option_strings if o.startswith("--")]


def _bash(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A completion of commands, options, their choices and files."""
    commands = commands_of(parser)
    yield "_colorvid() {"
    yield '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words='
    yield '  case "${COMP_WORDS[1]}:$before" in'
    for name, command in commands.items():
        for action in command._actions:
            if action.choices and action.option_strings:
                patterns = "|".join(f"{name}:{option}" for option in action.option_strings)
                yield f'    {patterns}) words="{" ".join(map(str, action.choices))}" ;;'
    yield "    *)"
    yield '      case "${COMP_WORDS[1]}" in'
    for name, command in commands.items():
        yield f'        {name}) words="{" ".join(_long_options(command))}" ;;'
    yield f'        *) words="{" ".join((*commands, *_long_options(parser)))}" ;;'
    yield "      esac"
    yield "      [[ $COMP_CWORD -gt 1 && $word != -* ]] && words= ;;"
    yield "  esac"
    yield '  COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    yield "complete -o default -F _colorvid colorvid"


def _zsh(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The same for zsh, which understands bash's."""
    yield "autoload -U +X compinit && compinit"
    yield "autoload -U +X bashcompinit && bashcompinit"
    yield from _bash(parser)


def _fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A line for each command and option."""
    for name, command in commands_of(parser).items():
        about = _quoted((command.description or "").partition("\n")[0])
        yield f"complete -c colorvid -n __fish_use_subcommand -xa {name} -d {about}"
        for action in command._actions:
            if action.help == argparse.SUPPRESS or not action.option_strings:
                continue
            line = f"complete -c colorvid -n '__fish_seen_subcommand_from {name}'"
            for option in action.option_strings:
                line += f" -l {option[2:]}" if option.startswith("--") else f" -s {option[1:]}"
            if action.choices:
                line += f" -xa {_quoted(' '.join(map(str, action.choices)))}"
            elif action.nargs != 0:
                line += " -r"
            yield f"{line} -d {_quoted(_help(command, action))}"


def _quoted(text: str) -> str:
    """A text as one word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """What help says of an option."""
    return parser._get_formatter()._expand_help(action)


def _man(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A page of section 1 in the language of man."""
    yield f'.TH COLORVID 1 "" "colorvid {PACKAGE_VERSION}"'
    yield ".SH NAME"
    yield _roff(f"colorvid - {parser.description}")
    yield ".SH SYNOPSIS"
    yield ".B colorvid\n.RI [ options ]\n.I command\n.RI [ options ]"
    yield ".SH OPTIONS"
    yield from _man_options(parser)
    yield ".SH COMMANDS"
    for name, command in commands_of(parser).items():
        yield f".SS {name}"
        yield _roff(" ".join((command.description or "").split()))
        yield from _man_options(command)
        yield from _man_block(command.epilog or "")
    yield ".SH NOTES"
    yield from _man_block(parser.epilog or "")


def _man_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A paragraph for each option and argument."""
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        yield ".TP"
        names = ", ".join(action.option_strings)
        value = ""
        if action.nargs != 0:
            value = parser._get_formatter()._format_args(action, str(action.metavar or action.dest))
        yield f".B {_roff(f'{names} {value}'.strip())}"
        yield _roff(_help(parser, action))


def _man_block(text: str) -> Iterator[str]:
    """Text that keeps its lines."""
    if text:
        yield ".PP\n.nf"
        yield from map(_roff, text.rstrip().splitlines())
        yield ".fi"


def _roff(text: str) -> str:
    """A line with what man would take for commands escaped."""
    line = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


_KINDS = {"man": _man, "bash": _bash, "zsh": _zsh, "fish": _fish}
