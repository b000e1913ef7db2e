"""The one statement that makes history of accepted rows: which make a version, and until when each is valid."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from claims_lakehouse.contracts import Feed

_INTERVALS = files(__package__).joinpath("sql", "intervals.sql").read_text(encoding="utf-8")


def intervals_sql(feed: Feed, columns: Sequence[str]) -> str:
    """SQL over `accepted_rows`: these columns of it, then said_again, version and valid_to."""
    key = ", ".join(feed.key)
    window = f"OVER (PARTITION BY {key} ORDER BY sequence, received_at, delivery, row_number)"
    return _INTERVALS.format(
        columns=", ".join(columns),
        key=key,
        differs=" OR ".join(f"{name} IS DISTINCT FROM previous_{name}" for name in feed.content) or "false",
        previous=", ".join(f"lag({name}) {window} AS previous_{name}" for name in feed.content) or "1 AS nothing",
    )
