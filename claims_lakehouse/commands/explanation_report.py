"""How the command prints how a claim was decided and paid: tables for people, JSON for machines; all patients' data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claims_lakehouse.commands.decision_report import print_json, print_table
from claims_lakehouse.commands.report import out, plain
from claims_lakehouse.commands.rule_report import codes_text, codes_told

if TYPE_CHECKING:
    from claims_lakehouse.adjudication.explanation import AskedRule, Explanation, Happening, LineExplanation, Remitted
    from claims_lakehouse.adjudication.rule_set import Rule

_SAID = {
    "provider_npi": "provider", "procedure_code": "procedure", "modifiers": "modifiers", "diagnosis_codes": "diagnoses",
    "units": "units", "date_of_service_from": "from", "date_of_service_to": "to", "place_of_service": "place",
    "prior_auth_number": "authorization", "received_date": "received", "delivery": "delivery", "row_number": "row",
}  # fmt: skip
_CENT = Decimal("0.01")


def print_explanation(told: Explanation, *, all_rules: bool) -> None:
    """Print how a claim was decided, line by line, what was remitted of it, and its log.

    Every rule and fact is there where that is wanted.
    """
    sums = ["", *_sums(told.lines)]
    title = f"Claim {told.claim_id}" + (f", as it was known at the end of {told.day}" if told.day else "")
    headings = ("patient", "decision", "lines", "charge", "allowed", "paid", "patient share")
    print_table(title, headings, [[", ".join(told.patients), claim_decision(told.lines), len(told.lines), *sums[1:]]])
    if told.payments and not told.lines:
        out().print("No line of it stands any more: its delivery was retracted or purged.", soft_wrap=True)
    for line in told.lines:
        _print_line(line, all_rules=all_rules)
    _print_payments(told.payments)
    _print_log(told.events)


def claim_decision(lines: Sequence[LineExplanation]) -> str | None:
    """What a claim's lines come to, as the view `claim_decision` says it; None where no line is decided."""
    found = {line.decision for line in lines if line.decision is not None}
    if not found:
        return None
    return "pending" if "pending" in found else found.pop() if len(found) == 1 else "partial"


def _sums(lines: Sequence[LineExplanation]) -> Iterator[Decimal]:
    decided = [line for line in lines if line.decision is not None]
    for name in ("charge", "allowed", "paid", "patient_share"):
        yield sum((getattr(line, name) for line in decided), Decimal(0)).quantize(_CENT)


def _print_line(line: LineExplanation, *, all_rules: bool) -> None:
    name = f"Line {line.line_number}"
    said = line.line | {"row_number": str(line.line["row_number"])}
    if said["units"] is not None:
        said["units"] = f"{said['units'].normalize():f}"
    print_table(f"{name}: what it says", list(_SAID.values()), [[said[column] for column in _SAID]])
    if line.decision is None:
        out().print(plain(_why_undecided(line)), soft_wrap=True)
        return
    deciding = next((asked.rule.name for asked in line.rules if asked.decides), None)
    steps: list[Sequence[Any]] = [("charge", "", None, line.charge, "What the provider asks for.")]
    for step in line.steps:
        by = f": {deciding}" if deciding and step.name in ("denied", "pending") else ""
        steps.append((f"{step.name}{by}", codes_text(step.codes), step.taken, step.left, step.told))
    share = f"What the plan pays. The patient's share is {line.patient_share:,.2f}."
    steps.append(("paid", "", None, line.paid.quantize(_CENT), share))
    by_set = f", by {line.rule_set.name} {line.rule_set.version} ({line.rule_set.digest})" if line.rule_set else ""
    print_table(f"{name}: {line.decision}{by_set}", ("step", "codes", "takes", "leaves", "why"), steps)
    for needed in _appeals(line):
        out().print(f"An appeal of line {line.line_number} needs: {plain(needed)}", soft_wrap=True)
    _print_rules(line, all_rules=all_rules)
    if all_rules:
        facts = [(known.fact.name, _value(known.value), known.fact.meaning) for known in line.facts]
        print_table(f"{name}: what is known of it", ("fact", "value", "meaning"), facts)
    versions = [(one.of, one.key, one.delivery, str(one.row_number), one.received_at) for one in line.versions]
    headings = ("version of", "key", "delivery", "row", "received")
    print_table(f"{name}: reference data that it rests on", headings, versions)


def _why_undecided(line: LineExplanation) -> str:
    if line.taken_back_by is None:
        original = line.line["original_claim_id"]
        return f"Line {line.line_number} only takes claim {original} back: nothing is decided of it."
    by = "a later statement of the claim" if line.taken_back_by == line.claim_id else f"claim {line.taken_back_by}"
    return f"Line {line.line_number} is not decided: {by} takes its place or voids it."


def _appeals(line: LineExplanation) -> list[str]:
    """What an appeal needs, where something was denied; each said once."""
    if line.decision not in ("denied", "partial"):
        return []
    wanted = [line.appeal, *(step.codes.appeal for step in line.steps if step.codes)]
    return list(dict.fromkeys(one for one in wanted if one))


def _print_rules(line: LineExplanation, *, all_rules: bool) -> None:
    """Print the rules that speak about a line, or every one, in the order in which they are asked."""
    values = {known.fact.name: known.value for known in line.facts}
    rows = []
    for place, asked in enumerate(line.rules, 1):
        if asked.speaks or all_rules:
            rule = asked.rule
            reads = ", ".join(
                f"{name} = {_value(values[name])}" for name in dict.fromkeys((*rule.reads, *_evidence(rule)))
            )
            told = [str(place), rule.name, _answer(asked), reads, codes_text(rule.codes), rule.reason]
            rows.append([*told, rule.when] if all_rules else told)
    headings = ["", "rule", "answer", "reads", "codes", "what it tells"] + (["condition"] if all_rules else [])
    title = "every rule, in the order in which they are asked" if all_rules else "rules that speak about it"
    print_table(f"Line {line.line_number}: {title}", headings, rows)


def _evidence(rule: Rule) -> list[str]:
    """The fact that says what a rule rests on, where it has one."""
    return [rule.evidence] if rule.evidence else []


def _answer(asked: AskedRule) -> str:
    if not asked.speaks:
        return ""
    if asked.is_settled:
        return "settled by a person"
    if not asked.decides:
        return "speaks, decides nothing"
    return "denies it" if asked.rule.outcome == "deny" else "has it wait"


def _print_payments(payments: Sequence[Remitted]) -> None:
    """Print what was remitted; of whom, where patients share the claim's number."""
    several = len({one.patient_id for one in payments}) > 1
    rows = [
        (one.day, one.payee, *([one.patient_id] if several else ()), one.status, one.paid, one.trace,
         sent_text(one.is_sent))
        for one in payments
    ]  # fmt: skip
    headings = ("payment day", "payee", *(["patient"] if several else ()), "status", "paid", "trace number", "state")
    print_table("What was remitted of the claim", headings, rows)


def sent_text(is_sent: bool) -> str:
    """Whether a payment day's files were sent, in a word: it is open as long as they were not."""
    return "sent" if is_sent else "open"


def _print_log(events: Sequence[Happening]) -> None:
    rows = [
        (one.day, _number(one), one.event, one.decision, one.detail, one.paid, one.delivery, one.who, one.happened_at)
        for one in events
    ]
    headings = ("received day", "line", "event", "decision", "detail", "paid", "delivery", "who", "at")
    print_table("What happened to the claim", headings, rows, below=("detail", "delivery", "who", "at"))


def _number(event: Happening) -> str | None:
    """Of which line it is; a row that was quarantined may not have told."""
    return None if event.line_number is None else str(event.line_number)


def print_explanation_json(told: Explanation) -> None:
    """Print how a claim was decided, whole, as one JSON object."""
    sums = dict(zip(("charge", "allowed", "paid", "patient_share"), _sums(told.lines), strict=True))
    print_json(
        {"claim_id": told.claim_id, "patients": told.patients, "day": told.day, "decision": claim_decision(told.lines),
         **sums, "lines": [_line(line) for line in told.lines],
         "payments": [payment._asdict() for payment in told.payments],
         "events": [event._asdict() for event in told.events]}
    )  # fmt: skip


def _line(line: LineExplanation) -> dict[str, Any]:
    values = {known.fact.name: known.value for known in line.facts}
    rule_set = line.rule_set
    return {
        "line_number": line.line_number, "decision": line.decision, "taken_back_by": line.taken_back_by,
        **{name: getattr(line, name).quantize(_CENT) for name in ("charge", "allowed", "paid", "patient_share")},
        "rule_set": rule_set and {"rule_set": rule_set.digest, "name": rule_set.name, "version": rule_set.version,
                                  "effective_from": rule_set.effective_from},
        "says": line.line,
        "facts": [
            {"name": known.fact.name, "value": known.value, "meaning": known.fact.meaning} for known in line.facts
        ],
        "rules": [
            {"rule": asked.rule.name, "outcome": asked.rule.outcome, "when": asked.rule.when,
             "reads": {name: values[name] for name in asked.rule.reads},
             "evidence": {name: values[name] for name in _evidence(asked.rule)}, "speaks": asked.speaks,
             "is_settled": asked.is_settled, "decides": asked.decides, **codes_told(asked.rule.codes),
             "reason": asked.rule.reason, "appeal": asked.rule.appeal}
            for asked in line.rules
        ],
        "steps": [
            {"step": step.name, "taken": step.taken, "left": step.left, **codes_told(step.codes),
             "why": step.told, "appeal": step.codes.appeal if step.codes else None}
            for step in line.steps
        ],
        "versions": [version._asdict() for version in line.versions],
        "appeal": line.appeal,
    }  # fmt: skip


def _value(value: Any) -> str:
    """A fact's value as a rule reads it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
