"""The questions that come with an answer: unbilled claims, coverage, surgery, cost, backlog, and what changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import BILLING, Lakehouse, claim, patient, provider
from claims_lakehouse_tests.serving.conftest import Generated


def claims(lakehouse: Lakehouse, *changed: dict[str, str]) -> None:
    """Land claims, each with a number of its own, with their patient and provider, and ingest."""
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2000U", lname="Moss")])
    lakehouse.land("providers", "priming", [provider(), provider(provider_id="P2", specialty_code="orthopedist")])
    lakehouse.land("claims", "2024-12-31", [claim(claim_id=f"C{n}", **one) for n, one in enumerate(changed)])
    lakehouse.ingest()


def test_the_claims_that_are_not_billed_yet(lakehouse: Lakehouse) -> None:
    claims(lakehouse, {"billed": "F", "coverage_type": "50", "patient_id": "2000U"}, {"billed": "T"},
           {"billed": "no", "provider_id": "gone"})  # fmt: skip
    found = lakehouse.dicts("FROM unbilled_claims() ORDER BY claim_id")
    assert [(row["claim_id"], row["patient_lname"], row["provider_lname"]) for row in found] == [
        ("C0", "Moss", "Dawson"), ("C2", "Ward", None)
    ]  # fmt: skip
    assert (found[0]["patient_address"], found[0]["amount_due"]) == ("482 Quail Street", Decimal("391.04"))


def test_the_providers_with_fully_covered_claims_of_30_days_both_ends_included(lakehouse: Lakehouse) -> None:
    on = {"claim_date": "2024-01-31", "last_modified_date": "2024-01-31"}
    claims(lakehouse, on, on, {**on, "coverage_type": "50", "provider_id": "P2"})
    asked = "SELECT provider_id FROM fully_covered_providers({})"
    # In a leap year the 31st of January is 30 days before the 1st of March.
    for day, expected in (("2024-01-30", 0), ("2024-01-31", 1), ("2024-03-01", 1), ("2024-03-02", 0)):
        for until in (f"DATE '{day}'", f"'{day}'", f"TIMESTAMP '{day} 12:00:00'"):
            assert lakehouse.rows(asked.format(until)) == [("N3T100A",)] * expected, until


def test_the_patients_who_had_surgery_with_a_provider(lakehouse: Lakehouse) -> None:
    claims(lakehouse, {}, {}, {"patient_id": "2000U", "visit_type": "routine"},
           {"patient_id": "2000U", "provider_id": "P2"}, {"patient_id": "unknown"})  # fmt: skip
    asked = "SELECT patient_id, lname FROM surgery_patients('{}')"
    assert lakehouse.rows(asked.format("N3T100A")) == [("1000U", "Ward")]
    assert lakehouse.rows(asked.format("P2")) == [("2000U", "Moss")]
    assert lakehouse.rows(asked.format("nobody")) == []
    assert lakehouse.rows("FROM surgery_patients(with_provider := 'P2')") == lakehouse.rows(
        "FROM patient LIMIT 1 OFFSET 1"
    )


def test_the_backlog_has_every_age_and_its_edges_in_the_right_one(lakehouse: Lakehouse) -> None:
    ages = {
        "2024-03-02": "tomorrow",
        "2024-03-01": 0,
        "2024-02-29": 1,
        "2024-01-31": 30,
        "2024-01-30": 31,
        "2024-01-01": 60,
        "2023-12-31": 61,
        "2023-12-02": 90,
        "2023-12-01": 91,
        "2019-01-03": "over 90",
    }
    waiting = [{"billed": "F", "claim_date": day, "total_cost": "1.01", "coverage_type": "50"} for day in ages]
    claims(lakehouse, *waiting, {"billed": "T", "claim_date": "2024-02-29"})
    cents = [
        [Decimal(n) / 100 for n in row] for row in ((303, 153, 150), (202, 102, 100), (202, 102, 100), (202, 102, 100))
    ]
    assert [list(row) for row in lakehouse.rows("FROM billing_backlog(DATE '2024-03-01')")] == [
        ["0-30", 3, *cents[0]], ["31-60", 2, *cents[1]], ["61-90", 2, *cents[2]], ["over 90", 2, *cents[3]]
    ]  # fmt: skip
    before = lakehouse.rows("SELECT age, claims, total_cost FROM billing_backlog('2019-01-02')")
    assert before == [(age, 0, Decimal(0)) for age in ("0-30", "31-60", "61-90", "over 90")]


def test_monthly_cost_counts_by_the_specialty_at_service_and_adds_up_to_the_cent(lakehouse: Lakehouse) -> None:
    lakehouse.land("providers", "2024-02-10", [provider(specialty_code="heart_surgeon")])
    lakehouse.land("providers", "2024-02-20", [provider(specialty_code="orthopedist")])
    half = {"total_cost": "0.01", "coverage_type": "50", "claim_date": "2024-03-31", "last_modified_date": "2024-03-31"}
    days = ["2024-02-01", "2024-02-20", "2024-02-29", "2024-03-01", "2024-02-29"]
    rows = [claim(claim_id=f"C{n}", date_of_service=day, **half) for n, day in enumerate(days)]
    rows[-1] |= {"provider_id": "unknown", "visit_type": "routine"}
    lakehouse.land("claims", "2024-03-31", rows)
    lakehouse.ingest()
    february, march, cent, none = date(2024, 2, 1), date(2024, 3, 1), Decimal("0.01"), Decimal("0.00")
    assert lakehouse.rows("FROM monthly_cost ORDER BY month, specialty_code, visit_type") == [
        (february, "heart_surgeon", "surgery", 50, 1, cent, cent, none),
        (february, "orthopedist", "surgery", 50, 2, 2 * cent, 2 * cent, none),
        (february, None, "routine", 50, 1, cent, cent, none),
        (march, "orthopedist", "surgery", 50, 1, cent, cent, none),
    ]


def test_what_a_version_changed_is_told_column_by_column(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", [patient(last_modified_date="2020-02-29", state="")])
    lakehouse.land("patients", "2024-02-01", [
        patient(patient_id="2000U"),
        patient(last_modified_date="2021-01-01", state="Ohio", date_of_birth="9-20-1948", address=""),
    ])  # fmt: skip
    lakehouse.ingest()
    day = date(2021, 1, 1)
    assert lakehouse.rows("FROM patient_change ORDER BY column_name") == [
        ("1000U", 2, day, "address", "482 Quail Street", None, "2024-02-01", 2),
        ("1000U", 2, day, "date_of_birth", "1948-09-19", "1948-09-20", "2024-02-01", 2),
        ("1000U", 2, day, "state", None, "Ohio", "2024-02-01", 2),
    ]
    names = [name for (name,) in lakehouse.rows("SELECT column_name FROM (DESCRIBE patient_change)")]
    assert names == ["patient_id", "version", "changed_on", "column_name", "value_before", "value_after", "delivery",
                     "row_number"]  # fmt: skip


def test_generated_changes_are_those_between_the_versions_of_the_oracle(generated: Generated) -> None:
    lakehouse, _, tables = generated
    for feed in BILLING:
        [key] = feed.key
        expected = []
        for earlier, later in zip(tables.versions[feed.name], tables.versions[feed.name][1:], strict=False):
            if later["version"] > 1:
                expected += [
                    (later[key], later["version"], later["valid_from"], name, as_text(earlier[name]),
                     as_text(later[name]), later["delivery"], later["row_number"])
                    for name in oracle.COLUMNS[feed.name]
                    if name not in (key, oracle.SEQUENCE[feed.name]) and earlier[name] != later[name]
                ]  # fmt: skip
        found = lakehouse.rows(f"FROM {feed.entity}_change")
        assert sorted(map(repr, found)) == sorted(map(repr, expected))


def as_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
