"""SQLite's log of the event log is left alone while many events are written, and folded in afterwards."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from claims_lakehouse.orchestration.event_log import kept_open


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    return dg.DagsterInstance.local_temp(str(tmp_path))


def test_the_log_grows_while_it_is_kept_open_and_is_folded_in_afterwards(instance: dg.DagsterInstance) -> None:
    key = dg.AssetKey("raw_patients")
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="one"))
    log = Path(instance.root_directory) / "history" / "runs" / "index.db-wal"
    assert not log.exists()
    with kept_open(instance):
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition="two"))
        assert log.stat().st_size > 0
    assert not log.exists()
    assert set(instance.get_materialized_partitions(key)) == {"one", "two"}


def test_where_there_is_no_such_file_nothing_is_kept(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance, kept_open(instance, "no-run"):
        pass
    assert not list(tmp_path.rglob("*.db"))
