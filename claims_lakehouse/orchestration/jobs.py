"""Jobs: one that ingests a delivery for each feed, one that catches up on many, publication, and people's acts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import dagster as dg

from claims_lakehouse.contracts import FEEDS, Feed, feed_named
from claims_lakehouse.errors import AuditFailed, DeliveryError
from claims_lakehouse.history import acts
from claims_lakehouse.history.plan import Pending
from claims_lakehouse.history.tick import Start
from claims_lakehouse.landing.stage import Landing
from claims_lakehouse.orchestration import stages
from claims_lakehouse.orchestration.assets import deidentified, published
from claims_lakehouse.orchestration.checks import invariants_failed
from claims_lakehouse.orchestration.event_log import kept_open
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.orchestration.resources import WAREHOUSE_POOL, Lakehouse
from claims_lakehouse.orchestration.stages import Report, issues_key, raw_key, told_safely, validated_key
from claims_lakehouse.settings import Settings

#: How many deliveries of a catch-up run go through a stage before the next stage takes them all.
TOGETHER = 100
FEED_TAG, DELIVERY_TAG = "claims/feed", "claims/delivery"


def ingest_job(feed: Feed) -> Any:
    """The job that takes one delivery of a feed from landing into history."""
    return dg.define_asset_job(
        f"ingest_{feed.name}",
        selection=[raw_key(feed), validated_key(feed), issues_key(feed), feed.table],
        tags={FEED_TAG: feed.name},
        description=f"Take one delivery of {feed.name} from landing into history.",
    )


ingest_jobs = [ingest_job(feed) for feed in FEEDS]
publish_job = dg.define_asset_job(
    "publish", selection=[published.key, deidentified.key], description="Publish what history holds."
)


class Delivery(dg.Config):
    """One delivery, by feed and key."""

    feed: str
    delivery: str


class Deliveries(dg.Config):
    """Deliveries to take up one after the other."""

    deliveries: list[Delivery]


class Act(dg.Config):
    """A decision about a delivery: its feed and key, and why."""

    feed: str
    delivery: str
    because: str
    who: str = "the Dagster UI"


def catch_up_config(start: Iterable[Start | Pending]) -> dict[str, Any]:
    """The configuration of a catch-up run."""
    named = [{"feed": one.feed, "delivery": one.delivery} for one in start]
    return {"ops": {"take_deliveries": {"config": {"deliveries": named}}}}


def deliveries_in(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The deliveries that such a configuration names."""
    return [(one["feed"], one["delivery"]) for one in config["ops"]["take_deliveries"]["config"]["deliveries"]]


@dg.op(name="take_deliveries")
def catch_up_op(context: dg.OpExecutionContext, config: Deliveries, lakehouse: Lakehouse) -> None:
    """Take many deliveries up in one run; each materialization and check stands on its own partition.

    Those of a feed share the opening of the warehouse, and as far as they are small its transactions. One that fails
    or is held does not keep the others; the run fails at the end where one failed.
    """
    settings = lakehouse.settings()
    failed: dict[str, str] = {}
    for feed in FEEDS:
        keys = [one.delivery for one in config.deliveries if one.feed == feed.name]
        if keys:
            context.instance.add_dynamic_partitions(str(deliveries(feed).name), keys)
    with kept_open(context.instance, context.run_id):
        for start in range(0, len(config.deliveries), TOGETHER):
            some = config.deliveries[start : start + TOGETHER]
            failed |= _take(context, settings, [(feed_named(one.feed), one.delivery) for one in some])
            context.log.info(f"{start + len(some)} of {len(config.deliveries)} deliveries done")
    if failed:
        told = "; ".join(f"{name}: {why}" for name, why in islice(failed.items(), 10))
        raise dg.Failure(
            f"{len(failed)} of {len(config.deliveries)} deliveries failed: {told}",
            metadata={name: dg.MetadataValue.text(why) for name, why in failed.items()},
            allow_retries=False,
        )


@dg.job(
    name="catch_up",
    description="Take many deliveries up in one run, each on its own partition.",
)
def catch_up() -> None:
    """Take many deliveries up in one run."""
    catch_up_op()


def _take(context: dg.OpExecutionContext, settings: Settings, some: Sequence[tuple[Feed, str]]) -> dict[str, str]:
    """Take some deliveries up, stage by stage; returns which failed, and why."""
    failed: dict[str, str] = {}

    @contextmanager
    def noting(feed: Feed, names: Sequence[str]) -> Iterator[None]:
        try:
            with told_safely(attempt=3):
                yield
        except dg.Failure as failure:
            for name in names:
                failed[f"{feed.name} {name}"] = str(failure.description)
                context.log.error(f"{feed.name} {name}: {failure.description}")  # noqa: TRY400 - a traceback may quote data

    with told_safely(attempt=3):
        landing = Landing(settings)
    going_on: dict[Feed, list[str]] = {}
    for feed, delivery in some:
        with noting(feed, [delivery]):
            reports = stages.land(settings, feed, delivery, context.run_id, landing)
            _log(context, reports, delivery)
            reports = stages.validate(settings, feed, delivery, context.run_id)
            _log(context, reports, delivery)
            if not any(_blocks(check) for report in reports for check in report.checks):
                going_on.setdefault(feed, []).append(delivery)
    landing.fingerprints.save()
    for feed, names in going_on.items():
        with noting(feed, names):
            outcomes = stages.apply_all(settings, feed, names, context.run_id)
            for delivery, outcome in outcomes.items():
                with noting(feed, [delivery]):
                    if isinstance(outcome, AuditFailed):
                        context.log_event(invariants_failed(feed, delivery, str(outcome)))  # type: ignore[arg-type]
                    if isinstance(outcome, DeliveryError):
                        raise outcome
                    _log(context, [outcome], delivery)
    return failed


def _blocks(check: dg.AssetCheckResult) -> bool:
    return not check.passed and check.severity is dg.AssetCheckSeverity.ERROR


def _log(context: dg.OpExecutionContext, reports: Iterable[Report], delivery: str) -> None:
    for report in reports:
        _log_report(context, report, delivery)


def _log_report(context: dg.OpExecutionContext, report: Report, delivery: str) -> None:
    tags = {"dagster/data_version": report.version} if report.version else None
    context.log_event(
        dg.AssetMaterialization(dg.AssetKey(report.asset), metadata=report.metadata, partition=delivery, tags=tags)
    )
    for check in report.checks:
        context.log_event(
            dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                asset_key=dg.AssetKey(report.asset),
                check_name=str(check.check_name),
                passed=check.passed,
                metadata=check.metadata,
                severity=check.severity,
                description=check.description,
                blocking=check.severity is dg.AssetCheckSeverity.ERROR,
                partition=delivery,
            )
        )


def _act_job(act: Callable[..., None], told: str) -> Any:
    @dg.op(name=f"{act.__name__}_delivery", description=told, pool=WAREHOUSE_POOL)
    def act_op(context: dg.OpExecutionContext, config: Act, lakehouse: Lakehouse) -> None:
        settings = lakehouse.settings()
        with told_safely(context.retry_number):
            feed = feed_named(config.feed)
            if context.retry_number == 0:  # what was decided is on record: only its being felt is tried again
                act(settings, feed, config.delivery, because=config.because, who=config.who)
            try:
                _log(context, stages.apply(settings, feed, config.delivery, context.run_id), config.delivery)
            except AuditFailed as error:
                context.log_event(invariants_failed(feed, config.delivery, str(error)))  # type: ignore[arg-type]
                raise

    @dg.job(name=act.__name__, description=told)
    def act_job() -> None:
        act_op()

    return act_job


release_job = _act_job(acts.release, "Let a held delivery go on, and say why.")
retract_job = _act_job(acts.retract, "Take a delivery out of the tables, as if it had never come, and say why.")
reinstate_job = _act_job(acts.reinstate, "Undo a retraction, and say why.")
