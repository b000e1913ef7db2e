"""Rows of one delivery that speak of the same record at the same time. Pure: reads and writes nothing."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import CONFLICTING_ROW, DUPLICATE_ROW
from claims_lakehouse.validation.findings import findings


class Settled(NamedTuple):
    """Rows that stay, and what was found of the others.

    `found` has findings.SCHEMA; duplicates are counted apart because they are neither valid nor quarantined.
    """

    accepted: pl.DataFrame
    found: pl.DataFrame
    duplicates: int


def settle_repeats(rows: pl.DataFrame, feed: Feed) -> Settled:
    """Of rows of the same record and sequence the first stays; an equal one is a duplicate, another conflicts.

    `rows` are typed rows without an error (row_number and the contract's columns), in any order.
    """
    place = [*feed.key, *([feed.sequence] if feed.sequence else [])]
    ordered = rows.sort("row_number")
    first = pl.col("row_number").first().over(place)
    equal = pl.all_horizontal(
        [pl.col(name).eq_missing(pl.col(name).first().over(place)) for name in feed.content] or [pl.lit(value=True)]
    )
    judged = ordered.with_columns(first.alias("_first"), equal.alias("_equal"))
    repeated = judged.filter(pl.col("row_number") != pl.col("_first")).with_columns(
        pl.lit(None, pl.String).alias("value")
    )
    same, other = repeated.filter(pl.col("_equal")), repeated.filter(~pl.col("_equal"))
    found = pl.concat(
        [
            findings(group, rule, None, expected=pl.col("_first"))
            for group, rule in ((same, DUPLICATE_ROW), (other, CONFLICTING_ROW))
        ]
    )
    accepted = judged.filter(pl.col("row_number") == pl.col("_first")).select(rows.columns)
    return Settled(accepted, found, same.height)
