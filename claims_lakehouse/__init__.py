"""From landed files of patients, providers and claims to audited SCD2 history in DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb


def connect(home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only DuckDB connection to the published file; see `serving.connect`."""
    from claims_lakehouse.serving.connect import connect as connect_published

    return connect_published(home)
