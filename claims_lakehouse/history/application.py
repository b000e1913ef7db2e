"""What is applied: a delivery's content as it is to stand, and what that came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from claims_lakehouse.contracts import Feed
from claims_lakehouse.landing.corrections import CorrectedField
from claims_lakehouse.landing.journal import Status
from claims_lakehouse.validation.verification import Verification


@dataclass(frozen=True)
class Content:
    """What a delivery says: its fingerprint, its validated rows and issues on disk, and their counts.

    Of a purged delivery only the fingerprint and the counts are left.
    """

    fingerprint: str
    validated: Path | None
    issues: Path | None
    verification: Verification


@dataclass(frozen=True)
class Application:
    """One delivery as it is to stand; times are naive UTC.

    Attributes:
        content: What it says, or would say; None if nothing that landed was ever readable.
        is_applied: Whether that is to be in the tables.
        status: What the ledger is to say of it.
        error: Why the content that landed last is not the one that stands, if so.
        corrections: Every field that corrections change or changed.
        loaded_at: When this application is made, or was made first; None for now.
    """

    feed: Feed
    delivery: str
    received_at: datetime
    recorded_at: datetime
    content: Content | None
    is_applied: bool = True
    status: Status = "applied"
    error: str | None = None
    run_id: str | None = None
    corrections: tuple[CorrectedField, ...] = ()
    loaded_at: datetime | None = None


class Applied(NamedTuple):
    """What an application came to: this delivery's rows in the two tables."""

    versions_added: int
    rows_restated: int
