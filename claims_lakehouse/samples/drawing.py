"""What columns are drawn with: numbers that a seed and a record's number give, and words for them. No I/O, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache

import polars as pl

NUMBER = "_number"
#: The day that has the number 0 among days, and the last one that there are words for.
EPOCH = date(1925, 1, 1)
_LAST = date(2065, 12, 31)


def draw(salt: Iterable[object], size: int, of: pl.Expr | None = None) -> pl.Expr:
    """A number below `size` for each record number: splitmix64, the same on every machine and polars.

    `of` stands for the record's number where several records are to draw the same.
    """
    start = int.from_bytes(hashlib.blake2b(repr(tuple(salt)).encode(), digest_size=8).digest(), "big")
    mixed = (pl.col(NUMBER) if of is None else of) * u64(0x9E3779B97F4A7C15) + u64(start)
    mixed = (mixed ^ (mixed // u64(2**32))) * u64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed // u64(2**29))) * u64(0x94D049BB133111EB)
    return mixed // u64(2**33) % u64(size)


def u64(value: int) -> pl.Expr:
    """A whole number that cannot be negative."""
    return pl.lit(value, dtype=pl.UInt64)


def gather(pool: Sequence[str | None], index: pl.Expr) -> pl.Expr:
    """The words of a pool at some places."""
    return pl.lit(pl.Series(pool, dtype=pl.String)).gather(index)


def gather_numbers(pool: Sequence[int], index: pl.Expr) -> pl.Expr:
    """The numbers of a pool at some places."""
    return pl.lit(pl.Series(pool, dtype=pl.UInt64)).gather(index)


def day_number(day: date) -> int:
    """The number of a day."""
    return (day - EPOCH).days


def day_texts(number: pl.Expr, separator: str = "") -> pl.Expr:
    """Days by their numbers, as `day_text` writes them."""
    return pl.lit(_days(separator)).gather(number)


def day_text(day: date, separator: str) -> str:
    """A day as a source writes it that has this between month, day and year; YYYY-MM-DD where it is empty."""
    return separator.join(map(str, (day.month, day.day, day.year))) if separator else day.isoformat()


@cache
def _days(separator: str) -> pl.Series:
    days = (EPOCH + timedelta(days) for days in range((_LAST - EPOCH).days + 1))
    return pl.Series([day_text(day, separator) for day in days], dtype=pl.String)
