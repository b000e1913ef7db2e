"""Golden claims come out as they were derived by hand, and together they meet every rule and amount of the rule set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from claims_lakehouse.adjudication.golden import Case, check, standard_cases
from claims_lakehouse.adjudication.rule_file import standard
from claims_lakehouse.adjudication.rule_set import Codes

CASES = standard_cases()
DENIALS = [rule for rule in standard().rules if rule.outcome == "deny"]
WAITS = [rule.name for rule in standard().rules if rule.outcome == "pend"]


def expectations() -> Iterator[Mapping[str, Any]]:
    return (expected for case in CASES for expected in case.expect)


def has(expected: Mapping[str, Any], codes: Codes | None) -> bool:
    """Whether an amount with these codes is expected."""
    assert codes is not None
    called = " ".join(part for part in (codes.group, codes.carc, codes.rarc) if part)
    return any(told.rsplit(" ", 1)[0] == called for told in expected.get("adjustments", ()))


def case_named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_golden_claim_comes_out_as_it_was_derived(case: Case) -> None:
    assert check(case, standard()) == []


def test_there_are_at_least_forty_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 40
    assert [name for name, times in Counter(case.name for case in CASES).items() if times > 1] == []


def test_every_line_of_which_something_is_said_or_expected_is_a_line_of_the_case() -> None:
    for case in CASES:
        lines = {f"{row['claim_id']}|{row['line_number']}" for row in case.rows["medical_claims"]}
        assert {one["line"] for one in (*case.acts, *case.expect)} <= lines, case.name


def test_what_is_expected_of_a_line_adds_up_to_its_charge() -> None:
    for case in CASES:
        for expected in case.expect:
            if not expected.keys() >= {"paid", "adjustments"}:
                continue
            charges = [
                Decimal(row["charge_amount"])
                for row in case.rows["medical_claims"]
                if f"{row['claim_id']}|{row['line_number']}" == expected["line"]
                and row["received"] <= expected.get("on", row["received"])
            ]
            adjustments = sum(Decimal(told.rsplit(" ", 1)[1]) for told in expected["adjustments"])
            assert Decimal(expected["paid"]) + adjustments == charges[-1], (case.name, expected["line"])


@pytest.mark.parametrize("rule", DENIALS, ids=lambda rule: rule.name)
def test_every_rule_that_denies_is_met(rule: Any) -> None:
    assert any(expected.get("rule") == rule.name and has(expected, rule.codes) for expected in expectations())


@pytest.mark.parametrize("name", WAITS)
def test_every_rule_that_has_a_line_wait_is_met(name: str) -> None:
    assert any(name in expected.get("pending_for", ()) for expected in expectations())


@pytest.mark.parametrize("name", standard().adjustments)
def test_every_adjustment_is_met_by_a_line_that_no_rule_denies(name: str) -> None:
    codes, denying = standard().adjustments[name], {rule.name for rule in DENIALS}
    assert any(has(expected, codes) for expected in expectations() if expected.get("rule") not in denying)


def test_a_wrong_amount_is_told() -> None:
    case = case_named("the deductible is met within a claim")
    first, second = case.expect
    wrong = replace(case, expect=[first, {**second, "paid": "48.01"}])
    assert check(wrong, standard()) == ["C1|2: found paid 48.00; expected 48.01."]


def test_a_decision_where_none_is_expected_is_told_and_the_other_way_round() -> None:
    case = case_named("nothing is decided of a claim before it is received")
    before, after = case.expect
    swapped = replace(case, expect=[{**before, "decision": "approved"}, {"line": after["line"], "decision": "none"}])
    assert check(swapped, standard()) == [
        "C1|1 on 2024-01-19: found no decision; expected one.",
        "C1|1: found decision approved; expected none.",
    ]
