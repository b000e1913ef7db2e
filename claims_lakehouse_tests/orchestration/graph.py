"""The Dagster graph as tests drive it: run a job or some assets, then ask what the event log holds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import dagster as dg

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.definitions import defs
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import Lakehouse

with warnings.catch_warnings():
    # As definitions.py has it, whose filter pytest takes back: partitioned checks are a preview in this version.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    warnings.simplefilter("ignore", dg.BetaWarning)
    CODE_LOCATION = defs.get_repository_def()
    EVERYTHING = defs.resolve_implicit_global_asset_job_def()


class Check(NamedTuple):
    """The last word of a check on one partition."""

    passed: bool
    blocking: bool
    severity: str
    description: str
    metadata: dict[str, Any]


class Graph:
    """The project's definitions on one lakehouse and one instance."""

    def __init__(self, lakehouse: Lakehouse, instance: dg.DagsterInstance) -> None:
        self.lakehouse, self.instance = lakehouse, instance

    @property
    def settings(self) -> Settings:
        return self.lakehouse.settings

    def know(self, feed: str, *keys: str) -> None:
        """Make deliveries known as partitions, as the sensor does."""
        self.instance.add_dynamic_partitions(str(deliveries(feed_named(feed)).name), list(keys))

    def deliver(self, feed: str, delivery: str, **tags: str) -> dg.ExecuteInProcessResult:
        """Take one delivery through its feed's job."""
        self.know(feed, delivery)
        return self.run(f"ingest_{feed}", partition_key=delivery, tags=tags)

    def materialize(self, asset: str, feed: str, delivery: str) -> dg.ExecuteInProcessResult:
        """Materialize one asset alone, as its button does."""
        return self.run_assets([asset], feed, delivery)

    def run_assets(self, assets: Sequence[str], feed: str, delivery: str) -> dg.ExecuteInProcessResult:
        """Materialize some assets of one delivery."""
        self.know(feed, delivery)
        return EVERYTHING.execute_in_process(
            instance=self.instance,
            partition_key=delivery,
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            raise_on_error=False,
            run_config=QUIET,
        )

    def run(self, job: str, config: dict[str, Any] | None = None, **options: Any) -> dg.ExecuteInProcessResult:
        return CODE_LOCATION.get_job(job).execute_in_process(
            instance=self.instance, raise_on_error=False, run_config=(config or {}) | QUIET, **options
        )

    def catch_up(self, *names: tuple[str, str]) -> dg.ExecuteInProcessResult:
        wanted = [{"feed": feed, "delivery": delivery} for feed, delivery in names]
        return self.run("catch_up", {"ops": {"take_deliveries": {"config": {"deliveries": wanted}}}})

    def act(self, name: str, feed: str, delivery: str, because: str = "why") -> dg.ExecuteInProcessResult:
        config = {"feed": feed, "delivery": delivery, "because": because}
        return self.run(name, {"ops": {f"{name}_delivery": {"config": config}}})

    def materialized(self, asset: str) -> list[str]:
        """The partitions that were materialized, in the order in which they first were."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000, ascending=True).records
        return list(dict.fromkeys(str(record.partition_key) for record in records))

    def metadata(self, asset: str, delivery: str) -> dict[str, Any]:
        """What the last materialization of a partition tells."""
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[delivery])
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        assert record.asset_materialization is not None
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}

    def checks(self, asset: str, delivery: str) -> dict[str, Check]:
        """What the checks of an asset said last of one delivery."""
        found: dict[str, Check] = {}
        for event in self.events([dg.DagsterEventType.ASSET_CHECK_EVALUATION]):
            said = event.asset_check_evaluation_data if event else None
            if said and said.asset_key == dg.AssetKey(asset) and said.partition == delivery:
                metadata = {name: value.value for name, value in said.metadata.items()}
                found[said.check_name] = Check(
                    said.passed, bool(said.blocking), said.severity.value, said.description or "", metadata
                )
        return found

    def events(self, of_type: Sequence[dg.DagsterEventType] | None = None) -> list[dg.DagsterEvent]:
        """Every event of every run, in order."""
        runs = reversed(self.instance.get_runs())
        logged = [entry for run in runs for entry in self.instance.all_logs(run.run_id)]
        events = [entry.dagster_event for entry in logged if entry.dagster_event]
        return [event for event in events if of_type is None or event.event_type in of_type]

    def told(self) -> str:
        """Everything that the event log holds, as text."""
        logged = [entry for run in self.instance.get_runs() for entry in self.instance.all_logs(run.run_id)]
        return "\n".join(dg.serialize_value(entry) for entry in logged)


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
