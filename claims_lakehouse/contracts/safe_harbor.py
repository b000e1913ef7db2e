"""How columns leave the house in the de-identified edition: HIPAA's Safe Harbor, 45 CFR 164.514(b)(2).

It follows from what a column identifies, which its contract declares, once. What is not declared does not leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from claims_lakehouse.contracts.billing_formats import NPI
from claims_lakehouse.contracts.feed import Column, Feed, Identifies

#: What becomes of a column: left out; a random token; a state's code; the first three digits of a zip code; a year; a
#: year that tells an age; or the value as it is.
Treatment = Literal["dropped", "token", "state", "area", "year", "birth_year", "kept"]

#: By what a column identifies; the letters are those of 164.514(b)(2)(i).
TREATMENTS: Mapping[Identifies, Treatment] = {
    "name": "dropped",  # (A)
    "street": "dropped",  # (B)
    "city": "dropped",  # (B)
    "state": "state",  # (B) is about what is smaller than a state
    "zipcode": "area",  # (B)(1), (B)(2)
    "date": "year",  # (C)
    "birth_date": "birth_year",  # (C)
    "id": "token",  # (H) to (M) and (R), and the code that 164.514(c) allows
    "nothing": "kept",
}

#: How many years back a year may lie at most: a year 90 or more back tells that somebody is over 89.
OLDEST = 89

#: What the edition's columns are called, after the contract's: `claim_date` leaves as `claim_date_year`.
_SUFFIXES: Mapping[Treatment, str] = {"year": "_year", "birth_year": "_year", "area": "_area"}


def treatment(column: Column) -> Treatment:
    """What becomes of a column: `dropped` where nothing is declared.

    Text of no fixed form never leaves, whatever is declared: a name may stand in it.
    """
    found = TREATMENTS.get(column.identifies, "dropped")
    return "dropped" if found == "kept" and column.form.rule is None else found


def outgoing_name(column: Column) -> str | None:
    """What a column is called in the edition; None where it does not leave."""
    chosen = treatment(column)
    return None if chosen == "dropped" else column.name + _SUFFIXES.get(chosen, "")


def kind_of_id(feed: Feed, column: str) -> str:
    """Which ids a column's are of, `patients.patient_id`: equal ids of one kind have one token, in every feed."""
    for reference in feed.references:
        if reference.column == column:
            return kind_of_id(reference.feed, reference.feed.key[0])
    if feed.duplicates and column == feed.duplicates.replaces:
        return kind_of_id(feed, feed.duplicates.claim)
    return "npi" if feed.column(column).form == NPI else f"{feed.name}.{column}"
