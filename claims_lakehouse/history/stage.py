"""Bring the warehouse to what a delivery's journal says of it: applied, retracted, or failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import DeliveryError, UnplaceableFile, UnreadableFile, WarehouseUnsound
from claims_lakehouse.history.ledger import read_changes, read_ledger, write_failure
from claims_lakehouse.history.plan import Pending, is_behind, plan_deliveries
from claims_lakehouse.history.recovery import sound_warehouse
from claims_lakehouse.history.standing import Standing, bring, verify_content
from claims_lakehouse.landing.discovery import discover
from claims_lakehouse.landing.journal import DeliveryState, Journal, journaled_deliveries
from claims_lakehouse.landing.stage import Landing, fingerprints, land_delivery
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.gate import Gate, gate
from claims_lakehouse.validation.verification import Verification
from claims_lakehouse.warehouse.connection import transaction


class Outlook(NamedTuple):
    """What is to be done.

    Attributes:
        due: Deliveries that something is to be done for.
        unplaceable: Landed files that belong to no delivery.
        standing: How many deliveries stand as they are.
        changes: Which state the warehouse is in, to compare with what is published.
    """

    due: list[Pending]
    unplaceable: list[UnplaceableFile]
    standing: int
    changes: str


def look(settings: Settings) -> Outlook:
    """Look at the landing folder, the journals and the ledger; what is seen for the first time is written down."""
    found = discover(settings.landing)
    known = fingerprints(settings)
    landed: dict[tuple[str, str], str | None] = {}
    states: dict[tuple[str, str], DeliveryState] = {}
    for delivery in found.deliveries:
        name = (delivery.feed.name, delivery.delivery)
        try:
            states[name] = Journal(settings, *name).receive(delivery.delivery, delivery.parts)
        except FileNotFoundError:  # it vanished since the folder was listed
            continue
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
    with sound_warehouse(settings) as con:
        ledger, changes = read_ledger(con), read_changes(con)
    due = plan_deliveries(landed, states, ledger)
    return Outlook(due, found.unplaceable, len(states) - len(due), changes)


def take_up(
    settings: Settings, feed: Feed, delivery: str, run_id: str | None = None, landing: Landing | None = None
) -> str:
    """Take up the delivery's content from landing; returns its fingerprint.

    One that is no longer in landing stays as it was taken up last. DeliveryError where it cannot be read; the ledger
    says so then, as it does of every error but the system's, which may pass, and what was good before stands. Who takes
    up many gives a look at `landing` that serves them all, and saves its fingerprints in the end.
    """
    look = landing or Landing(settings)
    landed = look.delivery(feed, delivery)
    try:
        if landed is None:
            return known_content(settings, feed, delivery)[1]
        fingerprint = land_delivery(settings, landed, look.fingerprints, run_id).fingerprint
        if landing is None:
            look.fingerprints.save()
    except OSError:
        raise
    except Exception:
        record_failure(settings, feed, delivery, run_id)
        raise
    return fingerprint


def verify(settings: Settings, feed: Feed, delivery: str, run_id: str | None = None) -> tuple[Verification, Gate]:
    """Verify the content that was taken up last, and hold it where blocking checks stop it."""
    state, fingerprint = known_content(settings, feed, delivery)
    done = verify_content(settings, feed, delivery, fingerprint, state, state.laid_over(fingerprint))
    checks = gate(feed, done)
    hold_or_clear(settings, feed, delivery, checks, run_id)
    return done, checks


def known_content(settings: Settings, feed: Feed, delivery: str) -> tuple[DeliveryState, str]:
    """The delivery's state and the fingerprint of the content that landed last; UnreadableFile where none did."""
    state = Journal(settings, feed.name, delivery).state()
    if state is None or state.content is None:
        raise UnreadableFile(f"{feed.name}, delivery {delivery}", "no content", "one that landed and could be read")
    return state, state.content


def bring_up_to_date(settings: Settings, feed: Feed, delivery: str, run_id: str | None = None) -> Standing:
    """Make the tables and the ledger what the delivery's journal says: applied, held or retracted.

    AuditFailed (nothing changed) where that would break a law; UnreadableFile where nothing of it could ever be read.
    """
    outcome = bring_all_up_to_date(settings, feed, [delivery], run_id)[delivery]
    if isinstance(outcome, DeliveryError):
        raise outcome
    return outcome


def bring_all_up_to_date(
    settings: Settings, feed: Feed, deliveries: Sequence[str], run_id: str | None = None
) -> dict[str, Standing | DeliveryError]:
    """The same for many deliveries of a feed, opening the warehouse once; one that fails keeps no other.

    A warehouse that turns out to be damaged is made anew, once.
    """
    try:
        with sound_warehouse(settings) as con:
            return bring(con, settings, feed, deliveries, run_id)
    except WarehouseUnsound:
        with sound_warehouse(settings) as con:
            return bring(con, settings, feed, deliveries, run_id)


def hold_or_clear(settings: Settings, feed: Feed, delivery: str, checks: Gate, run_id: str | None = None) -> bool:
    """Have the journal and the ledger say whether blocking checks stop the delivery's content; True where they do.

    A released content stays released, and one that the checks no longer object to is no longer held.
    """
    journal = Journal(settings, feed.name, delivery)
    state = journal.state()
    assert state is not None
    assert state.content is not None
    reasons = checks.reasons(released=state.content in state.released)
    if not reasons:
        if state.is_held:
            journal.append("released", fingerprint=state.content, why="the checks no longer object", run_id=run_id)
        return False
    told = "; ".join(reasons)
    if not state.is_held or state.holding != told:
        journal.append("held", fingerprint=state.content, detail=told, run_id=run_id)
    bring_up_to_date(settings, feed, delivery, run_id)
    return True


def record_failure(settings: Settings, feed: Feed, delivery: str, run_id: str | None = None) -> None:
    """Have the ledger say why the content that landed last is not in the tables; the last good content stands."""
    journal = Journal(settings, feed.name, delivery)
    state = journal.state()
    if state is None or state.failure is None:
        return
    with sound_warehouse(settings) as con:
        row = read_ledger(con).get((feed.name, delivery))
        if not is_behind(state, row):
            with transaction(con):
                write_failure(con, feed.name, delivery, state, journal.events(), run_id)
            return
    bring_up_to_date(settings, feed, delivery, run_id)
