"""Corrections: what people lay over landed rows, one file each, beside the raw contents.

A correction's file holds values of rows; the journal, which holds none, says which content it binds to, who made it
and why, and whether it was withdrawn. The landed file and the raw file stay as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from uuid import uuid4

from claims_lakehouse.errors import DeliveryError
from claims_lakehouse.files import write_json
from claims_lakehouse.landing.journal import Event
from claims_lakehouse.settings import Settings

#: Row number -> column -> its new text; empty text empties the field.
Changes = Mapping[int, Mapping[str, str]]


class Overlay(NamedTuple):
    """The corrections in effect over a content, together.

    Attributes:
        ids: The corrections, in the order in which they were made.
        texts: Row number -> column -> text; of two corrections of one field the later counts.
        last: The last correction of each row.
    """

    ids: tuple[str, ...] = ()
    texts: Changes = MappingProxyType({})
    last: Mapping[int, str] = MappingProxyType({})


class CorrectedField(NamedTuple):
    """One field that a correction changes: where, to what, by whom and why, and when it was withdrawn."""

    correction_id: str
    fingerprint: str
    row_number: int
    column_name: str
    value: str | None
    corrected_at: datetime
    who: str | None
    why: str | None
    withdrawn_at: datetime | None


def write_correction(settings: Settings, feed: str, delivery: str, changes: Changes) -> str:
    """Write a correction down; it takes effect when the journal names it. Returns its id."""
    correction = uuid4().hex[:12]
    written = {str(row): dict(texts) for row, texts in changes.items()}
    write_json(_path(settings, feed, delivery, correction), written)
    return correction


def read_correction(settings: Settings, feed: str, delivery: str, correction: str) -> Changes:
    """What a correction says; DeliveryError where its file cannot be read."""
    path = _path(settings, feed, delivery, correction)
    try:
        return {int(row): texts for row, texts in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError) as error:
        raise DeliveryError(
            f"Feed '{feed}', delivery '{delivery}', correction {correction}: found "
            f"{error.strerror if isinstance(error, OSError) else 'a damaged file'}; expected {path.name} beside raw."
        ) from None


def read_overlay(settings: Settings, feed: str, delivery: str, laid: str) -> Overlay:
    """The corrections of the given ids (joined by commas) together."""
    ids = tuple(laid.split(",")) if laid else ()
    texts: dict[int, dict[str, str]] = {}
    last: dict[int, str] = {}
    for correction in ids:
        for row, changed in read_correction(settings, feed, delivery, correction).items():
            texts.setdefault(row, {}).update(changed)
            last[row] = correction
    return Overlay(ids, texts, last)


def corrected_fields(settings: Settings, feed: str, delivery: str, events: Iterable[Event]) -> list[CorrectedField]:
    """Every field of every correction that the delivery's journal tells of, those before a purge aside."""
    made: dict[str, Event] = {}
    withdrawn: dict[str, datetime] = {}
    for event in events:
        if event.event == "purged":
            made.clear()
        elif event.event == "corrected" and event.corrections:
            made[event.corrections] = event
        elif event.event == "withdrawn" and event.corrections:
            withdrawn[event.corrections] = event.at
    return [
        CorrectedField(
            correction, str(event.fingerprint), row, column, text or None, event.at, event.who, event.why,
            withdrawn.get(correction),
        )
        for correction, event in made.items()
        for row, texts in read_correction(settings, feed, delivery, correction).items()
        for column, text in texts.items()
    ]  # fmt: skip


def _path(settings: Settings, feed: str, delivery: str, correction: str) -> Path:
    return settings.delivery_folder(feed, delivery) / "corrections" / f"{correction}.json"
