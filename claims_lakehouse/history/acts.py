"""What people decide about a delivery: release, retract, reinstate, correct, withdraw.

Each act binds to content and is on record.

An act is an event in the delivery's journal; bringing the warehouse up to date is what makes it felt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.files import turn_at
from claims_lakehouse.landing.corrections import Changes, read_overlay, write_correction
from claims_lakehouse.landing.decisions import Content
from claims_lakehouse.landing.discovery import check_delivery_key
from claims_lakehouse.landing.journal import DeliveryState, Journal
from claims_lakehouse.landing.raw import damaged, read_summary
from claims_lakehouse.settings import Settings

#: How many characters a reason may have.
LONGEST_REASON = 2000


def release(settings: Settings, feed: Feed, delivery: str, *, because: str, who: str, seen: str | None = None) -> None:
    """Let a held delivery's content go on; UsageError where it is not held.

    `seen` is the content that the person looked at, where that matters; Overtaken where another one landed since.
    """
    with _turn(settings, feed, delivery, because, seen) as (journal, state):
        if not state.is_held:
            raise UsageError(f"{feed.name} {delivery} is not held; it is {state.status}.")
        journal.append(
            "released", fingerprint=state.content, who=who, why=because, before=state.status, after="applied"
        )


def retract(settings: Settings, feed: Feed, delivery: str, *, because: str, who: str, seen: str | None = None) -> None:
    """Take a delivery's content out of the tables, as if it had never come; UsageError where it is out already.

    `seen` as in `release`.
    """
    with _turn(settings, feed, delivery, because, seen) as (journal, state):
        contents = {state.content, state.standing} - {None} - state.retracted
        if not contents:
            raise UsageError(f"{feed.name} {delivery} is {state.status}; there is nothing to retract.")
        for content in sorted(str(content) for content in contents):
            journal.append(
                "retracted", fingerprint=content, who=who, why=because, before=state.status, after="retracted"
            )


def reinstate(
    settings: Settings, feed: Feed, delivery: str, *, because: str, who: str, seen: str | None = None
) -> None:
    """Undo a retraction; UsageError where there is none. `seen` as in `release`."""
    with _turn(settings, feed, delivery, because, seen) as (journal, state):
        contents = {state.content, state.standing} & state.retracted
        if not contents:
            raise UsageError(f"{feed.name} {delivery} is not retracted; it is {state.status}.")
        for content in sorted(str(content) for content in contents):
            journal.append(
                "reinstated", fingerprint=content, who=who, why=because, before=state.status, after="applied"
            )


def correct(
    settings: Settings,
    feed: Feed,
    delivery: str,
    changes: Changes,
    *,
    because: str,
    who: str,
    seen: str | None = None,
    expected: Changes | None = None,
) -> str:
    """Lay a correction over rows of the content that landed last; returns its id.

    Args:
        settings: Where the lakehouse is.
        feed: The delivery's feed.
        delivery: The delivery's key.
        changes: Row number -> column -> its new text, as a file would say it; empty text empties the field.
        because: Why; it goes on record.
        who: Who decided it.
        seen: The content that the person looked at, where that matters.
        expected: What fields said when the person looked, row number -> column -> text.

    Raises:
        Overtaken: The content, or one of the expected fields, says otherwise by now.
        UsageError: There is no such delivery, row or column, nothing is changed, or a malformed row is not given every
            required column. Nothing is written then.
    """
    for text in (text for texts in changes.values() for text in texts.values()):
        _require_text(text, "A value")
    with _turn(settings, feed, delivery, because, seen) as (journal, state):
        if state.content is None:
            raise UsageError(f"{feed.name} {delivery} is {state.status}; there is no row to correct.")
        laid = state.laid_over(state.content)
        before = effective_texts(settings, feed, delivery, Content(state.content, laid), changes)
        _check_changes(settings, feed, delivery, state.content, changes, before)
        for row, texts in (expected or {}).items():
            if any(_plain(before.get(row, {}).get(name, "")) != _plain(text) for name, text in texts.items()):
                raise Overtaken(f"{feed.name} {delivery}, row {row} was corrected since you looked; look again.")
        correction = write_correction(settings, feed.name, delivery, changes, before)
        fields = sum(len(texts) for texts in changes.values())
        told = f"{fields} field{'s' * (fields != 1)} of " + (
            f"row {next(iter(changes))}" if len(changes) == 1 else f"{len(changes)} rows"
        )
        journal.append(
            "corrected", fingerprint=state.content, who=who, why=because, detail=told, corrections=correction
        )
    return correction


def withdraw(settings: Settings, feed: Feed, delivery: str, correction: str, *, because: str, who: str) -> None:
    """Take a correction back; UsageError where it is not in effect."""
    with _turn(settings, feed, delivery, because) as (journal, state):
        content = next((content for content, ids in state.corrections.items() if correction in ids), None)
        if content is None:
            known = ", ".join(state.corrections.get(state.content or "", ())) or "none"
            raise UsageError(f"{feed.name} {delivery} has no correction '{correction}' in effect; there is {known}.")
        journal.append("withdrawn", fingerprint=content, who=who, why=because, corrections=correction)


def effective_texts(
    settings: Settings, feed: Feed, delivery: str, content: Content, rows: Collection[int]
) -> dict[int, dict[str, str]]:
    """What rows of a content say with its corrections: row number -> column -> text, empty for nothing.

    UnreadableFile where the raw file cannot be read.
    """
    raw = settings.raw(feed.name, delivery, content.fingerprint)
    names = [column.name for column in feed.columns]
    try:
        found = pl.scan_parquet(raw).filter(pl.col("row_number").is_in(list(rows))).select("row_number", *names)
        texts = {row: {name: text or "" for name, text in zip(names, said, strict=True)}
                 for row, *said in found.collect().iter_rows()}  # fmt: skip
    except (pl.exceptions.PolarsError, OSError):
        raise damaged(raw) from None
    laid = read_overlay(settings, feed.name, delivery, content.corrections).texts
    return {row: {**said, **laid.get(row, {})} for row, said in texts.items()}


def _check_changes(
    settings: Settings,
    feed: Feed,
    delivery: str,
    content: str,
    changes: Changes,
    before: Changes,
) -> None:
    place = f"{feed.name} {delivery}"
    if not changes or not all(changes.values()):
        raise UsageError("A correction needs what is to change; found nothing.")
    columns = [column.name for column in feed.columns]
    raw = settings.raw(feed.name, delivery, content)
    landed = read_summary(raw).rows_landed
    for row, texts in changes.items():
        if not 1 <= row <= landed:
            raise UsageError(f"{place} has no row {row}; it has rows 1 to {landed}.")
        for column in texts:
            if column not in columns:
                raise UsageError(f"{feed.name} has no column '{column}'; it has {', '.join(columns)}.")
    try:
        malformed = (
            pl.scan_parquet(raw)
            .filter(pl.col("row_number").is_in(list(changes)) & pl.col("malformed").is_not_null())
            .select("row_number")
            .collect()["row_number"]
        )
    except (pl.exceptions.PolarsError, OSError):
        raise damaged(raw) from None
    required = [column.name for column in feed.columns if column.needs_text]
    for row in malformed:
        now = {**before.get(row, {}), **changes[row]}
        if missing := [name for name in required if not now.get(name, "").strip()]:
            raise UsageError(
                f"{place}, row {row} is malformed: its correction must give every required column; "
                f"found none for {', '.join(missing)}."
            )


def require_reason(because: str) -> None:
    """UsageError where no reason is given, or it is no text that can be kept."""
    if not because.strip():
        raise UsageError("An act needs a reason.")
    if len(because) > LONGEST_REASON:
        raise UsageError(f"A reason may have {LONGEST_REASON:,} characters; found {len(because):,}.")
    _require_text(because, "The reason")


def _require_text(text: str, what: str) -> None:
    """UsageError where a text has what is no character: a terminal of another encoding gives such."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} has what is no character; expected UTF-8.") from None


def _plain(text: str) -> str:
    """A text with one kind of line end: a form does not keep them apart."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def _turn(
    settings: Settings, feed: Feed, delivery: str, because: str, seen: str | None = None
) -> Iterator[tuple[Journal, DeliveryState]]:
    """A delivery's journal and state, which nobody else decides about meanwhile."""
    require_reason(because)
    journal = Journal(settings, feed.name, check_delivery_key(delivery))
    if not journal.path.exists():
        raise UsageError(f"Feed '{feed.name}' has no delivery '{delivery}'.")
    with turn_at(journal.path.parent):
        state = journal.state()
        if state is None:
            raise UsageError(f"Feed '{feed.name}' has no delivery '{delivery}'.")
        if seen is not None and seen != state.content:
            raise Overtaken(f"{feed.name} {delivery} was replaced by other content since you looked; look again.")
        yield journal, state
