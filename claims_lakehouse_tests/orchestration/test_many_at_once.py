"""Many deliveries in several processes at once, on one lakehouse: all end applied, and none meets a lock."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from claims_lakehouse.history.plan import Pending
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import Lakehouse, patient

#: Deliveries that each catch-up run takes: 95, and those alone, make it the 200 of the issue.
SIZE = int(os.environ.get("CLAIMS_TEST_AT_ONCE", "95"))
ALONE = SIZE // 9
Outcomes = list[tuple[str | None, str | None]]


def take(landing: str, home: str, keys: list[str], together: bool) -> Outcomes:
    """What one process does: its deliveries in one catch-up run, or each in a run of its own, and publish."""
    from claims_lakehouse.orchestration.run import runner

    due = [Pending("patients", key, "new") for key in keys]
    with runner(Settings(Path(landing), Path(home))) as run:
        outcomes = run.catch_up(due) if together else [run.deliver(one) for one in due]
        error = run.publish()
    return [*(tuple(outcome) for outcome in outcomes), (error, None)]  # type: ignore[misc]


@pytest.fixture
def instance(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance that the processes share, made before they start."""
    from claims_lakehouse.orchestration.instance import lakehouse_instance

    monkeypatch.setenv("DAGSTER_HOME", "")
    with lakehouse_instance(lakehouse.settings) as found:
        yield found


def test_many_deliveries_in_several_processes_at_once_all_end_applied_without_a_lock_error(
    lakehouse: Lakehouse, instance: dg.DagsterInstance
) -> None:
    keys = [f"d{number:03}" for number in range(2 * SIZE + ALONE)]
    for number, key in enumerate(keys):
        # Each speaks of one person of its own, and of one whom all speak of.
        city = patient(patient_id="all", city=f"City {number}", last_modified_date=f"1-{number % 28 + 1}-2019")
        lakehouse.land("patients", key, [patient(patient_id=f"{key}U"), city])
    shares = [(keys[:SIZE], True), (keys[SIZE : 2 * SIZE], True), (keys[2 * SIZE :], False)]
    where = (str(lakehouse.settings.landing), str(lakehouse.settings.home))
    with ProcessPoolExecutor(len(shares), mp_context=multiprocessing.get_context("spawn")) as processes:
        work = [processes.submit(take, *where, *share) for share in shares]
        outcomes = [outcome for one in work for outcome in one.result(timeout=600)]
    assert set(outcomes) == {(None, None)}
    runs = instance.get_runs()
    assert len(runs) == 2 + ALONE + len(shares)
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    retried = [
        entry.user_message
        for run in runs
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    ]
    assert retried == []
    assert lakehouse.rows("SELECT status, count(*) FROM delivery GROUP BY ALL") == [("applied", len(keys))]
    assert lakehouse.rows("SELECT count(*) FROM patient") == [(len(keys) + 1,)]
    assert lakehouse.rows("SELECT count(*), max(version) FROM dim_patient WHERE patient_id = 'all'") == [
        (len(keys), len(keys))
    ]
