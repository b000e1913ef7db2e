"""Many rows from Python into a table at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, each with a value for every column of the table in its order."""
    if not rows:
        return
    columns = zip(*rows, strict=True)
    given: Any = pa.table(
        [pa.array(column) for column in columns], names=[f"c{place}" for place in range(len(rows[0]))]
    )
    con.register("given_rows", given)
    try:
        con.execute(f"INSERT INTO {table} FROM given_rows")
    finally:
        con.unregister("given_rows")
