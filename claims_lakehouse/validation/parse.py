"""Raw text -> typed columns, and what is wrong with single fields. Pure: reads and writes nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Column, Feed
from claims_lakehouse.contracts.rules import DATE_IN_FUTURE, MISSING_OPTIONAL, SEQUENCE_IN_FUTURE
from claims_lakehouse.landing.header import MALFORMED
from claims_lakehouse.landing.received import PRIMING
from claims_lakehouse.validation.findings import findings, no_findings
from claims_lakehouse.validation.raw_rows import RawBatch, encode

#: How long after it was received a delivery's sequence may still lie.
SEQUENCE_GRACE = timedelta(days=31)


class Parsed(NamedTuple):
    """A batch of raw rows, read.

    Attributes:
        malformed: The raw rows that could not be split into fields.
        sent: The others.
        typed: row_number and the contract's columns with their types; null where text was not of its format.
        texts: The contract's columns as trimmed text, null where empty; like `typed` row for row with `sent`.
        found: Findings (findings.SCHEMA) about single fields.
    """

    malformed: pl.DataFrame
    sent: pl.DataFrame
    typed: pl.DataFrame
    texts: pl.DataFrame
    found: pl.DataFrame

    @property
    def landed(self) -> int:
        """How many rows there are."""
        return self.malformed.height + self.sent.height


def parse(batch: RawBatch, feed: Feed) -> Parsed:
    """Read a batch of raw rows."""
    malformed = batch.rows.filter(pl.col(MALFORMED).is_not_null())
    batch = batch.well_formed()
    texts, typed, found = [], [batch.rows["row_number"]], [no_findings()]
    for column in feed.columns:
        sent, encoded = batch.rows[column.name], batch.encoded.get(column.name)
        if encoded is None and column.form.recurs:
            encoded = encode(sent)
        field = _read(column, encoded.distinct if encoded else sent)
        if encoded:
            field = field.select(pl.all().gather(encoded.codes))
        texts.append(field["text"].alias(column.name))
        typed.append(field["value"].alias(column.name))
        found += _field_findings(column, batch.rows, field)
    return Parsed(malformed, batch.rows, pl.DataFrame(typed), pl.DataFrame(texts), pl.concat(found))


def future_findings(parsed: Parsed, feed: Feed, delivery: str, received: datetime) -> pl.DataFrame:
    """Findings about dates after the day the delivery was received; `priming` may hold any date."""
    found = [no_findings()]
    if delivery != PRIMING:
        day = received.date()
        dated = (column for column in feed.columns if column.form.dtype == pl.Date and not column.form.lies_ahead)
        for column in dated:
            is_sequence = column.name == feed.sequence
            limit = min(day, date.max - SEQUENCE_GRACE) + SEQUENCE_GRACE if is_sequence else day
            late = (parsed.typed[column.name] > limit).fill_null(value=False)
            if late.any():
                rule = SEQUENCE_IN_FUTURE if is_sequence else DATE_IN_FUTURE
                found.append(findings(_as_sent(parsed.sent, column.name).filter(late), rule, column.name))
    return pl.concat(found)


def _read(column: Column, sent: pl.Series) -> pl.DataFrame:
    """Texts of a column as sent: `text`, trimmed and null where empty, its `value`, and a flag for each notice."""
    text, value = pl.col("text"), pl.col("value")
    trimmed = sent.str.strip_chars().to_frame("text").select(pl.when(text != "").then(text))
    if column.form.is_empty is not None:
        trimmed = trimmed.select(pl.when(~column.form.is_empty(text)).then(text))
    read = trimmed.with_columns(column.form.parse(text).alias("value"))
    return read.with_columns(
        (notice.holds(text, value) & value.is_not_null()).fill_null(value=False).alias(notice.rule.name)
        for notice in column.form.notices
    )


def _as_sent(raw: pl.DataFrame, column: str) -> pl.DataFrame:
    return raw.select("row_number", pl.col(column).alias("value"))


def _field_findings(column: Column, raw: pl.DataFrame, field: pl.DataFrame) -> list[pl.DataFrame]:
    text, value, form = field["text"], field["value"], column.form
    found = []
    is_unread = text.is_not_null() & value.is_null() if form.rule is not None and value.null_count() else None
    if form.rule is not None and is_unread is not None and is_unread.any():
        unread = _as_sent(raw, column.name).filter(is_unread)
        found.append(findings(unread, form.rule, column.name, expected=form.accepts, suggest=form.suggest))
    if not (column.required or column.often_empty) and text.null_count() > 0:
        found.append(findings(_as_sent(raw, column.name).filter(text.is_null()), MISSING_OPTIONAL, column.name))
    for notice in form.notices:
        holds = field[notice.rule.name]
        if holds.any():
            rows = _as_sent(raw, column.name).filter(holds)
            found.append(findings(rows, notice.rule, column.name, suggest=form.suggest))
    return found
