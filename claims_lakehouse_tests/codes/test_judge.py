"""Diagnoses are judged by the release of the day of service."""

from __future__ import annotations

from datetime import date
from functools import cache
from itertools import pairwise

import polars as pl
import pytest

from claims_lakehouse.codes.judge import judge
from claims_lakehouse.codes.releases import BILLABLE, HEADER, RELEASES
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse_tests.builders import shared_codes

[CHECK] = MEDICAL_CLAIMS.released_codes


@cache
def table() -> pl.DataFrame:
    return pl.read_parquet(shared_codes())


def broken(codes: str | None, day: date | None) -> list[tuple[str, str]]:
    typed = pl.DataFrame(
        {"row_number": [7], "diagnosis_codes": [codes], "date_of_service_from": [day]},
        schema={"row_number": pl.Int64, "diagnosis_codes": pl.String, "date_of_service_from": pl.Date},
    )
    return [(one.rule.name, one.rows["codes"].item()) for one in judge(typed, CHECK, table())]


@pytest.mark.parametrize("code", ["N63", "G20", "R05"])
def test_a_code_that_became_a_header_is_judged_by_the_day_of_service(code: str) -> None:
    assert broken(code, date(2016, 3, 1)) == []  # billable in the release of that year
    assert broken(code, date(2024, 3, 1)) == [("diagnosis_not_billable", code)]
    assert broken(code, date(2026, 3, 1)) == [("diagnosis_not_billable", code)]
    assert broken(code, date(2016, 9, 30)) == []  # the release's last day
    assert broken(code, date(2023, 9, 30)) == []  # between two releases: one of them has it
    assert broken(code, date(2023, 10, 1)) == [("diagnosis_not_billable", code)]
    assert broken(code, date(2024, 9, 30)) == [("diagnosis_not_billable", code)]
    assert broken(code, date(2024, 10, 1)) == [("diagnosis_unverified", code)]  # neither release beside has it
    assert broken(code, date(2026, 9, 30)) == [("diagnosis_not_billable", code)]
    assert broken(code, date(2026, 10, 1)) == [("diagnosis_unverified", code)]


@pytest.mark.parametrize("code", ["N630", "G20A1", "R051"])
def test_a_code_is_unknown_before_it_began(code: str) -> None:
    assert broken(code, date(2016, 3, 1)) == [("unknown_diagnosis", code)]
    assert broken(code, date(2019, 3, 1)) == []  # it may have begun by then
    assert broken(code, date(2024, 3, 1)) == []


def test_a_code_of_no_release_is_an_error_within_their_years_and_a_warning_outside() -> None:
    assert broken("ZZZ9", date(2024, 1, 1)) == [("unknown_diagnosis", "ZZZ9")]
    assert broken("ZZZ9", date(2019, 1, 1)) == [("diagnosis_unverified", "ZZZ9")]
    assert broken("ZZZ9", date(1999, 1, 1)) == [("diagnosis_unverified", "ZZZ9")]
    assert {CHECK.unknown.severity, CHECK.not_billable.severity, CHECK.unverified.severity} == {"error", "warning"}


def test_all_codes_of_a_line_that_break_a_rule_are_named_together() -> None:
    assert broken("I10|ZZZ9|E11|AAA9|ZZZ9", date(2024, 1, 1)) == [
        ("unknown_diagnosis", "AAA9, ZZZ9"), ("diagnosis_not_billable", "E11"),
    ]  # fmt: skip


def test_lines_without_codes_or_day_are_left_out() -> None:
    assert broken(None, date(2024, 1, 1)) == []
    assert broken("ZZZ9", None) == []


def test_releases_follow_each_other_and_hold_a_year() -> None:
    assert all((one.last - one.first).days in (364, 365) for one in RELEASES)
    assert all(one.last < other.first for one, other in pairwise(RELEASES))


def test_the_table_has_each_code_once_and_headers_above_billable_codes() -> None:
    codes = table()
    assert codes["code"].is_unique().all()
    for release in RELEASES:
        counts = codes[release.column].value_counts()
        assert counts.filter(pl.col(release.column) == BILLABLE)["count"].item() > 69_000
        below = codes.filter(pl.col(release.column) == BILLABLE)["code"]
        headers = codes.filter((pl.col(release.column) == HEADER) & (pl.col("code").str.len_bytes() == 3))["code"]
        assert headers.is_in(below.str.slice(0, 3).unique().implode()).all()
