"""What verification finds in lines of medical claims: each rule by a row that breaks it and nothing else."""

from __future__ import annotations

from datetime import date
from functools import cache

import polars as pl
import pytest

from claims_lakehouse.contracts import COVERAGES, EXCLUSIONS, MEDICAL_CLAIMS, Feed
from claims_lakehouse.desk.form import problems
from claims_lakehouse.landing.header import MALFORMED, ROW_NUMBER
from claims_lakehouse.validation.parse import parse
from claims_lakehouse.validation.raw_rows import RawBatch
from claims_lakehouse_tests.builders import moment, shared_codes
from claims_lakehouse_tests.medical import line

RECEIVED = moment("2024-02-01")


@cache
def codes() -> pl.DataFrame:
    return pl.read_parquet(shared_codes())


def found(feed: Feed, row: dict[str, str]) -> list[tuple[str, str, str | None]]:
    told = problems(feed, row, "2024-02-01", RECEIVED, codes() if feed.released_codes else None)
    return [(one.rule, one.severity, one.column_name) for one in told]


@pytest.mark.parametrize(
    "end", ["9999-12-31", "2999-12-31", "99991231", "12/31/9999", "12-31-2999", " 9999-12-31 ", ""]
)
def test_an_end_that_nobody_will_see_is_no_end(end: str) -> None:
    row = {"patient_id": "1U", "plan_id": "P", "covered_from": "2024-01-01", "covered_to": end}
    assert found(COVERAGES, row) == []
    assert ended(row) is None
    assert ended(row | {"covered_to": "2024-12-31"}) == date(2024, 12, 31)


@pytest.mark.parametrize(("column", "day"), [("covered_to", "9999-01-01"), ("covered_to", "3999-12-31"),
                                             ("covered_from", "9999-12-31")])  # fmt: skip
def test_other_days_of_no_century_are_no_dates(column: str, day: str) -> None:
    row = {"patient_id": "1U", "plan_id": "P", "covered_from": "2024-01-01", "covered_to": "2024-12-31"}
    assert ("not_a_date", "error", column) in found(COVERAGES, row | {column: day})


def ended(row: dict[str, str]) -> date | None:
    sent = dict.fromkeys((ROW_NUMBER, MALFORMED, *(column.name for column in COVERAGES.columns))) | row
    batch = RawBatch(
        pl.DataFrame(
            [sent | {ROW_NUMBER: 1}], schema_overrides={name: pl.String for name in sent if name != ROW_NUMBER}
        ),
        {},
    )
    end: date | None = parse(batch, COVERAGES).typed["covered_to"].item()
    return end


def test_a_clean_line_has_no_finding() -> None:
    assert found(MEDICAL_CLAIMS, line()) == []


@pytest.mark.parametrize(
    ("changed", "rule", "severity", "column"),
    [
        ({"provider_npi": "1234567890"}, "bad_npi", "error", "provider_npi"),
        ({"billing_npi": "123"}, "bad_npi", "error", "billing_npi"),
        ({"procedure_code": "9921"}, "bad_procedure_code", "error", "procedure_code"),
        ({"modifiers": "2555"}, "bad_modifiers", "error", "modifiers"),
        ({"diagnosis_codes": "?"}, "bad_diagnosis_codes", "error", "diagnosis_codes"),
        ({"diagnosis_codes": "E119|XX9"}, "bad_diagnosis_codes", "error", "diagnosis_codes"),
        ({"diagnosis_codes": "E119|195662009"}, "bad_diagnosis_codes", "error", "diagnosis_codes"),
        ({"diagnosis_codes": "E119|X99Z"}, "unknown_diagnosis", "error", "diagnosis_codes"),
        ({"diagnosis_codes": "E11"}, "diagnosis_not_billable", "error", "diagnosis_codes"),
        (
            {"diagnosis_codes": "X99Z", "date_of_service_from": "2019-01-10"},
            "diagnosis_unverified",
            "warning",
            "diagnosis_codes",
        ),
        ({"diagnosis_pointers": "13"}, "bad_pointers", "error", "diagnosis_pointers"),
        ({"diagnosis_pointers": "1|3"}, "pointer_out_of_range", "error", "diagnosis_pointers"),
        ({"diagnosis_codes": "I10", "diagnosis_pointers": "2"}, "pointer_out_of_range", "error", "diagnosis_pointers"),
        ({"date_of_service_to": "2024-01-09"}, "ends_before_it_begins", "error", "date_of_service_to"),
        ({"received_date": "2024-01-09"}, "service_after_receipt", "error", "date_of_service_from"),
        ({"place_of_service": "30"}, "unknown_place_of_service", "error", "place_of_service"),
        ({"place_of_service": ""}, "missing_value", "warning", "place_of_service"),
        ({"units": "0"}, "bad_units", "error", "units"),
        ({"frequency_code": "2"}, "unknown_frequency", "error", "frequency_code"),
        ({"frequency_code": "8"}, "original_missing", "error", "original_claim_id"),
        ({"line_number": "0"}, "bad_number", "error", "line_number"),
        ({"charge_amount": "-1"}, "bad_amount", "error", "charge_amount"),
    ],
)
def test_a_line_breaks_one_rule(changed: dict[str, str], rule: str, severity: str, column: str) -> None:
    assert found(MEDICAL_CLAIMS, line(**changed)) == [(rule, severity, column)]


@pytest.mark.parametrize(
    "changed",
    [
        {
            "modifiers": "",
            "billing_npi": "",
            "diagnosis_pointers": "",
            "prior_auth_number": "",
            "date_of_service_to": "",
        },
        {"diagnosis_codes": "e11.9"},
        {"frequency_code": "7", "original_claim_id": "C0"},
        {"diagnosis_pointers": "2|1"},
    ],
)
def test_what_may_be_so_is_no_finding(changed: dict[str, str]) -> None:
    assert found(MEDICAL_CLAIMS, line(**changed)) == []


def test_a_period_may_end_in_the_future_and_not_before_it_begins() -> None:
    row = {"patient_id": "1", "plan_id": "P", "covered_from": "2024-01-01", "covered_to": "2099-12-31"}
    assert found(COVERAGES, row) == []
    assert found(COVERAGES, row | {"covered_to": ""}) == []
    assert found(COVERAGES, row | {"covered_to": "2023-12-31"}) == [("ends_before_it_begins", "error", "covered_to")]


@pytest.mark.parametrize(
    ("changed", "complete"),
    [
        ({"kind": "not_covered", "procedure_code": "99213"}, True),
        ({"kind": "not_covered", "diagnosis_code": "Z41"}, True),
        ({"kind": "not_covered"}, False),
        ({"kind": "age_limit", "procedure_code": "99213", "least_age": "18"}, True),
        ({"kind": "age_limit", "procedure_code": "99213"}, False),
        ({"kind": "sex_limit", "procedure_code": "99213", "sex": "F"}, True),
        ({"kind": "units_limit", "procedure_code": "99213"}, False),
    ],
)
def test_an_exclusion_has_what_its_kind_takes(changed: dict[str, str], *, complete: bool) -> None:
    row = {"exclusion_id": "E1", "effective_from": "2024-01-01", **changed}
    assert found(EXCLUSIONS, row) == ([] if complete else [("incomplete_exclusion", "error", "kind")])


@pytest.mark.parametrize(
    ("kind", "column", "sent", "rule"),
    [
        ("not_covered", "procedure_code", "9921", "bad_procedure_code"),
        ("not_covered", "diagnosis_code", "?", "bad_diagnosis_codes"),
        ("age_limit", "most_age", "old", "bad_number"),
        ("sex_limit", "sex", "x", "unknown_sex"),
        ("units_limit", "most_units_a_day", "many", "bad_units"),
    ],
)
def test_what_an_exclusion_has_and_nobody_can_read_is_not_lacking(kind: str, column: str, sent: str, rule: str) -> None:
    row = {"exclusion_id": "E1", "effective_from": "2024-01-01", "kind": kind}
    row |= {"procedure_code": "99213"} if kind != "not_covered" else {}
    assert found(EXCLUSIONS, row | {column: sent}) == [(rule, "error", column)]
