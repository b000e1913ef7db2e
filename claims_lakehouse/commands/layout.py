"""How a table finds its place on a terminal: columns where they fit, else records one under the other.

What a person looks for in it stays whole: an id, a day, an amount, a count is never broken over two lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: Up to how many characters a text is never broken: a moment has as many.
_SHORT = 19
#: Into about how many lines a longer one may be broken before records stand one under the other.
_LINES = 5
#: What stands between columns, and at both ends of a row, in a table with lines and in one without.
_BETWEEN, _AT_ENDS, _GAP = 3, 4, 2
#: How long the rule above a record is, and how far a line below a row is indented.
_RULE, _INDENT = 40, 4


class Column(NamedTuple):
    """A column as it is printed: its heading, its texts, and whether they are numbers, which stand to the right."""

    heading: str
    texts: Sequence[str]
    is_number: bool

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing of any row."""
        return not any(self.texts)

    @property
    def full(self) -> int:
        """How wide it is where nothing of it is broken."""
        return max((cell_len(line) for text in (self.heading, *self.texts) for line in text.splitlines()), default=0)

    @property
    def least(self) -> int:
        """How narrow it may be: a word is never broken, a longer text into a few lines."""
        longest = max((cell_len(line) for text in self.texts for line in text.splitlines()), default=0)
        words = [word for text in self.texts for word in (text.split() if longest > _SHORT else text.splitlines())]
        word = max((cell_len(word) for word in (*words, *self.heading.split())), default=0)
        return max(word, min(longest, _SHORT), -(-longest // _LINES))


def moments(values: Sequence[Any]) -> list[Any]:
    """Moments as a person reads them: to the second, as days where every one is the first moment of its day."""
    found = [value for value in values if isinstance(value, datetime)]
    if not found:
        return list(values)
    days = all(value.time() == time.min for value in found)
    return [
        (str(value.date()) if days else value.isoformat(" ", "seconds")) if isinstance(value, datetime) else value
        for value in values
    ]


def is_number(value: Any) -> bool:
    """Whether a value is a count, a measure or an amount."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether a column has numbers and nothing else."""
    found = [is_number(value) for value in values if value is not None]
    return bool(found) and all(found)


def lined_width(columns: Sequence[Column]) -> int:
    """How wide a table with lines has to be."""
    return sum(column.least for column in columns) + _BETWEEN * (len(columns) - 1) + _AT_ENDS


def lined_widths(columns: Sequence[Column], width: int) -> list[int] | None:
    """How wide each column of a table with lines is, in a width; None where that is less than it has to be."""
    return _widths(columns, width - _AT_ENDS, _BETWEEN)


def print_columns(
    console: Console, title: str, columns: Sequence[Column], *, below: Collection[str] = (), last: str | None = None
) -> None:
    """Print a table where it fits, without lines where only that does, else its records one under the other.

    Columns whose headings are `below` need not be in it: where not all fit, those that do not stand on a line below
    their row. The column `last` always stands on a line of its own, below all else of its row.
    """
    if title:
        console.print(Text(title, style="italic"), soft_wrap=True)
    lined = lined_widths(columns, console.width)
    loose = _widths(columns, console.width, _GAP)
    inside = _inside(columns, console.width, (*below, last))
    if lined and last is None:
        _print_table(console, columns, lined, Table())
    elif loose and last is None:
        _print_table(console, columns, loose, _loose())
    elif inside:
        _print_with_lines_below(console, columns, inside, last)
    else:
        _print_records(console, columns)


def _print_table(console: Console, columns: Sequence[Column], widths: Sequence[int], table: Table) -> None:
    for column, width in zip(columns, widths, strict=True):
        _add(table, column, width)
    for row in _rows(columns):
        table.add_row(*map(Text, row))
    console.print(table)


def _loose(*, headed: bool = True) -> Table:
    """A table without lines."""
    return Table(box=None, show_header=headed, padding=(0, _GAP, 0, 0), pad_edge=False)


def _widths(columns: Sequence[Column], width: int, between: int) -> list[int] | None:
    """How wide each column is; None where not even the least widths fit.

    What is left of the width goes to those that need least of it, then to the others.
    """
    found = [column.least for column in columns]
    left = width - sum(found) - between * (len(columns) - 1)
    if left < 0:
        return None
    wanting = sorted((column.full - found[place], place) for place, column in enumerate(columns))
    for rank, (wanted, place) in enumerate(wanting):
        more = max(min(wanted, left // (len(wanting) - rank)), 0)
        found[place] += more
        left -= more
    return found


def _add(table: Table, column: Column, width: int) -> None:
    justify: Literal["left", "right"] = "right" if column.is_number else "left"
    table.add_column(Text(column.heading), justify=justify, overflow="fold", width=width)


def _rows(columns: Sequence[Column]) -> Iterator[tuple[str, ...]]:
    return zip(*(column.texts for column in columns), strict=True)


def _print_records(console: Console, columns: Sequence[Column]) -> None:
    """Print a block for each record, a name and its value a line; what a record does not say is left out."""
    names = max(cell_len(column.heading) for column in columns)
    for number, row in enumerate(_rows(columns), 1):
        if len(columns[0].texts) > 1:
            console.print(Text(f"─── {number} ".ljust(min(console.width, _RULE), "─"), style="dim"))
        block = Table.grid(padding=(0, _GAP, 0, 0))
        block.add_column(style="bold", width=names)
        block.add_column(overflow="fold")
        for column, text in zip(columns, row, strict=True):
            if text:
                block.add_row(Text(column.heading), Text(text))
        console.print(block)


def _inside(columns: Sequence[Column], width: int, below: Collection[str | None]) -> list[Column]:
    """The columns that are in a table with lines below its rows; none where those that have to be there do not fit."""
    *may_be_below, last = below
    chosen = [column for column in columns if column.heading not in below]
    left = width - sum(column.full + _GAP for column in chosen) + _GAP
    if left < 0 or len(chosen) == len(columns):
        return []
    for column in columns:
        if column.heading in may_be_below and column.heading != last and column.full + _GAP <= left:
            chosen.append(column)
            left -= column.full + _GAP
    return [column for column in columns if column in chosen]


def _print_with_lines_below(
    console: Console, columns: Sequence[Column], inside: Sequence[Column], last: str | None
) -> None:
    """Print a table without lines of some columns, and below each row, indented, what it says besides."""
    besides = [column for column in columns if column not in inside and column.heading != last]
    alone = [column for column in columns if column.heading == last]
    for number in range(len(columns[0].texts)):
        table = _loose(headed=number == 0)
        for column in inside:
            _add(table, column, column.full)
        table.add_row(*(Text(column.texts[number]) for column in inside))
        console.print(table)
        said = ((one.heading, one.texts[number].replace("\n", ", ")) for one in besides)
        told = "; ".join(f"{heading}: {text}" for heading, text in said if text)
        for text in (told, *(one.texts[number] for one in alone)):
            if text:
                console.print(Padding(Text(text, overflow="fold"), (0, 0, 0, _INDENT)))
