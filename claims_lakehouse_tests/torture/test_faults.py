"""Steps that fail, full disks and broken files: a clear error while it lasts, the undisturbed result afterwards."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest

from claims_lakehouse_tests.torture import faults
from claims_lakehouse_tests.torture.children import Trouble
from claims_lakehouse_tests.torture.kills import Ground
from claims_lakehouse_tests.torture.tally import Tally

Grounds = Callable[[str], Ground]


def clean(tally: Tally) -> None:
    assert tally.differences == []
    if tally.skipped:
        pytest.skip(tally.skipped[0])


@pytest.mark.parametrize(
    ("scenario", "number"), [("ingest", errno.ENOSPC), ("retract", errno.EIO), ("retract", errno.EACCES)]
)
def test_a_step_that_fails(ground: Grounds, scenario: str, number: int) -> None:
    ready = ground(scenario)
    at = random.Random(number).randrange(1, len(ready.points) + 1)
    clean(faults.injected(ready, Trouble(at=at, error=number)))


def test_files_that_cannot_grow(ground: Grounds) -> None:
    clean(faults.injected(ground("ingest"), Trouble(file_size=400_000)))


def test_a_full_disk(ground: Grounds) -> None:
    clean(faults.full_disk(ground("ingest"), 2_000_000))


#: One of each kind of file; the others are in the long run.
DAMAGES = (
    faults.a_truncated_raw_file,
    faults.a_truncated_validated_file,
    faults.a_garbled_page_of_the_warehouse,
    faults.an_empty_warehouse,
    faults.a_garbled_page_of_the_published_file,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file(ground: Grounds, damage: faults.Damage) -> None:
    clean(faults.damaged(ground("retract"), damage, "1", finished=True))


def test_a_landed_file_that_vanishes_as_it_is_to_be_read(ground: Grounds) -> None:
    clean(faults.landing_trouble(ground("ingest"), "nothing", at=6))


def test_a_stale_lock(ground: Grounds) -> None:
    clean(faults.stale_lock(ground("retract")))


def test_two_processes_at_once(ground: Grounds) -> None:
    clean(faults.at_once(ground("ingest"), 2))
