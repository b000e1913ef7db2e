"""Which statement of some records is made: what makers of columns are given, and draw with. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.samples.drawing import day_number, draw, gather
from claims_lakehouse.samples.size import Size

PRIMED_FROM, PRIMED_TO = date(2016, 1, 1), date(2023, 12, 31)


class Statement(NamedTuple):
    """What is said of some records of a feed.

    Attributes:
        feed: The feed.
        size: What is being made.
        born: The update that brought the records first; 0 is the priming.
        content: The update whose content they have.
        variant: Another variant says otherwise of the same record at the same time.
    """

    feed: Feed
    size: Size
    born: int
    content: int
    variant: int

    def draw(self, name: str, below: int, *, of: pl.Expr | None = None, changing: bool = False) -> pl.Expr:
        """A number for each record, or for what stands `of` it; another with each content where it is `changing`."""
        said = (self.content, self.variant) if changing else ()
        return draw((self.size.seed, self.feed.name, name, *said), below, of)

    def pick(self, name: str, pool: Sequence[str | None], *, changing: bool = False) -> pl.Expr:
        """A word of a pool for each record."""
        return gather(pool, self.draw(name, len(pool), changing=changing))

    def day(self, update: int, of: pl.Expr | None = None) -> pl.Expr:
        """The number of a day in the month before an update, or in the years before the priming; a daily one's own."""
        day = self.size.day(update)
        if day is None:
            first, last = PRIMED_FROM, PRIMED_TO
        elif self.size.nth_day(update):
            first = last = day
        else:
            first, last = day - timedelta(28), day - timedelta(1)
        days = (last - first).days + 1
        return draw((self.size.seed, self.feed.name, "sequence", update), days, of) + day_number(first)

    def born_on(self) -> date:
        """The day of the update that brought the records first; the last of the priming's before any."""
        return self.size.day(self.born) or PRIMED_TO

    def told_on(self) -> date:
        """The day of the update whose content the records have; the last of the priming's before any."""
        return self.size.day(self.content) or PRIMED_TO
