"""The machine's time zone and clock must not matter: the same deliveries give the same tables everywhere, at any time."""

from __future__ import annotations

import datetime as clocks
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse, claim, csv_text, patient, provider
from claims_lakehouse_tests.oracle.generate import deliveries
from claims_lakehouse_tests.torture import states
from claims_lakehouse_tests.torture.tally import Tally

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago")

#: Moments at which a careless program does something else: before 1970, at a switch to daylight saving, at an edge.
CLOCKS = (
    "1969-12-31T23:59:59",
    "2024-03-10T06:59:59",
    "2024-11-03T05:30:00",
    "2024-02-29T23:59:59",
    "2099-12-31T23:59:59",
)

#: Days at switches, leap days, and the edges of what is accepted.
_DAYS = ("2024-03-10", "2024-11-03", "2024-03-31", "2024-02-29", "2000-02-29", "1900-01-01", "2023-12-31", "2024-01-01")
KEYS = (
    *("by-hand", "2024-03-10T0230", "2100-12-31", "2024-11-03T0130"),
    *("2024-03-10", "20240229", "2023-12-31T2359", "1900-01-01"),
)

#: When the file was modified whose key says nothing: within the hour that New York had twice.
MODIFIED = 1_730_611_800


def land(lakehouse: Lakehouse, seed: int, size: int = len(KEYS)) -> None:
    """Deliveries received at odd moments, about odd days, and a generated set."""
    for key in KEYS[:size]:
        files = {
            "patients": [
                patient(patient_id=f"{n}U", date_of_birth=day, last_modified_date=day) for n, day in enumerate(_DAYS)
            ],
            "providers": [provider(provider_id=f"N{n}", start_date=day) for n, day in enumerate(_DAYS)],
            "claims": [
                claim(claim_id=f"CF#{n}", date_of_service=day, claim_date="2100-12-31", last_modified_date=day)
                for n, day in enumerate((*_DAYS, "2100-12-31"))
            ],
        }
        for feed, rows in files.items():
            path = lakehouse.land(
                feed, key, csv_text([row | {"address": key} for row in rows]) if feed != "claims" else rows
            )
            os.utime(path, (MODIFIED, MODIFIED))
    for one in deliveries(seed, size):
        if one.key not in KEYS:
            lakehouse.land(one.feed, one.key, one.content)


def zones(
    folder: Path, seed: int, where: tuple[str, ...] = ZONES, when: tuple[str, ...] = CLOCKS, size: int = len(KEYS)
) -> Iterator[Tally]:
    """Ingest in every zone, and at every pretended time; one tally each."""
    landed = Lakehouse(folder / "landed")
    land(landed, seed, size)
    expected = _ingested(folder, landed, "here and now", {"TZ": "UTC"}, "")
    for zone in where:
        yield _compared(expected, _ingested(folder, landed, zone, {"TZ": zone}, ""), f"in {zone}")
    for moment, zone in zip(when, cycle(where), strict=False):
        found = _ingested(folder, landed, moment, {"TZ": zone}, moment)
        yield _compared(expected, found, f"at {moment} in {zone}")


def _compared(expected: Any, found: Any, how: str) -> Tally:
    wrong = [f"zones: {how}: {found}"] if isinstance(found, str) else []
    if not wrong and (told := states.difference(found, expected)):
        wrong = [f"zones: {how}: {told}"]
    return Tally(zones_tried=1, differences=wrong)


def _ingested(folder: Path, landed: Lakehouse, name: str, environment: dict[str, str], moment: str) -> Any:
    """What is published by a process of its own, or how it failed: a zone is read once, when libraries are loaded."""
    lakehouse = Lakehouse(folder / name.replace("/", " "))
    shutil.rmtree(lakehouse.settings.landing)
    shutil.copytree(landed.settings.landing, lakehouse.settings.landing)
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(lakehouse.settings.home.parent), moment],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr
    seen = states.published(lakehouse.settings)
    assert seen is not None
    return seen.state if not seen.broken else "; ".join(seen.broken)


def pretend(moment: str) -> None:
    """Have this process believe that it is that moment (UTC), going on from there."""
    began = time.time()
    start = clocks.datetime.fromisoformat(moment).replace(tzinfo=clocks.UTC).timestamp()
    now = time.time

    class Pretended(clocks.datetime):
        @classmethod
        def now(cls, tz: clocks.tzinfo | None = None) -> clocks.datetime:  # type: ignore[override]
            return clocks.datetime.fromtimestamp(start + now() - began, tz)

    time.time = lambda: start + now() - began
    time.time_ns = lambda: int((start + now() - began) * 1_000_000_000)
    for module in list(sys.modules.values()):
        if module.__name__.startswith("claims_lakehouse.") and getattr(module, "datetime", None) is clocks.datetime:
            module.datetime = Pretended  # type: ignore[attr-defined]


def _main(base: str, moment: str) -> None:
    lakehouse = Lakehouse(Path(base))
    if moment:
        pretend(moment)
    lakehouse.ingest()


if __name__ == "__main__":
    _main(*sys.argv[1:])
