"""dlt: the merge strategy `scd2` into DuckDB, from Arrow tables."""

from __future__ import annotations

from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers.job import Job, Load, main


def begin(job: Job, folder: Path) -> Load:
    """A pipeline; a row's version is its content as one text, the cheapest that dlt takes from Arrow."""
    pipeline = dlt.pipeline(
        "scd2",
        pipelines_dir=str(folder),
        destination=dlt.destinations.duckdb(str(folder / "dim.duckdb")),
        dataset_name="d",
    )

    def load(file: str) -> None:
        table = pq.read_table(file)
        texts = [table[name].cast(pa.string()) for name in (job.key, *job.content)]
        table = table.append_column("row_version", pc.binary_join_element_wise(*texts, "|", null_handling="replace"))
        resource = dlt.resource(
            table,
            name="dim",
            write_disposition={"disposition": "merge", "strategy": "scd2", "row_version_column_name": "row_version"},
            merge_key=job.key,
        )
        pipeline.run(resource, loader_file_format="parquet")

    return load


def export(job: Job, folder: Path) -> None:
    """Write the versions."""
    with duckdb.connect(str(folder / "dim.duckdb"), read_only=True) as con:
        con.execute(job.export("dlt", "d.dim", "_dlt_valid_to IS NULL"))


if __name__ == "__main__":
    main("dlt", begin, export)
