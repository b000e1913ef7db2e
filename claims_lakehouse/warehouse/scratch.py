"""A DuckDB connection in memory for work on files, which spills below CLAIMS_HOME and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from claims_lakehouse.files import make_folder
from claims_lakehouse.settings import Settings


def bounds(settings: Settings) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's configuration for every connection that works: no progress bar, bounded memory, own spill folder."""
    return {
        "temp_directory": str(make_folder(settings.temporary)),
        "memory_limit": os.environ.get("CLAIMS_MEMORY_LIMIT", "2GB"),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


@contextmanager
def scratch(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory."""
    with duckdb.connect(":memory:", config=bounds(settings)) as con:
        con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        yield con
