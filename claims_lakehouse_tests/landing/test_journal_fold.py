"""For any sequence of events: what a delivery's journal amounts to, said a second time and more plainly."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from hypothesis import example, given, settings
from hypothesis import strategies as st

from claims_lakehouse.landing.journal import (
    DeliveryState,
    Event,
    Happening,
    Journal,
    JournalReader,
    journaled_deliveries,
    state_of,
)
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import moment

RECEIVED = Event(moment("2024-02-01 08:00"), "received", received_at=moment("2024-02-01"))
CONTENTS = ("a", "b", "c")
#: What binds to a content; everything else is about the delivery as a whole.
BOUND: tuple[Happening, ...] = ("retracted", "reinstated", "corrected", "withdrawn", "held", "released")
ANY: tuple[Happening, ...] = tuple(one for one in get_args(Happening) if one != "received")
STEADY = settings(derandomize=True, deadline=None)


@st.composite
def histories(draw: st.DrawFn, among: tuple[Happening, ...] = ANY) -> list[Event]:
    """A received delivery and up to 14 events; each correction is made once, and may be withdrawn at any time."""
    happenings = st.sampled_from(among)
    made: list[Event] = [RECEIVED]
    for number in range(draw(st.integers(0, 14))):
        happening = draw(happenings)
        # What is purged need never have landed well, nor have been read at all.
        content = draw(st.sampled_from((*CONTENTS, None) if happening == "purged" else CONTENTS))
        corrections = {"corrected": f"x{number}", "applied": draw(st.sampled_from((None, "x1", "x1,x2")))}.get(
            happening
        )
        before = [event for event in made if event.event == "corrected"]
        if happening == "withdrawn" and before:
            # Mostly under the content that it was made for.
            corrections = draw(st.sampled_from(before)).corrections
            content = draw(st.sampled_from([e.fingerprint for e in before if e.corrections == corrections] * 3 + ["a"]))
        made.append(
            Event(
                RECEIVED.at + timedelta(minutes=number + 1),
                happening,
                content,
                who=draw(st.sampled_from([None, "somebody"])),
                why=draw(st.sampled_from([None, "said so\nby letter \u2028 \u00fc"])),
                detail=f"{happening} {number}",
                corrections=corrections,
            )
        )
    return made


def amounts_to(events: list[Event]) -> DeliveryState:
    state = state_of(events)
    assert state is not None
    return state


def since_the_last_purge(events: list[Event]) -> list[Event]:
    purges = [place for place, event in enumerate(events) if event.event == "purged"]
    return events[purges[-1] + 1 :] if purges else events


@STEADY
@given(histories() | histories((*BOUND, "purged")) | histories(("corrected", "withdrawn")))
def test_what_people_decide_binds_to_the_content_it_was_decided_of(events: list[Event]) -> None:
    state = amounts_to(events)
    for content in CONTENTS:
        told = [event for event in since_the_last_purge(events) if event.fingerprint == content]
        out = [event.event for event in told if event.event in ("retracted", "reinstated")]
        assert (content in state.retracted) == (out[-1:] == ["retracted"])
        waiting = [event for event in told if event.event in ("held", "released")]
        assert (content in state.held) == ([event.event for event in waiting[-1:]] == ["held"])
        assert (content in state.released) == any(event.event == "released" and event.who for event in told)
        in_effect = [
            event.corrections
            for place, event in enumerate(told)
            if event.event == "corrected"
            and not any(later.event == "withdrawn" and later.corrections == event.corrections for later in told[place:])
        ]
        assert state.laid_over(content) == ",".join(str(one) for one in in_effect)


@STEADY
@given(histories(), st.sampled_from(CONTENTS))
def test_what_is_decided_of_other_contents_changes_nothing(events: list[Event], content: str) -> None:
    """Unless it is seen through it: a held content leaves the one before it standing."""
    state = amounts_to(events)
    own = amounts_to([one for one in events if one.event not in BOUND or one.fingerprint == content])
    assert (content in own.retracted, content in own.held, content in own.released) == (
        content in state.retracted,
        content in state.held,
        content in state.released,
    )
    assert own.laid_over(content) == state.laid_over(content)
    if state.content == content:
        assert (own.content, own.standing, own.status) == (state.content, state.standing, state.status) or state.is_held


@STEADY
@given(histories())
def test_a_purge_ends_what_was_and_bars_every_content_there_was(events: list[Event]) -> None:
    state = amounts_to(events)
    after = since_the_last_purge(events)
    before = events[: len(events) - len(after)]
    assert state.purged == {event.fingerprint for event in before if event.fingerprint}
    came = [event for event in after if event.fingerprint not in state.purged]
    landed = [event.fingerprint for event in came if event.event in ("landed", "replaced")]
    applied = [event.fingerprint for event in came if event.event == "applied"]
    assert state.content == (landed[-1] if landed else None)
    assert state.applied == (applied[-1] if applied else None)
    assert (state.status == "purged") == (bool(before) and not landed)
    assert state.received_at == RECEIVED.received_at


@STEADY
@given(histories())
def test_the_same_events_always_amount_to_the_same(events: list[Event]) -> None:
    assert state_of(events) == state_of(iter(events)) == state_of(tuple(events))
    applied = [event for event in events if event.event == "applied"]
    assert amounts_to(events).recorded_at == (applied[0].at if applied else None)


@settings(STEADY, max_examples=30)
@given(histories(), st.integers(0, 10_000))
@example([RECEIVED], 0)
def test_a_journal_is_read_as_it_was_written_and_a_torn_last_line_never_happened(events: list[Event], cut: int) -> None:
    with TemporaryDirectory() as folder:
        lakehouse = Settings(Path(folder) / "landing", Path(folder) / "home")
        journal, reader = Journal(lakehouse, "patients", "2024-02-01"), JournalReader()
        sizes = [0]
        for event in events:
            journal.append(**vars(event))
            sizes.append(journal.path.stat().st_size)
        assert journal.events() == events
        assert journal.state() == journal.state() == state_of(events)
        assert dict(reader.states(lakehouse, "patients")).get("2024-02-01") == state_of(events)
        assert list(journaled_deliveries(lakehouse, "patients")) == ["2024-02-01"]
        # The last line without its end, and without what makes it whole.
        last = sizes[-1] - sizes[-2] - 2
        journal.path.write_bytes(journal.path.read_bytes()[: sizes[-2] + cut % last])
        assert journal.events() == events[:-1]
        assert journal.state() == dict(reader.states(lakehouse, "patients")).get("2024-02-01") == state_of(events[:-1])
        journal.append(**vars(events[-1]))
        assert journal.events() == events
        assert dict(reader.states(lakehouse, "patients")).get("2024-02-01") == state_of(events)
