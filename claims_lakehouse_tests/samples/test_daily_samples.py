"""Samples of daily deliveries: a week of medical claims after the last update."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from claims_lakehouse.contracts import FEEDS, MEDICAL_CLAIMS
from claims_lakehouse.errors import UsageError
from claims_lakehouse.samples import planted, write_deliveries
from claims_lakehouse.samples.generate import records
from claims_lakehouse.samples.plan import Delivery, planned
from claims_lakehouse.samples.size import Size

SIZE = Size(patients=250, updates=2, seed=7, days=7)
DAYS = [f"2024-03-{day:02d}" for day in range(4, 11)]


def rows(delivery: Delivery) -> pl.DataFrame:
    """Every row of a delivery as it would be if none were spoilt."""
    texts = pl.concat(
        records(MEDICAL_CLAIMS, SIZE, one.numbers, born=one.born, content=one.content, stated=one.stated)
        for one in delivery.segments
    )
    return texts.select(column.form.parse(pl.col(column.name)).alias(column.name) for column in MEDICAL_CLAIMS.columns)


@pytest.fixture(scope="module")
def deliveries() -> list[Delivery]:
    """The deliveries of medical claims, the daily ones at the end."""
    return planned(SIZE, (MEDICAL_CLAIMS,))


@pytest.fixture(scope="module")
def sent(deliveries: list[Delivery]) -> pl.DataFrame:
    """Every row of every delivery, with the day of the daily ones, and whether the record came for the first time."""
    days = [None] * 3 + [date.fromisoformat(day) for day in DAYS]
    told = pl.concat(
        rows(one).with_columns(delivery=pl.lit(one.key), day=pl.lit(day, dtype=pl.Date))
        for one, day in zip(deliveries, days, strict=True)
    )
    return told.with_columns(is_new=pl.struct(MEDICAL_CLAIMS.key).is_first_distinct())


def contents(landing: Path) -> dict[str, bytes]:
    return {str(file.relative_to(landing)): file.read_bytes() for file in landing.rglob("*") if file.is_file()}


def test_a_week_of_medical_claims_is_added_and_nothing_else_changes(tmp_path: Path) -> None:
    without, with_days = tmp_path / "without", tmp_path / "with"
    before = write_deliveries(without, patients=20)
    paths = write_deliveries(with_days, patients=20, days=7)
    added = [str(path.relative_to(with_days)) for path in paths[len(before) :]]
    assert added == [f"medical_claims/{day}.csv" for day in DAYS]
    made = contents(with_days)
    assert made.keys() - contents(without).keys() == set(added)
    assert contents(without) == {name: content for name, content in made.items() if name not in added}
    told = planted(patients=20, days=7)
    assert [one for one in told if one.delivery not in DAYS] == planted(patients=20)
    assert {one.feed for one in told if one.delivery in DAYS} == {"medical_claims"}


def test_fewer_days_are_the_first_ones_and_other_feeds_have_none(deliveries: list[Delivery]) -> None:
    assert [one.key for one in deliveries] == ["priming", "2024-02-01", "2024-03-01", *DAYS]
    assert planned(Size(250, 2, 7, 3), (MEDICAL_CLAIMS,)) == deliveries[:6]
    others = [feed for feed in FEEDS if feed is not MEDICAL_CLAIMS]
    assert planned(SIZE, others) == planned(Size(250, 2, 7), others)


@pytest.mark.parametrize(
    ("updates", "first"),
    [
        (0, date(2024, 1, 8)), (1, date(2024, 2, 5)), (3, date(2024, 4, 8)), (8, date(2024, 9, 2)),
        (12, date(2025, 1, 6)),
    ],
)  # fmt: skip
def test_days_begin_with_the_monday_after_the_last_update(updates: int, first: date) -> None:
    size = Size(10, updates, 7, 7)
    assert [size.day(updates + nth) for nth in range(1, 8)] == [first + timedelta(nth) for nth in range(7)]
    assert first.weekday() == 0


def test_more_days_than_a_week_has_are_refused(tmp_path: Path) -> None:
    for days in (-1, 8):
        with pytest.raises(UsageError, match="0 to 7 daily"):
            write_deliveries(tmp_path, days=days)


@pytest.mark.parametrize(("patients", "updates"), [(1, 1), (7, 2), (30, 0)])
def test_the_smallest_sizes_have_days_too(tmp_path: Path, patients: int, updates: int) -> None:
    paths = write_deliveries(tmp_path, patients=patients, updates=updates, days=7, feeds=(MEDICAL_CLAIMS,))
    assert len(paths) == 1 + updates + 7
    assert all(path.read_bytes().count(b"\n") > 10 for path in paths)


def test_a_day_is_about_a_fortieth_of_the_priming_with_few_defects(deliveries: list[Delivery]) -> None:
    primed = SIZE.primed(MEDICAL_CLAIMS)
    for delivery in deliveries[3:]:
        assert 1 / 50 < rows(delivery).height / primed < 1 / 35
        found = {one.rule: one.rows for one in delivery.planted}
        assert sum(found.values()) == 9
        assert found["near_duplicate"] in (4, 5), "every other one is for a person to decide"
    rules = {one.rule for delivery in deliveries[3:] for one in delivery.planted}
    assert "exact_duplicate" in rules
    assert len(rules) > 20
    assert not rules & {"date_in_future"}


def test_rows_of_a_day_keep_to_their_contract_and_none_comes_twice(deliveries: list[Delivery]) -> None:
    for delivery in deliveries[3:]:
        values = rows(delivery)
        MEDICAL_CLAIMS.contract.validate(values, lazy=True)
        assert not values.select(MEDICAL_CLAIMS.key).is_duplicated().any()


def test_new_claims_are_received_on_the_day_after_services_within_weeks(sent: pl.DataFrame) -> None:
    daily = sent.drop_nulls("day")
    assert (daily["received_date"] <= daily["day"]).all()
    new = daily.filter("is_new")
    assert (new["received_date"] == new["day"]).all()
    assert new.group_by("day").len()["len"].to_list() == [120] * 7
    ago = new.select("frequency_code", ago=(pl.col("day") - pl.col("date_of_service_from")).dt.total_days())
    assert ago.filter(
        ~pl.col("ago").is_between(1, pl.when(pl.col("frequency_code") == "1").then(30).otherwise(75))
    ).is_empty()


def test_days_modify_records_of_the_last_update_and_correct_those_of_the_day_before(sent: pl.DataFrame) -> None:
    first = sent.filter("is_new").select(*MEDICAL_CLAIMS.key, "charge_amount", came="delivery")
    again = sent.drop_nulls("day").filter(~pl.col("is_new")).join(first, on=MEDICAL_CLAIMS.key, suffix="_at_first")
    modified = again.filter(pl.col("came") == "2024-03-01")
    assert modified.group_by("day").len()["len"].to_list() == [25] * 7
    assert (modified["charge_amount"] != modified["charge_amount_at_first"]).mean() > 0.9  # type: ignore[operator]
    assert not modified.select(MEDICAL_CLAIMS.key).is_duplicated().any()
    corrected = again.filter(pl.col("came").is_in(DAYS))
    assert set(corrected["day"].cast(pl.String)) == set(DAYS[1:])
    assert (corrected["day"] - corrected["came"].str.to_date() == timedelta(1)).all()
    assert (corrected["charge_amount"] == corrected["charge_amount_at_first"]).all()


def test_days_replace_and_void_claims_of_the_last_update_and_each_once(sent: pl.DataFrame) -> None:
    heads = sent.filter("is_new", pl.col("line_number") == 1)
    again = heads.filter(pl.col("frequency_code") != "1")
    daily = again.drop_nulls("day")
    assert len(set(daily["day"])) == 7
    assert Counter(daily["frequency_code"]).keys() == {"7", "8"}
    assert 0.08 < daily.height / heads["day"].count() < 0.12
    pairs = daily.join(heads, left_on="original_claim_id", right_on="claim_id", suffix="_of_original")
    assert pairs.height == daily.height
    assert set(pairs["delivery_of_original"]) == {"2024-03-01"}
    assert set(pairs["frequency_code_of_original"]) == {"1"}
    assert not again["original_claim_id"].is_duplicated().any()
    for column in ("patient_id", "provider_npi", "date_of_service_from", "procedure_code", "diagnosis_codes"):
        assert pairs[column].to_list() == pairs[column + "_of_original"].to_list()


def test_no_new_claims_of_a_patient_and_provider_are_near(sent: pl.DataFrame) -> None:
    visits = (
        sent.filter(pl.col("frequency_code") == "1")
        .select("patient_id", "provider_npi", "claim_id", served="date_of_service_from")
        .unique()
    )
    twice = visits.join(visits, on=["patient_id", "provider_npi"]).filter(pl.col("claim_id") < pl.col("claim_id_right"))
    assert not ((twice["served"] - twice["served_right"]).dt.total_days().abs() <= 7).any()
