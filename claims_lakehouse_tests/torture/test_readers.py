"""Readers get whole answers of published states while deliveries are applied."""

from __future__ import annotations

from pathlib import Path

import duckdb

from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.torture.readers import answer, readers
from claims_lakehouse_tests.torture.tally import Tally


def test_every_answer_is_that_of_a_published_state(tmp_path: Path) -> None:
    tally = Tally()
    for one in readers(tmp_path, seed=1, count=2, size=5):
        tally += one
    assert tally.answers_read >= 2
    assert tally.differences == []


def test_other_rows_are_another_answer(lakehouse: Lakehouse) -> None:
    answers = set()
    for city in ("Here", "There"):
        lakehouse.land("patients", "2024-01-01", [patient(city=city)])
        lakehouse.ingest()
        with duckdb.connect(str(lakehouse.settings.published), read_only=True) as con:
            answers.add(answer(con))
    assert len({state for state, _ in answers}) == len({told for _, told in answers}) == 2
