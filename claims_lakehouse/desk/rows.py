"""Rows as they were sent, with what corrections lay over them: read from raw, of any content that is still there."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.landing.corrections import Overlay, read_overlay
from claims_lakehouse.landing.header import MALFORMED, MALFORMED_REASON, MALFORMED_RULE, ROW_NUMBER
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.landing.raw import damaged
from claims_lakehouse.settings import Settings


class SentRow(NamedTuple):
    """One landed row.

    Attributes:
        row_number: Which record of the delivery it is.
        texts: Column -> text as sent, empty for nothing; the contract's columns, then others that the file has.
        corrected: Column -> text of the corrections in effect.
        malformed: The line as sent, where it could not be split into fields.
        reason: Why it could not.
    """

    row_number: int
    texts: dict[str, str]
    corrected: dict[str, str]
    malformed: str | None
    reason: str | None

    @property
    def effective(self) -> dict[str, str]:
        """What the row says with its corrections."""
        return self.texts | self.corrected


def sent_rows(
    settings: Settings, feed: Feed, delivery: str, fingerprint: str, row_number: int, around: int = 0
) -> list[SentRow]:
    """A row of one content of a delivery, and as many on either side of it, with the corrections that are in effect.

    UnreadableFile where raw cannot be read.
    """
    raw = settings.raw(feed.name, delivery, fingerprint)
    try:
        found = (
            pl.scan_parquet(raw)
            .filter(pl.col(ROW_NUMBER).is_between(row_number - around, row_number + around))
            .collect()
            .sort(ROW_NUMBER)
        )
    except (pl.exceptions.PolarsError, OSError):
        raise damaged(raw) from None
    state = Journal(settings, feed.name, delivery).state()
    overlay = _overlay(settings, feed.name, delivery, state.laid_over(fingerprint) if state else "")
    rows = []
    for record in found.iter_rows(named=True):
        number, malformed, reason = (record.pop(name) for name in (ROW_NUMBER, MALFORMED, MALFORMED_REASON))
        record.pop(MALFORMED_RULE, None)
        texts = {name: text or "" for name, text in record.items()}
        rows.append(SentRow(number, texts, dict(overlay.texts.get(number, {})), malformed, reason))
    return rows


@lru_cache(maxsize=4)
def _overlay(settings: Settings, feed: str, delivery: str, laid: str) -> Overlay:
    """Corrections never change, and those over a hundred thousand rows are not read for every page."""
    return read_overlay(settings, feed, delivery, laid)
