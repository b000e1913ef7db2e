"""Coverages of an X12 834, benefit enrolment and maintenance (005010X220).

Reads where segments stand and checks no values: whether a transaction is sound is `x12_soundness`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from claims_lakehouse.landing.x12_claims import Person, Record, day, dependent_id
from claims_lakehouse.landing.x12_segments import Segment

ENROLMENT_COLUMNS = (
    "patient_id", "plan_id", "covered_from", "covered_to", "subscriber_id", "relationship", "maintenance_type",
)  # fmt: skip

_COVERAGE_ENDS = {"HD", "INS", "SE"}
#: What NM108 says of a Social Security number: it identifies a taxpayer, and is nobody's id here.
_SOCIAL_SECURITY = "34"


def enrolment_records(transaction: Sequence[Segment]) -> Iterator[Record]:
    """The coverages of a transaction's members, in its order; a member without any gives one record.

    Each has `x12_segment`, the place of its HD (or of the INS where it has none), beside the contract's columns.
    """
    member: _Member | None = None
    for segment in transaction:
        if segment.name in _COVERAGE_ENDS and member is not None:
            yield from member.ended(segment.name)
        if segment.name == "INS":
            member = _Member(segment)
        elif member is not None:
            member.step(segment)


class _Member:
    """What has been said so far about a member and their coverage."""

    def __init__(self, ins: Segment) -> None:
        self._ins = ins
        self._dependent = ins.element(1) == "N"
        self._number = ""
        self._person = Person()
        #: The first reference and date of each qualifier, of the member and of the coverage.
        self._said: dict[str, str] = {}
        self._covered: dict[str, str] = {}
        self._hd: Segment | None = None
        self._name = ""

    def step(self, segment: Segment) -> None:
        """Take a segment in."""
        if segment.name == "HD":
            self._hd, self._covered = segment, {}
        elif segment.name == "NM1":
            self._name = segment.element(1)
        if segment.name in ("REF", "DTP"):
            said = self._said if self._hd is None else self._covered
            said.setdefault(f"{segment.name}*{segment.element(1)}", segment.element(2 if segment.name == "REF" else 3))
        elif self._hd is None and self._name in ("IL", "74"):
            self._identify(segment)

    def ended(self, by: str) -> Iterator[Record]:
        """The record that ends where a segment of that name begins."""
        if self._hd is not None or by != "HD":
            yield self._record()

    def _identify(self, segment: Segment) -> None:
        if segment.name == "NM1":
            self._number = "" if segment.element(8).strip() == _SOCIAL_SECURITY else segment.element(9)
            last, first, middle = (segment.element(number) for number in (3, 4, 5))
            self._person = self._person._replace(last=last, first=first, middle=middle)
        elif segment.name == "DMG":
            self._person = self._person._replace(birth_date=segment.element(2), sex=segment.element(3))

    def _record(self) -> Record:
        covered, said, hd = self._covered, self._said, self._hd
        subscriber = said.get("REF*0F", "")
        group = covered.get("REF*1L") or said.get("REF*1L", "")
        line, plan = (hd.element(3), hd.element(4)) if hd else ("", "")
        # A dependent without a number of their own is not the subscriber, whose number REF*0F is.
        own = dependent_id(subscriber, self._person) if self._dependent else subscriber
        return {
            "patient_id": self._number or own,
            "plan_id": plan or "-".join(filter(None, [group, line])),
            "covered_from": day(covered.get("DTP*348") or said.get("DTP*356", "")),
            "covered_to": day(covered.get("DTP*349") or said.get("DTP*357", "")),
            "subscriber_id": subscriber,
            "relationship": self._ins.element(2),
            "maintenance_type": (hd.element(1) if hd else "") or self._ins.element(3),
            "x12_segment": str((hd or self._ins).position),
        }
