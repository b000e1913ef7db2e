"""What can only be seen over a whole delivery: records that occur more than once, ids that were swapped.

Asked of the raw Parquet file in DuckDB, so that memory stays bounded; the rows it names are few.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from claims_lakehouse.contracts import Feed

#: The characters with Unicode's White_Space property, which is what polars trims.
WHITE_SPACE = "".join(
    map(
        chr,
        [
            *range(0x09, 0x0E),
            0x20,
            0x85,
            0xA0,
            0x1680,
            *range(0x2000, 0x200B),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x3000,
        ],
    )
)


class Survey(NamedTuple):
    """Row numbers of a delivery: rows whose record occurs in more than one row, and rows with swapped ids."""

    repeated: pl.Series
    swapped: pl.Series


def survey(con: duckdb.DuckDBPyConnection, raw: Path, feed: Feed) -> Survey:
    """Look over a whole delivery's raw file."""
    key = ", ".join(f"trim({name}, $space)" for name in feed.key)
    values = {"raw": str(raw), "space": WHITE_SPACE}
    # A hash that two records share only makes both be looked at twice.
    repeated = con.sql(
        f"""
        WITH named AS (SELECT row_number, hash({key}) AS record FROM read_parquet($raw) WHERE malformed IS NULL)
        SELECT row_number FROM named
        WHERE record IN (SELECT record FROM named GROUP BY record HAVING count(*) > 1)
        """,
        params=values,
    ).pl()["row_number"]
    swapped = pl.Series("row_number", [], pl.Int64)
    if feed.swappable:
        own, other = feed.swappable
        swapped = con.sql(
            f"""
            WITH ids AS (
                SELECT row_number, trim({own}, $space) AS own, trim({other}, $space) AS other
                FROM read_parquet($raw) WHERE malformed IS NULL
            ),
            suspects AS (
                SELECT row_number, own, other FROM ids
                WHERE own <> '' AND other <> '' AND own IN (SELECT other FROM ids) AND other IN (SELECT own FROM ids)
            ),
            as_own AS (SELECT own AS id, count(*) AS n FROM ids WHERE own IN (SELECT own FROM suspects) GROUP BY id),
            as_other AS (
                SELECT other AS id, count(*) AS n FROM ids
                WHERE other IN (SELECT own FROM suspects UNION SELECT other FROM suspects) GROUP BY id
            )
            SELECT row_number FROM suspects
            JOIN as_own ON as_own.id = suspects.own
            JOIN as_other AS own_elsewhere ON own_elsewhere.id = suspects.own
            JOIN as_other AS other_elsewhere ON other_elsewhere.id = suspects.other
            WHERE own_elsewhere.n > as_own.n AND other_elsewhere.n = 1
            """,
            params=values,
        ).pl()["row_number"]
    return Survey(repeated.cast(pl.Int64), swapped.cast(pl.Int64))
