"""Replace the published file by the warehouse as it is: complete at every instant, and nobody waits.

Every committed state of the warehouse was audited inside the transaction that made it, so the whole of it may be
seen. Readers keep the file they opened; whoever connects next gets the new one.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import replacing, write_json
from claims_lakehouse.history.decided import take_up_decisions
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.history.recovery import opened, sound_turn
from claims_lakehouse.landing.decisions import decisions_look
from claims_lakehouse.serving.views import create_views, views_version
from claims_lakehouse.settings import Settings, readers_group

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
        decided = decisions_look(settings)
        with opened(settings) as con:
            take_up_decisions(con, settings)
            changes, rows = read_changes(con), row_counts(con)
            if is_published(settings, changes):
                return Publication(changes, rows, is_new=False)
            version = views_version()
            if con.execute("SELECT views FROM internal.change").fetchall() != [(version,)]:
                create_views(con)
                con.execute("UPDATE internal.change SET views = $version", {"version": version})
            con.execute("CHECKPOINT")
        with replacing(settings.published, PUBLISHED_MODE) as temporary:
            shutil.copyfile(settings.warehouse, temporary)
            share(settings, temporary)
        write_json(settings.publication, _publication(settings, changes, decided))
    return Publication(changes, rows, is_new=True)


def share(settings: Settings, file: Path) -> None:
    """Let the readers' group, where a setting names one, reach a file in the published folder, and nothing else.

    UsageError where there is no such group, or we may not give the file to it.
    """
    group = readers_group()
    if group is None:
        return
    try:
        for path, mode in ((settings.home, 0o710), (settings.published.parent, 0o750), (file, PUBLISHED_MODE)):
            shutil.chown(path, group=group)
            path.chmod(mode)
    except (LookupError, PermissionError):
        raise UsageError(
            f"CLAIMS_READERS_GROUP: found the group '{group}'; expected one that exists, and that we are a member of."
        ) from None


def is_published(settings: Settings, changes: str) -> bool:
    """Whether readers see that state of the warehouse, and all that was decided, through the views as they are now.

    A file that anybody has touched since is none that can be trusted.
    """
    try:
        known = json.loads(settings.publication.read_text(encoding="utf-8"))
        return bool(known == _publication(settings, changes, decisions_look(settings)))
    except (OSError, ValueError):
        return False


def _publication(settings: Settings, changes: str, decided: str) -> dict[str, Any]:
    status = settings.published.stat()
    look = [status.st_size, status.st_mtime_ns, status.st_ino]
    return {"changes": changes, "decisions": decided, "views": views_version(), "file": look}


def row_counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The rows of every table in the main schema."""
    rows = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT internal ORDER BY ALL"
    ).fetchall()
    return {name: int(con.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]) for (name,) in rows}
