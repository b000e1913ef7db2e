"""Decisions are a function of deliveries and acts: whatever was processed first, settled when, and how often."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claims_lakehouse.adjudication import acts as words_to_lines
from claims_lakehouse.adjudication import decide as deciding
from claims_lakehouse.adjudication import rule_sets, stage
from claims_lakehouse.adjudication import settle as settling
from claims_lakehouse.adjudication.decide import statement
from claims_lakehouse.adjudication.rule_file import standard
from claims_lakehouse.adjudication.summary import day_summary
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.errors import DecisionsUnsound
from claims_lakehouse.history import acts
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.history.stage import take_up
from claims_lakehouse_tests.adjudication import worlds
from claims_lakehouse_tests.adjudication.worlds import (
    DAYS,
    ON_RECORD,
    Clock,
    Delivery,
    ask,
    authorization,
    changes,
    copied,
    correct,
    coverage,
    decided,
    due,
    edit,
    exclusion,
    fee,
    log,
    parse_once,
    parsed_once,
    plan,
    receive,
    receive_all,
    reinstate,
    retract,
    settle,
    stamps,
    tables,
)
from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.medical import code, line

FIRST, SECOND, THIRD, LAST = DAYS
AFTER = "2024-02-25"
#: A world has so many seeds; more are for the long run.
SEEDS = range(int(os.environ.get("SETTLE_SEEDS", "2")))
BASE = [
    Delivery("plans", FIRST, (plan(), plan(plan_id="SILVER", coinsurance="50"))),
    Delivery("coverages", FIRST, (coverage(), coverage(patient_id="2000U"))),
    Delivery("fee_schedules", FIRST, (fee(), fee(procedure_code="99214", allowed_amount="90.00"))),
    Delivery("medical_claims", FIRST, (line(), line(claim_id="C2", patient_id="2000U"),
                                       line(claim_id="C3", patient_id="3000U"))),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    parse_once(monkeypatch)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """What was received on the first day, and settled: two patients of a plan, and one of whom no coverage is known."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("settled")).with_tables()
    receive_all(lakehouse, BASE)
    settle(lakehouse)
    return lakehouse


@pytest.fixture
def lake(template: Lakehouse, tmp_path: Path) -> Lakehouse:
    """A copy of it, to be changed."""
    return copied(template, tmp_path)


def approved(day: str, paid: str, because: str = "first decision") -> tuple[str, ...]:
    return (day, "approved", paid, because)


def denied(day: str, because: str = "first decision") -> tuple[str, ...]:
    return (day, "denied", "0.00", because)


def pending(day: str, because: str = "first decision") -> tuple[str, ...]:
    return (day, "pending", "0.00", because)


# --- What was received later decides anew, and the log says why ---


def test_a_line_is_decided_on_the_day_on_which_it_was_received(lake: Lakehouse) -> None:
    assert [log(lake, claim) for claim in ("C1", "C2", "C3")] == [
        [approved(FIRST, "64.00")],
        [approved(FIRST, "64.00")],
        [denied(FIRST)],
    ]


def test_a_coverage_that_comes_later_decides_anew_since_its_day(lake: Lakehouse) -> None:
    receive(lake, "coverages", SECOND, coverage(patient_id="3000U"))
    assert settle(lake) == {SECOND: (0, 1, 0)}
    assert log(lake, "C3") == [denied(FIRST), approved(SECOND, "64.00", "the coverage changed")]


def test_a_late_coverage_stands_in_the_log_as_if_it_had_come_in_time(lake: Lakehouse) -> None:
    receive(lake, "coverages", THIRD, coverage(patient_id="3000U"))
    settle(lake)
    receive(lake, "coverages", SECOND, coverage(patient_id="3000U"))
    settle(lake)
    assert log(lake, "C3") == [denied(FIRST), approved(SECOND, "64.00", "the coverage changed")]
    receive(lake, "coverages", "20240201", coverage(patient_id="3000U"))  # the first day, by another name
    settle(lake)
    assert log(lake, "C3") == [approved(FIRST, "64.00")]


def test_a_fee_that_changes_and_is_retracted_is_as_if_it_had_never_come(lake: Lakehouse) -> None:
    before = decided(lake)
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "64.00"), approved(SECOND, "72.00", "the fee changed")]
    retract(lake, "fee_schedules", SECOND)
    settle(lake)
    assert decided(lake) == before
    reinstate(lake, "fee_schedules", SECOND)
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "64.00"), approved(SECOND, "72.00", "the fee changed")]


def test_a_retracted_fee_schedule_leaves_lines_without_a_price(lake: Lakehouse) -> None:
    retract(lake, "fee_schedules", FIRST)
    assert settle(lake) == {FIRST: (2, 0, 0)}
    assert log(lake, "C1") == [pending(FIRST)]


def test_a_corrected_fee_changes_what_was_decided_on_the_day_of_its_delivery(lake: Lakehouse) -> None:
    correction = correct(lake, "fee_schedules", FIRST, allowed_amount="50.00")
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "40.00")]
    acts.withdraw(lake.settings, feed_named("fee_schedules"), FIRST, correction, **ON_RECORD)
    lake.process("fee_schedules", FIRST)
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "64.00")]


def test_a_corrected_line_and_one_that_is_stated_again_are_decided_anew(lake: Lakehouse) -> None:
    correct(lake, "medical_claims", FIRST, charge_amount="60.00")
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "48.00")]
    receive(lake, "medical_claims", SECOND, line(charge_amount="70.00"))
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "48.00"), approved(SECOND, "56.00", "the line changed")]
    receive(lake, "medical_claims", THIRD, line(charge_amount="70.00"))
    assert settle(lake) == {}, "said as before"


def test_a_replacement_takes_a_claim_back_and_a_void_that_of_the_replacement(lake: Lakehouse) -> None:
    replacement = line(claim_id="C4", frequency_code="7", original_claim_id="C1", charge_amount="50.00")
    receive(lake, "medical_claims", SECOND, replacement)
    settle(lake)
    taken_back = (SECOND, None, None, "the claim was replaced or voided")
    assert log(lake, "C1") == [approved(FIRST, "64.00"), taken_back]
    assert log(lake, "C4") == [approved(SECOND, "40.00")]
    receive(lake, "medical_claims", THIRD, line(claim_id="C5", frequency_code="8", original_claim_id="C4"))
    settle(lake)
    assert log(lake, "C4")[1:] == [(THIRD, None, None, "the claim was replaced or voided")]
    retract(lake, "medical_claims", SECOND)
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "64.00")]
    assert log(lake, "C5") == [pending(THIRD)]


def test_a_claim_that_replaces_itself_keeps_the_lines_that_it_says_again(lake: Lakehouse) -> None:
    again = {"frequency_code": "7", "original_claim_id": "C1"}
    one, two = line(**again), line(line_number="2", procedure_code="99214", **again)
    receive(lake, "medical_claims", SECOND, one, two)
    settle(lake)
    receive(lake, "medical_claims", THIRD, one)
    receive(lake, "medical_claims", LAST, two)
    assert settle(lake) == {THIRD: (0, 0, 1), LAST: (1, 0, 1)}
    assert log(lake, "C1", 1)[2:] == [(LAST, None, None, "the claim was replaced or voided")]
    assert [row[:2] for row in log(lake, "C1", 2)] == [(SECOND, "approved"), (THIRD, None), (LAST, "approved")]
    retract(lake, "medical_claims", THIRD)
    settle(lake)
    assert [row[:2] for row in log(lake, "C1", 2)] == [(SECOND, "approved")]


def test_a_plan_that_comes_later_decides_lines_that_waited_for_its_terms(lake: Lakehouse) -> None:
    receive_all(lake, [Delivery("coverages", SECOND, (coverage(patient_id="3000U", plan_id="LEAD"),)),
                       Delivery("fee_schedules", SECOND, (fee(plan_id="LEAD"),))])  # fmt: skip
    settle(lake)
    receive(lake, "plans", THIRD, plan(plan_id="LEAD"))
    assert settle(lake) == {THIRD: (0, 1, 0)}
    assert log(lake, "C3")[1:] == [
        pending(SECOND, "the coverage changed"),
        approved(THIRD, "64.00", "the plan changed"),
    ]


def test_a_late_change_of_a_plan_is_felt_by_services_since_its_day(lake: Lakehouse) -> None:
    served = line(claim_id="C4", date_of_service_from="2024-02-08", date_of_service_to="2024-02-08")
    receive(lake, "medical_claims", THIRD, served | {"received_date": "2024-02-09"})
    settle(lake)
    before = stamps(lake)
    receive(lake, "plans", SECOND, plan(coinsurance="50"))
    settle(lake)
    assert (log(lake, "C1"), log(lake, "C4")) == ([approved(FIRST, "64.00")], [approved(THIRD, "40.00")])
    assert {key for key, at in stamps(lake).items() if before.get(key) != at} == {("C4", 1, THIRD)}


def test_a_procedure_edit_and_its_end_decide_anew(lake: Lakehouse) -> None:
    receive(lake, "medical_claims", SECOND, line(line_number="2", procedure_code="99214"))
    settle(lake)
    receive(lake, "procedure_edits", THIRD, edit(modifier_indicator="0"))
    assert settle(lake) == {THIRD: (0, 1, 0)}
    rests = "what the reason rests on changed"
    assert log(lake, "C1")[-1] == denied(THIRD, rests)
    receive(lake, "procedure_edits", LAST, edit(modifier_indicator="9"))
    settle(lake)
    assert log(lake, "C1")[-2:] == [denied(THIRD, rests), approved(LAST, "64.00", rests)]
    retract(lake, "procedure_edits", THIRD)
    settle(lake)
    assert [row[0] for row in log(lake, "C1")] == [FIRST, SECOND]


def test_the_first_code_set_of_a_system_decides_every_line_of_it_anew(lake: Lakehouse) -> None:
    receive(lake, "code_sets", SECOND, code(code="99214"))
    assert settle(lake) == {SECOND: (0, 2, 0)}  # that of no member is denied before
    assert log(lake, "C1")[-1] == denied(SECOND, "what the reason rests on changed")
    receive(lake, "code_sets", THIRD, code())
    settle(lake)
    assert log(lake, "C1")[-1] == approved(THIRD, "64.00", "what the reason rests on changed")


def test_a_day_of_birth_that_is_corrected_decides_anew(lake: Lakehouse) -> None:
    receive(lake, "exclusions", SECOND, exclusion(kind="age_limit", least_age="18"))
    settle(lake)
    assert log(lake, "C1")[-1][:2] == (SECOND, "pending")
    receive(lake, "patients", THIRD, patient(date_of_birth="2015-01-01"))
    settle(lake)
    assert [row[:2] for row in log(lake, "C1")][-1] == (THIRD, "denied")
    correct(lake, "patients", THIRD, date_of_birth="1980-01-01")
    settle(lake)
    assert [row[:3] for row in log(lake, "C1")][-1] == (THIRD, "approved", "64.00")


def test_an_authorization_that_comes_later_decides_anew(lake: Lakehouse) -> None:
    receive(lake, "exclusions", SECOND, exclusion(kind="authorization_required"))
    correct(lake, "medical_claims", FIRST, prior_auth_number="A1")
    settle(lake)
    receive(lake, "authorizations", THIRD, authorization())
    settle(lake)
    assert log(lake, "C1") == [
        approved(FIRST, "64.00"),
        denied(SECOND, "a limit of the plan changed"),
        approved(THIRD, "64.00", "the authorization changed"),
    ]


# --- Whom nothing touched, and what is settled when ---


def test_decisions_about_another_patient_stay_untouched(lake: Lakehouse) -> None:
    before = stamps(lake)
    receive(lake, "coverages", SECOND, coverage(plan_id="SILVER", covered_from="2024-01-05"))
    receive(lake, "fee_schedules", SECOND, fee(plan_id="SILVER"))
    assert settle(lake) == {SECOND: (0, 1, 0)}
    after = stamps(lake)
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {("C1", 1, SECOND)}


def test_where_nothing_is_due_nothing_is_written(lake: Lakehouse) -> None:
    before = (stamps(lake), changes(lake), lake.settings.settled.read_bytes())
    assert settle(lake) == {}
    receive(lake, "fee_schedules", SECOND, fee(procedure_code="J1100"))  # that nobody billed
    counted = changes(lake)
    assert settle(lake) == {}
    assert (stamps(lake), changes(lake)) == (before[0], counted)


def test_a_day_that_is_settled_again_comes_out_as_it_is(lake: Lakehouse) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    settle(lake)
    before = (stamps(lake), changes(lake))
    assert settle(lake, SECOND, again=True) == {}
    assert settle(lake, FIRST, "2024-02-03", again=True) == {}
    assert (stamps(lake), changes(lake)) == before


def test_all_that_was_received_is_settled_again_where_no_day_is_named(lake: Lakehouse) -> None:
    before = stamps(lake)
    with duckdb.connect(str(lake.settings.warehouse)) as con:
        con.execute("UPDATE internal.line_decision SET paid = 1 WHERE claim_id = 'C1'")
    assert settle(lake, again=True) == {FIRST: (1, 0, 0)}
    assert log(lake, "C1") == [approved(FIRST, "64.00")]
    assert stamps(lake)["C2", 1, FIRST] == before["C2", 1, FIRST]


def test_what_somebody_changed_by_hand_is_put_right_when_its_day_is_settled_again(lake: Lakehouse) -> None:
    with duckdb.connect(str(lake.settings.warehouse)) as con:
        con.execute("DELETE FROM internal.line_decision WHERE claim_id = 'C1'")
        con.execute("UPDATE internal.line_decision SET paid = 1, is_current = false WHERE claim_id = 'C2'")
    assert settle(lake, FIRST, again=True) == {FIRST: (2, 0, 0)}
    sql = "SELECT claim_id, paid FROM internal.line_decision WHERE is_current ORDER BY ALL"
    assert ask(lake, sql) == [("C1", Decimal("64.00")), ("C2", Decimal("64.00")), ("C3", Decimal("0.00"))]


def test_a_decision_on_a_day_that_is_no_received_day_any_more_vanishes(lake: Lakehouse) -> None:
    receive(lake, "coverages", SECOND, coverage(plan_id="SILVER", covered_from="2024-01-05"))
    settle(lake)
    assert [row[0] for row in log(lake, "C1")] == [FIRST, SECOND]
    retract(lake, "coverages", SECOND)
    assert settle(lake, FIRST) == {}
    assert [row[0] for row in log(lake, "C1")] == [FIRST, SECOND], "the other day was not asked for"
    counted = changes(lake)
    assert list(settle(lake)) == [SECOND], "nothing was decided, but a decision is gone: the run says so"
    assert log(lake, "C1") == [approved(FIRST, "64.00")]
    assert changes(lake) == counted + 1, "readers are to see that"
    assert ask(lake, "SELECT DISTINCT is_current FROM internal.line_decision") == [(True,)]


def test_claims_that_are_all_retracted_leave_no_decision(lake: Lakehouse) -> None:
    retract(lake, "medical_claims", FIRST)
    settle(lake)
    assert (decided(lake), due(lake)) == ([], [])
    reinstate(lake, "medical_claims", FIRST)
    settle(lake)
    assert log(lake, "C1") == [approved(FIRST, "64.00")]


def test_what_is_due_on_other_days_stays_due(lake: Lakehouse) -> None:
    receive_all(lake, [Delivery("fee_schedules", SECOND, (fee(allowed_amount="90.00"),)),
                       Delivery("fee_schedules", THIRD, (fee(allowed_amount="70.00"),))])  # fmt: skip
    assert settle(lake, THIRD) == {THIRD: (0, 2, 0)}
    waiting = [(patient_id, SECOND) for patient_id in ("1000U", "2000U")]
    assert due(lake) == waiting
    assert stage.days_due(lake.settings) == [date.fromisoformat(SECOND)]
    assert is_behind(lake)
    assert log(lake, "C1") == [approved(FIRST, "64.00"), approved(THIRD, "56.00", "the fee changed")]
    assert settle(lake) == {SECOND: (0, 2, 0)}
    assert (due(lake), is_behind(lake)) == ([], False)
    assert [row[:3] for row in log(lake, "C1")][1:] == [(SECOND, "approved", "72.00"), (THIRD, "approved", "56.00")]


def test_days_can_be_settled_in_any_order(lake: Lakehouse, tmp_path: Path) -> None:
    some = [Delivery("fee_schedules", day, (fee(allowed_amount=amount),))
            for day, amount in ((SECOND, "90.00"), (THIRD, "70.00"), (LAST, "75.00"))]  # fmt: skip
    receive_all(lake, some)
    other = copied(lake, tmp_path / "other")
    for day in (LAST, SECOND, THIRD, FIRST):
        settle(lake, day)
    settle(other)
    assert decided(lake) == decided(other)


def test_it_does_not_matter_how_many_lines_are_decided_together(
    lake: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    other = copied(lake, tmp_path / "other")
    settle(other)
    monkeypatch.setattr(settling, "LINES_TOGETHER", 1)
    told: list[tuple[int, int]] = []
    stage.adjudicate(lake.settings, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    assert decided(lake) == decided(other)


def is_behind(lakehouse: Lakehouse) -> bool:
    with duckdb.connect(str(lakehouse.settings.warehouse), read_only=True) as con:
        return stage.is_behind(lakehouse.settings, read_changes(con))


def test_decisions_that_are_settled_are_not_behind_whatever_is_left_of_the_claims(lake: Lakehouse) -> None:
    assert not is_behind(lake)
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    assert is_behind(lake)
    settle(lake)
    assert not is_behind(lake)
    retract(lake, "medical_claims", FIRST)
    settle(lake)
    assert not is_behind(lake)
    receive(lake, "fee_schedules", THIRD, fee(allowed_amount="70.00"))
    settle(lake)
    assert not is_behind(lake), "there is no claim any more, so there is nothing to decide"


def test_a_rebuild_has_everything_decided_anew_and_alike(lake: Lakehouse) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    settle(lake)
    before = tables(lake)
    rebuild(lake.settings)
    assert is_behind(lake)
    assert settle(lake) == {FIRST: (3, 0, 0), SECOND: (0, 2, 0)}
    assert tables(lake) == before


# --- What hangs on other records than its own: one thing goes from one patient, or procedure, to another ---


def test_a_line_that_is_another_patients_now_is_decided_once(lake: Lakehouse) -> None:
    receive(lake, "medical_claims", SECOND, line(patient_id="2000U", procedure_code="99214"))
    settle(lake)
    sql = "SELECT patient_id, CAST(day AS VARCHAR), decision, because FROM internal.line_decision WHERE claim_id = 'C1'"
    assert sorted(ask(lake, sql), key=str) == [
        ("1000U", FIRST, "approved", "first decision"),
        ("1000U", SECOND, None, "the line is the patient's no more"),
        ("2000U", SECOND, "approved", "first decision"),
    ]
    stands = (
        "SELECT patient_id FROM internal.line_decision WHERE claim_id = 'C1' AND is_current AND decision IS NOT NULL"
    )
    assert ask(lake, stands) == [("2000U",)]


def test_an_authorization_that_is_another_patients_now_is_the_first_ones_no_more(lake: Lakehouse) -> None:
    receive(lake, "exclusions", "2024-02-02", exclusion(kind="authorization_required"))
    receive(lake, "authorizations", "2024-02-02", authorization())
    correct(lake, "medical_claims", FIRST, prior_auth_number="A1")
    settle(lake)
    assert log(lake, "C1")[-1][1] == "approved"
    receive(lake, "authorizations", SECOND, authorization(patient_id="9000U"))
    settle(lake)
    assert log(lake, "C1")[-1] == denied(SECOND, "the authorization changed")


def test_a_limit_that_is_about_another_procedure_now_is_lifted_from_the_first(lake: Lakehouse) -> None:
    receive(lake, "exclusions", SECOND, exclusion())
    settle(lake)
    assert log(lake, "C1")[-1] == denied(SECOND, "a limit of the plan changed")
    receive(lake, "exclusions", THIRD, exclusion(procedure_code="97110"))
    settle(lake)
    assert log(lake, "C1")[-1] == approved(THIRD, "64.00", "a limit of the plan changed")


def test_a_claim_of_two_patients_has_the_same_log_whatever_came_first(lake: Lakehouse, tmp_path: Path) -> None:
    other = copied(lake, tmp_path / "other")
    late = Delivery("medical_claims", SECOND, (line(line_number="2", patient_id="2000U"),))
    later = Delivery("coverages", THIRD, (coverage(plan_id="SILVER", covered_from="2023-01-01"),))
    for lakehouse, order in ((lake, (late, later)), (other, (later, late))):
        for delivery in order:
            receive_all(lakehouse, [delivery])
            settle(lakehouse)
    assert decided(lake) == decided(other)


# --- The log of events ---


def events(lakehouse: Lakehouse, claim: str) -> list[tuple[Any, ...]]:
    tables(lakehouse)
    sql = "SELECT CAST(day AS VARCHAR), event, detail FROM claim_event WHERE claim_id = $1 ORDER BY day, step, detail"
    return lakehouse.rows(sql, claim)


def test_the_log_of_a_claim_tells_what_came_and_what_was_decided(lake: Lakehouse) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    receive(lake, "medical_claims", THIRD, line(claim_id="C9", frequency_code="8", original_claim_id="C1"), line())
    settle(lake)
    assert events(lake, "C1") == [
        (FIRST, "received", "a new statement"), (FIRST, "verified", "accepted"), (FIRST, "decided", "first decision"),
        (SECOND, "reversed", "the fee changed"), (SECOND, "decided", "the fee changed"),
        (THIRD, "received", "as before"), (THIRD, "verified", "accepted"), (THIRD, "voided", "by C9"),
        (THIRD, "reversed", "the claim was replaced or voided"),
    ]  # fmt: skip


def test_a_line_that_was_quarantined_is_in_the_log_and_goes_with_its_delivery(lake: Lakehouse) -> None:
    receive(lake, "medical_claims", SECOND, line(claim_id="C9", charge_amount="a lot"))
    settle(lake)
    assert [row[1:] for row in events(lake, "C9")] == [("received", None), ("verified", "quarantined: bad_amount")]
    retract(lake, "medical_claims", SECOND)
    settle(lake)
    assert events(lake, "C9") == [], "a retracted delivery was never received"


def test_a_line_that_was_quarantined_and_corrected_was_received_once(lake: Lakehouse) -> None:
    receive(
        lake,
        "medical_claims",
        SECOND,
        line(claim_id="C9", patient_id="2000U", procedure_code="99214", charge_amount="x"),
    )
    correct(lake, "medical_claims", SECOND, charge_amount="50.00")
    settle(lake)
    assert [row[1] for row in events(lake, "C9")] == ["received", "verified", "decided"]


# --- The audit ---


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Have a part of the SQL of outcomes say something else."""

    def make(instead_of: str, said: str) -> None:
        def broken_statement(name: str) -> str:
            text = statement(name)
            assert name != "outcome" or instead_of in text
            return text.replace(instead_of, said) if name == "outcome" else text

        monkeypatch.setattr(deciding, "statement", broken_statement)

    return make


_BREAKS = {
    "charge = paid": ("CAST(remaining - allowed AS DECIMAL(12, 2)) AS above_fee", "0.01 AS above_fee"),
    "negative": ("CAST({patient_share} AS DECIMAL(12, 2)) AS patient_share", "-0.01 AS patient_share"),
    "rule set": ("over_maximum, fact.rule_set, fact.line_sk", "over_maximum, NULL AS rule_set, fact.line_sk"),
    "decided once": ("JOIN verdict USING (line_id)", "JOIN verdict USING (line_id) JOIN (VALUES (1), (2)) ON true"),
}


def test_decisions_that_break_a_law_are_rolled_back_and_stay_due(
    lake: Lakehouse, broken: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    before = (stamps(lake), changes(lake), decided(lake))
    for law, (instead_of, said) in _BREAKS.items():
        broken(instead_of, said)
        with pytest.raises(DecisionsUnsound, match=law):
            settle(lake)
        monkeypatch.setattr(deciding, "statement", statement)
        assert (stamps(lake), changes(lake), decided(lake)) == before
        assert due(lake) == [("1000U", SECOND), ("2000U", SECOND)]
        assert is_behind(lake)
    assert settle(lake) == {SECOND: (0, 2, 0)}


def test_what_was_settled_before_a_law_was_broken_stands(
    lake: Lakehouse, broken: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    monkeypatch.setattr(settling, "LINES_TOGETHER", 1)
    wrong = "CASE WHEN fact.patient_id = '2000U' THEN 0.01 ELSE coalesce(above_fee, 0) END AS above_fee"
    broken("coalesce(above_fee, 0) AS above_fee", wrong)
    with pytest.raises(DecisionsUnsound):
        settle(lake)
    assert due(lake) == [("2000U", SECOND)]
    assert (len(log(lake, "C1")), len(log(lake, "C2"))) == (2, 1)
    monkeypatch.undo()
    assert settle(lake) == {SECOND: (0, 1, 0)}


def test_a_day_comes_to_what_its_decisions_say(lake: Lakehouse) -> None:
    receive(lake, "fee_schedules", SECOND, fee(allowed_amount="90.00"))
    settle(lake)
    with duckdb.connect(str(lake.settings.warehouse), read_only=True) as con:
        first, second = (day_summary(con, date.fromisoformat(day)) for day in (FIRST, SECOND))
    assert (first[1:4], second[1:4]) == ((3, 0, 0), (0, 2, 0))
    assert (first.unbalanced, first.undecided, second.unbalanced, second.undecided) == (0, 0, 0, 0)
    assert second.because == {"the fee changed": 2}
    hundred = Decimal("100.00")
    assert [tuple(one) for one in first.by_decision] == [
        ("approved", "", 2, 2 * hundred, Decimal("128.00")),
        ("denied", "not_a_member", 1, hundred, Decimal("0.00")),
    ]


# --- Whatever happens in whatever order ---


class History:
    """A lakehouse to which things happen in a seeded order, and what it should have in the end.

    Attributes:
        waiting: Deliveries that have not come yet, or not with what they say in the end.
        landed: What was taken up last, by feed and key.
        corrected: Corrections of it, in order.
        retracted: Deliveries that are out.
        rules: Rule sets that were adopted besides the standard one.
    """

    def __init__(self, base: Path, seed: int) -> None:
        self.lakehouse = Lakehouse(base / "history").with_tables()
        self.random = random.Random(f"history {seed}")
        self.world = {(one.feed, one.key): one for one in worlds.world(seed)}
        self.waiting = self.random.sample(sorted(self.world), len(self.world))
        self.landed: dict[tuple[str, str], tuple[dict[str, str], ...]] = {}
        self.corrected: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.retracted: set[tuple[str, str]] = set()
        self.rules: list[str] = []

    # Moves: each says what it was about, None where there was nothing to do.

    def land(self) -> object:
        """Several come; one of them perhaps says something else at first."""
        some = [self.waiting.pop() for _ in range(min(len(self.waiting), self.random.choice((2, 4))))]
        contents = [self.world[name].rows for name in some]
        if some and self.random.random() < 0.3:
            contents[0] = worlds.words(self.random, some[0][0])
            self.waiting.insert(0, some[0])
        receive_all(self.lakehouse, [Delivery(*name, rows) for name, rows in zip(some, contents, strict=True)])
        self.landed |= zip(some, contents, strict=True)
        return some

    def settle(self) -> object:
        return settle(self.lakehouse)

    def settle_some_days(self) -> object:
        days = self.random.sample(DAYS, 2)
        return days, settle(self.lakehouse, *days)

    def settle_again(self) -> object:
        """What is settled comes out as it is when every day is settled again, whole: nothing was due and not noted."""
        changed = settle(self.lakehouse)
        before = stamps(self.lakehouse)
        assert settle(self.lakehouse, *DAYS, AFTER, again=True) == {}
        assert stamps(self.lakehouse) == before
        return changed

    def rebuild(self) -> object:
        return rebuild(self.lakehouse.settings).deliveries

    def retract(self) -> object:
        return self._about(retract, [one for one in self.landed if one not in self.retracted], self.retracted.add)

    def reinstate(self) -> object:
        return self._about(reinstate, self.retracted, self.retracted.remove)

    def replace(self) -> object:
        among = [one for one in self.landed if one not in self.retracted and one not in self.corrected]
        if not among:
            return None
        name = self.random.choice(sorted(among))
        self.landed[name] = worlds.words(self.random, name[0])
        receive(self.lakehouse, *name, *self.landed[name])
        return name

    def correct(self) -> object:
        among = [one for one in self.landed if one not in self.retracted and one not in self.waiting]
        if not among:
            return None
        name = self.random.choice(sorted(among))
        other, key = worlds.word(self.random, name[0]), feed_named(name[0]).key
        changed = {column: text for column, text in other.items() if column not in key}
        correct(self.lakehouse, *name, **changed)
        self.corrected.setdefault(name, []).append(changed)
        return name, changed

    def say(self) -> object:
        """Somebody says something to a line, on one of the days or later."""
        settle(self.lakehouse)
        settings = self.lakehouse.settings
        with duckdb.connect(str(settings.warehouse), read_only=True) as con:
            sql = "SELECT DISTINCT claim_id FROM internal.line_decision WHERE is_current AND decision IN ('pending', 'denied')"
            claims = [claim for (claim,) in con.execute(f"{sql} ORDER BY ALL").fetchall()]
            lines = [one for claim in claims for one in words_to_lines.seen_lines(con, claim)]
        lines = [one for one in lines if one.decision in ("pending", "denied") and one.charge > 0]
        if not lines:
            return None
        one, day = self.random.choice(lines), self.random.choice((*DAYS[1:], AFTER))
        Clock.at = datetime.fromisoformat(day) + timedelta(hours=self.random.randrange(23))
        if one.decision == "denied":
            words_to_lines.appeal(settings, one, **ON_RECORD)
        elif self.random.random() < 0.7 and not one.is_void:
            words_to_lines.approve(settings, one, allowed=Decimal("12.34") if one.needs_price else None, **ON_RECORD)
        else:
            words_to_lines.deny(settings, one, group=self.random.choice(("CO", "PR")), carc="50", **ON_RECORD)
        return day, one[:3]

    def adopt(self) -> object:
        if self.rules:
            return None
        text = standard().text.replace("effective_from = 1900-01-01", f"effective_from = {THIRD}")
        text = text.replace('[adjustment.coinsurance]\ngroup = "PR"', '[adjustment.coinsurance]\ngroup = "CO"')
        self.rules.append(text)
        rule_sets.adopt(self.lakehouse.settings, parsed_once(text, "second.toml"), [], **ON_RECORD)
        return THIRD

    def end(self) -> None:
        """What has not come comes, and all is settled."""
        while self.waiting:
            some = [(name, self.world[name].rows) for name in self.waiting]
            self.waiting = []
            for name, rows in some:
                if name in self.corrected or name in self.retracted:
                    continue
                self.landed[name] = rows
            receive_all(self.lakehouse, [Delivery(*name, rows) for name, rows in some if self.landed.get(name) == rows])
        settle(self.lakehouse)

    def anew(self, base: Path) -> Lakehouse:
        """A lakehouse that got what stands in order, and was settled once."""
        lakehouse = Lakehouse(base / "anew").with_tables()
        standing = [Delivery(*name, rows) for name, rows in self.landed.items() if name not in self.retracted]
        for one in standing:
            lakehouse.land(*one)
            for changed in self.corrected.get((one.feed, one.key), ()):
                take_up(lakehouse.settings, feed_named(one.feed), one.key)
                acts.correct(lakehouse.settings, feed_named(one.feed), one.key, {1: changed}, **ON_RECORD)
        receive_all(lakehouse, sorted(standing, key=lambda one: (one.key, one.feed)))
        said = self.lakehouse.settings.claim_acts("").parent
        if said.is_dir():
            shutil.copytree(said, lakehouse.settings.claim_acts("").parent)
        for text in self.rules:
            rule_sets.adopt(lakehouse.settings, parsed_once(text, "second.toml"), [], **ON_RECORD)
        settle(lakehouse)
        return lakehouse

    def _about(self, act: Callable[..., None], among: Any, note: Callable[[tuple[str, str]], None]) -> object:
        if not among:
            return None
        name = self.random.choice(sorted(among))
        act(self.lakehouse, *name)
        note(name)
        return name


def moves(seed: int) -> list[Callable[[History], object]]:
    """What happens, in a seeded order: what was received is settled in the midst of it, and then changed."""
    rng = random.Random(f"moves {seed}")
    first = [*[History.land] * 3, History.settle_some_days, History.adopt, *[History.rebuild] * (seed % 2)]
    second = [*[History.retract] * 2, History.reinstate, History.replace, *[History.correct] * 2, *[History.say] * 2]
    second = rng.sample(second, len(second))
    for place in sorted(rng.sample(range(1, len(second)), 3), reverse=True):
        second.insert(place, History.settle_again)
    return [*rng.sample(first, len(first)), History.settle, *second, History.settle_some_days]


def interleave(seed: int, base: Path) -> None:
    """Make seeded moves, and hold the tables against those of a lakehouse that had it all in order."""
    history, made = History(base, seed), []
    try:
        for step, move in enumerate(moves(seed)):
            history.random = random.Random(f"{seed} {step}")
            made.append(f"{step} {move.__name__}")
            made[-1] += f" {move(history)}"
        history.end()
        expected, found = tables(history.anew(base)), tables(history.lakehouse)
        assert found["decisions"] == expected["decisions"]
        assert found["events"] == expected["events"]
        assert due(history.lakehouse) == []
        sql = (
            "SELECT count(*) FILTER (is_current) FROM internal.line_decision GROUP BY patient_id, claim_id, line_number"
        )
        assert set(ask(history.lakehouse, sql)) == {(1,)}
    except BaseException as error:
        error.add_note("\n".join([f"Seed {seed}:", *made]))
        raise


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_in_whatever_order_is_decided_as_what_stands(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words_to_lines, "datetime", Clock)
    monkeypatch.setattr(settling, "LINES_TOGETHER", 30 if seed % 2 else 400_000)
    interleave(seed, tmp_path)
