"""Which records each delivery holds and which of them are spoilt, before any row is made. No I/O.

By the last digit of a record's number: 6 is spoilt in the priming, 8 in an update, 4 is restated, 5 repeated;
0 to 3 are modified. So every record has one story, and none needs to be remembered. Daily deliveries spoil records of
their own, and modify some of the last update's. What a feed's deliveries hold does not depend on which other feeds are
made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from claims_lakehouse.contracts import FEEDS, Feed, rules
from claims_lakehouse.errors import UsageError
from claims_lakehouse.samples.defects import kinds_of
from claims_lakehouse.samples.kind import Kind
from claims_lakehouse.samples.size import PRIMING_DEFECTS, UPDATE_DEFECTS, Size

#: How the last update lands, feed by feed in turn; all else is plain CSV.
LAST_FORMS = ("csv.gz", "parquet", "parts")
#: So many records an X12 interchange has at most: where a feed's last update has fewer, it lands as one.
MOST_TRANSACTED = 2_000
#: The feeds by who sends them: visits, and the billing of an insurance. What one source shows, it shows in turn.
_SOURCES = (FEEDS[:3], FEEDS[3:])
#: The column that one delivery has too many.
EXTRA_COLUMN = "source_note"
MOST_UPDATES, MOST_DAYS = 400, 7
_MODIFIED = (0, 1, 2, 3, 10, 11, 12, 13)
#: Of so many records of the last update one is modified on each of the days after it.
_MODIFIED_DAILY = 25
_SHARE, _MOST, _LEAST = 0.01, 0.08, 2


class Planted(NamedTuple):
    """How many defects of one rule a delivery holds."""

    feed: str
    delivery: str
    rule: str
    severity: str
    rows: int


@dataclass(frozen=True)
class Segment:
    """Some records of a delivery: their numbers, and the updates that bore, wrote and stated them."""

    numbers: Sequence[int]
    born: int
    content: int
    stated: int


@dataclass(frozen=True)
class Delivery:
    """What one landed file, or folder of parts, is to hold.

    `spoilt` is the kind of defect by record number; `parts` is how many of the segments each part holds.
    """

    feed: Feed
    update: int
    key: str
    form: str
    segments: tuple[Segment, ...]
    spoilt: dict[int, Kind] = field(default_factory=dict)
    extra: bool = False

    @property
    def planted(self) -> list[Planted]:
        """How many defects of each rule the delivery holds."""
        counts = Counter((kind.rule.name, kind.rule.severity) for kind in self.spoilt.values())
        if self.extra:
            counts[rules.UNEXPECTED_COLUMN.name, rules.UNEXPECTED_COLUMN.severity] = 1
        return [Planted(self.feed.name, self.key, *rule, rows) for rule, rows in sorted(counts.items())]


def planned(size: Size, feeds: Sequence[Feed] = FEEDS) -> list[Delivery]:
    """Every delivery of some feeds, in the order in which they arrive."""
    if size.patients < 1 or not 0 <= size.updates <= MOST_UPDATES:
        raise UsageError(f"Samples need at least 1 patient and 0 to {MOST_UPDATES} updates.")
    if not 0 <= size.days <= MOST_DAYS:
        raise UsageError(f"Samples have 0 to {MOST_DAYS} daily deliveries.")
    found: list[list[Delivery]] = []
    for place, feed in enumerate(FEEDS):
        if feed not in feeds:
            continue
        deliveries: list[Delivery] = []
        for update in range(size.updates_of(feed) + 1):
            if size.nth_day(update):
                deliveries.append(_daily(size, feed, update, deliveries[-1]))
            else:
                deliveries.append(_delivery(size, feed, place, update, deliveries[-1] if deliveries else None))
        found.append(deliveries)
    return [delivery for iteration in zip_longest(*found) for delivery in iteration if delivery]


def _delivery(size: Size, feed: Feed, place: int, update: int, before: Delivery | None) -> Delivery:
    day = size.day(update)
    segments = _segments(size, feed, update)
    rows = sum(len(segment.numbers) for segment in segments)
    form = "csv"
    if update and update == size.updates:
        form = LAST_FORMS[place % len(LAST_FORMS)]
        if feed.transaction and rows <= MOST_TRANSACTED:
            form = feed.transaction
    kinds = _ordered_kinds(feed, update, form)
    slots = range(UPDATE_DEFECTS if update else PRIMING_DEFECTS, size.primed(feed), 10)
    count = _how_many(rows, kinds, slots)
    # The first source begins anew with the updates, which keeps its files as they always were.
    first = max(0, update - (feed in _SOURCES[0])) * count
    if update:
        numbers = sorted(slots[(first + index) % len(slots)] for index in range(count))
    else:
        numbers = [slots[index * len(slots) // count] for index in range(count)]
    spoilt = {number: kinds[(first + index) % len(kinds)] for index, number in enumerate(numbers)}
    if update and before:
        segments.append(Segment(_corrected(before, spoilt), 0, before.update, update))
        segments.append(Segment(numbers, 0, update, update))
    segments = [segment for segment in segments if segment.numbers]
    extra = place == 1 and update == min(1, size.updates)
    return Delivery(feed, update, day.isoformat() if day else "priming", form, tuple(segments), spoilt, extra)


def _daily(size: Size, feed: Feed, update: int, before: Delivery) -> Delivery:
    """What a day brings: new records, some of them spoilt, and a few others of the last update and the day before."""
    nth_day = size.nth_day(update)
    new = range(size.after(feed, update - 1), size.after(feed, update))
    known = range(size.after(feed, max(0, size.updates - 1)), size.after(feed, size.updates))
    kinds = _daily_kinds(feed, update)
    slots = new[UPDATE_DEFECTS::10]
    count = _how_many(len(new), kinds, slots)
    first = (nth_day - 1) * count
    spoilt = {number: kinds[(first + index) % len(kinds)] for index, number in enumerate(slots[:count])}
    born = before.update if nth_day > 1 else 0
    segments = (
        Segment(new, update, update, update),
        Segment(known[nth_day::_MODIFIED_DAILY], size.updates, update, update),
        Segment(_corrected(before, spoilt), born, before.update, update),
    )
    some = tuple(segment for segment in segments if segment.numbers)
    return Delivery(feed, update, str(size.day(update)), "csv", some, spoilt)


def _how_many(rows: int, kinds: Sequence[Kind], slots: Sequence[int]) -> int:
    """How many of some rows are spoilt."""
    most = max(_LEAST, int(rows * _MOST))
    return min(max(int(rows * _SHARE), min(len(kinds), most)), len(slots))


def _segments(size: Size, feed: Feed, update: int) -> list[Segment]:
    primed = size.primed(feed)
    if not update:
        return [Segment(range(primed), 0, 0, 0)]
    new = range(size.after(feed, update - 1), size.after(feed, update))
    modified = [_MODIFIED[(update + step) % len(_MODIFIED)] for step in (-1, 0)]
    return [
        Segment(new, update, update, update),
        *(Segment(range(digit, primed, 20), 0, update, update) for digit in modified),
        Segment(_turn(range(4, primed, 10), update, primed), 0, 0, update),
        Segment(_turn(range(5, primed, 10), update, primed), 0, 0, 0),
    ]


def _turn(slots: range, update: int, primed: int) -> range:
    """A few of the slots, others with each update: a hundredth of the priming, at least 2."""
    count = min(max(2, primed // 100), len(slots))
    start = (update - 1) * count % (len(slots) - count + 1)
    return slots[start : start + count]


def _ordered_kinds(feed: Feed, update: int, form: str) -> list[Kind]:
    """What can be wrong in a delivery, first what fewest other deliveries of its source can show."""
    source = next(feeds for feeds in _SOURCES if feed in feeds)
    shown = Counter(rule for other in source for rule in {kind.rule for kind in kinds_of(other)})
    possible = [
        kind
        for kind in kinds_of(feed)
        if kind.when in ("any", "update" if update else "priming")
        and (kind.typed if form == "parquet" else kind.transacted or form != feed.transaction)
    ]
    return sorted(possible, key=lambda kind: (kind.when == "any", shown[kind.rule]))


def _daily_kinds(feed: Feed, update: int) -> list[Kind]:
    """What can be wrong on a day: every other record bills nearly what another does, which a person is to look at."""
    kinds = [kind for kind in _ordered_kinds(feed, update, "csv") if kind.when == "any"]
    near = [kind for kind in kinds if feed.duplicates and kind.rule == feed.duplicates.near]
    return [one for kind in kinds if kind not in near for one in (*near, kind)]


def _corrected(before: Delivery, spoilt: dict[int, Kind]) -> list[int]:
    """Every other record that the delivery before had in error, which now comes corrected."""
    wrong = [number for number, kind in before.spoilt.items() if kind.corrected and number not in spoilt]
    return wrong[::2]
