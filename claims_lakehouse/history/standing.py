"""Make the warehouse what one delivery's journal says of it: applied, held, retracted, failed or purged.

What a content was verified to is read from disk where it is whole and was made with the corrections in effect, and
made anew from raw otherwise; a raw file that is damaged is made anew from landing, where that still has it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.history.application import Application, Applied, Content
from claims_lakehouse.history.apply import apply_delivery
from claims_lakehouse.history.ledger import write_failure
from claims_lakehouse.history.trends import Trends, trends
from claims_lakehouse.landing.corrections import corrected_fields
from claims_lakehouse.landing.journal import DeliveryState, Event, Journal, Status
from claims_lakehouse.landing.stage import restore_raw
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import read_verification, validate_delivery
from claims_lakehouse.validation.verification import Verification
from claims_lakehouse.warehouse.connection import transaction

_NOTHING = Verification(0, 0, 0, 0, 0, contract_version="")


class Standing(NamedTuple):
    """A delivery as it stands after it was brought up to date.

    `verification` is that of the content that the ledger names.
    """

    status: Status
    applied: Applied
    verification: Verification
    trends: Trends


def bring(
    con: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed, delivery: str, run_id: str | None = None
) -> Standing:
    """Make the tables and the ledger what the delivery's journal says, and have the journal say so.

    AuditFailed (nothing changed) where that would break a law; UnreadableFile where nothing of it could ever be read.
    """
    journal = Journal(settings, feed.name, delivery)
    state = known_state(settings, feed, delivery)
    now = datetime.now(UTC).replace(tzinfo=None)
    fingerprint = state.standing or state.content
    laid = state.laid_over(fingerprint)
    content = _content(settings, feed, delivery, state, fingerprint, laid)
    application = _application(settings, feed, delivery, state, content, now, run_id)

    def announce() -> list[Event]:
        if application.is_applied and not state.is_applied:
            journal.append("applied", at=now, fingerprint=fingerprint, run_id=run_id, corrections=laid)
        return journal.events()

    applied = _apply(con, settings, application, state, announce, now)
    done = content.verification if content else _NOTHING
    return Standing(state.status, applied, done, trends(con, feed, delivery, done))


def bring_back(
    con: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed, delivery: str, state: DeliveryState
) -> None:
    """Make the tables and the ledger what the journal says was done; what is still to be done stays so."""
    fingerprint, laid = state.standing or state.content, state.laid_over(state.standing or state.content)
    if state.status == "applied" and not state.is_applied:
        fingerprint, laid = state.applied, state.applied_with
    events = Journal(settings, feed.name, delivery).events
    if fingerprint is None and state.tombstone is None:
        if state.failure is not None:
            happened = events()
            run_id = next((event.run_id for event in reversed(happened) if event.event == "failed"), None)
            with transaction(con):
                write_failure(con, feed.name, delivery, state, happened, run_id)
        return
    by = state.tombstone or state.applied_by
    at, run_id = (by.at, by.run_id) if by else (datetime.now(UTC).replace(tzinfo=None), None)
    content = _content(settings, feed, delivery, state, fingerprint, laid)
    _apply(con, settings, _application(settings, feed, delivery, state, content, at, run_id), state, events, at)


def known_state(settings: Settings, feed: Feed, delivery: str) -> DeliveryState:
    """The delivery's state; UnreadableFile where nothing of it is known."""
    state = Journal(settings, feed.name, delivery).state()
    if state is None or (state.content is None and state.tombstone is None):
        raise UnreadableFile(f"{feed.name}, delivery {delivery}", "no content", "one that landed and could be read")
    return state


def verify_content(
    settings: Settings, feed: Feed, delivery: str, fingerprint: str, state: DeliveryState, laid: str
) -> Verification:
    """Verify a content with corrections laid over it, from its raw file."""
    try:
        return validate_delivery(settings, feed, delivery, fingerprint, state.received_at, laid)
    except UnreadableFile:
        restore_raw(settings, feed, delivery, fingerprint)
        return validate_delivery(settings, feed, delivery, fingerprint, state.received_at, laid)


def _application(
    settings: Settings,
    feed: Feed,
    delivery: str,
    state: DeliveryState,
    content: Content | None,
    now: datetime,
    run_id: str | None,
) -> Application:
    events = Journal(settings, feed.name, delivery).events()
    stands = state.standing is not None and state.standing not in state.retracted
    return Application(
        feed=feed,
        delivery=delivery,
        received_at=state.received_at,
        recorded_at=state.recorded_at or now,
        content=content,
        is_applied=stands,
        status=state.status,
        error=state.failure or state.holding,
        run_id=run_id,
        corrections=tuple(corrected_fields(settings, feed.name, delivery, events)),
    )


def _apply(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    application: Application,
    state: DeliveryState,
    announce: Callable[[], list[Event]],
    now: datetime,
) -> Applied:
    """Apply; where a file of what was verified turns out to be damaged, it is verified anew first."""
    try:
        return apply_delivery(con, application, announce, loaded_at=now)
    except duckdb.Error:
        content, feed, delivery = application.content, application.feed, application.delivery
        if content is None or content.validated is None or _is_whole(content):
            raise
        verify_content(settings, feed, delivery, content.fingerprint, state, content.verification.corrections)
        return apply_delivery(con, application, announce, loaded_at=now)


def _content(
    settings: Settings, feed: Feed, delivery: str, state: DeliveryState, fingerprint: str | None, laid: str
) -> Content | None:
    """What the delivery says or would say, verified; None where nothing that landed was ever readable."""
    if state.tombstone is not None:
        last, n = state.tombstone.fingerprint, state.tombstone.counts
        if last is None or n is None:
            return None
        counts = (n["landed"], n["malformed"], n["quarantined"], n["duplicate"], n["valid"])
        return Content(last, None, None, Verification(*counts, contract_version=""))
    assert fingerprint is not None
    validated = settings.validated(feed.name, delivery, fingerprint)
    issues = settings.issues(feed.name, delivery, fingerprint)
    try:
        done = read_verification(validated, issues, feed)
    except UnreadableFile:
        done = None
    if done is None or done.corrections != laid:
        done = verify_content(settings, feed, delivery, fingerprint, state, laid)
    return Content(fingerprint, validated, issues, done)


def _is_whole(content: Content) -> bool:
    """Whether every page of a content's files can be read."""
    try:
        for path in (content.validated, content.issues):
            for _ in pq.ParquetFile(path).iter_batches():
                pass
    except (OSError, pa.ArrowException):
        return False
    return True
