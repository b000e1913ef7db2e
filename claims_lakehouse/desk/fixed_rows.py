"""What a fixed file changes: its rows beside what the landed rows say now, field by field. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from claims_lakehouse.contracts import Column, Feed
from claims_lakehouse.desk.exchanged_rows import LANDED_MALFORMED, SAID, ExchangedRows, Reference
from claims_lakehouse.desk.spreadsheet import Line, Sheet, restored
from claims_lakehouse.errors import UsageError
from claims_lakehouse.landing.corrections import Changes
from claims_lakehouse.landing.header import ROW_NUMBER, shown
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.settings import Settings

#: The columns that a file has beside the contract's: which row it is, and what is wrong with it.
REFERENCE, WRONG = "lakehouse_row", "what_is_wrong"
#: Rows that are compared at a time.
_CHUNK = 25_000
#: Names of columns that no contract has.
_LINE, _DELIVERY, _SAID_THEN = "line of the file", "its delivery", "said then"


class FixedDelivery(NamedTuple):
    """What a file changes of one delivery: row -> column -> new text, and what those fields say until then."""

    delivery: str
    content: str
    changes: Changes
    expected: Changes


class RefusedLine(NamedTuple):
    """A line of the file that is not taken back, and why."""

    line: int
    why: str


class Fixed(NamedTuple):
    """What a fixed file comes to.

    Attributes:
        feed: The feed whose rows it has.
        deliveries: What it changes; a delivery of which it changes nothing is not among them.
        refused: The lines that are not taken back, in their order.
        unchanged: How many rows say what they said.
        ignored: The file's columns that the contract does not know.
    """

    feed: str
    deliveries: tuple[FixedDelivery, ...]
    refused: tuple[RefusedLine, ...]
    unchanged: int
    ignored: tuple[str, ...]


def fixed_rows(settings: Settings, feed: Feed, sheet: Sheet) -> Fixed:
    """Compare a file with what its rows say now; UsageError where it has no column that names them."""
    names = [column.name for column in feed.columns]
    _require_reference(feed, sheet)
    given = [column for column in feed.columns if column.name in sheet.header]
    refused: list[RefusedLine] = []
    rows = _once_each(_read(sheet, given, refused), refused)
    deliveries, unchanged = [], 0
    for some in rows.partition_by(_DELIVERY, maintain_order=True):
        delivery = str(some.item(0, _DELIVERY))
        standing = _standing(settings, feed, delivery)
        if isinstance(standing, str):
            refused += (RefusedLine(line, standing) for line in some[_LINE])
            continue
        compared = _Comparison(feed, given, standing, refused)
        for part in some.iter_slices(_CHUNK):
            compared.add(part)
        unchanged += compared.unchanged
        if compared.changes:
            deliveries.append(FixedDelivery(delivery, standing.content, compared.changes, compared.expected))
    ignored = tuple(name for name in sheet.header if name and name not in (REFERENCE, WRONG, *names))
    return Fixed(feed.name, tuple(deliveries), tuple(sorted(refused)), unchanged, ignored)


def _require_reference(feed: Feed, sheet: Sheet) -> None:
    """Until the column is there, the first line may be a patient's: of what it has, only known names are told."""
    if REFERENCE not in sheet.header:
        known = [column.name for column in feed.columns if column.name in sheet.header]
        raise UsageError(
            f"{sheet.place}: found {len(known)} of the {len(feed.columns)} columns of {feed.name}"
            f"{' (' + shown(known) + ')' if known else ''}, without '{REFERENCE}'; expected a file that was exported, "
            "with that column as it was."
        )


def _read(sheet: Sheet, given: list[Column], refused: list[RefusedLine]) -> pl.DataFrame:
    """The file's rows: line, delivery, row number, what the row said then, and its texts; null where none is given."""
    reference, places = sheet.header.index(REFERENCE), [sheet.header.index(column.name) for column in given]
    schema: dict[str, pl.DataType] = {
        _LINE: pl.Int64(), _DELIVERY: pl.String(), ROW_NUMBER: pl.Int64(), _SAID_THEN: pl.String(),
        **{_new(column): pl.String() for column in given},
    }  # fmt: skip
    frames, rows = [pl.DataFrame(schema=schema)], []
    for line in sheet.lines:
        why = _misshapen(line, len(sheet.header))
        row = Reference.parse(restored(line.fields[reference].strip())) if reference < len(line.fields) else None
        if why or row is None:
            refused.append(
                RefusedLine(line.number, why or f"Found a broken {REFERENCE}; expected it as it was exported.")
            )
            continue
        texts = (restored(line.fields[place]) if place < len(line.fields) else None for place in places)
        rows.append((line.number, *row, *texts))
        if len(rows) == _CHUNK:
            frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
            rows = []
    return pl.concat([*frames, pl.DataFrame(rows, schema=schema, orient="row")])


def _misshapen(line: Line, width: int) -> str | None:
    """Why a line has more than its header; one that has less may have lost only what was empty."""
    if any(field.strip() for field in line.fields[width:]):
        return f"Found {len(line.fields)} fields; expected {width}, as in the header."
    return None


def _once_each(rows: pl.DataFrame, refused: list[RefusedLine]) -> pl.DataFrame:
    """Rows that are told once, or again in the same words."""
    once = rows.unique([name for name in rows.columns if name != _LINE], keep="first", maintain_order=True)
    is_twice = once.select(pl.struct(_DELIVERY, ROW_NUMBER).is_duplicated()).to_series()
    for line in once.filter(is_twice)[_LINE]:
        refused.append(RefusedLine(line, "The row stands in the file twice, with different text; expected it once."))
    return once.filter(~is_twice)


def _standing(settings: Settings, feed: Feed, delivery: str) -> ExchangedRows | str:
    """The content that a delivery's corrections go to, or why there is none."""
    state = Journal(settings, feed.name, delivery).state()
    if state is None:
        return f"Feed '{feed.name}' has no delivery '{delivery}'."
    if state.content is None:
        return f"{feed.name} {delivery} is {state.status}; there is no row to correct."
    return ExchangedRows(settings, feed, delivery, state.content)


class _Comparison:
    """What the file's rows of one delivery change; what is not taken back goes to `refused`."""

    def __init__(self, feed: Feed, given: list[Column], source: ExchangedRows, refused: list[RefusedLine]) -> None:
        self._place, self._source, self._given, self._refused = feed.name, source, given, refused
        self._required = [column.name for column in feed.columns if column.needs_text]
        self.changes: dict[int, dict[str, str]] = {}
        self.expected: dict[int, dict[str, str]] = {}
        self.unchanged = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Compare some rows; what is the same is only counted."""
        beside = rows.join(self._source.of(rows[ROW_NUMBER]), on=ROW_NUMBER, how="left", maintain_order="left")
        beside = beside.with_columns(_is_changed(column).alias(_changed(column)) for column in self._given)
        missing = pl.any_horizontal(pl.lit(value=False), *map(_is_lost, self._given))
        other = pl.col(SAID).is_null() | missing
        changed = pl.any_horizontal(pl.lit(value=False), *map(_changed, self._given))
        self.unchanged += beside.filter(~other & ~changed).height
        for row in beside.filter(other | changed).iter_rows(named=True):
            why = self._take(row)
            if why:
                self._refused.append(RefusedLine(row[_LINE], why))

    def _take(self, row: Mapping[str, Any]) -> str | None:
        """Take a row that is not as it was; why not, if not."""
        number, where = row[ROW_NUMBER], f"{self._place} {self._source.delivery}, row {row[ROW_NUMBER]}"
        if row[SAID] != row[_SAID_THEN]:
            return f"{where} says something else than when it was exported: it was corrected or replaced since."
        if any(row[_new(column)] is None and row[column.name] for column in self._given):
            return f"{where}: found fewer fields than the header has, and not only empty ones are missing."
        texts = {column.name: row[_new(column)] for column in self._given if row[_changed(column)]}
        if row[LANDED_MALFORMED]:
            said = {column.name: row[_new(column)] or "" for column in self._given}
            texts |= {name: said.get(name, row[name]) for name in self._required}
            empty = [name for name in self._required if not texts[name].strip()]
            if empty:
                return f"{where} is malformed: expected every required column; found none for {', '.join(empty)}."
        self.changes[number] = texts
        self.expected[number] = {name: row[name] for name in texts}
        return None


def _new(column: Column) -> str:
    return f"new {column.name}"


def _changed(column: Column) -> str:
    return f"changed {column.name}"


def _is_lost(column: Column) -> pl.Expr:
    """Whether a line is too short to have a field that is not empty."""
    return pl.col(_new(column)).is_null() & (pl.col(column.name) != "")


def _is_changed(column: Column) -> pl.Expr:
    """Whether a field says something else: other words, and where both are of the column's format another value.

    White space around a text, and how lines end in it, are a spreadsheet's own doing.
    """
    new, now = (pl.col(name).str.replace_all("\r\n?", "\n").str.strip_chars() for name in (_new(column), column.name))
    values = (column.form.parse(pl.when(text != "").then(text)) for text in (new, now))
    is_same = (new == now) | pl.Expr.eq(*values).fill_null(value=False)
    return (~is_same).fill_null(value=False)
