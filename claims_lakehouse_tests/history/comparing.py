"""Compare what readers of a lakehouse see with what the oracle makes of the same deliveries.

The oracle knows the feeds of BILLING; the tables of all others must be empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import duckdb

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import BILLING, Lakehouse

COUNTS = (
    "rows_landed", "rows_malformed", "rows_quarantined", "rows_duplicate", "rows_valid", "versions_added",
    "rows_restated",
)  # fmt: skip
_LEDGER = ("feed", "delivery", *COUNTS, "status")
_VERSION = ("valid_from", "valid_to", "is_current", "version", "delivery", "row_number")
_ISSUE = (
    "feed", "delivery", "row_number", "record_key", "rule", "column_name", "value", "severity", "status", "resolved_by",
)  # fmt: skip
Row = dict[str, Any]


def assert_same_tables(lakehouse: Lakehouse, deliveries: Iterable[oracle.Delivery], gone: Iterable[Row] = ()) -> None:
    """Hold every table to the oracle's; `gone` are the ledger's rows of deliveries of which nothing else is kept."""
    expected = oracle.tables(deliveries)
    with _reading(lakehouse) as con:
        _assert_no_others(con)
        for feed in BILLING:
            columns = (*_source(feed), *_VERSION)
            _assert_same_rows(con, columns, feed.table, expected.versions[feed.name])
            columns = (*_source(feed), "delivery", "row_number")
            _assert_same_rows(con, columns, feed.restated_table, expected.restatements[feed.name])
        _assert_same_rows(con, _LEDGER, "delivery", [*expected.ledger, *gone])
        _assert_same_rows(con, _ISSUE, "issue", expected.issues)


def assert_same_at(
    lakehouse: Lakehouse, deliveries: Iterable[oracle.Delivery], known_by: date | datetime, valid_at: date | datetime
) -> None:
    """Hold both axes of time to the oracle's: what was known by one moment, valid at another, and both together."""
    deliveries = list(deliveries)
    now, then = oracle.tables(deliveries), oracle.tables(oracle.received_by(deliveries, known_by))
    d, t = (f"{'TIMESTAMP' if isinstance(one, datetime) else 'DATE'} '{one}'" for one in (known_by, valid_at))
    with _reading(lakehouse) as con:
        _assert_no_others(con)
        for feed in BILLING:
            columns, versions = (*_source(feed), *_VERSION), then.versions[feed.name]
            _assert_same_rows(con, columns, f"{feed.table}_as_known({d})", versions)
            valid = oracle.as_of(now, feed.name, valid_at)
            _assert_same_rows(con, columns, f"{feed.entity}_as_of({t})", valid)
            believed = oracle.as_of(then, feed.name, valid_at)
            _assert_same_rows(con, columns, f"{feed.entity}_as_known_as_of({d}, {t})", believed)
            current = [row for row in versions if row["is_current"]]
            columns = (*_source(feed), "valid_from", "delivery", "row_number")
            _assert_same_rows(con, columns, f"{feed.entity}_as_known({d})", current)


def _reading(lakehouse: Lakehouse) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(lakehouse.settings.published), read_only=True)


def _assert_no_others(con: duckdb.DuckDBPyConnection) -> None:
    others = [table for feed in FEEDS if feed not in BILLING for table in (feed.table, feed.restated_table)]
    rows = con.execute(" UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in others)).fetchall()
    assert dict(rows) == dict.fromkeys(others, 0)


def _assert_same_rows(
    con: duckdb.DuckDBPyConnection, columns: tuple[str, ...], table: str, expected: Iterable[Row]
) -> None:
    rows = con.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    ours, theirs = (Counter(_shown(row, columns) for row in rows) for rows in (found, expected))
    if ours != theirs:
        differing = [f"- {row}" for row in theirs - ours] + [f"+ {row}" for row in ours - theirs]
        raise AssertionError("\n".join([f"{table}: - expected and not found, + found and not expected", *differing]))


def _shown(row: Row, columns: tuple[str, ...]) -> str:
    """A row as far as the two say it alike: an empty text may be null, a live finding's value is its sequence's."""
    shown = {name: row[name] for name in columns}
    if "value" in shown:
        shown["value"] = None if row["rule"] == "same_sequence" else row["value"] or None
    return repr(shown)


def _source(feed: Feed) -> list[str]:
    return [column.name for column in feed.columns]
