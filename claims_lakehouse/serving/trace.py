"""Where a record's versions came from, and what became of a landed row. Reads, and prints nothing.

The published file tells what happened; raw, validated and landing tell the rest, as far as they still have it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

import duckdb
import polars as pl

from claims_lakehouse.contracts import Feed, Rule
from claims_lakehouse.contracts.rules import DUPLICATE_ROW, UNREAD
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history.finding_sql import key_text
from claims_lakehouse.landing.discovery import check_delivery_key
from claims_lakehouse.serving.connect import Connection
from claims_lakehouse.serving.origin import Origin, origins
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.findings import record_key

#: What can become of a row: of an accepted one of a delivery that is not applied, what became of the delivery.
Fate = Literal[
    "version", "restatement", "malformed", "quarantined", "duplicate", "retracted", "held", "purged", "unaccounted"
]

#: Sees the published tables under their own names: what `connect` gives, or a cursor of it.
Reader = Connection | duckdb.DuckDBPyConnection

#: A row's delivery, and its number there.
Place = tuple[str, int]


class Found(NamedTuple):
    """One thing that verification found of a row."""

    issue_id: str
    rule: str
    column_name: str | None
    value: str | None
    message: str
    severity: str
    status: str
    suggestion: str | None
    resolved_by: str | None


class Row(NamedTuple):
    """One landed row and what became of it.

    Attributes:
        delivery: The delivery that it came with.
        row_number: Which record of the delivery it is.
        fate: What became of it.
        record_key: The record that it speaks of, several columns joined with `|`; None where that is not known.
        version: The version that it makes, if it makes one.
        sequence: Its place in the record's history, where it is in the tables.
        duplicate_of: The row of the same delivery that it repeats, if it does.
        origin: Where it stands in the landed files.
        received_at: When the delivery was received.
        recorded_at: When the delivery was first applied, where the row is in the tables.
        run_id: The run that applied the delivery; None where there was none.
        delivery_status: How the delivery stands.
        issues: What verification found of it.
    """

    delivery: str
    row_number: int
    fate: Fate
    record_key: str | None
    version: int | None
    sequence: date | None
    duplicate_of: int | None
    origin: Origin
    received_at: datetime
    recorded_at: datetime | None
    run_id: str | None
    delivery_status: str
    issues: tuple[Found, ...]


class Change(NamedTuple):
    """A column that a version changed, as text; of a first version, each column that has a value."""

    column_name: str
    before: str | None
    after: str | None


class Version(NamedTuple):
    """One version of a record, what it changed, and the row that makes it."""

    version: int
    valid_from: date
    valid_to: date | None
    is_current: bool
    changes: tuple[Change, ...]
    row: Row


class Trace(NamedTuple):
    """All that is known of a record: its versions, and every other row about it, as they were received."""

    feed: str
    record_key: str
    versions: tuple[Version, ...]
    other_rows: tuple[Row, ...]


def trace(con: Reader, settings: Settings, feed: Feed, key: str) -> Trace:
    """Every version of a record, and every other row about it; UsageError where no row speaks of it.

    Args:
        con: The published file.
        settings: Where the lakehouse and its landing folder are.
        feed: The record's feed.
        key: The record's key; several columns are joined with `|`.
    """
    search = _Search(con, settings, feed)
    places = search.places_of(key)
    if not places:
        raise UsageError(f"Feed '{feed.name}' has no record of that key; expected {'|'.join(feed.key)}.")
    accepted = search.accepted(places)
    rows = {(row.delivery, row.row_number): row for row in search.rows(places, accepted)}
    versions = []
    before: list[str | None] = [None] * len(feed.content)
    ours = [(stated, place) for place, stated in accepted.items() if stated.version and stated.record_key == key]
    for stated, place in sorted(ours, key=lambda pair: pair[0].version or 0):
        stands = [Change(*change) for change in zip(feed.content, before, stated.content, strict=True)]
        changes = tuple(change for change in stands if change.before != change.after)
        row = rows.pop(place)
        versions.append(Version(row.version or 0, stated.sequence, stated.valid_to, stated.is_current, changes, row))
        before = stated.content
    return Trace(feed.name, key, tuple(versions), tuple(rows.values()))


def trace_row(con: Reader, settings: Settings, feed: Feed, delivery: str, row_number: int) -> Row:
    """What became of one row of a delivery; UsageError where there is no such delivery or row."""
    search = _Search(con, settings, feed)
    known = search.deliveries.get(check_delivery_key(delivery))
    if known is None:
        raise UsageError(f"Feed '{feed.name}' has no delivery '{delivery}'.")
    if not 1 <= row_number <= known.rows_landed:
        raise UsageError(f"{feed.name} {delivery} has no row {row_number}; rows landed: {known.rows_landed:,}.")
    places = {(delivery, row_number)}
    [row] = search.rows(places, search.accepted(places))
    return row


class _Accepted(NamedTuple):
    """A row of the two tables, its content as text."""

    record_key: str
    version: int | None
    sequence: date
    valid_to: date | None
    is_current: bool
    recorded_at: datetime
    content: list[str | None]


class _Delivery(NamedTuple):
    """A delivery as the ledger has it; `is_aside` says that it has accepted rows which are in no table."""

    received_at: datetime
    fingerprint: str | None
    status: Any
    rows_landed: int
    is_aside: bool
    run_id: str | None


class _Search:
    """Finds the rows of one feed: places first, then what is known of each."""

    def __init__(self, con: Reader, settings: Settings, feed: Feed) -> None:
        self._con, self._settings, self._feed = con, settings, feed
        self.deliveries = {name: _Delivery(*rest) for name, *rest in self._ask(_DELIVERIES, feed=feed.name)}

    def places_of(self, key: str) -> set[Place]:
        """Every row that speaks of a record: in the tables, in issues, or in a delivery that is not applied."""
        named = f"CAST({key_text(self._feed)} AS VARCHAR) = $key"
        found = self._ask(
            f"""
            SELECT delivery, row_number FROM {self._feed.table} WHERE {named}
            UNION SELECT delivery, row_number FROM {self._feed.restated_table} WHERE {named}
            UNION SELECT delivery, row_number FROM issue WHERE feed = '{self._feed.name}' AND record_key = $key
            """,
            key=key,
        )
        return {*found, *(place for place, _ in self._aside(pl.col("record_key") == key))}

    def accepted(self, places: Collection[Place]) -> dict[Place, _Accepted]:
        """Those of the rows that are in the tables."""
        content = ", ".join(f"CAST({name} AS VARCHAR)" for name in self._feed.content)
        named = f"delivery, row_number, CAST({key_text(self._feed)} AS VARCHAR)"
        found = self._ask(
            f"""
            SELECT {named}, version, valid_from, valid_to, is_current, recorded_at, [{content}]
            FROM {self._feed.table} SEMI JOIN ({_PLACES}) USING (delivery, row_number)
            UNION ALL SELECT {named}, NULL, sequence, NULL, false, recorded_at, [{content}]
            FROM {self._feed.restated_table} SEMI JOIN ({_PLACES}) USING (delivery, row_number)
            """,
            **_split(places),
        )
        return {(row[0], row[1]): _Accepted(*row[2:]) for row in found}

    def rows(self, places: Collection[Place], accepted: dict[Place, _Accepted]) -> Iterator[Row]:
        """What is known of each row, in the order in which they were received."""
        issues: dict[Place, list[Found]] = {place: [] for place in places}
        keys = {place: stated.record_key for place, stated in accepted.items()}
        for delivery, row_number, key, *found in self._ask(_ISSUES, feed=self._feed.name, **_split(places)):
            issues[delivery, row_number].append(Found(*found))
            keys.setdefault((delivery, row_number), key)
        aside = {
            place: key
            for place, key in self._aside(pl.col("row_number").is_in([row for _, row in places]))
            if place in issues
        }
        standing = self._origins(places)
        for place in sorted(places, key=lambda place: (self.deliveries[place[0]].received_at, *place)):
            delivery, stated = self.deliveries[place[0]], accepted.get(place)
            repeated = [_row_named(DUPLICATE_ROW, found) for found in issues[place] if found.rule == DUPLICATE_ROW.name]
            yield Row(
                *place,
                fate=_fate(stated, issues[place], delivery, is_aside=place in aside),
                record_key=aside.get(place) or keys.get(place),
                version=stated.version if stated else None,
                sequence=stated.sequence if stated else None,
                duplicate_of=repeated[0] if repeated and not stated else None,
                origin=standing[place],
                received_at=delivery.received_at,
                recorded_at=stated.recorded_at if stated else None,
                run_id=delivery.run_id,
                delivery_status=delivery.status,
                issues=tuple(issues[place]),
            )

    def _ask(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._con.execute(sql, values).fetchall()
        return rows

    def _aside(self, among: pl.Expr) -> Iterator[tuple[Place, str]]:
        """Accepted rows of deliveries that are not applied, with their keys: only validated files have them."""
        key = record_key(self._feed).cast(pl.String)
        for name, delivery in self.deliveries.items():
            validated = self._settings.validated(self._feed.name, name, str(delivery.fingerprint))
            if delivery.is_aside and validated.exists():
                found = pl.scan_parquet(validated).select("row_number", key.alias("record_key")).filter(among)
                yield from (((name, row), text) for row, text in found.collect().iter_rows())

    def _origins(self, places: Collection[Place]) -> dict[Place, Origin]:
        found: dict[Place, Origin] = {}
        for delivery in {delivery for delivery, _ in places}:
            rows = {row for name, row in places if name == delivery}
            fingerprint = self.deliveries[delivery].fingerprint
            standing = origins(self._settings, self._feed.name, delivery, fingerprint, rows)
            found |= {(delivery, row): origin for row, origin in standing.items()}
        return found


_DELIVERIES = """
SELECT delivery, received_at, fingerprint, status, coalesce(rows_landed, 0),
       status <> 'applied' AND rows_valid > versions_added + rows_restated, coalesce(applied.run_id, ledger.run_id)
FROM delivery AS ledger
LEFT JOIN (
    SELECT feed, delivery, fingerprint, arg_max(run_id, entry) AS run_id
    FROM delivery_log WHERE event = 'applied' GROUP BY ALL
) AS applied USING (feed, delivery, fingerprint)
WHERE feed = $feed
"""

_PLACES = "SELECT unnest(CAST($deliveries AS VARCHAR[])) AS delivery, unnest(CAST($rows AS BIGINT[])) AS row_number"

_ISSUES = f"""
SELECT delivery, row_number, record_key,
       issue_id, rule, column_name, value, message, severity, status, suggestion, resolved_by
FROM issue SEMI JOIN ({_PLACES}) USING (delivery, row_number)
WHERE feed = $feed ORDER BY rule, column_name
"""


def _split(places: Collection[Place]) -> dict[str, list[Any]]:
    return {"deliveries": [delivery for delivery, _ in places], "rows": [row for _, row in places]}


def _fate(stated: _Accepted | None, issues: Collection[Found], delivery: _Delivery, *, is_aside: bool) -> Fate:
    if stated is not None:
        return "version" if stated.version else "restatement"
    status: Fate = delivery.status if delivery.status != "applied" else "unaccounted"
    if is_aside:
        return status
    # What a correction put right is not what became of the row.
    holding = [found for found in issues if not (found.resolved_by or "").startswith("correction ")]
    if any(found.rule in UNREAD for found in holding):
        return "malformed"
    if any(found.severity == "error" for found in holding):
        return "quarantined"
    return "duplicate" if any(found.rule == DUPLICATE_ROW.name for found in holding) else status


def _row_named(rule: Rule, found: Found) -> int:
    """The other row that a finding's message names."""
    before, _, after = rule.message.partition("{expected}")
    return int(found.message.removeprefix(before).removesuffix(after))
