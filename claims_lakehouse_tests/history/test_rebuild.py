"""The warehouse is a cache: it is made anew from disk on demand, when it is lost, and when it is damaged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from claims_lakehouse.contracts import CLAIMS, PATIENTS
from claims_lakehouse.errors import DeliveryError
from claims_lakehouse.history import acts
from claims_lakehouse.history import rebuild as rebuilding
from claims_lakehouse.history.comparison import Difference
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.history.recovery import sound_turn, sound_warehouse
from claims_lakehouse.history.stage import bring_up_to_date, look
from claims_lakehouse.validation import stage as validating
from claims_lakehouse_tests.builders import Lakehouse, claim, patient, provider


@pytest.fixture
def stood(once: Path, tmp_path: Path) -> Lakehouse:
    """Deliveries applied, corrected, retracted, failed and held."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("stood")
    lakehouse = Lakehouse(base).with_tables()
    lakehouse.land("patients", "priming", [patient(), patient(patient_id="2000U", zipcode="x")])
    lakehouse.land("providers", "priming", [provider()])
    lakehouse.land("claims", "priming", [claim(), claim(claim_id="CF#2", patient_id="9999U")])
    lakehouse.land("patients", "2024-02-01", [patient(city="Lakeville")])
    lakehouse.land("claims", "2024-02-01", [claim(total_cost="1.00", last_modified_date="2023-01-01")])
    lakehouse.land("providers", "2024-02-01", b"not,a,header\n1,2,3\n")
    lakehouse.land("claims", "2024-03-01", [claim(claim_id=f"CF#{n}", billed="maybe") for n in range(60)])
    lakehouse.ingest()
    acts.correct(lakehouse.settings, PATIENTS, "priming", {2: {"zipcode": "72201"}}, because="a", who="b")
    acts.retract(lakehouse.settings, CLAIMS, "2024-02-01", because="a", who="b")
    lakehouse.ingest()
    return base


def warehouse_id(lakehouse: Lakehouse) -> str:
    with duckdb.connect(str(lakehouse.settings.warehouse), read_only=True) as con:
        return str(con.execute("SELECT warehouse FROM internal.change").fetchall()[0][0])


@pytest.mark.parametrize("source", ["raw", "validated"])
def test_a_rebuild_gives_the_same_tables_row_for_row_and_takes_the_old_ones_place(
    stood: Lakehouse, source: rebuilding.Source
) -> None:
    before, old = stood.export(), warehouse_id(stood)
    rebuilt = rebuild(stood.settings, source)
    assert rebuilt == (7, {}, True)
    assert warehouse_id(stood) != old
    stood.ingest()
    assert stood.export() == before
    assert not list(stood.settings.home.glob("rebuild-*"))


def test_who_applied_a_delivery_and_when_comes_back_too(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    bring_up_to_date(lakehouse.settings, PATIENTS, "priming", "a-run")
    lakehouse.land("patients", "2024-02-01", [patient(city="X")])
    lakehouse.process("patients", "2024-02-01")
    lakehouse.ingest()
    asked = "SELECT delivery, loaded_at FROM delivery WHERE delivery <> 'priming'"
    before = lakehouse.rows(asked)
    rebuild(lakehouse.settings)
    lakehouse.ingest()
    assert lakehouse.rows(asked) == before


def test_a_warehouse_that_is_not_what_the_disk_says_is_reported_and_replaced(stood: Lakehouse) -> None:
    before = stood.export()
    with duckdb.connect(str(stood.settings.warehouse)) as con:
        con.execute("UPDATE dim_patient SET city = 'Elsewhere' WHERE patient_id = '1000U' AND is_current")
        con.execute("DELETE FROM fact_claim WHERE claim_id = 'CF#2'")
    differences = {"main.dim_patient": Difference(1, 1), "main.fact_claim": Difference(0, 1)}
    old = warehouse_id(stood)
    assert rebuild(stood.settings, swap=False) == (7, differences, False)
    assert warehouse_id(stood) == old
    assert rebuild(stood.settings) == (7, differences, True)
    stood.ingest()
    assert stood.export() == before


def test_a_changed_rule_verifies_history_anew_from_raw_and_only_from_raw(
    stood: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stricter(validating.Verifier):
        """A verifier that accepts no claim at all."""

        def _accept(self, accepted):  # type: ignore[no-untyped-def]
            super()._accept(accepted)
            self._quarantined += accepted.height if self._feed is CLAIMS else 0
            self._valid -= accepted.height if self._feed is CLAIMS else 0

        def batch(self, batch):  # type: ignore[no-untyped-def]
            split = super().batch(batch)
            return split._replace(accepted=split.accepted.clear()) if self._feed is CLAIMS else split

    monkeypatch.setattr(validating, "Verifier", Stricter)
    assert rebuild(stood.settings, "validated").differences == {}
    differences = rebuild(stood.settings, "raw").differences
    assert differences is not None
    assert differences["main.fact_claim"] == Difference(2, 0)
    stood.ingest()
    assert stood.rows("SELECT count(*) FROM claim") == [(0,)]
    assert stood.rows("SELECT count(*) FROM patient") == [(2,)]
    # What was verified anew lies on disk as well: another rebuild finds nothing to report.
    assert rebuild(stood.settings, "validated").differences == {}


def test_a_rebuild_that_fails_leaves_everything_as_it_was(stood: Lakehouse) -> None:
    before, old = stood.export(), warehouse_id(stood)
    raw = next(stood.settings.delivery_folder("patients", "2024-02-01").glob("*.parquet"))
    raw.write_bytes(raw.read_bytes()[:50])
    (stood.settings.landing / "patients" / "2024-02-01.csv").unlink()
    with pytest.raises(DeliveryError, match=r"raw/patients/2024-02-01/.*found a damaged file; expected the raw copy"):
        rebuild(stood.settings, "raw")
    assert warehouse_id(stood) == old
    stood.ingest()
    assert stood.export() == before
    assert not list(stood.settings.home.glob("rebuild-*"))


def test_what_is_applied_while_a_rebuild_runs_is_in_the_new_warehouse(
    stood: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = rebuilding._build
    turns: list[int] = []

    def meanwhile(*arguments):  # type: ignore[no-untyped-def]
        built(*arguments)
        if not turns:
            turns.append(1)
            stood.land("patients", "2024-04-01", [patient(city="Meanwhile", last_modified_date="2024-03-01")])
            stood.ingest()
            acts.reinstate(stood.settings, CLAIMS, "2024-02-01", because="a", who="b")
            stood.ingest()

    monkeypatch.setattr(rebuilding, "_build", meanwhile)
    assert rebuild(stood.settings) == (8, {}, True)
    stood.ingest()
    assert stood.rows("SELECT city FROM patient WHERE patient_id = '1000U'") == [("Meanwhile",)]


def test_a_swap_that_was_killed_is_completed_by_the_next_who_writes(
    stood: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, old = stood.export(), warehouse_id(stood)
    with monkeypatch.context() as patch:
        patch.setattr(rebuilding, "complete_swap", lambda _: None)
        rebuild(stood.settings, "raw")
    assert warehouse_id(stood) == old
    with sound_turn(stood.settings):
        assert warehouse_id(stood) != old
    stood.ingest()
    assert stood.export() == before
    assert not stood.settings.unfinished_swap.exists()
    assert not list(stood.settings.home.glob("rebuild-*"))


def test_the_staging_of_a_killed_rebuild_is_swept(stood: Lakehouse) -> None:
    left = stood.settings.home / "rebuild-00000000"
    left.mkdir()
    (left / "warehouse.duckdb").write_bytes(b"half")
    stood.ingest()
    assert not left.exists()


def damages(path: Path, rng: random.Random) -> None:
    """Overwrite a piece of every block."""
    content = bytearray(path.read_bytes())
    for block in range(12 << 10, len(content) - 64, 256 << 10):
        content[block : block + 64] = rng.randbytes(64)
    path.write_bytes(content)


def test_a_damaged_warehouse_can_be_rebuilt_by_hand_and_there_is_nothing_to_compare(stood: Lakehouse) -> None:
    before = stood.export()
    damages(stood.settings.warehouse, random.Random(1))
    assert rebuild(stood.settings) == (7, None, True)
    stood.ingest()
    assert stood.export() == before


@pytest.mark.parametrize("damage", ["lost", "empty", "cut", "head", "every block", "no database", "garbage wal"])
def test_a_lost_or_damaged_warehouse_is_back_before_anybody_sees_it(stood: Lakehouse, damage: str) -> None:
    before, path = stood.export(), stood.settings.warehouse
    content = path.read_bytes()
    match damage:
        case "lost":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "head":
            path.write_bytes(b"x" * 4096 + content[4096:])
        case "every block":
            damages(path, random.Random(1))
        case "no database":
            path.write_bytes(b"x" * len(content))
        case _:
            path.with_name("warehouse.duckdb.wal").write_bytes(b"garbage" * 100)
    stood.land("patients", "2024-05-01", [patient(patient_id="5000U")])
    stood.process("patients", "2024-05-01")
    acts.retract(stood.settings, PATIENTS, "2024-05-01", because="a", who="b")
    stood.ingest()
    after = stood.export()
    for table in ("dim_patient", "dim_provider", "fact_claim"):
        assert after[table] == before[table]


@pytest.mark.parametrize(
    "lack",
    [duckdb.OutOfMemoryException("Out of Memory Error"), duckdb.IOException("IO Error: No space left on device")],
)
def test_what_the_machine_lacks_is_no_damage(
    stood: Lakehouse, monkeypatch: pytest.MonkeyPatch, lack: duckdb.Error
) -> None:
    old = warehouse_id(stood)
    with pytest.raises(type(lack)), sound_warehouse(stood.settings):
        raise lack

    def lacking(*_: object, **__: object) -> None:
        raise lack

    with monkeypatch.context() as patch:
        patch.setattr(duckdb, "connect", lacking)
        with pytest.raises(type(lack)):
            look(stood.settings)
    assert warehouse_id(stood) == old


def test_a_warehouse_of_other_contracts_is_made_anew(stood: Lakehouse) -> None:
    before = stood.export()
    with duckdb.connect(str(stood.settings.warehouse)) as con:
        con.execute("UPDATE internal.schema SET version = 'older'; ALTER TABLE dim_patient DROP city")
    stood.ingest()
    assert stood.export() == before


@pytest.mark.parametrize("stage", ["raw", "validated", "issues"])
@pytest.mark.parametrize("how", ["cut", "middle", "lost"])
def test_a_damaged_file_of_a_stage_is_made_again_from_the_stage_before(stood: Lakehouse, stage: str, how: str) -> None:
    before = stood.export()
    for path in sorted((stood.settings.home / stage).rglob("*.parquet")):
        content = path.read_bytes()
        if how == "lost":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[:-20])
        else:
            path.write_bytes(content[:4] + b"x" * 60 + content[64:])
    stood.settings.warehouse.unlink()
    if stage == "raw":
        for other in ("validated", "issues"):
            for path in (stood.settings.home / other).rglob("*.parquet"):
                path.unlink()
    stood.ingest()
    assert stood.export() == before


def test_a_looking_process_does_not_mistake_a_new_lakehouse_for_a_lost_one(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    assert [due.delivery for due in look(lakehouse.settings).due] == ["priming"]
    assert list(lakehouse.settings.home.glob("rebuild-*")) == []
