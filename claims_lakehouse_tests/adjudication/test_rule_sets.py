"""Rule sets: what a file may say, which one is in force, and that another one leaves alone what it is not about."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from claims_lakehouse.adjudication import rule_sets
from claims_lakehouse.adjudication.acts import approve
from claims_lakehouse.adjudication.comparison import compare_rule_set
from claims_lakehouse.adjudication.golden import Case, parse_cases, standard_cases
from claims_lakehouse.adjudication.rule_file import parse, read, standard
from claims_lakehouse.adjudication.rule_set import ADJUSTMENTS, RuleSet
from claims_lakehouse.adjudication.rule_sets import adopt, adopted
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.adjudication.worlds import (
    ON_RECORD,
    Delivery,
    ask,
    copied,
    coverage,
    decided,
    edit,
    fee,
    log,
    parse_once,
    parsed_once,
    plan,
    receive,
    receive_all,
    seen,
    settle,
    stamps,
    tables,
)
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.medical import line

FIRST, SECOND, THIRD, LAST = "2024-02-01", "2024-02-05", "2024-02-10", "2024-02-15"
EVER = "1900-01-01"
STANDARD = standard().text
BASE = [
    Delivery("plans", FIRST, (plan(),)),
    Delivery("coverages", FIRST, (coverage(), coverage(patient_id="2000U"))),
    Delivery("fee_schedules", FIRST, (fee(), fee(procedure_code="99214", allowed_amount="90.00"))),
    Delivery("procedure_edits", FIRST, (edit(),)),
    Delivery("medical_claims", FIRST, (
        line(),
        line(claim_id="C2", patient_id="2000U", modifiers="QQ"),  # part of the next, but for rules to which QQ says no
        line(claim_id="C2", line_number="2", patient_id="2000U", procedure_code="99214"),
        line(claim_id="C3", patient_id="2000U", procedure_code="97110", provider_npi="1000000004"),  # has no price
    )),
    Delivery("medical_claims", THIRD, (
        line(claim_id="C4", date_of_service_from="2024-02-08", date_of_service_to="", received_date="2024-02-09"),
    )),
]  # fmt: skip
COINSURANCE = ('[adjustment.coinsurance]\ngroup = "PR"', '[adjustment.coinsurance]\ngroup = "CO"')
UNITS = 'when = "units is null"\nreads = ["units"]'


def text(first: str, *changed: tuple[str, str]) -> str:
    """The standard rule set's file as another one, in force from a day on."""
    found = STANDARD.replace('version = "1"', 'version = "2"')
    for before, after in (("effective_from = 1900-01-01", f"effective_from = {first}"), *changed):
        assert before in found, before
        found = found.replace(before, after)
    return found


def variant(first: str, *changed: tuple[str, str]) -> RuleSet:
    return parsed_once(text(first, *changed), "mine.toml")


def condition(when: str, *reads: str) -> tuple[str, str]:
    """A change to the rule about units: another condition."""
    return UNITS, f"when = {json.dumps(when)}\nreads = {json.dumps(reads)}"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    parse_once(monkeypatch)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """What was received on two days, settled by the standard rule set and published."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("rules")).with_tables()
    receive_all(lakehouse, BASE)
    settle(lakehouse)
    publish(lakehouse.settings)
    return lakehouse


@pytest.fixture
def lake(template: Lakehouse, tmp_path: Path) -> Lakehouse:
    """A copy of it, to be changed."""
    return copied(template, tmp_path)


@pytest.fixture
def empty(tmp_path: Path) -> Lakehouse:
    return Lakehouse(tmp_path)


def take(lakehouse: Lakehouse, first: str, *changed: tuple[str, str]) -> RuleSet:
    """Adopt another rule set."""
    rule_set = variant(first, *changed)
    adopt(lakehouse.settings, rule_set, [], **ON_RECORD)
    return rule_set


def rule_set_of(lakehouse: Lakehouse) -> dict[str, str]:
    """By which rule set each claim's first line is decided."""
    sql = "SELECT claim_id, rule_set FROM internal.line_decision WHERE is_current AND line_number = 1"
    return dict(ask(lakehouse, sql))


# --- What a file may say ---

_AT = "mine.toml, rule 7 'units_missing'"
_WRONG: dict[str, tuple[tuple[str, str], str]] = {
    "no TOML": (('name = "standard"', "name = "), "mine.toml: Invalid value"),
    "no name": (('name = "standard"\n', ""), "mine.toml, the file name: found nothing; expected a text"),
    "a version that is no text": (('version = "2"', "version = 2"), "the file version: found 2; expected a text"),
    "a first day with a time": (("effective_from = 2024-02-10", "effective_from = 2024-02-10T00:00:00"),
                                r"the file effective_from: found datetime.*; expected a day\."),
    "an unknown key": (('name = "standard"', 'name = "standard"\nauthor = "ann"'),
                       "the file: found 'author'; expected no other key than name, version"),
    "points that are no number": (("similarity = 85", 'similarity = "85"'), r"\[settings\] similarity: found '85'; expected a whole number\."),
    "points that are true": (("similarity = 85", "similarity = true"), r"\[settings\] similarity: found True"),
    "points above a hundred": (("similarity = 85", "similarity = 101"), r"\[settings\] similarity: found 101"),
    "a modifier of three": (('"24", "25"', '"24", "255"'), "separate_modifiers: found another list; expected modifiers"),
    "a rule without a condition": ((f"{UNITS}\n", 'reads = ["units"]\n'), f"{_AT} when: found nothing; expected a text"),
    "an unknown key of a rule": ((UNITS, f'{UNITS}\npriority = "1"'), f"{_AT}: found 'priority'; expected no other key"),
    "a rule that neither denies nor pends": (('"units"]\nthen = "deny"', '"units"]\nthen = "pay"'),
                                             "found 'group'|found 'pay'; expected deny or pend"),
    "the same name twice": (('name = "place_missing"', 'name = "units_missing"'), "rule 8 'units_missing': found that name"),
    "a name that is an amount's": (('name = "place_missing"', 'name = "copay"'), "rule 8 'copay': found that name"),
    "a name that people's words have": (('name = "place_missing"', 'name = "reviewed"'), "found that name"),
    "a name with blanks": (('name = "place_missing"', 'name = "place missing"'), "found that name; expected one of its own"),
    "a denial without a group": (('"units"]\nthen = "deny"\ngroup = "CO"\n', '"units"]\nthen = "deny"\n'),
                                 rf"{_AT} group: found nothing; expected CO, PR, OA or PI\."),
    "facts that are no list": ((UNITS, UNITS.replace('["units"]', '"units"')), f"{_AT} reads: found 'units'; expected a list"),
    "settings that are no table": (("[settings]", "[[settings]]"), r"the file settings: found \[.*; expected a table\."),
    "an unknown group": (('"units"]\nthen = "deny"\ngroup = "CO"', '"units"]\nthen = "deny"\ngroup = "XX"'),
                         f"{_AT} group: found 'XX'; expected CO, PR, OA or PI"),
    "CARC 16 without a remark": (('carc = "16"\nrarc = "M53"\n', 'carc = "16"\n'),
                                 f"{_AT} rarc: found nothing; expected a remark: CARC 16 asks for one"),
    "evidence that is no fact": ((UNITS, f'{UNITS}\nevidence = "doctor"'), f"{_AT} evidence: found 'doctor'; expected a fact"),
    "reads more than it does": ((UNITS, UNITS.replace('["units"]', '["units", "fee"]')),
                                f"{_AT} reads: found units, fee; expected what the condition reads: units"),
    "reads less than it does": ((UNITS, UNITS.replace('["units"]', "[]")), f"{_AT} reads: found nothing; expected"),
    "reads what is no text": ((UNITS, UNITS.replace('["units"]', '["units", 1]')), f"{_AT} reads: found units, 1"),
    "an adjustment that is missing": ((STANDARD[STANDARD.index("[adjustment.copay]"):
                                                STANDARD.index("[adjustment.annual_maximum]")], ""),
                                      rf"\[adjustment\]: found .*; expected {', '.join(ADJUSTMENTS)}"),
    "an adjustment of another name": (("[adjustment.copay]", "[adjustment.fine]"), r"\[adjustment\]: found .*fine"),
    "an adjustment without codes": (('[adjustment.copay]\ngroup = "PR"\n', "[adjustment.copay]\n"),
                                    r"\[adjustment.copay\] group: found nothing; expected CO, PR, OA or PI\."),
}  # fmt: skip


@pytest.mark.parametrize("case", _WRONG)
def test_what_is_wrong_in_a_file_is_told_with_its_place(case: str) -> None:
    changed, told = _WRONG[case]
    with pytest.raises(UsageError, match=told) as error:
        parse(text(THIRD, changed), "mine.toml")
    assert str(error.value).startswith("mine.toml")


_CONDITIONS = {
    "an unknown fact": ("doctor = 'x'", "found 'doctor'; expected facts: charge, units"),
    "a fact of a table": ("line.units > 1", "found 'line.units'; expected facts"),
    "a subquery": ("units > (select 1)", "found a subquery"),
    "whether there is a row": ("exists(from dim_plan)", "found a subquery"),
    "two expressions": ("units > 1, true", "found more than one expression|found the function row"),
    "a table": ("true from dim_plan", "found more than one expression|syntax error"),
    "a union": ("true union select true", "found more than one expression|syntax error"),
    "two statements": ("true; drop table dim_plan; select true", "found"),
    "a closing parenthesis": ("true) or (true", "syntax error"),
    "no SQL": ("units >", "found syntax error"),
    "a function that is not allowed": ("getenv('HOME') = 'x'", "found the function getenv; expected one of"),
    "chance": ("random() < 0.5", "found the function random"),
    "today": ("service_day < current_date", "found"),
    "a sum": ("sum(charge) > 1", "found the function sum"),
    "a window": ("row_number() over () > 1", "found a window"),
    "everything": ("columns(*) is null", "found a star"),
    "a parameter": ("units > $1", "found a parameter"),
    "a comment in the end": ("units > 1 -- a lot", "found a comment"),
    "a comment in between": ("units > /* a lot */ 1", "found a comment"),
    "a name of its own and a comment": ("units > 1 as condition --", "found"),
    "an amount": ("units + 1", "found an expression of type DECIMAL"),
    "a text": ("procedure_code", "found an expression of type VARCHAR"),
    "what cannot be compared": ("procedure_code > 5", "Cannot compare values of type VARCHAR"),
    "a day that is none": ("service_day >= 'last year'", "found"),
    "a truth that is none": ("is_covered = 'maybe'", "found"),
    "nothing": ("", "found ''; expected a text"),
}


@pytest.mark.parametrize("case", _CONDITIONS)
def test_a_condition_is_one_expression_over_facts(case: str) -> None:
    when, told = _CONDITIONS[case]
    with pytest.raises(UsageError, match=f"^{_AT} when: .*(?:{told})"):
        parse(text(THIRD, condition(when, "units")), "mine.toml")


@pytest.mark.parametrize(
    ("when", "reads"),
    [
        ("UNITS in (1, 2) and not is_covered", ["is_covered", "units"]),
        ("case when charge / units > 100 then starts_with(procedure_code, 'J') else false end",
         ["charge", "procedure_code", "units"]),
        ("service_day between '2024-01-01' and '2024-12-31'", ["service_day"]),
        ("date_diff('day', covered_since, service_day) < 30", ["covered_since", "service_day"]),
        ("coalesce(units, 0) = 0 or year(service_day) < 2020", ["service_day", "units"]),
        ("true", []),
    ],
)  # fmt: skip
def test_conditions_that_are_understood(when: str, reads: list[str]) -> None:
    rule = parse(text(THIRD, condition(when, *reads)), "mine.toml").rule("units_missing")
    assert rule is not None
    assert (rule.when, list(rule.reads)) == (when, reads)


def test_a_rule_that_rests_on_other_lines_is_asked_after_those_about_the_line_by_itself() -> None:
    rule = variant(THIRD, condition("units is null or part_of is null", "part_of", "units")).rule("units_missing")
    assert rule is not None
    assert rule.is_beside


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    for name, found in (
        ("mine.toml", "found no text; expected a rule set, in UTF-8."),
        ("other.toml", "found no file that can be read (No such file or directory); expected a rule set."),
        (".", "found no file that can be read (Is a directory); expected a rule set."),
    ):
        with pytest.raises(UsageError, match=f"{re.escape(found)}$"):
            read(tmp_path / name)


def test_a_rule_set_is_named_by_the_hash_of_its_file() -> None:
    assert parse(STANDARD, "a").digest == parse(STANDARD, "b").digest == standard().digest
    assert parse(STANDARD + "# a comment\n", "a").digest != standard().digest


# --- Which one is in force ---


def test_the_standard_rule_set_is_adopted_by_itself_once_something_is_decided(template: Lakehouse) -> None:
    [one] = adopted(template.settings)
    assert (one.rule_set.digest, one.effective_from, one.who) == (standard().digest, date(1900, 1, 1), "the lakehouse")
    assert set(rule_set_of(template).values()) == {standard().digest}
    assert ask(template, "SELECT rule_set, version FROM internal.rule_set") == [(standard().digest, "1")]


def test_an_edition_with_another_standard_rule_set_does_not_decide_what_was_decided(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(lake)
    other = variant(EVER, COINSURANCE)
    monkeypatch.setattr(rule_sets, "standard", lambda: other)
    assert settle(lake, FIRST, THIRD, again=True) == {}
    rebuild(lake.settings)
    settle(lake)
    assert tables(lake) == before
    assert [one.rule_set.digest for one in adopted(lake.settings)] == [standard().digest]


def test_a_rule_set_is_adopted_where_golden_claims_come_out_as_expected(empty: Lakehouse) -> None:
    cases = [case for case in standard_cases() if case.place == "pricing.toml"][:3]
    adopt(
        empty.settings,
        variant(THIRD, ('reason = "The claim does not', 'reason = "The bill does not')),
        cases,
        **ON_RECORD,
    )
    assert [(one.rule_set.version, one.effective_from) for one in adopted(empty.settings)] == [
        ("1", date(1900, 1, 1)), ("2", date(2024, 2, 10)),
    ]  # fmt: skip


def test_a_rule_set_that_decides_a_golden_claim_otherwise_is_refused(lake: Lakehouse) -> None:
    case = """
        [[case]]
        name = "an ordinary visit"
        plans = [{plan_id = "GOLD", deductible = "0.00", coinsurance = "20", timely_filing_days = "90"}]
        coverages = [{patient_id = "P1", plan_id = "GOLD", covered_from = "2024-01-01"}]
        fee_schedules = [{plan_id = "GOLD", procedure_code = "99213", allowed_amount = "80.00", effective_from = "2024-01-01"}]
        medical_claims = [{claim_id = "C1", line_number = "1", patient_id = "P1", provider_npi = "1234567893",
            procedure_code = "99213", diagnosis_codes = "I10", date_of_service_from = "2024-01-10", place_of_service = "11",
            units = "1", charge_amount = "100.00", frequency_code = "1", received_date = "2024-01-20"}]
        expect = [{line = "C1|1", decision = "approved", paid = "64.00", patient_share = "16.00"}]
    """.replace(",\n            ", ", ")
    cases: list[Case] = parse_cases(case, "mine")
    before = (lake.settings.home / "rule_sets" / "adopted.jsonl").read_bytes()
    with pytest.raises(UsageError, match="standard 2 decides 1 of 1 golden claims otherwise; 'an ordinary visit': C1"):
        adopt(lake.settings, variant(THIRD, COINSURANCE), cases, **ON_RECORD)
    assert (lake.settings.home / "rule_sets" / "adopted.jsonl").read_bytes() == before
    adopt(lake.settings, variant(THIRD), cases, **ON_RECORD)


@pytest.mark.parametrize("because", ["", "  ", "\ud800"])
def test_a_rule_set_is_not_adopted_without_a_reason(empty: Lakehouse, because: str) -> None:
    with pytest.raises(UsageError):
        adopt(empty.settings, variant(THIRD), [], because=because, who="ann")
    assert adopted(empty.settings) == []


def test_a_rule_set_that_is_in_force_is_not_adopted_twice(lake: Lakehouse) -> None:
    take(lake, THIRD)
    with pytest.raises(UsageError, match="in force already"):
        take(lake, THIRD)
    assert len(adopted(lake.settings)) == 2


def test_of_two_with_the_same_first_day_the_one_adopted_last_is_in_force(lake: Lakehouse) -> None:
    take(lake, THIRD, COINSURANCE)
    settle(lake)
    last = take(lake, THIRD, ("similarity = 85", "similarity = 90"))
    settle(lake)
    assert [one.rule_set.digest for one in adopted(lake.settings)] == [standard().digest, last.digest]
    assert rule_set_of(lake)["C4"] == last.digest
    assert ask(lake, "SELECT DISTINCT rule_set FROM internal.rule ORDER BY ALL") == sorted(
        [(standard().digest,), (last.digest,)]
    )


def test_an_adoption_that_a_kill_cut_short_never_happened(lake: Lakehouse) -> None:
    listed = lake.settings.home / "rule_sets" / "adopted.jsonl"
    other = take(lake, THIRD, COINSURANCE)
    listed.write_bytes(listed.read_bytes()[:-20])
    assert [one.rule_set.digest for one in adopted(lake.settings)] == [standard().digest]
    take(lake, THIRD, COINSURANCE)
    assert [one.rule_set.digest for one in adopted(lake.settings)] == [standard().digest, other.digest]


@pytest.mark.parametrize("says", [b"other", b"\xff\xfe", None])
def test_a_file_that_is_not_as_it_was_adopted_is_refused_and_nothing_is_decided(
    lake: Lakehouse, says: bytes | None
) -> None:
    receive(lake, "fee_schedules", LAST, fee(allowed_amount="90.00"))
    before = decided(lake)
    path = lake.settings.home / "rule_sets" / f"{standard().digest}.toml"
    if says is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"# more\n" if says == b"other" else says)
    with pytest.raises(UsageError, match=rf"{standard().digest}\.toml"):
        settle(lake)
    assert decided(lake) == before


# --- What another one decides ---


def test_a_rule_set_decides_what_is_received_from_its_first_day_on(lake: Lakehouse) -> None:
    before = stamps(lake)
    other = take(lake, THIRD, COINSURANCE)
    assert settle(lake) == {THIRD: (1, 0, 0)}, "received on that day, decided once more"
    by = rule_set_of(lake)
    assert by == {"C1": standard().digest, "C2": standard().digest, "C3": standard().digest, "C4": other.digest}
    after = stamps(lake)
    assert {key for key in after if after[key] != before.get(key)} == {("C4", 1, THIRD)}
    receive(lake, "medical_claims", LAST, line(claim_id="C5", patient_id="2000U"), line())  # said as before
    settle(lake)
    assert rule_set_of(lake)["C5"] == other.digest
    assert rule_set_of(lake)["C1"] == standard().digest, "it is not received when it is said again"


def test_a_rule_set_of_the_past_decides_what_was_received_since_anew(lake: Lakehouse) -> None:
    other = take(lake, EVER, COINSURANCE)
    settle(lake)
    assert set(rule_set_of(lake).values()) == {other.digest}


def test_of_several_that_are_adopted_at_once_each_decides_what_was_received_since_its_day(lake: Lakehouse) -> None:
    last, first = take(lake, THIRD, COINSURANCE), take(lake, EVER, COINSURANCE)
    settle(lake)
    found = rule_set_of(lake)
    assert (found["C1"], found["C4"]) == (first.digest, last.digest)


def test_what_is_decided_says_by_which_rule_set_and_rules_are_there_for_readers(lake: Lakehouse) -> None:
    other = take(lake, THIRD, ("The patient's share of what the plan allows.", "Your share."))
    settle(lake)
    publish(lake.settings)
    sql = "SELECT claim_id, reason FROM adjustment WHERE rule = 'coinsurance' ORDER BY ALL"
    assert [row for row in lake.rows(sql) if row[0] in ("C1", "C4")] == [
        ("C1", "The patient's share of what the plan allows."), ("C4", "Your share."),
    ]  # fmt: skip
    digests = lake.rows("SELECT DISTINCT rule_set FROM decision WHERE claim_id = 'C4'")
    assert digests == [(other.digest,)]


def test_two_rule_sets_in_force_say_for_themselves_whose_an_amount_is(lake: Lakehouse) -> None:
    take(lake, THIRD, COINSURANCE)
    settle(lake)
    publish(lake.settings)
    sql = "SELECT claim_id, CAST(patient_share AS VARCHAR) FROM decision WHERE claim_id IN ('C1', 'C4') ORDER BY ALL"
    assert lake.rows(sql) == [("C1", "16.00"), ("C4", "0.00")]
    groups = "SELECT claim_id, group_code FROM adjustment WHERE rule = 'coinsurance' AND claim_id IN ('C1', 'C4')"
    assert lake.rows(f"{groups} ORDER BY ALL") == [("C1", "PR"), ("C4", "CO")]
    assert [log(lake, claim)[0][2] for claim in ("C1", "C4")] == ["64.00", "64.00"]


def test_a_rule_set_that_changes_no_decision_is_published_nevertheless(lake: Lakehouse) -> None:
    other = take(lake, "2030-01-01")
    settle(lake)
    publish(lake.settings)
    found = lake.rows("SELECT rule_set FROM internal.rule_set ORDER BY effective_from")
    assert found == [(standard().digest,), (other.digest,)]


@pytest.mark.parametrize(
    "changed",
    [
        ('"24", "25"', '"QQ", "24", "25"'),
        ("similarity = 85", "similarity = 10"),
        ('evidence = "procedure_code"\nreason = "The plan', 'evidence = "plan_id"\nreason = "The plan'),
    ],
    ids=["separate modifiers", "similarity", "what a rule of the same name rests on"],
)
def test_what_a_rule_set_says_is_felt_by_the_lines_that_it_decides_and_no_other(
    lake: Lakehouse, changed: tuple[str, str]
) -> None:
    before = decided(lake)
    take(lake, LAST, changed)
    assert settle(lake) == {}
    assert settle(lake, FIRST, THIRD, again=True) == {}
    rebuild(lake.settings)
    settle(lake)
    assert decided(lake) == before


def test_words_to_a_line_settle_what_its_own_rule_set_says(lake: Lakehouse) -> None:
    rests_on_nothing = 'when = "replaces_unknown"\nreads = ["replaces_unknown"]\nthen = "pend"\n'
    take(lake, LAST, (rests_on_nothing, f'{rests_on_nothing}evidence = "procedure_code"\n'))
    replacing = line(claim_id="C6", frequency_code="7", original_claim_id="lost", date_of_service_from="2024-01-19")
    receive(lake, "medical_claims", SECOND, replacing | {"date_of_service_to": ""})
    settle(lake)
    publish(lake.settings)
    looked = seen(lake, "C6")
    assert looked.causes == ("original_unknown ",)
    approve(lake.settings, looked, **ON_RECORD)
    settle(lake)
    assert log(lake, "C6")[-1][1] == "approved"


def test_how_alike_lines_are_said_to_be_is_up_to_the_rule_set_of_the_line(lake: Lakehouse) -> None:
    any_likeness = (
        'when = "similarity >= 85"\nreads = ["similarity"]',
        'when = "similar_to is not null"\nreads = ["similar_to"]',
    )
    take(lake, EVER, any_likeness)
    take(lake, LAST, ("similarity = 85", "similarity = 10"))
    like_c1 = line(claim_id="C6", charge_amount="300.00", date_of_service_from="2024-01-13", date_of_service_to="")
    receive(lake, "medical_claims", SECOND, like_c1)
    settle(lake)
    assert log(lake, "C6") == [(SECOND, "approved", "64.00", "first decision")]


def test_a_rule_by_itself_may_rest_on_what_is_beside_the_line_or_is_refused(lake: Lakehouse) -> None:
    changed = (f'{UNITS}\nthen = "deny"', f'{UNITS}\nevidence = "similar_to"\nthen = "deny"')
    try:
        take(lake, EVER, changed)
    except UsageError:
        return
    settle(lake)


# --- What another one would decide ---


def compared(lakehouse: Lakehouse, rule_set: RuleSet) -> tuple[int, int, list[tuple[object, ...]]]:
    with duckdb.connect(str(lakehouse.settings.published), read_only=True) as con:
        found = compare_rule_set(con, rule_set)
    return found.lines, found.differing, [tuple(one) for one in found.changes]


def test_the_rule_set_in_force_would_decide_nothing_otherwise(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C3"), allowed=Decimal(50), **ON_RECORD)
    void = line(claim_id="C9", frequency_code="8", original_claim_id="C1")
    receive(lake, "medical_claims", LAST, void)
    settle(lake)
    publish(lake.settings)
    assert compared(lake, standard()) == (4, 0, [])


def test_what_another_rule_set_would_decide_is_told_and_nothing_is_changed(template: Lakehouse) -> None:
    before = (template.settings.published.read_bytes(), decided(template))
    other = variant(
        LAST,
        condition("charge = 100 and service_day < '2024-02-01' and procedure_code = '99213'", "charge", "procedure_code", "service_day"),
    )  # fmt: skip
    lines, differing, told = compared(template, other)
    assert (lines, differing) == (5, 2)
    nothing, paid = Decimal("0.00"), Decimal("64.00")
    assert told == [
        ("approved", None, "denied", "units_missing", 1, paid, nothing, "C1|1"),
        ("denied", "bundled", "denied", "units_missing", 1, nothing, nothing, "C2|1"),
    ]
    assert (template.settings.published.read_bytes(), decided(template)) == before
    assert len(adopted(template.settings)) == 1
