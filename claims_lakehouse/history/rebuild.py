"""Make the warehouse anew from what lies on disk: beside the one that stands, compared with it, swapped at once.

The new warehouse grows in a staging folder that looks like a lakehouse's home: `raw` (and, unless everything is
verified anew, `validated` and `issues`) lead to the real ones. Others work on meanwhile; what they change is taken up
at the end, in the writer's turn. The swap is written down before it begins: whoever comes after a kill completes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import uuid4

from claims_lakehouse.contracts import FEEDS, feed_named
from claims_lakehouse.files import make_folder, sync, write_json
from claims_lakehouse.history.comparison import Difference, compare
from claims_lakehouse.history.plan import DeliveryName
from claims_lakehouse.history.standing import BATCH_DELIVERIES, bring_back
from claims_lakehouse.landing.journal import DeliveryState, Journal, journaled_deliveries
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.connection import connected, writers_turn

Source = Literal["raw", "validated"]
Progress = Callable[[int, int], None]
_STAGING = "rebuild-"
_DERIVED = ("validated", "issues")


class Rebuilt(NamedTuple):
    """What a rebuild came to.

    Attributes:
        deliveries: How many deliveries the new warehouse was made from.
        differences: The tables that differ from what stood before; None where that could not be read, or was not there.
        is_swapped: Whether the new warehouse took its place.
    """

    deliveries: int
    differences: dict[str, Difference] | None
    is_swapped: bool


def rebuild(
    settings: Settings, source: Source = "validated", *, swap: bool = True, progress: Progress | None = None
) -> Rebuilt:
    """Make the warehouse anew, compare, and have it take the old one's place; on any error that stays as it was.

    Args:
        settings: Where the lakehouse is.
        source: From what was verified before, or from raw: then every content is verified by the rules as they are.
        swap: Whether the new warehouse is to take the old one's place.
        progress: Told how many deliveries of how many are done.

    Raises:
        DeliveryError: A delivery cannot be made anew: its files on disk are damaged, or its rows break a law.
    """
    with _staging(settings, source) as staged:
        built: dict[DeliveryName, DeliveryState] = {}
        _build(staged, built, progress)
        with writers_turn(settings):
            complete_swap(settings)
            if not _purged_since(settings, built):
                return _take_over(settings, staged, built, swap=swap)
            # What was staged has bytes that must not be kept: it goes, and in our turn nothing more is purged.
            shutil.rmtree(staged.home, ignore_errors=True)
            with _staging(settings, source) as anew:
                return _take_over(settings, anew, {}, swap=swap)


def _purged_since(settings: Settings, built: dict[DeliveryName, DeliveryState]) -> bool:
    """Whether one of the deliveries was purged after it was built."""
    for (feed, delivery), before in built.items():
        now = Journal(settings, feed, delivery).state()
        if now is not None and now.purged != before.purged:
            return True
    return False


def rebuild_in_turn(settings: Settings) -> Rebuilt:
    """Make the warehouse anew from what was verified, for a caller that holds the writer's turn."""
    with _staging(settings, "validated") as staged:
        return _take_over(settings, staged, {}, swap=True)


def complete_swap(settings: Settings) -> None:
    """Complete a swap that was begun, if one was; the caller holds the writer's turn."""
    try:
        staged = settings.home / json.loads(settings.unfinished_swap.read_text(encoding="utf-8"))["staging"]
    except FileNotFoundError:
        return
    for stage in _DERIVED:
        folder = staged / stage
        for path in sorted(folder.rglob("*.parquet")) if folder.is_dir() and not folder.is_symlink() else ():
            target = settings.home / path.relative_to(staged)
            make_folder(target.parent)
            path.replace(target)
    new = staged / settings.warehouse.name
    if new.exists():
        settings.warehouse.with_name(settings.warehouse.name + ".wal").unlink(missing_ok=True)
        new.replace(settings.warehouse)
        sync(settings.home)
    settings.unfinished_swap.unlink()
    shutil.rmtree(staged, ignore_errors=True)


def sweep_staging(settings: Settings) -> None:
    """Remove the staging folders of rebuilds that were killed before they could swap."""
    unfinished = settings.unfinished_swap.read_text(encoding="utf-8") if settings.unfinished_swap.exists() else ""
    for folder in settings.home.glob(f"{_STAGING}*"):
        if folder.name not in unfinished:
            with suppress(OSError), _held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _build(staged: Settings, built: dict[DeliveryName, DeliveryState], progress: Progress | None = None) -> None:
    """Bring the staged warehouse to what the journals say, as far as `built` does not say it has been."""
    found = {
        (feed.name, key): state
        for feed in FEEDS
        for key in journaled_deliveries(staged, feed.name)
        if (state := Journal(staged, feed.name, key).state()) is not None
    }
    changed = {name: state for name, state in found.items() if built.get(name) != state}
    order = sorted(changed, key=lambda name: (changed[name].received_at, name[1]))
    with connected(staged) as con:
        done = 0
        for feed, some in _runs_of_a_feed(order):
            bring_back(con, staged, feed_named(feed), {delivery: changed[feed, delivery] for delivery in some})
            done += len(some)
            if progress:
                progress(done, len(order))
        con.execute("CHECKPOINT")
    built |= changed


def _runs_of_a_feed(order: Iterable[DeliveryName]) -> Iterator[tuple[str, list[str]]]:
    """Deliveries of one feed, a few at a time; history does not depend on their order, but is made faster in it."""
    by_feed: dict[str, list[str]] = {}
    for feed, delivery in order:
        by_feed.setdefault(feed, []).append(delivery)
    for feed, deliveries in by_feed.items():
        for start in range(0, len(deliveries), BATCH_DELIVERIES):
            yield feed, deliveries[start : start + BATCH_DELIVERIES]


def _take_over(
    settings: Settings, staged: Settings, built: dict[DeliveryName, DeliveryState], *, swap: bool
) -> Rebuilt:
    """Take up what changed meanwhile, compare, and swap, in the writer's turn."""
    _build(staged, built)
    differences = compare(settings.warehouse, staged.warehouse) if settings.warehouse.exists() else None
    if swap:
        sync(staged.warehouse)
        write_json(settings.unfinished_swap, {"staging": staged.home.name})
        complete_swap(settings)
    return Rebuilt(len(built), differences, swap)


@contextmanager
def _staging(settings: Settings, source: Source) -> Iterator[Settings]:
    """A folder for a warehouse to grow in; gone in the end, or with the next sweep."""
    staged = replace(settings, home=make_folder(settings.home / f"{_STAGING}{uuid4().hex[:8]}"))
    with _held(staged.home):
        linked = ("raw",) if source == "raw" else ("raw", *_DERIVED)
        for stage in linked:
            (staged.home / stage).symlink_to(make_folder(settings.home / stage), target_is_directory=True)
        try:
            yield staged
        finally:
            if not settings.unfinished_swap.exists():
                shutil.rmtree(staged.home, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a staging folder; BlockingIOError where a living process does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
