"""What a person may see of a value: who only views sees nothing that tells of a patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.desk.web.people import Person

#: What stands where a value may not be seen.
MASK = "•••"


class Veil(NamedTuple):
    """Masks what a person may not see; stewards and engineers see everything.

    What tells of a person follows from the contract: every column that identifies something, and every text that is no
    column's (a line that could not be split, a key, a reason).
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
        return MASK if self.is_up and _tells(feed, column) else str(value)

    def text(self, value: object) -> str:
        """A text that may tell of a person, whatever it is."""
        if value is None or value == "":
            return ""
        return MASK if self.is_up else str(value)

    def row(self, feed: str, texts: Mapping[str, str]) -> dict[str, str]:
        """A row's texts by column."""
        return {name: self.value(feed, name, text) for name, text in texts.items()}


def _tells(feed: str, column: str | None) -> bool:
    known = {one.name: one.identifies for one in feed_named(feed).columns}
    return known.get(column or "", "unknown") != "nothing"
