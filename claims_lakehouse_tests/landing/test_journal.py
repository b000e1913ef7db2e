"""What a delivery's journal amounts to, and that a line cut short by a kill never happened."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims_lakehouse.landing.journal import DeliveryState, Event, Happening, Journal, journaled_deliveries, state_of
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import moment

RECEIVED = moment("2024-02-01")
HAPPENINGS: tuple[Happening, ...] = (
    "landed", "failed", "applied", "replaced", "held", "released", "retracted", "reinstated",
)  # fmt: skip
Told = tuple[Happening, str | None]


def events(*told: Told) -> list[Event]:
    """A received delivery and what happened to it, a minute each; a failure is told by its content."""
    minutes = count(1)
    return [
        Event(moment("2024-02-01 08:00"), "received", received_at=RECEIVED),
        *(
            Event(datetime(2024, 2, 1, 9, next(minutes)), happening, content, detail=f"{happening} {content}")  # noqa: DTZ001
            for happening, content in told
        ),
    ]


def state(*told: Told) -> DeliveryState:
    found = state_of(events(*told))
    assert found is not None
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "landing", tmp_path / "home")


@pytest.fixture
def journal(settings: Settings) -> Journal:
    return Journal(settings, "patients", "2024-02-01")


def file_of(settings: Settings) -> Path:
    return settings.delivery_folder("patients", "2024-02-01") / "journal.jsonl"


def test_a_delivery_that_was_never_received_has_no_state(journal: Journal) -> None:
    assert state_of([]) is None
    assert state_of(events(("landed", "a"))[1:]) is None
    assert journal.state() is None
    assert journal.events() == []


def test_a_received_delivery_has_no_content_yet() -> None:
    found = state()
    assert (found.received_at, found.content, found.applied, found.failure) == (RECEIVED, None, None, None)
    assert found.status == "failed"


def test_the_last_content_that_landed_well_stands() -> None:
    found = state(("landed", "a"), ("applied", "a"), ("replaced", "b"), ("applied", "b"))
    assert (found.content, found.applied, found.status) == ("b", "b", "applied")


def test_a_content_that_failed_leaves_the_last_good_one_standing() -> None:
    found = state(("landed", "a"), ("applied", "a"), ("failed", "b"))
    assert (found.content, found.applied, found.status) == ("a", "a", "applied")
    assert (found.failure, found.failed_content) == ("failed b", "b")


def test_a_good_content_after_a_broken_one_clears_the_failure() -> None:
    for last in ("landed", "replaced"):
        found = state(("landed", "a"), ("failed", "b"), (last, "a"))
        assert (found.content, found.failure, found.failed_content) == ("a", None, None)


def test_a_failure_that_could_not_be_read_has_no_content() -> None:
    found = state(("failed", None))
    assert (found.content, found.failure, found.failed_content) == (None, "failed None", None)
    assert found.status == "failed"


def test_the_last_failure_is_the_one_told() -> None:
    found = state(("failed", "a"), ("failed", "b"))
    assert (found.failure, found.failed_content) == ("failed b", "b")


def test_recorded_at_is_when_it_was_first_applied_and_stays() -> None:
    found = state(("landed", "a"), ("applied", "a"), ("replaced", "b"), ("applied", "b"), ("retracted", "b"))
    assert found.recorded_at == moment("2024-02-01 09:02")


def test_received_at_is_written_once() -> None:
    again = Event(moment("2024-03-01"), "received", received_at=moment("2024-03-01"))
    found = state_of([*events(("landed", "a")), again])
    assert found is not None
    assert found.received_at == RECEIVED


def test_a_retraction_binds_to_the_content_and_new_content_applies() -> None:
    retracted = [("landed", "a"), ("applied", "a"), ("retracted", "a")]
    assert state(*retracted).status == "retracted"
    assert state(*retracted, ("replaced", "b")).status == "applied"
    assert state(*retracted, ("replaced", "b"), ("replaced", "a")).status == "retracted"


def test_a_reinstatement_undoes_a_retraction_and_only_that_contents() -> None:
    assert state(("landed", "a"), ("retracted", "a"), ("reinstated", "a")).status == "applied"
    assert state(("landed", "a"), ("retracted", "a"), ("reinstated", "b")).status == "retracted"
    assert state(("landed", "a"), ("reinstated", "a"), ("retracted", "a")).status == "retracted"


def test_a_retraction_of_no_content_retracts_nothing() -> None:
    assert state(("landed", "a"), ("retracted", None)).status == "applied"


def test_a_held_content_waits_and_what_was_applied_before_it_stands() -> None:
    found = state(("landed", "a"), ("applied", "a"), ("replaced", "b"), ("held", "b"))
    assert (found.status, found.content, found.standing, found.holding) == ("held", "b", "a", "held b")
    first = state(("landed", "a"), ("held", "a"))
    assert (first.status, first.standing) == ("held", None)


def test_a_persons_release_lets_the_held_content_go_on_and_is_remembered() -> None:
    told = events(("landed", "a"), ("held", "a"), ("released", "a"))
    found = state_of([*told[:-1], replace(told[-1], who="somebody")])
    assert found is not None
    assert (found.status, found.standing, found.holding) == ("applied", "a", None)
    assert found.released == {"a"}
    assert state(("landed", "a"), ("held", "a"), ("released", "b")).status == "held"


def test_checks_that_no_longer_object_let_the_content_go_on_and_may_object_again() -> None:
    found = state(("landed", "a"), ("held", "a"), ("released", "a"))
    assert (found.status, found.standing, found.released) == ("applied", "a", frozenset())
    assert state(("landed", "a"), ("held", "a"), ("released", "a"), ("held", "a")).status == "held"


def test_a_replacement_of_a_held_content_is_not_held_itself() -> None:
    found = state(("landed", "a"), ("held", "a"), ("replaced", "b"))
    assert (found.status, found.standing, found.holding) == ("applied", "b", None)


@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.sampled_from(["a", "b", None])), max_size=12))
def test_every_order_of_events_amounts_to_something_consistent(told: list[Told]) -> None:
    found = state(*told)
    landed = [content for happening, content in told if happening in ("landed", "replaced")]
    assert found.content == (landed[-1] if landed else None)
    ends = [(happening, content) for happening, content in told if happening in ("landed", "replaced", "failed")]
    assert (found.failure is not None) == (bool(ends) and ends[-1][0] == "failed")
    assert found.status in ("applied", "held", "failed", "retracted")
    assert not found.held & found.released - {content for happening, content in told if happening == "held"}


def test_what_was_written_is_read_back(journal: Journal) -> None:
    journal.append("received", at=moment("2024-02-01 08:00:00.000001"), received_at=RECEIVED)
    journal.append("failed", fingerprint="a", detail="p.csv: found 'x\ny'; expected ü", run_id="r", who="w", why="y")
    first, second = journal.events()
    assert first == Event(moment("2024-02-01 08:00:00.000001"), "received", received_at=RECEIVED)
    assert (second.detail, second.run_id, second.who, second.why) == ("p.csv: found 'x\ny'; expected ü", "r", "w", "y")


def test_an_event_is_one_line_of_json_with_only_what_is_known(journal: Journal, settings: Settings) -> None:
    journal.append("landed", at=RECEIVED, fingerprint="a")
    [line] = file_of(settings).read_text().splitlines()
    assert json.loads(line) == {"at": "2024-02-01T00:00:00", "event": "landed", "fingerprint": "a"}


def test_the_journal_is_for_its_owner_only(journal: Journal, settings: Settings) -> None:
    journal.append("landed", fingerprint="a")
    assert file_of(settings).stat().st_mode & 0o777 == 0o600
    assert file_of(settings).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_torn_last_line_never_happened_and_the_next_event_stands_by_itself(
    journal: Journal, settings: Settings, kept: int
) -> None:
    journal.append("received", received_at=RECEIVED)
    whole = file_of(settings).read_bytes()
    journal.append("landed", at=RECEIVED, fingerprint="a")
    line = file_of(settings).read_bytes().removeprefix(whole)
    assert kept < len(line) - 2
    file_of(settings).write_bytes(whole + line[:kept])
    assert [event.event for event in journal.events()] == ["received"]
    journal.append("failed", fingerprint="b", detail="d")
    assert [event.event for event in journal.events()] == ["received", "failed"]


def test_an_event_whose_line_end_was_lost_still_happened(journal: Journal, settings: Settings) -> None:
    journal.append("received", received_at=RECEIVED)
    journal.append("landed", fingerprint="a")
    path = file_of(settings)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    journal.append("applied", fingerprint="a")
    assert [event.event for event in journal.events()] == ["received", "landed", "applied"]


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"null", b"{}", b'{"at": 1}', b'{"at": "soon", "event": "landed"}', b"\xff"]
)
def test_a_line_that_is_no_event_is_passed_over(journal: Journal, settings: Settings, line: bytes) -> None:
    journal.append("received", received_at=RECEIVED)
    path = file_of(settings)
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert [event.event for event in journal.events()] == ["received"]


def received(journal: Journal, settings: Settings, delivery: str, *times: int) -> DeliveryState:
    parts = []
    for number, seconds in enumerate(times):
        part = settings.landing / f"{number}.csv"
        part.parent.mkdir(exist_ok=True)
        part.touch()
        os.utime(part, (seconds, seconds))
        parts.append(part)
    return journal.receive(delivery, parts)


def test_a_delivery_is_received_when_its_key_says(journal: Journal, settings: Settings) -> None:
    assert received(journal, settings, "2024-02-01", 1_000_000_000).received_at == RECEIVED


def test_or_when_its_newest_file_was_last_changed_and_that_is_kept(journal: Journal, settings: Settings) -> None:
    first = received(journal, settings, "update", 1_000_000_000, 1_000_000_005)
    assert first.received_at == moment("2001-09-09 01:46:45")
    again: Any = received(journal, settings, "update", 1_700_000_000)
    assert again == first
    assert [event.event for event in journal.events()] == ["received"]


def test_every_journaled_delivery_of_a_feed_is_found(settings: Settings) -> None:
    for key in ("b", "a", "10", "2"):
        Journal(settings, "patients", key).append("received", received_at=RECEIVED)
    Journal(settings, "claims", "c").append("received", received_at=RECEIVED)
    (settings.home / "raw" / "patients" / "no journal").mkdir()
    assert list(journaled_deliveries(settings, "patients")) == ["10", "2", "a", "b"]
    assert list(journaled_deliveries(settings, "providers")) == []
