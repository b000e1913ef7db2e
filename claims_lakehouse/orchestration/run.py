"""Run the assets from a command, in this process, recorded where the UI shows it."""

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple

import dagster as dg

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.definitions import defs
from claims_lakehouse.history.plan import Pending
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.orchestration.adjudication import adjudicate_config
from claims_lakehouse.orchestration.dead_runs import PROCESS_TAG, end_dead_runs, this_process
from claims_lakehouse.orchestration.event_log import kept_open
from claims_lakehouse.orchestration.instance import lakehouse_instance
from claims_lakehouse.orchestration.jobs import DELIVERY_TAG, FEED_TAG, catch_up_config
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.orchestration.payments import why_unpaid
from claims_lakehouse.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Outcome(NamedTuple):
    """How a delivery's run ended: `error` says why it failed, `held` why it waits for a person; else it stands."""

    error: str | None = None
    held: str | None = None


class _Failure(NamedTuple):
    """Why a run failed; of many deliveries, those that have a reason of their own, by feed and key."""

    told: str
    own: Mapping[str, str]

    def of(self, due: Pending) -> str | None:
        """Why the run failed for one delivery; None where it failed for others alone."""
        return self.own.get(f"{due.feed} {due.delivery}") if self.own else self.told


class Runner:
    """Runs the lakehouse's jobs one after the other on one instance."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self._settings, self._instance = settings, instance
        #: Why payments were not made by the last publication, or not all of them.
        self.unpaid: list[str] = []

    def deliver(self, due: Pending) -> Outcome:
        """Take one delivery from landing into history, in a run of its own."""
        self._instance.add_dynamic_partitions(str(deliveries(feed_named(due.feed)).name), [due.delivery])
        tags = {FEED_TAG: due.feed, DELIVERY_TAG: due.delivery}
        return self._outcome(due, self._why(f"ingest_{due.feed}", partition_key=due.delivery, tags=tags))

    def catch_up(self, due: Sequence[Pending]) -> list[Outcome]:
        """Take many deliveries up in one run."""
        failure = self._run("catch_up", run_config=catch_up_config(due) | _QUIET)
        return [self._outcome(one, failure.of(one) if failure else None) for one in due]

    def adjudicate(self, days: Collection[date] | None, *, again: bool) -> str | None:
        """Decide what is due, or some received days once more; why that failed, if it did."""
        return self._why("adjudicate", run_config=adjudicate_config(days, again=again) | _QUIET)

    def publish(self) -> str | None:
        """Decide what is due, and publish what the warehouse holds; why that failed, if it did."""
        return self._why("publish")

    def _why(self, job: str, **options: Any) -> str | None:
        """Run a job; why it failed, if it did."""
        failure = self._run(job, **options)
        return failure.told if failure else None

    def _run(self, job: str, **options: Any) -> _Failure | None:
        self.unpaid = []
        tags = {PROCESS_TAG: this_process()} | options.pop("tags", {})
        result = defs.resolve_job_def(job).execute_in_process(
            **({"run_config": _QUIET} | options), tags=tags, instance=self._instance, raise_on_error=False
        )
        self.unpaid = why_unpaid(result.all_events)
        if result.success:
            return None
        return next(
            (_failure(event) for event in result.all_events if event.is_step_failure), _Failure("the run failed", {})
        )

    def _outcome(self, due: Pending, error: str | None) -> Outcome:
        state = Journal(self._settings, due.feed, due.delivery).state()
        if state is not None and state.failure is not None:
            return Outcome(error=state.failure)
        if state is not None and state.is_held:
            return Outcome(held=state.holding)
        if state is None or state.content is None or (state.status == "applied" and not state.is_applied):
            return Outcome(error=error or "the run failed")
        return Outcome(error=error)


@contextmanager
def runner(settings: Settings) -> Iterator[Runner]:
    """A runner on the lakehouse's own instance, quiet on the terminal."""
    os.environ["CLAIMS_LANDING"], os.environ["CLAIMS_HOME"] = str(settings.landing), str(settings.home)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with lakehouse_instance(settings) as instance, kept_open(instance):
        end_dead_runs(instance)
        yield Runner(settings, instance)


def _failure(event: dg.DagsterEvent) -> _Failure:
    """Why a step failed, in the words that told_safely chose; any other error by its kind alone."""
    data = event.step_failure_data
    said = data.user_failure_data
    if said and said.description:
        return _Failure(str(said.description), {name: str(why.value) for name, why in said.metadata.items()})
    return _Failure(f"{data.error.cls_name if data.error else 'an error'} in {event.step_key}", {})
