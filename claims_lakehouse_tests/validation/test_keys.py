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
