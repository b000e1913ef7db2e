"""How much to make of everything, and how records are named. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from claims_lakehouse.contracts import (
    AUTHORIZATIONS,
    CODE_SETS,
    COVERAGES,
    EXCLUSIONS,
    FEE_SCHEDULES,
    MEDICAL_CLAIMS,
    PATIENTS,
    PLANS,
    PROCEDURE_EDITS,
    Feed,
)
from claims_lakehouse.samples import medical_pools

#: The last digit of the numbers that the priming's defects befall, and of those that the updates' befall.
PRIMING_DEFECTS, UPDATE_DEFECTS = 6, 8
#: What stands before and after the number of a record's id, and the first number. Other feeds get a default.
ID_STYLES = {
    "patients": ("", "000U", 1), "providers": ("N3T", "00A", 0), "claims": ("CF#", "078NN", 1000),
    "plans": ("PL-", "", 101), "authorizations": ("AU", "", 70_001), "exclusions": ("EX-", "", 1),
    "medical_claims": ("MC", "", 100_001),
}  # fmt: skip
#: How many records with a key of two columns share the first, where nothing else is known of the feed.
ROWS_A_GROUP = 3
#: Plans that people have; the others are there, and nobody has them.
PLANS_IN_USE = 6
FIRST_FEES, LAST_FEES = 2016, 2024
#: Ten lines of medical claims are four claims of one to four lines.
LINES_A_BLOCK, CLAIMS_A_BLOCK = 10, 4
#: Of ten patients, which ones coverages 1 to 12 are of: all that others may name, some of them twice.
COVERED = (0, 1, 2, 3, 3, 4, 4, 5, 5, 7, 8, 9)


@dataclass(frozen=True)
class Size:
    """How much to make: patients in the priming, and monthly updates from 2024-02-01 on.

    Updates beyond them are daily: so many `days`, of medical claims alone.
    """

    patients: int
    updates: int
    seed: int
    days: int = 0

    def nth_day(self, update: int) -> int:
        """Which of the daily deliveries an update is, counted from 1; 0 for the others."""
        return max(0, update - self.updates)

    def updates_of(self, feed: Feed) -> int:
        """How many updates a feed has, the daily ones among them."""
        return self.updates + (self.days if feed is MEDICAL_CLAIMS else 0)

    def primed(self, feed: Feed) -> int:
        """How many records the priming of a feed holds."""
        if feed is PATIENTS:
            return self.patients
        if feed in (COVERAGES, FEE_SCHEDULES, MEDICAL_CLAIMS):
            return self.after(feed, 0)
        few = {PLANS: 10, AUTHORIZATIONS: max(1, self.patients // 10)}
        few |= {EXCLUSIONS: len(medical_pools.EXCLUSIONS), PROCEDURE_EDITS: len(medical_pools.EDITS)}
        few |= {CODE_SETS: len(medical_pools.PROCEDURES)}
        if feed in few:
            return few[feed]
        if len(feed.key) > 1:
            parents = [r.feed for r in feed.references if r.column in feed.key]
            return ROWS_A_GROUP * (self.primed(parents[0]) if parents else self.patients)
        return self.patients // 10 + 20 if feed.role == "dimension" else 10 * self.patients

    def after(self, feed: Feed, update: int) -> int:
        """How many records there are after an update: most bring a tenth of the priming anew, daily ones a fiftieth."""
        nth_day = self.nth_day(update)
        update -= nth_day
        if feed is COVERAGES:
            blocks, others = divmod(self.after(PATIENTS, update), 10)
            return len(COVERED) * blocks + sum(digit < others for digit in COVERED)
        if feed is FEE_SCHEDULES:
            priced = PLANS_IN_USE * (LAST_FEES - FIRST_FEES + 1) + update
            return len(medical_pools.BILLED) * priced
        if feed is MEDICAL_CLAIMS:
            blocks = (5 * self.patients + 1) // 2
            later = update * max(1, blocks // 10) + nth_day * max(1, blocks // 50)
            return LINES_A_BLOCK * (blocks + later)
        if feed is CODE_SETS:
            return self.primed(feed) + update
        return self.primed(feed) + update * max(1, self.primed(feed) // 10)

    def treated(self, update: int) -> int:
        """How many patients medical claims and authorizations are of: all but those that the priming may hold back."""
        patients = self.after(PATIENTS, update)
        return patients - (patients + 9 - PRIMING_DEFECTS) // 10

    def day(self, update: int) -> date | None:
        """The day of an update, counted from 1; None for the priming. Daily ones come from the next Monday on."""
        if not update:
            return None
        nth_day = self.nth_day(update)
        update -= nth_day
        first = date(2024 + update // 12, update % 12 + 1, 1)
        return first + timedelta(6 - first.weekday() + nth_day) if nth_day else first


def id_style(feed: Feed) -> tuple[str, str, int]:
    """What stands before and after the number of a record's id, and the first number."""
    return ID_STYLES.get(feed.name, (feed.entity[:2].upper() + "-", "", 1))


def row_id(feed: Feed, number: int) -> str:
    """The id of a record of a feed with a key of one column, in the source's style."""
    before, after, first = id_style(feed)
    return f"{before}{number + first}{after}"
