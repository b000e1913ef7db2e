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
from claims_lakehouse.history.recovery import opened, sound_turn
from claims_lakehouse.serving.views import create_views, views_version
from claims_lakehouse.settings import Settings

#: Readers of the group may open the published file.
PUBLISHED_MODE = 0o640


class Publication(NamedTuple):
    """What readers see: which state of the warehouse, the rows of each table, and whether it is new to them."""

    changes: str
    rows: dict[str, int]
    is_new: bool


def publish(settings: Settings) -> Publication:
    """Publish the warehouse with its views, if either changed since the last time."""
    with sound_turn(settings):
        with opened(settings) as con:
            changes, rows = read_changes(con), row_counts(con)
            if is_published(settings, changes):
                return Publication(changes, rows, is_new=False)
            create_views(con)
            con.execute("UPDATE internal.change SET views = $version", {"version": views_version()})
            con.execute("CHECKPOINT")
        with replacing(settings.published, PUBLISHED_MODE) as temporary:
            shutil.copyfile(settings.warehouse, temporary)
    return Publication(changes, rows, is_new=True)


def is_published(settings: Settings, changes: str) -> bool:
    """Whether readers see that state of the warehouse, through the views as they are now."""
    if not settings.published.exists():
        return False
    try:
        with duckdb.connect(str(settings.published), read_only=True) as con:
            views = con.execute("SELECT views FROM internal.change").fetchall()[0][0]
            return read_changes(con) == changes and views == views_version()
    except duckdb.Error:
        return False


def row_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The rows of every table in the main schema."""
    rows = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal ORDER BY ALL"
    ).fetchall()
    return {name: int(con.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]) for (name,) in rows}
