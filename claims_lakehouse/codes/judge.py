"""Codes of lines held to the release that was in force on the day of service. Pure: reads and writes nothing."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from claims_lakehouse.codes.releases import BILLABLE, HEADER, RELEASES, boundaries
from claims_lakehouse.contracts.feed import ReleasedCodes
from claims_lakehouse.contracts.mapping import LIST_SEPARATOR
from claims_lakehouse.contracts.rules import Rule

#: A day's period: odd within a release, even before the first, between two, and after the last.
_PERIOD, _CODE, _CODES = "_period", "_code", "_codes"


class Judged(NamedTuple):
    """What a rule has against some lines: `row_number`, and the `codes` that break it, joined by a comma."""

    rule: Rule
    rows: pl.DataFrame


def judge(typed: pl.DataFrame, check: ReleasedCodes, table: pl.DataFrame) -> list[Judged]:
    """Hold a column of typed lines (row_number and the contract's columns) to the releases in `table`.

    On a day within a release, that one decides. On any other day the releases before and after it are asked: a code
    that neither knows as billable cannot be verified. Lines without codes or day are left out.
    """
    day = pl.col(check.as_of)
    period = pl.sum_horizontal((day >= edge).cast(pl.Int8) for edge in boundaries(RELEASES))
    lines = typed.lazy().select("row_number", pl.col(check.column).alias(_CODES), period.alias(_PERIOD), day)
    lines = lines.filter(pl.col(_CODES).is_not_null() & day.is_not_null()).drop(check.as_of)
    sent = lines.select(_CODES, _PERIOD).unique()
    each = sent.with_columns(pl.col(_CODES).str.split(LIST_SEPARATOR).alias(_CODE)).explode(_CODE).collect()
    standing = each.select(_CODE, _PERIOD).unique().join(table, left_on=_CODE, right_on="code", how="left")
    standing = standing.select(_CODE, _PERIOD, _rule(check).alias("_rule")).drop_nulls("_rule")
    if standing.is_empty():
        return []
    wrong = (
        each.join(standing, on=[_CODE, _PERIOD])
        .group_by(_CODES, _PERIOD, "_rule")
        .agg(pl.col(_CODE).unique().sort().str.join(", ").alias("codes"))
    )
    found = lines.collect().join(wrong, on=[_CODES, _PERIOD]).sort("row_number")
    rules = (check.unknown, check.not_billable, check.unverified)
    return [
        Judged(rule, rows)
        for rule in rules
        if (rows := found.filter(pl.col("_rule") == rule.name).select("row_number", "codes")).height
    ]


def _rule(check: ReleasedCodes) -> pl.Expr:
    """The name of the rule that a code breaks in a period, or null."""
    columns = [pl.col(release.column).fill_null(0) for release in RELEASES]
    broken: list[pl.Expr] = []
    for period in range(2 * len(columns) + 1):
        place, is_within = divmod(period, 2)
        if is_within:
            own = columns[place]
            rule = (
                pl.when(own == BILLABLE).then(None)
                .when(own == HEADER).then(pl.lit(check.not_billable.name))
                .otherwise(pl.lit(check.unknown.name))
            )  # fmt: skip
        else:
            beside = columns[max(place - 1, 0) : place + 1]
            known = pl.max_horizontal(beside) == BILLABLE
            rule = pl.when(known).then(None).otherwise(pl.lit(check.unverified.name))
        broken.append(pl.when(pl.col(_PERIOD) == period).then(rule))
    return pl.coalesce(broken)
