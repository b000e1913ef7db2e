"""The patient and the provider of a claim as they were at the day of service."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

import duckdb
import pytest

from claims_lakehouse.serving.views import create_views
from claims_lakehouse.warehouse.schema import create_schema
from claims_lakehouse_tests.builders import Lakehouse, claim, moment, patient, provider


def served(*days: str, **changed: str) -> list[dict[str, str]]:
    """A claim for each day of service, numbered from 0."""
    later = {"claim_date": "2024-12-31", "last_modified_date": "2024-12-31", **changed}
    return [claim(claim_id=f"C{place}", date_of_service=day, **later) for place, day in enumerate(days)]


def test_the_version_is_the_one_that_was_valid_on_the_day_of_service(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-12-01", [
        patient(city="One", last_modified_date="2019-03-01"),
        patient(city="Two", last_modified_date="2020-02-29"),
        patient(city="Three", last_modified_date="2021-01-01"),
    ])  # fmt: skip
    lakehouse.land("providers", "priming", [provider()])
    days = ["2019-02-28", "2019-03-01", "2020-02-28", "2020-02-29", "2020-12-31", "2021-01-01", "2024-12-31"]
    lakehouse.land("claims", "2024-12-31", served(*days))
    lakehouse.ingest()
    assert lakehouse.rows(
        """
        SELECT patient_city, patient_version, patient_reaches_back, provider_version, provider_reaches_back
        FROM claim_at_service ORDER BY date_of_service
        """
    ) == [
        ("One", 1, True, 1, False),
        ("One", 1, False, 1, False),
        ("One", 1, False, 1, False),
        ("Two", 2, False, 1, False),
        ("Two", 2, False, 1, False),
        ("Three", 3, False, 1, False),
        ("Three", 3, False, 1, False),
    ]
    keys = lakehouse.rows("SELECT patient_sk, provider_sk FROM claim_at_service WHERE claim_id = 'C3'")
    assert keys == [
        (*lakehouse.rows("SELECT patient_sk FROM dim_patient WHERE city = 'Two'")[0],
         *lakehouse.rows("SELECT provider_sk FROM dim_provider")[0])
    ]  # fmt: skip


def test_a_provider_received_during_a_day_serves_from_the_next(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.land("providers", "2024-02-28", [provider(specialty_code="orthopedist")])
    lakehouse.land("providers", "2024-02-29T0001", [provider(specialty_code="heart_surgeon")])
    lakehouse.land("claims", "2024-12-31", served("2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"))
    lakehouse.ingest()
    assert lakehouse.rows(
        "SELECT provider_specialty_code, provider_reaches_back FROM claim_at_service ORDER BY date_of_service"
    ) == [("orthopedist", True), ("orthopedist", False), ("orthopedist", False), ("heart_surgeon", False)]


def test_a_version_that_was_valid_at_no_time_is_never_picked(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", [
        patient(city="Overtaken", last_modified_date="2020-01-01"), patient(city="Last", last_modified_date="2021-01-01")
    ])  # fmt: skip
    lakehouse.land("patients", "2024-02-01", [
        patient(city="First", last_modified_date="2020-01-01"), patient(city="Final", last_modified_date="2021-01-01")
    ])  # fmt: skip
    lakehouse.land("claims", "2024-12-31", served("2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01", "2022-01-01"))
    lakehouse.ingest()
    assert lakehouse.rows(
        "SELECT patient_city, patient_version, patient_reaches_back FROM claim_at_service ORDER BY date_of_service"
    ) == [("First", 2, True), ("First", 2, False), ("First", 2, False), ("Final", 4, False), ("Final", 4, False)]


def test_an_unknown_patient_or_provider_leaves_nothing_said(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.land("providers", "priming", [provider(provider_id="other")])
    lakehouse.land("claims", "2024-12-31", [*served("2024-01-01"), claim(claim_id="C1", patient_id="nobody")])
    lakehouse.ingest()
    [known, unknown] = lakehouse.dicts("FROM claim_at_service ORDER BY claim_id")
    assert (known["patient_version"], known["patient_reaches_back"]) == (1, False)
    told = {name for name, value in unknown.items() if name.startswith(("patient_", "provider_")) and value is not None}
    assert told == {"patient_id", "provider_id"}


def test_it_has_the_columns_and_amounts_of_claim_detail_and_one_row_a_claim(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.land("providers", "priming", [provider()])
    costs = [("1.01", "50"), ("0.01", "50"), ("9999999999.99", "100"), ("9999999999.99", "0"), ("0.00", "50")]
    lakehouse.land("claims", "2024-12-31", [
        claim(claim_id=f"C{place}", total_cost=cost, coverage_type=coverage)
        for place, (cost, coverage) in enumerate(costs)
    ])  # fmt: skip
    lakehouse.ingest()
    detail = lakehouse.dicts("FROM claim_detail ORDER BY claim_id")
    service = lakehouse.dicts("FROM claim_at_service ORDER BY claim_id")
    added = {f"{one}_{what}" for one in ("patient", "provider") for what in ("version", "sk", "reaches_back")}
    assert set(service[0]) == set(detail[0]) | added
    assert [{name: row[name] for name in detail[0]} for row in service] == detail
    amounts = [(str(row["amount_covered"]), str(row["amount_due"])) for row in service]
    assert amounts == [("0.51", "0.50"), ("0.01", "0.00"), ("9999999999.99", "0.00"), ("0.00", "9999999999.99"),
                       ("0.00", "0.00")]  # fmt: skip


class Version(NamedTuple):
    key: str
    version: int
    valid_from: datetime
    valid_to: datetime | None


def version_at(versions: list[Version], day: date) -> tuple[int, bool] | None:
    """By the words of the issue: the version valid at the day, else the first, of those valid for some time."""
    t = datetime.combine(day, time())
    lasting = [one for one in versions if one.valid_from != one.valid_to]
    for one in lasting:
        if one.valid_from <= t and (one.valid_to is None or t < one.valid_to):
            return one.version, False
    return (lasting[0].version, True) if lasting else None


def histories(rng: random.Random, records: int, *, hours: bool) -> dict[str, list[Version]]:
    """Histories within ten days, many of their versions beginning at the same time."""
    found = {}
    for key in map(str, range(records)):
        begins = sorted(
            moment("2024-02-25") + timedelta(days=rng.randrange(10), hours=rng.choice((0, 0, 1, 23)) * hours)
            for _ in range(rng.randint(1, 6))
        )
        ends = [*begins[1:], None]
        found[key] = [Version(key, n, *span) for n, span in enumerate(zip(begins, ends, strict=True), start=1)]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_any_claim_meets_the_version_that_its_day_of_service_falls_in(seed: int) -> None:
    rng = random.Random(seed)
    patients, providers = histories(rng, 40, hours=False), histories(rng, 40, hours=True)
    services = [(str(n), str(rng.randrange(44)), str(rng.randrange(44)), date(2024, 2, 23) + timedelta(rng.randrange(14)))
                for n in range(400)]  # fmt: skip
    with duckdb.connect() as con:
        create_schema(con)
        create_views(con)
        for table, key, versions in (
            ("dim_patient", "patient_id", patients),
            ("dim_provider", "provider_id", providers),
        ):
            con.executemany(
                f"INSERT INTO {table} ({key}, version, valid_from, valid_to) VALUES (?, ?, ?, ?)",
                [list(one) for own in versions.values() for one in own],
            )
        con.executemany(
            "INSERT INTO fact_claim (claim_id, patient_id, provider_id, date_of_service, is_current) VALUES (?, ?, ?, ?, true)",
            [list(service) for service in services],
        )
        found = con.execute(
            """
            SELECT claim_id, patient_version, patient_reaches_back, provider_version, provider_reaches_back
            FROM claim_at_service ORDER BY CAST(claim_id AS INTEGER)
            """
        ).fetchall()
    nothing = (None, None)
    assert found == [
        (claim_id, *(version_at(patients.get(patient_id, []), day) or nothing),
         *(version_at(providers.get(provider_id, []), day) or nothing))
        for claim_id, patient_id, provider_id, day in services
    ]  # fmt: skip


def test_the_views_answer_where_the_file_is_attached_to_another(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.land("providers", "priming", [provider()])
    lakehouse.land("claims", "priming", [claim()])
    lakehouse.ingest()
    with duckdb.connect(config={"python_enable_replacements": False}) as con:
        con.execute(f"ATTACH '{lakehouse.settings.published}' AS lake (READ_ONLY)")
        for view in ("claim_detail", "claim_at_service", "monthly_cost"):
            assert len(con.execute(f"FROM lake.{view}").fetchall()) == 1
