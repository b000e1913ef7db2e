"""Replace the published file by the warehouse as it is: complete at every instant, and nobody waits.

Every committed state of the warehouse was audited inside the transaction that made it, so the whole of it may be
seen. Readers keep the file they opened; whoever connects next gets the new one.
"""

from __future__ import annotations

import shutil
from typing import NamedTuple

import duckdb

from claims_lakehouse.files import replacing
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.serving.views import create_views
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.connection import connected, writers_turn

#: Readers of the group may open the published file.
PUBLISHED_MODE = 0o640


class Publication(NamedTuple):
    """The state that readers see: how many changes it holds, the rows of each table, and whether it is new."""

    changes: int
    rows: dict[str, int]
    is_new: bool


def publish(settings: Settings) -> Publication:
    """Publish the warehouse, if it changed since the last time."""
    with writers_turn(settings):
        with connected(settings) as con:
            create_views(con)
            changes = read_changes(con)
            rows = row_counts(con)
            if changes == published_changes(settings):
                return Publication(changes, rows, is_new=False)
            con.execute("CHECKPOINT")
        with replacing(settings.published, PUBLISHED_MODE) as temporary:
            shutil.copyfile(settings.warehouse, temporary)
    return Publication(changes, rows, is_new=True)


def published_changes(settings: Settings) -> int | None:
    """How many changes the published file holds; None where there is none that can be read."""
    if not settings.published.exists():
        return None
    try:
        with duckdb.connect(str(settings.published), read_only=True) as con:
            return read_changes(con)
    except duckdb.Error:
        return None


def row_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The rows of every table in the main schema."""
    rows = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal ORDER BY ALL"
    ).fetchall()
    return {name: int(con.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]) for (name,) in rows}
