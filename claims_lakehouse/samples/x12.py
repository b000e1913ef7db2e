"""Rows as an X12 interchange: an 837 of professional claims (005010X222A1) or an 834 of enrolments (005010X220A1).

An 837 has a transaction for each run of lines of one claim that agree in what a claim says once; an 834 has one. Names,
addresses and numbers of the envelope are invented. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

import polars as pl

from claims_lakehouse.contracts import PATIENTS, Feed
from claims_lakehouse.samples.generate import records
from claims_lakehouse.samples.kind import Row
from claims_lakehouse.samples.size import Size, id_style

_SENDER, _RECEIVER = "LAKESIDEBILLING", "SAMPLEINSURANCE"
#: The group's code, the guide, and the qualifier of the date in the interchange's name.
_GUIDES = {"837": ("HC", "005010X222A1"), "834": ("BE", "005010X220A1")}
#: What an 837 says once a claim.
_OF_CLAIM = (
    "claim_id", "patient_id", "provider_npi", "billing_npi", "diagnosis_codes", "place_of_service", "frequency_code",
    "original_claim_id", "received_date",
)  # fmt: skip
_CLINIC = ("N3*100 LAKE STREET", "N4*SPRINGFIELD*IL*627010000", "REF*EI*371234567")

Name = Callable[[Row], str]


def interchange(feed: Feed, size: Size, update: int, rows: Sequence[Row]) -> str:
    """The interchange of an update's rows, which have to hold what the transaction cannot do without."""
    assert feed.transaction
    day = size.day(update) or date(2024, 1, 1)
    code, guide = _GUIDES[feed.transaction]
    name = _names(size, rows)
    bodies = list(_claims(rows, name)) if feed.transaction == "837" else [_enrolment(rows, name, day)]
    number = f"{update:09d}"
    segments = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{_SENDER:15}*ZZ*{_RECEIVER:15}*{day:%y%m%d}*0600*^*00501*{number}*0*P*:",
        f"GS*{code}*{_SENDER}*{_RECEIVER}*{day:%Y%m%d}*0600*{update}*X*{guide}",
    ]
    for place, body in enumerate(bodies, start=1):
        counted = [f"ST*{feed.transaction}*{place:04d}*{guide}", *body]
        segments += [*counted, f"SE*{len(counted) + 1}*{place:04d}"]
    segments += [f"GE*{len(bodies)}*{update}", f"IEA*1*{number}"]
    return "".join(segment + "~\n" for segment in segments)


def _claims(rows: Sequence[Row], name: Name) -> Iterator[list[str]]:
    for place, (_, group) in enumerate(groupby(rows, key=lambda row: [row[column] for column in _OF_CLAIM]), start=1):
        lines = list(group)
        yield [*_parties(lines[0], place, name), *_claim(lines)]


def _parties(row: Row, place: int, name: Name) -> list[str]:
    return [
        f"BHT*0019*00*{place}*{_digits(row['received_date'])}*0600*CH",
        "NM1*41*2*LAKESIDE BILLING*****46*371234567",
        "PER*IC*CLAIMS DESK*TE*2175550100",
        "NM1*40*2*SAMPLE INSURANCE*****46*99999",
        "HL*1**20*1",
        f"NM1*85*2*LAKESIDE CLINIC*****XX*{row['billing_npi']}",
        *_CLINIC,
        "HL*2*1*22*0",
        "SBR*P*18*******CI",
        f"NM1*IL*1*{name(row)}****MI*{row['patient_id']}",
        "NM1*PR*2*SAMPLE INSURANCE*****PI*99999",
    ]


def _claim(lines: Sequence[Row]) -> Iterator[str]:
    row = lines[0]
    total = sum(Decimal(line["charge_amount"] or 0) for line in lines)
    yield f"CLM*{row['claim_id']}*{total}***{row['place_of_service']}:B:{row['frequency_code']}*Y*A*Y*Y"
    if row["original_claim_id"]:
        yield f"REF*F8*{row['original_claim_id']}"
    codes = (row["diagnosis_codes"] or "").replace(".", "").split("|")
    yield "*".join(["HI", *(f"{'ABF' if place else 'ABK'}:{code}" for place, code in enumerate(codes))])
    yield f"NM1*82*1*SAMPLE*PROVIDER****XX*{row['provider_npi']}"
    for line in lines:
        service = ":".join(["HC", line["procedure_code"] or "", *(line["modifiers"] or "").split("|")]).rstrip(":")
        pointers = (line["diagnosis_pointers"] or "").replace("|", ":")
        days = [_digits(line[f"date_of_service_{end}"]) for end in ("from", "to")]
        yield f"LX*{line['line_number']}"
        yield f"SV1*{service}*{line['charge_amount']}*UN*{line['units']}***{pointers}"
        yield f"DTP*472*D8*{days[0]}" if days[0] == days[1] else f"DTP*472*RD8*{days[0]}-{days[1]}"
        if line["prior_auth_number"]:
            yield f"REF*G1*{line['prior_auth_number']}"


def _enrolment(rows: Sequence[Row], name: Name, day: date) -> list[str]:
    segments = [
        f"BGN*00*1*{day:%Y%m%d}*0600****2", "N1*P5*SAMPLE EMPLOYER*FI*371234567", "N1*IN*SAMPLE INSURANCE*FI*371234568",
    ]  # fmt: skip
    for row in rows:
        maintained, held = row["maintenance_type"], f"{row['relationship']}*{row['maintenance_type']}**A"
        segments += [
            f"INS*Y*{held}***FT" if row["relationship"] == "18" else f"INS*N*{held}",
            f"REF*0F*{row['subscriber_id']}",
            f"NM1*IL*1*{name(row)}****ZZ*{row['patient_id']}",
            f"HD*{maintained}**HLT*{row['plan_id']}",
            f"DTP*348*D8*{_digits(row['covered_from'])}",
        ]
        if row["covered_to"]:
            segments.append(f"DTP*349*D8*{_digits(row['covered_to'])}")
    return segments


def _digits(day: str | None) -> str:
    return (day or "").replace("-", "")


def _names(size: Size, rows: Sequence[Row]) -> Name:
    """Family and given name of a row's patient, as the patients' own deliveries have them."""
    before, after, first = id_style(PATIENTS)
    texts = sorted({row["patient_id"] or "" for row in rows})
    numbers = [int(text.removeprefix(before).removesuffix(after)) - first for text in texts]
    people = records(PATIENTS, size, numbers, born=0, content=0, stated=0)
    full = people.select(pl.concat_str("lname", "fname", separator="*").str.to_uppercase()).to_series()
    by_id = dict(zip(texts, full, strict=True))
    return lambda row: by_id[row["patient_id"] or ""]
