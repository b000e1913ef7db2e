"""A rule set: in order, what denies a line or has it wait, and what every adjustment is called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from claims_lakehouse.adjudication.facts import FACT_NAMED

Outcome = Literal["deny", "pend"]
#: What a line's charge may go to besides a payment, each with the codes that it has; in the order in which it is taken.
ADJUSTMENTS = (
    "unauthorized_units", "units_limit", "above_fee_schedule", "deductible", "coinsurance", "copay", "annual_maximum",
    "pending",
)  # fmt: skip
#: Claim adjustment group codes: whose the amount is.
GROUPS = ("CO", "PR", "OA", "PI")
#: Adjustment reasons that ask for a remark (X12 external code list 139).
NEED_REMARK = ("16", "96", "A1")
#: The form of adjustment reason and remark codes (X12 external code lists 139 and 411).
CARC = re.compile("[1-9][0-9]{0,2}|[ABDPWY](0|[1-9][0-9]?)")
RARC = re.compile("M[1-9][0-9]{0,2}|MA(0[1-9]|[1-9][0-9]{1,2})|N[1-9][0-9]{0,3}")
#: A line that a person denied has the codes that they gave; one that they opened again waits for their word.
REVIEWED, APPEALED = "reviewed", "appealed"


@dataclass(frozen=True)
class Codes:
    """What an amount that is not paid is called: group, CARC, RARC where one is needed, and why, for a member."""

    group: str
    carc: str
    rarc: str | None
    reason: str
    appeal: str | None


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: Its name.
        outcome: Whether it denies a line or has it wait for a person.
        when: The condition, SQL over facts.
        reads: The facts that it reads.
        evidence: The fact that says what it rests on; None where nothing needs to be named.
        codes: What a denial is called; None for one that has a line wait.
        reason: What a member is told.
        appeal: What an appeal needs.
    """

    name: str
    outcome: Outcome
    when: str
    reads: tuple[str, ...]
    evidence: str | None
    codes: Codes | None
    reason: str
    appeal: str | None

    @property
    def is_beside(self) -> bool:
        """Whether it reads facts about the patient's other lines, or rests on one."""
        return any(FACT_NAMED[name].is_beside for name in (*self.reads, *([self.evidence] if self.evidence else ())))


@dataclass(frozen=True)
class RuleSet:
    """A rule set, as its file says it.

    Attributes:
        digest: The hash of the file, 16 hexadecimal digits: what decisions name it by.
        name: Its name.
        version: Its version, as people say it.
        effective_from: The first received day on which it decides.
        similarity: From how many points of likeness on lines are worth comparing.
        separate_modifiers: Modifiers that say that a procedure was separate from another.
        rules: Its rules, in order: the first that denies a line decides.
        adjustments: What each kind of adjustment is called.
        text: The file.
    """

    digest: str
    name: str
    version: str
    effective_from: date
    similarity: int
    separate_modifiers: tuple[str, ...]
    rules: tuple[Rule, ...]
    adjustments: dict[str, Codes]
    text: str

    def rule(self, name: str) -> Rule | None:
        """The rule of that name."""
        return next((rule for rule in self.rules if rule.name == name), None)
