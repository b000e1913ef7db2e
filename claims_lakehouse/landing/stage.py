"""Take a landed delivery's content up as raw text, and write down in its journal what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import DeliveryError, UnreadableFile, told_by_kind
from claims_lakehouse.files import replacing
from claims_lakehouse.landing.discovery import LandedDelivery, discover
from claims_lakehouse.landing.fingerprint import Fingerprints, file_stat
from claims_lakehouse.landing.journal import DeliveryState, Happening, Journal
from claims_lakehouse.landing.raw import RawSummary, damaged, read_summary, write_raw
from claims_lakehouse.settings import Settings


class Landed(NamedTuple):
    """A content that was taken up: its fingerprint, and what its raw file holds."""

    fingerprint: str
    summary: RawSummary


def fingerprints(settings: Settings) -> Fingerprints:
    """The fingerprints of the landing folder's files, as far as they are known."""
    return Fingerprints(settings.landing, settings.home / "fingerprints.json")


class Landing:
    """The landing folder as it was at one look, which serves many deliveries."""

    def __init__(self, settings: Settings) -> None:
        found = discover(settings.landing).deliveries if settings.landing.is_dir() else []
        self._found = {(one.feed.name, one.delivery): one for one in found}
        self.fingerprints = fingerprints(settings)

    def delivery(self, feed: Feed, delivery: str) -> LandedDelivery | None:
        """A delivery as it lay in landing; None where it did not."""
        return self._found.get((feed.name, delivery))


def landed_delivery(settings: Settings, feed: Feed, delivery: str) -> LandedDelivery | None:
    """The delivery as it lies in landing; None where it does not."""
    return Landing(settings).delivery(feed, delivery)


def land_delivery(
    settings: Settings,
    landed: LandedDelivery,
    known: Fingerprints,
    run_id: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Landed:
    """Write the delivery's raw file, if its content is not there yet; DeliveryError where it cannot be read.

    Either way the journal says so, and of an error that nobody foresaw too, by its kind and place. A content that was
    taken up before is not read again.
    """
    feed, delivery = landed.feed.name, landed.delivery
    journal = Journal(settings, feed, delivery)
    state = journal.receive(delivery, landed.parts)
    fingerprint: str | None = None
    try:
        _refuse_unreadable(landed)
        before = _look(landed, settings)
        fingerprint = known.of(landed.parts)
        _refuse_purged(feed, delivery, fingerprint, state)
        try:
            summary = read_summary(settings.raw(feed, delivery, fingerprint))
        except UnreadableFile:
            summary = _write(settings, landed, fingerprint, before, progress)
            try:
                _refuse_purged(feed, delivery, fingerprint, journal.state())
            except UnreadableFile:  # it was purged while it was written
                settings.raw(feed, delivery, fingerprint).unlink(missing_ok=True)
                raise
    except OSError:  # it may pass: whoever runs this tries again
        raise
    except Exception as error:
        told = str(error) if isinstance(error, DeliveryError) else told_by_kind(error)
        if (state.failure, state.failed_content) != (told, fingerprint):
            journal.append("failed", fingerprint=fingerprint, detail=told, run_id=run_id)
        raise
    if state.content != fingerprint or state.failure is not None:
        event: Happening = "replaced" if state.content not in (None, fingerprint) else "landed"
        journal.append(event, fingerprint=fingerprint, run_id=run_id)
    return Landed(fingerprint, summary)


def _refuse_unreadable(landed: LandedDelivery) -> None:
    if landed.problem is not None:
        raise landed.problem


def _refuse_purged(feed: str, delivery: str, fingerprint: str, state: DeliveryState | None) -> None:
    if state is not None and fingerprint in state.purged:
        raise UnreadableFile(
            f"{feed}, delivery {delivery}", "a content that was purged", "other content, or no file in landing"
        )


def restore_raw(settings: Settings, feed: Feed, delivery: str, fingerprint: str) -> None:
    """Write a raw file that was lost or damaged again; UnreadableFile where landing has that content no longer."""
    landed = landed_delivery(settings, feed, delivery)
    if landed is None or landed.problem is not None or fingerprints(settings).of(landed.parts) != fingerprint:
        raise damaged(settings.raw(feed.name, delivery, fingerprint))
    _write(settings, landed, fingerprint, _look(landed, settings))


def _write(
    settings: Settings,
    landed: LandedDelivery,
    fingerprint: str,
    before: list[tuple[int, ...]],
    progress: Callable[[int], None] | None = None,
) -> RawSummary:
    """Write the raw file of a content; UnreadableFile where it no longer looks as `before`."""
    feed, delivery = landed.feed, landed.delivery
    with replacing(settings.raw(feed.name, delivery, fingerprint)) as temporary:
        summary = write_raw(feed, delivery, fingerprint, landed.parts, settings.landing, temporary, progress)
        if _look(landed, settings) != before:
            raise UnreadableFile(
                f"{feed.name}, delivery {delivery}", "a file that changed while it was read", "one at rest"
            )
    return summary


def _look(landed: LandedDelivery, settings: Settings) -> list[tuple[int, ...]]:
    stats = [file_stat(part, settings.landing) for part in landed.parts]
    return [(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino) for status in stats]
