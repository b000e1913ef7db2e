"""Service lines of an X12 837 of professional claims, as 5010 (005010X222) and 4010 (004010X098) write it.

Reads where segments stand and checks no values: whether a transaction is sound is `x12_soundness`'s to say. Where a
qualifier gives a value another meaning than the column has, the text keeps the qualifier, which no format takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from claims_lakehouse.landing.x12_segments import Segment

#: What a list of codes is joined by.
JOINED = "|"

CLAIM_COLUMNS = (
    "claim_id", "line_number", "patient_id", "provider_npi", "billing_npi", "procedure_code", "modifiers",
    "diagnosis_codes", "diagnosis_pointers", "date_of_service_from", "date_of_service_to", "place_of_service", "units",
    "charge_amount", "prior_auth_number", "frequency_code", "original_claim_id", "received_date",
)  # fmt: skip

#: HI holds procedures and conditions too, under other qualifiers.
_DIAGNOSES = {"ABK": "", "ABF": "", "BK": "BK:", "BF": "BF:"}
#: BK and BF are ICD-9-CM, which was what to send for services before this day.
_ICD_10_SINCE = "2015-10-01"
#: What SV104 counts under SV103 if not units.
_MEASURES = {"MJ": "minutes"}
_LINE_ENDS = {"LX", "CLM", "HL", "SE"}

Record = dict[str, str]


class Person(NamedTuple):
    """What tells a person from others of one number."""

    last: str = ""
    first: str = ""
    middle: str = ""
    birth_date: str = ""
    sex: str = ""


def claim_records(transaction: Sequence[Segment]) -> Iterator[Record]:
    """The service lines of a transaction, in its order; a claim without lines gives one record without a number.

    Each has `x12_segment`, the place of its LX (or of the CLM where it has none), beside the contract's columns.
    """
    walk = _Walk()
    for segment in transaction:
        if segment.name in _LINE_ENDS:
            yield from walk.ended(segment.name)
        walk.step(segment)


def dependent_id(holder: str, person: Person) -> str:
    """The id of somebody who is insured under a subscriber's number and has none of their own.

    It is the subscriber's number and the first 8 hexadecimal digits of the SHA-256 of
    `last|first|middle|birth date|sex`, as sent: the dependents of one number stay different persons, and a person who
    is written the same way is the same person in every file. Empty without a subscriber's number.
    """
    return f"{holder}-{sha256(JOINED.join(person).encode()).hexdigest()[:8]}" if holder else ""


def day(text: str) -> str:
    """A day of 8 digits as YYYY-MM-DD; other text stays as sent."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isascii() and text.isdigit() else text


def decimal(text: str) -> str:
    """A number as the contract has it: X12 leaves out a zero before the point. Other text stays as sent."""
    return f"0{text}" if text.startswith(".") else text


class _Walk:
    """Where in the hierarchy a segment stands, and what has been said so far about what it belongs to."""

    def __init__(self) -> None:
        self._received = self._billing = self._subscriber = self._patient_number = ""
        self._patient: Person | None = None
        self._claim: Record | None = None
        self._line: Record | None = None
        self._without_lines = False
        #: Whether a loop of another name, or another insurance's, has begun in the claim or line.
        self._in_loop = self._in_other_insurance = False

    def step(self, segment: Segment) -> None:
        """Take a segment in."""
        match segment.name:
            case "BHT":
                self._received = day(segment.element(4))
            case "HL":
                self._level(segment.element(3))
            case "CLM":
                self._begin_claim(segment)
            case "SBR":
                self._in_other_insurance = self._in_loop = True
            case "LX" if self._claim is not None:
                self._line = {"line_number": segment.element(1), "x12_segment": str(segment.position)}
                self._without_lines = self._in_loop = self._in_other_insurance = False
            case "NM1" | "DMG" if self._claim is None:
                self._person(segment)
            case "NM1":
                self._provider(segment)
            case "REF" | "HI" | "DTP" | "SV1" if self._claim is not None:
                self._detail(segment, self._claim)

    def ended(self, by: str) -> Iterator[Record]:
        """The record that ends where a segment of that name begins."""
        if self._claim is not None and (self._line is not None or (self._without_lines and by != "LX")):
            record = self._claim | (self._line or {})
            record["provider_npi"] = record.get("provider_npi", record["billing_npi"])
            if record.get("date_of_service_from", "") < _ICD_10_SINCE and "diagnosis_codes" in record:
                record["diagnosis_codes"] = re.sub(r"(^|\|)B[KF]:", r"\1", record["diagnosis_codes"])
            yield record
        self._line = None
        if by != "LX":
            self._claim = None

    def _level(self, level: str) -> None:
        self._patient, self._patient_number = (Person() if level == "23" else None), ""
        if level != "23":
            self._subscriber = ""
        if level == "20":
            self._billing = ""

    def _person(self, segment: Segment) -> None:
        """A name above the claims: the billing provider, the subscriber or the patient."""
        if segment.name == "DMG":
            if self._patient is not None:
                self._patient = self._patient._replace(birth_date=segment.element(2), sex=segment.element(3))
        elif segment.element(1) == "85":
            self._billing = _npi(segment)
        elif segment.element(1) == "IL":
            self._subscriber = segment.element(9)
        elif segment.element(1) == "QC" and self._patient is not None:
            last, first, middle = (segment.element(number) for number in (3, 4, 5))
            self._patient = self._patient._replace(last=last, first=first, middle=middle)
            self._patient_number = segment.element(9)

    def _begin_claim(self, segment: Segment) -> None:
        patient = self._subscriber
        if self._patient is not None:
            patient = self._patient_number or dependent_id(self._subscriber, self._patient)
        self._claim = {
            "claim_id": segment.element(1),
            "patient_id": patient,
            "billing_npi": self._billing,
            "place_of_service": segment.component(5, 1),
            "frequency_code": segment.component(5, 3),
            "received_date": self._received,
            "x12_segment": str(segment.position),
        }
        self._without_lines, self._in_loop, self._in_other_insurance = True, False, False

    def _provider(self, segment: Segment) -> None:
        """A name in a claim or line. Who rendered the service counts even without an NPI: the biller did not."""
        holder = self._claim if self._line is None else self._line
        if segment.element(1) == "82" and holder is not None and not self._in_other_insurance:
            holder.setdefault("provider_npi", _npi(segment))
        self._in_loop = True

    def _detail(self, segment: Segment, claim: Record) -> None:
        record = claim if self._line is None else self._line
        if segment.name == "SV1" and self._line is not None:
            record |= _service(segment)
        elif segment.name == "HI" and self._line is None:
            record["diagnosis_codes"] = JOINED.join(filter(None, [record.get("diagnosis_codes"), _diagnoses(segment)]))
        elif segment.name == "DTP" and segment.element(1) == "472":
            days = segment.element(3).split("-", 1) if segment.element(2) == "RD8" else [segment.element(3)]
            record.setdefault("date_of_service_from", day(days[0]))
            record.setdefault("date_of_service_to", day(days[-1]))
        elif segment.name == "REF" and not self._in_loop:
            if segment.element(1) == "F8" and self._line is None:
                record.setdefault("original_claim_id", segment.element(2))
            # With REF04 it is an authorization of another payer.
            elif segment.element(1) == "G1" and not segment.element(4):
                record.setdefault("prior_auth_number", segment.element(2))


def _npi(name: Segment) -> str:
    """The National Provider Identifier in an NM1; under other qualifiers than XX there is another number."""
    return name.element(9) if name.element(8) == "XX" else ""


def _service(segment: Segment) -> Record:
    system, code = segment.component(1, 1), segment.component(1, 2)
    measure, count = segment.element(3).strip(), decimal(segment.element(4))
    service = {
        "procedure_code": code if system == "HC" or not code else f"{system}:{code}",
        "modifiers": JOINED.join(filter(None, segment.components(1)[2:6])),
        "charge_amount": decimal(segment.element(2)),
        "units": count if measure in ("", "UN") or not count else f"{count} {_MEASURES.get(measure, measure)}",
        "diagnosis_pointers": JOINED.join(filter(None, segment.components(7))),
    }
    return service | ({"place_of_service": segment.element(5)} if segment.element(5) else {})


def _diagnoses(segment: Segment) -> str:
    """The diagnoses of an HI, empty ones between others kept: pointers count them."""
    if segment.component(1, 1) not in _DIAGNOSES:
        return ""
    codes = [segment.components(number)[:2] for number in range(1, len(segment.elements))]
    return JOINED.join(_DIAGNOSES.get(code[0], "") + code[1] if len(code) > 1 else "" for code in codes).rstrip(JOINED)
