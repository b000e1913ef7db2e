"""One delivery of claims as CSV, 1% of its rows with defects of every kind, at growing sizes: rows a second, memory."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.dagster_record import steps
from benchmarks.generate import Delivery, population, write
from benchmarks.measure import claims, measured, python
from claims_lakehouse.contracts import CLAIMS

SIZES = (2_000_000, 10_000_000, 50_000_000)
KEY = "2024-11-30"


def run(base: Path, factor: float, say: Callable[[str], object]) -> dict[str, Any]:
    """Ingest a delivery of each size into a lakehouse that knows its patients and providers already."""
    found: list[dict[str, Any]] = []
    for size in (round(size * factor) for size in SIZES):
        landing, home = base / "landing", base / "home"
        say(f"making {size:,} claims, and the patients and providers that they name")
        for reference in CLAIMS.references:
            write(Delivery(reference.feed, population(reference.feed, size)), landing)
        ingest = claims("ingest", "--landing", landing, "--home", home)
        measured(ingest)
        file = write(Delivery(CLAIMS, size, key=KEY, spoilt=0.01), landing, "csv")
        floor = measured(
            python("benchmarks.raw_landing", "tolerant", landing, CLAIMS.name, file, base / "floor.parquet")
        )
        before = len(steps(home))
        say(f"ingesting {size:,} claims ({file.stat().st_size / 1e9:.1f} GB)")
        run = measured(ingest)
        stages: dict[str, float] = defaultdict(float)
        for step in steps(home)[before:]:
            stages[step.name] += step.seconds
        found.append(
            {
                "rows": size,
                "bytes": file.stat().st_size,
                "run": run,
                "floor": floor,
                "stages": dict(stages),
                "warehouse": (home / "warehouse.duckdb").stat().st_size,
            }
        )
        _show(found)
        shutil.rmtree(landing)
        shutil.rmtree(home)
    return {"deliveries": found}


def _show(found: list[dict[str, Any]]) -> None:
    rate = [one["rows"] / one["run"].seconds for one in found]
    report.show(
        "One delivery of claims as CSV with 1% defects, process start to published",
        ("", *(f"{one['rows']:,} rows" for one in found)),
        [
            ("seconds", *(one["run"].seconds for one in found)),
            ("rows a second", *(round(one) for one in rate)),
            ("  beside the smallest", *(one / rate[0] for one in rate)),
            ("x floor: DuckDB, CSV as text to Parquet", *(one["run"].seconds / one["floor"].seconds for one in found)),
            ("peak MiB", *(round(one["run"].peak) for one in found)),
            ("  that no file backs", *(round(one["run"].anonymous) for one in found)),
            *((name, *(one["stages"].get(name, 0.0) for one in found)) for name in found[0]["stages"]),
        ],
    )
