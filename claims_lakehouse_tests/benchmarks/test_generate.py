"""What is measured on: deliveries made from the contracts, the same again by the same seed, with the defects asked for."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks import defects
from benchmarks.generate import Delivery, population, write
from claims_lakehouse.contracts import CLAIMS, PATIENTS, Feed
from claims_lakehouse_tests.builders import BILLING, Lakehouse

CLAIMED = 5_000
#: More than the harness has, so that small files have defects of every kind.
SPOILT = 0.15


def primed(feed: Feed) -> int:
    return CLAIMED if feed is CLAIMS else max(2_000, population(feed, CLAIMED))


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("feed", BILLING, ids=lambda feed: feed.name)
def test_the_same_seed_makes_the_same_file_and_another_one_does_not(feed: Feed, form: str, tmp_path: Path) -> None:
    spoilt = SPOILT if form == "csv" else 0.0
    made = [
        write(Delivery(feed, 3_000, seed=seed, spoilt=spoilt, key="x"), tmp_path / str(number), form).read_bytes()
        for number, seed in enumerate((1, 1, 2))
    ]
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_half_of_an_update_is_new_and_two_in_a_hundred_of_the_others_say_nothing_new(tmp_path: Path) -> None:
    files = [write(Delivery(PATIENTS, 10_000, update=update, rows=update * 1_000), tmp_path) for update in (0, 1, 2)]
    rows, names, known, said_again = duckdb.execute(
        f"""
        SELECT count(*), count(DISTINCT patient_id),
               count(*) FILTER (patient_id IN (SELECT patient_id FROM '{files[0]}')),
               count(*) FILTER (columns IN (SELECT p FROM '{files[0]}' p))
        FROM (SELECT u AS columns, patient_id FROM '{files[1]}' u)
        """
    ).fetchall()[0]
    assert (rows, names, known, said_again) == (1_000, 1_000, 500, 10)
    between = f"SELECT count(*) FROM '{files[1]}' JOIN '{files[2]}' USING (patient_id)"
    assert duckdb.execute(between).fetchall()[0][0] < 100


def expected(feed: Feed, *, is_update: bool) -> set[str]:
    kinds = defects.kinds_of(feed, is_update=is_update, dated=True)
    return {kind.rule.name for kind in kinds} | {"unexpected_column"}


def test_every_delivery_is_taken_with_the_issues_that_it_was_given(lakehouse: Lakehouse) -> None:
    landing = lakehouse.settings.landing
    for feed in BILLING:
        write(Delivery(feed, primed(feed)), landing)
        write(Delivery(feed, primed(feed), update=1, rows=4_000, spoilt=SPOILT), landing, "csv")
    assert set(lakehouse.ingest().values()) == {None}
    assert lakehouse.rows("SELECT feed FROM issue WHERE delivery = 'priming'") == []
    for feed in BILLING:
        [(status, landed, kept)] = lakehouse.rows(
            "SELECT status, rows_landed, rows_valid FROM delivery WHERE feed = $1 AND delivery <> 'priming'", feed.name
        )
        assert (status, landed) == ("applied", 4_000)
        assert 4_000 * (1 - 1.1 * SPOILT) < kept < 4_000 * (1 - 0.5 * SPOILT)
        found = lakehouse.rows("SELECT DISTINCT rule FROM issue WHERE feed = $1", feed.name)
        assert {rule for (rule,) in found} == expected(feed, is_update=True)


def test_only_the_defects_that_are_asked_for(lakehouse: Lakehouse) -> None:
    for reference in CLAIMS.references:
        write(Delivery(reference.feed, population(reference.feed, CLAIMED)), lakehouse.settings.landing)
    asked = Delivery(CLAIMS, CLAIMED, key="2024-11-30", spoilt=0.04, kinds=("malformed_row",))
    write(asked, lakehouse.settings.landing, "csv")
    lakehouse.ingest()
    found = lakehouse.rows("SELECT rule, message, count(*) FROM issue GROUP BY ALL")
    assert {rule for rule, _, _ in found} == {"malformed_row"}
    assert len({message for _, message, _ in found}) == 4
    assert 0.03 * CLAIMED < sum(count for _, _, count in found) < 0.05 * CLAIMED
