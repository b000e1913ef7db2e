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
    """One field that a correction changes: where, from what to what, by whom and why; and how it was withdrawn."""

    correction_id: str
    fingerprint: str
    row_number: int
    column_name: str
    value_before: str | None
    value: str | None
    corrected_at: datetime
    who: str | None
    why: str | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_why: str | None


def write_correction(settings: Settings, feed: str, delivery: str, changes: Changes, before: Changes) -> str:
    """Write a correction down; it takes effect when the journal names it. Returns its id.

    `before` holds what each row said until then, under every column that changes.
    """
    correction = uuid4().hex[:12]
    written = {
        str(row): {name: [before.get(row, {}).get(name, ""), text] for name, text in texts.items()}
        for row, texts in changes.items()
    }
    write_json(_path(settings, feed, delivery, correction), written)
    return correction


def read_correction(settings: Settings, feed: str, delivery: str, correction: str) -> Changes:
    """What a correction says; DeliveryError where its file cannot be read."""
    return {
        row: {name: after for name, (_, after) in texts.items()}
        for row, texts in _read(settings, feed, delivery, correction).items()
    }


def _read(
    settings: Settings, feed: str, delivery: str, correction: str
) -> dict[int, dict[str, tuple[str | None, str]]]:
    """What a correction's fields said before, where that was written down, and what they say with it."""
    path = _path(settings, feed, delivery, correction)
    try:
        return {
            int(row): {
                name: (None, text) if isinstance(text, str) else (text[0], text[1]) for name, text in texts.items()
            }
            for row, texts in json.loads(path.read_text(encoding="utf-8")).items()
        }
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
    withdrawn: dict[str, Event] = {}
    for event in events:
        if event.event == "purged":
            made.clear()
        elif event.event == "corrected" and event.corrections:
            made[event.corrections] = event
        elif event.event == "withdrawn" and event.corrections:
            withdrawn[event.corrections] = event
    fields = []
    for correction, event in made.items():
        end = withdrawn.get(correction)
        ended = (end.at, end.who, end.why) if end else (None, None, None)
        for row, texts in _read(settings, feed, delivery, correction).items():
            fields += [
                CorrectedField(
                    correction, str(event.fingerprint), row, column, before or None, text or None,
                    event.at, event.who, event.why, *ended,
                )
                for column, (before, text) in texts.items()
            ]  # fmt: skip
    return fields


def _path(settings: Settings, feed: str, delivery: str, correction: str) -> Path:
    return settings.delivery_folder(feed, delivery) / "corrections" / f"{correction}.json"
