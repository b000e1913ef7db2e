"""What runs do: a delivery, many at once, one stage alone, decisions, failures; in process, on an instance of its own."""

from __future__ import annotations

import itertools
import json
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.error import URLError

import dagster as dg
import pytest

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.errors import AuditFailed
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.orchestration import stages
from claims_lakehouse.orchestration.sensors import alert_sensor
from claims_lakehouse_tests.builders import claim, patient, provider
from claims_lakehouse_tests.orchestration.graph import Graph

KEY = "2024-02-01"
NAME = ("patients", KEY)
CANARY = "Zyxwvutsrq"
STEP = dg.DagsterEventType
VALIDATED = {"contract", "conservation", "quarantine_rate"}
HISTORY = {"history_invariants", "references", "volume", "null_rate"}


def some(count: int, bad: int = 0, mark: str = "") -> list[dict[str, str]]:
    """So many patients, the first of whom have a zip code that is none."""
    return [patient(patient_id=f"{mark}{n}U", zipcode="?" if n < bad else "72201") for n in range(count)]


def land(graph: Graph, rows: list[dict[str, str]] | str, delivery: str = KEY, feed: str = "patients") -> None:
    graph.lakehouse.land(feed, delivery, rows)


def publish(graph: Graph) -> None:
    assert graph.run("publish").success


def table(graph: Graph, name: str = "dim_patient") -> list[tuple[Any, ...]]:
    """A table as it is published now, less the times of this machine's doing."""
    publish(graph)
    return graph.lakehouse.rows(f"SELECT * EXCLUDE (recorded_at) FROM {name} ORDER BY ALL")


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """Why steps failed, in the words shown."""
    found = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            assert data.error is not None
            found.append(data.error.message)
    return found


def count(result: dg.ExecuteInProcessResult, event_type: dg.DagsterEventType) -> int:
    return sum(event.event_type is event_type for event in result.all_events)


# ---------------------------------------------------------------------------------------------- a delivery by itself


def test_a_delivery_materializes_its_partition_and_every_check_speaks_of_it(graph: Graph) -> None:
    land(graph, some(10, bad=2))
    result = graph.deliver(*NAME)
    assert result.success
    for asset in ("raw_patients", "validated_patients", "issues_patients", "dim_patient"):
        assert graph.materialized(asset) == [KEY]
    assert set(graph.checks("validated_patients", KEY)) == VALIDATED
    assert set(graph.checks("dim_patient", KEY)) == HISTORY
    contract = graph.checks("validated_patients", KEY)["contract"]
    assert (contract.passed, contract.blocking) == (False, False)
    assert "| bad_zipcode | 2 |" in contract.metadata["rules"]
    assert "| quarantined | 2 |" in graph.checks("validated_patients", KEY)["conservation"].metadata["rows"]
    publish(graph)
    assert graph.lakehouse.rows("SELECT status, rows_valid, run_id FROM delivery") == [("applied", 8, result.run_id)]


def test_the_published_asset_tells_what_readers_see(graph: Graph) -> None:
    land(graph, some(3))
    graph.deliver(*NAME)
    (told,) = graph.run("publish").asset_materializations_for_node("published")
    assert told.metadata["dagster/uri"].value == str(graph.settings.published)
    assert "| dim_patient | 3 |" in told.metadata["rows"].value
    assert told.metadata["replaced"].value is True


def test_unresolved_references_and_unusual_volume_are_warned_of_and_stop_nothing(graph: Graph) -> None:
    for day in range(1, 5):
        land(graph, [claim(claim_id=f"C{day}{n}") for n in range(4 if day < 4 else 40)], f"2024-01-0{day}", "claims")
    runs = [graph.deliver("claims", f"2024-01-0{day}") for day in range(1, 5)]
    assert all(run.success for run in runs)
    found = graph.checks("fact_claim", "2024-01-04")
    assert (found["references"].passed, found["references"].severity) == (False, "WARN")
    assert "| unknown_patient | 40 |" in found["references"].metadata["unresolved"]
    assert (found["volume"].passed, found["volume"].description) == (False, "40 rows; usually 4.")
    assert found["history_invariants"].passed


# ----------------------------------------------------------------------------------------------------------- held


def test_a_delivery_with_30_percent_bad_rows_stops_at_its_blocking_check(graph: Graph) -> None:
    land(graph, some(5, mark="A"), "2024-01-01")
    graph.deliver("patients", "2024-01-01")
    before = table(graph)
    land(graph, some(200, bad=60))
    result = graph.deliver(*NAME)
    assert not result.success
    check = graph.checks("validated_patients", KEY)["quarantine_rate"]
    assert (check.passed, check.blocking, check.severity) == (False, True, "ERROR")
    for part in ("60 of 200 rows", "30%", "bad_zipcode (60)"):
        assert part in check.description
    assert "| bad_zipcode | 60 |" in check.metadata["errors"]
    assert graph.materialized("dim_patient") == ["2024-01-01"]
    assert table(graph) == before
    assert graph.lakehouse.rows("SELECT status, rows_landed FROM delivery WHERE delivery = $1", KEY) == [("held", 200)]


def test_a_held_delivery_leaves_the_published_file_itself_untouched(graph: Graph) -> None:
    land(graph, some(5, mark="A"), "2024-01-01")
    graph.deliver("patients", "2024-01-01")
    publish(graph)
    before = graph.settings.published.stat()
    land(graph, some(200, bad=60))
    graph.deliver(*NAME)
    after = graph.settings.published.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_release_job_lets_a_held_delivery_go_on(graph: Graph) -> None:
    land(graph, some(200, bad=60))
    graph.deliver(*NAME)
    result = graph.act("release", *NAME, because="the sender has none better")
    assert result.success
    assert graph.materialized("dim_patient") == [KEY]
    assert set(graph.checks("dim_patient", KEY)) == HISTORY
    assert len(table(graph)) == 140
    assert graph.lakehouse.rows("SELECT who, why FROM delivery_log WHERE event = 'released'") == [
        ("the Dagster UI", "the sender has none better")
    ]
    again = graph.deliver(*NAME)
    assert again.success
    assert graph.checks("validated_patients", KEY)["quarantine_rate"].passed


def test_history_alone_cannot_be_materialized_past_the_check_that_holds(graph: Graph) -> None:
    land(graph, some(200, bad=60))
    graph.deliver(*NAME)
    result = graph.materialize("dim_patient", *NAME)
    assert not result.success
    assert "is held" in failures(result)[0]
    assert graph.materialized("dim_patient") == []


def test_retract_and_reinstate_as_jobs(graph: Graph) -> None:
    land(graph, some(3))
    graph.deliver(*NAME)
    before = table(graph)
    assert graph.act("retract", *NAME).success
    assert table(graph) == []
    assert graph.metadata("dim_patient", KEY)["status"] == "retracted"
    assert graph.act("reinstate", *NAME).success
    assert table(graph) == before


@pytest.mark.parametrize("name", ["release", "reinstate"])
def test_an_act_that_does_not_fit_fails_its_run_and_says_why(graph: Graph, name: str) -> None:
    land(graph, some(3))
    graph.deliver(*NAME)
    result = graph.act(name, *NAME)
    assert not result.success
    assert "it is applied" in failures(result)[0]


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("name", ["release", "retract", "reinstate"])
def test_an_act_is_felt_even_where_the_warehouse_was_not_to_be_had_at_first(
    graph: Graph, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(graph, some(200, bad=60) if name == "release" else some(3))
    graph.deliver(*NAME)
    if name == "reinstate":
        graph.act("retract", *NAME)
    trouble(monkeypatch, "bring_up_to_date", OSError(5, "Input/output error"), times=1)
    assert graph.act(name, *NAME).success
    publish(graph)
    wanted = "retracted" if name == "retract" else "applied"
    assert graph.lakehouse.rows("SELECT status FROM delivery") == [(wanted,)]


# ---------------------------------------------------------------------------------------------------- many at once


def test_a_catch_up_reports_each_delivery_on_its_own_partition_and_goes_on_past_those_that_do_not(
    graph: Graph,
) -> None:
    good = [("patients", f"2024-01-0{day}") for day in range(1, 5)]
    for _, delivery in good:
        land(graph, some(2, mark=delivery), delivery)
    land(graph, "nothing of ours\n", "2024-01-05")
    land(graph, some(100, bad=60), "2024-01-06")
    land(graph, [provider()], "2024-01-07", "providers")
    broken, held, last = ("patients", "2024-01-05"), ("patients", "2024-01-06"), ("providers", "2024-01-07")
    result = graph.catch_up(broken, *good[:2], held, *good[2:], last)
    assert not result.success
    (told,) = failures(result)
    assert "1 of 7 deliveries failed: patients 2024-01-05" in told
    assert "2024-01-06" not in told
    assert graph.materialized("dim_patient") == [delivery for _, delivery in good]
    assert graph.materialized("dim_provider") == ["2024-01-07"]
    assert graph.materialized("raw_patients") == ["2024-01-01", "2024-01-02", "2024-01-06", "2024-01-03", "2024-01-04"]
    for _, delivery in good:
        assert set(graph.checks("validated_patients", delivery)) == VALIDATED
        assert set(graph.checks("dim_patient", delivery)) == HISTORY
        assert graph.metadata("dim_patient", delivery)["versions_added"] == 2
    assert graph.checks("validated_patients", "2024-01-06")["quarantine_rate"].passed is False
    publish(graph)
    assert dict(graph.lakehouse.rows("SELECT delivery, status FROM delivery WHERE feed = 'patients'")) == {
        **{delivery: "applied" for _, delivery in good}, "2024-01-05": "failed", "2024-01-06": "held",
    }  # fmt: skip
    assert graph.lakehouse.rows("SELECT DISTINCT run_id FROM delivery") == [(result.run_id,)]


def test_a_catch_up_whose_deliveries_are_only_held_is_no_failure(graph: Graph) -> None:
    land(graph, some(100, bad=60))
    assert graph.catch_up(NAME).success


def test_a_catch_up_tells_what_a_run_of_its_own_tells(graph: Graph) -> None:
    land(graph, some(10, bad=2))
    graph.deliver(*NAME)
    said = [
        graph.metadata(asset, KEY) for asset in ("raw_patients", "validated_patients", "issues_patients", "dim_patient")
    ]
    checks = graph.checks("validated_patients", KEY) | graph.checks("dim_patient", KEY)
    graph.catch_up(NAME)
    assert [
        graph.metadata(asset, KEY) for asset in ("raw_patients", "validated_patients", "issues_patients", "dim_patient")
    ] == said
    assert graph.checks("validated_patients", KEY) | graph.checks("dim_patient", KEY) == checks


# ------------------------------------------------------------------------------------------- backfill and re-run


def test_each_stage_can_be_run_again_alone_from_what_the_one_before_wrote(graph: Graph) -> None:
    land(graph, some(5))
    assert graph.deliver(*NAME).success
    before = table(graph)
    (graph.settings.landing / "patients" / f"{KEY}.csv").unlink()
    for asset in ("raw_patients", "dim_patient"):
        assert graph.materialize(asset, *NAME).success
    validate = graph.run_assets(["validated_patients", "issues_patients"], *NAME)
    assert validate.success
    assert table(graph) == before


def test_a_stage_without_what_it_reads_says_so(graph: Graph) -> None:
    result = graph.materialize("dim_patient", *NAME)
    assert not result.success
    assert "no content" in failures(result)[0]


def test_partitions_materialized_in_any_order_end_in_the_same_tables(graph: Graph) -> None:
    moves = {
        ("patients", "priming"): [patient(patient_id=f"{n}U") for n in range(4)],
        ("patients", "2024-01-01"): [patient(patient_id="0U", city="Rome", last_modified_date="1-1-2024")],
        ("patients", "2024-01-02"): [patient(patient_id="0U", city="Bath", last_modified_date="6-1-2023")],
        ("patients", "2024-01-03"): [patient(patient_id="0U", city="Rome", last_modified_date="1-3-2024")],
        ("claims", "2024-01-01"): [claim(patient_id="3U"), claim(claim_id="C2", patient_id="9U")],
    }
    for (feed, delivery), rows in moves.items():
        land(graph, rows, delivery, feed)
    seen = []
    names = list(moves)
    for order in (names, random.Random(7).sample(names, len(names))):
        for name in order:
            assert graph.deliver(*name).success
        tables = [name for feed in FEEDS for name in (feed.table, feed.restated_table)]
        seen.append([table(graph, name) for name in tables])
        graph.settings.warehouse.unlink()
    assert seen[0][0]
    assert seen[0][1], "one row restates"
    assert all(now == before for before, now in itertools.pairwise(seen))


def test_overwriting_a_landed_file_replaces_exactly_what_it_said(graph: Graph) -> None:
    land(graph, [patient(patient_id="0U"), patient(patient_id="1U")], "2024-01-01")
    graph.deliver("patients", "2024-01-01")
    land(graph, [patient(patient_id="0U", city="Rome", last_modified_date="1-5-2024"), patient(patient_id="2U")])
    graph.deliver(*NAME)
    land(graph, [patient(patient_id="1U", city="Bath", last_modified_date="1-6-2024")])
    assert graph.deliver(*NAME).success
    publish(graph)
    said = graph.lakehouse.rows("SELECT patient_id, city, version FROM dim_patient ORDER BY ALL")
    assert said == [("0U", "Little Rock", 1), ("1U", "Bath", 2), ("1U", "Little Rock", 1)]


# -------------------------------------------------------------------------------------------------------- failures


def trouble(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, times: int = 10_000) -> list[int]:
    """Have what the stages call raise an error, so many times; returns a count of the calls."""
    original = getattr(stages, name)
    calls: list[int] = []

    def troubled(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return original(*arguments, **options)

    monkeypatch.setattr(stages, name, troubled)
    return calls


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the wait between them."""
    original = dg.RetryRequested.__init__

    def hurried(self: Any, max_retries: int = 1, seconds_to_wait: float | None = None) -> None:
        assert seconds_to_wait, "what may pass is given time to"
        original(self, max_retries, None)

    monkeypatch.setattr(dg.RetryRequested, "__init__", hurried)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("take_up", KeyError), ("verify", ValueError), ("bring_up_to_date", AssertionError)],
)
def test_an_error_nobody_foresaw_is_told_by_kind_and_place_without_its_text(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, kind: type[Exception]
) -> None:
    land(graph, some(3))
    trouble(monkeypatch, name, kind(f"could not convert {CANARY}"))
    if name == "bring_up_to_date":  # a catch-up has its own way there
        trouble(monkeypatch, "bring_all_up_to_date", kind(f"could not convert {CANARY}"))
    result = graph.deliver(*NAME)
    assert not result.success
    assert f"{kind.__name__} at test_runs.py" in failures(result)[0]
    assert count(result, STEP.STEP_UP_FOR_RETRY) == 0
    assert CANARY not in graph.told()
    assert not graph.catch_up(NAME).success
    assert CANARY not in graph.told()
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("name", ["take_up", "verify", "bring_up_to_date"])
def test_what_may_pass_is_tried_again(graph: Graph, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    land(graph, some(3))
    trouble(monkeypatch, name, OSError(5, "Input/output error"), times=2)
    result = graph.deliver(*NAME)
    assert result.success
    assert count(result, STEP.STEP_UP_FOR_RETRY) == 2
    assert graph.materialized("dim_patient") == [KEY]


@pytest.mark.usefixtures("_at_once")
def test_what_does_not_pass_fails_after_three_more_attempts(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    land(graph, some(3))
    calls = trouble(monkeypatch, "bring_up_to_date", OSError(28, "No space left on device", f"/data/{CANARY}"))
    result = graph.deliver(*NAME)
    assert not result.success
    assert len(calls) == 4
    assert "OSError: No space left on device" in failures(result)[-1]
    assert CANARY not in graph.told()


def test_a_bad_file_is_not_tried_again_and_says_file_place_found_and_expected(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(graph, "patient_id,fname\n1U,Ann\n")
    calls = trouble(monkeypatch, "take_up", AssertionError(), times=0)
    result = graph.deliver(*NAME)
    assert not result.success
    assert len(calls) == 1
    assert count(result, STEP.STEP_UP_FOR_RETRY) == 0
    (told,) = failures(result)
    assert f"patients/{KEY}.csv" in told
    assert "expected" in told
    publish(graph)
    assert graph.lakehouse.rows("SELECT status, rows_landed FROM delivery") == [("failed", None)]


def broken_audit(*_: Any) -> None:
    raise AuditFailed("found 1 records that break 'one current version per record'; expected none.")


def test_an_audit_that_fails_rolls_back_and_shows_as_the_failed_check(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(graph, some(3))
    graph.deliver(*NAME)
    before = table(graph)
    land(graph, some(4))
    with monkeypatch.context() as broken:
        broken.setattr("claims_lakehouse.history.apply.audit", broken_audit)
        result = graph.deliver(*NAME)
    assert not result.success
    check = graph.checks("dim_patient", KEY)["history_invariants"]
    assert (check.passed, check.blocking, check.severity) == (False, True, "ERROR")
    assert "one current version per record" in check.description
    assert count(result, STEP.STEP_UP_FOR_RETRY) == 0
    assert table(graph) == before
    assert graph.deliver(*NAME).success
    assert len(table(graph)) == 4
    assert graph.checks("dim_patient", KEY)["history_invariants"].passed


def test_an_audit_that_fails_in_a_catch_up_shows_as_the_failed_check_too(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(graph, some(3))
    monkeypatch.setattr("claims_lakehouse.history.apply.audit", broken_audit)
    assert not graph.catch_up(NAME).success
    assert graph.checks("dim_patient", KEY)["history_invariants"].passed is False
    state = Journal(graph.settings, *NAME).state()
    assert state is not None
    assert state.applied is None


# ---------------------------------------------------------------------------------------------------------- alerts


class Called(list[tuple[str, dict[str, Any]]]):
    """What a webhook was called with: content type and body."""

    url = ""


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Called]:
    called = Called()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            called.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        called.url = f"http://127.0.0.1:{server.server_port}/alerts"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield called
        server.shutdown()
        thread.join()


def alerted(graph: Graph, result: dg.ExecuteInProcessResult) -> None:
    event = next(event for event in result.all_events if event.event_type is STEP.PIPELINE_FAILURE)
    context = dg.build_run_status_sensor_context(
        "alert_sensor", dagster_instance=graph.instance, dagster_run=result.dagster_run, dagster_event=event
    ).for_run_failure()
    alert_sensor(context)


def test_a_failed_run_is_one_structured_line_and_one_call_without_a_value(
    graph: Graph, webhook: Called, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLAIMS_ALERT_WEBHOOK", webhook.url)
    land(graph, f'patient_id,fname\n"{CANARY}"x')
    result = graph.deliver(*NAME, **{"claims/feed": "patients", "claims/delivery": KEY})
    with caplog.at_level(logging.ERROR, "claims_lakehouse.alerts"):
        alerted(graph, result)
    (record,) = [one for one in caplog.records if one.name == "claims_lakehouse.alerts"]
    assert "\n" not in record.getMessage()
    told = json.loads(record.getMessage())
    assert told | {"at": ""} == {
        "event": "run_failed", "run_id": result.run_id, "job": "ingest_patients", "feed": "patients",
        "delivery": KEY, "steps": ["raw_patients"], "at": "",
    }  # fmt: skip
    assert webhook == [("application/json", told)]
    assert CANARY not in repr(webhook) + caplog.text


def test_without_a_webhook_the_line_is_all(graph: Graph, webhook: Called, caplog: pytest.LogCaptureFixture) -> None:
    land(graph, "nothing of ours\n")
    alerted(graph, graph.deliver(*NAME))
    assert len([one for one in caplog.records if one.name == "claims_lakehouse.alerts"]) == 1
    assert webhook == []


def test_a_webhook_that_is_not_to_be_had_keeps_no_alert_from_the_log(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLAIMS_ALERT_WEBHOOK", "http://127.0.0.1:9/alerts")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    land(graph, "nothing of ours\n")
    with suppress(URLError):
        alerted(graph, graph.deliver(*NAME))
    assert len([one for one in caplog.records if "run_failed" in one.getMessage()]) == 1
