"""The landing sensor's look at 20,000 deliveries that stand as they should.

python -m benchmarks.scale.tick LANDING HOME      (one process: a first look, then some more)
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.measure import measured, median, python, tell
from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.history.tick import decide, observe
from claims_lakehouse.landing.journal import Journal, JournalReader
from claims_lakehouse.landing.stage import fingerprints
from claims_lakehouse.settings import Settings

DELIVERIES, LOOKS = 20_000, 5
_LONG_AGO = 1_600_000_000


def run(base: Path, factor: float, say: Callable[[str], object]) -> dict[str, Any]:
    """Make deliveries that look as if they had been applied, and look at them."""
    count = max(len(FEEDS), round(DELIVERIES * factor))
    settings = Settings(base / "landing", base / "home")
    say(f"making {count:,} known deliveries")
    make(settings, count)
    say("looking")
    run = measured(
        python("benchmarks.scale.tick", settings.landing, settings.home),
        {"CLAIMS_LANDING": str(settings.landing), "CLAIMS_HOME": str(settings.home)},
    )
    rows = [(name, looks[0], median(looks[1:]), max(looks[1:])) for name, looks in run.told["looks"].items()]
    report.show(
        f"A tick with {count:,} known deliveries, none of them due",
        ("seconds", "first in its process", "later (median)", "later (worst)"),
        [*rows, ("peak MiB", round(run.peak), None, None)],
    )
    return {"deliveries": count, "run": run}


def make(settings: Settings, count: int) -> None:
    """Deliveries of one small file each, with the journal of one that was applied, and known fingerprints."""
    known = fingerprints(settings)
    for feed in FEEDS:
        folder = settings.landing / feed.name
        folder.mkdir(parents=True)
        header = ",".join(column.name for column in feed.columns) + "\n"
        model, journal = folder / "model.csv", Journal(settings, feed.name, "model")
        model.write_text(header)
        os.utime(model, (_LONG_AGO, _LONG_AGO))
        journal.receive("model", [model])
        content = known.of([model])
        journal.append("landed", fingerprint=content)
        journal.append("applied", fingerprint=content)
        for number in range(count // len(FEEDS)):
            file = folder / f"feed-{number:06}.csv"
            shutil.copy2(model, file)
            target = settings.delivery_folder(feed.name, file.stem)
            target.mkdir()
            shutil.copyfile(journal.path, target / journal.path.name)
        model.unlink()
        shutil.rmtree(journal.path.parent)


def _look(settings: Settings) -> dict[str, list[float]]:
    """Seconds of each look: at the domain alone, and through the whole sensor."""
    looks: dict[str, list[float]] = {"observe and decide": [], "the whole sensor": []}
    journals = JournalReader()
    waiting: dict[str, str] = {}
    for _ in range(1 + LOOKS):
        began = time.perf_counter()
        decision = decide(observe(settings, waiting, journals, 10**9), (), limit=500)
        looks["observe and decide"].append(time.perf_counter() - began)
        waiting = decision.waiting
    assert not decision.start, "nothing is due"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        looks["the whole sensor"] = _ticks(settings)
    return looks


def _ticks(settings: Settings) -> list[float]:
    import dagster as dg

    from claims_lakehouse.definitions import defs
    from claims_lakehouse.orchestration.instance import lakehouse_instance
    from claims_lakehouse.orchestration.resources import Lakehouse
    from claims_lakehouse.orchestration.sensors import landing_sensor

    repository, cursor, took = defs.get_repository_def(), None, []
    with lakehouse_instance(settings) as instance:
        for _ in range(1 + LOOKS):
            began = time.perf_counter()
            with dg.build_sensor_context(
                instance,
                cursor=cursor,
                repository_def=repository,
                sensor_name=landing_sensor.name,
                resources={"lakehouse": Lakehouse()},
            ) as context:
                result = landing_sensor(context)
            took.append(time.perf_counter() - began)
            assert isinstance(result, dg.SensorResult)
            assert not result.run_requests, "nothing is due"
            cursor = result.cursor
    return took


if __name__ == "__main__":
    tell(looks=_look(Settings(Path(sys.argv[1]), Path(sys.argv[2]))))
