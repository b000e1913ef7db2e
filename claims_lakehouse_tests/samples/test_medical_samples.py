"""Samples of medical claims and of what they are held to: clean where they are to be, and found where they are not."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from claims_lakehouse.codes.releases import BILLABLE, HEADER, RELEASES
from claims_lakehouse.contracts import AUTHORIZATIONS, COVERAGES, FEEDS, MEDICAL_CLAIMS, PATIENTS, Feed
from claims_lakehouse.contracts.billing_formats import PROCEDURE
from claims_lakehouse.landing.x12_reader import x12_batches
from claims_lakehouse.samples import medical_pools as pools
from claims_lakehouse.samples import planted, write_deliveries
from claims_lakehouse.samples.generate import records
from claims_lakehouse.samples.plan import planned
from claims_lakehouse.samples.size import Size, row_id
from claims_lakehouse.samples.x12 import interchange
from claims_lakehouse_tests.builders import Lakehouse, shared_codes
from claims_lakehouse_tests.medical import passes_luhn

MEDICAL = FEEDS[3:]
SIZE = Size(patients=250, updates=3, seed=7)


def clean(feed: Feed, update: int, size: Size = SIZE) -> pl.DataFrame:
    """The records that an update brings first; the priming's are those of update 0."""
    numbers = range(size.after(feed, update - 1) if update else 0, size.after(feed, update))
    return records(feed, size, numbers, born=update, content=update, stated=update)


def typed(feed: Feed, texts: pl.DataFrame) -> pl.DataFrame:
    return texts.select(column.form.parse(pl.col(column.name)).alias(column.name) for column in feed.columns)


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    """Clean lines of medical claims, of the priming and three updates."""
    return pl.concat(typed(MEDICAL_CLAIMS, clean(MEDICAL_CLAIMS, update)) for update in range(4))


def test_codes_stand_in_every_release_as_the_pools_say() -> None:
    table = pl.read_parquet(shared_codes()).select("code", *(release.column for release in RELEASES))
    standings = {code: set(of) for code, *of in table.iter_rows()}
    assert [code for code in pools.DIAGNOSES if standings.get(code) != {BILLABLE}] == []
    assert [code for code in pools.HEADERS if standings.get(code) != {HEADER}] == []
    assert [code for code in pools.NO_DIAGNOSES if code in standings] == []
    assert len(set(pools.DIAGNOSES)) == len(pools.DIAGNOSES) >= 40


def test_procedures_are_well_formed_and_each_kind_of_line_has_some() -> None:
    codes = [one.code for one in pools.PROCEDURES]
    texts = pl.DataFrame({"code": [*codes, *pools.NO_PROCEDURES]}).select(PROCEDURE.parse(pl.col("code")))["code"]
    assert texts.null_count() == 0
    assert texts.is_unique().all()
    kinds = [one.kind for one in pools.BILLED]
    assert kinds == sorted(kinds)
    assert set(kinds) == {pools.VISIT, pools.TEST, pools.TREATMENT, pools.SUPPLY}
    assert [place for place, one in enumerate(pools.PROCEDURES) if one.kind == pools.UNBILLED] == [6, 16, 26, 36, 46]
    named = {code for pair in pools.EDITS for code in pair} | {one.procedure for one in pools.EXCLUSIONS} - {None}
    assert named <= set(codes)


@pytest.mark.parametrize("update", [0, 1, 3])
@pytest.mark.parametrize("feed", MEDICAL, ids=lambda feed: feed.name)
def test_clean_records_keep_to_their_contract(feed: Feed, update: int) -> None:
    texts = clean(feed, update)
    values = typed(feed, texts)
    assert values.height == SIZE.after(feed, update) - (SIZE.after(feed, update - 1) if update else 0) > 0
    feed.contract.validate(values, lazy=True)
    for column in feed.columns:
        empty = 0 if column.name == "modifier" else texts[column.name].null_count()
        assert values[column.name].null_count() == empty, column.name
        assert empty == 0 or column.often_empty, column.name
    assert not values.select(feed.key).is_duplicated().any()


@pytest.mark.parametrize("feed", MEDICAL, ids=lambda feed: feed.name)
def test_a_slice_is_made_without_the_others_and_a_variant_says_otherwise(feed: Feed) -> None:
    numbers = range(0, SIZE.primed(feed), 3)
    sent: dict[str, Any] = {"born": 0, "content": 2, "stated": 2}
    some = records(feed, SIZE, numbers, **sent)
    assert some.equals(records(feed, SIZE, range(SIZE.primed(feed)), **sent)[::3])
    assert some.equals(records(feed, SIZE, list(numbers), **sent))
    other = records(feed, SIZE, numbers, variant=1, **sent)
    assert other.select(feed.key).equals(some.select(feed.key))
    assert not typed(feed, pl.concat([some, other])).is_duplicated().any()


def test_identifiers_have_their_check_digit(lines: pl.DataFrame) -> None:
    npis = {*lines["provider_npi"], *lines["billing_npi"]}
    assert len(npis) > 50
    assert all(passes_luhn("80840" + npi) for npi in npis)


def test_a_claim_has_one_to_four_lines_that_agree_and_bill_different_things(lines: pl.DataFrame) -> None:
    claims = lines.group_by("claim_id").agg(
        pl.col("line_number").sort(),
        pl.col("procedure_code").n_unique().alias("procedures"),
        pl.struct(
            "patient_id", "provider_npi", "billing_npi", "diagnosis_codes", "date_of_service_from", "place_of_service",
            "frequency_code", "original_claim_id", "received_date",
        ).n_unique().alias("said"),
    )  # fmt: skip
    assert set(map(tuple, claims["line_number"])) == {(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)}
    assert claims["procedures"].to_list() == claims["line_number"].list.len().to_list()
    assert set(claims["said"]) == {1}


def test_charges_are_one_and_a_half_to_three_times_what_is_usual(lines: pl.DataFrame) -> None:
    usual = pl.DataFrame({"procedure_code": [p.code for p in pools.BILLED], "cents": [p.cents for p in pools.BILLED]})
    share = lines.join(usual, on="procedure_code").select(
        pl.col("charge_amount").cast(pl.Float64) * 100 / pl.col("units").cast(pl.Float64) / pl.col("cents")
    )
    assert share.to_series().is_between(1.4, 3.0).all()


def test_a_service_comes_shortly_before_its_receipt(lines: pl.DataFrame) -> None:
    days = lines.select(
        (pl.col("received_date") - pl.col("date_of_service_from")).dt.total_days().alias("days"), "frequency_code"
    )
    assert days["days"].min() == 1
    assert days.filter(pl.col("frequency_code") == "1")["days"].max() == 30


def test_no_two_claims_of_a_patient_and_provider_are_near_but_those_that_replace(lines: pl.DataFrame) -> None:
    replaced = lines["original_claim_id"].drop_nulls().unique()
    visits = lines.filter(~pl.col("claim_id").is_in(replaced.implode()) & (pl.col("frequency_code") != "8"))
    visits = visits.select("patient_id", "provider_npi", "claim_id", "date_of_service_from").unique()
    twice = visits.join(visits, on=["patient_id", "provider_npi"]).filter(pl.col("claim_id") < pl.col("claim_id_right"))
    apart = (twice["date_of_service_from"] - twice["date_of_service_from_right"]).dt.total_days().abs()
    assert not (apart <= 7).any()


def test_a_claim_that_replaces_or_voids_another_bills_it_again_and_each_is_replaced_once(lines: pl.DataFrame) -> None:
    heads = lines.filter(pl.col("line_number") == 1)
    again = heads.filter(pl.col("frequency_code") != "1")
    assert set(heads["frequency_code"]) == {"1", "7", "8"}
    assert again["original_claim_id"].null_count() == 0
    assert (
        heads.filter(pl.col("frequency_code") == "1")["original_claim_id"].null_count() == heads.height - again.height
    )
    pairs = again.join(heads, left_on="original_claim_id", right_on="claim_id", suffix="_of_original")
    assert pairs.height == again.height == again["original_claim_id"].n_unique()
    for column in ("patient_id", "provider_npi", "date_of_service_from", "procedure_code", "diagnosis_codes"):
        assert pairs[column].to_list() == pairs[column + "_of_original"].to_list()
    assert (pairs["received_date"] > pairs["received_date_of_original"]).all()
    assert set(pairs["frequency_code_of_original"]) == {"1"}
    assert again.filter(pl.col("received_date").dt.year() == 2024).height >= 3, "updates replace too"


def test_whom_a_record_names_cannot_be_held_back_and_an_authorization_is_of_its_claim(lines: pl.DataFrame) -> None:
    covered = pl.concat(typed(COVERAGES, clean(COVERAGES, update)) for update in range(4))
    numbers = range(SIZE.after(PATIENTS, 3))
    known = {row_id(PATIENTS, number) for number in numbers if number % 10 != 6}
    assert set(covered["patient_id"]) == known
    assert set(lines["patient_id"]) <= known
    assert len(set(lines["patient_id"])) > 0.95 * len(known)
    authorizations = typed(AUTHORIZATIONS, clean(AUTHORIZATIONS, 0))
    authorized = lines.drop_nulls("prior_auth_number").join(
        authorizations, left_on="prior_auth_number", right_on="authorization_number", suffix="_agreed"
    )
    assert authorized.height == lines["prior_auth_number"].drop_nulls().len() > 15
    for column in ("patient_id", "procedure_code"):
        assert authorized[column].to_list() == authorized[column + "_agreed"].to_list()
    assert (authorized["date_of_service_from"] >= authorized["authorized_from"]).all()


def test_coverages_of_a_patient_do_not_overlap() -> None:
    held = pl.concat(typed(COVERAGES, clean(COVERAGES, update)) for update in range(4))
    ends = held.sort("patient_id", "covered_from").with_columns(
        pl.col("covered_from").shift(-1).over("patient_id").alias("next_from")
    )
    twice = ends.drop_nulls("next_from")
    assert 50 < twice.height < held.height / 3
    assert (twice["covered_to"] < twice["next_from"]).all()
    assert ends.filter(pl.col("next_from").is_null())["covered_to"].null_count() > held.height / 2


@pytest.mark.parametrize("feed", [MEDICAL_CLAIMS, COVERAGES], ids=lambda feed: feed.name)
def test_an_interchange_says_what_a_file_of_rows_says(feed: Feed, tmp_path: Path) -> None:
    rows = clean(feed, 2)
    path = tmp_path / f"{feed.name}_2024-03-01.{feed.transaction}"
    path.write_text(interchange(feed, SIZE, 2, rows.to_dicts()), encoding="utf-8")
    batches = list(x12_batches(feed, path, tmp_path))
    assert [bad.reason for batch in batches for bad in batch.malformed] == []
    read = pl.concat(pl.DataFrame(batch.rows) for batch in batches)
    assert typed(feed, read).equals(typed(feed, rows))


def test_an_interchange_is_kept_small() -> None:
    wanted = {feed: feed.transaction for feed in (MEDICAL_CLAIMS, COVERAGES)}
    for patients, is_small in ((300, True), (2_000, False)):
        for feed, transaction in wanted.items():
            (delivery,) = (one for one in planned(Size(patients, 2, 7), (feed,)) if one.update == 2)
            assert (delivery.form == transaction) is (is_small or feed is COVERAGES)


def test_what_is_planted_is_what_verification_finds(tmp_path: Path) -> None:
    """All of it, the rules that depend on other deliveries too, in every way of landing, and daily."""
    made = {"patients": 40, "updates": 1, "days": 7}
    lakehouse = Lakehouse(tmp_path).with_tables()
    lakehouse.take_codes()
    write_deliveries(lakehouse.settings.landing, **made)
    assert set(lakehouse.ingest().values()) == {None}
    assert lakehouse.rows("SELECT DISTINCT status FROM delivery") == [("applied",)]
    days = "TRY_CAST(delivery AS DATE)"
    daily = f"SELECT DISTINCT {days}, received_date <= {days} FROM fact_medical_claim WHERE {days} > '2024-02-01'"
    assert sorted(lakehouse.rows(daily)) == [(date(2024, 2, day), True) for day in range(5, 12)]
    found = lakehouse.rows("SELECT feed, delivery, rule, severity, count(*) FROM issue GROUP BY ALL")
    assert Counter({tuple(of): count for *of, count in found}) == Counter(
        {(one.feed, one.delivery, one.rule, one.severity): one.rows for one in planted(**made)}
    )
