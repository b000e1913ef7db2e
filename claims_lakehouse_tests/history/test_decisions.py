"""What people decide about issues lives beside the data, binds to the row, and comes back with a new warehouse."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from claims_lakehouse.contracts import CLAIMS, PATIENTS
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.history import acts, issue_acts
from claims_lakehouse.history.issue_acts import SeenIssue, stands
from claims_lakehouse.history.purge import purge
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.landing.decisions import read_decisions
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import Lakehouse, claim, csv_text, patient, provider

DAY = "2024-02-01"
ODD = patient(patient_id="2000U", state="Conneticut")
ROWS = [patient(), ODD, patient(patient_id="3000U", zipcode="x")]


def land(lakehouse: Lakehouse, rows: list[dict[str, str]] = ROWS) -> None:
    lakehouse.land("patients", DAY, rows)
    lakehouse.ingest()


def seen(lakehouse: Lakehouse, where: str = "rule = 'unknown_state'") -> list[SeenIssue]:
    return lakehouse.seen_issues(where)


def waive(lakehouse: Lakehouse, where: str = "rule = 'unknown_state'", until: date | None = None) -> None:
    issue_acts.waive(lakehouse.settings, seen(lakehouse, where), because="as agreed", who="ann", until=until)
    publish(lakehouse.settings)


def states(lakehouse: Lakehouse) -> list[tuple[Any, ...]]:
    return lakehouse.rows("SELECT row_number, rule, status, waived_by, waived_why FROM issue ORDER BY ALL")


WAIVED = [(2, "unknown_state", "waived", "ann", "as agreed"), (3, "bad_zipcode", "open", None, None)]
OPEN = [(2, "unknown_state", "open", None, None), (3, "bad_zipcode", "open", None, None)]


def test_a_waiver_is_published_and_another_issue_stays_open(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    assert states(lakehouse) == WAIVED
    assert lakehouse.rows("SELECT event, who, why, before, after, holds FROM issue_log") == [
        ("waived", "ann", "as agreed", "open", "waived", True)
    ]


def test_a_waived_error_keeps_its_row_out_of_the_tables(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse, "rule = 'bad_zipcode'")
    assert lakehouse.rows("SELECT status FROM issue WHERE rule = 'bad_zipcode'") == [("waived",)]
    assert lakehouse.rows("SELECT count(*) FROM patient WHERE patient_id = '3000U'") == [(0,)]


@pytest.mark.parametrize("loss", ["warehouse", "warehouse and published", "rebuild", "rebuild from raw"])
def test_a_waiver_survives_a_rebuild_and_the_loss_of_the_warehouse(lakehouse: Lakehouse, loss: str) -> None:
    land(lakehouse)
    waive(lakehouse)
    if loss.startswith("rebuild"):
        assert rebuild(lakehouse.settings, "raw" if loss.endswith("raw") else "validated").differences == {}
    else:
        lakehouse.settings.warehouse.unlink()
        if loss.endswith("published"):
            shutil.rmtree(lakehouse.settings.published.parent)
    publish(lakehouse.settings)
    assert states(lakehouse) == WAIVED


def test_a_waiver_holds_while_the_row_says_the_same_and_not_when_it_says_otherwise(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    land(lakehouse, [patient(city="Elsewhere"), *ROWS[1:]])
    assert states(lakehouse) == WAIVED
    land(lakehouse, [patient(), ODD | {"city": "Elsewhere"}, ROWS[2]])
    assert states(lakehouse) == OPEN
    assert lakehouse.rows("SELECT event, holds FROM issue_log") == [("waived", False)]
    land(lakehouse)
    assert states(lakehouse) == WAIVED


def test_a_waiver_does_not_follow_its_row_to_another_place(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    land(lakehouse, [ODD, patient(), ROWS[2]])
    assert [row[2] for row in states(lakehouse)] == ["open", "open"]


def test_a_waiver_outlives_a_correction_of_another_field_and_ends_with_one_of_its_own(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    told = {"because": "asked", "who": "bob"}
    acts.correct(lakehouse.settings, PATIENTS, DAY, {2: {"city": "Hartford"}}, **told)
    lakehouse.ingest()
    assert states(lakehouse) == WAIVED
    made = acts.correct(lakehouse.settings, PATIENTS, DAY, {2: {"state": "Conetticut"}}, **told)
    lakehouse.ingest()
    assert states(lakehouse) == OPEN
    acts.withdraw(lakehouse.settings, PATIENTS, DAY, made, because="mistaken", who="eve")
    lakehouse.ingest()
    assert states(lakehouse) == WAIVED
    log = lakehouse.rows("SELECT event, who, why, before, after FROM issue_log ORDER BY happened_at")
    assert log == [
        ("waived", "ann", "as agreed", "open", "waived"),
        ("corrected", "bob", "asked", "Little Rock", "Hartford"),
        ("corrected", "bob", "asked", "Conneticut", "Conetticut"),
        ("withdrawn", "eve", "mistaken", "Conetticut", "Conneticut"),
    ]


def test_a_reopened_issue_is_open_and_both_acts_are_on_record(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    issue_acts.reopen(lakehouse.settings, seen(lakehouse), because="not agreed", who="bob")
    publish(lakehouse.settings)
    assert states(lakehouse) == OPEN
    assert lakehouse.rows("SELECT event, before, after FROM issue_log ORDER BY happened_at") == [
        ("waived", "open", "waived"),
        ("reopened", "waived", "open"),
    ]


def test_a_waiver_ends_by_itself_after_its_last_day(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    issue_acts.waive(
        lakehouse.settings,
        seen(lakehouse),
        because="for now",
        who="ann",
        until=date(2024, 3, 1),
        today=date(2024, 3, 1),
    )
    publish(lakehouse.settings)
    assert states(lakehouse) == OPEN
    assert [one.status for one in stands(lakehouse.settings, seen(lakehouse), date(2024, 3, 1))] == ["waived"]
    assert [one.status for one in stands(lakehouse.settings, seen(lakehouse), date(2024, 3, 2))] == ["open"]
    waive(lakehouse, until=date(2999, 12, 31))
    assert lakehouse.rows("SELECT status, waived_until FROM issue WHERE row_number = 2") == [
        ("waived", date(2999, 12, 31))
    ]


def test_what_is_not_open_is_not_waived_and_nothing_is_written(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    acts.retract(lakehouse.settings, PATIENTS, DAY, because="wrong", who="ann")
    lakehouse.ingest()
    with pytest.raises(UsageError, match=f"unknown_state of patients {DAY}, row 2 is retracted; expected open"):
        waive(lakehouse)
    with pytest.raises(UsageError, match="expected waived"):
        issue_acts.reopen(lakehouse.settings, seen(lakehouse), because="x", who="ann")
    with pytest.raises(UsageError, match="needs a reason"):
        issue_acts.comment(lakehouse.settings, seen(lakehouse), text=" ", who="ann")
    assert read_decisions(lakehouse.settings, "patients", DAY) == []


def test_a_last_day_that_is_past_is_refused(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    with pytest.raises(UsageError, match="must not be past: found 2020-01-01"):
        waive(lakehouse, until=date(2020, 1, 1))


def test_a_waiver_counts_for_who_decides_before_it_is_published(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    issues = seen(lakehouse)
    issue_acts.waive(lakehouse.settings, issues, because="as agreed", who="ann")
    assert [one.status for one in stands(lakehouse.settings, issues)] == ["waived"]
    issue_acts.reopen(lakehouse.settings, issues, because="no", who="ann")
    assert [one.status for one in stands(lakehouse.settings, issues)] == ["open"]
    assert states(lakehouse) == OPEN


def test_a_finding_about_the_whole_file_binds_to_the_content(lakehouse: Lakehouse) -> None:
    wide = [row | {"extra": "1"} for row in ROWS]
    land(lakehouse, wide)
    waive(lakehouse, "rule = 'unexpected_column'")
    assert lakehouse.rows("SELECT status FROM issue WHERE rule = 'unexpected_column'") == [("waived",)]
    land(lakehouse, wide[:2])
    assert lakehouse.rows("SELECT status FROM issue WHERE rule = 'unexpected_column'") == [("open",)]


def test_comments_are_on_record_and_change_nothing(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    issue_acts.comment(lakehouse.settings, seen(lakehouse), text="asked the sender", who="ann")
    publish(lakehouse.settings)
    assert states(lakehouse) == OPEN
    assert lakehouse.rows("SELECT event, why, before, after FROM issue_log") == [
        ("commented", "asked the sender", "open", "open")
    ]


def test_a_torn_line_never_happened_and_spoils_no_other(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    path = lakehouse.settings.decisions("patients", DAY)
    path.write_bytes(path.read_bytes() + b'{"at": "2024-')
    waive(lakehouse, "rule = 'bad_zipcode'")
    assert [row[2] for row in states(lakehouse)] == ["waived", "waived"]


def test_a_purge_takes_the_decisions_along(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    purge(lakehouse.settings, PATIENTS, DAY, because="must not be kept", who="ann")
    publish(lakehouse.settings)
    assert not lakehouse.settings.decisions("patients", DAY).exists()
    assert lakehouse.rows("SELECT count(*) FROM issue_log") == [(0,)]


def test_a_publication_without_new_decisions_is_none(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    waive(lakehouse)
    assert not publish(lakehouse.settings).is_new


def test_acts_about_a_delivery_say_how_it_stood_and_how_it_stands(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    acts.retract(lakehouse.settings, PATIENTS, DAY, because="wrong", who="ann")
    lakehouse.ingest()
    acts.reinstate(lakehouse.settings, PATIENTS, DAY, because="right", who="bob")
    lakehouse.ingest()
    told = "SELECT event, who, why, before, after FROM delivery_log WHERE who IS NOT NULL ORDER BY entry"
    assert lakehouse.rows(told) == [
        ("retracted", "ann", "wrong", "applied", "retracted"),
        ("reinstated", "bob", "right", "retracted", "applied"),
    ]


def test_a_waiver_of_a_conflict_ends_when_the_other_row_says_otherwise(lakehouse: Lakehouse) -> None:
    row = patient(patient_id="2000U")
    land(lakehouse, [row, row | {"city": "Elsewhere"}])
    waive(lakehouse, "rule = 'conflicting_row'")
    land(lakehouse, [row, row | {"city": "Elsewhere"}, patient()])
    assert lakehouse.rows("SELECT status FROM issue") == [("waived",)]
    land(lakehouse, [row | {"fname": "Somebody", "lname": "Else"}, row | {"city": "Elsewhere"}])
    assert lakehouse.rows("SELECT status FROM issue") == [("open",)]


def test_a_waiver_about_two_fields_ends_when_either_is_corrected(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", DAY, [patient()])
    lakehouse.land("providers", DAY, [provider()])
    lakehouse.land("claims", DAY, [claim(date_of_service="1/5/2019")])
    lakehouse.ingest()
    waive(lakehouse, "rule = 'service_after_claim'")
    assert lakehouse.rows("SELECT status FROM issue") == [("waived",)]
    acts.correct(lakehouse.settings, CLAIMS, DAY, {1: {"claim_date": "1/4/2019"}}, because="asked", who="bob")
    lakehouse.ingest()
    assert lakehouse.rows("SELECT rule, status FROM issue") == [("service_after_claim", "open")]


def test_a_waived_reference_is_waived_again_when_its_record_is_retracted(lakehouse: Lakehouse) -> None:
    lakehouse.land("providers", DAY, [provider()])
    lakehouse.land("claims", DAY, [claim()])
    lakehouse.ingest()
    waive(lakehouse, "rule = 'unknown_patient'")
    assert lakehouse.rows("SELECT status FROM issue") == [("waived",)]
    lakehouse.land("patients", "2024-03-01", [patient()])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT status, resolved_by FROM issue") == [("resolved", "2024-03-01")]
    acts.retract(lakehouse.settings, PATIENTS, "2024-03-01", because="wrong", who="ann")
    lakehouse.ingest()
    assert lakehouse.rows("SELECT status FROM issue") == [("waived",)]


def test_a_waiver_is_not_lost_while_raw_cannot_be_read(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    path = lakehouse.settings.landing / "patients" / f"{DAY}.csv"
    raw = next(lakehouse.settings.delivery_folder("patients", DAY).glob("*.parquet"))
    kept = path.read_bytes(), raw.read_bytes()
    issues = seen(lakehouse)
    issue_acts.waive(lakehouse.settings, issues, because="as agreed", who="ann")
    path.unlink()
    raw.write_bytes(b"damaged")
    publish(lakehouse.settings)
    assert states(lakehouse) == OPEN
    path.write_bytes(kept[0])
    raw.write_bytes(kept[1])
    publish(lakehouse.settings)
    assert states(lakehouse) == WAIVED


def test_nothing_can_be_decided_about_what_is_purged(lakehouse: Lakehouse) -> None:
    land(lakehouse, [row | {"extra": "1"} for row in ROWS])
    issues = seen(lakehouse, "rule = 'unexpected_column'")
    purge(lakehouse.settings, PATIENTS, DAY, because="must not be kept", who="ann")
    with pytest.raises(Overtaken, match="no longer kept"):
        issue_acts.comment(lakehouse.settings, issues, text="Ann Ward", who="ann")
    assert not lakehouse.settings.decisions("patients", DAY).exists()


def test_nothing_that_lies_among_the_decisions_keeps_anything_from_being_published(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    folder = lakehouse.settings.home / "decisions"
    waive(lakehouse)
    (folder / "README").write_text("not ours")
    (folder / "pharmacies").mkdir()
    line = lakehouse.settings.decisions("patients", DAY).read_bytes()
    (folder / "pharmacies" / f"{DAY}.jsonl").write_bytes(line)
    odd = [
        line.replace(b'"waived"', b'"delegated"'),
        line.replace(b"as agreed", b"as \\udce9"),
        b"[]\n",
        b"null\n",
        b"\x00\n",
    ]
    with lakehouse.settings.decisions("patients", DAY).open("ab") as file:
        file.write(b"".join(odd))
    publish(lakehouse.settings)
    assert lakehouse.rows("SELECT status, waived_why FROM issue WHERE rule = 'unknown_state'") == [("waived", "as ?")]


@pytest.mark.parametrize("why", ["as \udce9", "x" * 2001])
def test_a_reason_that_cannot_be_kept_is_refused(lakehouse: Lakehouse, why: str) -> None:
    land(lakehouse)
    with pytest.raises(UsageError, match=r"reason (has what is no character|may have 2,000)"):
        issue_acts.waive(lakehouse.settings, seen(lakehouse), because=why, who="ann")
    with pytest.raises(UsageError, match=r"reason (has what is no character|may have 2,000)"):
        acts.retract(lakehouse.settings, PATIENTS, DAY, because=why, who="ann")


def test_the_same_waiver_twice_is_on_record_once_and_another_one_as_well(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    issues = seen(lakehouse)
    for until in (None, None, date(2999, 12, 31), date(2999, 12, 31)):
        issue_acts.waive(lakehouse.settings, issues, because="as agreed", who="ann", until=until)
    publish(lakehouse.settings)
    assert lakehouse.rows("SELECT before, waived_until FROM issue_log ORDER BY happened_at") == [
        ("open", None), ("waived", date(2999, 12, 31))
    ]  # fmt: skip


def test_of_two_who_correct_one_field_at_once_one_is_told_to_look_again(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    expected = {2: {"state": "Conneticut"}}

    def corrected(state: str) -> bool:
        try:
            acts.correct(
                lakehouse.settings, PATIENTS, DAY, {2: {"state": state}}, because="x", who=state, expected=expected
            )
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor() as threads:
        assert sorted(threads.map(corrected, ["Connecticut", "Colorado", "California", "Vermont"])) == [
            False, False, False, True,
        ]  # fmt: skip


def test_what_was_corrected_stays_in_the_log_when_the_delivery_is_replaced(lakehouse: Lakehouse) -> None:
    land(lakehouse)
    acts.correct(lakehouse.settings, PATIENTS, DAY, {2: {"state": "Connecticut"}}, because="asked", who="bob")
    land(lakehouse, [patient()])
    assert lakehouse.rows("SELECT issue_id, event, who, column_name, before, after FROM issue_log") == [
        (None, "corrected", "bob", "state", "Conneticut", "Connecticut")
    ]


def test_a_malformed_row_that_was_corrected_can_be_corrected_again_in_one_field(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", DAY, csv_text([patient()]) + "2000U,Moss\n")
    lakehouse.ingest()
    told = {"because": "asked", "who": "bob"}
    acts.correct(lakehouse.settings, PATIENTS, DAY, {2: patient(patient_id="2000U", city="Nowhere")}, **told)
    acts.correct(lakehouse.settings, PATIENTS, DAY, {2: {"city": "Somewhere"}}, **told)
    lakehouse.ingest()
    assert lakehouse.rows("SELECT city FROM patient WHERE patient_id = '2000U'") == [("Somewhere",)]
