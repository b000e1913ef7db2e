"""What people decide about a delivery binds to its content, is on record, and outlives the warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.contracts import CLAIMS, PATIENTS, feed_named
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.stage import bring_up_to_date, look
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse_tests.builders import Lakehouse, patient

KEY = "2024-02-01"
GOOD = [patient(patient_id=f"{number}U") for number in range(3)]
#: 60 of 100 rows cannot be accepted: more than the limit.
BAD = [patient(patient_id=f"B{number}", zipcode="?" if number < 60 else "72201") for number in range(100)]
WORSE = [patient(patient_id=f"B{number}", zipcode="?" if number < 70 else "72201") for number in range(100)]


def act(lakehouse: Lakehouse, name: str, delivery: str = KEY, because: str = "seen with the sender") -> None:
    """Decide, and have it felt."""
    acting: Callable[..., None] = getattr(acts, name)
    acting(lakehouse.settings, PATIENTS, delivery, because=because, who="a steward")
    bring_up_to_date(lakehouse.settings, PATIENTS, delivery)
    lakehouse.ingest()


def standing(lakehouse: Lakehouse, delivery: str = KEY) -> tuple[Any, ...]:
    return lakehouse.rows("SELECT status, rows_valid, versions_added FROM delivery WHERE delivery = $1", delivery)[0]


def land(lakehouse: Lakehouse, rows: list[dict[str, str]], delivery: str = KEY) -> None:
    lakehouse.land("patients", delivery, rows)
    lakehouse.ingest()


def forget_the_warehouse(lakehouse: Lakehouse) -> None:
    """Delete what is a cache, and have it made again from what lies beside it."""
    lakehouse.settings.warehouse.unlink()
    lakehouse.settings.published.unlink()
    lakehouse.ingest()


def three_deliveries(lakehouse: Lakehouse) -> None:
    """A priming, an update that moves and restates people, and a later one that leans on it."""
    lakehouse.land("patients", "priming", GOOD)
    lakehouse.land(
        "patients", KEY,
        [patient(patient_id="0U", city="Moved", last_modified_date="1-5-2024"),
         patient(patient_id="1U", last_modified_date="1-6-2024"), patient(patient_id="9U", state="Conneticut")],
    )  # fmt: skip
    lakehouse.land("patients", "2024-03-01", [patient(patient_id="0U", city="Moved", last_modified_date="2-5-2024")])
    lakehouse.ingest()


def test_a_held_delivery_is_not_applied_until_it_is_released(lakehouse: Lakehouse) -> None:
    land(lakehouse, BAD)
    assert standing(lakehouse) == ("held", 40, 0)
    assert lakehouse.rows("SELECT count(*) FROM dim_patient") == [(0,)]
    act(lakehouse, "release")
    assert standing(lakehouse) == ("applied", 40, 40)


def test_a_release_binds_to_its_content(lakehouse: Lakehouse) -> None:
    land(lakehouse, BAD)
    act(lakehouse, "release")
    land(lakehouse, WORSE)
    assert lakehouse.rows("SELECT status FROM delivery") == [("held",)]
    assert lakehouse.rows("SELECT count(*) FROM dim_patient") == [(40,)], "what was released before stands"
    land(lakehouse, BAD)
    assert standing(lakehouse) == ("applied", 40, 40)


def test_held_content_keeps_the_earlier_applied_content_standing(lakehouse: Lakehouse) -> None:
    land(lakehouse, GOOD)
    before = lakehouse.export()
    land(lakehouse, BAD)
    now = lakehouse.export()
    assert now["dim_patient"] == before["dim_patient"]
    assert standing(lakehouse) == ("held", 3, 3)
    assert "bad_zipcode (60)" in lakehouse.rows("SELECT error FROM delivery")[0][0]
    forget_the_warehouse(lakehouse)
    assert lakehouse.export() == now
    land(lakehouse, GOOD)
    assert standing(lakehouse) == ("applied", 3, 3)


def test_a_retraction_leaves_the_tables_as_if_the_delivery_had_never_come(lakehouse: Lakehouse) -> None:
    three_deliveries(lakehouse)
    act(lakehouse, "retract")
    without = Lakehouse(lakehouse.settings.home / "elsewhere")
    without.land("patients", "priming", GOOD)
    without.land("patients", "2024-03-01", [patient(patient_id="0U", city="Moved", last_modified_date="2-5-2024")])
    without.ingest()
    said = "SELECT * EXCLUDE (recorded_at) FROM dim_patient ORDER BY ALL"
    assert lakehouse.rows(said) == without.rows(said)
    assert lakehouse.rows("SELECT count(*) FROM restated_patient") == [(0,)]
    assert lakehouse.rows("SELECT DISTINCT status FROM issue WHERE delivery = $1", KEY) == [("retracted",)]
    assert standing(lakehouse)[0] == "retracted"


def test_what_is_retracted_and_reinstated_leaves_every_table_as_it_was(lakehouse: Lakehouse) -> None:
    three_deliveries(lakehouse)
    before = lakehouse.export()
    assert before["restated_patient"]
    act(lakehouse, "retract")
    assert lakehouse.export() != before
    act(lakehouse, "reinstate")
    assert repr(lakehouse.export()).encode() == repr(before).encode()


def test_a_retraction_binds_to_its_content(lakehouse: Lakehouse) -> None:
    land(lakehouse, GOOD)
    act(lakehouse, "retract")
    land(lakehouse, GOOD[:2])
    assert standing(lakehouse) == ("applied", 2, 2)
    land(lakehouse, GOOD)
    assert standing(lakehouse)[0] == "retracted"


def test_a_held_delivery_can_be_retracted_with_what_stood_before_it(lakehouse: Lakehouse) -> None:
    land(lakehouse, GOOD)
    land(lakehouse, BAD)
    act(lakehouse, "retract")
    assert lakehouse.rows("SELECT status FROM delivery") == [("retracted",)]
    assert lakehouse.rows("SELECT count(*) FROM dim_patient") == [(0,)]
    act(lakehouse, "reinstate")
    assert standing(lakehouse) == ("held", 3, 3)


@pytest.mark.parametrize(
    "decided", [["release"], ["retract"], ["release", "retract"], ["release", "retract", "reinstate"]]
)
def test_what_was_decided_outlives_the_warehouse(lakehouse: Lakehouse, decided: list[str]) -> None:
    land(lakehouse, BAD if decided[0] == "release" else GOOD)
    lakehouse.land("patients", "2024-03-01", [patient(patient_id="7U")])
    for name in decided:
        act(lakehouse, name)
    before = lakehouse.export()
    forget_the_warehouse(lakehouse)
    assert lakehouse.export() == before
    assert look(lakehouse.settings).due == []


def test_an_act_is_on_record_with_who_and_why(lakehouse: Lakehouse) -> None:
    land(lakehouse, BAD)
    act(lakehouse, "release", because="the sender has none better")
    act(lakehouse, "retract", because="they have now")
    act(lakehouse, "reinstate", because="they had not")
    told = lakehouse.rows(
        "SELECT event, who, why, fingerprint IS NOT NULL FROM delivery_log WHERE who IS NOT NULL ORDER BY entry"
    )
    assert told == [
        ("released", "a steward", "the sender has none better", True),
        ("retracted", "a steward", "they have now", True),
        ("reinstated", "a steward", "they had not", True),
    ]


def test_the_same_act_twice_is_wrong_use_and_leaves_no_trace(lakehouse: Lakehouse) -> None:
    land(lakehouse, BAD)
    for name in ("release", "retract", "reinstate"):
        act(lakehouse, name)
        events = len(Journal(lakehouse.settings, "patients", KEY).events())
        with pytest.raises(UsageError):
            act(lakehouse, name)
        assert len(Journal(lakehouse.settings, "patients", KEY).events()) == events


@pytest.mark.parametrize("name", ["release", "retract", "reinstate"])
@pytest.mark.parametrize(
    ("delivery", "because", "told"),
    [
        ("2030-01-01", "why", "no delivery"),
        ("../priming", "why", "not a delivery key"),
        (KEY, "  ", "needs a reason"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(
    lakehouse: Lakehouse, name: str, delivery: str, because: str, told: str
) -> None:
    land(lakehouse, GOOD)
    before = sorted(path.name for path in lakehouse.settings.home.rglob("*") if path.suffix == ".jsonl")
    with pytest.raises(UsageError, match=told):
        act(lakehouse, name, delivery, because)
    assert sorted(path.name for path in lakehouse.settings.home.rglob("*") if path.suffix == ".jsonl") == before


def test_what_is_not_held_cannot_be_released_nor_what_stands_reinstated(lakehouse: Lakehouse) -> None:
    land(lakehouse, GOOD)
    with pytest.raises(UsageError, match="is not held; it is applied"):
        act(lakehouse, "release")
    with pytest.raises(UsageError, match="is not retracted; it is applied"):
        act(lakehouse, "reinstate")


def test_a_delivery_that_never_could_be_read_has_nothing_to_retract(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", KEY, "no header of ours\n")
    lakehouse.ingest()
    with pytest.raises(UsageError, match="nothing to retract"):
        act(lakehouse, "retract")
    assert feed_named("patients") is PATIENTS


def test_retracting_an_update_restores_the_priming_tables_exactly_and_reinstating_brings_them_back(
    lakehouse: Lakehouse, flexion: Path
) -> None:
    for name in ("patients_priming", "providers_priming", "claims_priming"):
        shutil.copy2(flexion / f"{name}.csv", lakehouse.settings.landing)
    lakehouse.ingest()
    primed = lakehouse.export()
    shutil.copy2(flexion / "claims_update.csv", lakehouse.settings.landing)
    lakehouse.ingest()
    updated = lakehouse.export()
    assert updated["fact_claim"] != primed["fact_claim"]
    acts.retract(lakehouse.settings, CLAIMS, "update", because="sent too early", who="a steward")
    lakehouse.ingest()
    retracted = lakehouse.export()
    for table in ("dim_patient", "dim_provider", "fact_claim", "restated_claim"):
        assert repr(retracted[table]) == repr(primed[table])
    acts.reinstate(lakehouse.settings, CLAIMS, "update", because="right after all", who="a steward")
    lakehouse.ingest()
    assert repr(lakehouse.export()) == repr(updated)
