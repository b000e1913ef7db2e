"""Where the time of a lakehouse's runs went, as Dagster recorded it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One step of a run: its name, the delivery that it was for, and its seconds."""

    name: str
    delivery: str
    seconds: float


def steps(home: Path) -> list[Step]:
    """Every step of every run below a home, in order."""
    import dagster as dg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        instance = dg.DagsterInstance.from_config(str(home / "dagster"))
    found: list[tuple[float, Step]] = []
    with instance:
        for run in instance.get_runs():
            key = run.tags.get("dagster/partition", "")
            for step in instance.get_run_step_stats(run.run_id):
                began, ended = step.start_time or 0.0, step.end_time or 0.0
                found.append((began, Step(step.step_key, key, ended - began)))
    return [step for _, step in sorted(found, key=lambda one: one[0])]
