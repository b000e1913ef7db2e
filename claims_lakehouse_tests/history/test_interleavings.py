"""Whatever happens in whatever order, the tables are those of the set of deliveries that stands at the end."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.errors import DeliveryError, UsageError
from claims_lakehouse.history import acts
from claims_lakehouse.history.purge import purge
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.history.stage import take_up, verify
from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.history.comparing import COUNTS, assert_same_at, assert_same_tables
from claims_lakehouse_tests.oracle.generate import SEQUENCES, changes, deliveries
from claims_lakehouse_tests.oracle.reading import read_content
from claims_lakehouse_tests.oracle.validation import REQUIRED

Name = tuple[str, str]
Said = tuple[Name, bytes]

_BROKEN = (b"", b"not,a,header\n1,2,3\n", b'patient_id,"never closed\n', b"\xff\xfea\x00")


class World:
    """What was done to a lakehouse, and what therefore should stand in it.

    Attributes:
        random: Decides what a move is about.
        pool: What senders have to say, by delivery.
        lying: The content that lies in landing, by delivery.
        known: Deliveries that have a journal.
        taken: The content that was taken up last and could be read, by delivery.
        earlier: The contents that were taken up at any time.
        retracted: The contents that are out.
        corrections: The corrections in effect over a content.
        barred: The contents that must not be kept.
        buried: The counts of a purged delivery's rows; None where it never had any.
    """

    def __init__(self, base: Path, seed: int) -> None:
        self.lakehouse = Lakehouse(base).with_tables()
        self.settings = self.lakehouse.settings
        self.random = random.Random(seed)
        self.pool = {(one.feed, one.key): one for one in deliveries(seed, 10)}
        self.lying: dict[Name, bytes] = {}
        self.known: set[Name] = set()
        self.taken: dict[Name, bytes] = {}
        self.earlier: set[Said] = set()
        self.retracted: set[Said] = set()
        self.corrections: dict[Said, list[oracle.Correction]] = {}
        self.barred: set[Said] = set()
        self.buried: dict[Name, tuple[int, ...] | None] = {}

    def standing(self) -> list[oracle.Delivery]:
        """The deliveries of which the tables are to be made."""
        return [self._as_taken(name) for name in self.taken]

    # Moves: each says what it was about, None where there was nothing to do.

    def land(self) -> object:
        name = self._some_name()
        return self._land(name, self.pool[name].content)

    def land_other_content(self) -> object:
        name = self._some_name()
        other = self.random.choice([one for one in self.pool.values() if one.feed == name[0]])
        return self._land(name, other.content), other.key

    def land_broken(self) -> object:
        return self._land(self._some_name(), self.random.choice(_BROKEN))

    def remove(self) -> object:
        if not self.lying:
            return None
        name = self.random.choice(sorted(self.lying))
        (self.settings.landing / name[0] / f"{name[1]}.csv").unlink()
        del self.lying[name]
        return name

    def ingest(self) -> object:
        outcome = self.lakehouse.ingest()
        failing = {name for name in self.lying if not self._take_up(name)}
        failed = {name for name, error in outcome.items() if error}
        assert failing <= failed, f"nothing failed of {failing - failed}"
        assert not failed & set(self.taken) - failing, f"failed: {outcome}"
        return sorted(outcome)

    def process_again(self) -> object:
        if not self.taken:
            return None
        name = self.random.choice(sorted(self.taken))
        error = self.lakehouse.process(*name)
        assert (error is None) == self._take_up(name), f"{name} failed: {error}"
        return name

    def begin_to_process(self) -> object:
        """What is taken up, and perhaps verified, and then goes no further for now."""
        if not self.taken:
            return None
        name = self.random.choice(sorted(self.taken))
        feed, goes_on = feed_named(name[0]), self._take_up(name)
        with nullcontext() if goes_on else pytest.raises(DeliveryError):
            take_up(self.settings, feed, name[1])
        if goes_on and self.random.random() < 0.7:
            verify(self.settings, feed, name[1])
        return name, goes_on

    def lose_the_warehouse(self) -> object:
        if self.random.random() < 0.5 and self.settings.warehouse.exists():
            self.settings.warehouse.write_bytes(b"no database")
            return "damaged"
        self.settings.warehouse.unlink(missing_ok=True)
        return "deleted"

    def lose_what_was_verified(self) -> object:
        stages = self.random.choice((("validated",), ("issues",), ("validated", "issues")))
        for stage in stages:
            shutil.rmtree(self.settings.home / stage, ignore_errors=True)
        return stages

    def rebuild_from_raw(self) -> object:
        return self._rebuild("raw")

    def rebuild_from_validated(self) -> object:
        return self._rebuild("validated")

    def retract(self) -> object:
        said = [(name, content) for name, content in sorted(self.taken.items())]
        return self._act(acts.retract, [one for one in said if one not in self.retracted], self.retracted.add)

    def reinstate(self) -> object:
        said = [(name, content) for name, content in sorted(self.taken.items())]
        return self._act(acts.reinstate, [one for one in said if one in self.retracted], self.retracted.remove)

    def correct(self) -> object:
        if not self.taken:
            return None
        name, content = self.random.choice(sorted(self.taken.items()))
        rows = changes(self.random, self._as_taken(name))
        if not rows:
            return None
        made = acts.correct(self.settings, feed_named(name[0]), name[1], rows, because="test", who="test")
        self.corrections.setdefault((name, content), []).append(oracle.Correction(made, rows))
        return name, made, rows

    def correct_wrongly(self) -> object:
        """What is refused changes nothing."""
        if not self.taken:
            return None
        name = self.random.choice(sorted(self.taken))
        feed, rows = feed_named(name[0]), read_content(self._as_taken(name)).rows
        column = self.random.choice(feed.columns).name
        malformed = [row.number for row in rows if row.sent is None]
        wrong: list[dict[int, dict[str, str]]] = [{}, {0: {column: "1"}}, {len(rows) + 1: {column: "1"}}]
        if rows:
            wrong += [{1: {"nobody": "1"}}, {1: {}}, {1: {column: "1"}, len(rows) + 1: {column: "1"}}]
        if malformed:
            required = sorted(REQUIRED[name[0]])
            required.remove(self.random.choice(required))
            wrong += [{self.random.choice(malformed): dict.fromkeys(required, "1")}] * 3
        rows_changed = self.random.choice(wrong)
        before = self._kept(name)
        with pytest.raises(UsageError):
            acts.correct(self.settings, feed, name[1], rows_changed, because="test", who="test")
        assert self._kept(name) == before, "something was written"
        return name, rows_changed

    def withdraw(self) -> object:
        made = [
            (name, one)
            for name, content in sorted(self.taken.items())
            for one in self.corrections.get((name, content), ())
        ]
        if not made:
            return None
        name, correction = self.random.choice(made)
        acts.withdraw(self.settings, feed_named(name[0]), name[1], correction.id, because="test", who="test")
        self.corrections[name, self.taken[name]].remove(correction)
        return name, correction.id

    def purge(self) -> object:
        """What was applied, what was only decided and what only lies in landing goes; the counts of a settled one stay."""
        settled = self.random.random() < 0.5
        if settled:
            self.ingest()
        there = sorted(self.known - set(self.buried) | set(self.lying))
        if not there:
            return None
        name = self.random.choice(there)
        counts = self._counts(name) if settled and name in self.taken else None
        done = purge(self.settings, feed_named(name[0]), name[1], because="test", who="test")
        told = tuple(done.counts.values()) if done.counts else None
        assert counts in (None, told), f"the counts of {name} are {counts}, it was told {told}"
        assert not list((self.settings.landing / name[0]).glob(f"{name[1]}.*")), "it still lies in landing"
        self._bury(name, told)
        return name, "settled" if settled else "as it was"

    def compare(self) -> object:
        """Everything that readers see is what the oracle makes of the deliveries that stand."""
        self.ingest()
        standing = self.standing()
        assert_same_tables(self.lakehouse, standing, [self._gone(name) for name in self.known - set(self.taken)])
        if standing:
            moments = [one.received_at for one in self.random.choices(standing, k=2)]
            known_by = self.random.choice((moments[0], moments[0].date()))
            assert_same_at(self.lakehouse, standing, known_by, self.random.choice((moments[1], *SEQUENCES)))
        return len(standing)

    # What the moves are made of.

    def _some_name(self) -> Name:
        """A delivery, as often as not one that is known: what happens to one again and again is worth more."""
        known = self.known & set(self.pool) if self.random.random() < 0.5 else ()
        return self.random.choice(sorted(known or self.pool))

    def _land(self, name: Name, content: bytes) -> Name:
        self.lakehouse.land(*name, content)
        self.lying[name] = content
        return name

    def _take_up(self, name: Name) -> bool:
        """What looking at a delivery comes to; False where what lies in landing cannot be taken up."""
        self.known.add(name)
        content = self.lying.get(name)
        if content in _BROKEN or (name, content) in self.barred:
            return False
        if content is not None:
            self.taken[name] = content
            self.earlier.add((name, content))
            self.buried.pop(name, None)
        return True

    def _as_taken(self, name: Name) -> oracle.Delivery:
        content = self.taken[name]
        said = (name, content)
        corrections = tuple(self.corrections.get(said, ()))
        return self.pool[name]._replace(content=content, corrections=corrections, is_retracted=said in self.retracted)

    def _act(self, act: Callable[..., None], among: list[Said], note: Callable[[Said], None]) -> object:
        if not among:
            return None
        (feed, delivery), content = self.random.choice(among)
        act(self.settings, feed_named(feed), delivery, because="test", who="test")
        note(((feed, delivery), content))
        return feed, delivery

    def _rebuild(self, source: str) -> object:
        """A rebuild of what stands as it should finds nothing to change."""
        settled = self.random.random() < 0.5
        if settled:
            self.ingest()
        done = rebuild(self.settings, source)  # type: ignore[arg-type]
        assert done.is_swapped, "not swapped"
        assert not settled or done.differences == {}, f"what was settled differs: {done.differences}"
        return "settled" if settled else "as it was"

    def _counts(self, name: Name) -> tuple[int, ...]:
        """The counts of the rows that the delivery's content has by itself."""
        [row] = oracle.tables([self._as_taken(name)]).ledger
        return tuple(row[count] for count in COUNTS[:5])

    def _bury(self, name: Name, counts: tuple[int, ...] | None) -> None:
        self.known.add(name)
        self.buried[name] = counts
        self.barred |= {said for said in self.earlier if said[0] == name}
        self.taken.pop(name, None)
        if name in self.lying:
            self.barred.add((name, self.lying.pop(name)))

    def _gone(self, name: Name) -> dict[str, object]:
        """What the ledger says of a delivery of which nothing is kept."""
        counts = self.buried.get(name)
        shown = (None,) * len(COUNTS) if counts is None else (*counts, 0, 0)
        status = "purged" if name in self.buried else "failed"
        return {"feed": name[0], "delivery": name[1], "status": status} | dict(zip(COUNTS, shown, strict=True))

    def _kept(self, name: Name) -> dict[Path, bytes]:
        folder = self.settings.delivery_folder(*name)
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


_MOVES: list[Callable[[World], object]] = [
    *[World.land] * 8,
    *[World.land_other_content] * 3,
    *[World.ingest] * 4,
    *[World.correct] * 5,
    *[World.retract] * 2,
    *[World.withdraw] * 2,
    *[World.rebuild_from_raw, World.rebuild_from_validated],
    *[World.begin_to_process] * 2,
    *[World.land_broken, World.remove, World.process_again, World.correct_wrongly, World.reinstate, World.purge],
    *[World.lose_the_warehouse, World.lose_what_was_verified, World.compare],
]


def interleave(seed: int, steps: int, base: Path) -> None:
    """Make so many seeded moves in a new lakehouse below `base`; AssertionError where it is not what it should be.

    Whatever goes wrong is told together with the moves that led there.
    """
    world = World(base, seed)
    made: list[str] = []
    try:
        for step in [*range(steps), None]:
            world.random = random.Random(f"{seed} {step}")
            move = world.random.choice(_MOVES) if step is not None else World.compare
            made.append(f"{step} {move.__name__}")
            made[-1] += f" {move(world)}"
    except BaseException as error:
        error.add_note("\n".join([f"Seed {seed}:", *made]))
        raise


@pytest.mark.parametrize("seed", [138, *range(int(os.environ.get("HISTORY_SEEDS", "2")))])
def test_any_interleaving_ends_in_the_tables_of_what_stands(tmp_path: Path, seed: int) -> None:
    interleave(1000 + seed, 30, tmp_path)
