"""How the command prints rule sets, and what another one would decide: tables for people, JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claims_lakehouse.commands.decision_report import print_json, print_table
from claims_lakehouse.commands.issue_report import counted
from claims_lakehouse.commands.report import out, plain

if TYPE_CHECKING:
    from claims_lakehouse.adjudication.comparison import Comparison
    from claims_lakehouse.adjudication.rule_set import Codes, RuleSet
    from claims_lakehouse.adjudication.rule_sets import Adopted


def called(rule_set: RuleSet) -> str:
    """A rule set as messages name it: `standard 1 (0123456789abcdef)`."""
    return f"{rule_set.name} {rule_set.version} ({rule_set.digest})"


def print_rule_sets(found: Sequence[Adopted], *, as_json: bool) -> None:
    """Print the rule sets in force, in the order of their first days."""
    names = ("rule_set", "name", "version", "effective_from", "who", "why", "adopted_at")
    rows = [(one.rule_set.digest, one.rule_set.name, one.rule_set.version, one.effective_from, one.who, one.why, one.at)
            for one in found]  # fmt: skip
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table("Rule sets in force", [name.replace("_", " ") for name in names], rows)


def print_rule_set(rule_set: RuleSet, adjustments: Sequence[str], *, as_json: bool) -> None:
    """Print the rules of a rule set in order, then what the amounts that are not paid are called."""
    amounts = [(name, rule_set.adjustments[name]) for name in adjustments]
    if as_json:
        rules: list[dict[str, Any]] = [
            {"rule": rule.name, "outcome": rule.outcome, "when": rule.when, "reads": rule.reads,
             "evidence": rule.evidence, **codes_told(rule.codes), "reason": rule.reason, "appeal": rule.appeal}
            for rule in rule_set.rules
        ]  # fmt: skip
        print_json(rules + [{"rule": name, "outcome": "adjust", **codes_told(codes), "reason": codes.reason,
                             "appeal": codes.appeal} for name, codes in amounts])  # fmt: skip
        return
    rows = [
        (str(place), rule.name, rule.outcome, codes_text(rule.codes), rule.when, ", ".join(rule.reads), rule.reason)
        for place, rule in enumerate(rule_set.rules, 1)
    ]
    title = f"{called(rule_set)}, for what is received from {rule_set.effective_from} on"
    print_table(title, ("", "rule", "then", "codes", "when", "reads", "what it tells"), rows)
    named = [(name, codes_text(codes), codes.reason, codes.appeal) for name, codes in amounts]
    print_table("What is not paid is called", ("adjustment", "codes", "what it tells", "an appeal needs"), named)


def print_comparison(rule_set: RuleSet, found: Comparison, *, as_json: bool) -> None:
    """Print what would be decided otherwise, and what that comes to."""
    paid = sum((one.paid for one in found.changes), Decimal("0.00"))
    paid_after = sum((one.paid_after for one in found.changes), Decimal("0.00"))
    if as_json:
        changes = [change._asdict() for change in found.changes]
        print_json({"lines": found.lines, "differing": found.differing, "differing_since": found.differing_since,
                    "paid": paid, "paid_after": paid_after, "changes": changes})  # fmt: skip
    else:
        rows = [
            (one.decision or "none", one.rule, one.decision_after or "none", one.rule_after, one.lines, one.paid,
             one.paid_after, one.paid_after - one.paid, one.example)
            for one in found.changes
        ]  # fmt: skip
        headings = ("decision", "rule", "would be", "rule then", "lines", "paid", "would be paid", "more", "example")
        print_table("What would be decided otherwise", headings, rows)
        told = f"{found.differing:,} of {counted(found.lines, 'line')} would be decided otherwise"
        sums = f"; {paid_after:,} would be paid for them in place of {paid:,}" if rows else ""
        out().print(f"{plain(called(rule_set))}: {told}{sums}.", soft_wrap=True)
        if rows:
            since = f"Of them {found.differing_since:,} {'was' if found.differing_since == 1 else 'were'} received from"
            out().print(
                f"{since} {rule_set.effective_from} on: only these are decided by it once it is adopted.",
                soft_wrap=True,
            )


def codes_told(codes: Codes | None) -> dict[str, str | None]:
    """An adjustment's codes for machines."""
    return {name: getattr(codes, name, None) for name in ("group", "carc", "rarc")}


def codes_text(codes: Codes | None) -> str:
    """An adjustment's codes as people write them: `CO 96 N130`."""
    return " ".join(code for code in codes_told(codes).values() if code)
