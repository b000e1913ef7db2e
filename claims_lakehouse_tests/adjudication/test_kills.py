"""Killed wherever it is while it takes deliveries in, decides and publishes, a lakehouse is put right by the next run.

Of the 50 kills a test makes a few; all of them are made by `python -m claims_lakehouse_tests.adjudication.test_kills`.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest

from claims_lakehouse.adjudication import acts, stage
from claims_lakehouse.adjudication.settle import NOT_PAID
from claims_lakehouse.contracts import COVERAGES
from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import sweep
from claims_lakehouse.history.acts import retract
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.history.stage import look
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.adjudication.worlds import (
    ON_RECORD,
    Clock,
    Delivery,
    coverage,
    exclusion,
    fee,
    plan,
    receive_all,
    seen,
    settle,
    tables,
)
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.medical import line
from claims_lakehouse_tests.torture import children
from claims_lakehouse_tests.torture.children import Outcome, Trouble

SEED, KILLS, IN_A_TEST = 1, 50, 5
FIRST, SECOND, THIRD, LAST = "2024-02-01", "2024-02-05", "2024-02-10", "2024-02-15"
BASE = [
    Delivery("plans", FIRST, (plan(deductible="20.00"),)),
    Delivery("coverages", FIRST, (coverage(), coverage(patient_id="2000U"))),
    Delivery("coverages", SECOND, (coverage(patient_id="3000U"), coverage(covered_from="2024-01-09", plan_id="LEAD"))),
    Delivery("fee_schedules", FIRST, (fee(), fee(procedure_code="99214", allowed_amount="90.00"))),
    Delivery("medical_claims", FIRST, (line(), line(claim_id="C2", patient_id="2000U"))),
    Delivery("medical_claims", SECOND, (line(claim_id="C3", patient_id="3000U", procedure_code="97110"),)),
]  # fmt: skip
#: What lies in landing when the run begins: a limit, and a replacement; and what comes while it runs, a day late.
LANDED = [
    Delivery("exclusions", THIRD, (exclusion(kind="units_limit", most_units_a_day="1"),)),
    Delivery("medical_claims", LAST, (
        line(claim_id="C4", frequency_code="7", original_claim_id="C1", units="2", charge_amount="150.00"),
        line(claim_id="C5", patient_id="2000U", procedure_code="99214", provider_npi="1000000004"),
    )),
]  # fmt: skip
LATE = Delivery("fee_schedules", "2024-02-06", (fee(allowed_amount="70.00"),))
#: Lines that stand and have not one decision each, or whose parts do not add up to their charge.
_UNSOUND = f"""
SELECT 'undecided', count(*) FROM fact_medical_claim AS line
LEFT JOIN (SELECT patient_id, claim_id, line_number, count(*) AS n FROM internal.line_decision WHERE is_current GROUP BY ALL)
USING (patient_id, claim_id, line_number)
WHERE line.is_current AND n IS DISTINCT FROM 1
UNION ALL
SELECT 'unbalanced', count(*) FROM decision
LEFT JOIN (SELECT claim_id, line_number, sum(amount) AS taken FROM adjustment GROUP BY ALL) USING (claim_id, line_number)
WHERE charge IS DISTINCT FROM paid + coalesce(taken, 0)
UNION ALL
SELECT 'unbalanced in the log', count(*) FROM internal.line_decision
WHERE decision IS NOT NULL AND charge IS DISTINCT FROM paid + {" + ".join(NOT_PAID)}
"""


def work(base: Path) -> None:
    """Take in what is due, decide it day by day, publish; then a person speaks, more comes late, and some is retracted."""
    lakehouse = Lakehouse(base)
    _run(lakehouse)
    with patch.object(acts, "datetime", Clock), suppress(UsageError):  # it is on record already
        Clock.at = datetime.fromisoformat(f"{LAST}T09:00")
        acts.approve(lakehouse.settings, seen(lakehouse, "C3"), allowed=Decimal("50.00"), **ON_RECORD)
    lakehouse.land(*LATE)
    with suppress(UsageError):
        retract(lakehouse.settings, COVERAGES, SECOND, **ON_RECORD)
    _run(lakehouse)


def _run(lakehouse: Lakehouse) -> None:
    """A normal run: readers see nothing before it is decided."""
    sweep(lakehouse.settings.home)
    for one in look(lakehouse.settings).due:
        lakehouse.process(one.feed, one.delivery)
    for day in stage.days_due(lakehouse.settings)[-1:]:
        settle(lakehouse, day.isoformat())
    settle(lakehouse)
    publish(lakehouse.settings)


@dataclass
class Ground:
    """A base made ready, and what an undisturbed run makes of it: its tables, and the points that it reaches."""

    base: Path
    folder: Path
    expected: dict[str, list[tuple[Any, ...]]]
    points: tuple[str, ...]

    @classmethod
    def prepare(cls, folder: Path) -> Ground:
        lakehouse = Lakehouse(folder / "base").with_tables()
        receive_all(lakehouse, BASE)
        settle(lakehouse)
        publish(lakehouse.settings)
        for one in LANDED:
            lakehouse.land(*one)
        ground = cls(folder / "base", folder, {}, ())
        undisturbed = ground.copy("undisturbed")
        outcome = run(undisturbed)
        assert outcome.error is None, outcome.trace
        assert unsound(undisturbed.settings.published) == []
        ground.expected, ground.points = tables(undisturbed), outcome.points
        return ground

    def copy(self, name: str) -> Lakehouse:
        """The base, fresh, in a place of its own."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.copytree(self.base, self.folder / name, symlinks=True)
        return Lakehouse(self.folder / name)

    def places(self) -> list[int]:
        """The seeded points at which runs are killed, in order: two in five beside a commit, where most is at stake.

        Temporary tables are no durable step.
        """
        rng = random.Random(SEED)
        commits = [number for number, name in enumerate(self.points, 1) if name.endswith("duckdb COMMIT")]
        others = [number for number, name in enumerate(self.points, 1)
                  if not name.endswith(("duckdb COMMIT", "duckdb CREATE", "duckdb BEGIN"))]  # fmt: skip
        beside = KILLS * 2 // 5
        return sorted([*rng.sample(commits, beside), *rng.sample(others, KILLS - beside)])

    def survive(self, place: int) -> list[str]:
        """Kill a run at a point; what is wrong with what it left, and with what the next run made of that."""
        lakehouse = self.copy("killed")
        outcome = run(lakehouse, Trouble(at=place))
        told = f"killed at {place}, {outcome.point or self.points[place - 1]}"
        if outcome.error is not None or outcome.signal not in (signal.SIGKILL, None):  # None: it was done before that
            return [f"{told}: it failed instead of dying: {outcome.error_type} {outcome.error}\n{outcome.trace}"]
        wrong = [f"{told}: published: {one}" for one in unsound(lakehouse.settings.published)]
        wrong += [f"{told}: {one}" for one in forgotten(lakehouse)]
        outcome = run(lakehouse)
        if outcome.error is not None:
            return [*wrong, f"{told}: the next run failed: {outcome.error_type} {outcome.error}\n{outcome.trace}"]
        found = tables(lakehouse)
        wrong += [f"{told}: {name} differ: {found[name]}" for name in found if found[name] != self.expected[name]]
        return wrong + [f"{told}: in the end: {one}" for one in unsound(lakehouse.settings.published)]


def run(lakehouse: Lakehouse, trouble: Trouble = Trouble()) -> Outcome:  # noqa: B008 - frozen
    return children.run(partial(work, lakehouse.settings.home.parent), trouble)


def unsound(published: Path) -> list[str]:
    """Which laws readers see broken."""
    with duckdb.connect(str(published), read_only=True) as con:
        return [f"{count} lines are {what}" for what, count in con.execute(_UNSOUND).fetchall() if count]


def forgotten(lakehouse: Lakehouse) -> Iterator[str]:
    """What is due and nobody would notice. It is looked at in a copy: opening the warehouse mends it."""
    settings = lakehouse.settings
    with tempfile.TemporaryDirectory() as folder:
        for file in settings.home.glob(f"{settings.warehouse.name}*"):
            shutil.copyfile(file, Path(folder, file.name))
        with duckdb.connect(str(Path(folder, settings.warehouse.name))) as con:
            waiting = con.execute("SELECT 1 FROM internal.due UNION ALL SELECT 1 FROM internal.touched").fetchall()
            if waiting and not stage.is_behind(settings, read_changes(con)):
                yield f"{len(waiting)} rows are due, and nothing says so"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground.prepare(tmp_path_factory.mktemp("kills"))


def test_an_undisturbed_run_decides_what_it_is_to_decide(ground: Ground) -> None:
    reached = [point.removeprefix("before ") for point in ground.points if point.startswith("before ")]
    assert {"duckdb COMMIT", "duckdb INSERT", "duckdb DELETE", "os.replace", "copyfile", "os.write"} <= set(reached)
    happened = {(row[0], row[5]) for row in ground.expected["events"]}
    assert happened >= {
        ("C1", "replaced"),
        ("C4", "decided"),
        ("C3", "released"),
        ("C5", "decided"),
        ("C1", "reversed"),
    }


@pytest.mark.parametrize("number", range(IN_A_TEST))
def test_a_run_that_is_killed_is_put_right_by_the_next(ground: Ground, number: int) -> None:
    assert ground.survive(ground.places()[1 :: KILLS // IN_A_TEST][number]) == []


def main() -> int:
    """All kills, one by one; 1 where one was not survived."""
    with tempfile.TemporaryDirectory() as folder:
        Lakehouse.shared = Path(folder, "shared")
        Lakehouse.shared.mkdir()
        started, ground = time.monotonic(), Ground.prepare(Path(folder))
        print(f"{len(ground.points)} points, of which {KILLS} are tried")
        wrong = [one for place in ground.places() for one in ground.survive(place)]
        print(*wrong, f"{KILLS} kills in {time.monotonic() - started:.0f} s, {len(wrong)} differences", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
