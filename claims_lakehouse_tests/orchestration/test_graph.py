"""The graph as Dagster loads it: quickly, without a warning, described throughout, and telling no patient's value."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse_tests.builders import REPOSITORY, claim, patient, provider
from claims_lakehouse_tests.orchestration.graph import CODE_LOCATION, Graph

#: Stands for everything that a row may hold, and must be told nowhere.
CANARY = "Zyxwvutsrq"
GRAPH = CODE_LOCATION.asset_graph
PRODUCED = sorted(GRAPH.materializable_asset_keys)
CHECKS = {
    "contract": False,
    "conservation": True,
    "quarantine_rate": True,
    "history_invariants": True,
    "references": False,
    "volume": False,
    "null_rate": False,
}


class Loaded(NamedTuple):
    """How long imports took, microseconds, by module, its own imports not counted."""

    times: dict[str, int]

    @property
    def own(self) -> int:
        return sum(time for name, time in self.times.items() if name.split(".")[0] == "claims_lakehouse")

    @property
    def total(self) -> int:
        return sum(self.times.values())


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """The code location, loaded in a process of its own with every warning an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "importtime", "-c", "from claims_lakehouse.definitions import defs\n"
         "import dagster as dg\ndg.Definitions.validate_loadable(defs)"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 0, "\n".join(told)
    lines = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", done.stderr, re.MULTILINE)
    return Loaded({name: int(own) for own, name in lines})


def test_the_code_location_loads_without_a_warning_and_most_of_it_is_not_the_projects_own(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(
            f"\nloading the code location: {loaded.total / 1e6:.2f} s of imports, of which the project's own "
            f"{loaded.own / 1e6:.2f} s ({loaded.own / loaded.total:.0%})"
        )
    assert "claims_lakehouse.definitions" in loaded.times
    assert "dagster" in loaded.times
    assert loaded.own < 0.5 * loaded.total


@pytest.mark.parametrize("key", PRODUCED, ids=lambda key: key.to_user_string())
def test_every_asset_says_what_it_is_whose_it_is_and_which_code_makes_it(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert len(node.description or "") > 30
    assert node.owners
    assert node.group_name != "default"
    assert node.kinds
    assert node.tags["stage"] == node.group_name
    assert node.code_version


def test_groups_are_the_stages_and_each_feed_goes_through_all_of_them() -> None:
    for feed in FEEDS:
        groups = {GRAPH.get(key).group_name for key in PRODUCED if GRAPH.get(key).tags.get("feed") == feed.name}
        assert groups == {"landing", "validation", "history"}
    assert GRAPH.get(dg.AssetKey("published")).group_name == "serving"
    assert GRAPH.get(dg.AssetKey("published")).parent_keys == {
        *(dg.AssetKey(feed.table) for feed in FEEDS),
        dg.AssetKey("decisions"),
        dg.AssetKey("payments"),
    }
    assert GRAPH.get(dg.AssetKey("decisions")).group_name == "adjudication"
    assert GRAPH.get(dg.AssetKey("decisions")).parent_keys == {
        dg.AssetKey(feed.table) for feed in FEEDS if feed.decides
    }


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
def test_every_asset_of_a_feed_is_partitioned_by_its_deliveries(feed: Feed) -> None:
    for asset in (f"raw_{feed.name}", f"validated_{feed.name}", f"issues_{feed.name}", feed.table):
        assert GRAPH.get(dg.AssetKey(asset)).partitions_def == deliveries(feed)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
def test_every_check_exists_for_each_feed_and_blocks_where_it_should(feed: Feed) -> None:
    found: dict[str, bool] = {}
    for key in GRAPH.asset_check_keys:
        if key.asset_key in (dg.AssetKey(f"validated_{feed.name}"), dg.AssetKey(feed.table)):
            spec = GRAPH.get_check_spec(key)
            found[spec.name] = spec.blocking
            assert len(spec.description or "") > 30
            assert spec.partitions_def == deliveries(feed)
    assert found == CHECKS


def test_columns_are_described_where_a_table_is_made() -> None:
    for feed in FEEDS:
        schema: Any = GRAPH.get(dg.AssetKey(feed.table)).metadata["dagster/column_schema"]
        columns = {column.name: column for column in schema.columns}
        assert {"valid_from", "valid_to", "is_current", "version", feed.surrogate_key} <= set(columns)
        for column in feed.columns:
            assert columns[column.name].description == column.description
            assert columns[column.name].constraints.nullable is not column.required


def test_changed_rules_make_the_validated_asset_and_what_follows_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    from claims_lakehouse.validation import verification

    before = {feed.name: verification.contract_version(feed) for feed in FEEDS}
    for feed in FEEDS:
        assert GRAPH.get(dg.AssetKey(f"validated_{feed.name}")).code_version == before[feed.name]
    monkeypatch.setattr(verification, "RULES", verification.RULES[:-1])
    assert all(verification.contract_version(feed) != before[feed.name] for feed in FEEDS)


def test_what_writes_the_warehouse_shares_one_pool() -> None:
    writing = {op.name for job in CODE_LOCATION.get_all_jobs() for op in job.nodes if op.definition.pool}  # type: ignore[attr-defined]
    assert {*(feed.table for feed in FEEDS), "published"} <= writing
    assert {"release_delivery", "retract_delivery", "reinstate_delivery"} <= writing


def test_sensors_run_by_default() -> None:
    states = {sensor.name: sensor.default_status for sensor in CODE_LOCATION.sensor_defs}
    assert set(states) >= {"landing_sensor", "publication_sensor", "alert_sensor"}
    assert set(states.values()) == {dg.DefaultSensorStatus.RUNNING}


def test_no_value_of_a_row_is_told_by_metadata_checks_or_events(graph: Graph) -> None:
    land = graph.lakehouse.land
    named = dict.fromkeys(("fname", "lname", "address", "city", "state", "zipcode"), CANARY)
    land("patients", "2024-02-01", [patient(patient_id=CANARY), patient(**named), patient(date_of_birth=CANARY)])
    land("providers", "2024-02-01", [provider(specialty_code=CANARY), provider(provider_id=CANARY, start_date=CANARY)])
    land(
        "claims",
        "2024-02-01",
        [claim(claim_id=f"{CANARY}{n}", visit_type=CANARY, total_cost=CANARY) for n in range(60)],
    )
    land("claims", "2024-02-02", [claim(patient_id=CANARY), claim(patient_id=CANARY, total_cost="1")])
    broken = land("patients", "2024-02-02", f'fname,lname\n"{CANARY}')
    for feed in ("patients", "providers", "claims"):
        graph.deliver(feed, "2024-02-01")
    graph.deliver("claims", "2024-02-02")
    assert not graph.deliver("patients", "2024-02-02").success
    assert graph.checks("validated_claims", "2024-02-01")["quarantine_rate"].passed is False
    graph.run("publish")
    assert broken.exists()
    assert CANARY not in graph.told()
    assert CANARY in str(graph.lakehouse.rows("FROM issue")), "the values are in the table that is protected"


def test_a_materialization_tells_its_counts_fingerprint_file_and_where_each_column_comes_from(graph: Graph) -> None:
    graph.lakehouse.land("patients", "2024-02-01", [patient(), patient(patient_id="2U", zipcode="x")])
    assert graph.deliver("patients", "2024-02-01").success
    raw = graph.metadata("raw_patients", "2024-02-01")
    assert raw["dagster/row_count"] == 2
    assert Path(raw["path"]).exists()
    assert raw["fingerprint"] in raw["path"]
    assert "patients/2024-02-01.csv | 2 |" in raw["files"]
    validated = graph.metadata("validated_patients", "2024-02-01")
    assert (validated["rows_landed"], validated["rows_valid"], validated["rows_quarantined"]) == (2, 1, 1)
    assert "| city | VARCHAR | 0 of 1 |" in validated["preview"]
    history = graph.metadata("dim_patient", "2024-02-01")
    assert (history["versions_added"], history["rows_restated"], history["status"]) == (1, 0, "applied")
    for metadata, upstream in ((validated, "raw_patients"), (history, "validated_patients")):
        assert f"| city | {upstream}.city |" in metadata["lineage"]
        (dep,) = metadata["dagster/column_lineage"].deps_by_column["city"]
        assert (dep.asset_key, dep.column_name) == (dg.AssetKey(upstream), "city")
