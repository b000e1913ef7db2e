"""What the command says of itself, and of words that it cannot take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from claims_lakehouse.cli import app


def every_command(command: Any, *names: str) -> Iterator[tuple[str, Any]]:
    yield " ".join(names), command
    for name, one in getattr(command, "commands", {}).items():
        yield from every_command(one, *names, name)


COMMANDS = dict(every_command(typer.main.get_command(app)))


def said(line: str, columns: int = 120) -> str:
    outcome = CliRunner().invoke(app, shlex.split(line), env={"COLUMNS": str(columns), "TERMINAL_WIDTH": str(columns)})
    return " ".join(re.sub("[│╭╮╰╯─]", " ", outcome.output).split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_paragraph_of_help_is_one_line_that_a_terminal_breaks_anew(name: str) -> None:
    assert COMMANDS[name].help
    assert [text for text in COMMANDS[name].help.split("\n\n") if "\n" in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_default_that_help_names_is_shown(name: str) -> None:
    for param in COMMANDS[name].params:
        told = re.search(r"\[(default: .*?)\]", getattr(param, "help", None) or "")
        if told:
            assert f"[{told[1]}]" in said(f"{name} --help", columns=300), param.name


def test_help_says_where_the_lakehouse_is_unless_it_is_named() -> None:
    for name in ("status", "issues list", "rules check", "payments"):
        assert "[default: CLAIMS_HOME or data/lakehouse]" in said(f"{name} --help"), name


@pytest.mark.parametrize(
    "line", ["explain C1 --day {}", "adjudicate --day {}", "issues waive x --because y --until {}"]
)
@pytest.mark.parametrize("day", ["2024-13-01", "abc", "2/1/2024"])
def test_a_day_that_is_none_is_refused_in_our_words(line: str, day: str) -> None:
    assert f"found '{day}'; expected a day as 2024-02-01." in said(line.format(day))


@pytest.mark.parametrize(
    "line", ["explain C1 --line {}", "review approve C1 {} --because y", "review appeal C1 {} --because y"]
)
@pytest.mark.parametrize("number", ["abc", "0", "1.5", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_line_that_is_none_is_refused_in_our_words(line: str, number: str) -> None:
    assert f"found '{number}'; expected a line's number, 1 or more." in said(line.format(number))
