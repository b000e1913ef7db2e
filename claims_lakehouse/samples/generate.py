"""Clean sample records, in the text that a source would send.

A value is a function of (seed, feed, column, record number, content), so any slice of any delivery can be
made again without the others, in any order and at any size. No I/O, no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import polars as pl

from claims_lakehouse.contracts import PATIENTS, Column, Feed
from claims_lakehouse.samples import pools

#: What stands before and after the number of a record's id, and the first number. Other feeds get a default.
ID_STYLES = {"patients": ("", "000U", 1), "providers": ("N3T", "00A", 0), "claims": ("CF#", "078NN", 1000)}
DATE_SEPARATORS = {"patients": "-"}
_GIVEN, _FAMILY = ("fname", "first_name", "given_name"), ("lname", "last_name", "family_name")
#: How many records with a key of two columns share the first.
ROWS_A_GROUP = 3
NUMBER = "_number"
_EPOCH = date(1925, 1, 1)
_LAST = date(2065, 12, 31)
_PRIMED_FROM, _PRIMED_TO = date(2016, 1, 1), date(2023, 12, 31)
_BORN_FROM, _BORN_DAYS = date(1930, 1, 1), 30_000


@dataclass(frozen=True)
class Size:
    """How much to make: patients in the priming, and monthly updates from 2024-02-01 on."""

    patients: int
    updates: int
    seed: int

    def primed(self, feed: Feed) -> int:
        """How many records the priming of a feed holds."""
        if feed is PATIENTS:
            return self.patients
        if len(feed.key) > 1:
            parents = [r.feed for r in feed.references if r.column in feed.key]
            return ROWS_A_GROUP * (self.primed(parents[0]) if parents else self.patients)
        return self.patients // 10 + 20 if feed.role == "dimension" else 10 * self.patients

    def after(self, feed: Feed, update: int) -> int:
        """How many records there are after an update: each brings a tenth of the priming anew."""
        return self.primed(feed) + update * max(1, self.primed(feed) // 10)

    def day(self, update: int) -> date | None:
        """The day of an update, counted from 1; None for the priming."""
        return date(2024 + update // 12, update % 12 + 1, 1) if update else None


def row_id(feed: Feed, number: int) -> str:
    """The id of a record of a feed with a key of one column, in the source's style."""
    before, after, first = ID_STYLES.get(feed.name, (feed.entity[:2].upper() + "-", "", 1))
    return f"{before}{number + first}{after}"


def date_text(feed: Feed, day: date) -> str:
    """A day as the feed's source writes it."""
    return DATE_SEPARATORS.get(feed.name, "/").join(map(str, (day.month, day.day, day.year)))


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
    return _Maker(feed, size, born, content, stated, variant).frame(numbers)


class _Maker:
    def __init__(self, feed: Feed, size: Size, born: int, content: int, stated: int, variant: int) -> None:
        self.feed, self.size = feed, size
        self.born, self.content, self.stated, self.variant = born, content, stated, variant
        self.placed = any(column.identifies == "street" for column in feed.columns)
        dated = [c.name for c in feed.columns if c.form.name == "date" and c.identifies != "birth_date"]
        self.dates = [name for name in dated if name != feed.sequence]

    def frame(self, numbers: Sequence[int]) -> pl.DataFrame:
        if isinstance(numbers, range):
            series = pl.int_range(numbers.start, numbers.stop, numbers.step, dtype=pl.UInt64, eager=True)
        else:
            series = pl.Series(numbers, dtype=pl.UInt64)
        drawn = series.alias(NUMBER).to_frame()
        drawn = drawn.with_columns(
            _stated=self._day(self.stated),
            _anchor=self._day(self.content if self.placed else self.born),
            _place=self._draw("place", len(pools.PLACES), changing=self.placed),
        )
        return drawn.select(self._value(column).alias(column.name) for column in self.feed.columns)

    def _draw(self, name: str, size: int, *, changing: bool) -> pl.Expr:
        said = (self.content, self.variant) if changing else ()
        return draw((self.size.seed, self.feed.name, name, *said), size)

    def _pick(self, name: str, pool: tuple[str, ...], *, changing: bool) -> pl.Expr:
        return _gather(pool, self._draw(name, len(pool), changing=changing))

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
            return _gather(tuple(p[place[what]] for p in pools.PLACES), pl.col("_place"))
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
        named, number = parent or self.feed, pl.col(NUMBER)
        if column.name in self.feed.key and len(self.feed.key) > 1:
            if column.name != self._group():
                return (number % ROWS_A_GROUP + 1).cast(pl.String)
            number = number // ROWS_A_GROUP
        elif parent and column.name not in self.feed.key:
            number = self._draw(column.name, self.size.after(parent, self.born), changing=False)
            # Records that the priming may hold back have no children: who is unknown is planted, not chance.
            number = number - (number % 10 == PRIMING_DEFECTS).cast(pl.UInt64)
        before, after, first = ID_STYLES.get(named.name, (named.entity[:2].upper() + "-", "", 1))
        return pl.concat_str(pl.lit(before), (number + first).cast(pl.String), pl.lit(after))

    def _group(self) -> str:
        referring = [r.column for r in self.feed.references if r.column in self.feed.key]
        return (referring or list(self.feed.key))[0]

    def _date(self, column: Column) -> pl.Expr:
        separator = DATE_SEPARATORS.get(self.feed.name, "/")
        if column.identifies == "birth_date":
            born = (_BORN_FROM - _EPOCH).days
            return _gather(_days(separator), self._draw(column.name, _BORN_DAYS, changing=False) + born)
        if column.name == self.feed.sequence:
            return _gather(_days(separator), pl.col("_stated"))
        later = self.dates[self.dates.index(column.name) :]
        gaps = [self._draw(name + " gap", 60, changing=self.placed) + 1 for name in later]
        return _gather(_days(separator), pl.col("_anchor") - pl.sum_horizontal(gaps))

    def _day(self, update: int) -> pl.Expr:
        day = self.size.day(update)
        first = day - timedelta(28) if day else _PRIMED_FROM
        days = 28 if day else (_PRIMED_TO - _PRIMED_FROM).days + 1
        return draw((self.size.seed, self.feed.name, "sequence", update), days) + (first - _EPOCH).days


#: The last digit of the numbers that the priming's defects befall, and of those that the updates' befall.
PRIMING_DEFECTS, UPDATE_DEFECTS = 6, 8
_CENTS = tuple("" if cents == 0 else f".{cents:02d}".rstrip("0") for cents in range(100))


def draw(salt: Iterable[object], size: int) -> pl.Expr:
    """A number below `size` for each record number: splitmix64, the same on every machine and polars."""
    start = int.from_bytes(hashlib.blake2b(repr(tuple(salt)).encode(), digest_size=8).digest(), "big")
    mixed = pl.col(NUMBER) * _u64(0x9E3779B97F4A7C15) + _u64(start)
    mixed = (mixed ^ (mixed // _u64(2**32))) * _u64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed // _u64(2**29))) * _u64(0x94D049BB133111EB)
    return mixed // _u64(2**33) % _u64(size)


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


def _gather(pool: tuple[str, ...], index: pl.Expr) -> pl.Expr:
    return pl.lit(pl.Series(pool, dtype=pl.String)).gather(index)


@cache
def _days(separator: str) -> tuple[str, ...]:
    days = (_EPOCH + timedelta(days) for days in range((_LAST - _EPOCH).days + 1))
    return tuple(separator.join((str(day.month), str(day.day), str(day.year))) for day in days)
