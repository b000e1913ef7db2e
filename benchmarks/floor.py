"""The floor: DuckDB reads the given Parquet files and writes one table into a database file. Nothing can be faster.

python -m benchmarks.floor DATABASE FILE…
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from benchmarks.measure import tell


def floor(database: Path, files: list[str]) -> float:
    """Seconds of it, from connecting to the file being closed."""
    database.unlink(missing_ok=True)
    began = time.perf_counter()
    with duckdb.connect(str(database)) as con:
        con.execute("SET enable_progress_bar = false")
        con.execute(f"CREATE TABLE t AS FROM read_parquet({files!r})")
    return time.perf_counter() - began


if __name__ == "__main__":
    tell(seconds=floor(Path(sys.argv[1]), sys.argv[2:]))
