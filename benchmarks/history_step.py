"""The history step alone: deliveries that landed and were verified become versions in a warehouse of their own.

Its seconds are those of `bring_up_to_date`, delivery by delivery, the warehouse's opening, checkpoint and closing
included, imports and publication not: as the peers' are.

    python -m benchmarks.history_step LANDING HOME FEED DELIVERY…
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import duckdb

from benchmarks.measure import tell
from claims_lakehouse.contracts import Feed, feed_named
from claims_lakehouse.history.stage import bring_up_to_date, take_up, verify
from claims_lakehouse.settings import Settings


def prepare(settings: Settings, feed: Feed, *deliveries: str) -> None:
    """Land and verify deliveries, so that only history is left to be made."""
    for delivery in deliveries:
        take_up(settings, feed, delivery)
        verify(settings, feed, delivery)


def fresh(prepared: Path, home: Path) -> None:
    """Another home of what was prepared: the same Parquet files, journals of its own, no warehouse."""
    shutil.rmtree(home, ignore_errors=True)
    for folder, _, files in os.walk(prepared):
        target = home / Path(folder).relative_to(prepared)
        target.mkdir(mode=0o700)
        for file in files:
            if file.endswith(".parquet"):
                os.link(Path(folder, file), target / file)
            elif not file.startswith("warehouse"):
                shutil.copy2(Path(folder, file), target / file)


def step(settings: Settings, feed: Feed, *deliveries: str) -> dict[str, float]:
    """Seconds of each delivery's way into history, in the order given."""
    took = {}
    for delivery in deliveries:
        began = time.perf_counter()
        bring_up_to_date(settings, feed, delivery)
        took[delivery] = time.perf_counter() - began
    return took


def versions(settings: Settings, feed: Feed) -> dict[str, int]:
    """How many versions there are, current and closed."""
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        found = con.execute(f"SELECT is_current, count(*) FROM {feed.table} GROUP BY ALL").fetchall()
    counts = {bool(current): int(number) for current, number in found}
    return {"current": counts.get(True, 0), "closed": counts.get(False, 0)}


if __name__ == "__main__":
    here = Settings(Path(sys.argv[1]), Path(sys.argv[2]))
    the_feed = feed_named(sys.argv[3])
    seconds = step(here, the_feed, *sys.argv[4:])
    tell(seconds=sum(seconds.values()), steps=seconds, **versions(here, the_feed))
