"""One claim as a person looks at it: how it was decided, by what is published, and what stands beside its lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import duckdb

from claims_lakehouse.adjudication.acts import SeenLine, seen_lines
from claims_lakehouse.adjudication.explain import explain
from claims_lakehouse.adjudication.explanation import Explanation, LineExplanation
from claims_lakehouse.adjudication.rule_file import standard
from claims_lakehouse.adjudication.rule_set import RuleSet
from claims_lakehouse.adjudication.rule_sets import adopted, rule_sets_look
from claims_lakehouse.desk.claims import Line, line_of
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.errors import NoSuchClaim, UsageError
from claims_lakehouse.settings import Settings

#: Facts that name another line of the patient's: it is shown beside the line that a rule decides for its sake.
BESIDE = {"similar_to": "is much like it", "duplicate_of": "billed the same act", "part_of": "includes it"}
#: In which feed a version of reference data stands.
FEEDS = {"coverage": "coverages", "plan at the service": "plans", "plan of the year": "plans", "fee": "fee_schedules",
         "authorization": "authorizations", "limit": "exclusions"}  # fmt: skip


class Part(NamedTuple):
    """A part of a claim's charge that is not paid, under one name: whose it is, and of which lines."""

    group: str
    carc: str
    rarc: str | None
    amount: Decimal
    lines: list[int]


class Beside(NamedTuple):
    """Another line, and what it is to a line that a rule decides for its sake; None where it stands no more.

    `points` says how like they are, of 100, where that is why.
    """

    what: str
    points: int | None
    named: Line
    other: LineExplanation | None


class Account(NamedTuple):
    """A claim as it stands, or stood at the end of a day.

    Attributes:
        explanation: How it is decided by what is published.
        days: The received days on which something happened to it.
        decision: What its lines are, partial where they differ; None where none stands.
        version: Its version.
        charge: What is asked for the lines that stand; `allowed`, `paid` and `patient_share` likewise.
        allowed: What the plan allows.
        paid: What the plan pays.
        patient_share: What is left to the patient.
        parts: Where the rest of the charge went.
        beside: Lines that stand beside its own, by line number.
        seen: Its lines as they are published, by number: what acts are about. None of an earlier day.
        rule_set: The rule set that was adopted last.
    """

    explanation: Explanation
    days: list[date]
    decision: str | None
    version: int | None
    charge: Decimal
    allowed: Decimal
    paid: Decimal
    patient_share: Decimal
    parts: list[Part]
    beside: dict[int, Beside]
    seen: dict[int, SeenLine]
    rule_set: RuleSet

    @property
    def behind(self) -> list[int]:
        """The lines of which the publication says something else than what follows from it: they are decided anew."""
        now = {line.line_number: line.decision for line in self.explanation.lines}
        return [number for number, seen in self.seen.items() if now.get(number) != seen.decision]


def account(reading: Reading, settings: Settings, claim_id: str, day: date | None = None) -> Account:
    """How a claim stands, or stood at the end of a day.

    NoSuchClaim where nothing is known of it, UsageError where nothing was on that day.
    """
    rule_sets = _rule_sets(reading, settings)
    with reading.cursor() as cursor:
        try:
            explanation = explain(cursor, claim_id, rule_sets, day)
        except UsageError:
            if day is None:
                raise NoSuchClaim("Nothing is known of the claim by what is published.") from None
            raise UsageError(f"Nothing was known of the claim at the end of {day}.") from None
        found = {line.line_number: _beside(cursor, explanation, line, rule_sets) for line in explanation.lines}
        days = {event.day for event in explanation.events} if day is None else _days(cursor, claim_id)
        seen = {} if day else _seen(cursor, claim_id)
    standing = [line for line in explanation.lines if line.decision is not None]
    versions = [event.claim_version for event in explanation.events if event.claim_version is not None]
    return Account(
        explanation,
        sorted(days),
        _rolled_up(standing),
        versions[-1] if versions else None,
        _total(line.charge for line in standing),
        _total(line.allowed for line in standing),
        _total(line.paid for line in standing),
        _total(line.patient_share for line in standing),
        _parts(standing),
        {number: beside for number, beside in found.items() if beside},
        seen,
        rule_sets[-1],
    )


def wording(rule_set: RuleSet, kind: Literal["carc", "rarc"]) -> dict[str, str]:
    """The codes of a kind that a rule set uses, and for what: a person who denies a line is offered them."""
    known = [*(rule.codes for rule in rule_set.rules if rule.codes), *rule_set.adjustments.values()]
    found: dict[str, list[str]] = {}
    for codes in known:
        code = getattr(codes, kind)
        if code and codes is not rule_set.adjustments["pending"]:
            found.setdefault(code, []).append(f"{codes.group}: {codes.reason}")
    return {code: " / ".join(dict.fromkeys(found[code])) for code in sorted(found)}


def _rule_sets(reading: Reading, settings: Settings) -> list[RuleSet]:
    """The rule sets in force, read again where one was adopted since: to check one takes a while."""
    found: list[RuleSet] = reading.once(
        f"rule sets {rule_sets_look(settings)}", lambda: [one.rule_set for one in adopted(settings)] or [standard()]
    )
    return found


def _beside(
    con: duckdb.DuckDBPyConnection, explanation: Explanation, line: LineExplanation, rule_sets: Sequence[RuleSet]
) -> Beside | None:
    """The other line that the rule rests on which decides a line; None where it rests on none."""
    known = {one.fact.name: one.value for one in line.facts}
    named = (asked.rule.evidence for asked in line.rules if asked.decides and asked.rule.evidence in BESIDE)
    fact = next((fact for fact in named if fact and known[fact]), None)
    if fact is None:
        return None
    there = line_of(known[fact])
    its = explanation
    if there.claim_id != explanation.claim_id:
        its = explain(con, there.claim_id, rule_sets, explanation.day)
    other = next((one for one in its.lines if one.line_number == there.line_number), None)
    return Beside(BESIDE[fact], known["similarity"] if fact == "similar_to" else None, there, other)


def _days(con: duckdb.DuckDBPyConnection, claim_id: str) -> Set[date]:
    rows = con.execute("SELECT DISTINCT day FROM claim_event WHERE claim_id = $claim", {"claim": claim_id}).fetchall()
    return {day for (day,) in rows}


def _seen(con: duckdb.DuckDBPyConnection, claim_id: str) -> dict[int, SeenLine]:
    try:
        return {line.line_number: line for line in seen_lines(con, claim_id)}
    except UsageError:  # nothing stands of it
        return {}


def _rolled_up(lines: Sequence[LineExplanation]) -> str | None:
    """What a claim is whose lines are these."""
    decisions = {line.decision for line in lines}
    if len(decisions) > 1:
        return "pending" if "pending" in decisions else "partial"
    return next(iter(decisions), None)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


def _parts(lines: Sequence[LineExplanation]) -> list[Part]:
    """What of the charge is not paid, by its codes, in the order in which lines name them."""
    found: dict[tuple[str, str, str | None], list[Any]] = {}
    for line in lines:
        for step in line.steps:
            if step.codes:
                part = found.setdefault((step.codes.group, step.codes.carc, step.codes.rarc), [Decimal(0), []])
                part[0] += step.taken
                part[1].append(line.line_number)
    return [Part(*codes, amount, sorted(set(numbers))) for codes, (amount, numbers) in found.items()]
