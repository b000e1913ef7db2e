"""SQLMesh: a model of kind SCD_TYPE_2_BY_COLUMN on DuckDB; a plan applies the priming, a run the update."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from sqlmesh import Context

from benchmarks.peers.job import Job, Load, main

_CONFIG = """\
gateways:
  local:
    connection: {{type: duckdb, database: '{database}'}}
default_gateway: local
model_defaults: {{dialect: duckdb, start: 2024-01-01}}
"""
_MODEL = """\
MODEL (
  name app.dim,
  kind SCD_TYPE_2_BY_COLUMN (unique_key {key}, columns [{content}], invalidate_hard_deletes false),
  cron '*/5 * * * *'
);
SELECT {columns} FROM read_parquet('{landing}')
"""


def begin(job: Job, folder: Path) -> Load:
    """A project; the file that the model reads is a link that leads to each delivery in turn."""
    landing = folder / "landing.parquet"
    (folder / "models").mkdir()
    (folder / "config.yaml").write_text(_CONFIG.format(database=folder / "dim.duckdb"))
    (folder / "models" / "dim.sql").write_text(
        _MODEL.format(
            key=job.key,
            content=", ".join(job.content),
            columns=", ".join(f"{name}::{kind} AS {name}" for name, kind in job.types.items()),
            landing=landing,
        )
    )
    landing.symlink_to(job.priming)
    context = Context(paths=str(folder))

    def load(file: str) -> None:
        landing.unlink()
        landing.symlink_to(file)
        if file == job.priming:
            context.plan(auto_apply=True, no_prompts=True)
        else:
            tomorrow = datetime.now(UTC) + timedelta(days=1)
            context.run(ignore_cron=True, end=tomorrow, execution_time=tomorrow)

    return load


def export(job: Job, folder: Path) -> None:
    """Write the versions."""
    with duckdb.connect(str(folder / "dim.duckdb"), read_only=True) as con:
        con.execute(job.export("sqlmesh", "app.dim", "valid_to IS NULL"))


if __name__ == "__main__":
    main("sqlmesh", begin, export)
