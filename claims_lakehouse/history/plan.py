"""Which deliveries are due, and in what order. A pure function of what lies in landing, on disk and in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.history.ledger import LedgerRow
from claims_lakehouse.landing.journal import DeliveryState

DeliveryName = tuple[str, str]
Reason = Literal["new", "replaced", "failed before", "not in the warehouse", "decided"]


class Pending(NamedTuple):
    """One delivery that something is to be done for, and why."""

    feed: str
    delivery: str
    reason: Reason


def plan_deliveries(
    landed: Mapping[DeliveryName, str | None],
    states: Mapping[DeliveryName, DeliveryState],
    ledger: Mapping[DeliveryName, LedgerRow],
) -> list[Pending]:
    """The deliveries that are due, in the order in which they were received, parents before children.

    Args:
        landed: The content that lies in landing, by delivery; None where it could not even be fingerprinted.
        states: What each known delivery's journal amounts to.
        ledger: What the warehouse holds.
    """
    due = []
    for name, state in states.items():
        reason = _reason(name, landed, state, ledger.get(name))
        if reason is not None:
            due.append((state.received_at, name[1], _feed_order(name[0]), Pending(*name, reason)))
    return [pending for *_, pending in sorted(due)]


def _reason(
    name: DeliveryName, landed: Mapping[DeliveryName, str | None], state: DeliveryState, row: LedgerRow | None
) -> Reason | None:
    if name in landed:
        if state.failure is not None and landed[name] in (None, state.failed_content):
            return "failed before"
        if state.content is None:
            return "new"
        if landed[name] != state.content or state.failure is not None:
            return "replaced"
    if state.content is None:
        return "not in the warehouse" if row is None and state.failure is not None else None
    return "not in the warehouse" if is_behind(state, row) else None


def is_behind(state: DeliveryState, row: LedgerRow | None) -> bool:
    """Whether the warehouse does not hold what the journal of a delivery with good content says."""
    if state.content is None:
        return False
    content = state.standing or state.content
    stands = (content, state.status, state.failure or state.holding, state.laid_over(content), state.events)
    return row is None or row != stands


def _feed_order(feed: str) -> int:
    return [known.name for known in FEEDS].index(feed)
