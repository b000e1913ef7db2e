"""Views and macros for readers, made from .sql files and the contracts."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import duckdb

from claims_lakehouse.contracts import FEEDS, Feed


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Make every view and macro anew."""
    for statements in _statements():
        con.execute(statements)


def views_version() -> str:
    """A hash of every view and macro: it changes when one does."""
    return sha256("".join(_statements()).encode()).hexdigest()[:12]


def _statements() -> list[str]:
    return [
        *(_feed_views(feed) for feed in FEEDS),
        _sql("claim_detail"),
        _sql("ledger").format(
            versions_by_delivery=_by_delivery("table"),
            restated_by_delivery=_by_delivery("restated_table"),
            status_by_feed=", ".join(f"min(status) FILTER (feed = '{feed.name}') AS {feed.name}" for feed in FEEDS),
        ),
    ]


def _sql(name: str) -> str:
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def _feed_views(feed: Feed) -> str:
    key = ", ".join(feed.key)
    window = f"(PARTITION BY {key} ORDER BY valid_from, received_at, delivery, row_number)"
    return _sql("feed").format(
        feed=feed.name,
        entity=feed.entity,
        table=feed.table,
        restated_table=feed.restated_table,
        surrogate_key=feed.surrogate_key,
        key=key,
        columns=", ".join(column.name for column in feed.columns),
        window=window,
        previous=", ".join(f"lag({name}) OVER {window} AS previous_{name}" for name in feed.content),
        differs=" OR ".join(f"{name} IS DISTINCT FROM previous_{name}" for name in feed.content),
    )


def _by_delivery(table: str) -> str:
    return " UNION ALL ".join(
        f"SELECT '{feed.name}' AS feed, delivery, count(*) AS n FROM {getattr(feed, table)} GROUP BY delivery"
        for feed in FEEDS
    )
