"""A reader's connection to the published file."""

from __future__ import annotations

from pathlib import Path

import duckdb

from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings


def connect(home: Path | str | None = None, *, confined: bool = False) -> duckdb.DuckDBPyConnection:
    """A read-only DuckDB connection to what was published last.

    It sees the state that it opened for as long as it lives, and never blocks the pipeline; connect again to see
    what was published since. UsageError where nothing is published yet.

    Args:
        home: The lakehouse's folder, by default `CLAIMS_HOME`.
        confined: Whether SQL is kept from reading or writing any other file.
    """
    published = Settings.from_environment(home=home).published
    if not published.exists():
        raise UsageError(f"Nothing is published at {published} yet; run `claims ingest` first.")
    con = duckdb.connect(str(published), read_only=True)
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    if confined:
        con.execute("SET enable_external_access = false; SET lock_configuration = true")
    return con
