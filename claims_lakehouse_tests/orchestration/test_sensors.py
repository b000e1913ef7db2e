"""What starts by itself: the sensors, tick by tick, on an instance of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from claims_lakehouse.history.issue_acts import waive
from claims_lakehouse.history.tick import Start
from claims_lakehouse.landing.fingerprint import Fingerprints
from claims_lakehouse.orchestration import sensors
from claims_lakehouse.orchestration.jobs import DELIVERY_TAG, FEED_TAG, catch_up_config, deliveries_in
from claims_lakehouse.orchestration.resources import Lakehouse
from claims_lakehouse.orchestration.sensors import landing_sensor, publication_sensor
from claims_lakehouse.payments.payer_file import made_up_settings
from claims_lakehouse_tests.builders import patient, provider
from claims_lakehouse_tests.orchestration.graph import CODE_LOCATION, Graph

LONG_AGO = 1_600_000_000
Ends = Callable[[], Any]
InHand = Callable[..., Ends]


class Ticks:
    """One sensor's ticks, each given the cursor that the last one left."""

    def __init__(self, graph: Graph, sensor: dg.SensorDefinition) -> None:
        self._graph, self._sensor, self.cursor = graph, sensor, None

    def tick(self) -> dg.SensorResult:
        context = dg.build_sensor_context(
            self._graph.instance,
            cursor=self.cursor,
            repository_def=CODE_LOCATION,
            sensor_name=self._sensor.name,
            resources={"lakehouse": Lakehouse()},
        )
        with context:
            result = self._sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result


@pytest.fixture
def landing(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    # A clock by which what was just written has lain still.
    monkeypatch.setattr(Fingerprints.__init__, "__defaults__", (lambda: time.time_ns() + 60 * 10**9,))
    monkeypatch.setattr(sensors, "_journals", sensors.JournalReader())
    return Ticks(graph, landing_sensor)


@pytest.fixture
def publication(graph: Graph) -> Ticks:
    return Ticks(graph, publication_sensor)


def land(graph: Graph, delivery: str, feed: str = "patients", **changed: str) -> None:
    path = graph.lakehouse.land(feed, delivery, [provider() if feed == "providers" else patient(**changed)])
    os.utime(path, (LONG_AGO, LONG_AGO))


def job_of(request: dg.RunRequest) -> str:
    """The job that a request asks for; a sensor of one job leaves it out."""
    return request.job_name or "publish"


def told(data: dg.SensorResult) -> str:
    return data.skip_reason.skip_message or "" if data.skip_reason else ""


def started(data: dg.SensorResult) -> list[tuple[str, str | None]]:
    return [(job_of(request), request.partition_key) for request in data.run_requests or []]


def keys(data: dg.SensorResult) -> list[str | None]:
    return [request.run_key for request in data.run_requests or []]


def carry_out(graph: Graph, data: dg.SensorResult) -> None:
    """Run what a tick asked for."""
    for request in data.dynamic_partitions_requests or []:
        graph.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    for request in data.run_requests or []:
        graph.run(job_of(request), request.run_config, partition_key=request.partition_key, tags=request.tags)


@pytest.fixture
def in_hand(graph: Graph) -> InHand:
    """Runs that have begun, until they are told to end."""

    def begin(job: str, tags: dict[str, str] | None = None, run_config: dict[str, Any] | None = None) -> Ends:
        run = graph.instance.create_run_for_job(
            CODE_LOCATION.get_job(job), run_config=run_config, tags=tags, status=dg.DagsterRunStatus.STARTED
        )
        return lambda: graph.instance.report_run_canceled(run)

    return begin


# --------------------------------------------------------------------------------------------------------- landing


def test_a_file_seen_first_waits_and_starts_at_the_next_tick_with_its_partition(graph: Graph, landing: Ticks) -> None:
    land(graph, "2024-02-01")
    first = landing.tick()
    assert started(first) == []
    assert "1 deliveries wait" in told(first)
    second = landing.tick()
    assert started(second) == [("ingest_patients", "2024-02-01")]
    (request,) = second.run_requests
    assert (request.tags[FEED_TAG], request.tags[DELIVERY_TAG]) == ("patients", "2024-02-01")
    (new,) = second.dynamic_partitions_requests
    assert (new.partitions_def_name, list(new.partition_keys)) == ("patients_deliveries", ["2024-02-01"])


def test_what_was_applied_does_not_start_again_wherever_the_cursor_stands(graph: Graph, landing: Ticks) -> None:
    land(graph, "2024-02-01")
    landing.tick()
    carry_out(graph, landing.tick())
    for _ in range(3):
        landing.cursor = None
        assert started(landing.tick()) == []


def test_other_content_and_content_put_back_start_again_under_new_run_keys(graph: Graph, landing: Ticks) -> None:
    seen: list[str | None] = []
    for city in ("Rome", "Pompeii", "Rome"):
        land(graph, "2024-02-01", city=city)
        landing.tick()
        second = landing.tick()
        assert started(second) == [("ingest_patients", "2024-02-01")]
        carry_out(graph, second)
        seen += keys(second)
    assert len(set(seen)) == 3


def test_a_broken_file_starts_once(graph: Graph, landing: Ticks) -> None:
    graph.lakehouse.land("patients", "2024-02-01", "nothing of ours\n")
    landing.tick()
    carry_out(graph, landing.tick())
    assert started(landing.tick()) == []
    assert started(landing.tick()) == []
    land(graph, "2024-02-01")
    landing.tick()
    assert started(landing.tick()) == [("ingest_patients", "2024-02-01")]


def test_a_delivery_in_a_queued_run_or_catch_up_is_left_to_it(graph: Graph, landing: Ticks, in_hand: InHand) -> None:
    land(graph, "2024-02-01")
    land(graph, "2024-02-02")
    landing.tick()
    ends = [
        in_hand("catch_up", run_config=catch_up_config([Start("patients", "2024-02-01", "")])),
        in_hand("ingest_patients", {FEED_TAG: "patients", DELIVERY_TAG: "2024-02-02"}),
    ]
    data = landing.tick()
    assert started(data) == []
    assert "2 are in hand" in told(data)
    for end in ends:
        end()
    landing.tick()
    assert len(started(landing.tick())) == 2


def test_many_at_once_share_one_catch_up_run(
    graph: Graph, landing: Ticks, in_hand: InHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAIMS_CATCH_UP_FROM", "3")
    for day in (3, 1, 2):
        land(graph, f"2024-02-0{day}")
    land(graph, "2024-02-01", feed="providers")
    landing.tick()
    data = landing.tick()
    assert started(data) == [("catch_up", None)]
    assert deliveries_in(data.run_requests[0].run_config) == [
        ("patients", "2024-02-01"), ("providers", "2024-02-01"), ("patients", "2024-02-02"), ("patients", "2024-02-03"),
    ]  # fmt: skip
    new = {one.partitions_def_name: sorted(one.partition_keys) for one in data.dynamic_partitions_requests}
    assert new == {
        "patients_deliveries": ["2024-02-01", "2024-02-02", "2024-02-03"],
        "providers_deliveries": ["2024-02-01"],
    }
    end = in_hand("catch_up", run_config=data.run_requests[0].run_config)
    for day in (4, 5, 6):
        land(graph, f"2024-02-0{day}")
    landing.tick()
    assert started(landing.tick()) == [], "one catch-up at a time"
    end()
    later = landing.tick()
    assert started(later) == [("catch_up", None)]
    assert len(deliveries_in(later.run_requests[0].run_config)) == 7
    assert keys(later) != keys(data)


def test_thousands_at_once_are_spread_over_ticks(graph: Graph, landing: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "BATCH", 4)
    monkeypatch.setenv("CLAIMS_CATCH_UP_FROM", "3")
    for number in range(10):
        land(graph, f"2024-02-{number + 1:02}")
    landing.tick()
    taken: list[int] = []
    for _ in range(20):
        data = landing.tick()
        taken += [
            len(deliveries_in(request.run_config)) for request in data.run_requests or [] if not request.partition_key
        ]
        taken += [1 for request in data.run_requests or [] if request.partition_key]
        carry_out(graph, data)
    assert max(taken) <= 4
    assert sum(taken) == 10


def test_a_file_of_no_delivery_is_reported_once_a_change_in_the_message_and_as_an_observation(
    graph: Graph, landing: Ticks
) -> None:
    stray = graph.settings.landing / "pharmacies_2024.csv"
    stray.write_text("x")
    first = landing.tick()
    assert "'pharmacies_2024.csv'" in told(first)
    (observed,) = first.asset_events
    assert observed.asset_key == dg.AssetKey("landing_folder")
    assert observed.metadata["failed"].value is True
    assert observed.metadata["files"].value == 1
    assert "pharmacies_2024.csv" in observed.metadata["found"].value
    second = landing.tick()
    assert second.asset_events == []
    assert "pharmacies" not in told(second)
    stray.with_name("ward_2024.csv").write_text("x")
    assert landing.tick().asset_events[0].metadata["files"].value == 2
    for file in graph.settings.landing.iterdir():
        file.unlink()
    (mended,) = landing.tick().asset_events
    assert mended.metadata["failed"].value is False
    assert landing.tick().asset_events == []


def test_a_file_of_no_delivery_keeps_no_other_waiting(graph: Graph, landing: Ticks) -> None:
    land(graph, "2024-02-01")
    landing.tick()
    (graph.settings.landing / "pharmacies_2024.csv").write_text("x")
    data = landing.tick()
    assert started(data) == [("ingest_patients", "2024-02-01")]
    assert len(data.asset_events) == 1


def test_without_a_landing_folder_the_tick_says_so(graph: Graph, landing: Ticks) -> None:
    graph.settings.landing.rmdir()
    assert "no landing folder" in told(landing.tick())


# ----------------------------------------------------------------------------------------------------- publication


def apply_one(graph: Graph, delivery: str, **changed: str) -> None:
    graph.lakehouse.land("patients", delivery, [patient(patient_id=delivery, **changed)])
    assert graph.deliver("patients", delivery).success


def test_nothing_is_published_as_long_as_nothing_was_applied(publication: Ticks) -> None:
    assert started(publication.tick()) == []


def test_what_was_applied_is_published_once_a_burst(graph: Graph, publication: Ticks, in_hand: InHand) -> None:
    apply_one(graph, "2024-02-01")
    end = in_hand("ingest_patients", {FEED_TAG: "patients", DELIVERY_TAG: "2024-02-02"})
    assert started(publication.tick()) == [], "a delivery is still in hand"
    apply_one(graph, "2024-02-02")
    assert started(publication.tick()) == []
    end()
    data = publication.tick()
    assert started(data) == [("publish", None)]
    carry_out(graph, data)
    assert started(publication.tick()) == []
    assert started(publication.tick()) == []


def test_a_published_file_that_is_gone_is_published_again(graph: Graph, publication: Ticks) -> None:
    apply_one(graph, "2024-02-01")
    carry_out(graph, publication.tick())
    graph.settings.published.unlink()
    carry_out(graph, publication.tick())
    assert graph.lakehouse.rows("SELECT count(*) FROM patient") == [(1,)]


def test_a_held_delivery_is_listed_to_readers_without_waiting_for_the_next_one(
    graph: Graph, publication: Ticks
) -> None:
    bad = [patient(patient_id=f"B{number}", zipcode="?" if number < 60 else "72201") for number in range(100)]
    graph.lakehouse.land("patients", "2024-02-01", bad)
    assert not graph.deliver("patients", "2024-02-01").success
    carry_out(graph, publication.tick())
    assert graph.lakehouse.rows("SELECT status FROM delivery") == [("held",)]
    graph.lakehouse.land("patients", "2024-02-02", "nothing of ours\n")
    assert not graph.deliver("patients", "2024-02-02").success
    carry_out(graph, publication.tick())
    assert graph.lakehouse.rows("SELECT status FROM delivery ORDER BY delivery") == [("held",), ("failed",)]
    graph.lakehouse.land("patients", "2024-02-03", [one | {"lname": "Other"} for one in bad])
    assert graph.catch_up(("patients", "2024-02-03")).success
    carry_out(graph, publication.tick())
    assert len(graph.lakehouse.rows("FROM delivery WHERE status = 'held'")) == 2
    assert started(publication.tick()) == []


def test_a_publication_that_failed_is_asked_for_again(
    graph: Graph, publication: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_one(graph, "2024-02-01")
    carry_out(graph, publication.tick())
    apply_one(graph, "2024-02-02")
    first = publication.tick()
    with monkeypatch.context() as broken:
        broken.setattr("claims_lakehouse.orchestration.assets.publish", lambda _: 1 / 0)
        carry_out(graph, first)
    second = publication.tick()
    assert started(second) == [("publish", None)]
    assert keys(second) != keys(first)


def test_a_delivery_that_lands_while_a_publication_runs_is_not_forgotten(
    graph: Graph, publication: Ticks, in_hand: InHand
) -> None:
    apply_one(graph, "2024-02-01")
    first = publication.tick()
    end = in_hand("publish")
    apply_one(graph, "2024-02-02")
    second = publication.tick()
    end()
    second = second if second.run_requests else publication.tick()
    assert started(second) == [("publish", None)]
    assert keys(second) != keys(first)
    carry_out(graph, second)
    assert graph.lakehouse.rows("SELECT count(*) FROM patient") == [(2,)]


def test_readers_wait_no_longer_than_the_patience_however_much_keeps_coming(
    graph: Graph, publication: Ticks, in_hand: InHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_one(graph, "2024-02-01")
    in_hand("ingest_patients", {FEED_TAG: "patients", DELIVERY_TAG: "2024-02-02"})
    now = time.time()
    for after, published in ((0, False), (60, False), (119, False), (121, True), (122, False)):
        monkeypatch.setattr(sensors.time, "time", lambda after=after: now + after)
        assert bool(started(publication.tick())) is published, after


def test_a_failed_delivery_does_not_keep_the_others_from_being_published(graph: Graph, publication: Ticks) -> None:
    apply_one(graph, "2024-02-01")
    graph.lakehouse.land("patients", "2024-02-02", "nothing of ours\n")
    assert not graph.deliver("patients", "2024-02-02").success
    assert started(publication.tick()) == [("publish", None)]


def test_what_a_person_decided_is_published_too(graph: Graph, publication: Ticks) -> None:
    apply_one(graph, "2024-02-01")
    carry_out(graph, publication.tick())
    assert graph.act("retract", "patients", "2024-02-01").success
    carry_out(graph, publication.tick())
    assert graph.lakehouse.rows("SELECT status FROM delivery") == [("retracted",)]
    assert graph.lakehouse.rows("SELECT count(*) FROM patient") == [(0,)]


def test_what_a_person_decided_about_an_issue_is_published_once(graph: Graph, publication: Ticks) -> None:
    apply_one(graph, "2024-02-01", zipcode="x")
    carry_out(graph, publication.tick())
    waive(graph.lakehouse.settings, graph.lakehouse.seen_issues(), because="as agreed", who="ann")
    carry_out(graph, publication.tick())
    assert graph.lakehouse.rows("SELECT status, waived_by FROM issue") == [("waived", "ann")]
    assert started(publication.tick()) == []


def test_other_settings_of_the_payer_are_taken_up_once(
    graph: Graph, publication: Ticks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_one(graph, "2024-02-01")
    carry_out(graph, publication.tick())
    path = tmp_path / "payer.toml"
    monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(path))
    path.write_text(made_up_settings(["1234567893"]))
    carry_out(graph, publication.tick())
    assert started(publication.tick()) == []
    path.write_text(made_up_settings(["1234567893", "1000000004"]))
    assert started(publication.tick()) == [("publish", None)]
