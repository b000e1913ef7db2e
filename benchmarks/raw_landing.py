"""Landing a CSV file as raw Parquet, or DuckDB reading one as text and writing it as Parquet.

python -m benchmarks.raw_landing ours|duckdb LANDING FEED FILE TARGET
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from benchmarks.measure import tell
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.landing.raw import write_raw

if __name__ == "__main__":
    whose, landing, feed, file, target = sys.argv[1:]
    began = time.perf_counter()
    if whose == "ours":
        summary = write_raw(feed_named(feed), "bench", "0" * 64, [Path(file)], Path(landing), Path(target))
        rows, malformed = summary.rows_landed, summary.rows_malformed
    else:
        with duckdb.connect() as con:
            con.execute("SET enable_progress_bar = false")
            leniently = ", ignore_errors = true, strict_mode = false" if whose == "tolerant" else ""
            read = f"read_csv('{file}', all_varchar = true, header = true{leniently})"
            [(rows,)] = con.execute(f"COPY (FROM {read}) TO '{target}' (FORMAT parquet)").fetchall()
        malformed = 0
    tell(seconds=time.perf_counter() - began, rows=rows, malformed=malformed)
