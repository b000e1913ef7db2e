"""Thousands of small deliveries that wait at once: seconds each, and whether the last cost more than the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import report
from benchmarks.generate import Delivery, population, write
from benchmarks.measure import claims, measured
from claims_lakehouse.contracts import CLAIMS, PATIENTS, PROVIDERS

DELIVERIES, ROWS, PRIMED = 5_000, 200, 100_000
#: Those whose rows benchmarks.generate can make.
FEEDS = (PATIENTS, PROVIDERS, CLAIMS)
#: How many of the first and of the last are compared.
SOME = 100


def run(base: Path, factor: float, say: Callable[[str], object]) -> dict[str, Any]:
    """Prime, then have many updates of all feeds wait, and ingest them with one command."""
    landing, home = base / "landing", base / "home"
    ingest = claims("ingest", "--landing", landing, "--home", home)
    count = max(len(FEEDS), round(DELIVERIES * factor))
    primed = {feed.name: PRIMED if feed is CLAIMS else max(400, population(feed, PRIMED)) for feed in FEEDS}
    say("priming")
    for feed in FEEDS:
        write(Delivery(feed, primed[feed.name]), landing)
    measured(ingest)
    say(f"making {count:,} deliveries")
    for number in range(count):
        feed = FEEDS[number % len(FEEDS)]
        write(Delivery(feed, primed[feed.name], update=1 + number // len(FEEDS), rows=ROWS), landing)
    say(f"ingesting {count:,} deliveries")
    began = datetime.now(UTC).replace(tzinfo=None)
    run = measured(ingest)
    with duckdb.connect(str(home / "published" / "claims.duckdb"), read_only=True) as con:
        loaded = con.execute(
            "SELECT loaded_at FROM delivery WHERE loaded_at >= ? AND status = 'applied' ORDER BY ALL", [began]
        ).fetchall()
    moments = [(moment - began).total_seconds() for (moment,) in loaded]
    assert len(moments) == count, f"{len(moments)} of {count} deliveries were applied"
    some = min(SOME, max(1, count // 3))
    first, last = pace(moments, some)
    report.show(
        f"{count:,} deliveries of {ROWS} rows, all waiting at once",
        ("", "seconds"),
        [
            ("all, process start to published", run.seconds),
            ("each", f"{run.seconds / count:.4f}"),
            (f"each of the first {some}, after the first transaction", None if first is None else f"{first:.4f}"),
            (f"each of the last {some}", None if last is None else f"{last:.4f}"),
            ("peak MiB", round(run.peak)),
        ],
    )
    return {"deliveries": count, "rows": ROWS, "run": run, "first": first, "last": last, "some": some,
            "curve": moments[:: max(1, count // 500)]}  # fmt: skip


def pace(moments: Sequence[float], some: int) -> tuple[float | None, float | None]:
    """Seconds a delivery over at least the first and at least the last `some`, by when they were loaded, in order.

    Those that were loaded at the same moment shared a transaction, whose own cost only the moment before it tells:
    the first transaction tells nothing. None where there are too few.
    """
    loads = [(moment, len(list(group))) for moment, group in groupby(moments)]
    return _pace(loads[0][0], loads[1:], some), _pace_of_last(loads, some)


def _pace(start: float, loads: Sequence[tuple[float, int]], some: int) -> float | None:
    count = 0
    for moment, number in loads:
        count += number
        if count >= some:
            return (moment - start) / count
    return None


def _pace_of_last(loads: Sequence[tuple[float, int]], some: int) -> float | None:
    count = 0
    for (moment, _), (_, number) in zip(reversed(loads[:-1]), reversed(loads), strict=False):
        count += number
        if count >= some:
            return (loads[-1][0] - moment) / count
    return None
