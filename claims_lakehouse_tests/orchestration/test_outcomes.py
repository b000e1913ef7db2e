"""What a command is told of each delivery that it had run, where an error comes that nobody foresaw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.history.plan import Pending
from claims_lakehouse.landing import stage
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.orchestration.run import Runner, runner
from claims_lakehouse_tests.builders import Lakehouse, patient

CANARY = "Zyxwvutsrq"


@pytest.fixture
def run(lakehouse: Lakehouse) -> Iterator[Runner]:
    with runner(lakehouse.settings) as run:
        yield run


def due(delivery: str) -> Pending:
    return Pending("patients", delivery, "new")


def cannot_read(monkeypatch: pytest.MonkeyPatch, sent: str, error: Exception) -> None:
    """Have the reader fail at files that hold a text."""
    write = stage.write_raw

    def writing(*given: Any) -> Any:
        parts: tuple[Path, ...] = given[3]
        if any(sent in part.read_text() for part in parts):
            raise error
        return write(*given)

    monkeypatch.setattr(stage, "write_raw", writing)


def said(lakehouse: Lakehouse) -> dict[str, tuple[str, str | None]]:
    return {
        key: (status, error) for key, status, error in lakehouse.rows("SELECT delivery, status, error FROM delivery")
    }


def test_a_replacement_that_no_reader_foresaw_is_told_as_failed_and_what_stood_stands(
    lakehouse: Lakehouse, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.land("patients", "a", [patient()])
    assert run.deliver(due("a")).error is None
    lakehouse.land("patients", "a", [patient(fname=CANARY)])
    cannot_read(monkeypatch, CANARY, ValueError(f"invalid literal: {CANARY}"))
    told = run.deliver(due("a")).error
    assert told is not None
    assert told.startswith("ValueError at test_outcomes.py:")
    run.publish()
    assert said(lakehouse) == {"a": ("applied", told)}
    assert CANARY not in Journal(lakehouse.settings, "patients", "a").path.read_text()


def test_a_new_delivery_that_no_reader_foresaw_is_in_the_ledger(
    lakehouse: Lakehouse, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.land("patients", "a", [patient(fname=CANARY)])
    cannot_read(monkeypatch, CANARY, ValueError(CANARY))
    told = run.deliver(due("a")).error
    run.publish()
    assert said(lakehouse) == {"a": ("failed", told)}


def test_a_replacement_whose_file_could_not_be_had_is_no_success(
    lakehouse: Lakehouse, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakehouse.land("patients", "a", [patient()])
    run.deliver(due("a"))
    lakehouse.land("patients", "a", [patient(fname=CANARY)])
    cannot_read(monkeypatch, CANARY, OSError(5, "Input/output error"))
    (outcome,) = run.catch_up([due("a")])
    assert outcome.error == "OSError: Input/output error"


def test_each_delivery_of_a_catch_up_is_told_its_own(
    lakehouse: Lakehouse, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for delivery in ("a", "b", "c"):
        lakehouse.land("patients", delivery, [patient(patient_id=delivery)])
        run.deliver(due(delivery))
        name = CANARY if delivery != "b" else "Bea"
        lakehouse.land("patients", delivery, [patient(patient_id=delivery, fname=name)])
    cannot_read(monkeypatch, CANARY, OSError(5, "Input/output error"))
    outcomes = run.catch_up([due("a"), due("b"), due("c")])
    assert [outcome.error for outcome in outcomes] == [
        "OSError: Input/output error", None, "OSError: Input/output error"
    ]  # fmt: skip
