"""Make the warehouse what deliveries' journals say of them: applied, held, retracted, failed or purged.

What a content was verified to is read from disk where it is whole and was made with the corrections in effect, and
made anew from raw otherwise; a raw file that is damaged is made anew from landing, where that still has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import AuditFailed, DeliveryError, UnreadableFile
from claims_lakehouse.history.application import Application, Applied, Content
from claims_lakehouse.history.apply import apply_deliveries
from claims_lakehouse.history.ledger import write_failure
from claims_lakehouse.history.trends import Trends, trends
from claims_lakehouse.landing.corrections import corrected_fields
from claims_lakehouse.landing.journal import DeliveryState, Event, Journal, Status
from claims_lakehouse.landing.stage import restore_raw
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import read_verification, validate_delivery
from claims_lakehouse.validation.verification import Verification
from claims_lakehouse.warehouse.connection import transaction

#: How many deliveries share a transaction, and how many landed rows they may have together.
BATCH_DELIVERIES, BATCH_ROWS = 100, 250_000
_NOTHING = Verification(0, 0, 0, 0, 0, contract_version="")


class Standing(NamedTuple):
    """A delivery as it stands after it was brought up to date.

    `verification` is that of the content that the ledger names.
    """

    status: Status
    applied: Applied
    verification: Verification
    trends: Trends


class _Due(NamedTuple):
    """What is to be applied of one delivery, the content that it comes from, and what its journal says."""

    application: Application
    content: str | None
    state: DeliveryState


def bring(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    deliveries: Sequence[str],
    run_id: str | None = None,
) -> dict[str, Standing | DeliveryError]:
    """Make the tables and the ledger what the deliveries' journals say, and have the journals say so.

    Several small deliveries share a transaction; where that fails, each is tried by itself, so that one fails alone.
    The error of a delivery is AuditFailed (nothing of it changed) where it would break a law, UnreadableFile where
    nothing of it could ever be read.
    """
    outcomes: dict[str, Standing | DeliveryError] = {}
    now = datetime.now(UTC).replace(tzinfo=None)
    dues = []
    for delivery in deliveries:
        try:
            dues.append(_due(settings, feed, delivery, now, run_id))
        except DeliveryError as error:
            outcomes[delivery] = error
    announce = partial(_announce, settings, {due.application.delivery: due for due in dues})
    for batch in _batches(dues):
        outcomes |= _outcomes(con, settings, batch, announce)
    return outcomes


def bring_back(
    con: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed, states: Mapping[str, DeliveryState]
) -> None:
    """Make the tables and the ledger what the journals say was done; what is still to be done stays so."""
    dues = [due for delivery, state in states.items() if (due := _due_back(con, settings, feed, delivery, state))]

    def announce(application: Application) -> list[Event]:
        return Journal(settings, feed.name, application.delivery).events()

    for batch in _batches(dues):
        for outcome in _outcomes(con, settings, batch, announce).values():
            if isinstance(outcome, DeliveryError):
                raise outcome


def _due(settings: Settings, feed: Feed, delivery: str, now: datetime, run_id: str | None) -> _Due:
    state = known_state(settings, feed, delivery)
    fingerprint = state.standing or state.content
    content = _content(settings, feed, delivery, state, fingerprint, state.laid_over(fingerprint))
    return _Due(_application(settings, feed, delivery, state, content, now, run_id), fingerprint, state)


def _due_back(
    con: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed, delivery: str, state: DeliveryState
) -> _Due | None:
    """What was applied; None where nothing good ever landed: then the ledger is to say that it failed."""
    fingerprint, laid = state.standing or state.content, state.laid_over(state.standing or state.content)
    if state.status == "applied" and not state.is_applied:
        fingerprint, laid = state.applied, state.applied_with
    if fingerprint is None and state.tombstone is None:
        if state.failure is not None:
            happened = Journal(settings, feed.name, delivery).events()
            run_id = next((event.run_id for event in reversed(happened) if event.event == "failed"), None)
            with transaction(con):
                write_failure(con, feed.name, delivery, state, happened, run_id)
        return None
    by = state.tombstone or state.applied_by
    at, run_id = (by.at, by.run_id) if by else (datetime.now(UTC).replace(tzinfo=None), None)
    content = _content(settings, feed, delivery, state, fingerprint, laid)
    return _Due(_application(settings, feed, delivery, state, content, at, run_id), fingerprint, state)


def _announce(settings: Settings, dues: Mapping[str, _Due], application: Application) -> list[Event]:
    """Have the journal say that a delivery is applied, where it does not say so yet; returns all of it."""
    journal = Journal(settings, application.feed.name, application.delivery)
    due = dues[application.delivery]
    if application.is_applied and not due.state.is_applied:
        journal.append(
            "applied",
            at=application.loaded_at,
            fingerprint=due.content,
            run_id=application.run_id,
            corrections=due.state.laid_over(due.content),
        )
    return journal.events()


def _batches(dues: Iterable[_Due]) -> Iterator[list[_Due]]:
    """Deliveries that are to share a transaction: as many as stay small together."""
    batch: list[_Due] = []
    rows = 0
    for due in dues:
        content = due.application.content
        rows += content.verification.landed if content else 0
        if batch and (rows > BATCH_ROWS or len(batch) == BATCH_DELIVERIES):
            yield batch
            batch, rows = [], content.verification.landed if content else 0
        batch.append(due)
    if batch:
        yield batch


def _outcomes(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    batch: Sequence[_Due],
    announce: Callable[[Application], list[Event]],
) -> dict[str, Standing | DeliveryError]:
    applications = [due.application for due in batch]
    try:
        applied = apply_deliveries(con, applications, announce)
    except (AuditFailed, duckdb.Error) as error:
        if len(batch) > 1:
            alone = [_outcomes(con, settings, [due], announce) for due in batch]
            return {delivery: outcome for outcomes in alone for delivery, outcome in outcomes.items()}
        if isinstance(error, AuditFailed):
            return {applications[0].delivery: error}
        if not _is_mended(settings, batch[0]):
            raise
        applied = apply_deliveries(con, applications, announce)
    standings: dict[str, Standing | DeliveryError] = {}
    for one, due in zip(applications, batch, strict=True):
        done = one.content.verification if one.content else _NOTHING
        seen = trends(con, one.feed, one.delivery, done)
        standings[one.delivery] = Standing(due.state.status, applied[one.delivery], done, seen)
    return standings


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
        loaded_at=now,
        corrections=tuple(corrected_fields(settings, feed.name, delivery, events)),
    )


def _is_mended(settings: Settings, due: _Due) -> bool:
    """Whether a file of what was verified turned out to be damaged, and was made anew."""
    content, feed, delivery = due.application.content, due.application.feed, due.application.delivery
    if content is None or content.validated is None or _is_whole(content):
        return False
    verify_content(settings, feed, delivery, content.fingerprint, due.state, content.verification.corrections)
    return True


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
