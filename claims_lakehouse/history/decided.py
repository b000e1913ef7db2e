"""Take what people decided about issues into the warehouse: all of it for the log, and the waivers that hold.

It happens in the turn of every publication, so that nobody who decides ever waits for the warehouse. A decision holds
where the content that stands says at its place what it said then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.errors import DeliveryError, UnreadableFile
from claims_lakehouse.landing.decisions import Decision, DecisionsFile, decisions_files, read_decisions, row_bindings
from claims_lakehouse.landing.stage import restore_raw
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.connection import transaction
from claims_lakehouse.warehouse.rows import insert_rows

_TABLES = ("internal.decision", "internal.waiver", "internal.decided")


def take_up_decisions(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make the warehouse say what the files of decisions say, where one grew or its delivery has other content now."""
    known = {(row[0], row[1]): row[2:] for row in con.execute("FROM internal.decided").fetchall()}
    ledger = con.execute("SELECT feed, delivery, fingerprint FROM internal.ledger").fetchall()
    contents = {(feed, delivery): fingerprint for feed, delivery, fingerprint in ledger}
    found = {(one.feed, one.delivery): one for one in decisions_files(settings)}
    changed = [
        name for name in known.keys() | found.keys()
        if name not in found or known.get(name) != (found[name].size, contents.get(name))
    ]  # fmt: skip
    if not changed:
        return
    with transaction(con):
        for name in sorted(changed):
            for table in _TABLES:
                con.execute(f"DELETE FROM {table} WHERE feed = $1 AND delivery = $2", list(name))
            if name in found:
                _take_up(con, settings, found[name], contents.get(name))
        con.execute("UPDATE internal.change SET n = n + 1")


def _take_up(con: duckdb.DuckDBPyConnection, settings: Settings, file: DecisionsFile, fingerprint: str | None) -> None:
    decisions = read_decisions(settings, file.feed, file.delivery)
    holds = holding(settings, file.feed, file.delivery, fingerprint, decisions)
    place = (file.feed, file.delivery)
    insert_rows(
        con,
        "internal.decision",
        [
            (
                one.issue_id, *place, entry, one.row_number, one.rule, one.column_name, one.value, one.at, one.act,
                one.who, one.why, one.until, one.before, one.after, held,
            )
            for entry, (one, held) in enumerate(zip(decisions, holds, strict=True), 1)
        ],
    )  # fmt: skip
    last = last_word(one for one, held in zip(decisions, holds, strict=True) if held)
    insert_rows(
        con,
        "internal.waiver",
        [
            (one.issue_id, *place, one.value, one.who, one.why, one.until)
            for one in last.values()
            if one.act == "waived"
        ],
    )
    insert_rows(con, "internal.decided", [(*place, file.size, fingerprint)])


def holding(
    settings: Settings, feed: str, delivery: str, fingerprint: str | None, decisions: Sequence[Decision]
) -> list[bool]:
    """Of each decision, whether its row says in that content what it said when it was decided."""
    if fingerprint is None:
        return [False] * len(decisions)
    rows = {one.row_number for one in decisions if one.row_number is not None}
    said = _said(settings, feed, delivery, fingerprint, rows) if rows else {}
    return [one.bound_to == (fingerprint if one.row_number is None else said.get(one.row_number)) for one in decisions]


def last_word(decisions: Iterable[Decision]) -> dict[tuple[str, str | None], Decision]:
    """Of decisions that hold, the last by which an issue with one value was waived or reopened."""
    return {(one.issue_id, one.value): one for one in decisions if one.act != "commented"}


def _said(settings: Settings, feed: str, delivery: str, fingerprint: str, rows: set[int]) -> dict[int, str]:
    """What rows of a content say, as decisions bind to it; nothing where that can no longer be read."""
    known, raw = feed_named(feed), settings.raw(feed, delivery, fingerprint)
    try:
        return row_bindings(raw, known, rows)
    except UnreadableFile:
        try:
            restore_raw(settings, known, delivery, fingerprint)
            return row_bindings(raw, known, rows)
        except DeliveryError:
            return {}
