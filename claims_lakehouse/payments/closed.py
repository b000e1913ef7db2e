"""Which payment days are closed: their files were sent. What they told lies beside them, and is never made anew.

One line a day in `payments/sent.jsonl`: who sent it, when, the digest of what it told and of each file. A line that a
kill cut short never happened.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.files import append_lines, parsed_line, sync
from claims_lakehouse.payments.remit import ClosedDay
from claims_lakehouse.settings import Settings

#: What a closed day told, beside its files; under the other name until it is on record that they were sent.
TOLD, TELLING = "told.parquet", "telling.parquet"


class Sent(NamedTuple):
    """That a day's files were sent: when and by whom, the digest of what it told, and of each file by its name."""

    day: date
    at: datetime
    who: str
    digest: str
    files: dict[str, str]


def sent_days(settings: Settings) -> list[Sent]:
    """Every closed day, in its order."""
    path = _journal(settings)
    found: dict[date, Sent] = {}
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            one: dict[str, Any] = parsed_line(line)
            day = date.fromisoformat(one["day"])
            found.setdefault(
                day, Sent(day, datetime.fromisoformat(one["at"]), one["who"], one["digest"], dict(one["files"]))
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return [found[day] for day in sorted(found)]


def closed_days(settings: Settings) -> list[ClosedDay]:
    """What closed days told.

    PaymentsUnsound where a file says otherwise than when it was sent, or is gone, or the record of a day is.
    """
    found, sent = [], sent_days(settings)
    known = {one.day.isoformat() for one in sent}
    for told in sorted(_journal(settings).parent.glob(f"*/{TOLD}")):
        if told.parent.name not in known:
            raise PaymentsUnsound(
                f"payments/sent.jsonl: found no line of {told.parent.name}, which was sent; expected the record as it"
                " was. Nothing is written until it is restored."
            )
    for one in sent:
        folder = settings.payments(one.day)
        if not (folder / TOLD).exists() and digest_of(folder / TELLING) == one.digest:
            (folder / TELLING).replace(folder / TOLD)  # whoever wrote the record was killed then
        for name, digest in ((TOLD, one.digest), *one.files.items()):
            if digest_of(folder / name) != digest:
                raise PaymentsUnsound(
                    f"payments/{one.day}/{name}: found another file, or none; expected the one that was sent."
                )
        found.append(ClosedDay(one.day, folder / TOLD, one.digest))
    return found


def write_sent(settings: Settings, day: date, who: str, files: list[str]) -> Sent:
    """Write down that a day's files were sent; it is on disk when this returns."""
    folder = settings.payments(day)
    digests = {name: str(digest_of(folder / name)) for name in sorted(files)}
    sent = Sent(day, datetime.now(UTC).replace(tzinfo=None), who, str(digest_of(folder / TELLING)), digests)
    record = {"day": day.isoformat(), "at": sent.at.isoformat(), "who": who, "digest": sent.digest, "files": digests}
    append_lines(_journal(settings), [record])
    (folder / TELLING).replace(folder / TOLD)
    sync(folder)
    return sent


def sent_look(settings: Settings) -> str:
    """What changes when a day is closed; empty where none is."""
    path = _journal(settings)
    return str(path.stat().st_size) if path.exists() else ""


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file; None where there is none."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _journal(settings: Settings) -> Path:
    return settings.home / "payments" / "sent.jsonl"
