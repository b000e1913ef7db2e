"""WHAT the data is: one file per feed, a pandera model and a Feed. No I/O.

A fourth feed is one new file and one line in `FEEDS`.
"""

from __future__ import annotations

from claims_lakehouse.contracts.authorizations import AUTHORIZATIONS
from claims_lakehouse.contracts.claims import CLAIMS
from claims_lakehouse.contracts.code_sets import CODE_SETS
from claims_lakehouse.contracts.coverages import COVERAGES
from claims_lakehouse.contracts.exclusions import EXCLUSIONS
from claims_lakehouse.contracts.fee_schedules import FEE_SCHEDULES
from claims_lakehouse.contracts.feed import Column, Feed, Field, Identifies, Reference
from claims_lakehouse.contracts.formats import Format
from claims_lakehouse.contracts.medical_claims import MEDICAL_CLAIMS
from claims_lakehouse.contracts.patients import PATIENTS
from claims_lakehouse.contracts.plans import PLANS
from claims_lakehouse.contracts.procedure_edits import PROCEDURE_EDITS
from claims_lakehouse.contracts.providers import PROVIDERS
from claims_lakehouse.contracts.rules import RULES, Rule
from claims_lakehouse.errors import UsageError

#: In the order in which an iteration's deliveries are taken up: what others refer to comes first.
FEEDS: tuple[Feed, ...] = (
    PATIENTS, PROVIDERS, CLAIMS,
    PLANS, COVERAGES, FEE_SCHEDULES, AUTHORIZATIONS, EXCLUSIONS, PROCEDURE_EDITS, CODE_SETS, MEDICAL_CLAIMS,
)  # fmt: skip

__all__ = [
    "AUTHORIZATIONS", "CLAIMS", "CODE_SETS", "COVERAGES", "EXCLUSIONS", "FEEDS", "FEE_SCHEDULES", "MEDICAL_CLAIMS",
    "PATIENTS", "PLANS", "PROCEDURE_EDITS", "PROVIDERS", "RULES",
    "Column", "Feed", "Field", "Format", "Identifies", "Reference", "Rule", "feed_named",
]  # fmt: skip


def feed_named(name: str) -> Feed:
    """The feed of that name; UsageError names those there are."""
    for feed in FEEDS:
        if feed.name == name:
            return feed
    raise UsageError(f"There is no feed '{name}'; there are {', '.join(feed.name for feed in FEEDS)}.")
