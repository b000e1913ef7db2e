"""The ledger: one row a delivery as it stands, and the log of everything that happened to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb

from claims_lakehouse.history.application import Application
from claims_lakehouse.landing.journal import DeliveryState, Event
from claims_lakehouse.warehouse.rows import insert_rows


class LedgerRow(NamedTuple):
    """What the warehouse holds of a delivery; `events` counts the entries of its log."""

    fingerprint: str | None
    status: str
    error: str | None
    corrections: str = ""
    events: int = 0


def read_ledger(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], LedgerRow]:
    """Every delivery that the warehouse knows, by feed and key."""
    rows = con.execute(
        """
        SELECT feed, delivery, fingerprint, status, error, corrections, coalesce(events, 0) FROM internal.ledger
        LEFT JOIN (SELECT feed, delivery, count(*) AS events FROM delivery_log GROUP BY ALL) USING (feed, delivery)
        """
    ).fetchall()
    return {(feed, delivery): LedgerRow(*rest) for feed, delivery, *rest in rows}


def read_changes(con: duckdb.DuckDBPyConnection) -> str:
    """Which warehouse this is and how many changes it holds: a publication of the same is up to date."""
    return str(con.execute("SELECT concat(warehouse, '/', n) FROM internal.change").fetchall()[0][0])


def write_ledger_row(con: duckdb.DuckDBPyConnection, application: Application, events: list[Event]) -> None:
    """Set a delivery's ledger row and log to what they are now; part of the caller's transaction."""
    this = {"feed": application.feed.name, "delivery": application.delivery}
    con.execute("DELETE FROM internal.ledger WHERE feed = $feed AND delivery = $delivery", this)
    counts = application.content.verification if application.content else None
    con.execute(
        "INSERT INTO internal.ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            application.feed.name,
            application.delivery,
            application.received_at,
            application.content.fingerprint if application.content else None,
            *(
                (counts.landed, counts.malformed, counts.quarantined, counts.duplicate, counts.valid)
                if counts
                else [None] * 5
            ),
            application.status,
            application.error,
            application.run_id,
            application.loaded_at or datetime.now(UTC).replace(tzinfo=None),
            json.dumps(counts.nulls) if counts else None,
            counts.corrections if counts else "",
        ],
    )
    con.execute("DELETE FROM internal.correction WHERE feed = $feed AND delivery = $delivery", this)
    if application.corrections:
        fields = [(c.correction_id, *this.values(), *c[1:]) for c in application.corrections]
        insert_rows(con, "internal.correction", fields)
    _write_log(con, application.feed.name, application.delivery, events)


def write_failure(
    con: duckdb.DuckDBPyConnection,
    feed: str,
    delivery: str,
    state: DeliveryState,
    events: list[Event],
    run_id: str | None,
) -> None:
    """Note why a delivery's last content failed; where no content ever was good, that is all its row says."""
    this = {"feed": feed, "delivery": delivery}
    known = con.execute(
        "SELECT error FROM internal.ledger WHERE feed = $feed AND delivery = $delivery", this
    ).fetchall()
    entries = con.execute("SELECT count(*) FROM delivery_log WHERE feed = $feed AND delivery = $delivery", this)
    if known and known[0][0] == state.failure and entries.fetchall()[0][0] == len(events):
        return
    if known:
        con.execute(
            "UPDATE internal.ledger SET error = $error WHERE feed = $feed AND delivery = $delivery",
            {**this, "error": state.failure},
        )
    else:
        con.execute(
            """
            INSERT INTO internal.ledger BY NAME
            SELECT $feed AS feed, $delivery AS delivery, $received_at AS received_at, 'failed' AS status,
                   $error AS error, $run_id AS run_id, $loaded_at AS loaded_at, '' AS corrections
            """,
            {
                **this,
                "received_at": state.received_at,
                "error": state.failure,
                "run_id": run_id,
                "loaded_at": datetime.now(UTC).replace(tzinfo=None),
            },
        )
    _write_log(con, feed, delivery, events)


def _write_log(con: duckdb.DuckDBPyConnection, feed: str, delivery: str, events: list[Event]) -> None:
    """Copy a delivery's journal into `delivery_log`, and count the change."""
    this = {"feed": feed, "delivery": delivery}
    con.execute("DELETE FROM delivery_log WHERE feed = $feed AND delivery = $delivery", this)
    logged = [
        [feed, delivery, entry, e.at, e.event, e.fingerprint, e.who, e.why, e.detail, e.run_id, e.before, e.after]
        for entry, e in enumerate(events, 1)
    ]
    if logged:
        con.executemany(f"INSERT INTO delivery_log VALUES ({', '.join('?' * len(logged[0]))})", logged)
    con.execute("UPDATE internal.change SET n = n + 1")
