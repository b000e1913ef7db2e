"""What was valid, what we held, and both at once: against the oracle, and at the edges of days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from claims_lakehouse.contracts import FEEDS, PATIENTS, Feed
from claims_lakehouse.serving.connect import connect
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import BILLING, Lakehouse, moment, patient, provider
from claims_lakehouse_tests.serving.conftest import Generated

_HISTORY = ("valid_from", "valid_to", "is_current", "version", "delivery", "row_number")


def columns(feed: Feed) -> list[str]:
    return [*(column.name for column in feed.columns), *_HISTORY]


def as_text(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    return sorted(repr([row[name] for name in names]) for row in rows)


def moments(sent: list[oracle.Delivery]) -> list[date]:
    """Days and instants on, before and after each delivery, and long before all of them."""
    received = sorted({one.received_at for one in sent})
    days = sorted({each.date() for each in received})
    return [*received, *(each - timedelta(microseconds=1) for each in received), *days, date(1899, 12, 31)]


def test_the_tables_as_known_are_those_of_the_oracle_from_what_had_come(generated: Generated) -> None:
    lakehouse, sent, _ = generated
    with connect(lakehouse.settings.home) as con:
        for d in moments(sent):
            then = oracle.tables(oracle.received_by(sent, d))
            for feed in BILLING:
                names = columns(feed)
                known = con.execute(f"SELECT {', '.join(names)} FROM {feed.table}_as_known($d)", {"d": d}).fetchall()
                assert sorted(repr(list(row)) for row in known) == as_text(then.versions[feed.name], names), (feed, d)


def test_what_we_believed_on_a_day_about_a_day_is_what_the_oracle_says(generated: Generated) -> None:
    lakehouse, sent, _ = generated
    with connect(lakehouse.settings.home) as con:
        for d in moments(sent)[::4]:
            then = oracle.tables(oracle.received_by(sent, d))
            for feed in BILLING:
                edges = {row["valid_from"] for row in then.versions[feed.name]}
                around = sorted({edge + timedelta(days=step) for edge in edges for step in (-1, 0)})
                sql = f"SELECT {', '.join(columns(feed))} FROM {feed.entity}_as_known_as_of($d, $t)"
                for t in [*around, date(1800, 1, 1), date(9999, 12, 31)]:
                    believed = con.execute(sql, {"d": d, "t": t}).fetchall()
                    expected = as_text(oracle.as_of(then, feed.name, t), columns(feed))
                    assert sorted(repr(list(row)) for row in believed) == expected, (feed, d, t)


def test_each_row_as_known_is_the_row_that_was_recorded(generated: Generated) -> None:
    """Whatever became of it since, a row keeps its surrogate key and the time at which it was recorded."""
    lakehouse, sent, _ = generated
    kept = "delivery, row_number, recorded_at"
    with connect(lakehouse.settings.home) as con:
        for feed in BILLING:
            row = f"{kept}, {feed.surrogate_key}"
            held = f"SELECT {row} FROM {feed.table} UNION ALL SELECT {row} FROM {feed.restated_table}"
            for d in moments(sent):
                changed = f"SELECT {row} FROM {feed.table}_as_known($d) EXCEPT ({held})"
                assert con.execute(changed, {"d": d}).fetchall() == []


def test_the_columns_as_known_are_those_of_the_table(generated: Generated) -> None:
    def described(what: str) -> list[tuple[Any, ...]]:
        return con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {what})").fetchall()

    with connect(generated.lakehouse.settings.home) as con:
        for feed in FEEDS:
            for macro in (f"{feed.table}_as_known(today())", f"{feed.entity}_as_known_as_of(today(), today())"):
                assert described(f"FROM {macro}") == described(feed.table)


def test_as_known_now_the_tables_are_as_they_are(generated: Generated) -> None:
    lakehouse = generated.lakehouse
    for feed in BILLING:
        for one, other in (
            (feed.table, f"{feed.table}_as_known(now())"),
            (f"{feed.table}_as_known(now())", feed.table),
        ):
            assert lakehouse.rows(f"FROM {one} EXCEPT ALL FROM {other}") == []


def test_a_record_that_an_older_statement_restated_is_there_as_it_was_known_before(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-15", [patient(last_modified_date="2023-06-01")])
    lakehouse.land("patients", "2024-02-15", [patient(last_modified_date="2023-05-01")])
    lakehouse.ingest()
    restated = lakehouse.rows("SELECT delivery, sequence FROM restated_patient")
    assert restated == [("2024-01-15", date(2023, 6, 1))]
    known = "SELECT delivery, valid_from, valid_to, is_current, version FROM dim_patient_as_known(DATE '{}')"
    assert lakehouse.rows(known.format("2024-01-14")) == []
    assert lakehouse.rows(known.format("2024-01-31")) == [("2024-01-15", date(2023, 6, 1), None, True, 1)]
    assert lakehouse.rows(known.format("2024-02-15")) == [("2024-02-15", date(2023, 5, 1), None, True, 1)]
    assert lakehouse.rows("SELECT valid_from FROM patient_as_known(DATE '2024-01-31')") == [(date(2023, 6, 1),)]
    believed = "SELECT delivery FROM patient_as_known_as_of(DATE '{}', DATE '2023-05-15')"
    assert lakehouse.rows(believed.format("2024-01-31")) == []
    assert lakehouse.rows(believed.format("2024-02-29")) == [("2024-02-15",)]


def test_what_came_later_about_one_record_changes_no_other_as_known(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", [patient(), patient(patient_id="2000U")])
    lakehouse.land("patients", "2024-02-01", [patient(city="Later", last_modified_date="2023-12-31")])
    lakehouse.ingest()
    known = "SELECT patient_id, city, valid_to, is_current FROM dim_patient_as_known(DATE '2024-01-31') ORDER BY ALL"
    assert lakehouse.rows(known) == [("1000U", "Little Rock", None, True), ("2000U", "Little Rock", None, True)]


@pytest.mark.parametrize(
    ("d", "cities"),
    [
        ("DATE '2024-02-28'", ["on the 28th"]),
        ("DATE '2024-02-29'", ["late on the 29th"]),
        ("'2024-02-29'", ["late on the 29th"]),
        ("TIMESTAMP '2024-02-29 00:00:00'", ["on the 29th"]),
        ("TIMESTAMP '2024-02-29 23:58:59.999999'", ["on the 29th"]),
        ("TIMESTAMP '2024-02-29 23:59:00'", ["late on the 29th"]),
        ("DATE '2024-03-01'", ["late on the 29th"]),
        ("DATE '2024-02-27'", []),
        ("DATE '9999-12-31'", ["late on the 29th"]),
        ("DATE '0001-01-01'", []),
    ],
)
def test_a_bare_day_means_all_of_it_and_an_instant_itself(leap_day: Lakehouse, d: str, cities: list[str]) -> None:
    for macro in (f"patient_as_known({d})", f"dim_patient_as_known({d}) WHERE is_current",
                  f"patient_as_known_as_of({d}, DATE '2024-01-15')"):  # fmt: skip
        assert [city for (city,) in leap_day.rows(f"SELECT city FROM {macro}")] == cities, macro


@pytest.fixture(scope="module")
def leap_day(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    found = Lakehouse(tmp_path_factory.mktemp("leap")).with_tables()
    for key, city, modified in (
        ("2024-02-28", "on the 28th", "2024-01-01"),
        ("2024-02-29", "on the 29th", "2024-01-02"),
        ("2024-02-29T2359", "late on the 29th", "2024-01-03"),
    ):
        found.land("patients", key, [patient(city=city, last_modified_date=modified)])
    found.ingest()
    return found


def test_a_bare_day_of_validity_means_its_first_instant(lakehouse: Lakehouse) -> None:
    """Providers have no modification date: they are valid from the instant at which they were received."""
    lakehouse.land("providers", "2024-02-28", [provider(city="Old")])
    lakehouse.land("providers", "2024-02-29T1200", [provider(city="New")])
    lakehouse.ingest()
    for t, city in (
        ("DATE '2024-02-29'", "Old"),
        ("TIMESTAMP '2024-02-29 11:59:59'", "Old"),
        ("TIMESTAMP '2024-02-29 12:00:00'", "New"),
        ("DATE '2024-03-01'", "New"),
    ):
        for macro in (f"provider_as_of({t})", f"provider_as_known_as_of(DATE '2024-12-31', {t})"):
            assert lakehouse.rows(f"SELECT city FROM {macro}") == [(city,)]
        assert lakehouse.rows(f"SELECT city FROM provider_as_known_as_of(DATE '2024-02-28', {t})") == [("Old",)]


def test_a_version_that_was_overtaken_at_its_own_sequence_is_kept_and_valid_at_no_time(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "2024-01-01", [patient(city="First", last_modified_date="2023-06-01")])
    lakehouse.land("patients", "2024-02-01", [patient(city="Second", last_modified_date="2023-06-01")])
    lakehouse.ingest()
    for t in ("2023-06-01", "2023-06-02", "2024-12-31"):
        both = "SELECT city FROM patient_as_known_as_of(DATE '{}', DATE '{}')"
        assert lakehouse.rows(both.format("2024-01-31", t)) == [("First",)]
        assert lakehouse.rows(both.format("2024-02-01", t)) == [("Second",)]
    kept = lakehouse.rows("SELECT city, valid_from, valid_to FROM dim_patient_as_known(DATE '2024-02-01') ORDER BY ALL")
    day = date(2023, 6, 1)
    assert kept == [("First", day, day), ("Second", day, None)]


def test_days_and_instants_may_be_bound_as_parameters(leap_day: Lakehouse) -> None:
    with connect(leap_day.settings.home) as con:
        for d, city in ((date(2024, 2, 29), "late on the 29th"), (moment("2024-02-29"), "on the 29th")):
            found = con.execute(
                f"SELECT city FROM {PATIENTS.entity}_as_known_as_of($d, $t)", {"d": d, "t": date(2024, 2, 1)}
            )
            assert found.fetchall() == [(city,)]


def test_a_record_of_january_is_known_in_january_though_an_older_statement_of_the_same_came_later(
    lakehouse: Lakehouse,
) -> None:
    lakehouse.land("patients", "2024-01-15", [patient(last_modified_date="2023-06-15")])
    lakehouse.land("patients", "2024-02-10", [patient(last_modified_date="2023-01-01")])
    lakehouse.ingest()
    # The older statement makes the version now; January's says the same again.
    assert lakehouse.rows("SELECT delivery, valid_from FROM dim_patient") == [("2024-02-10", date(2023, 1, 1))]
    assert lakehouse.rows("SELECT delivery FROM restated_patient") == [("2024-01-15",)]
    known = "SELECT patient_id, valid_from, delivery FROM {}"
    january = [("1000U", date(2023, 6, 15), "2024-01-15")]
    assert lakehouse.rows(known.format("patient_as_known(DATE '2024-01-31')")) == january
    assert lakehouse.rows(known.format("dim_patient_as_known(DATE '2024-01-31')")) == january
    assert lakehouse.rows(known.format("patient_as_known(DATE '2024-01-14')")) == []
    assert lakehouse.rows(known.format("patient_as_known_as_of(DATE '2024-01-31', DATE '2023-03-01')")) == []
    now = lakehouse.rows(known.format("patient_as_known_as_of(DATE '2024-02-10', DATE '2023-03-01')"))
    assert now == [("1000U", date(2023, 1, 1), "2024-02-10")]
