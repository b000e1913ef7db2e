"""Findings that depend on the other deliveries, and what resolves findings: kept true with every application.

Like history itself they are a function of the set of applied deliveries, and only those of the touched records
are made anew: findings about the delivery's records, and about other feeds' rows that refer to them.
"Later" is a place in the one order of deliveries: received_at, then key.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from claims_lakehouse.contracts import FEEDS, Feed, Reference
from claims_lakehouse.contracts.feed import LandedCodes
from claims_lakehouse.contracts.rules import SAME_SEQUENCE
from claims_lakehouse.history.application import Application
from claims_lakehouse.history.duplicates import refresh_duplicates
from claims_lakehouse.history.finding_sql import issue, key_text, statement


def refresh(
    con: duckdb.DuckDBPyConnection, applications: Sequence[Application], *, is_compared: bool, spoke_before: bool
) -> None:
    """Make the findings that the records in `touched` bear on anew, `touched_rows` being all their accepted rows.

    `is_compared` says whether the temporary table `recomputed` holds records with more than one row, `spoke_before`
    whether one of the deliveries had accepted rows until now.
    """
    feed = applications[0].feed
    these = {"feed": feed.name, "deliveries": [one.delivery for one in applications]}
    con.execute(statement("delivery_order"), {**these, "received_at": [one.received_at for one in applications]})
    touched = f"SELECT {key_text(feed)} FROM touched"
    con.execute(
        f"DELETE FROM internal.finding WHERE live AND feed = $feed AND record_key IN ({touched})", {"feed": feed.name}
    )
    equal = "SELECT count(*) FROM recomputed WHERE sequence = previous_sequence AND NOT said_again"
    if is_compared and con.execute(equal).fetchall()[0][0]:
        con.execute(
            statement("same_sequence").format(issue=issue(feed, SAME_SEQUENCE, feed.sequence), key=", ".join(feed.key))
        )
    concerned = f"WHERE {key_text(feed)} IN (SELECT record_key FROM errors)"
    con.execute(
        statement("resolve_errors").format(
            key_text=key_text(feed), accepted=_accepted(feed, ", ".join(feed.key), concerned)
        ),
        these,
    )
    for reference in feed.references:
        _refer(con, feed, reference, "touched_rows")
    for codes in feed.landed_codes:
        _hold_to_code_sets(con, feed, codes, "touched_rows")
    if feed.duplicates:
        refresh_duplicates(con, feed, feed.duplicates, touched)
    for child in FEEDS:
        if not _speaks_of(child, feed) or not _has_rows(con, child):
            continue
        for reference in child.references:
            if reference.feed.name == feed.name:
                _refer_again(con, child, reference, touched, spoke_before=spoke_before)
        for codes in child.landed_codes:
            if codes.sets.name == feed.name:
                _hold_again_to_code_sets(con, child, codes)


def _refer_again(
    con: duckdb.DuckDBPyConnection, child: Feed, reference: Reference, touched: str, *, spoke_before: bool
) -> None:
    """Make the findings about rows that refer to touched records anew.

    A delivery that says something for the first time can only bring a parent, or bring it earlier: then no other rows
    are concerned than those that miss one.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE missed AS
        SELECT DISTINCT value FROM internal.finding
        WHERE live AND feed = $feed AND rule = $rule AND column_name = $column AND value IN ({touched})
        """,
        {"feed": child.name, "rule": reference.unknown.name, "column": reference.column},
    )
    con.execute(
        """
        DELETE FROM internal.finding
        WHERE live AND feed = $feed AND rule = $rule AND column_name = $column AND value IN (FROM missed)
        """,
        {"feed": child.name, "rule": reference.unknown.name, "column": reference.column},
    )
    among = f"WHERE {reference.column} IN ({touched if spoke_before else 'FROM missed'})"
    columns = ", ".join(dict.fromkeys((*child.key, reference.column)))
    _refer(con, child, reference, f"({_accepted(child, columns, among)})")


def _hold_again_to_code_sets(con: duckdb.DuckDBPyConnection, child: Feed, codes: LandedCodes) -> None:
    """Make the findings about all codes of a feed anew: code sets come seldom, and one may begin a whole system."""
    con.execute(
        "DELETE FROM internal.finding WHERE live AND feed = $feed AND rule = $rule AND column_name = $column",
        {"feed": child.name, "rule": codes.unknown.name, "column": codes.column},
    )
    columns = ", ".join(dict.fromkeys((*child.key, codes.column, codes.as_of)))
    _hold_to_code_sets(con, child, codes, f"({_accepted(child, columns, '')})")


def _hold_to_code_sets(con: duckdb.DuckDBPyConnection, feed: Feed, codes: LandedCodes, rows: str) -> None:
    con.execute(
        statement("landed_codes").format(
            issue=issue(feed, codes.unknown, codes.column, "line"),
            key=", ".join(feed.key),
            code=codes.column,
            day=codes.as_of,
            system=codes.system.format(code=codes.column),
            rows=rows,
            sets=codes.sets.table,
            accepted_sets=_accepted(codes.sets, ", ".join(codes.sets.key), ""),
            sets_feed=codes.sets.name,
            feed=feed.name,
        )
    )


def _refer(con: duckdb.DuckDBPyConnection, feed: Feed, reference: Reference, children: str) -> None:
    parent, columns = reference.feed, dict.fromkeys((*feed.key, reference.column))
    named = f"WHERE {key_text(parent)} IN (SELECT {reference.column} FROM child)"
    con.execute(
        statement("unknown_references").format(
            issue=issue(feed, reference.unknown, reference.column, "child"),
            children=f"SELECT {', '.join(columns)}, sequence, delivery, row_number FROM {children}"
            f" WHERE {reference.column} IS NOT NULL",
            parents=_accepted(parent, f"{key_text(parent)} AS id", named),
            parent_feed=parent.name,
            feed=feed.name,
            column=reference.column,
        )
    )


def _speaks_of(child: Feed, feed: Feed) -> bool:
    return feed.name in {one.feed.name for one in child.references} | {one.sets.name for one in child.landed_codes}


def _has_rows(con: duckdb.DuckDBPyConnection, feed: Feed) -> bool:
    """Whether any row of a feed stands: there is nothing to find about one of which none does."""
    some = " UNION ALL ".join(f"(SELECT 1 FROM {table} LIMIT 1)" for table in (feed.table, feed.restated_table))
    return bool(con.execute(some).fetchall())


def _accepted(feed: Feed, columns: str, among: str) -> str:
    """SQL for accepted rows of a feed, versions and restatements, with their sequence and delivery."""
    sides = ((feed.table, "valid_from"), (feed.restated_table, "sequence"))
    return " UNION ALL ".join(
        f"SELECT {columns}, {sequence} AS sequence, delivery, row_number FROM {table} {among}"
        for table, sequence in sides
    )
