"""What is going on when trouble comes: each scenario is a state of affairs and one act that can be done again.

An act that was cut short is repeated as a person would: what is on record already is not an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch
from uuid import UUID

from claims_lakehouse.contracts import CLAIMS, Feed
from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import sweep
from claims_lakehouse.history import acts, issue_acts
from claims_lakehouse.history.purge import purge
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.oracle import Delivery
from claims_lakehouse_tests.oracle.generate import deliveries
from claims_lakehouse_tests.oracle.validation import validate

_DECIDED = {"because": "torture", "who": "torture"}


class Scenario(NamedTuple):
    """`prepare` makes the base from a set of deliveries; `act` is what trouble comes to, and publishes once, at its end."""

    name: str
    prepare: Callable[[Lakehouse, list[Delivery]], None]
    act: Callable[[Lakehouse], None]


def generated(seed: int, size: int = 8) -> list[Delivery]:
    """The first set from `seed` on with every feed and valid claims in it, in the order in which they were received."""
    while True:
        found = sorted(deliveries(seed, size), key=lambda one: (one.received_at, one.key, one.feed))
        feeds = {one.feed for one in found if one.feed != "claims" or validate(one).accepted}
        if feeds == {"patients", "providers", "claims"}:
            return found
        seed += 1000


def ingest(lakehouse: Lakehouse) -> None:
    """What `claims ingest` does, without Dagster."""
    sweep(lakehouse.settings.home)
    lakehouse.ingest()


def _land(lakehouse: Lakehouse, some: list[Delivery]) -> None:
    for one in some:
        lakehouse.land(one.feed, one.key, one.content)


def _some_landed(lakehouse: Lakehouse, found: list[Delivery]) -> None:
    """Every third delivery is applied, one of them with other content; the rest lies in landing."""
    claims = [one for one in found if one.feed == "claims"]
    _land(lakehouse, [*found[::3], claims[0]._replace(content=claims[-1].content)])
    lakehouse.ingest()
    _land(lakehouse, [one for one in found if one not in found[::3]] + [claims[0]])


def _all_applied(lakehouse: Lakehouse, found: list[Delivery]) -> None:
    _land(lakehouse, found)
    lakehouse.ingest()
    claims = [one for one in found if one.feed == "claims"]
    most = max(claims, key=lambda one: (len(validate(one).accepted), one.key))
    _noted(lakehouse).write_text(most.key, encoding="utf-8")


def _one_retracted(lakehouse: Lakehouse, found: list[Delivery]) -> None:
    _all_applied(lakehouse, found)
    retract(lakehouse)


def _one_corrected(lakehouse: Lakehouse, found: list[Delivery]) -> None:
    _all_applied(lakehouse, found)
    correct(lakehouse)


def _noted(lakehouse: Lakehouse) -> Path:
    return lakehouse.settings.home.with_name("target")


def _target(lakehouse: Lakehouse) -> tuple[Feed, str]:
    """The delivery that acts are about: the one of claims that says most."""
    return CLAIMS, _noted(lakehouse).read_text(encoding="utf-8")


def retract(lakehouse: Lakehouse) -> None:
    with suppress(UsageError):
        acts.retract(lakehouse.settings, *_target(lakehouse), **_DECIDED)
    ingest(lakehouse)


def reinstate(lakehouse: Lakehouse) -> None:
    with suppress(UsageError):
        acts.reinstate(lakehouse.settings, *_target(lakehouse), **_DECIDED)
    ingest(lakehouse)


def correct(lakehouse: Lakehouse) -> None:
    """Change one row, unless that is on record."""
    feed, delivery = _target(lakehouse)
    state = Journal(lakehouse.settings, feed.name, delivery).state()
    assert state is not None
    if not state.corrections:
        tables = " UNION ALL ".join(
            f"SELECT delivery, row_number FROM {table}" for table in (feed.table, feed.restated_table)
        )
        row = lakehouse.rows(f"SELECT min(row_number) FROM ({tables}) WHERE delivery = $1", delivery)[0][0]
        with patch("claims_lakehouse.landing.corrections.uuid4", lambda: UUID(int=1 << 100)):  # results are compared
            acts.correct(lakehouse.settings, feed, delivery, {row: {"total_cost": "12.51"}}, **_DECIDED)
    ingest(lakehouse)


def waive(lakehouse: Lakehouse) -> None:
    """Waive what is open of a delivery's issues, as far as that is not on record."""
    feed, delivery = _target(lakehouse)
    seen = lakehouse.seen_issues(f"feed = '{feed.name}' AND delivery = '{delivery}'")
    now = issue_acts.stands(lakehouse.settings, seen)
    still_open = [issue for issue, stand in zip(seen, now, strict=True) if stand.status == "open"]
    issue_acts.waive(lakehouse.settings, still_open, **_DECIDED)
    ingest(lakehouse)


def withdraw(lakehouse: Lakehouse) -> None:
    feed, delivery = _target(lakehouse)
    state = Journal(lakehouse.settings, feed.name, delivery).state()
    assert state is not None
    for correction in (one for several in state.corrections.values() for one in several):
        with suppress(UsageError):
            acts.withdraw(lakehouse.settings, feed, delivery, correction, **_DECIDED)
    ingest(lakehouse)


def rebuild_from_raw(lakehouse: Lakehouse) -> None:
    rebuild(lakehouse.settings, "raw")
    ingest(lakehouse)


def purge_one(lakehouse: Lakehouse) -> None:
    with suppress(UsageError):
        purge(lakehouse.settings, *_target(lakehouse), **_DECIDED)
    ingest(lakehouse)


SCENARIOS = (
    Scenario("ingest", _some_landed, ingest),
    Scenario("retract", _all_applied, retract),
    Scenario("reinstate", _one_retracted, reinstate),
    Scenario("rebuild", _all_applied, rebuild_from_raw),
    Scenario("purge", _all_applied, purge_one),
    Scenario("correct", _all_applied, correct),
    Scenario("withdraw", _one_corrected, withdraw),
    Scenario("waive", _all_applied, waive),
)
