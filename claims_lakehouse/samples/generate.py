"""Clean sample records, in the text that a source would send.

A value is a function of (seed, feed, column, record number, content), so any slice of any delivery can be
made again without the others, in any order and at any size. What stands in a column derives from its contract; feeds
whose columns hang together have makers of their own. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import polars as pl

from claims_lakehouse.contracts import Column, Feed
from claims_lakehouse.samples import insurance, medical, pools
from claims_lakehouse.samples.drawing import NUMBER, day_number, day_text, day_texts, gather
from claims_lakehouse.samples.insurance import Steps, ids
from claims_lakehouse.samples.size import PRIMING_DEFECTS, ROWS_A_GROUP, Size
from claims_lakehouse.samples.statement import Statement

MAKERS: Mapping[str, Callable[[Statement], Steps]] = {
    "plans": insurance.plans,
    "coverages": insurance.coverages,
    "fee_schedules": insurance.fee_schedules,
    "authorizations": medical.authorizations,
    "exclusions": insurance.exclusions,
    "procedure_edits": insurance.procedure_edits,
    "code_sets": insurance.code_sets,
    "medical_claims": medical.medical_claims,
}
_GIVEN, _FAMILY = ("fname", "first_name", "given_name"), ("lname", "last_name", "family_name")
_BORN_FROM, _BORN_DAYS = date(1930, 1, 1), 30_000
_CENTS = tuple("" if cents == 0 else f".{cents:02d}".rstrip("0") for cents in range(100))


def date_separator(feed: Feed) -> str:
    """What stands between month, day and year as the feed's source writes them; nothing where it is YYYY-MM-DD."""
    return "" if feed.name in MAKERS else {"patients": "-"}.get(feed.name, "/")


def date_text(feed: Feed, day: date) -> str:
    """A day as the feed's source writes it."""
    return day_text(day, date_separator(feed))


def allowed_values(feed: Feed, column: Column) -> tuple[str, ...]:
    """The values that the contract lists for a column, as text; none where it lists none."""
    for check in feed.contract.to_schema().columns[column.name].checks:
        listed = (check.statistics or {}).get("allowed_values")
        if listed:
            return tuple(str(value) for value in listed)
    return ()


def records(
    feed: Feed, size: Size, numbers: Sequence[int], *, born: int, content: int, stated: int, variant: int = 0
) -> pl.DataFrame:
    """The text of some records of a feed, one row a number.

    Args:
        feed: The feed.
        size: What is being made.
        numbers: The records' numbers, from 0.
        born: The update that brought the records first; 0 is the priming.
        content: The update whose content they have.
        stated: The update within whose month the sequence lies.
        variant: Another variant says otherwise of the same record at the same time.
    """
    if isinstance(numbers, range):
        series = pl.int_range(numbers.start, numbers.stop, numbers.step, dtype=pl.UInt64, eager=True)
    else:
        series = pl.Series(numbers, dtype=pl.UInt64)
    said, drawn = Statement(feed, size, born, content, variant), series.alias(NUMBER).to_frame()
    if feed.name not in MAKERS:
        return _Maker(said, stated).frame(drawn)
    for columns in MAKERS[feed.name](said):
        drawn = drawn.with_columns(**columns)
    return drawn.select(column.name for column in feed.columns)


class _Maker:
    """Columns that derive from a contract alone."""

    def __init__(self, said: Statement, stated: int) -> None:
        self.said, self.stated = said, stated
        self.feed, self.size = said.feed, said.size
        self.placed = any(column.identifies == "street" for column in self.feed.columns)
        dated = [c.name for c in self.feed.columns if c.form.name == "date" and c.identifies != "birth_date"]
        self.dates = [name for name in dated if name != self.feed.sequence]

    def frame(self, drawn: pl.DataFrame) -> pl.DataFrame:
        drawn = drawn.with_columns(
            _stated=self.said.day(self.stated),
            _anchor=self.said.day(self.said.content if self.placed else self.said.born),
            _place=self._draw("place", len(pools.PLACES), changing=self.placed),
        )
        return drawn.select(self._value(column).alias(column.name) for column in self.feed.columns)

    def _draw(self, name: str, size: int, *, changing: bool) -> pl.Expr:
        return self.said.draw(name, size, changing=changing)

    def _pick(self, name: str, pool: tuple[str, ...], *, changing: bool) -> pl.Expr:
        return self.said.pick(name, pool, changing=changing)

    def _value(self, column: Column) -> pl.Expr:
        feed, name, form = self.feed, column.name, column.form.name
        if name in feed.key or any(reference.column == name for reference in feed.references):
            return self._id(column)
        if listed := allowed_values(feed, column):
            return self._pick(name, listed, changing=not self.placed)
        if form == "flag":
            return self._pick(name, ("T", "F"), changing=not self.placed)
        if form == "amount":
            dollars = self._draw(name, 1800, changing=True) + 9
            return pl.concat_str(dollars.cast(pl.String), self._pick(name + " cents", _CENTS, changing=True))
        if form == "date":
            return self._date(column)
        place = {"city": 0, "state": 1, "zipcode": 2}
        what = form if form in place else column.identifies
        if what in place:
            return gather(tuple(p[place[what]] for p in pools.PLACES), pl.col("_place"))
        if what == "street":
            house = self._draw(name + " house", 2800, changing=self.placed) + 1
            street = self._pick(name, pools.STREETS, changing=self.placed)
            return pl.concat_str(house.cast(pl.String), street, separator=" ")
        if what == "name":
            return self._name(name)
        if what == "id":
            return (self._draw(name, 900_000_000, changing=False) + 100_000_000).cast(pl.String)
        return self._pick(name, pools.REMARKS, changing=not self.placed)

    def _name(self, name: str) -> pl.Expr:
        if name in _GIVEN:
            return self._pick(name, pools.GIVEN_NAMES, changing=False)
        if name in _FAMILY:
            return self._pick(name, pools.FAMILY_NAMES, changing=False)
        return self._pick(name, pools.FACILITIES, changing=self.placed)

    def _id(self, column: Column) -> pl.Expr:
        parent = next((r.feed for r in self.feed.references if r.column == column.name), None)
        number = pl.col(NUMBER)
        if column.name in self.feed.key and len(self.feed.key) > 1:
            if column.name != self._group():
                return (number % ROWS_A_GROUP + 1).cast(pl.String)
            number = number // ROWS_A_GROUP
        elif parent and column.name not in self.feed.key:
            number = self._draw(column.name, self.size.after(parent, self.said.born), changing=False)
            # Records that the priming may hold back have no children: who is unknown is planted, not chance.
            number = number - (number % 10 == PRIMING_DEFECTS).cast(pl.UInt64)
        return ids(self.said, number, parent)

    def _group(self) -> str:
        referring = [r.column for r in self.feed.references if r.column in self.feed.key]
        return (referring or list(self.feed.key))[0]

    def _date(self, column: Column) -> pl.Expr:
        separator = date_separator(self.feed)
        if column.identifies == "birth_date":
            drawn = self._draw(column.name, _BORN_DAYS, changing=False)
            return day_texts(drawn + day_number(_BORN_FROM), separator)
        if column.name == self.feed.sequence:
            return day_texts(pl.col("_stated"), separator)
        later = self.dates[self.dates.index(column.name) :]
        gaps = [self._draw(name + " gap", 60, changing=self.placed) + 1 for name in later]
        return day_texts(pl.col("_anchor") - pl.sum_horizontal(gaps), separator)
