"""Decisions as an asset, one partition a received day: a day can be made at any time, again, and in any order."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import dagster as dg

from claims_lakehouse.adjudication.stage import adjudicate, summaries
from claims_lakehouse.adjudication.summary import DaySummary
from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.errors import DecisionsUnsound
from claims_lakehouse.orchestration.metadata import counts_table, table
from claims_lakehouse.orchestration.resources import OWNERS, WAREHOUSE_POOL, Lakehouse
from claims_lakehouse.orchestration.stages import told_safely
from claims_lakehouse.settings import Settings

DECISIONS = dg.AssetKey("decisions")
#: The days on which deliveries were received, or people decided: `YYYY-MM-DD`, the priming's being 1900-01-01.
received_days = dg.DynamicPartitionsDefinition(name="received_days")
_BALANCED, _COMPLETE = "charge_is_accounted_for", "every_line_is_decided"
_CHECKS = {
    _BALANCED: "To the cent, of each delivery: charge = paid + adjustments.",
    _COMPLETE: "Every line that was received that day and stands has exactly one decision, or was taken back.",
}


@dg.asset(
    key=DECISIONS,
    partitions_def=received_days,
    deps=[feed.table for feed in FEEDS if feed.decides],
    group_name="adjudication",
    kinds={"duckdb"},
    owners=OWNERS,
    tags={"stage": "adjudication"},
    code_version="1",
    pool=WAREHOUSE_POOL,
    check_specs=[
        dg.AssetCheckSpec(name, asset=DECISIONS, description=text, blocking=True, partitions_def=received_days)
        for name, text in _CHECKS.items()
    ],
    description="What is decided of every line of every claim: approved, partial, denied or pending, to the cent. A "
    "partition is what one received day changed. Publication settles what is due by itself.",
)
def decisions(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Settle one received day, whole."""
    settings, day = lakehouse.settings(), date.fromisoformat(context.partition_key)
    with told_safely(context.retry_number):
        try:
            adjudicate(settings, [day], again=True, run_id=context.run.run_id)
        except DecisionsUnsound as error:
            context.log_event(_unsound(day, str(error)))
            raise
        [summary] = summaries(settings, [day])
    return dg.MaterializeResult(metadata=_metadata(summary), check_results=_checks(summary))


def settle(context: Any, settings: Settings, days: Sequence[date] | None = None, *, again: bool = False) -> list[date]:
    """Settle what is due, in a run that is not a partition's own; each day's materialization stands on its partition.

    Returns the days on which something changed, or that were asked for.
    """
    try:
        settled = adjudicate(
            settings, days, again=again, run_id=context.run.run_id,
            progress=lambda done, of: context.log.info(f"{done:,} of {of:,} received days of patients decided"),
        )  # fmt: skip
    except DecisionsUnsound as error:
        context.log_event(_unsound(days[0] if days else date(1900, 1, 1), str(error)))
        raise
    changed = sorted({*settled, *(days or ())})
    if changed:
        context.instance.add_dynamic_partitions(str(received_days.name), [day.isoformat() for day in changed])
    for summary in summaries(settings, changed):
        _log(context, summary)
    return changed


class Days(dg.Config):
    """Received days to settle, `YYYY-MM-DD`; all that are due where none is named."""

    days: list[str] = []  # noqa: RUF012 - a field of a pydantic model
    again: bool = False


@dg.op(name="settle_days", pool=WAREHOUSE_POOL)
def settle_op(context: dg.OpExecutionContext, config: Days, lakehouse: Lakehouse) -> None:
    """Settle received days in one run, each on its own partition."""
    with told_safely(context.retry_number):
        days = [date.fromisoformat(day) for day in config.days] or None
        settle(context, lakehouse.settings(), days, again=config.again)


@dg.job(name="adjudicate", description="Decide what is due, or some received days once more, in one run.")
def adjudicate_job() -> None:
    """Decide what is due."""
    settle_op()


def adjudicate_config(days: Collection[date] | None, *, again: bool) -> dict[str, Any]:
    """The configuration of such a run."""
    named = [day.isoformat() for day in days or ()]
    return {"ops": {"settle_days": {"config": {"days": named, "again": again}}}}


def _metadata(summary: DaySummary) -> dict[str, Any]:
    rows = [
        (one.decision, one.rule, f"{one.lines:,}", f"{one.charge:,}", f"{one.paid:,}") for one in summary.by_decision
    ]
    return {
        "dagster/row_count": sum(one.lines for one in summary.by_decision),
        "decided": summary.decided,
        "decided_anew": summary.decided_anew,
        "taken_back": summary.taken_back,
        "charge": float(sum(one.charge for one in summary.by_decision)),
        "paid": float(sum(one.paid for one in summary.by_decision)),
        "decisions": table(("decision", "reason", "lines", "charge", "paid"), rows),
        "because": counts_table(summary.because, "why decisions changed", "lines"),
    }


def _checks(summary: DaySummary) -> list[dg.AssetCheckResult]:
    rows = [(one.delivery, f"{one.lines:,}", f"{one.charge:,}", f"{one.paid:,}", f"{one.adjusted:,}")
            for one in summary.by_delivery]  # fmt: skip
    return [
        dg.AssetCheckResult(
            asset_key=DECISIONS, check_name=_BALANCED, passed=not summary.unbalanced,
            description=f"{summary.unbalanced:,} lines are not accounted for.",
            metadata={"deliveries": table(("delivery", "lines", "charge", "paid", "adjustments"), rows)},
        ),
        dg.AssetCheckResult(
            asset_key=DECISIONS, check_name=_COMPLETE, passed=not summary.undecided,
            description=f"{summary.undecided:,} lines stand without one decision.",
        ),
    ]  # fmt: skip


def _unsound(day: date, why: str) -> dg.AssetCheckEvaluation:
    """That the audit rolled decisions back."""
    return dg.AssetCheckEvaluation(
        asset_key=DECISIONS, check_name=_BALANCED, passed=False, metadata={"found": why},
        severity=dg.AssetCheckSeverity.ERROR, description=why, blocking=True, partition=day.isoformat(),
    )  # fmt: skip


def _log(context: Any, summary: DaySummary) -> None:
    day = summary.day.isoformat()
    context.log_event(dg.AssetMaterialization(DECISIONS, metadata=_metadata(summary), partition=day))
    for check in _checks(summary):
        context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=DECISIONS, check_name=str(check.check_name), passed=check.passed, metadata=check.metadata,
                severity=check.severity, description=check.description, blocking=True, partition=day,
            )
        )  # fmt: skip
