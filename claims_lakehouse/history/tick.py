"""What one look at the landing folder leads to: which deliveries to start, and which to leave for the next look.

A look never waits for the warehouse, so that it takes no longer while a delivery is being applied: what is applied
is read from the journals. `observe` reads names, stats, journals and the content of what is new; `decide` is pure.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.errors import DeliveryError
from claims_lakehouse.history.plan import DeliveryName
from claims_lakehouse.landing.discovery import LandedDelivery, discover
from claims_lakehouse.landing.fingerprint import Fingerprints, file_stat
from claims_lakehouse.landing.journal import DeliveryState, JournalReader
from claims_lakehouse.landing.received import received_at
from claims_lakehouse.landing.stage import fingerprints
from claims_lakehouse.settings import Settings


class Seen(NamedTuple):
    """A delivery as a look finds it.

    Attributes:
        received_at: When it was received, or would be if it started now.
        look: The sizes and modification times of its files; None where it is no longer in landing.
        content: Its fingerprint, or what keeps it from having one; None as long as it was not read.
        state: What its journal amounts to; None before it was received.
    """

    received_at: datetime
    look: str | None
    content: str | None
    state: DeliveryState | None


@dataclass(frozen=True)
class Observation:
    """Everything that a look finds."""

    seen: Mapping[DeliveryName, Seen]
    unplaceable: tuple[str, ...] = ()


class Start(NamedTuple):
    """A delivery to start. Its run key is that of no earlier start, unless nothing has happened since."""

    feed: str
    delivery: str
    run_key: str


@dataclass(frozen=True)
class Decision:
    """What a look leads to.

    Attributes:
        start: Deliveries to start now, in the order in which they were received.
        waiting: How the deliveries look that may still be written; the next look is to be given this.
        left: How many more could start, and will after one of the next looks.
    """

    start: list[Start]
    waiting: dict[str, str] = field(default_factory=dict)
    left: int = 0


def observe(settings: Settings, waited: Mapping[str, str], journals: JournalReader, reads: int) -> Observation:
    """Look at the landing folder; at most `reads` deliveries that look as they did when they `waited` are read."""
    found = discover(settings.landing)
    states = {(feed.name, key): state for feed in FEEDS for key, state in journals.states(settings, feed.name)}
    known = fingerprints(settings)
    seen: dict[DeliveryName, Seen] = {}
    for landed in found.deliveries:
        name = (landed.feed.name, landed.delivery)
        state = states.pop(name, None)
        look, content, modified = _look(settings, landed, known)
        if content is None and reads > 0 and waited.get("/".join(name)) == look:
            reads -= 1
            try:
                content = known.of(landed.parts)
            except DeliveryError as error:
                content = str(error)
        moment = state.received_at if state else received_at(landed.delivery, _moment(modified))
        seen[name] = Seen(moment, look, content, state)
    known.save()
    for name, state in states.items():  # what is no longer in landing
        seen[name] = Seen(state.received_at, None, state.content, state)
    return Observation(seen, tuple(str(file) for file in found.unplaceable))


def decide(observation: Observation, in_flight: Collection[DeliveryName], limit: int) -> Decision:
    """Decide what to start, at most `limit` deliveries; those `in_flight` are in a queued or running run's hands."""
    order = [feed.name for feed in FEEDS]
    due: list[tuple[datetime, str, int, Start]] = []
    waiting: dict[str, str] = {}
    for (feed, delivery), seen in observation.seen.items():
        if (feed, delivery) in in_flight:
            continue
        if seen.content is None and seen.look is not None:
            waiting[f"{feed}/{delivery}"] = seen.look
        elif _is_due(seen):
            turn = seen.state.turns if seen.state else 0
            content = sha256((seen.content or "").encode()).hexdigest()[:16]
            start = Start(feed, delivery, f"{feed}/{delivery}/{content}/{turn}")
            due.append((seen.received_at, delivery, order.index(feed), start))
    due.sort()
    for *_, start in due[limit:]:
        look = observation.seen[start.feed, start.delivery].look
        if look is not None:
            waiting[f"{start.feed}/{start.delivery}"] = look
    return Decision([start for *_, start in due[:limit]], waiting, max(0, len(due) - limit))


def _is_due(seen: Seen) -> bool:
    """Whether what lies in landing is not what the journal says was processed, well or not."""
    state = seen.state
    if state is None:
        return True
    if seen.look is not None:
        if state.failure is not None:
            return seen.content not in (state.failed_content, state.failure)
        if state.content != seen.content:
            return True
    return state.status == "applied" and not state.is_applied


def _look(settings: Settings, landed: LandedDelivery, known: Fingerprints) -> tuple[str, str | None, float]:
    """How a delivery looks, its content where that is known, and when its files were last modified."""
    stats: list[os.stat_result] = []
    content = str(landed.problem) if landed.problem else None
    try:
        for part in landed.parts:
            stats.append(file_stat(part, settings.landing))
        content = content or known.peek(landed.parts, stats)
    except DeliveryError as error:
        content = content or str(error)
    modified = max((status.st_mtime for status in stats), default=0.0)
    looks = [
        f"{part.name}:{status.st_size}:{status.st_mtime_ns}" for part, status in zip(landed.parts, stats, strict=False)
    ]
    look = sha256("\n".join(looks).encode()).hexdigest()[:16]
    return look, content, modified


def _moment(modified: float) -> datetime:
    return datetime.fromtimestamp(modified, UTC).replace(tzinfo=None)
