"""What a person may see of a value: who only views sees nothing that tells of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.desk.web.people import Person

#: What stands where a value may not be seen.
MASK = "•••"


class Veil(NamedTuple):
    """Masks what a person may not see; stewards and engineers see everything.

    What may be seen follows from the contract: a column that tells nothing of a person, and in it only what is of the
    column's format. Where a line slipped by a field, a name stands among the amounts.
    """

    person: Person

    @property
    def is_up(self) -> bool:
        """Whether values are masked."""
        return not self.person.may("steward")

    def value(self, feed: str, column: str | None, value: object) -> str:
        """A column's value as the person may see it; empty for nothing."""
        if value is None or value == "":
            return ""
        return MASK if self.is_up and _tells(feed, column, str(value)) else str(value)

    def text(self, value: object) -> str:
        """A text that may tell of a person, whatever it is."""
        if value is None or value == "":
            return ""
        return MASK if self.is_up else str(value)

    def column(self, feed: str, name: str | None) -> str:
        """A column's name; one that no contract knows may be anything, a patient's line among it."""
        is_known = name is None or any(one.name == name for one in feed_named(feed).columns)
        return (name or "") if is_known else self.text(name)

    def row(self, feed: str, texts: Mapping[str, str]) -> dict[str, str]:
        """A row's texts by column."""
        return {name: self.value(feed, name, text) for name, text in texts.items()}


def _tells(feed: str, column: str | None, value: str) -> bool:
    known = next((one for one in feed_named(feed).columns if one.name == column), None)
    if known is None or known.identifies != "nothing" or known.form.rule is None:
        return True
    text = pl.select(pl.lit(value).str.strip_chars().alias("text")).select(known.form.parse(pl.col("text")))
    return text.item() is None
