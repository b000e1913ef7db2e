"""Findings: what verification has to say of a row or a file, one row of a frame each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

import polars as pl

from claims_lakehouse.contracts import Feed, Rule
from claims_lakehouse.contracts.formats import TEXT

#: What a finding says of a row, before the row's own key and sequence are joined to it.
SCHEMA: dict[str, pl.DataType] = {
    "row_number": pl.Int64(),
    "rule": pl.String(),
    "column_name": pl.String(),
    "value": pl.String(),
    "message": pl.String(),
    "severity": pl.String(),
    "suggestion": pl.String(),
}

#: A row of the issues stage: a finding, the delivery and record that it is about, and a stable id.
#: `sequence` is the row's, where it could be read: an issue is resolved by a row that is not older.
#: `corrected_by` is the correction that settled it, if one did.
ISSUE_SCHEMA: dict[str, pl.DataType] = {
    "issue_id": pl.String(),
    "feed": pl.String(),
    "delivery": pl.String(),
    "row_number": pl.Int64(),
    "record_key": pl.String(),
    "rule": pl.String(),
    "column_name": pl.String(),
    "value": pl.String(),
    "message": pl.String(),
    "severity": pl.String(),
    "suggestion": pl.String(),
    "sequence": pl.Datetime("us"),
    "corrected_by": pl.String(),
}


#: What is known of a row that a finding is about: the record it speaks of, and its sequence.
MOMENT_SCHEMA: dict[str, pl.DataType] = {
    "row_number": pl.Int64(),
    "record_key": pl.String(),
    "sequence": pl.Datetime("us"),
}


def findings(
    rows: pl.DataFrame,
    rule: Rule,
    column: str | None,
    *,
    expected: str | pl.Expr = "",
    suggest: Callable[[str], str | None] | None = None,
) -> pl.DataFrame:
    """Findings of one rule for `rows` (row_number, value): SCHEMA."""
    before, found, after = rule.message.replace("{column}", column or "The row").partition("{expected}")
    told = expected if isinstance(expected, pl.Expr) else pl.lit(expected)
    message = pl.concat_str(pl.lit(before), told.cast(pl.String), pl.lit(after)) if found else pl.lit(before)
    suggestion: pl.Expr = pl.lit(None, pl.String)
    if suggest is not None:
        values = rows["value"].drop_nulls().unique()
        likely = {value: suggest(value.strip()) for value in values}
        suggestion = pl.col("value").replace_strict(
            list(likely), list(likely.values()), default=None, return_dtype=pl.String
        )
    return rows.select(
        pl.col("row_number").cast(pl.Int64),
        pl.lit(rule.name).alias("rule"),
        pl.lit(column, pl.String).alias("column_name"),
        pl.col("value").cast(pl.String),
        message.alias("message"),
        pl.lit(rule.severity).alias("severity"),
        suggestion.alias("suggestion"),
    )


def no_findings() -> pl.DataFrame:
    """An empty frame of SCHEMA."""
    return pl.DataFrame(schema=SCHEMA)


def issue_id(feed: str, delivery: str, row_number: int | None, rule: str, column: str | None) -> str:
    """The stable id of an issue: 32 hexadecimal digits.

    `history.live_issues` makes the ids of live issues in the same way.
    """
    named = (feed, delivery, "" if row_number is None else str(row_number), rule, column or "")
    return hashlib.md5("\x1f".join(named).encode(), usedforsecurity=False).hexdigest()


def as_issues(found: pl.DataFrame, rows: pl.DataFrame, feed: Feed, delivery: str) -> pl.DataFrame:
    """Findings as rows of ISSUE_SCHEMA, with key and sequence from `rows` (row_number, record_key, sequence)."""
    if found.is_empty():
        return pl.DataFrame(schema=ISSUE_SCHEMA)
    ids = [issue_id(feed.name, delivery, *row) for row in found.select("row_number", "rule", "column_name").iter_rows()]
    return (
        found.join(rows, on="row_number", how="left")
        .with_columns(
            pl.Series("issue_id", ids, pl.String),
            pl.lit(feed.name).alias("feed"),
            pl.lit(delivery).alias("delivery"),
            pl.lit(None, pl.String).alias("corrected_by"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in ISSUE_SCHEMA.items())
    )


def key_texts(texts: pl.DataFrame, typed: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """The columns of a record's key as text: the value's where there is one, so that `01` and `1` name one record.

    `texts` and `typed` are the same rows, as trimmed text and as values.
    """
    return pl.DataFrame(
        [
            texts[name]
            if feed.column(name).form == TEXT
            else typed[name].cast(pl.String).zip_with(typed[name].is_not_null(), texts[name])
            for name in feed.key
        ]
    )


def record_key(feed: Feed) -> pl.Expr:
    """A record's key in one text, from its columns' texts; `history.finding_sql.key_text` makes it in the same way.

    Several columns are joined with `|`; one that is part of a text has a backslash before it, so that no two keys are
    alike.
    """
    if len(feed.key) == 1:
        return pl.col(feed.key[0]).alias("record_key")
    parts = [pl.col(name).cast(pl.String).str.replace_all(r"([\\|])", r"\$1") for name in feed.key]
    return pl.concat_str(parts, separator="|", ignore_nulls=False).alias("record_key")


def record_moments(typed: pl.DataFrame, texts: pl.DataFrame, feed: Feed, received: datetime) -> pl.DataFrame:
    """The key and sequence of each row, as issues name them: row_number, record_key, sequence (TIMESTAMP).

    `texts` holds the text of the key's columns (`key_texts`); `record_key` joins them.
    """
    sequence = (
        typed[feed.sequence].cast(pl.Datetime("us"))
        if feed.sequence
        else pl.Series([received], dtype=pl.Datetime("us")).new_from_index(0, typed.height)
    )
    key = texts.select(record_key(feed)).to_series()
    return pl.DataFrame(
        {"row_number": typed["row_number"], "record_key": key, "sequence": sequence},
        schema=MOMENT_SCHEMA,
    )
