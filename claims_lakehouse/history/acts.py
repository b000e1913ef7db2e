"""What people decide about a delivery: release, retract, reinstate. Each binds to content and is on record.

An act is an event in the delivery's journal; bringing the warehouse up to date is what makes it felt.
"""

from __future__ import annotations

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import UsageError
from claims_lakehouse.landing.discovery import check_delivery_key
from claims_lakehouse.landing.journal import DeliveryState, Journal
from claims_lakehouse.settings import Settings


def release(settings: Settings, feed: Feed, delivery: str, *, because: str, who: str) -> None:
    """Let a held delivery's content go on; UsageError where it is not held."""
    journal, state = _known(settings, feed, delivery, because)
    if not state.is_held:
        raise UsageError(f"{feed.name} {delivery} is not held; it is {state.status}.")
    journal.append("released", fingerprint=state.content, who=who, why=because)


def retract(settings: Settings, feed: Feed, delivery: str, *, because: str, who: str) -> None:
    """Take a delivery's content out of the tables, as if it had never come; UsageError where it is out already."""
    journal, state = _known(settings, feed, delivery, because)
    contents = {state.content, state.standing} - {None} - state.retracted
    if not contents:
        raise UsageError(f"{feed.name} {delivery} is {state.status}; there is nothing to retract.")
    for content in sorted(str(content) for content in contents):
        journal.append("retracted", fingerprint=content, who=who, why=because)


def reinstate(settings: Settings, feed: Feed, delivery: str, *, because: str, who: str) -> None:
    """Undo a retraction; UsageError where there is none."""
    journal, state = _known(settings, feed, delivery, because)
    contents = {state.content, state.standing} & state.retracted
    if not contents:
        raise UsageError(f"{feed.name} {delivery} is not retracted; it is {state.status}.")
    for content in sorted(str(content) for content in contents):
        journal.append("reinstated", fingerprint=content, who=who, why=because)


def _known(settings: Settings, feed: Feed, delivery: str, because: str) -> tuple[Journal, DeliveryState]:
    if not because.strip():
        raise UsageError("An act needs a reason: --because TEXT.")
    journal = Journal(settings, feed.name, check_delivery_key(delivery))
    state = journal.state()
    if state is None:
        raise UsageError(f"Feed '{feed.name}' has no delivery '{delivery}'.")
    return journal, state
