"""Records are told apart by the values of their keys, not by how these are written."""

from __future__ import annotations

from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.medical import code, line


def test_a_number_written_otherwise_names_the_same_record(lakehouse: Lakehouse) -> None:
    lakehouse.land("medical_claims", "2024-02-01", [line(line_number="1"), line(line_number="01")])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT rows_landed, rows_duplicate, rows_valid FROM delivery") == [(2, 1, 1)]
    assert lakehouse.rows("SELECT row_number, record_key, rule FROM issue WHERE rule = 'duplicate_row'") == [
        (2, "C1|1", "duplicate_row")
    ]


def test_a_day_written_otherwise_names_the_same_record(lakehouse: Lakehouse) -> None:
    lakehouse.land("code_sets", "2024-02-01", [code(), code(effective_from="1/1/2020", description="Otherwise")])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT row_number, record_key, rule FROM issue WHERE severity = 'error'") == [
        (2, "cpt|99213|2020-01-01", "conflicting_row")
    ]


def test_an_error_is_resolved_by_a_row_whose_key_is_written_otherwise(lakehouse: Lakehouse) -> None:
    lakehouse.land("medical_claims", "2024-02-01", [line(line_number="01", units="0")])
    lakehouse.land("medical_claims", "2024-03-01", [line(line_number="1")])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT rule, status, resolved_by FROM issue WHERE rule = 'bad_units'") == [
        ("bad_units", "resolved", "2024-03-01")
    ]


def test_no_modifier_is_a_key_too(lakehouse: Lakehouse) -> None:
    fee = {
        "plan_id": "P", "procedure_code": "99213", "modifier": "", "allowed_amount": "80",
        "effective_from": "2024-01-01", "effective_to": "",
    }  # fmt: skip
    lakehouse.land("fee_schedules", "2024-01-01", [fee, fee | {"modifier": "26", "allowed_amount": "30"}])
    lakehouse.land("fee_schedules", "2024-02-01", [fee | {"allowed_amount": "82"}])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT modifier, CAST(allowed_amount AS VARCHAR), version FROM dim_fee_schedule ORDER BY ALL") == [
        ("", "80.00", 1), ("", "82.00", 2), ("26", "30.00", 1),
    ]  # fmt: skip


def test_a_field_of_the_key_that_cannot_be_read_is_found_among_empty_ones(lakehouse: Lakehouse) -> None:
    fee = {"plan_id": "P", "procedure_code": "99213", "modifier": "", "allowed_amount": "80", "effective_from": "2024-01-01",
           "effective_to": ""}  # fmt: skip
    lakehouse.land("fee_schedules", "2024-01-01", [fee, fee | {"modifier": "ZZZ"}])
    lakehouse.ingest()
    assert lakehouse.rows("SELECT row_number, rule FROM issue WHERE severity = 'error'") == [(2, "bad_modifiers")]
    assert lakehouse.rows("SELECT rows_quarantined, rows_valid FROM delivery") == [(1, 1)]


def test_records_whose_keys_look_alike_when_joined_are_not_taken_for_each_other(lakehouse: Lakehouse) -> None:
    rest = {"covered_from": "2024-01-01", "subscriber_id": "", "relationship": "", "maintenance_type": ""}
    coverage = {"patient_id": "A|B", "plan_id": "C", "covered_to": "soon", **rest}
    other = {"patient_id": "A", "plan_id": "B|C", "covered_to": "", **rest}
    lakehouse.land("coverages", "2024-01-01", [coverage, coverage | {"plan_id": "D", "covered_to": ""}])
    lakehouse.land("coverages", "2024-02-01", [other])
    lakehouse.ingest()
    found = lakehouse.rows("SELECT delivery, record_key, rule, status FROM issue ORDER BY ALL")
    assert found == [
        ("2024-01-01", r"A\|B|C|2024-01-01", "not_a_date", "open"),
        ("2024-01-01", r"A\|B|D|2024-01-01", "unknown_patient", "open"),
        ("2024-01-01", r"A\|B|D|2024-01-01", "unknown_plan", "open"),
        ("2024-02-01", r"A|B\|C|2024-01-01", "unknown_patient", "open"),
        ("2024-02-01", r"A|B\|C|2024-01-01", "unknown_plan", "open"),
    ]
