"""From landed files of patients, providers and claims to audited SCD2 history in DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from claims_lakehouse.serving.connect import Connection


def connect(home: Path | str | None = None) -> Connection:
    """A read-only connection to the published file, which knows when a newer one is there; see `serving.connect`."""
    from claims_lakehouse.serving.connect import connect as connect_published

    return connect_published(home)
