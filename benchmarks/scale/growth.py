"""The warehouse file after 500 updates, one by one, beside the file that a rebuild makes of the same.

python -m benchmarks.scale.growth LANDING HOME RECORDS UPDATES ROWS      (one process: the priming, the updates)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.generate import Delivery, write
from benchmarks.history_step import prepare, step
from benchmarks.measure import claims, measured, median, python, tell
from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.settings import Settings

RECORDS, UPDATES, ROWS = 2_000_000, 500, 4_000


def run(base: Path, factor: float, say: Callable[[str], object]) -> dict[str, Any]:
    """Update many times, look at the file, make it anew, look again."""
    settings = Settings(base / "landing", base / "home")
    records, updates = round(RECORDS * factor), max(10, round(UPDATES * min(1.0, factor * 10)))
    rows = max(2, round(ROWS * factor))
    say(f"{updates} updates of {rows:,} rows on {records:,} records")
    run = measured(python("benchmarks.scale.growth", settings.landing, settings.home, records, updates, rows))
    grown = settings.warehouse.stat().st_size
    say("making it anew")
    rebuild = measured(claims("rebuild", "--landing", settings.landing, "--home", settings.home))
    fresh = settings.warehouse.stat().st_size
    sizes, took = run.told["sizes"], run.told["took"]
    some = max(1, len(took) // 5)
    report.show(
        f"The warehouse file after {updates} updates of {rows:,} rows on {records:,} records",
        ("", "MiB", "x rebuilt"),
        [
            ("primed", sizes[0] / (1 << 20), sizes[0] / fresh),
            ("updated", grown / (1 << 20), grown / fresh),
            ("rebuilt", fresh / (1 << 20), 1.0),
        ],
    )
    report.show(
        "Seconds into history",
        ("", "seconds"),
        [
            (f"each of the first {some} updates (median)", f"{median(took[:some]):.3f}"),
            (f"each of the last {some} updates (median)", f"{median(took[-some:]):.3f}"),
            ("the rebuild", rebuild.seconds),
        ],
    )
    return {"records": records, "updates": updates, "rows": rows, "grown": grown, "fresh": fresh, "run": run,
            "rebuild": rebuild}  # fmt: skip


def _update(settings: Settings, records: int, updates: int, rows: int) -> None:
    sizes, took = [], []
    for update in range(updates + 1):
        delivery = Delivery(PATIENTS, records, update=update, rows=rows if update else 0)
        write(delivery, settings.landing)
        prepare(settings, PATIENTS, delivery.name)
        began = time.perf_counter()
        step(settings, PATIENTS, delivery.name)
        took.append(time.perf_counter() - began)
        sizes.append(settings.warehouse.stat().st_size)
    tell(sizes=sizes, took=took[1:], priming=took[0])


if __name__ == "__main__":
    landing, home, *numbers = sys.argv[1:]
    _update(Settings(Path(landing), Path(home)), *map(int, numbers))
