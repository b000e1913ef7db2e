"""What stops a delivery: checks that are not about one row but about the whole. A pure function of its counts."""

from __future__ import annotations

from typing import NamedTuple

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import OTHER_RECORD
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
    # Records of another kind are no bad rows: a layout may hold more of these than of the feed's.
    others = done.errors.get(OTHER_RECORD.name, 0)
    bad, landed = done.malformed + done.quarantined - others, done.landed - others
    if bad >= feed.quarantine_floor and bad > feed.quarantine_limit * landed:
        worst = max(
            ((rule, count) for rule, count in done.errors.items() if rule != OTHER_RECORD.name),
            key=lambda item: item[1],
            default=("no rule", 0),
        )
        quarantine = (
            f"{bad:,} of {landed:,} rows ({bad / landed:.0%}) are malformed or quarantined, "
            f"more than the limit of {feed.quarantine_limit:.0%}; most of all {worst[0]} ({worst[1]:,})"
        )
    return Gate(conservation, quarantine)
