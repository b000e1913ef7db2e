"""Take what people decided about issues into the warehouse: all of it for the log, and the waivers that hold.

It happens in the turn of every publication, so that nobody who decides ever waits for the warehouse. What was taken up
before is not read again, as long as its delivery has the same content and corrections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.errors import DeliveryError, UnreadableFile, UsageError
from claims_lakehouse.landing.decisions import (
    Content,
    Decision,
    DecisionsFile,
    bindings,
    decisions_files,
    read_decisions,
)
from claims_lakehouse.landing.stage import restore_raw
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.connection import transaction
from claims_lakehouse.warehouse.rows import insert_rows

_TABLES = ("internal.decision", "internal.waiver", "internal.decided")


class _Known(NamedTuple):
    """How much of a file the warehouse has, and of which content of its delivery."""

    size: int
    content: Content | None


def take_up_decisions(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make the warehouse say what the files of decisions say, where one grew or its delivery says otherwise now.

    A file whose delivery's raw rows cannot be read at the moment is left for the next time.
    """
    known = {
        (feed, delivery): _Known(size, _content(fingerprint, corrections))
        for feed, delivery, size, fingerprint, corrections in con.execute("FROM internal.decided").fetchall()
    }
    ledger = con.execute("SELECT feed, delivery, fingerprint, corrections FROM internal.ledger").fetchall()
    contents = {(feed, delivery): _content(*rest) for feed, delivery, *rest in ledger}
    found = {(one.feed, one.delivery): one for one in decisions_files(settings)}
    changed = [
        name for name in known.keys() | found.keys()
        if name not in found or known.get(name) != (found[name].size, contents.get(name))
    ]  # fmt: skip
    if not changed:
        return
    with transaction(con):
        for name in sorted(changed):
            if name in found:
                _take_up(con, settings, found[name], known.get(name), contents.get(name))
            else:
                _forget(con, *name)
        con.execute("UPDATE internal.change SET n = n + 1")


def _take_up(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    file: DecisionsFile,
    known: _Known | None,
    content: Content | None,
) -> None:
    place = (file.feed, file.delivery)
    is_more = known is not None and known.content == content and known.size < file.size
    decisions = read_decisions(settings, *place, after=known.size if known and is_more else 0, until=file.size)
    try:
        holds = holding(settings, *place, content, decisions)
    except UnreadableFile:
        return
    if not is_more:
        _forget(con, *place)
    [(before,)] = con.execute(
        "SELECT count(*) FROM internal.decision WHERE feed = $1 AND delivery = $2", list(place)
    ).fetchall()
    insert_rows(
        con,
        "internal.decision",
        [
            (
                one.issue_id, *place, entry, one.row_number, one.rule, one.column_name, one.value, one.at, one.act,
                one.who, one.why, one.until, one.before, one.after, held,
            )
            for entry, (one, held) in enumerate(zip(decisions, holds, strict=True), before + 1)
        ],
    )  # fmt: skip
    last = last_word(one for one, held in zip(decisions, holds, strict=True) if held)
    if is_more:
        _reopen(con, last)
    insert_rows(
        con,
        "internal.waiver",
        [
            (one.issue_id, *place, one.value, one.who, one.why, one.until)
            for one in last.values()
            if one.act == "waived"
        ],
    )
    con.execute("DELETE FROM internal.decided WHERE feed = $1 AND delivery = $2", list(place))
    insert_rows(con, "internal.decided", [(*place, file.size, *(content or (None, None)))])


def _forget(con: duckdb.DuckDBPyConnection, feed: str, delivery: str) -> None:
    for table in _TABLES:
        con.execute(f"DELETE FROM {table} WHERE feed = $1 AND delivery = $2", [feed, delivery])


def _reopen(con: duckdb.DuckDBPyConnection, last: Mapping[tuple[str, str | None], Decision]) -> None:
    """Take waivers out that newer words are about."""
    con.execute("CREATE OR REPLACE TEMP TABLE newer_words (issue_id VARCHAR, value VARCHAR)")
    insert_rows(con, "newer_words", list(last))
    con.execute(
        "DELETE FROM internal.waiver USING newer_words AS newer"
        " WHERE waiver.issue_id = newer.issue_id AND waiver.value IS NOT DISTINCT FROM newer.value"
    )


def holding(
    settings: Settings, feed: str, delivery: str, content: Content | None, decisions: Sequence[Decision]
) -> list[bool]:
    """Of each decision, whether what it was about says in that content what it said then.

    UnreadableFile where the content's raw rows can no longer be read.
    """
    if content is None or not decisions:
        return [False] * len(decisions)
    try:
        known = feed_named(feed)
    except UsageError:  # a feed that there was
        return [False] * len(decisions)
    about = {(one.rule, one.row_number) for one in decisions}
    try:
        bound = bindings(settings, known, delivery, content, about)
    except UnreadableFile as damaged:
        try:
            restore_raw(settings, known, delivery, content.fingerprint)
        except DeliveryError:
            raise damaged from None
        bound = bindings(settings, known, delivery, content, about)
    return [one.bound_to == bound.get((one.rule, one.row_number)) for one in decisions]


def last_word(decisions: Iterable[Decision]) -> dict[tuple[str, str | None], Decision]:
    """Of decisions that hold, the last by which an issue with one value was waived or reopened."""
    return {(one.issue_id, one.value): one for one in decisions if one.act != "commented"}


def _content(fingerprint: str | None, corrections: str | None) -> Content | None:
    return None if fingerprint is None else Content(fingerprint, corrections or "")
