"""A delivery's journal: everything that ever happened to it, one JSON line an event, beside its raw contents.

The journal is the truth; the warehouse's `delivery_log` is a copy. What is applied follows from it alone: the
last content that landed well, unless that content is retracted. An event is written before what it announces
is committed, so that a rebuild never knows less than the warehouse did.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from claims_lakehouse.files import append_lines, parsed_line
from claims_lakehouse.landing.received import received_at
from claims_lakehouse.settings import Settings

Status = Literal["applied", "held", "failed", "retracted", "purged"]
Happening = Literal[
    "received", "landed", "failed", "applied", "replaced", "held", "released", "retracted", "reinstated",
    "corrected", "withdrawn", "purged",
]  # fmt: skip
_NAME = "journal.jsonl"


@dataclass(frozen=True)
class Event:
    """One thing that happened to a delivery.

    `at` and `received_at` are naive UTC; `detail` is an error or a count, never a value of a row. `corrections` are
    ids, joined by commas: the one that was made or withdrawn, or those that were laid over what was applied. `counts`
    are those of a purged delivery's rows. `before` and `after` say how the delivery stood when a person decided, and
    how it stands by that.
    """

    at: datetime
    event: Happening
    fingerprint: str | None = None
    who: str | None = None
    why: str | None = None
    run_id: str | None = None
    detail: str | None = None
    received_at: datetime | None = None
    corrections: str | None = None
    counts: dict[str, int] | None = None
    before: str | None = None
    after: str | None = None


_FIELDS = frozenset(Event.__dataclass_fields__)


@dataclass(frozen=True)
class DeliveryState:
    """What a delivery's journal amounts to.

    Attributes:
        received_at: When it was received; written down once.
        recorded_at: When it was first applied; None if never.
        content: The fingerprint of the last content that landed well; None if none did.
        failure: Why the content that landed last failed; None if it did not.
        failed_content: The fingerprint of that content, where it could be read at all.
        applied: The fingerprint applied last.
        applied_with: The corrections that were laid over it then.
        applied_by: The event of the last application; None if there was none.
        retracted: The contents that are retracted.
        held: The contents that a blocking check stopped and nobody released.
        released: The contents that a person released from being held.
        holding: Why the content is held, if it is.
        turns: How often a content landed, well or not.
        corrections: The corrections in effect, by content, in the order in which they are laid over it.
        purged: The contents that must not be kept.
        tombstone: The event of the last purge, as long as no other content landed since.
        events: How many events there are.
    """

    received_at: datetime
    recorded_at: datetime | None = None
    content: str | None = None
    failure: str | None = None
    failed_content: str | None = None
    applied: str | None = None
    applied_with: str = ""
    applied_by: Event | None = None
    retracted: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    holding: str | None = None
    turns: int = 0
    corrections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    purged: frozenset[str] = frozenset()
    tombstone: Event | None = None
    events: int = 0

    def laid_over(self, content: str | None) -> str:
        """The ids of the corrections in effect over a content, joined by commas."""
        return ",".join(self.corrections.get(content or "", ()))

    @property
    def is_applied(self) -> bool:
        """Whether the content that stands was applied, with its corrections as they are."""
        return (self.applied, self.applied_with) == (self.standing, self.laid_over(self.standing))

    @property
    def is_held(self) -> bool:
        """Whether the content that landed last waits for a person."""
        return self.content in self.held

    @property
    def standing(self) -> str | None:
        """The content that the delivery's part of the tables is made of, retracted or not.

        While new content is held, what was applied before it stays.
        """
        return self.applied if self.is_held else self.content

    @property
    def status(self) -> Status:
        """What the ledger is to say of the delivery."""
        if self.tombstone is not None:
            return "purged"
        if self.standing is not None and self.standing in self.retracted:
            return "retracted"
        if self.is_held:
            return "held"
        return "applied" if self.content is not None else "failed"


def state_of(events: Iterable[Event]) -> DeliveryState | None:
    """What the events amount to; None where the delivery was never received.

    That a purged content lands or is applied, by a process that did not know of the purge, counts for nothing.
    """
    known: dict[str, Any] = {}
    retracted: set[str] = set()
    released: set[str] = set()
    held: dict[str, str | None] = {}
    corrections: dict[str, list[str]] = {}
    seen: set[str] = set()
    purged: set[str] = set()
    turns = count = 0
    for event in events:
        count += 1
        turns += event.event in ("landed", "replaced", "failed")
        content = event.fingerprint
        match event.event:
            case "received":
                known.setdefault("received_at", event.received_at)
            case "landed" | "replaced" if content not in purged:
                known |= {"content": content, "failure": None, "failed_content": None, "tombstone": None}
            case "failed":
                known |= {"failure": event.detail, "failed_content": content}
            case "applied":
                known.setdefault("recorded_at", event.at)
                if content not in purged:
                    known |= {"applied": content, "applied_with": event.corrections or "", "applied_by": event}
            case "retracted" if content:
                retracted.add(content)
            case "reinstated" if content:
                retracted.discard(content)
            case "held" if content:
                held[content] = event.detail
            case "released" if content:
                held.pop(content, None)
                if event.who is not None:  # a person's word; checks that no longer object may object again
                    released.add(content)
            case "corrected" if content and event.corrections:
                corrections.setdefault(content, []).append(event.corrections)
            case "withdrawn" if content and event.corrections and event.corrections in corrections.get(content, ()):
                corrections[content].remove(event.corrections)
            case "purged":
                purged |= seen | ({content} if content else set())
                known |= dict.fromkeys(("content", "failure", "failed_content", "applied", "applied_by"))
                known |= {"applied_with": "", "tombstone": event}
                for forgotten in (retracted, released, held, corrections):
                    forgotten.clear()
            case _:
                pass
        if content:
            seen.add(content)
    if "received_at" not in known:
        return None
    return DeliveryState(
        **known,
        retracted=frozenset(retracted),
        held=frozenset(held),
        released=frozenset(released),
        holding=held.get(known.get("content") or ""),
        turns=turns,
        corrections={content: tuple(ids) for content, ids in corrections.items() if ids},
        purged=frozenset(purged),
        events=count,
    )


class Journal:
    """The journal of one delivery."""

    def __init__(self, settings: Settings, feed: str, delivery: str) -> None:
        self.path = settings.delivery_folder(feed, delivery) / _NAME

    def events(self) -> list[Event]:
        """Everything that happened, in order; a line cut short by a kill never happened."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [event for line in lines if (event := _parsed(line))]

    def state(self) -> DeliveryState | None:
        """What the journal amounts to; None where the delivery was never received."""
        return state_of(self.events())

    def receive(self, delivery: str, parts: Iterable[Path]) -> DeliveryState:
        """The delivery's state; the first time, what its key or files say of `received_at` is written down."""
        state = self.state()
        if state is None:
            modified = max((part.lstat().st_mtime for part in parts), default=0.0)
            moment = datetime.fromtimestamp(modified, UTC).replace(tzinfo=None)
            self.append("received", received_at=received_at(delivery, moment))
            state = self.state()
        assert state is not None
        return state

    def append(self, event: Happening, at: datetime | None = None, **details: Any) -> Event:
        """Write an event down, by default as of now (naive UTC); it is on disk when this returns."""
        entry = Event(at=at or datetime.now(UTC).replace(tzinfo=None), event=event, **details)
        record = {name: value for name, value in vars(entry).items() if value not in (None, "")}
        for name in ("at", "received_at"):
            if name in record:
                record[name] = record[name].isoformat()
        append_lines(self.path, [record])
        return entry


class JournalReader:
    """Reads many journals again and again; one that did not change is not read again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int, int], DeliveryState | None]] = {}

    def states(self, settings: Settings, feed: str) -> Iterator[tuple[str, DeliveryState]]:
        """Every delivery of a feed that was ever received, in byte order of their keys, and its state."""
        for delivery, path, status in _journals(settings, feed):
            look = (status.st_size, status.st_mtime_ns, status.st_ino)
            known = self._known.get(path)
            if known is None or known[0] != look:
                known = self._known[path] = (look, Journal(settings, feed, delivery).state())
            if known[1] is not None:
                yield delivery, known[1]


def journaled_deliveries(settings: Settings, feed: str) -> Iterator[str]:
    """The keys of every delivery of a feed that was ever received, in byte order."""
    for delivery, _, _ in _journals(settings, feed):
        yield delivery


def _journals(settings: Settings, feed: str) -> Iterator[tuple[str, str, os.stat_result]]:
    """The key, path and stat of every journal of a feed."""
    folder = settings.home / "raw" / feed
    if not folder.is_dir():
        return
    for delivery in sorted(entry.name for entry in os.scandir(folder)):
        path = f"{folder}/{delivery}/{_NAME}"
        try:
            status = os.stat(path)  # noqa: PTH116 - twenty thousand a tick: a Path takes longer than its stat
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield delivery, path, status


def _parsed(line: bytes) -> Event | None:
    """The event of a line; what a newer version wrote into it besides is passed over."""
    try:
        record = parsed_line(line)
        for name in ("at", "received_at"):
            if name in record:
                record[name] = datetime.fromisoformat(record[name])
        return Event(**{name: value for name, value in record.items() if name in _FIELDS})
    except (ValueError, TypeError, AttributeError):
        return None
