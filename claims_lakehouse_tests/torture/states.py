"""What a lakehouse says, in a form that can be compared; and the laws that hold at every instant."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.history.audit import history_invariants
from claims_lakehouse.settings import Settings

#: When something was done and by which run: the same work done again says otherwise.
_OCCASION = ("recorded_at", "run_id", "loaded_at", "happened_at", "corrected_at", "withdrawn_at")

State = dict[str, list[tuple[Any, ...]]]


class Seen(NamedTuple):
    """A file of tables as it was found: its content, and the laws that it breaks."""

    state: State
    broken: list[str]
    rows_lost: int


def published(settings: Settings) -> Seen | None:
    """What readers see; None where nothing is published."""
    if not settings.published.exists():
        return None
    with duckdb.connect(str(settings.published), read_only=True) as con:
        return _seen(con)


def warehouse(settings: Settings) -> Seen | None:
    """What the warehouse holds, looked at in a copy: opening it would change what is to be tested."""
    if not settings.warehouse.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        for file in settings.home.glob(settings.warehouse.name + "*"):
            shutil.copyfile(file, Path(folder, file.name))
        with duckdb.connect(str(Path(folder, settings.warehouse.name))) as con:
            if not con.execute("FROM duckdb_tables() WHERE table_name = 'ledger'").fetchall():
                return None
            return _seen(con)


def _seen(con: duckdb.DuckDBPyConnection) -> Seen:
    con.execute("SET TimeZone = 'UTC'")
    broken, lost = laws(con)
    return Seen(export(con), broken, lost)


def export(con: duckdb.DuckDBPyConnection) -> State:
    """Every table and view in full and in order, less the occasions; views are taken through their tables."""
    columns: dict[str, list[str]] = {}
    for schema, table, column in con.execute(
        """
        SELECT schema_name, table_name, column_name FROM duckdb_columns()
        WHERE NOT internal AND database_name = current_database() AND table_name NOT IN ('change', 'decided', 'issue_now')
        ORDER BY ALL
        """
    ).fetchall():
        if column not in _OCCASION:
            columns.setdefault(f"{schema}.{table}", []).append(column)
    return {
        table: con.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY ALL").fetchall()
        for table, names in columns.items()
    }


def difference(found: State, expected: State, but: tuple[str, ...] = ()) -> str:
    """Where two states differ, by tables and numbers of rows, tables `but` those named; empty where they do not."""
    told = []
    for table in sorted({*found, *expected} - {*but}):
        ours, theirs = found.get(table), expected.get(table)
        if ours is None or theirs is None:
            told.append(f"{table} is {'missing' if ours is None else 'unexpected'}")
        elif ours != theirs:
            more, less = set(map(repr, ours)) - set(map(repr, theirs)), set(map(repr, theirs)) - set(map(repr, ours))
            told.append(
                f"{table}: {len(ours)} rows instead of {len(theirs)}, {len(more)} unexpected, {len(less)} missing"
            )
    return "; ".join(told)


def laws(con: duckdb.DuckDBPyConnection) -> tuple[list[str], int]:
    """The laws that the tables break, and how many rows are unaccounted for."""
    broken = [
        f"{feed.table}: {count} records break '{law}'"
        for feed in FEEDS
        for law, count in history_invariants(con, feed).items()
        if count
    ]
    held = " UNION ALL ".join(
        f"SELECT '{feed.name}' AS feed, delivery FROM {table}"
        for feed in FEEDS
        for table in (feed.table, feed.restated_table)
    )
    rows = con.execute(
        f"""
        WITH held AS ({held}), counted AS (SELECT feed, delivery, count(*) AS n FROM held GROUP BY ALL)
        SELECT feed, delivery, status, coalesce(n, 0),
               rows_landed - rows_malformed - rows_quarantined - rows_duplicate - rows_valid, rows_valid
        FROM internal.ledger FULL JOIN counted USING (feed, delivery)
        """
    ).fetchall()
    lost = 0
    for feed, delivery, status, found, unaccounted, valid in rows:
        expected = valid if status == "applied" else found if status == "held" else 0
        if status is None:
            broken.append(f"{feed} {delivery}: {found} rows of a delivery that the ledger does not know")
        elif found != (expected or 0) or unaccounted:
            broken.append(
                f"{feed} {delivery} ({status}): {found} rows for {valid} valid ones, {unaccounted} unaccounted for"
            )
            lost += abs((expected or 0) - found) + abs(unaccounted or 0)
    twice = con.execute("SELECT count(*) - count(DISTINCT (feed, delivery)) FROM internal.ledger").fetchall()[0][0]
    if twice:
        broken.append(f"{twice} deliveries stand in the ledger twice")
    return broken, lost


def leftovers(home: Path) -> list[str]:
    """What a finished run must not leave: half-written files, unfinished business. An empty file holds nothing."""
    names = (path.relative_to(home) for path in sorted(home.rglob("*")) if path.is_file() and path.stat().st_size)
    return [
        str(name)
        for name in names
        if name.name.endswith(".tmp") or name.parts[0].startswith(("tmp", "rebuild-", "unfinished_"))
    ]
