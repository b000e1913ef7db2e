"""Which deliveries are due, and why: decided without files, clocks or a warehouse."""

from __future__ import annotations

from typing import Any

import pytest

from claims_lakehouse.history.ledger import LedgerRow
from claims_lakehouse.history.plan import Pending, plan_deliveries
from claims_lakehouse.landing.journal import DeliveryState
from claims_lakehouse_tests.builders import moment

NAME = ("patients", "2024-02-01")
ABSENT = object()
APPLIED = LedgerRow("a", "applied", None)


def state(**known: Any) -> DeliveryState:
    return DeliveryState(received_at=known.pop("received_at", moment("2024-02-01")), **known)


def reason(landed: str | object | None, known: DeliveryState, row: LedgerRow | None) -> str | None:
    """Why the one delivery is due; `landed` is ABSENT where nothing of it lies in landing."""
    lies = {} if landed is ABSENT else {NAME: landed}
    due = plan_deliveries(lies, {NAME: known}, {NAME: row} if row else {})  # type: ignore[arg-type]
    return due[0].reason if due else None


@pytest.mark.parametrize(
    ("landed", "known", "row", "expected"),
    [
        ("a", state(), None, "new"),
        ("a", state(content="a", applied="a"), APPLIED, None),
        ("b", state(content="a", applied="a"), APPLIED, "replaced"),
        (ABSENT, state(content="a", applied="a"), APPLIED, None),
    ],
)
def test_new_and_other_content_is_due_and_the_same_content_is_not(
    landed: Any, known: DeliveryState, row: LedgerRow | None, expected: str | None
) -> None:
    assert reason(landed, known, row) == expected


@pytest.mark.parametrize("landed", ["b", None])
def test_content_that_failed_is_tried_again_as_long_as_it_lies_there(landed: str | None) -> None:
    never_good = state(failure="why", failed_content=landed)
    once_good = state(content="a", applied="a", failure="why", failed_content=landed)
    assert reason(landed, never_good, LedgerRow(None, "failed", "why")) == "failed before"
    assert reason(landed, once_good, LedgerRow("a", "applied", "why")) == "failed before"


def test_what_failed_once_and_cannot_even_be_looked_at_now_failed_before() -> None:
    assert reason(None, state(content="a", failure="why", failed_content="b"), APPLIED) == "failed before"


def test_what_cannot_be_looked_at_for_the_first_time_is_due() -> None:
    assert reason(None, state(), None) == "new"
    assert reason(None, state(content="a", applied="a"), APPLIED) == "replaced"


def test_a_mended_file_is_due_as_what_it_is_to_its_delivery() -> None:
    never_good = state(failure="why", failed_content="b")
    once_good = state(content="a", applied="a", failure="why", failed_content="b")
    assert reason("c", never_good, LedgerRow(None, "failed", "why")) == "new"
    assert reason("c", once_good, LedgerRow("a", "applied", "why")) == "replaced"


def test_the_last_good_content_put_back_is_due_so_that_its_failure_is_cleared() -> None:
    once_good = state(content="a", applied="a", failure="why", failed_content="b")
    assert reason("a", once_good, LedgerRow("a", "applied", "why")) == "replaced"


def test_a_broken_file_taken_away_leaves_nothing_to_do() -> None:
    once_good = state(content="a", applied="a", failure="why", failed_content="b")
    assert reason(ABSENT, once_good, LedgerRow("a", "applied", "why")) is None
    assert reason(ABSENT, state(), None) is None


@pytest.mark.parametrize("landed", ["a", ABSENT])
def test_what_a_lost_or_older_warehouse_does_not_hold_is_due_even_if_its_file_is_gone(landed: Any) -> None:
    for row in (None, LedgerRow(None, "failed", None), LedgerRow("older", "applied", None)):
        assert reason(landed, state(content="a", applied="a"), row) == "not in the warehouse"


def test_a_retraction_that_the_warehouse_does_not_know_is_due() -> None:
    retracted = state(content="a", applied="a", retracted=frozenset("a"))
    assert reason("a", retracted, APPLIED) == "not in the warehouse"
    assert reason("a", retracted, LedgerRow("a", "retracted", None)) is None


def test_a_reinstatement_that_the_warehouse_does_not_know_is_due() -> None:
    assert reason("a", state(content="a", applied="a"), LedgerRow("a", "retracted", None)) == "not in the warehouse"


def test_a_held_delivery_waits() -> None:
    first = state(content="a", held=frozenset("a"), holding="too much")
    assert reason("a", first, LedgerRow("a", "held", "too much")) is None
    replaced = state(content="b", applied="a", held=frozenset("b"), holding="too much")
    assert reason("b", replaced, LedgerRow("a", "held", "too much")) is None


def test_a_released_delivery_is_due() -> None:
    released = state(content="a", released=frozenset("a"))
    assert reason("a", released, LedgerRow("a", "held", "too much")) == "not in the warehouse"


def test_deliveries_come_as_they_were_received_parents_before_children() -> None:
    received = {
        ("claims", "priming"): "1900-01-01",
        ("patients", "priming"): "1900-01-01",
        ("providers", "priming"): "1900-01-01",
        ("claims", "2024-02-01"): "2024-02-01",
        ("patients", "z"): "2024-01-31",
        ("patients", "b"): "2024-02-01",
        ("patients", "a"): "2024-02-01",
    }
    states = {name: state(received_at=moment(day)) for name, day in received.items()}
    due = plan_deliveries(dict.fromkeys(states, "f"), states, {})
    assert due == [
        Pending("patients", "priming", "new"),
        Pending("providers", "priming", "new"),
        Pending("claims", "priming", "new"),
        Pending("patients", "z", "new"),
        Pending("claims", "2024-02-01", "new"),
        Pending("patients", "a", "new"),
        Pending("patients", "b", "new"),
    ]
    backwards = dict(reversed(states.items()))
    assert plan_deliveries(dict.fromkeys(backwards, "f"), backwards, {}) == due
