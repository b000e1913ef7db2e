"""What can only be seen over a whole delivery: records that occur more than once, ids that were swapped.

Asked of a few columns of the raw file before its rows are verified. Records are compared by a hash of their key:
that two share one only makes both be looked at again, by their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.landing.corrections import Overlay
from claims_lakehouse.landing.raw import damaged, read_summary
from claims_lakehouse.validation.overlay import lay_over


class Survey(NamedTuple):
    """Row numbers of a delivery: rows whose record occurs in more than one row, and rows with swapped ids."""

    repeated: pl.Series
    swapped: pl.Series


class RawRows(NamedTuple):
    """A delivery's raw file, and the corrections that lie over it."""

    path: Path
    overlay: Overlay = Overlay()

    def slices(self, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        """Some columns, `row_number` among them, in frames of so many rows; UnreadableFile where it is damaged."""
        scan = pl.scan_parquet(self.path).select(columns)
        for offset in range(0, read_summary(self.path).rows_landed, rows):
            try:
                frame = scan.slice(offset, rows).collect()
            except (pl.exceptions.PolarsError, OSError):
                raise damaged(self.path) from None
            yield lay_over(frame, self.overlay)


def survey(raw: RawRows, feed: Feed) -> Survey:
    """Look over a whole delivery's raw rows: once, and again only where ids may be swapped.

    What is kept meanwhile is a hash and a number a row, and the ids that other records go by.
    """
    own, other = feed.swappable or (feed.key[0], None)
    columns = tuple(dict.fromkeys((*feed.key, *(feed.swappable or ()))))
    record = pl.col(feed.key[0]).hash() if len(feed.key) == 1 else pl.struct(feed.key).hash()
    apart = [pl.col(own).hash().alias("own")] if other is not None and feed.key != (own,) else []
    hashed, others = [], []
    for rows in _texts(raw, columns):
        hashed.append(
            rows.drop_nulls(feed.key).select(pl.col("row_number").cast(pl.UInt32), record.alias("record"), *apart)
        )
        if other is not None:
            others.append(rows[other].drop_nulls().hash().unique())
    seen = pl.concat(hashed)
    hashed.clear()
    owns = seen["own"] if apart else seen["record"]
    swapped = pl.Series("row_number", [], pl.Int64)
    if other is not None:
        suspected = seen.filter(owns.is_in(pl.concat(others).unique().implode()))["row_number"]
        if len(suspected):
            swapped = _swapped(raw, own, other, owns, suspected)
    return Survey(_repeated(seen), swapped)


def _texts(raw: RawRows, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Row numbers and trimmed texts of the rows that could be split, in bounded frames, of which one is empty."""
    yield pl.DataFrame(schema={"row_number": pl.Int64, **dict.fromkeys(columns, pl.String)})
    for frame in raw.slices(("row_number", "malformed", *columns), 1 << 20):
        rows = frame.filter(pl.col("malformed").is_null())
        yield rows.select("row_number", *(_trimmed(name) for name in columns))


def _trimmed(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def _repeated(seen: pl.DataFrame) -> pl.Series:
    """The rows whose record has another row: sorted, the same hashes stand side by side."""
    ordered = seen["record"].sort()
    twice = ordered.filter(ordered == ordered.shift(1)).unique()
    rows = seen.filter(pl.col("record").is_in(twice.implode())) if len(twice) else seen.clear()
    return rows["row_number"].cast(pl.Int64)


def _swapped(raw: RawRows, own: str, other: str, owns: pl.Series, suspected: pl.Series) -> pl.Series:
    """Rows whose `own` id is known as an `other` id, and the other way round, by how often each occurs.

    The own id occurs as an `other` in more rows than as an `own`; the other id occurs as an `own`, and in no other
    row as an `other`. `owns` are the hashes of all own ids; `suspected` are the rows whose own id is known as an
    `other` id.
    """
    among = pl.col("row_number").is_in(suspected.cast(pl.Int64).implode())
    suspects = pl.concat([rows.filter(among) for rows in _texts(raw, (own, other))])
    wanted = suspects[other].hash()
    known = owns.filter(owns.is_in(wanted.implode())).unique()
    suspects = suspects.filter(wanted.is_in(known.implode()))
    if suspects.is_empty():
        return pl.Series("row_number", [], pl.Int64)
    ids = pl.concat([suspects[own].hash(), suspects[other].hash()]).unique().implode()
    named = pl.concat(
        [
            rows.filter(pl.col(own).hash().is_in(ids) | pl.col(other).hash().is_in(ids))
            for rows in _texts(raw, (own, other))
        ]
    )
    as_own = named.drop_nulls(own).group_by(pl.col(own).alias("id")).len("as_own")
    as_other = named.drop_nulls(other).group_by(pl.col(other).alias("id")).len("as_other")
    counts = as_own.join(as_other, on="id", how="full", coalesce=True).fill_null(0)
    judged = named.join(counts, left_on=own, right_on="id").join(
        counts, left_on=other, right_on="id", suffix="_of_other"
    )
    return judged.filter(
        (pl.col("as_other") > pl.col("as_own")) & (pl.col("as_own_of_other") > 0) & (pl.col("as_other_of_other") == 1)
    )["row_number"].sort()
