"""What one look at the landing folder leads to: decided from values alone, and observed without needless reading."""

from __future__ import annotations

import builtins
import os
import pathlib
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.contracts import FEEDS
from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import write_json
from claims_lakehouse.history.plan import DeliveryName
from claims_lakehouse.history.tick import Decision, Observation, Seen, Start, decide, observe
from claims_lakehouse.landing.fingerprint import Fingerprints
from claims_lakehouse.landing.journal import DeliveryState, Journal, JournalReader
from claims_lakehouse_tests.builders import Lakehouse, moment, patient

NAME = ("patients", "2024-02-01")
LONG_AGO = 1_600_000_000


def state(**known: Any) -> DeliveryState:
    return DeliveryState(received_at=known.pop("received_at", moment("2024-02-01")), **known)


def applied(content: str = "a", **known: Any) -> DeliveryState:
    return state(content=content, applied=content, **({"turns": 1} | known))


def seen(content: str | None, known: DeliveryState | None, look: str | None = "look", at: str = "2024-02-01") -> Seen:
    return Seen(moment(at), look, content, known)


def decided(found: Seen, *, in_flight: set[DeliveryName] | None = None) -> Decision:
    return decide(Observation({NAME: found}), in_flight or set(), limit=10)


def key_of(found: Seen) -> str:
    (start,) = decided(found).start
    return start.run_key


# ---------------------------------------------------------------------------------------------------------- decide


def test_a_new_delivery_starts() -> None:
    (start,) = decided(seen("a", None)).start
    assert (start.feed, start.delivery) == NAME


def test_content_that_is_applied_does_not_start_again() -> None:
    assert decided(seen("a", applied("a"))) == Decision([])


def test_other_content_under_the_same_name_starts_under_another_run_key() -> None:
    assert key_of(seen("b", applied("a"))) != key_of(seen("a", None))


def test_content_put_back_starts_under_a_run_key_of_its_own() -> None:
    keys = [key_of(seen("a", None)), key_of(seen("b", applied("a", turns=1))), key_of(seen("a", applied("b", turns=2)))]
    assert len(set(keys)) == 3


def test_as_long_as_nothing_happens_the_run_key_stays_so_that_no_second_run_starts() -> None:
    assert key_of(seen("b", applied("a"))) == key_of(seen("b", applied("a")))


def test_a_broken_file_does_not_start_again_until_it_changes() -> None:
    failed = state(failure="told", failed_content="bad", turns=1)
    assert decided(seen("bad", failed)).start == []
    assert decided(seen("mended", failed)).start != []


def test_a_file_that_cannot_even_be_read_does_not_start_again_as_long_as_it_fails_alike() -> None:
    failed = state(failure="no access", turns=1)
    assert decided(seen("no access", failed)).start == []
    assert decided(seen("a", failed)).start != []


def test_good_content_put_back_after_a_broken_file_starts_so_that_the_failure_is_cleared() -> None:
    failed = applied("a", failure="told", failed_content="bad", turns=2)
    assert decided(seen("bad", failed)).start == []
    assert decided(seen("a", failed)).start != []


def test_a_file_that_may_still_be_written_waits_and_is_told_to_the_next_look() -> None:
    assert decided(seen(None, None)) == Decision([], {"patients/2024-02-01": "look"})


def test_a_delivery_in_a_runs_hands_is_left_to_it() -> None:
    for found in (seen("b", applied("a")), seen(None, None), seen("a", None)):
        assert decided(found, in_flight={NAME}) == Decision([])


def test_content_that_was_taken_up_but_never_applied_is_due_under_a_new_run_key() -> None:
    killed = state(content="a", turns=1)
    assert key_of(seen("a", killed)) != key_of(seen("a", None))
    assert key_of(seen("a", killed, look=None)) == key_of(seen("a", killed))


@pytest.mark.parametrize(
    "known",
    [
        state(content="a", held=frozenset({"a"}), holding="too many", turns=1),
        state(content="b", applied="a", held=frozenset({"b"}), holding="too many", turns=2),
        applied("a", retracted=frozenset({"a"})),
        state(content="a", retracted=frozenset({"a"}), turns=1),
    ],
    ids=["held", "held after good content", "retracted", "retracted before it was applied"],
)
def test_what_a_person_has_to_decide_or_has_decided_is_not_due(known: DeliveryState) -> None:
    assert decided(seen(known.content, known)) == Decision([])
    assert decided(seen(known.content, known, look=None)) == Decision([])


def test_a_released_delivery_is_due_until_it_is_applied() -> None:
    released = state(content="a", released=frozenset({"a"}), turns=1)
    assert decided(seen("a", released)).start != []
    assert decided(seen("a", applied("a", released=frozenset({"a"})))).start == []


def test_new_content_of_a_held_or_retracted_delivery_starts() -> None:
    held = state(content="a", held=frozenset({"a"}), holding="too many", turns=1)
    for known in (held, applied("a", retracted=frozenset({"a"}))):
        assert decided(seen("b", known)).start != []


def test_a_file_that_left_landing_leads_to_nothing_once_it_was_applied() -> None:
    assert decided(seen("a", applied("a"), look=None)) == Decision([])
    assert decided(seen("a", applied("a", failure="told", failed_content="b"), look=None)) == Decision([])


def test_deliveries_start_in_the_order_in_which_they_were_received_parents_before_children() -> None:
    found = {
        ("claims", "2024-01-01"): seen("a", None, at="2024-01-01"),
        ("patients", "2024-03-01"): seen("a", None, at="2024-03-01"),
        ("patients", "2024-01-01"): seen("a", None, at="2024-01-01"),
        ("claims", "zz"): seen("a", None, at="2024-01-15"),
        ("providers", "2024-01-01"): seen("a", None, at="2024-01-01"),
        ("patients", "priming"): seen("a", None, at="1900-01-01"),
    }
    assert [start[:2] for start in decide(Observation(found), set(), limit=10).start] == [
        ("patients", "priming"),
        ("patients", "2024-01-01"),
        ("providers", "2024-01-01"),
        ("claims", "2024-01-01"),
        ("claims", "zz"),
        ("patients", "2024-03-01"),
    ]


def test_what_is_over_the_limit_is_left_and_starts_after_one_of_the_next_looks() -> None:
    found = {("patients", f"d{n}"): seen("a", None, at=f"2024-01-0{n}") for n in range(1, 8)}
    first = decide(Observation(found), set(), limit=3)
    assert [start.delivery for start in first.start] == ["d1", "d2", "d3"]
    assert first.left == 4
    assert sorted(first.waiting) == [f"patients/d{n}" for n in range(4, 8)]
    started = {(start.feed, start.delivery) for start in first.start}
    second = decide(Observation(found), started, limit=3)
    assert [start.delivery for start in second.start] == ["d4", "d5", "d6"]
    assert second.left == 1


def test_the_decision_takes_nothing_but_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("decide opened a file")

    monkeypatch.setattr(builtins, "open", never)
    monkeypatch.setattr(pathlib.Path, "open", never)
    monkeypatch.setattr(os, "scandir", never)
    found = decided(seen("a", None))
    assert found.start == [Start(*NAME, found.start[0].run_key)]


# --------------------------------------------------------------------------------------------------------- observe


def land(lakehouse: Lakehouse, delivery: str = "2024-02-01", at: float = LONG_AGO, **changed: str) -> Path:
    """A landed file that has lain still for long."""
    path = lakehouse.land("patients", delivery, [patient(**changed)])
    os.utime(path, (at, at))
    return path


class Looks:
    """Looks at one landing folder, one after the other, as the sensor takes them."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._settings, self._journals, self.waited = lakehouse.settings, JournalReader(), dict[str, str]()

    def look(self, reads: int = 100) -> Observation:
        found = observe(self._settings, self.waited, self._journals, reads)
        self.waited = decide(found, set(), limit=100).waiting
        return found


@pytest.fixture
def looks(lakehouse: Lakehouse) -> Looks:
    return Looks(lakehouse)


@pytest.fixture
def opened(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the landed files that were opened for reading."""
    names: list[str] = []
    original = Path.open

    def watched(self: Path, *arguments: Any, **options: Any) -> Any:
        reads = (arguments[0] if arguments else options.get("mode", "r")).startswith("r")
        if reads and self.is_relative_to(lakehouse.settings.landing):
            names.append(self.name)
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", watched)
    return names


def test_a_file_seen_first_waits_and_the_second_look_reads_it(
    lakehouse: Lakehouse, looks: Looks, opened: list[str]
) -> None:
    land(lakehouse)
    assert looks.look().seen[NAME].content is None
    assert opened == []
    found = looks.look().seen[NAME]
    assert found.content is not None
    assert len(found.content) == 64
    assert opened == ["2024-02-01.csv"]


@pytest.mark.parametrize("changed", ["size", "time"])
def test_a_file_that_changed_since_the_last_look_waits_once_more(
    lakehouse: Lakehouse, looks: Looks, changed: str
) -> None:
    land(lakehouse)
    looks.look()
    land(lakehouse, city="Elsewhere") if changed == "size" else land(lakehouse, at=LONG_AGO + 1)
    assert looks.look().seen[NAME].content is None
    assert looks.look().seen[NAME].content is not None


def test_a_file_under_a_temporary_name_is_not_seen(lakehouse: Lakehouse, looks: Looks) -> None:
    for name in ("2024-02-01.csv.tmp", "2024-02-02.csv.part", ".2024-02-03.csv", "_2024-02-04.csv"):
        land(lakehouse).rename(lakehouse.settings.landing / "patients" / name)
    assert looks.look() == Observation({})


@pytest.fixture
def a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which every file has lain still long enough for its fingerprint to be remembered."""
    monkeypatch.setattr(Fingerprints.__init__, "__defaults__", (lambda: time.time_ns() + 60 * 10**9,))


@pytest.mark.usefixtures("a_minute_later")
def test_a_known_fingerprint_is_not_read_again(lakehouse: Lakehouse, looks: Looks, opened: list[str]) -> None:
    land(lakehouse)
    looks.look()
    content = looks.look().seen[NAME].content
    assert opened == ["2024-02-01.csv"]
    again = Looks(lakehouse)  # another process, that remembers nothing itself
    assert again.look().seen[NAME].content == content
    assert opened == ["2024-02-01.csv"]


def test_at_most_so_many_files_are_read_in_one_look(lakehouse: Lakehouse, looks: Looks, opened: list[str]) -> None:
    for day in range(1, 8):
        land(lakehouse, f"2024-02-0{day}")
    looks.look(reads=3)
    assert opened == []
    looks.look(reads=3)
    assert len(opened) == 3


def test_a_file_that_cannot_be_read_is_seen_with_what_is_wrong(lakehouse: Lakehouse, looks: Looks) -> None:
    (lakehouse.settings.landing / "patients" / "2024-02-01.csv").mkdir(parents=True)
    found = looks.look().seen[NAME]
    assert found.content is not None
    assert "found a folder; expected a file" in found.content


def test_files_that_belong_to_no_delivery_are_told_by_name_and_expectation(lakehouse: Lakehouse, looks: Looks) -> None:
    (lakehouse.settings.landing / "pharmacies_2024.csv").write_text("x")
    (told,) = looks.look().unplaceable
    assert "'pharmacies_2024.csv'" in told
    assert "expected one of patients, providers, claims" in told


def test_a_delivery_that_left_landing_is_still_seen_by_its_journal(lakehouse: Lakehouse, looks: Looks) -> None:
    path = land(lakehouse)
    lakehouse.process(*NAME)
    path.unlink()
    found = looks.look().seen[NAME]
    assert found.look is None
    assert found.state is not None
    assert found.state.status == "applied"


def test_what_the_command_applied_is_not_started_again(lakehouse: Lakehouse, looks: Looks) -> None:
    land(lakehouse)
    lakehouse.process(*NAME)
    for _ in range(3):
        assert decide(looks.look(), set(), limit=10).start == []


def test_what_looks_were_told_keeps_its_moment_and_the_journal_goes_before_the_file(
    lakehouse: Lakehouse, looks: Looks
) -> None:
    land(lakehouse, "batch7", at=LONG_AGO)
    name = ("patients", "batch7")
    assert looks.look().seen[name].received_at == moment("2020-09-13 12:26:40")
    lakehouse.process(*name)
    land(lakehouse, "batch7", at=LONG_AGO + 500)
    assert looks.look().seen[name].received_at == moment("2020-09-13 12:26:40")


def test_without_a_landing_folder_a_look_says_so(lakehouse: Lakehouse, looks: Looks) -> None:
    lakehouse.settings.landing.rmdir()
    with pytest.raises(UsageError, match="no landing folder"):
        looks.look()


def test_a_look_over_5000_known_deliveries_opens_none_of_their_files(
    lakehouse: Lakehouse, looks: Looks, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = lakehouse.settings
    folder = settings.landing / "patients"
    folder.mkdir()
    known = {}
    for number in range(5000):
        path = folder / f"d{number:04}.csv"
        path.touch()
        status = path.stat()
        print_of = f"{number:064}"
        known[str(path)] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, print_of]
    write_json(settings.home / "fingerprints.json", known)
    journaled = [f"d{number:04}" for number in range(0, 5000, 100)]
    for delivery in journaled:
        journal = Journal(settings, "patients", delivery)
        journal.append("received", received_at=moment("2024-02-01"))
        journal.append("landed", fingerprint=f"{int(delivery[1:]):064}")
    reads: list[str] = []
    events = Journal.events
    monkeypatch.setattr(Journal, "events", lambda self: reads.append("") or events(self))
    first = looks.look()
    assert len(first.seen) == 5000
    assert all(one.content for one in first.seen.values())
    assert len(reads) == len(journaled)
    looks.look()
    assert len(reads) == len(journaled), "a journal that did not grow was read again"
    assert opened == []
    assert {feed.name for feed in FEEDS} >= {feed for feed, _ in first.seen}


def test_a_look_asks_the_disk_once_about_each_known_file_and_its_journal(
    lakehouse: Lakehouse, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {}
    for number in range(3):
        path = land(lakehouse, f"d{number}")
        lakehouse.process("patients", f"d{number}")
        status = path.stat()
        print_of = looks.look().seen["patients", f"d{number}"].state.content  # type: ignore[union-attr]
        known[str(path)] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, print_of]
    write_json(lakehouse.settings.home / "fingerprints.json", known)
    looks.look()
    asked: Counter[str] = Counter()
    stat = os.stat
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", lambda path, **how: asked.update([os.fspath(path)]) or stat(path, **how))
        found = looks.look()
    assert all(one.content for one in found.seen.values())
    raw = lakehouse.settings.home / "raw" / "patients"
    expected = [*known, *(str(raw / f"d{number}" / "journal.jsonl") for number in range(3))]
    assert {path: count for path, count in asked.items() if path in expected} == dict.fromkeys(expected, 1)
    assert (
        len([path for path in asked if path.startswith((str(raw), str(lakehouse.settings.landing / "patients")))]) <= 8
    )
