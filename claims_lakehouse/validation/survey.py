"""What can only be seen over a whole delivery: records that occur more than once, ids that were swapped.

Asked of a few columns of the raw file before its rows are verified. Ids are compared by a hash: that two share one
only makes both be looked at again, by their text.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.formats import TEXT
from claims_lakehouse.landing.header import MALFORMED
from claims_lakehouse.validation.findings import key_texts
from claims_lakehouse.validation.raw_rows import RawRows, ahead

#: How many rows are read, and how many hashes are sorted, at a time.
_READ_ROWS, _SORTED_ROWS = 1 << 20, 8 << 20
_NO_ROWS = pl.Series("row_number", [], pl.Int64)


class Survey(NamedTuple):
    """Row numbers of a delivery, sorted: rows whose record occurs in more than one row, and rows with swapped ids."""

    repeated: pl.Series
    swapped: pl.Series


def survey(raw: RawRows, feed: Feed) -> Survey:
    """Look over a whole delivery's raw rows: once, and again only at those whose ids may be swapped.

    What is kept meanwhile is 12 bytes a row, 16 where ids may be swapped and the key is one of them.
    """
    columns = tuple(dict.fromkeys((*feed.key, *(feed.swappable or ()))))
    record = pl.col(feed.key[0]).hash() if len(feed.key) == 1 else pl.struct(feed.key).hash()
    kept = [pl.col("row_number").cast(pl.UInt32), _where_all(feed.key, record).alias("record")]
    for place, name in zip(("own", "other"), feed.swappable or (), strict=False):
        if (name,) != feed.key:
            kept.append(_where_all((name,), _short(pl.col(name).hash())).alias(place))
    nothing = pl.DataFrame(schema={"row_number": pl.Int64, **dict.fromkeys(columns, pl.String)}).select(kept)
    batches = ahead(raw.batches(_sent(columns), _READ_ROWS))
    seen = pl.concat([nothing, *(_read(batch.rows, columns, feed).select(kept) for batch in batches)])
    return Survey(_repeated(seen), _swapped(raw, *feed.swappable, seen) if feed.swappable else _NO_ROWS)


def _sent(columns: tuple[str, ...]) -> tuple[str, ...]:
    return ("row_number", MALFORMED, *columns)


def _texts(rows: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Row numbers and trimmed texts of the rows that could be split."""
    well_formed = rows.filter(pl.col(MALFORMED).is_null())
    return well_formed.select("row_number", *(_trimmed(name) for name in columns))


def _read(rows: pl.DataFrame, columns: tuple[str, ...], feed: Feed) -> pl.DataFrame:
    """The same, keys of other formats than text as their values are written."""
    texts = _texts(rows, columns)
    parsed = [name for name in feed.key if feed.column(name).form != TEXT]
    if not parsed:
        return texts
    typed = texts.select(feed.column(name).form.parse(pl.col(name)).alias(name) for name in parsed)
    return texts.with_columns(key_texts(texts, typed, feed))


def _trimmed(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def _where_all(columns: tuple[str, ...], hashed: pl.Expr) -> pl.Expr:
    return pl.when(pl.all_horizontal(pl.col(columns).is_not_null())).then(hashed)


def _short(hashed: pl.Expr) -> pl.Expr:
    return hashed.cast(pl.UInt32, wrap_numerical=True)


def _repeated(seen: pl.DataFrame) -> pl.Series:
    """The rows whose record has another row: sorted, the same hashes stand side by side."""
    shares = seen.height // _SORTED_ROWS + 1
    bounds = [(1 << 64) * share // shares for share in range(shares + 1)]
    twice = []
    for first, after in pairwise(bounds):
        among = seen["record"] if shares == 1 else seen["record"].filter(seen["record"].is_between(first, after - 1))
        ordered = among.drop_nulls().sort()
        twice.append(ordered.slice(1).filter(ordered.slice(1) == ordered.head(-1)).unique())
    again = pl.concat(twice)
    rows = seen.filter(pl.col("record").is_in(again.implode())) if len(again) else seen.clear()
    return rows["row_number"].cast(pl.Int64).sort()


def _swapped(raw: RawRows, own: str, other: str, seen: pl.DataFrame) -> pl.Series:
    """Rows whose `own` id is known as an `other` id, and the other way round, by how often each occurs.

    The own id occurs as an `other` in more rows than as an `own`; the other id occurs as an `own`, and in no other
    row as an `other`. Where both are numbered alike that says nothing, and no row is named.
    """
    owns = pl.col("own") if "own" in seen.columns else _short(pl.col("record"))
    ids = seen.select(owns.alias("own"), "other")
    suspects = ids.filter(pl.col("own").is_in(ids["other"].unique().drop_nulls().implode()))
    shared = suspects["own"].n_unique()
    suspects = suspects.drop_nulls()
    known = ids["own"].filter(ids["own"].is_in(suspects["other"].unique().implode())).unique()
    suspects = suspects.filter(pl.col("other").is_in(known.implode()))
    if suspects.is_empty():
        return _NO_ROWS
    either = pl.concat([suspects["own"], suspects["other"]]).unique().implode()
    numbers = seen["row_number"].filter(ids["own"].is_in(either) | ids["other"].is_in(either))
    named = _texts(raw.of(numbers, _sent((own, other))), (own, other))
    as_own = named.drop_nulls(own).group_by(pl.col(own).alias("id")).len("as_own")
    as_other = named.drop_nulls(other).group_by(pl.col(other).alias("id")).len("as_other")
    counts = as_own.join(as_other, on="id", how="full", coalesce=True).fill_null(0)
    judged = named.join(counts, left_on=own, right_on="id").join(
        counts, left_on=other, right_on="id", suffix="_of_other"
    )
    swapped = judged.filter(
        (pl.col("as_other") > pl.col("as_own")) & (pl.col("as_own_of_other") > 0) & (pl.col("as_other_of_other") == 1)
    )["row_number"]
    return _NO_ROWS if _are_numbered_alike(ids, shared, len(swapped)) else swapped.sort()


def _are_numbered_alike(ids: pl.DataFrame, shared: int, swapped: int) -> bool:
    """Whether more ids stand in both columns than swapped rows bring there, and they are no few of either column.

    A swapped row brings its two there.
    """
    return shared > 3 * swapped and 10 * shared > min(ids[name].drop_nulls().n_unique() for name in ids.columns)
