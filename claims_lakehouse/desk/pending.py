"""Which acts are written down and not published yet: for people they count at once, for readers once published."""

from __future__ import annotations

from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.settings import Settings


def is_pending(reading: Reading, settings: Settings, feed: str, delivery: str) -> bool:
    """Whether more was decided about a delivery or its issues than the publication holds."""
    return _decided(reading, settings, feed, delivery) or _happened(reading, settings, feed, delivery)


def _decided(reading: Reading, settings: Settings, feed: str, delivery: str) -> bool:
    path = settings.decisions(feed, delivery)
    size = path.stat().st_size if path.exists() else 0
    known = reading.ask("SELECT size FROM internal.decided WHERE feed = $feed AND delivery = $delivery",
                        {"feed": feed, "delivery": delivery})  # fmt: skip
    return size != (int(known[0][0]) if known else 0)


def _happened(reading: Reading, settings: Settings, feed: str, delivery: str) -> bool:
    [(known,)] = reading.ask("SELECT count(*) FROM delivery_log WHERE feed = $feed AND delivery = $delivery",
                             {"feed": feed, "delivery": delivery})  # fmt: skip
    return len(Journal(settings, feed, delivery).events()) != int(known)
