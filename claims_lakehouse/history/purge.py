"""Erase a delivery that must not be kept: its values go from every file of ours, and a tombstone stays.

What is to be done is written down first, so that a kill anywhere leaves it to whoever has the writer's turn next. The
warehouse is made anew without the delivery: a deleted row's bytes would stay in the old file.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from claims_lakehouse.contracts import MEDICAL_CLAIMS, Feed, feed_named
from claims_lakehouse.errors import DeliveryError, UnreadableFile, UsageError
from claims_lakehouse.files import turn_at, write_json
from claims_lakehouse.history.acts import require_reason
from claims_lakehouse.history.rebuild import complete_swap, rebuild_in_turn, sweep_staging
from claims_lakehouse.history.standing import verify_content
from claims_lakehouse.landing.discovery import LandedDelivery, check_delivery_key, landing_entries
from claims_lakehouse.landing.journal import DeliveryState, Journal
from claims_lakehouse.landing.stage import fingerprints, landed_delivery
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import read_verification
from claims_lakehouse.warehouse.connection import writers_turn


class Tombstone(NamedTuple):
    """What stays of a purged delivery: the last content's fingerprint and counts, who, and why."""

    fingerprint: str | None
    counts: dict[str, int] | None
    who: str
    why: str


def purge(settings: Settings, feed: Feed, delivery: str, *, because: str, who: str) -> Tombstone:
    """Erase a delivery from landing, raw, validated, issues, its corrections, decisions and the warehouse.

    The published file is replaced by the next publication. The same content is not taken up again under that name.

    Args:
        settings: Where the lakehouse is.
        feed: The delivery's feed.
        delivery: The delivery's key.
        because: Why; it goes on record.
        who: Who decided it.

    Raises:
        UsageError: There is no such delivery, nothing of it is left, or no reason is given.
    """
    require_reason(because)
    state = Journal(settings, feed.name, check_delivery_key(delivery)).state()
    lies = landing_entries(settings.landing, feed, delivery)
    if state is None and not lies:
        raise UsageError(f"Feed '{feed.name}' has no delivery '{delivery}'.")
    if state is not None and state.tombstone is not None and not lies:
        raise UsageError(f"{feed.name} {delivery} is purged already.")
    if closed := next((path for path in lies if not os.access(path.parent, os.W_OK)), None):
        raise UsageError(f"{closed.parent} is not ours to write: {closed.name} cannot be removed from it.")
    at = datetime.now(UTC).replace(tzinfo=None).isoformat()
    with writers_turn(settings):
        complete_swap(settings)
        complete_purge(settings)
        record = {"feed": feed.name, "delivery": delivery, "at": at, "who": who, "why": because}
        write_json(settings.unfinished_purge, record)
        complete_purge(settings)
    state = Journal(settings, feed.name, delivery).state()
    assert state is not None
    assert state.tombstone is not None
    return Tombstone(state.tombstone.fingerprint, state.tombstone.counts, who, because)


def complete_purge(settings: Settings) -> None:
    """Complete a purge that was begun, if one was; the caller has the writer's turn."""
    try:
        record = json.loads(settings.unfinished_purge.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    feed, delivery = feed_named(record["feed"]), record["delivery"]
    at = datetime.fromisoformat(record["at"])
    journal = Journal(settings, feed.name, delivery)
    landed = landed_delivery(settings, feed, delivery)
    state = journal.receive(delivery, landed.parts if landed else ())
    if all(event.event != "purged" or event.at != at or event.detail for event in journal.events()):
        act = {"at": at, "who": record["who"], "why": record["why"]}
        stone = state.tombstone
        last = stone.fingerprint if stone else state.standing or state.content or state.failed_content
        untaken = _content_in(settings, landed)
        if untaken not in (None, last):
            journal.append("purged", fingerprint=untaken, detail="what lay in landing", **act)
        counts = stone.counts if stone else _counts(settings, feed, delivery, state, last)
        journal.append("purged", fingerprint=last or untaken, counts=counts, **act)
    with turn_at(journal.path.parent):  # whoever decides about it now is before this, or sees that it is purged
        settings.decisions(feed.name, delivery).unlink(missing_ok=True)
        if feed is MEDICAL_CLAIMS:
            settings.claim_acts(delivery).unlink(missing_ok=True)
    for lies in landing_entries(settings.landing, feed, delivery):
        _remove(lies)
    for kept in settings.delivery_folder(feed.name, delivery).iterdir():
        if kept != journal.path:
            _remove(kept)
    for stage in ("validated", "issues"):
        _remove(settings.home / stage / feed.name / delivery)
    for left in settings.published.parent.glob(".*.tmp"):
        _remove(left)
    shutil.rmtree(settings.temporary, ignore_errors=True)
    sweep_staging(settings)
    rebuild_in_turn(settings)
    settings.unfinished_purge.unlink()


def _content_in(settings: Settings, landed: LandedDelivery | None) -> str | None:
    """The fingerprint of what lies in landing; None where nothing does, or it cannot be read."""
    try:
        return fingerprints(settings).of(landed.parts) if landed else None
    except DeliveryError:
        return None


def _counts(
    settings: Settings, feed: Feed, delivery: str, state: DeliveryState, content: str | None
) -> dict[str, int] | None:
    """What was counted of a content's rows; None where it never could be read."""
    if content is None:
        return None
    paths = (settings.validated(feed.name, delivery, content), settings.issues(feed.name, delivery, content))
    try:
        done = read_verification(*paths, feed)
    except UnreadableFile:
        try:
            done = verify_content(settings, feed, delivery, content, state, state.laid_over(content))
        except DeliveryError:
            return None
    return {name: getattr(done, name) for name in ("landed", "malformed", "quarantined", "duplicate", "valid")}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
