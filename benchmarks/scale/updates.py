"""An update of 200,000 rows on ever more records, publication included: its cost, and how much publication takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.dagster_record import steps
from benchmarks.generate import Delivery, write
from benchmarks.measure import Run, claims, measured, median
from claims_lakehouse.contracts import PATIENTS

SIZES = (2_000_000, 10_000_000, 40_000_000)
ROWS = 200_000
#: Updates that are measured, one after the other, at each size.
UPDATES = 3


def run(base: Path, factor: float, say: Callable[[str], object]) -> dict[str, Any]:
    """Prime, then update a few times, at each size."""
    found = []
    rows = max(2, round(ROWS * factor))
    for records in (round(size * factor) for size in SIZES):
        landing, home = base / "landing", base / "home"
        ingest = claims("ingest", "--landing", landing, "--home", home)
        say(f"priming {records:,} records")
        write(Delivery(PATIENTS, records), landing)
        primed = measured(ingest)
        runs: list[Run] = []
        stages: dict[str, list[float]] = {}
        for update in range(1, UPDATES + 1):
            write(Delivery(PATIENTS, records, update=update, rows=rows), landing)
            before = len(steps(home))
            say(f"update {update} of {rows:,} rows on {records:,} records")
            runs.append(measured(ingest))
            for step in steps(home)[before:]:
                stages.setdefault(step.name, []).append(step.seconds)
        files = {name: (home / name).stat().st_size for name in ("warehouse.duckdb", "published/claims.duckdb")}
        found.append(
            {"records": records, "rows": rows, "priming": primed, "runs": runs, "stages": stages, "files": files}
        )
        _show(found)
        shutil.rmtree(landing)
        shutil.rmtree(home)
    return {"sizes": found}


def _show(found: list[dict[str, Any]]) -> None:
    taken = [median(run.seconds for run in one["runs"]) or 0.0 for one in found]
    report.show(
        f"An update of {found[0]['rows']:,} rows by `claims ingest`, process start to published",
        ("", *(f"{one['records']:,} records" for one in found)),
        [
            ("seconds (median)", *taken),
            ("  beside the smallest", *(one / taken[0] for one in taken)),
            ("peak MiB", *(round(max(run.peak for run in one["runs"])) for one in found)),
            *((name, *(median(one["stages"].get(name, [])) for one in found)) for name in found[0]["stages"]),
            ("priming, seconds", *(one["priming"].seconds for one in found)),
            *((f"{name}, MiB", *(one["files"][name] >> 20 for one in found)) for name in found[0]["files"]),
        ],
    )
