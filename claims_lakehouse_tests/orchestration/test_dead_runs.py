"""A command that was killed leaves neither a run that never ends nor a pool slot that nobody can have."""

from __future__ import annotations

import dagster as dg
import pytest

from claims_lakehouse.orchestration.assets import WAREHOUSE_POOL
from claims_lakehouse.orchestration.dead_runs import PROCESS_TAG, end_dead_runs, this_process
from claims_lakehouse.orchestration.instance import lakehouse_instance
from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.end_to_end.test_command import claims


def claimed(instance: dg.DagsterInstance, process: str | None) -> str:
    """A run that holds the warehouse's slot, started by that process."""
    run = dg.DagsterRun("ingest_patients", tags={PROCESS_TAG: process} if process else {})
    instance.add_run(run)
    instance.report_engine_event("started", run)
    instance.handle_run_event(run.run_id, dg.DagsterEvent("PIPELINE_START", run.job_name))
    instance.event_log_storage.initialize_concurrency_limit_to_default(WAREHOUSE_POOL)
    claim = instance.event_log_storage.claim_concurrency_slot(WAREHOUSE_POOL, run.run_id, "dim_patient")
    assert claim.is_claimed
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.parametrize("process", ["999999999/1", f"{this_process().split('/')[0]}/1"], ids=["gone", "another's pid"])
def test_a_dead_commands_run_ends_and_its_slot_is_free_for_the_next(lakehouse: Lakehouse, process: str) -> None:
    lakehouse.land("patients", "priming", [patient()])
    with lakehouse_instance(lakehouse.settings) as instance:
        run_id = claimed(instance, process)
    said = claims("ingest", home=lakehouse.settings.home, landing=lakehouse.settings.landing)
    assert said.status == 0, said.err
    assert lakehouse.rows("SELECT status FROM delivery") == [("applied",)]
    with lakehouse_instance(lakehouse.settings) as instance:
        assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("process", [this_process(), None], ids=["alive", "the daemon's to watch"])
def test_a_run_that_may_live_keeps_its_slot(lakehouse: Lakehouse, process: str | None) -> None:
    with lakehouse_instance(lakehouse.settings) as instance:
        run_id = claimed(instance, process)
        end_dead_runs(instance)
        assert status(instance, run_id) is dg.DagsterRunStatus.STARTED
        assert instance.event_log_storage.get_concurrency_run_ids() == {run_id}
