"""Stream X12 interchanges as Arrow batches of text: 837 professional claims and 834 enrolments, a record a line.

A transaction is read whole or not at all: one that leaves its guide is a malformed record, and the others of its file
go on. Checks no values: that is validation's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from claims_lakehouse.contracts.feed import Feed
from claims_lakehouse.contracts.rules import MALFORMED_ROW, REJECTED_TRANSACTION, UNSUPPORTED_TRANSACTION, Rule
from claims_lakehouse.landing.header import Batch, Header, Malformed, no_permission, place_of, require_regular
from claims_lakehouse.landing.x12_claims import CLAIM_COLUMNS, Record, claim_records
from claims_lakehouse.landing.x12_enrolment import ENROLMENT_COLUMNS, enrolment_records
from claims_lakehouse.landing.x12_envelope import Envelope
from claims_lakehouse.landing.x12_purpose import Refusal, claims_refusal
from claims_lakehouse.landing.x12_segments import Segment, read_segments
from claims_lakehouse.landing.x12_soundness import Guide, shown_name, unsoundness

BATCH_RECORDS = 10_000
BATCH_CHARACTERS = 64 << 20

#: The columns that say where a record came from: its ST02, and the place of its first segment in the file, from 1.
TRANSACTION, SEGMENT = "x12_transaction", "x12_segment"

_ENVELOPE = {"ISA", "GS", "GE", "IEA"}
_KINDS = {
    "005010X222": "professional claims",
    "004010X098": "professional claims",
    "005010X223": "institutional claims",
    "004010X096": "institutional claims",
    "005010X224": "dental claims",
    "004010X097": "dental claims",
    "005010X220": "enrolments",
    "004010X095": "enrolments",
}


class _Layout(NamedTuple):
    """What a transaction fills: the columns, the guides it may follow by how they begin, and how records are found.

    `begins` is the segment with which each of `what` it holds begins.
    """

    columns: tuple[str, ...]
    guides: Mapping[str, str]
    records: Callable[[Sequence[Segment]], Iterator[Record]]
    begins: str
    what: str
    #: Why a transaction that follows its guide is not taken up all the same.
    refusal: Callable[[Sequence[Segment]], Refusal | None] = lambda _: None


_LAYOUTS = {
    "837": _Layout(
        CLAIM_COLUMNS,
        {"005010X222": "005010X222A2", "004010X098": "004010X098A1"},
        claim_records,
        "CLM",
        "claim",
        claims_refusal,
    ),
    "834": _Layout(ENROLMENT_COLUMNS, {"005010X220": "005010X220A1"}, enrolment_records, "INS", "member"),
}


class _Run(NamedTuple):
    """Segments that stand together: a transaction from its ST on under its group's guide, or some outside of any."""

    segments: list[Segment]
    guide: str

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()


class _Fault(NamedTuple):
    text: str
    reason: str
    rule: Rule


def x12_header(feed: Feed, path: Path, landing: Path) -> Header:
    """The columns that a feed's transactions fill; the file's first ISA is looked at.

    Raises:
        UnreadableFile: It is no regular file, or does not begin with a sound ISA.
    """
    place = place_of(path, landing)
    with _opened(path, place) as stream:
        next(read_segments(stream, place, block_bytes=4096), None)
    return _header(feed)


def x12_batches(feed: Feed, path: Path, landing: Path, batch_records: int = BATCH_RECORDS) -> Iterator[Batch]:
    """Read an X12 file's records, a transaction at a time.

    Raises:
        UnreadableFile: As `x12_header`, and for another ISA that is not sound, bytes that are no text, and a file cut
            short.
    """
    place = place_of(path, landing)
    gathered, envelope = _Gathered(_header(feed).names), Envelope(place)
    with _opened(path, place) as stream:
        for run in _runs(envelope.watch(read_segments(stream, place))):
            for record in chain(_records(feed, run), _disagreeing(envelope)):
                gathered.add(record)
                if gathered.count >= batch_records or gathered.characters >= BATCH_CHARACTERS:
                    yield gathered.batch(is_test=envelope.is_test)
    for fault in _disagreeing(envelope):
        gathered.add(fault)
    if gathered.count:
        yield gathered.batch(is_test=envelope.is_test)


@contextmanager
def _opened(path: Path, place: str) -> Iterator[IO[bytes]]:
    require_regular(path, place)
    try:
        file = path.open("rb")
    except PermissionError:
        raise no_permission(place) from None
    with file:
        yield file


def _layout(feed: Feed) -> _Layout:
    if feed.transaction is None:
        raise TypeError(f"Feed '{feed.name}' has no X12 transaction.")
    return _LAYOUTS[feed.transaction]


def _header(feed: Feed) -> Header:
    return Header((*_layout(feed).columns, TRANSACTION, SEGMENT), unexpected=())


def _runs(segments: Iterable[Segment]) -> Iterator[_Run]:
    """Take the envelopes off. An ST or an envelope's segment ends a transaction that has no SE."""
    run: list[Segment] = []
    group = ""
    for segment in segments:
        inside = bool(run) and run[0].name == "ST"
        if segment.name in _ENVELOPE or segment.name == "ST":
            if run:
                yield _Run(run, group)
            run = [segment] if segment.name == "ST" else []
            if segment.name != "ST":
                group = segment.element(8).strip() if segment.name == "GS" else ""
        elif inside or segment.name != "TA1":
            run.append(segment)
            if inside and segment.name == "SE":
                yield _Run(run, group)
                run = []
    if run:
        yield _Run(run, group)


def _records(feed: Feed, run: _Run) -> Iterator[Record | _Fault]:
    begin, layout = run.segments[0], _layout(feed)
    if begin.name != "ST":
        yield _Fault(run.text, _stray(run.segments), MALFORMED_ROW)
        return
    version = begin.element(3).strip() or run.guide
    guide = next((guide for start, guide in layout.guides.items() if version.startswith(start)), None)
    if begin.element(1) != feed.transaction or guide is None:
        yield _Fault(run.text, _kind(begin, version), UNSUPPORTED_TRANSACTION)
        return
    reason = unsoundness(run.segments, Guide(feed.transaction, guide))
    refusal = Refusal(reason, REJECTED_TRANSACTION) if reason is not None else layout.refusal(run.segments)
    if refusal is not None:
        held = sum(segment.name == layout.begins for segment in run.segments)
        told = f"{refusal.reason} ({held:,} {layout.what}{'' if held == 1 else 's'} in it)"
        yield _Fault(run.text, told, refusal.rule)
        return
    for record in layout.records(run.segments):
        yield record | {TRANSACTION: begin.element(2)}


def _disagreeing(envelope: Envelope) -> Iterator[_Fault]:
    for trailer, reason in envelope.noted():
        yield _Fault(trailer.text.strip(), reason, MALFORMED_ROW)


def _stray(segments: Sequence[Segment]) -> str:
    first, more = segments[0], len(segments) - 1
    others = f" and the {more} after it stand" if more > 1 else " and the one after it stand" if more else " stands"
    return f"{shown_name(first)} at position {first.position}{others} outside a transaction"


def _kind(begin: Segment, version: str) -> str:
    """What a transaction is that the feed does not hold; what may be no code or number is not shown."""
    code = begin.element(1) if re.fullmatch(r"[0-9]{3}", begin.element(1)) else "a transaction of no known kind"
    kind = _KINDS.get(version[:10], "of another guide") if code == "837" or code == "834" else ""
    guide = f"({version})" if re.fullmatch(r"[0-9]{6}X[0-9]{3}([A-Z][0-9]){0,2}", version) else ""
    number = begin.element(2) if re.fullmatch(r"[0-9]{4,9}", begin.element(2)) else ""
    described = " ".join(filter(None, [code, kind, guide]))
    return f"{described}, transaction {number}".rstrip() + f" at segment {begin.position}"


class _Gathered:
    """Records on their way into a batch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._clear()

    @property
    def count(self) -> int:
        return len(self._rows) + len(self._malformed)

    def add(self, record: Record | _Fault) -> None:
        if isinstance(record, _Fault):
            self.characters += len(record.text)
            fault = Malformed(self.count + 1, record.text, record.reason, record.rule.name)
            self._malformed.append(fault)
        else:
            self._rows.append(record)

    def batch(self, *, is_test: bool) -> Batch:
        """What was gathered since the last one. Empty text is null."""
        columns = {name: [row.get(name) or None for row in self._rows] for name in self._names}
        rows = pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})
        batch = Batch(rows, self._malformed, is_test)
        self._clear()
        return batch

    def _clear(self) -> None:
        self._rows: list[Record] = []
        self._malformed: list[Malformed] = []
        self.characters = 0
