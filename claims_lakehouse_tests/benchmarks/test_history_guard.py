"""History stays near its floor: a guard by ratio, in one process, by processor time and not by a clock's seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.floor import floor
from benchmarks.history_step import fresh, prepare, step
from benchmarks.quick import two_deliveries
from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.settings import Settings

RECORDS, ROUNDS = 300_000, 3
#: At this size the history step takes less than that times the floor's processor time; see docs/benchmarks.md.
BOUND = 4.0


def processor_seconds(work: Callable[[], object]) -> float:
    """Of every thread of this process: what other processes do meanwhile hardly shows."""
    began = time.process_time()
    work()
    return time.process_time() - began


def test_the_history_step_costs_no_more_than_a_few_times_the_floor(tmp_path: Path) -> None:
    landing, deliveries = two_deliveries(tmp_path, RECORDS)
    files = [str(landing / PATIENTS.name / f"{delivery}.parquet") for delivery in deliveries]
    prepared, here = Settings(landing, tmp_path / "prepared"), Settings(landing, tmp_path / "step")
    prepare(prepared, PATIENTS, *deliveries)
    ours, least = [], []
    for _ in range(ROUNDS):
        fresh(prepared.home, here.home)
        least.append(processor_seconds(lambda: floor(tmp_path / "floor.duckdb", files)))
        ours.append(processor_seconds(lambda: step(here, PATIENTS, *deliveries)))
    ratio = min(ours) / min(least)
    assert ratio < BOUND, f"history takes {ratio:.1f} times the floor"
    assert 3 * ratio > BOUND, f"history takes {ratio:.1f} times the floor: a bound of {BOUND} no longer guards it"
