"""WHAT the data is: one file per feed, a pandera model and a Feed. No I/O.

A fourth feed is one new file and one line in `FEEDS`.
"""

from __future__ import annotations

from claims_lakehouse.contracts.claims import CLAIMS
from claims_lakehouse.contracts.feed import Column, Feed, Field, Identifies, Reference
from claims_lakehouse.contracts.formats import Format
from claims_lakehouse.contracts.patients import PATIENTS
from claims_lakehouse.contracts.providers import PROVIDERS
from claims_lakehouse.contracts.rules import RULES, Rule
from claims_lakehouse.errors import UsageError

FEEDS: tuple[Feed, ...] = (PATIENTS, PROVIDERS, CLAIMS)

__all__ = [
    "CLAIMS", "FEEDS", "PATIENTS", "PROVIDERS", "RULES",
    "Column", "Feed", "Field", "Format", "Identifies", "Reference", "Rule", "feed_named",
]  # fmt: skip


def feed_named(name: str) -> Feed:
    """The feed of that name; UsageError names those there are."""
    for feed in FEEDS:
        if feed.name == name:
            return feed
    raise UsageError(f"There is no feed '{name}'; there are {', '.join(feed.name for feed in FEEDS)}.")
