"""Bring the warehouse to what a delivery's journal says of it: applied, retracted, or failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import DeliveryError, UnplaceableFile, UsageError
from claims_lakehouse.history.apply import Application, Applied, Content, apply_delivery
from claims_lakehouse.history.ledger import read_ledger, write_failure
from claims_lakehouse.history.plan import Pending, plan_deliveries
from claims_lakehouse.landing.discovery import discover
from claims_lakehouse.landing.journal import DeliveryState, Event, Journal, journaled_deliveries
from claims_lakehouse.landing.stage import fingerprints
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import read_verification
from claims_lakehouse.warehouse.connection import open_warehouse, transaction


class Outlook(NamedTuple):
    """What is to be done: deliveries that are due, landed files that belong to no delivery, deliveries that stand."""

    due: list[Pending]
    unplaceable: list[UnplaceableFile]
    standing: int


def look(settings: Settings) -> Outlook:
    """Look at the landing folder, the journals and the ledger; what is seen for the first time is written down."""
    found = discover(settings.landing)
    known = fingerprints(settings)
    landed: dict[tuple[str, str], str | None] = {}
    states: dict[tuple[str, str], DeliveryState] = {}
    for delivery in found.deliveries:
        name = (delivery.feed.name, delivery.delivery)
        states[name] = Journal(settings, *name).receive(delivery.delivery, delivery.parts)
        try:
            landed[name] = None if delivery.problem else known.of(delivery.parts)
        except DeliveryError:
            landed[name] = None
    known.save()
    for feed in FEEDS:
        for key in journaled_deliveries(settings, feed.name):
            if (feed.name, key) not in states:
                state = Journal(settings, feed.name, key).state()
                if state is not None:
                    states[feed.name, key] = state
    with open_warehouse(settings) as con:
        ledger = read_ledger(con)
    due = plan_deliveries(landed, states, ledger)
    return Outlook(due, found.unplaceable, len(states) - len(due))


def bring_up_to_date(settings: Settings, feed: Feed, delivery: str, run_id: str | None = None) -> Applied:
    """Apply the delivery's content as its journal has it; AuditFailed (nothing changed) where that breaks a law."""
    journal = Journal(settings, feed.name, delivery)
    state = journal.state()
    if state is None or state.content is None:
        raise UsageError(f"Feed '{feed.name}' has no delivery '{delivery}' that could be read.")
    now = datetime.now(UTC).replace(tzinfo=None)
    application = Application(
        feed=feed,
        delivery=delivery,
        received_at=state.received_at,
        recorded_at=state.recorded_at or now,
        content=content_of(settings, feed, delivery, state),
        status="retracted" if state.is_retracted else "applied",
        error=state.failure,
        run_id=run_id,
    )

    def announce() -> list[Event]:
        if application.status == "applied" and state.applied != state.content:
            journal.append("applied", at=now, fingerprint=state.content, run_id=run_id)
        return journal.events()

    with open_warehouse(settings) as con:
        return apply_delivery(con, application, announce, loaded_at=now)


def content_of(settings: Settings, feed: Feed, delivery: str, state: DeliveryState) -> Content:
    """The validated content that the journal names."""
    assert state.content is not None
    validated = settings.validated(feed.name, delivery, state.content)
    issues = settings.issues(feed.name, delivery, state.content)
    return Content(state.content, validated, issues, read_verification(validated))


def record_failure(settings: Settings, feed: Feed, delivery: str, run_id: str | None = None) -> None:
    """Have the ledger say why the content that landed last is not in the tables; what was applied stays."""
    journal = Journal(settings, feed.name, delivery)
    state = journal.state()
    if state is None or state.failure is None:
        return
    with open_warehouse(settings) as con, transaction(con):
        write_failure(con, feed.name, delivery, state, journal.events(), run_id)
