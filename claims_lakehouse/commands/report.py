"""How the command prints: tables for people on stdout, JSON for machines, progress on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from claims_lakehouse.commands.layout import Column, are_numbers, lined_width, lined_widths, moments, print_columns

if TYPE_CHECKING:
    from claims_lakehouse.serving.connect import Answer

progress = Console(stderr=True, highlight=False)

_LONGEST = 300
#: How wide a table is into a pipe where no word needs more.
_PIPE = 200

#: The counts of a delivery, as the ledger names them and as tables head them.
COUNTS = {
    "rows_landed": "landed",
    "rows_malformed": "malformed",
    "rows_quarantined": "quarantined",
    "rows_duplicate": "duplicate",
    "rows_valid": "valid",
    "versions_added": "versions added",
    "rows_restated": "restated",
}


def out(least: int = 0) -> Console:
    """Where tables go; into a pipe they are as wide as they need to be, `least` or more."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else max(_PIPE, least))


def print_rows(
    answer: Answer,
    *,
    as_json: bool,
    title: str = "",
    hide: Collection[str] = (),
    names: Mapping[str, str] | None = None,
    limit: int = 0,
    grouped: bool = True,
    as_asked: bool = False,
    below: Collection[str] = (),
    last: str | None = None,
) -> None:
    """Print rows: as a table of at most `limit` (0 for all), or whole as JSON.

    `hide` leaves columns out of a table; `names` gives them other headings; `grouped` numbers have separators. On a
    terminal columns that say nothing are left out and moments shortened, unless rows are to be printed `as_asked`;
    `below` and `last` are headings of columns that may, and that shall, stand below their row.
    """
    columns, rows = answer
    if as_json:
        records = [dict(zip(columns, (_jsonable(value) for value in row), strict=True)) for row in rows]
        json.dump(records, sys.stdout, allow_nan=False, indent=1)
        sys.stdout.write("\n")
        return
    shown = [place for place, name in enumerate(columns) if name not in hide]
    told = rows[:limit] if limit else rows
    headings = [(names or {}).get(columns[place], columns[place]) for place in shown]
    if sys.stdout.isatty():
        values = [[row[place] for row in told] for place in shown]
        print_on_terminal(title, headings, values, partial(readable, grouped=grouped), as_asked, below, last)
    else:
        print_into_pipe(
            title,
            [
                Column(
                    _printable(heading),
                    [readable(row[place], grouped=grouped) for row in told],
                    any(isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in rows[:1]),
                )
                for place, heading in zip(shown, headings, strict=True)
            ],
        )
    if limit and len(rows) > limit:
        progress.print(f"Shown: the first {limit} rows. More with --limit.")


def print_into_pipe(title: str, columns: Sequence[Column]) -> None:
    """Print a table whole, as wide as it has to be for no word to be broken."""
    table = Table(title=plain(title) if title else None, title_justify="left")
    console = out(lined_width(columns))
    # Each has its width: left to itself, a table that does not fit is cut.
    for column, width in zip(columns, lined_widths(columns, console.width) or (), strict=True):
        justify: Literal["left", "right"] = "right" if column.is_number else "left"
        table.add_column(escape(column.heading), justify=justify, overflow="fold", width=width)
    for row in zip(*(column.texts for column in columns), strict=True):
        table.add_row(*map(escape, row))
    console.print(table)


def print_on_terminal(
    title: str,
    headings: Sequence[str],
    values: Sequence[Sequence[Any]],
    text: Callable[[Any], str],
    as_asked: bool = False,
    below: Collection[str] = (),
    last: str | None = None,
) -> None:
    """Print columns of values, each value by its `text`, as a person at a terminal can read them."""
    columns = [
        Column(_printable(heading), list(map(text, found if as_asked else moments(found))), are_numbers(found))
        for heading, found in zip(headings, values, strict=True)
    ]
    telling = [column for column in columns if as_asked or not column.is_empty] or columns
    if any(column.texts for column in columns):
        print_columns(out(), _printable(title), telling, below=below, last=last)
    else:
        out().print(f"{plain(title)}: none." if title else "No row.")


def cell(value: Any, *, grouped: bool = True) -> str:
    """A value as a table shows it; a very long one is cut."""
    return escape(readable(value, grouped=grouped))


def readable(value: Any, *, grouped: bool = True) -> str:
    """A value in characters that can be printed; a very long one is cut."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if grouped else str(value)
    text = str(value)
    return _printable(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def _jsonable(value: Any) -> Any:
    """A value as JSON has it: what is no number, text or truth by its text, what is not finite as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(name): _jsonable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(inner) for inner in value]
    return str(value)


def plain(value: object) -> str:
    """A text from outside as rich is to print it: no markup, no control characters."""
    return escape(_printable(str(value)))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def short(path: Path) -> str:
    """A path as one would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
