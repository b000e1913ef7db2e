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
    """Look over a whole delivery's raw rows."""
    hashed = pl.concat(
        rows.drop_nulls().select("row_number", pl.struct(feed.key).hash().alias("record"))
        for rows in _texts(raw, feed.key)
    )
    swapped = _swapped(raw, *feed.swappable) if feed.swappable else pl.Series("row_number", [], pl.Int64)
    return Survey(_repeated(hashed), swapped)


def _texts(raw: RawRows, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
    """Row numbers and trimmed texts of the rows that could be split, in bounded frames, of which one is empty."""
    yield pl.DataFrame(schema={"row_number": pl.Int64, **dict.fromkeys(columns, pl.String)})
    for frame in raw.slices(("row_number", "malformed", *columns), 1 << 20):
        rows = frame.filter(pl.col("malformed").is_null())
        yield rows.select("row_number", *(_trimmed(name) for name in columns))


def _trimmed(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def _repeated(hashed: pl.DataFrame) -> pl.Series:
    """The rows whose record has another row: sorted, the same hashes stand side by side."""
    ordered = hashed["record"].sort()
    twice = ordered.filter(ordered == ordered.shift(1)).unique()
    return (
        hashed.filter(pl.col("record").is_in(twice.implode()))["row_number"]
        if len(twice)
        else hashed["row_number"].clear()
    )


def _swapped(raw: RawRows, own: str, other: str) -> pl.Series:
    """Rows whose `own` id is known as an `other` id, and the other way round, by how often each occurs.

    The own id occurs as an `other` in more rows than as an `own`; the other id occurs as an `own`, and in no other
    row as an `other`.
    """
    hashed = pl.concat([rows.select(pl.col(own).hash(), pl.col(other).hash()) for rows in _texts(raw, (own, other))])
    suspects = hashed.filter(pl.col(own).is_in(hashed[other].implode()) & pl.col(other).is_in(hashed[own].implode()))
    if suspects.is_empty():
        return pl.Series("row_number", [], pl.Int64)
    ids = pl.concat([suspects[own], suspects[other]]).unique().implode()
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
