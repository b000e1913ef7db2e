"""What is told of a claim: its lines with facts, rules and amounts, what happened, and what was remitted of it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from claims_lakehouse.adjudication.facts import Fact
from claims_lakehouse.adjudication.rule_set import Codes, Rule, RuleSet


class KnownFact(NamedTuple):
    """A fact and what it says of the line."""

    fact: Fact
    value: Any


class AskedRule(NamedTuple):
    """A rule that was asked about a line: whether it speaks, a person has settled it, and it decides."""

    rule: Rule
    speaks: bool
    is_settled: bool
    decides: bool


class Step(NamedTuple):
    """One step from the charge to what is paid: what it takes, what is left after it, and its codes."""

    name: str
    taken: Decimal
    left: Decimal
    codes: Codes | None
    told: str


class Version(NamedTuple):
    """A version of reference data that a decision rests on: what it is of, its key, delivery and row."""

    of: str
    key: str
    delivery: str
    row_number: int
    received_at: datetime


class LineExplanation(NamedTuple):
    """How one line was decided; `decision` is None where it was taken back, or only takes another claim back."""

    claim_id: str
    line_number: int
    decision: str | None
    taken_back_by: str | None
    charge: Decimal
    allowed: Decimal
    paid: Decimal
    patient_share: Decimal
    rule_set: RuleSet | None
    line: dict[str, Any]
    facts: list[KnownFact]
    rules: list[AskedRule]
    steps: list[Step]
    versions: list[Version]
    appeal: str | None


class Happening(NamedTuple):
    """One event of a claim's log, as `claim_event` has it."""

    day: date
    line_number: int
    event: str
    decision: str | None
    detail: str | None
    paid: Decimal | None
    claim_version: int | None
    delivery: str | None
    who: str | None
    happened_at: datetime | None
    run_id: str | None


class Remitted(NamedTuple):
    """A remittance that tells of the claim, as `remittance` has it; `status` is processed, denied or reversal."""

    day: date
    payee: str
    patient_id: str
    status: str
    paid: Decimal
    trace: str
    is_sent: bool


class Explanation(NamedTuple):
    """How a claim was decided and what was remitted of it, as of a day; the latest where none is given."""

    claim_id: str
    patients: list[str]
    day: date | None
    lines: list[LineExplanation]
    events: list[Happening]
    payments: list[Remitted]
