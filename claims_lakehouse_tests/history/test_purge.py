"""What is purged is gone from every file, and a tombstone says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.errors import UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history import purge as purging
from claims_lakehouse.history import rebuild as rebuilding
from claims_lakehouse.history.purge import purge
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.landing import stage as landing
from claims_lakehouse_tests.builders import Lakehouse, claim, patient, provider

DAY = "2024-02-01"
CANARIES = (b"Zyzzyva", b"Quixotic", b"Xylophagous", b"Kvetching")


@pytest.fixture
def misdelivered(once: Path, tmp_path: Path) -> Lakehouse:
    """A delivery that must not be kept: with an earlier content, a quarantined row, a correction, and a late version."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("misdelivered")
    lakehouse = Lakehouse(base).with_tables()
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2000U")])
    lakehouse.land("providers", "priming", [provider()])
    lakehouse.land("claims", "priming", [claim(), claim(claim_id="CF#2", patient_id="3000U")])
    lakehouse.land("patients", DAY, [patient(fname="Quixotic")])
    lakehouse.ingest()
    rows = [
        patient(fname="Zyzzyva", last_modified_date="2023-01-01"),
        patient(patient_id="3000U", zipcode="Xylophagous"),
    ]
    lakehouse.land("patients", DAY, rows)
    lakehouse.ingest()
    acts.correct(
        lakehouse.settings, PATIENTS, DAY, {2: {"zipcode": "72201", "city": "Kvetching"}}, because="a", who="b"
    )
    lakehouse.land("patients", "2024-03-01", [patient(city="Later", last_modified_date="2024-01-01")])
    lakehouse.ingest()
    return base


def erase(lakehouse: Lakehouse, delivery: str = DAY) -> None:
    purge(lakehouse.settings, PATIENTS, delivery, because="sent to us by mistake", who="a steward")
    lakehouse.ingest()


def told(lakehouse: Lakehouse) -> list[Path]:
    """Every file, in landing and at home, that says one of the canaries."""
    folders = (lakehouse.settings.landing, lakehouse.settings.home)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(canary in path.read_bytes() for canary in CANARIES)]


def test_no_file_says_any_more_what_was_purged(misdelivered: Lakehouse) -> None:
    left = misdelivered.settings.home / "published" / ".claims.duckdb.0123abcd.tmp"
    left.write_bytes(b"half of Zyzzyva, left by a kill")
    writing = misdelivered.settings.landing / "patients" / f"{DAY}.csv.part"
    writing.write_bytes(b"Zyzzyva, still being written")
    before = {path.relative_to(misdelivered.settings.home.parent).parts[1] for path in told(misdelivered)}
    assert before >= {"raw", "validated", "issues", "warehouse.duckdb", "published", "patients"}
    erase(misdelivered)
    assert told(misdelivered) == []
    assert misdelivered.rows("SELECT count(*) FROM dim_patient WHERE delivery = $1", DAY) == [(0,)]
    assert misdelivered.rows("SELECT count(*) FROM issue WHERE delivery = $1", DAY) == [(0,)]


def test_the_tables_are_as_if_it_had_never_come(misdelivered: Lakehouse, tmp_path: Path) -> None:
    erase(misdelivered)
    never = Lakehouse(tmp_path / "never")
    for path in sorted(misdelivered.settings.landing.rglob("*.csv")):
        never.land(path.parent.name, path.stem, path.read_bytes())
    never.ingest()
    ours, theirs = misdelivered.export(), never.export()
    for table in ("dim_patient", "restated_patient", "fact_claim", "dim_provider"):
        assert [row[:-2] for row in ours[table]] == [row[:-2] for row in theirs[table]]
    assert ours["issue"] == theirs["issue"]


def test_a_tombstone_stays_with_counts_and_fingerprint_who_when_and_why(misdelivered: Lakehouse) -> None:
    ledger = "rows_landed, rows_malformed, rows_quarantined, rows_duplicate, rows_valid, versions_added, rows_restated"
    asked = f"SELECT fingerprint, received_at, {ledger}, status, error FROM delivery WHERE delivery = '{DAY}'"
    fingerprint, received_at, *_ = misdelivered.rows(asked)[0]
    erase(misdelivered)
    stone = (fingerprint, received_at, 2, 0, 0, 0, 2, 0, 0, "purged", None)
    assert misdelivered.rows(asked) == [stone]
    assert misdelivered.rows("SELECT status FROM iteration WHERE iteration = $1", DAY) == [("purged",)]
    log = "SELECT event, fingerprint, who, why FROM delivery_log WHERE delivery = $1 ORDER BY entry DESC LIMIT 1"
    assert misdelivered.rows(log, DAY) == [("purged", fingerprint, "a steward", "sent to us by mistake")]
    rebuild(misdelivered.settings)
    misdelivered.settings.warehouse.unlink()
    misdelivered.ingest()
    assert misdelivered.rows(asked) == [stone]


def test_the_same_content_is_not_taken_up_again_and_other_content_is(misdelivered: Lakehouse) -> None:
    landed = misdelivered.settings.landing / "patients" / f"{DAY}.csv"
    last, first = landed.read_bytes(), [patient(fname="Quixotic")]
    erase(misdelivered)
    for content in (last, first):
        misdelivered.land("patients", DAY, content)
        errors = misdelivered.ingest()
        assert errors == {("patients", DAY): f"patients, delivery {DAY}: found a content that was purged; "
                          "expected other content, or no file in landing."}  # fmt: skip
        assert misdelivered.rows("SELECT status FROM delivery WHERE delivery = $1", DAY) == [("purged",)]
    misdelivered.land("patients", DAY, [patient(patient_id="7000U")])
    assert misdelivered.ingest() == {("patients", DAY): None}
    assert misdelivered.rows("SELECT patient_id FROM patient WHERE patient_id = '7000U'") == [("7000U",)]
    assert misdelivered.rows("SELECT status FROM delivery WHERE delivery = $1", DAY) == [("applied",)]


def test_a_folder_of_parts_goes_whole(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    folder = lakehouse.settings.landing / "patients" / DAY
    folder.mkdir()
    for part in ("a.csv", "b.csv", "c.csv.tmp"):
        (folder / part).write_bytes(b"patient_id\nZyzzyva\n")
    lakehouse.ingest()
    erase(lakehouse)
    assert told(lakehouse) == []
    assert not folder.exists()
    assert lakehouse.rows("SELECT status, rows_landed FROM delivery WHERE delivery = $1", DAY) == [("purged", None)]


def test_what_only_lies_in_landing_can_be_purged_too(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    (lakehouse.settings.landing / f"patients_{DAY}.csv").write_bytes(b"Zyzzyva")
    erase(lakehouse)
    assert told(lakehouse) == []
    assert lakehouse.rows("SELECT status FROM delivery WHERE delivery = $1", DAY) == [("purged",)]


def test_what_lay_in_landing_untaken_is_barred_too(misdelivered: Lakehouse) -> None:
    untaken = [patient(fname="Zyzzyva", patient_id="9000U")]
    misdelivered.land("patients", DAY, untaken)
    erase(misdelivered)
    misdelivered.land("patients", DAY, untaken)
    assert "purged" in str(misdelivered.ingest()["patients", DAY])


def test_deliveries_of_like_names_stay(misdelivered: Lakehouse) -> None:
    for name in ("2024-02-01T0000", "2024-02-011"):
        misdelivered.land("patients", name, [patient(patient_id=name)])
    misdelivered.land("claims", DAY, [claim(claim_id="CF#3")])
    misdelivered.ingest()
    erase(misdelivered)
    assert misdelivered.rows("SELECT count(*) FROM patient WHERE patient_id LIKE '2024%'") == [(2,)]
    assert misdelivered.rows("SELECT count(*) FROM claim WHERE claim_id = 'CF#3'") == [(1,)]


def test_a_delivery_whose_key_ends_as_files_do_stays_when_the_other_goes(lakehouse: Lakehouse) -> None:
    landing = lakehouse.settings.landing
    for key in ("a", "a.csv", "a.csv.csv"):
        lakehouse.land("patients", key, [patient(patient_id=key)])
    lakehouse.ingest()
    erase(lakehouse, "a.csv")
    assert sorted(path.name for path in (landing / "patients").iterdir()) == ["a.csv", "a.csv.csv.csv"]
    assert lakehouse.rows("SELECT patient_id FROM patient ORDER BY ALL") == [("a",), ("a.csv.csv",)]


def test_a_purge_that_was_killed_is_completed_by_the_next_who_writes(
    misdelivered: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing in the package catches it."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(purging, "rebuild_in_turn", die)
        with pytest.raises(Killed):
            purge(misdelivered.settings, PATIENTS, DAY, because="sent to us by mistake", who="a steward")
    misdelivered.ingest()
    assert told(misdelivered) == []
    events = misdelivered.rows("SELECT event FROM delivery_log WHERE delivery = $1 AND event = 'purged'", DAY)
    assert events == [("purged",)]
    assert not misdelivered.settings.unfinished_purge.exists()


@pytest.mark.parametrize("source", ["raw", "validated"])
def test_a_rebuild_that_runs_meanwhile_brings_nothing_back(
    misdelivered: Lakehouse, monkeypatch: pytest.MonkeyPatch, source: rebuilding.Source
) -> None:
    built, turns = rebuilding._build, []

    def meanwhile(*arguments: Any) -> None:
        built(*arguments)
        if not turns:
            turns.append(1)
            purge(misdelivered.settings, PATIENTS, DAY, because="sent to us by mistake", who="a steward")

    monkeypatch.setattr(rebuilding, "_build", meanwhile)
    rebuild(misdelivered.settings, source)
    misdelivered.ingest()
    assert told(misdelivered) == []
    assert misdelivered.rows("SELECT status FROM delivery WHERE delivery = $1", DAY) == [("purged",)]


def test_the_staging_of_a_killed_rebuild_goes_with_a_purge(misdelivered: Lakehouse) -> None:
    left = misdelivered.settings.home / "rebuild-00000000"
    left.mkdir()
    (left / "warehouse.duckdb").write_bytes(b"Zyzzyva, half built")
    purge(misdelivered.settings, PATIENTS, DAY, because="sent to us by mistake", who="a steward")
    assert not left.exists()


def test_a_content_that_is_purged_while_it_is_read_is_not_taken_up(
    misdelivered: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    misdelivered.land("patients", DAY, [patient(fname="Zyzzyva", patient_id="8000U")])
    write = landing._write

    def meanwhile(*arguments: Any) -> Any:
        written = write(*arguments)
        purge(misdelivered.settings, PATIENTS, DAY, because="sent to us by mistake", who="a steward")
        write_again = misdelivered.settings.raw("patients", DAY, arguments[2])
        write_again.write_bytes(b"Zyzzyva, written after the purge")
        return written

    with monkeypatch.context() as patch:
        patch.setattr(landing, "_write", meanwhile)
        assert "purged" in str(misdelivered.process("patients", DAY))
    misdelivered.ingest()
    assert told(misdelivered) == []
    assert misdelivered.rows("SELECT status FROM delivery WHERE delivery = $1", DAY) == [("purged",)]


@pytest.mark.parametrize(
    ("delivery", "because", "message"),
    [("2030-01-01", "x", "has no delivery '2030-01-01'"), (DAY, " ", "needs a reason"), ("../x", "x", "key")],
)
def test_a_purge_of_nothing_or_without_a_reason_is_refused(
    misdelivered: Lakehouse, delivery: str, because: str, message: str
) -> None:
    before = misdelivered.export()
    with pytest.raises(UsageError, match=message):
        purge(misdelivered.settings, PATIENTS, delivery, because=because, who="x")
    misdelivered.ingest()
    assert misdelivered.export() == before


def test_a_purged_delivery_cannot_be_purged_retracted_or_corrected_again(misdelivered: Lakehouse) -> None:
    erase(misdelivered)
    settings = misdelivered.settings
    with pytest.raises(UsageError, match="is purged already"):
        erase(misdelivered)
    with pytest.raises(UsageError, match="is purged; there is nothing to retract"):
        acts.retract(settings, PATIENTS, DAY, because="x", who="y")
    with pytest.raises(UsageError, match="is purged; there is no row to correct"):
        acts.correct(settings, PATIENTS, DAY, {1: {"city": "x"}}, because="x", who="y")
