"""What starts runs by itself: a file lands, history changes, a run fails. Thin: history.tick decides."""

import json
import logging
import time
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import dagster as dg

from claims_lakehouse.adjudication.stage import claims_look
from claims_lakehouse.contracts import FEEDS, feed_named
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history.plan import DeliveryName
from claims_lakehouse.history.tick import Start, decide, observe
from claims_lakehouse.landing.decisions import NONE_DECIDED, decisions_look
from claims_lakehouse.landing.journal import JournalReader
from claims_lakehouse.orchestration.adjudication import DECISIONS
from claims_lakehouse.orchestration.assets import LANDING_FOLDER
from claims_lakehouse.orchestration.dead_runs import end_dead_runs
from claims_lakehouse.orchestration.jobs import (
    DELIVERY_TAG,
    FEED_TAG,
    catch_up,
    catch_up_config,
    deliveries_in,
    ingest_jobs,
    publish_job,
)
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.orchestration.resources import Lakehouse
from claims_lakehouse.orchestration.stages import issues_key
from claims_lakehouse.payments.stage import payments_look
from claims_lakehouse.settings import Settings, alert_webhook, catch_up_from

_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
#: How many deliveries one tick reads at most, and one catch-up run takes.
BATCH = 500
#: How many seconds readers may wait for what was applied, while more keeps coming.
PATIENCE = 120.0
_journals = JournalReader()


@dg.sensor(
    jobs=[*ingest_jobs, catch_up],
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each new or changed delivery; many at once share a catch-up run.",
)
def landing_sensor(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Look at the landing folder."""
    settings = lakehouse.settings()
    remembered: dict[str, Any] = json.loads(context.cursor or "{}")
    try:
        observation = observe(settings, remembered.get("waiting", {}), _journals, BATCH)
    except UsageError as error:
        return dg.SensorResult(skip_reason=str(error))
    end_dead_runs(context.instance)
    in_flight, catching_up = _in_flight(context.instance)
    decision = decide(observation, in_flight, limit=BATCH)
    misplaced = sha256("\n".join(observation.unplaceable).encode()).hexdigest()[:16]
    events = [_misplaced(observation.unplaceable)] if misplaced != remembered.get("misplaced", _NONE_MISPLACED) else []
    many = len(decision.start) >= catch_up_from()
    start = [] if many and catching_up else decision.start
    cursor = json.dumps({"waiting": decision.waiting, "misplaced": misplaced})
    told = f"{len(decision.waiting)} deliveries wait until they lie still, {len(in_flight)} are in hand."
    if events:
        told += " No delivery: " + " ".join(observation.unplaceable[:5])
        context.log.warning(told)
    return dg.SensorResult(
        run_requests=_requests(context.instance, start, many=many),
        dynamic_partitions_requests=_new_partitions(start),
        asset_events=events,
        cursor=cursor,
        skip_reason=None if start else told,
    )


@dg.sensor(
    job=publish_job,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Publishes once a burst of deliveries is applied; never later than two minutes into a burst.",
)
def publication_sensor(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Look for history that was applied, and issues that were decided about, since publication was last asked for.

    The cursor is the newest materialization that was seen when publication was asked for last: one that comes while
    a publication runs is newer, and asks for another.
    """
    remembered: dict[str, Any] = json.loads(context.cursor or "{}")
    newest, stopped = _newest(context.instance), _stopped(context.instance)
    settings = lakehouse.settings()
    decided = _decided(settings)
    failed = _failed_publication(context.instance)
    is_missing = newest > 0 and not settings.published.exists()
    is_same = newest <= remembered.get("published", 0) and (stopped, decided) == (
        remembered.get("stopped", _NONE_STOPPED), remembered.get("decided", NONE_DECIDED)
    )  # fmt: skip
    if is_same and not is_missing and not failed:
        return dg.SensorResult(skip_reason="Nothing changed since the last publication.", cursor=context.cursor)
    since = remembered.get("since") or time.time()
    in_flight, _ = _in_flight(context.instance)
    if in_flight and time.time() - since < PATIENCE:
        return dg.SensorResult(
            skip_reason=f"{len(in_flight)} deliveries are still in hand.",
            cursor=json.dumps(remembered | {"since": since}),
        )
    again = f"/after/{failed}" if failed else f"/missing/{int(time.time() // PATIENCE)}" if is_missing else ""
    request = dg.RunRequest(run_key=f"publish/{newest}/{stopped}/{decided}{again}")
    asked = {"published": newest, "stopped": stopped, "decided": decided}
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(asked))


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes one structured log line for each failed run, and calls CLAIMS_ALERT_WEBHOOK if it is set.",
)
def alert_sensor(context: dg.RunFailureSensorContext) -> None:
    """Tell of a failed run: which, of what; no text of an error, for that may say more than it should."""
    run = context.dagster_run
    alert = {
        "event": "run_failed",
        "run_id": run.run_id,
        "job": run.job_name,
        "feed": run.tags.get(FEED_TAG),
        "delivery": run.tags.get(DELIVERY_TAG) or run.tags.get("dagster/partition"),
        "steps": sorted(event.step_key for event in context.get_step_failure_events() if event.step_key),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    logging.getLogger("claims_lakehouse.alerts").error(json.dumps(alert, sort_keys=True))
    webhook = alert_webhook()
    if webhook:
        request = urllib.request.Request(webhook, json.dumps(alert).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10):
            pass


def _decided(settings: Settings) -> str:
    """What changes when people decide about issues or claims, adopt a rule set, or say who pays."""
    looks = (decisions_look(settings), claims_look(settings), payments_look(settings))
    return ".".join(looks).rstrip(".")


def _newest(instance: dg.DagsterInstance) -> int:
    """The newest materialization after which readers may see something new: of history, held at its checks, decided.

    What a publication decided itself, readers see by that.
    """
    keys = [dg.AssetKey(name) for feed in FEEDS for name in (feed.table, issues_key(feed))]
    records = instance.get_asset_records(keys)
    newest = max((record.asset_entry.last_materialization_storage_id or 0 for record in records), default=0)
    for record in instance.get_asset_records([DECISIONS]):
        last = record.asset_entry.last_materialization_record
        run = instance.get_run_by_id(last.run_id) if last else None
        if last and not (run and run.job_name == publish_job.name):
            newest = max(newest, last.storage_id)
    return newest


def _stopped(instance: dg.DagsterInstance) -> str:
    """Which runs failed last: the ledger says why, and readers are to know."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=20)
    return sha256(",".join(run.run_id for run in runs if run.job_name != publish_job.name).encode()).hexdigest()[:12]


_NONE_STOPPED = sha256(b"").hexdigest()[:12]


def _failed_publication(instance: dg.DagsterInstance) -> str | None:
    """The last publication's run, if it failed; after three failures in a row the next change is waited for."""
    runs = instance.get_runs(filters=dg.RunsFilter(job_name=publish_job.name), limit=3)
    if not runs or runs[0].status is not dg.DagsterRunStatus.FAILURE:
        return None
    return None if len(runs) == 3 and all(run.status is dg.DagsterRunStatus.FAILURE for run in runs) else runs[0].run_id


_NONE_MISPLACED = sha256(b"").hexdigest()[:16]


def _misplaced(files: tuple[str, ...]) -> dg.AssetObservation:
    """That some files belong to no delivery; by name, place and expectation."""
    told = "\n".join(f"- {file}" for file in files[:50]) or "every file has its place"
    return dg.AssetObservation(
        LANDING_FOLDER, metadata={"failed": bool(files), "files": len(files), "found": dg.MetadataValue.md(told)}
    )


def _requests(instance: dg.DagsterInstance, start: list[Start], *, many: bool) -> list[dg.RunRequest]:
    if many and start:
        key = sha256("\n".join(one.run_key for one in start).encode()).hexdigest()[:32]
        return [dg.RunRequest(run_key=f"catch-up/{key}", job_name=catch_up.name, run_config=catch_up_config(start))]
    return [
        dg.RunRequest(
            run_key=one.run_key + _after_failure(instance, one),
            job_name=f"ingest_{one.feed}",
            partition_key=one.delivery,
            tags={FEED_TAG: one.feed, DELIVERY_TAG: one.delivery},
        )
        for one in start
    ]


def _after_failure(instance: dg.DagsterInstance, one: Start) -> str:
    """What tells a start apart from one whose run died before it could write anything down; at most three times."""
    tags = {FEED_TAG: one.feed, DELIVERY_TAG: one.delivery}
    died = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    runs = instance.get_runs(filters=dg.RunsFilter(tags=tags, statuses=died), limit=4)
    return f"/after/{runs[0].run_id}" if 0 < len(runs) < 4 else ""


def _new_partitions(start: Iterable[Start]) -> list[dg.AddDynamicPartitionsRequest]:
    keys: dict[str, list[str]] = {}
    for one in start:
        keys.setdefault(one.feed, []).append(one.delivery)
    return [deliveries(feed_named(feed)).build_add_request(new) for feed, new in keys.items()]


def _in_flight(instance: dg.DagsterInstance) -> tuple[set[DeliveryName], bool]:
    """The deliveries that queued or running runs have in hand, and whether one of them is a catch-up."""
    found: set[DeliveryName] = set()
    catching_up = False
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_ACTIVE)):
        if run.job_name == catch_up.name:
            catching_up = True
            found.update(deliveries_in(run.run_config))
        elif FEED_TAG in run.tags:
            found.add((run.tags[FEED_TAG], run.tags.get(DELIVERY_TAG, "")))
    return found, catching_up
