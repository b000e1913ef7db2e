"""Rows of one content of a delivery as they are exchanged: what they say now, and the reference that names that."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.landing.corrections import read_overlay
from claims_lakehouse.landing.discovery import is_delivery_key
from claims_lakehouse.landing.header import MALFORMED, MALFORMED_REASON, ROW_NUMBER
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.overlay import lay_over
from claims_lakehouse.validation.raw_rows import RawRows

#: What a row says, as a reference has it; whether its line could not be split into fields when it landed.
SAID, LANDED_MALFORMED = "said now", "landed malformed"
_REFERENCE = re.compile(r"([^/]+)/([1-9][0-9]{0,17})/([0-9a-f]{12})")


class Reference(NamedTuple):
    """A row that was exported, and the beginning of the hash of what it said then."""

    delivery: str
    row_number: int
    said: str

    def __str__(self) -> str:
        return f"{self.delivery}/{self.row_number}/{self.said}"

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """The reference that a text is; None where it is none."""
        found = _REFERENCE.fullmatch(text)
        if found is None or not is_delivery_key(found[1]):
            return None
        return cls(found[1], int(found[2]), found[3])


class ExchangedRows:
    """One content of a delivery; its corrections are read once, its rows some at a time."""

    def __init__(self, settings: Settings, feed: Feed, delivery: str, content: str) -> None:
        state = Journal(settings, feed.name, delivery).state()
        self.delivery, self.content = delivery, content
        self._raw = RawRows(settings.raw(feed.name, delivery, content))
        self._overlay = read_overlay(settings, feed.name, delivery, state.laid_over(content) if state else "")
        self._names = [column.name for column in feed.columns]

    def of(self, numbers: Iterable[int]) -> pl.DataFrame:
        """Rows in the order of their numbers, with the corrections in effect; no text is null.

        Their columns: those of the raw file that a contract knows, SAID and LANDED_MALFORMED. Where no correction is in
        effect, SAID begins what decisions bind to (landing.decisions.bindings).
        UnreadableFile where the raw file is damaged.
        """
        columns = [ROW_NUMBER, *self._names, MALFORMED, MALFORMED_REASON]
        landed = self._raw.of(pl.Series(list(numbers), dtype=pl.Int64), columns)
        rows = lay_over(landed, self._overlay).with_columns(pl.col(*columns[1:]).fill_null(""))
        said = rows.select(pl.concat_str(*self._names, MALFORMED, separator="\x1f")).to_series()
        return rows.with_columns(
            pl.Series(SAID, [sha256(text.encode()).hexdigest()[:12] for text in said], dtype=pl.String),
            landed[MALFORMED].is_not_null().alias(LANDED_MALFORMED),
        ).sort(ROW_NUMBER)
