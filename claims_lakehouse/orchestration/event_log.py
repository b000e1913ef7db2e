"""Dagster's event log in SQLite files: kept from tidying itself up after every single event.

Dagster opens a connection for each event and closes it again. When the last connection to a database is closed, SQLite
folds its write-ahead log into it, and waits for the disk: half of what an event costs. As long as one connection is
open, that waits. Where PostgreSQL keeps the events there is no such file, and nothing to do.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import dagster as dg

#: The one file that all runs share.
_INDEX = "index"


@contextmanager
def kept_open(instance: dg.DagsterInstance, run_id: str | None = None) -> Iterator[None]:
    """Keep the event log open, that of a run too, while many events are written."""
    folder = Path(instance.root_directory) / "history" / "runs"
    with ExitStack() as stack:
        for name in (_INDEX, run_id):
            path = folder / f"{name}.db"
            if path.exists():
                connection = stack.enter_context(closing(sqlite3.connect(path)))
                connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        yield
