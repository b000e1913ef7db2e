"""Rows of one delivery that speak of the same record at the same time. Pure: reads and writes nothing."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import CONFLICTING_ROW, DUPLICATE_ROW
from claims_lakehouse.validation.findings import findings

_OF_FIRST = "_of_first"


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
    firsts = ordered.unique(place, keep="first", maintain_order=True)
    later = ordered.join(firsts.select("row_number"), on="row_number", how="anti", maintain_order="left")
    pairs = later.join(firsts, on=place, how="left", suffix=_OF_FIRST, maintain_order="left")
    equal = [pl.col(name).eq_missing(pl.col(name + _OF_FIRST)) for name in feed.content]
    repeated = pairs.select(
        "row_number",
        pl.lit(None, pl.String).alias("value"),
        pl.col("row_number" + _OF_FIRST).alias("_first"),
        pl.all_horizontal(equal or [pl.lit(value=True)]).alias("_equal"),
    )
    same, other = repeated.filter(pl.col("_equal")), repeated.filter(~pl.col("_equal"))
    found = pl.concat(
        [
            findings(group, rule, None, expected=pl.col("_first"))
            for group, rule in ((same, DUPLICATE_ROW), (other, CONFLICTING_ROW))
        ]
    )
    return Settled(firsts, found, same.height)
