"""dbt-core with dbt-duckdb: a snapshot by timestamp, one `dbt snapshot` a delivery, as a scheduler starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

from benchmarks.peers.job import Job, Load, main

_PROJECT = """\
name: bench
version: '1.0.0'
profile: bench
snapshot-paths: [snapshots]
flags: {send_anonymous_usage_stats: false}
"""
_PROFILES = """\
bench:
  target: local
  outputs:
    local: {{type: duckdb, path: '{database}', threads: 2}}
"""
_SNAPSHOT = """\
{{% snapshot dim %}}
{{{{ config(target_schema='main', unique_key='{key}', strategy='timestamp', updated_at='{sequence}') }}}}
SELECT * REPLACE ({sequence}::TIMESTAMP AS {sequence}) FROM read_parquet('{{{{ var("file") }}}}')
{{% endsnapshot %}}
"""


def begin(job: Job, folder: Path) -> Load:
    """A project."""
    (folder / "snapshots").mkdir()
    (folder / "dbt_project.yml").write_text(_PROJECT)
    (folder / "profiles.yml").write_text(_PROFILES.format(database=folder / "dim.duckdb"))
    (folder / "snapshots" / "dim.sql").write_text(_SNAPSHOT.format(key=job.key, sequence=job.sequence))
    command = str(Path(sys.executable).with_name("dbt"))
    where = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--quiet"]

    def load(file: str) -> None:
        done = subprocess.run(
            [command, "snapshot", "--vars", f"file: {file}", *where], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"dbt: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    return load


def export(job: Job, folder: Path) -> None:
    """Write the versions."""
    with duckdb.connect(str(folder / "dim.duckdb"), read_only=True) as con:
        con.execute(job.export("dbt", "dim", "dbt_valid_to IS NULL"))


if __name__ == "__main__":
    main("dbt", begin, export)
