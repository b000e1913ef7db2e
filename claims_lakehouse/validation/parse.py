"""Raw text -> typed columns, and what is wrong with single fields. Pure: reads and writes nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Column, Feed
from claims_lakehouse.contracts.rules import DATE_IN_FUTURE, MISSING_OPTIONAL, SEQUENCE_IN_FUTURE
from claims_lakehouse.landing.received import PRIMING
from claims_lakehouse.validation.findings import findings, no_findings

#: How long after it was received a delivery's sequence may still lie.
SEQUENCE_GRACE = timedelta(days=31)


class Parsed(NamedTuple):
    """A batch of raw rows, read.

    Attributes:
        typed: row_number and the contract's columns with their types; null where text was not of its format.
        texts: The contract's columns as trimmed text, null where empty; row for row with `typed`.
        found: Findings (findings.SCHEMA) about single fields.
    """

    typed: pl.DataFrame
    texts: pl.DataFrame
    found: pl.DataFrame


def parse(raw: pl.DataFrame, feed: Feed) -> Parsed:
    """Read a batch of well-formed raw rows (row_number and the contract's columns as text)."""
    names = [column.name for column in feed.columns]
    trimmed = [pl.col(name).str.strip_chars() for name in names]
    texts = raw.select(trimmed).with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in names)
    typed = pl.DataFrame([_parsed(column, texts[column.name]) for column in feed.columns])
    typed.insert_column(0, raw["row_number"])
    found = [frame for column in feed.columns for frame in _field_findings(column, raw, texts, typed)]
    return Parsed(typed, texts, pl.concat([no_findings(), *found]))


def future_findings(parsed: Parsed, raw: pl.DataFrame, feed: Feed, delivery: str, received: datetime) -> pl.DataFrame:
    """Findings about dates after the day the delivery was received; `priming` may hold any date."""
    found = [no_findings()]
    if delivery != PRIMING:
        day = received.date()
        for column in (column for column in feed.columns if column.form.dtype == pl.Date):
            is_sequence = column.name == feed.sequence
            limit = min(day, date.max - SEQUENCE_GRACE) + SEQUENCE_GRACE if is_sequence else day
            late = (parsed.typed[column.name] > limit).fill_null(value=False)
            if late.any():
                rule = SEQUENCE_IN_FUTURE if is_sequence else DATE_IN_FUTURE
                found.append(findings(_as_sent(raw, column.name).filter(late), rule, column.name))
    return pl.concat(found)


def _parsed(column: Column, text: pl.Series) -> pl.Series:
    """The values of a column, given its trimmed text; texts that recur are parsed once."""
    if not column.form.recurs:
        return text.to_frame().select(column.form.parse(pl.col(column.name))).to_series().rename(column.name)
    encoded = text.rechunk().to_arrow().dictionary_encode()
    once = pl.Series(column.name, encoded.dictionary, pl.String)
    values = once.to_frame().select(column.form.parse(pl.col(column.name))).to_series()
    return values.gather(pl.Series(encoded.indices)).rename(column.name)


def _as_sent(raw: pl.DataFrame, column: str) -> pl.DataFrame:
    return raw.select("row_number", pl.col(column).alias("value"))


def _field_findings(column: Column, raw: pl.DataFrame, texts: pl.DataFrame, typed: pl.DataFrame) -> list[pl.DataFrame]:
    text, value, form = texts[column.name], typed[column.name], column.form
    found = []
    if form.rule is not None and value.null_count() > text.null_count():
        unread = _as_sent(raw, column.name).filter(text.is_not_null() & value.is_null())
        found.append(findings(unread, form.rule, column.name, expected=form.accepts, suggest=form.suggest))
    if not column.required and text.null_count() > 0:
        found.append(findings(_as_sent(raw, column.name).filter(text.is_null()), MISSING_OPTIONAL, column.name))
    for notice in form.notices:
        pair = pl.DataFrame({"text": text, "value": value})
        holds = pair.select(
            (notice.holds(pl.col("text"), pl.col("value")) & pl.col("value").is_not_null()).fill_null(value=False)
        ).to_series()
        if holds.any():
            rows = _as_sent(raw, column.name).filter(holds)
            found.append(findings(rows, notice.rule, column.name, suggest=form.suggest))
    return found
