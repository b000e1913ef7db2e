"""What stops a delivery: checks that are not about one row but about the whole. A pure function of its counts."""

from __future__ import annotations

from typing import NamedTuple

from claims_lakehouse.contracts import Feed
from claims_lakehouse.validation.verification import Verification


class Gate(NamedTuple):
    """Why a delivery is not to be applied, by blocking check; None where the check has nothing against it."""

    conservation: str | None
    quarantine_rate: str | None

    def reasons(self, *, released: bool) -> list[str]:
        """What stands against the delivery; a release answers the limit, never lost rows."""
        return [reason for reason in (self.conservation, None if released else self.quarantine_rate) if reason]


def gate(feed: Feed, done: Verification) -> Gate:
    """Hold a delivery's counts to conservation and to its feed's quarantine limit.

    A person may release a delivery that the limit stops; nobody can release one that loses rows.
    """
    conservation = quarantine = None
    if not done.balances:
        accounted = done.malformed + done.quarantined + done.duplicate + done.valid
        conservation = f"{done.landed:,} rows landed and {accounted:,} are accounted for"
    bad = done.malformed + done.quarantined
    if bad >= feed.quarantine_floor and bad > feed.quarantine_limit * done.landed:
        worst = max(done.errors.items(), key=lambda item: item[1], default=("no rule", 0))
        quarantine = (
            f"{bad:,} of {done.landed:,} rows ({bad / done.landed:.0%}) are malformed or quarantined, "
            f"more than the limit of {feed.quarantine_limit:.0%}; most of all {worst[0]} ({worst[1]:,})"
        )
    return Gate(conservation, quarantine)
