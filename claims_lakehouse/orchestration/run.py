"""Run the assets from a command, in this process, recorded where the UI shows it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import dagster as dg

from claims_lakehouse.contracts import Feed
from claims_lakehouse.definitions import defs
from claims_lakehouse.orchestration.assets import published
from claims_lakehouse.orchestration.instance import lakehouse_instance
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.orchestration.stages import issues_key, raw_key, validated_key
from claims_lakehouse.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Outcome(NamedTuple):
    """How a run ended; `error` says why where it did not end well."""

    ok: bool
    run_id: str
    error: str | None = None


class Runner:
    """Runs the lakehouse's assets one after the other on one instance."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._job = defs.resolve_implicit_global_asset_job_def()

    def deliver(self, feed: Feed, delivery: str) -> Outcome:
        """Take one delivery from landing into history."""
        self._instance.add_dynamic_partitions(str(deliveries(feed).name), [delivery])
        keys = [raw_key(feed), validated_key(feed), issues_key(feed), feed.table]
        return self._run([dg.AssetKey(key) for key in keys], delivery)

    def publish(self) -> Outcome:
        """Publish what the warehouse holds."""
        return self._run([published.key], None)

    def _run(self, assets: list[dg.AssetKey], partition: str | None) -> Outcome:
        result = self._job.execute_in_process(
            instance=self._instance,
            partition_key=partition,
            asset_selection=assets,
            raise_on_error=False,
            run_config=_QUIET,
        )
        error = None
        if not result.success:
            error = next((_reason(event) for event in result.all_events if event.is_step_failure), "the run failed")
        return Outcome(result.success, result.run_id, error)


@contextmanager
def runner(settings: Settings) -> Iterator[Runner]:
    """A runner on the lakehouse's own instance, quiet on the terminal."""
    os.environ["CLAIMS_LANDING"], os.environ["CLAIMS_HOME"] = str(settings.landing), str(settings.home)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with lakehouse_instance(settings) as instance:
        yield Runner(instance)


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    cause = data.error
    while cause is not None and cause.cause is not None:
        cause = cause.cause
    return f"{cause.cls_name}: {cause.message.splitlines()[0][:300]}" if cause else "the run failed"
