"""Canaries: rows whose every field holds a value of its own that occurs nowhere else, to be looked for afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from claims_lakehouse.contracts import FEEDS, Column, Feed

#: Columns of so few different values that none of them tells anything.
FEW = frozenset({"visit_type", "specialty_code", "coverage_type", "billed"})


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
    own = FEEDS.index(feed) * 1000 + place
    match column.form.name:
        case "date":
            return (date(1951, 1, 9) + timedelta(days=own * 7)).isoformat()
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
        case _:
            return f"Zq{own}Canary{column.name}"
