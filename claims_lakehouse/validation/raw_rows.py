"""Read a delivery's raw rows in bounded frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from claims_lakehouse.landing.corrections import Overlay
from claims_lakehouse.landing.header import MALFORMED, ROW_NUMBER
from claims_lakehouse.landing.raw import damaged
from claims_lakehouse.validation.overlay import lay_over

Item = TypeVar("Item")


class Encoded(NamedTuple):
    """A column's texts: for each row the place of its text among the distinct ones."""

    codes: pl.Series
    distinct: pl.Series


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the caller is busy with the one before."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def encode(texts: pl.Series) -> Encoded:
    """Texts that recur, once each."""
    encoded = texts.rechunk().to_arrow().dictionary_encode()
    return Encoded(pl.Series(encoded.indices), pl.Series(encoded.dictionary, dtype=pl.String))


class RawBatch(NamedTuple):
    """Some raw rows, and once more those of their columns whose texts recur."""

    rows: pl.DataFrame
    encoded: Mapping[str, Encoded]

    def well_formed(self) -> RawBatch:
        """The rows that could be split into fields."""
        is_well_formed = self.rows[MALFORMED].is_null()
        if is_well_formed.all():
            return self
        encoded = {name: Encoded(one.codes.filter(is_well_formed), one.distinct) for name, one in self.encoded.items()}
        return RawBatch(self.rows.filter(is_well_formed), encoded)


class RawRows(NamedTuple):
    """A delivery's raw file, and the corrections that lie over it."""

    path: Path
    overlay: Overlay = Overlay()

    def batches(self, columns: Sequence[str], rows: int, *, encode: Sequence[str] = ()) -> Iterator[RawBatch]:
        """Some columns, `row_number` among them, in batches of whole row groups and about so many rows.

        UnreadableFile where the file is damaged. Of the columns to encode those are that the file has dictionaries of.
        """
        file = self._file(())
        footer = file.metadata
        recurring = []
        if encode and footer.num_row_groups and not self.overlay.texts:
            chunks = [footer.row_group(0).column(place) for place in range(footer.num_columns)]
            recurring = [one.path_in_schema for one in chunks if one.has_dictionary_page]
            recurring = [name for name in recurring if name in encode]
            file = self._file(recurring)
        scan = pl.scan_parquet(self.path).select(columns)
        for groups, first, count in _batched(footer, rows):
            yield self._read(scan, file, recurring, groups, first, count)

    def columns(self) -> list[str]:
        """The names of the file's columns; UnreadableFile where it is damaged."""
        return list(self._file(()).schema_arrow.names)

    def of(self, numbers: pl.Series, columns: Sequence[str]) -> pl.DataFrame:
        """Some columns, `row_number` among them, of the rows that have these numbers; UnreadableFile where damaged."""
        among = pl.col(ROW_NUMBER).is_in(numbers.cast(pl.Int64).implode())
        try:
            rows = pl.scan_parquet(self.path).select(columns).filter(among).collect()
        except (pl.exceptions.PolarsError, OSError):
            raise damaged(self.path) from None
        return lay_over(rows, self.overlay)

    def _file(self, recurring: Sequence[str]) -> Any:
        try:
            return pq.ParquetFile(self.path, read_dictionary=recurring)
        except (pa.ArrowException, OSError):
            raise damaged(self.path) from None

    def _read(
        self, scan: pl.LazyFrame, file: Any, recurring: list[str], groups: list[int], first: int, count: int
    ) -> RawBatch:
        try:
            rows = scan.slice(first, count).collect()
            table: Any = file.read_row_groups(groups, columns=recurring).unify_dictionaries() if recurring else None
        except (pl.exceptions.PolarsError, pa.ArrowException, OSError):
            raise damaged(self.path) from None
        return RawBatch(lay_over(rows, self.overlay), {name: _encoded(table[name]) for name in recurring})


def _batched(footer: Any, rows: int) -> Iterator[tuple[list[int], int, int]]:
    """Row groups in their order, as many together as have no more rows than that: their places, first row, count."""
    together: list[int] = []
    first = count = 0
    for place in range(footer.num_row_groups):
        more = footer.row_group(place).num_rows
        if together and count + more > rows:
            yield together, first, count
            together, first, count = [], first + count, 0
        together.append(place)
        count += more
    if together:
        yield together, first, count


def _encoded(column: Any) -> Encoded:
    codes = pl.Series(pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32()))
    return Encoded(codes.rechunk(), pl.Series(column.chunk(0).dictionary, dtype=pl.String))
