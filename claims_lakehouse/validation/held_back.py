"""Rows that wait until their whole delivery is seen: in memory, or on disk where there are many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

import polars as pl
import pyarrow.parquet as pq

from claims_lakehouse.contracts import Feed
from claims_lakehouse.files import make_folder

#: About so many rows are settled together.
SHARE_ROWS = 1 << 20


class _Spilled(NamedTuple):
    file: IO[bytes]
    writer: Any


class HeldBack:
    """Rows whose record may occur in other rows of their delivery, in shares that have all rows of a record.

    Args:
        feed: The feed of the rows.
        expected: How many rows there will be at most; those that one share has room for stay in memory.
        temporary: The folder in which the others lie meanwhile, in files that have no name and so cannot be left there.
    """

    def __init__(self, feed: Feed, expected: int, temporary: Path) -> None:
        self._number = expected // SHARE_ROWS + 1
        self._share = (pl.struct(feed.key).hash() % self._number).alias("share")
        self._temporary = temporary
        self._together: list[pl.DataFrame] = []
        self._spilled: dict[int, _Spilled] = {}
        self._opened = ExitStack()

    def __enter__(self) -> HeldBack:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def add(self, rows: pl.DataFrame) -> None:
        """Keep some rows."""
        if rows.is_empty():
            return
        if self._number == 1:
            self._together.append(rows)
            return
        shares = rows.with_columns(self._share).partition_by("share", include_key=False, as_dict=True)
        for (number,), share in shares.items():
            table = share.to_arrow(compat_level=pl.CompatLevel.newest())
            if number not in self._spilled:
                file = TemporaryFile(dir=make_folder(self._temporary))  # noqa: SIM115 - the stack closes it
                self._opened.enter_context(file)
                writer = pq.ParquetWriter(file, table.schema, compression="lz4", store_schema=False)
                self._spilled[number] = _Spilled(file, self._opened.enter_context(writer))
            self._spilled[number].writer.write_table(table)

    def shares(self) -> Iterator[pl.DataFrame]:
        """Everything that was kept."""
        if self._together:
            yield pl.concat(self._together)
        for file, writer in self._spilled.values():
            writer.close()
            file.seek(0)
            yield pl.read_parquet(file)
