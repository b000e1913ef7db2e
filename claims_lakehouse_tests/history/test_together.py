"""Several deliveries of a feed in one transaction: the same tables as one by one, and one that fails fails alone."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from claims_lakehouse.contracts import PATIENTS, feed_named
from claims_lakehouse.errors import AuditFailed, DeliveryError
from claims_lakehouse.history import acts, standing
from claims_lakehouse.history.application import Application, Applied
from claims_lakehouse.history.audit import audit
from claims_lakehouse.history.stage import bring_all_up_to_date, take_up, verify
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import BILLING, Lakehouse, patient
from claims_lakehouse_tests.history.comparing import assert_same_tables
from claims_lakehouse_tests.oracle.generate import deliveries

Name = tuple[str, str]


def bring(lakehouse: Lakehouse, names: Sequence[Name]) -> dict[Name, Any]:
    """Take deliveries up one by one, and into history together."""
    for feed, key in names:
        take_up(lakehouse.settings, feed_named(feed), key)
        verify(lakehouse.settings, feed_named(feed), key)
    outcomes: dict[Name, Any] = {}
    for feed in BILLING:
        keys = [key for name, key in names if name == feed.name]
        for key, outcome in bring_all_up_to_date(lakehouse.settings, feed, keys).items():
            outcomes[feed.name, key] = outcome
    publish(lakehouse.settings)
    return outcomes


@pytest.mark.parametrize("seed", range(40, 40 + int(os.environ.get("HISTORY_SEEDS", "4"))))
def test_many_at_once_give_the_tables_of_the_oracle(lakehouse: Lakehouse, seed: int) -> None:
    rng = random.Random(seed)
    generated = {(one.feed, one.key): one for one in deliveries(seed, 12)}
    order = list(generated)
    rng.shuffle(order)
    split = rng.randrange(len(order) + 1)
    for name in order[:split]:  # some say something else first, and are then replaced in one go with what is new
        other = rng.choice([each for each in generated.values() if each.feed == name[0]])
        lakehouse.land(*name, other.content)
    bring(lakehouse, order[:split])
    for name in order:
        lakehouse.land(*name, generated[name].content)
    outcomes = bring(lakehouse, order)
    assert not [outcome for outcome in outcomes.values() if isinstance(outcome, DeliveryError)]
    assert_same_tables(lakehouse, generated.values())
    for name in rng.sample(order, len(order) // 3):
        acts.retract(lakehouse.settings, feed_named(name[0]), name[1], because="test", who="test")
        generated[name] = generated[name]._replace(is_retracted=True)
    bring_all = [name for name in order if generated[name].is_retracted]
    for feed in BILLING:
        bring_all_up_to_date(lakehouse.settings, feed, [key for name, key in bring_all if name == feed.name])
    publish(lakehouse.settings)
    assert_same_tables(lakehouse, generated.values())


def test_they_share_transactions_as_long_as_they_are_small_together(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [("patients", f"2024-02-{day:02}") for day in range(1, 8)]
    for feed, key in names:
        lakehouse.land(feed, key, [patient(patient_id=f"{key}/{row}") for row in range(10)])
    monkeypatch.setattr(standing, "BATCH_ROWS", 25)
    shared: list[int] = []
    original = standing.apply_deliveries

    def counted(con: Any, applications: Sequence[Application], announce: Any) -> dict[str, Applied]:
        shared.append(len(applications))
        return original(con, applications, announce)

    monkeypatch.setattr(standing, "apply_deliveries", counted)
    outcomes = bring(lakehouse, names)
    assert shared == [2, 2, 2, 1]
    assert [outcome.applied for outcome in outcomes.values()] == [Applied(10, 0)] * 7
    assert lakehouse.rows("SELECT DISTINCT rows_valid, versions_added, status FROM delivery") == [(10, 10, "applied")]


def test_one_that_breaks_a_law_fails_alone(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [("patients", f"2024-02-0{day}") for day in range(1, 5)]
    for feed, key in names:
        lakehouse.land(feed, key, [patient(patient_id=key)])

    def broken(con: Any, applications: Sequence[Application], applied: Mapping[str, Applied], among: str) -> None:
        if any(one.delivery == "2024-02-03" for one in applications):
            raise AuditFailed("found what no law allows; expected none.")
        audit(con, applications, applied, among)

    monkeypatch.setattr("claims_lakehouse.history.apply.audit", broken)
    outcomes = bring(lakehouse, names)
    assert [key for (_, key), outcome in outcomes.items() if isinstance(outcome, AuditFailed)] == ["2024-02-03"]
    assert lakehouse.rows("SELECT delivery FROM dim_patient ORDER BY 1") == [
        ("2024-02-01",), ("2024-02-02",), ("2024-02-04",),
    ]  # fmt: skip
    state = Journal(lakehouse.settings, "patients", "2024-02-03").state()
    assert state is not None
    assert state.applied is None


def test_a_damaged_file_among_them_is_made_anew(lakehouse: Lakehouse) -> None:
    names = [("patients", f"2024-02-0{day}") for day in range(1, 4)]
    for feed, key in names:
        lakehouse.land(feed, key, [patient(patient_id=key)])
        take_up(lakehouse.settings, PATIENTS, key)
        verify(lakehouse.settings, PATIENTS, key)
    path = next((lakehouse.settings.home / "validated/patients/2024-02-02").glob("*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(b"PAR1" + b"\0" * 60 + whole[64:])  # the footer stands, the values do not
    outcomes = bring_all_up_to_date(lakehouse.settings, PATIENTS, [key for _, key in names])
    assert [outcome.applied for outcome in outcomes.values()] == [Applied(1, 0)] * 3  # type: ignore[union-attr]
    publish(lakehouse.settings)
    assert lakehouse.rows("SELECT patient_id FROM patient ORDER BY 1") == [(key,) for _, key in names]


def test_the_same_delivery_applied_again_changes_nothing(lakehouse: Lakehouse) -> None:
    generated = deliveries(3, 9)
    for one in generated:
        lakehouse.land(one.feed, one.key, one.content)
    names = [(one.feed, one.key) for one in generated]
    bring(lakehouse, names)
    before = lakehouse.export()
    bring(lakehouse, names)
    assert lakehouse.export() == before
    assert_same_tables(
        lakehouse, [oracle.Delivery(one.feed, one.key, one.received_at, one.content) for one in generated]
    )
