"""Rules as SQL over the facts of a line: which of them speak, which decides, and what it rests on.

Each line asks the rule set by which it is decided: an expression for every one of them, behind its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from claims_lakehouse.adjudication.rule_set import REVIEWED, Outcome, Rule, RuleSet
from claims_lakehouse.warehouse.literals import literal, literals

#: Which amount of a line each kind of adjustment is.
AMOUNTS = {
    "unauthorized_units": "unauthorized", "units_limit": "over_limit", "above_fee_schedule": "above_fee",
    "deductible": "deductible", "coinsurance": "coinsurance", "copay": "copay", "annual_maximum": "over_maximum",
    "pending": "pending",
}  # fmt: skip


class RuleSql:
    """What rule sets ask of a line; the last that was in force when its statement was received is asked.

    Every property and method gives an SQL expression over `every_fact`, unless it says so.

    Args:
        rule_sets: Rule sets in the order of their first days; the first is in force before that, too.
    """

    def __init__(self, rule_sets: Sequence[RuleSet]) -> None:
        self._rule_sets = rule_sets

    @property
    def rule_set(self) -> str:
        """The digest of the rule set by which a line is decided; over `line`, a statement."""
        first, *others = self._rule_sets
        later = "".join(
            f" WHEN CAST(line.valid_from AS DATE) >= DATE '{one.effective_from}' THEN '{one.digest}'"
            for one in reversed(others)
        )
        return f"CASE{later} ELSE '{first.digest}' END" if later else f"'{first.digest}'"

    def of_each(self, expression: Callable[[RuleSet], str], rule_set: str = "rule_set") -> str:
        """What the line's rule set has for an expression; `rule_set` is the column that names it."""
        if len(self._rule_sets) == 1:
            return expression(self._rule_sets[0])
        cases = " ".join(f"WHEN '{one.digest}' THEN {expression(one)}" for one in self._rule_sets)
        return f"CASE {rule_set} {cases} END"

    @property
    def spoken(self) -> str:
        """All causes that speak about a line, whether a person has settled them or not."""

        def of(one: RuleSet) -> str:
            causes = ", ".join(f"CASE WHEN ({rule.when}\n) THEN {_cause(rule)} END" for rule in one.rules)
            return f"list_filter([{causes}], lambda cause: cause IS NOT NULL)" if causes else "CAST([] AS VARCHAR[])"

        return self.of_each(of)

    def first(self, outcome: Outcome, *, alone: bool = False) -> str:
        """The name of the first rule with that outcome that speaks; NULL where none does.

        With `alone`, of those only that ask about the line by itself.
        """

        def of(one: RuleSet) -> str:
            asked = [rule for rule in in_order(one.rules) if rule.outcome == outcome and not (alone and rule.is_beside)]
            cases = " ".join(f"WHEN {_fires(rule)} THEN '{rule.name}'" for rule in asked)
            return f"CASE {cases} END" if asked else "NULL"

        return self.of_each(of)

    def all(self, outcome: Outcome) -> str:
        """The names of all rules with that outcome that speak; NULL where none does."""

        def of(one: RuleSet) -> str:
            asked = [rule for rule in in_order(one.rules) if rule.outcome == outcome]
            if not asked:
                return "CAST(NULL AS VARCHAR[])"
            some = " OR ".join(f"({_fires(rule)})" for rule in asked)
            names = ", ".join(f"CASE WHEN {_fires(rule)} THEN '{rule.name}' END" for rule in asked)
            return f"CASE WHEN {some} THEN list_filter([{names}], lambda name: name IS NOT NULL) END"

        return self.of_each(of)

    @property
    def evidence(self) -> str:
        """What the deciding rule, or the first that has the line wait, rests on; over a verdict."""

        def of(one: RuleSet) -> str:
            cases = _evidence_cases(one)
            return f"CASE coalesce(denied_by, pending_for[1]) {cases} END" if cases else "CAST(NULL AS VARCHAR)"

        return self.of_each(of)

    @property
    def pending_causes(self) -> str:
        """The rules for which a line waits, each with what it rests on: a person settles these; over a verdict."""

        def of(one: RuleSet) -> str:
            cases = _evidence_cases(one)
            evidence = f"coalesce(CASE name {cases} END, '')" if cases else "''"
            return f"list_transform(pending_for, lambda name: name || ' ' || {evidence})"

        return self.of_each(of)

    @property
    def patient_share(self) -> str:
        """What a line leaves to the patient: every amount whose group is PR; over `fact`, `verdict` and `shared`."""

        def of(one: RuleSet) -> str:
            theirs = [f"coalesce(shared.{column}, 0)" for name, column in AMOUNTS.items()
                      if name != "pending" and one.adjustments[name].group == "PR"]  # fmt: skip
            denials = literals(rule.name for rule in one.rules if rule.codes and rule.codes.group == "PR") or "''"
            theirs.append(f"CASE WHEN verdict.denied_by IN ({denials}) THEN fact.charge ELSE 0 END")
            return f"({' + '.join(theirs)})"

        return f"({self.of_each(of, 'fact.rule_set')} + {_REVIEWED_SHARE})"


def in_order(rules: Sequence[Rule]) -> list[Rule]:
    """Rules in the order in which they are asked: those about other lines after those about the line by itself."""
    return [*(one for one in rules if not one.is_beside), *(one for one in rules if one.is_beside)]


def is_settled(cause: str) -> str:
    """SQL for whether a person settled a cause."""
    return f"coalesce(list_contains(overridden, {cause}), false)"


def _fires(rule: Rule) -> str:
    """SQL for whether a rule speaks about a line: its condition holds, and no person has settled it."""
    return f"({rule.when}\n) AND (overridden IS NULL OR NOT list_contains(overridden, {_cause(rule)}))"


def _cause(rule: Rule) -> str:
    """SQL for a rule and what it rests on: what a person's word settles."""
    return literal(f"{rule.name} ") if rule.evidence is None else f"'{rule.name} ' || coalesce({_text(rule)}, '')"


def _text(rule: Rule) -> str:
    return f"CAST({rule.evidence} AS VARCHAR)"


def _evidence_cases(rule_set: RuleSet) -> str:
    """SQL for what each rule rests on, by its name."""
    return " ".join(f"WHEN '{rule.name}' THEN {_text(rule)}" for rule in rule_set.rules if rule.evidence)


#: A person who denies a line says whose the amount is.
_REVIEWED_SHARE = (
    f"CASE WHEN verdict.denied_by = '{REVIEWED}' AND fact.act_id IN"
    " (SELECT act_id FROM internal.claim_act WHERE group_code = 'PR') THEN fact.charge ELSE 0 END"
)
