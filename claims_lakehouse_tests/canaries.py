"""Canaries: rows whose every field holds a value of its own that occurs nowhere else, to be looked for afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache

import polars as pl

from claims_lakehouse.codes.releases import BILLABLE, RELEASES
from claims_lakehouse.contracts import MEDICAL_CLAIMS, Column, Feed
from claims_lakehouse_tests.builders import BILLING, shared_codes
from claims_lakehouse_tests.medical import line, npi

#: The feeds that canaries fly in: all but reference data that tells of nobody.
SENT = (*BILLING, MEDICAL_CLAIMS)
#: Columns of so few different values that none of them tells anything.
FEW = frozenset(
    {
        "visit_type", "specialty_code", "coverage_type", "billed",
        "line_number", "procedure_code", "modifiers", "diagnosis_pointers", "place_of_service", "units", "frequency_code",
    }
)  # fmt: skip


def canary_row(feed: Feed, number: int, **changed: str) -> dict[str, str]:
    """A row that is accepted; rows of different feeds and numbers share no value but those of FEW columns."""
    row = {column.name: _value(feed, column, number * 20 + place) for place, column in enumerate(feed.columns)}
    if "date_of_service" in row:
        row["date_of_service"] = (date(1945, 1, 9) + timedelta(days=number * 7)).isoformat()
    return row | changed


def needles(rows: Iterable[Mapping[str, str]], seen: Iterable[str] = FEW) -> set[str]:
    """Every value of the rows that may not be seen; short ones, which may occur anywhere, are left aside."""
    return {value for row in rows for name, value in row.items() if name not in seen and len(value) > 5}


def _value(feed: Feed, column: Column, place: int) -> str:
    own = SENT.index(feed) * 1000 + place
    match column.form.name:
        case "date":
            # Days of the week differ where the weeks are the same.
            weeks, day = (place, 3) if feed is MEDICAL_CLAIMS else (own, 0)
            return (date(1951, 1, 9) + timedelta(weeks=weeks, days=day)).isoformat()
        case "zipcode":
            return f"{59300 + own % 90}-{4000 + own}"
        case "amount":
            return f"{1_000_000 + own}.37"
        case "coverage":
            return "50"
        case "flag":
            return "T"
        case "visit type" | "specialty":
            return {"visit type": "surgery", "specialty": "orthopedist"}[column.form.name]
        case "npi":
            return npi(f"1{own:08}")
        case "diagnosis codes":
            return _diagnoses()[own]
        case _ if column.name in FEW:
            return line()[column.name]
        case _:
            return f"Zq{own}Canary{column.name}"


@cache
def _diagnoses() -> list[str]:
    """Codes of seven characters that every release knows as billable."""
    is_known = [pl.col(release.column) == BILLABLE for release in RELEASES]
    codes = pl.read_parquet(shared_codes()).filter(pl.col("code").str.len_bytes() == 7, *is_known)
    return codes["code"].to_list()
