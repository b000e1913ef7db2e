"""How long it takes to decide 1,000,000 lines of medical claims, and whether every one of them is accounted for.

The lines and all that they are decided by are those of the sample generator, defects and all. Each step is a process
of its own; the most memory that it took stands beside its seconds.

    python -m benchmarks.adjudication [--patients 41000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from claims_lakehouse.adjudication.settle import NOT_PAID
from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.history.stage import bring_up_to_date, take_up, verify
from claims_lakehouse.samples import write_deliveries
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import Settings

_FEEDS = tuple(feed for feed in FEEDS if feed.decides)
_STEPS = ("apply", "decide", "publish")


def main() -> None:
    """Measure, and print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=41_000, help="25 lines each, a few of which are kept out")
    parser.add_argument("--results", type=Path, default=Path("build/bench"))
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        _time(asked.step, asked.base)
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_deliveries(Path(folder, "landing"), patients=asked.patients, updates=0, feeds=_FEEDS)
        for step in _STEPS:
            command = [sys.executable, "-m", "benchmarks.adjudication", "--step", step, "--base", folder]
            found[step] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            one = found[step]
            print(f"{step:<8} {one['seconds']:6.2f} s  {one['peak_mb']:6,.0f} MB  {one['told']}")
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / "adjudication.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def _time(step: str, base: Path) -> None:
    settings = Settings(base / "landing", base / "home")
    started, told = time.perf_counter(), ""
    if step == "apply":
        for feed in _FEEDS:
            take_up(settings, feed, "priming")
            verify(settings, feed, "priming")
            bring_up_to_date(settings, feed, "priming")
    elif step == "decide":
        adjudicate(settings)
    else:
        publish(settings)
    seconds = time.perf_counter() - started
    if step == "publish":
        told = _law(settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": seconds, "peak_mb": peak, "told": told}, sys.stdout)


def _law(settings: Settings) -> str:
    """What was decided, and how many lines are not accounted for to the cent, by the views that readers have."""
    with duckdb.connect(str(settings.published), read_only=True) as con:
        [(lines, charge)] = con.execute("SELECT count(*), sum(charge) FROM decision").fetchall()
        [(broken,)] = con.execute(
            """
            SELECT count(*) FROM decision
            LEFT JOIN (SELECT claim_id, line_number, sum(amount) AS adjusted FROM adjustment GROUP BY ALL)
            USING (claim_id, line_number)
            WHERE charge IS DISTINCT FROM paid + coalesce(adjusted, 0)
            """
        ).fetchall()
        [(stored,)] = con.execute(
            f"SELECT count(*) FROM internal.line_decision WHERE charge <> paid + {' + '.join(NOT_PAID)}"
        ).fetchall()
    return f"{lines:,} lines decided, {charge:,} charged, {broken + stored:,} not accounted for"


if __name__ == "__main__":
    main()
