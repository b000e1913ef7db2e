"""A delivery's content as text: one Parquet row a landed record, whatever kind of file brought it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import compute, parquet

from claims_lakehouse.contracts.feed import Feed
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.files import replacing
from claims_lakehouse.landing.csv_reader import csv_batches, csv_header
from claims_lakehouse.landing.discovery import X12_EXTENSIONS
from claims_lakehouse.landing.header import (
    MALFORMED,
    MALFORMED_REASON,
    MALFORMED_RULE,
    ROW_NUMBER,
    Batch,
    Header,
    place_of,
)
from claims_lakehouse.landing.mapped import mapped_batches
from claims_lakehouse.landing.parquet_reader import parquet_batches, parquet_header
from claims_lakehouse.landing.x12_reader import x12_batches, x12_header

ROW_GROUP_ROWS = 128 << 10
ROW_GROUP_BYTES = 64 << 20
METADATA_KEY = b"claims_lakehouse"


class RawPart(NamedTuple):
    """One file of a delivery, relative to the landing folder; its records are `rows` from `first_row` on."""

    name: str
    first_row: int
    rows: int


class RawSummary(NamedTuple):
    """What a raw file holds; `is_test` where a landed file says that it was sent for tests."""

    rows_landed: int
    rows_malformed: int
    parts: tuple[RawPart, ...]
    unexpected_columns: tuple[str, ...]
    is_test: bool = False


def write_raw(
    feed: Feed,
    delivery: str,
    fingerprint: str,
    parts: Sequence[Path],
    landing: Path,
    target: Path,
    progress: Callable[[int], None] | None = None,
) -> RawSummary:
    """Write a delivery's files as one Parquet file of text, whole or not at all.

    Its columns: `row_number`, the feed's in the contract's order, those that the contract does not know, then
    `malformed` and `malformed_reason`, and `malformed_rule` where a record can break another rule than `malformed_row`.
    Empty text is null.

    Args:
        feed: The feed of the delivery.
        delivery: The delivery's key.
        fingerprint: The content's fingerprint.
        parts: The files, in the order in which their rows are counted.
        landing: The landing folder.
        target: The file to write.
        progress: Called with the number of rows landed so far.

    Raises:
        UnreadableFile: A file cannot be read; `target` stays as it was.
    """
    headers = [_reader(part).header(feed, part, landing) for part in parts]
    unexpected = tuple(dict.fromkeys(name for header in headers for name in header.unexpected))
    schema = raw_schema(feed, _extra(feed, headers, parts))
    if all(_is_parquet(part) for part in parts) and not any(header.mapping for header in headers):
        schema = _encoded(schema, feed)
    landed = malformed = 0
    is_test = False
    read: list[RawPart] = []
    with replacing(target) as temporary, _RowGroups(temporary, schema, feed) as groups:
        for part, header in zip(parts, headers, strict=True):
            place, before = place_of(part, landing), landed
            batches = _reader(part).batches(feed, part, landing)
            for batch in mapped_batches(feed, header.mapping, batches) if header.mapping else batches:
                groups.add(_rows(batch, landed + 1, schema, place))
                landed += batch.rows.num_rows + len(batch.malformed)
                malformed += len(batch.malformed)
                is_test |= batch.is_test
                if progress:
                    progress(landed)
            read.append(RawPart(place, before + 1, landed - before))
        summary = RawSummary(landed, malformed, tuple(read), unexpected, is_test)
        origin = {"feed": feed.name, "delivery": delivery, "fingerprint": fingerprint}
        groups.finish(origin | summary._asdict())
    return summary


def read_summary(path: Path) -> RawSummary:
    """Read what a raw file says it holds, from its footer alone; UnreadableFile where it is not there or not whole."""
    try:
        found = json.loads(parquet.read_metadata(path).metadata[METADATA_KEY])
    except (OSError, pa.ArrowException, KeyError, TypeError):
        raise damaged(path) from None
    return RawSummary(
        found["rows_landed"],
        found["rows_malformed"],
        tuple(RawPart(*part) for part in found["parts"]),
        tuple(found["unexpected_columns"]),
        bool(found.get("is_test")),  # raw files of earlier versions do not say
    )


def damaged(path: Path) -> UnreadableFile:
    """The error of a raw file that cannot be read."""
    found = "a damaged file" if path.exists() else "no file"
    return UnreadableFile(
        f"raw/{path.parents[1].name}/{path.parent.name}/{path.name}", found, "the raw copy; land its content again"
    )


def raw_schema(feed: Feed, unexpected: Sequence[str] = ()) -> Any:
    """The Arrow schema of a feed's raw files."""
    text = [*(column.name for column in feed.columns), *unexpected, MALFORMED, MALFORMED_REASON]
    number = pa.field(ROW_NUMBER, pa.int64(), nullable=False)
    return pa.schema([number, *(pa.field(name, pa.string()) for name in text)])


def _encoded(schema: Any, feed: Feed) -> Any:
    """A schema in whose tables the texts that recur are dictionaries; the file's columns are the same."""
    recurring = {column.name for column in feed.columns if column.form.recurs}
    encoded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([field.with_type(encoded) if field.name in recurring else field for field in schema])


def _is_parquet(part: Path) -> bool:
    return part.suffix.lower() == ".parquet"


class _Reader(NamedTuple):
    header: Callable[[Feed, Path, Path], Header]
    batches: Callable[[Feed, Path, Path], Iterator[Batch]]
    #: Whether records can break another rule than `malformed_row`.
    has_rules: bool = False


def _reader(part: Path) -> _Reader:
    if _is_parquet(part):
        return _Reader(parquet_header, parquet_batches)
    if part.suffix.lower() in X12_EXTENSIONS:
        return _Reader(x12_header, x12_batches, has_rules=True)
    return _Reader(csv_header, csv_batches)


def _extra(feed: Feed, headers: Sequence[Header], parts: Sequence[Path]) -> tuple[str, ...]:
    """The columns of the raw file that are not the feed's, apart from what is said of malformed records."""
    own = {column.name for column in feed.columns}
    extra = dict.fromkeys(name for header in headers for name in header.names if name not in own)
    has_rules = any(header.mapping or _reader(part).has_rules for header, part in zip(headers, parts, strict=True))
    return (*extra, *([MALFORMED_RULE] if has_rules else []))


def _rows(batch: Batch, first: int, schema: Any, place: str) -> Any:
    """A batch under the raw file's schema: its good rows, then its malformed ones."""
    if not set(batch.rows.column_names) <= set(schema.names):
        raise UnreadableFile(place, "a header that changed while it was read", "a file at rest")
    ordinals = pa.array([first + bad.ordinal - 1 for bad in batch.malformed], pa.int64())
    good = pa.arange(first, first + batch.rows.num_rows + len(ordinals))
    if len(ordinals):
        good = good.filter(compute.invert(compute.is_in(good, ordinals)))
    known = {ROW_NUMBER: good, **dict(zip(batch.rows.column_names, batch.rows.columns, strict=True))}
    rows = _table(known, schema)
    if not len(ordinals):
        return rows
    known = {
        ROW_NUMBER: ordinals,
        MALFORMED: pa.array([bad.text for bad in batch.malformed], pa.string()),
        MALFORMED_REASON: pa.array([bad.reason for bad in batch.malformed], pa.string()),
        MALFORMED_RULE: pa.array([bad.rule for bad in batch.malformed], pa.string()),
    }
    return pa.concat_tables([rows, _table(known, schema)])


def _table(known: dict[str, Any], schema: Any) -> Any:
    nulls = pa.nulls(len(known[ROW_NUMBER]), pa.string())
    columns = [(known.get(field.name, nulls), field.type) for field in schema]
    return pa.table([column if column.type == kind else column.cast(kind) for column, kind in columns], schema=schema)


class _RowGroups:
    """Writes tables as row groups of a Parquet file in a thread of its own, while the caller reads on."""

    def __init__(self, path: Path, schema: Any, feed: Feed) -> None:
        # Ids, names, streets, zip codes and amounts hardly recur: a dictionary of them is made and dropped again.
        unique = {ROW_NUMBER, MALFORMED, *(column.name for column in feed.columns if not column.form.recurs)}
        self._writer = parquet.ParquetWriter(
            path,
            schema,
            compression="lz4",
            use_dictionary=[name for name in schema.names if name not in unique],
            column_encoding={ROW_NUMBER: "DELTA_BINARY_PACKED"},
            write_statistics=[ROW_NUMBER],
            store_schema=False,
        )
        self._gathered: list[Any] = []
        self._pending: deque[Future[None]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="raw")

    def __enter__(self) -> _RowGroups:
        return self

    def add(self, rows: Any) -> None:
        """Take rows over; waits while too much is unwritten."""
        if rows.num_rows:
            self._gathered.append(rows)
        count = sum(table.num_rows for table in self._gathered)
        if count >= ROW_GROUP_ROWS or sum(table.nbytes for table in self._gathered) >= ROW_GROUP_BYTES:
            self._flush()

    def finish(self, metadata: dict[str, Any]) -> None:
        """Write what is left, and the metadata."""
        self._flush()
        while self._pending:
            self._pending.popleft().result()
        self._writer.add_key_value_metadata({METADATA_KEY: json.dumps(metadata)})

    def _flush(self) -> None:
        if self._gathered:
            self._pending.append(self._thread.submit(self._write, self._gathered))
            self._gathered = []
        if len(self._pending) > 2:
            self._pending.popleft().result()

    def _write(self, tables: list[Any]) -> None:
        table = pa.concat_tables(tables).unify_dictionaries()
        self._writer.write_table(table, row_group_size=table.num_rows)

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._writer.close()
