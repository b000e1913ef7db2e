"""Bring decisions up to date: take up acts and rule sets, then settle what is due, in the writer's turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime

import duckdb

from claims_lakehouse.adjudication.acts import acts_look, take_up_acts
from claims_lakehouse.adjudication.rule_sets import rule_sets_look, take_up_rule_sets
from claims_lakehouse.adjudication.settle import Settled, due_days, make_due, received_days, settle, take_up_touched
from claims_lakehouse.adjudication.summary import DaySummary, day_summary
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.errors import WarehouseUnsound
from claims_lakehouse.files import write_json
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.history.recovery import sound_warehouse
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.connection import transaction

Progress = Callable[[int, int], None]


def adjudicate(
    settings: Settings,
    days: Collection[date] | None = None,
    *,
    again: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> dict[date, Settled]:
    """Decide what is due, of all received days or of some; what changed, by day.

    Args:
        settings: Where the lakehouse is.
        days: The received days; None for all.
        again: Whether to settle these days whole, whatever is due: they come out as they are.
        run_id: The Dagster run.
        progress: Told how many patients' days of how many are settled.
        now: When it is decided, naive UTC; by default now.

    Raises:
        DecisionsUnsound: What would be decided breaks a law; what was settled before stands.
    """
    try:
        return _adjudicate(settings, days, again, run_id, progress, now)
    except WarehouseUnsound:
        return _adjudicate(settings, days, again, run_id, progress, now)


def _adjudicate(
    settings: Settings,
    days: Collection[date] | None,
    again: bool,
    run_id: str | None,
    progress: Progress | None,
    now: datetime | None,
) -> dict[date, Settled]:
    with sound_warehouse(settings) as con:
        looks = {"acts": acts_look(settings), "rule_sets": rule_sets_look(settings)}
        if not _has_claims(con):
            note_settled(settings, looks | {"changes": read_changes(con)})
            return {}
        with transaction(con):
            rule_sets = take_up_rule_sets(con, settings)
            take_up_acts(con, settings)
            take_up_touched(con)
        if again:
            make_due(con, received_days(con) if days is None else days)
        at = now or datetime.now(UTC).replace(tzinfo=None)
        settled = settle(con, rule_sets, now=at, run_id=run_id, days=days, progress=progress)
        if not due_days(con):
            note_settled(settings, looks | {"changes": read_changes(con)})
        return settled


def note_settled(settings: Settings, looks: dict[str, str]) -> None:
    """Write down what decisions are settled for: acts, rule sets, and the state of the warehouse."""
    write_json(settings.settled, looks)


def note_nothing_decided(settings: Settings, before: str, after: str) -> None:
    """Say that a change of the warehouse, from one state to another, was none that claims are decided by."""
    try:
        known = json.loads(settings.settled.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(known, dict) and known.get("changes") == before:
        note_settled(settings, known | {"changes": after})


def is_behind(settings: Settings, changes: str) -> bool:
    """Whether something may have to be decided: the warehouse, an act or a rule set is newer than the decisions.

    `changes` is the state of the warehouse (`history.ledger.read_changes`).
    """
    now = {"acts": acts_look(settings), "rule_sets": rule_sets_look(settings), "changes": changes}
    try:
        return bool(json.loads(settings.settled.read_text(encoding="utf-8")) != now)
    except (OSError, ValueError):
        return settings.home.joinpath("raw", MEDICAL_CLAIMS.name).is_dir()


def claims_look(settings: Settings) -> str:
    """What changes when people say something to a claim, or adopt a rule set; empty where they never did."""
    said = acts_look(settings) if settings.claim_acts("").parent.is_dir() else ""
    return "/".join(look for look in (said, rule_sets_look(settings)) if look)


def days_due(settings: Settings) -> list[date]:
    """The received days on which something is due, in order."""
    with sound_warehouse(settings) as con, transaction(con):
        take_up_acts(con, settings)
        if _has_claims(con):
            take_up_rule_sets(con, settings)
        take_up_touched(con)
        return due_days(con)


def summaries(settings: Settings, days: Collection[date]) -> list[DaySummary]:
    """What the decisions of some received days come to, in their order."""
    if not days:
        return []
    with sound_warehouse(settings) as con:
        return [day_summary(con, day) for day in sorted(days)]


def _has_claims(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether a line of a claim is there, or anything was ever decided."""
    tables = (MEDICAL_CLAIMS.table, "internal.line_decision", "internal.touched", "internal.due")
    some = " UNION ALL ".join(f"(SELECT 1 FROM {table} LIMIT 1)" for table in tables)
    return bool(con.execute(some).fetchall())
