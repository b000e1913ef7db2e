"""Whether an 837 of professional claims, sound as it may be, asks for what a payer does: pay them, in US dollars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from claims_lakehouse.contracts.rules import REJECTED_TRANSACTION, UNSUPPORTED_TRANSACTION, Rule
from claims_lakehouse.landing.x12_segments import Segment

#: What BHT06 may say beside CH, chargeable.
_OTHER_PURPOSES = {"RP": "encounters, which are not to be paid", "31": "demands of another payer"}


class Refusal(NamedTuple):
    """Why a sound transaction is not taken up, quoting nothing of it, and the rule that it breaks."""

    reason: str
    rule: Rule


def claims_refusal(transaction: Sequence[Segment]) -> Refusal | None:
    """Why the claims of a transaction are not to be paid as they stand; None where they are."""
    for segment in transaction:
        at = f"segment {segment.name} at position {segment.position}"
        if segment.name == "BHT" and (purpose := _OTHER_PURPOSES.get(segment.element(6).strip())):
            return Refusal(f"{at} says that they are {purpose}", UNSUPPORTED_TRANSACTION)
        if segment.name == "CUR" and segment.element(2).strip() != "USD":
            return Refusal(f"{at} names another currency than USD", REJECTED_TRANSACTION)
    return None
