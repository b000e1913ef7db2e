"""Findings that depend on the other deliveries, and what resolves findings: kept true with every application.

Like history itself they are a function of the set of applied deliveries, and only those of the touched records
are made anew: findings about the delivery's records, and about other feeds' rows that refer to them.
"Later" is a place in the one order of deliveries: received_at, then key.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from claims_lakehouse.contracts import FEEDS, Feed, Reference
from claims_lakehouse.contracts.rules import SAME_SEQUENCE, Rule

#: One row is a delivery and its place in the one order; equal places are neither earlier nor later.
_ORDER = """
CREATE OR REPLACE TEMP TABLE delivery_order AS
SELECT feed, delivery, dense_rank() OVER (ORDER BY received_at, delivery) AS place
FROM (
    SELECT feed, delivery, received_at FROM internal.ledger WHERE feed <> $feed OR delivery <> $delivery
    UNION ALL SELECT $feed, $delivery, $received_at::TIMESTAMP
)
"""


def key_text(feed: Feed, table: str = "") -> str:
    """SQL for a record's key as issues name it."""
    dot = f"{table}." if table else ""
    return "concat_ws('|', " + ", ".join(f"{dot}{name}" for name in feed.key) + ")" if len(feed.key) > 1 else dot + feed.key[0]


def accepted(feed: Feed, columns: str, among: str = "") -> str:
    """SQL for every accepted row of a feed, version or restatement, with its sequence and delivery."""
    sides = ((feed.table, "valid_from"), (feed.restated_table, "sequence"))
    return " UNION ALL ".join(
        f"SELECT {columns}, {sequence} AS sequence, delivery, row_number FROM {table} {among}" for table, sequence in sides
    )


def refresh(
    con: duckdb.DuckDBPyConnection, feed: Feed, delivery: str, received_at: datetime, *, recomputed: bool
) -> None:
    """Make the live findings of the records in `touched`, and of those that refer to them, anew."""
    con.execute(_ORDER, {"feed": feed.name, "delivery": delivery, "received_at": received_at})
    con.execute(
        f"""
        DELETE FROM internal.finding WHERE live AND feed = $feed
        AND record_key IN (SELECT {key_text(feed)} FROM touched)
        """,
        {"feed": feed.name},
    )
    if recomputed:
        _same_sequence(con, feed)
    _resolve_errors(con, feed, delivery)
    for reference in feed.references:
        _references(con, feed, reference, f"SEMI JOIN touched USING ({', '.join(feed.key)})")
    for child in FEEDS:
        for reference in child.references:
            if reference.feed.name == feed.name:
                con.execute(
                    f"""
                    DELETE FROM internal.finding WHERE live AND feed = $feed AND rule = $rule AND column_name = $column
                    AND value IN (SELECT {feed.key[0]} FROM touched)
                    """,
                    {"feed": child.name, "rule": reference.unknown.name, "column": reference.column},
                )
                _references(con, child, reference, f"WHERE {reference.column} IN (SELECT {feed.key[0]} FROM touched)")


def _issue(feed: Feed, rule: Rule, column: str | None, row: str = "") -> str:
    """SQL for the columns of a live finding up to its value; the id as in validation.findings.issue_id."""
    named = f"'{column}'" if column else "NULL"
    dot = f"{row}." if row else ""
    return f"""
        md5(concat('{feed.name}', chr(31), {dot}delivery, chr(31), {dot}row_number, chr(31), '{rule.name}', chr(31), '{column or ""}'))
            AS issue_id,
        '{feed.name}' AS feed, {dot}delivery AS delivery, {dot}row_number AS row_number, {key_text(feed, row)} AS record_key,
        '{rule.name}' AS rule, {named} AS column_name, '{rule.message.replace("'", "''")}' AS message,
        '{rule.severity}' AS severity, NULL AS suggestion, true AS live
    """


def _same_sequence(con: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """A row of the same record and sequence as one of an earlier delivery, with other content."""
    place = f"PARTITION BY {', '.join(feed.key)}, sequence ORDER BY received_at, delivery, row_number"
    con.execute(
        f"""
        INSERT INTO internal.finding BY NAME
        SELECT {_issue(feed, SAME_SEQUENCE, feed.sequence)}, CAST(sequence AS VARCHAR) AS value, sequence,
               'open' AS status, NULL AS resolved_by
        FROM (
            SELECT *, count(*) FILTER (place > 1 AND NOT said_again) OVER (PARTITION BY {", ".join(feed.key)}, sequence ORDER BY place) AS changes
            FROM (SELECT *, row_number() OVER ({place}) AS place FROM recomputed)
        ) WHERE changes > 0
        """
    )


def _references(con: duckdb.DuckDBPyConnection, feed: Feed, reference: Reference, among: str) -> None:
    """Rows whose parent no delivery up to theirs has brought: open, or resolved by the delivery that brought it."""
    parent = reference.feed
    con.execute(
        f"""
        INSERT INTO internal.finding BY NAME
        WITH child AS ({accepted(feed, ", ".join(dict.fromkeys((*feed.key, reference.column))), among)}),
        parent AS (
            SELECT {parent.key[0]} AS id, min(place) AS place
            FROM ({accepted(parent, parent.key[0], f"WHERE {parent.key[0]} IN (SELECT {reference.column} FROM child)")})
            JOIN delivery_order USING (delivery) WHERE delivery_order.feed = '{parent.name}' GROUP BY id
        )
        SELECT {_issue(feed, reference.unknown, reference.column, "child")}, child.{reference.column} AS value, child.sequence,
               CASE WHEN parent.id IS NULL THEN 'open' ELSE 'resolved' END AS status,
               (SELECT min(delivery) FROM delivery_order WHERE feed = '{parent.name}' AND place = parent.place) AS resolved_by
        FROM child
        JOIN delivery_order AS own ON own.feed = '{feed.name}' AND own.delivery = child.delivery
        LEFT JOIN parent ON parent.id = child.{reference.column}
        WHERE parent.id IS NULL OR parent.place > own.place
        """
    )


def _resolve_errors(con: duckdb.DuckDBPyConnection, feed: Feed, delivery: str) -> None:
    """An error is resolved by an accepted row of its record that came later and whose sequence is not older."""
    concerned = f"""
        feed = $feed AND severity = 'error' AND NOT live AND status IN ('open', 'resolved') AND record_key IS NOT NULL
        AND (delivery = $delivery OR record_key IN (SELECT {key_text(feed)} FROM touched))
    """
    con.execute(
        f"""
        UPDATE internal.finding SET
            status = CASE WHEN found.delivery IS NULL THEN 'open' ELSE 'resolved' END, resolved_by = found.delivery
        FROM (
            WITH errors AS (
                SELECT issue_id, record_key, finding.sequence, place FROM internal.finding AS finding
                JOIN delivery_order USING (feed, delivery) WHERE {concerned.replace("delivery =", "finding.delivery =")}
            ),
            rows AS (
                SELECT {key_text(feed)} AS record_key, sequence, place, delivery
                FROM ({accepted(feed, ", ".join(feed.key), f"WHERE {key_text(feed)} IN (SELECT record_key FROM errors)")})
                JOIN delivery_order USING (delivery) WHERE delivery_order.feed = $feed
            )
            SELECT issue_id, arg_min(rows.delivery, rows.place) AS delivery FROM errors
            LEFT JOIN rows ON rows.record_key = errors.record_key AND rows.place > errors.place
                AND (errors.sequence IS NULL OR rows.sequence >= errors.sequence)
            GROUP BY issue_id
        ) AS found WHERE finding.issue_id = found.issue_id
        """,
        {"feed": feed.name, "delivery": delivery},
    )
