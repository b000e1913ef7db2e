"""Stream a `.parquet` file as Arrow batches of text, typed columns in the form that a CSV file would have.

Checks no values: that is validation's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet, types

from claims_lakehouse.contracts.feed import Feed
from claims_lakehouse.contracts.mapping import From
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.landing.csv_records import decodes, quoted
from claims_lakehouse.landing.header import (
    NOT_UTF8,
    Batch,
    Header,
    Malformed,
    kept_name,
    match_header,
    no_permission,
    place_of,
    require_regular,
    shown,
)

BATCH_ROWS = 128 << 10
BATCH_BYTES = 64 << 20


def parquet_header(feed: Feed, path: Path, landing: Path) -> Header:
    """Read a Parquet file's columns.

    Raises:
        UnreadableFile: It is no regular file, no Parquet file, or has columns or types that do not fit.
    """
    place = place_of(path, landing)
    with _opened(path, place) as file:
        return _header(feed, file, place)


def parquet_batches(feed: Feed, path: Path, landing: Path, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """Read a Parquet file's rows in batches, however large its row groups are.

    Days in a column of days come as a dictionary of texts.

    Raises:
        UnreadableFile: As `parquet_header`, and for a broken page.
    """
    place = place_of(path, landing)
    with _opened(path, place) as file:
        header = _header(feed, file, place)
        names, ids = header.names, _ids(feed, header)
        recurring = {column.name for column in feed.columns if column.form.recurs}
        groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
        row_bytes = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
        batches = file.iter_batches(min(batch_rows, BATCH_BYTES // max(row_bytes, 1) + 1))
        while True:
            with _broken_said(place):
                batch = next((_text_batch(batch, names, recurring, ids) for batch in batches), None)
            if batch is None:
                return
            yield batch


@contextmanager
def _opened(path: Path, place: str) -> Iterator[Any]:
    require_regular(path, place)
    try:
        source = pa.OSFile(str(path))
    except PermissionError:
        raise no_permission(place) from None
    with source:
        with _broken_said(place):
            # A buffered stream without pre-buffering: a column chunk is never in memory as a whole.
            file = parquet.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
        yield file


@contextmanager
def _broken_said(place: str) -> Iterator[None]:
    """Turn Arrow's errors, which may quote values, into ours. Only an OSError of the system has a number."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        found = "a Parquet file that is broken or cut short"
        raise UnreadableFile(place, found, "a whole Parquet file") from None


def _header(feed: Feed, file: Any, place: str) -> Header:
    with _broken_said(place):
        schema = file.schema_arrow
    header = match_header(feed, schema.names, place)
    for field in schema:
        try:
            # A moment, not a null, has Arrow look the time zone up.
            to_text(pa.array([0 if types.is_timestamp(field.type) else None], field.type))
        except (pa.ArrowException, TypeError):
            found = f"column {shown([field.name])} of type {str(field.type)[:60]}"
            raise UnreadableFile(place, found, "text, numbers, dates or times") from None
    return header


def _ids(feed: Feed, header: Header) -> set[str]:
    """The file's columns that hold ids, or of which a layout makes them."""
    own = {column.name for column in feed.columns if column.identifies == "id"}
    if header.mapping is None:
        return own
    sources = (how for name, how in header.mapping.columns.items() if name in own and isinstance(how, From))
    return {kept_name({column.name for column in feed.columns}, name) for how in sources for name in how.columns}


def _text_batch(batch: Any, names: tuple[str, ...], recurring: set[str], ids: set[str]) -> Batch:
    """Convert a batch; rows with text that is not UTF-8, which Arrow reads unchecked, become malformed.

    So do rows with an id that is a floating number beyond those that are exact: another one was sent.
    """
    columns = [
        _days(column) if name in recurring and types.is_date32(column.type) else to_text(column)
        for name, column in zip(names, batch.columns, strict=True)
    ]
    bad: dict[int, str] = {}
    for name, sent in zip(names, batch.columns, strict=True):
        if name in ids and types.is_floating(sent.type):
            bad |= dict.fromkeys(
                _inexact(sent), f"a number in '{name}' that its type, {sent.type}, does not hold exactly"
            )
    for column in (column for column in columns if types.is_string(column.type)):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            values = column.cast(pa.binary()).to_pylist()
            bad |= {row: NOT_UTF8 for row, value in enumerate(values) if value is not None and not decodes(value)}
    malformed = [Malformed(row + 1, _as_line(columns, row), bad[row]) for row in sorted(bad)]
    if bad:
        good = pa.array([row not in bad for row in range(batch.num_rows)], pa.bool_())
        columns = [column.filter(good) for column in columns]
    return Batch(pa.table([_empty_as_null(column) for column in columns], names=list(names)), malformed)


def _as_line(columns: list[Any], row: int) -> str:
    """A row as a line of CSV, the only form in which a malformed record is kept."""
    values = [column.slice(row, 1).cast(pa.string()).cast(pa.binary())[0].as_py() or b"" for column in columns]
    fields = [quoted(value) if any(mark in value for mark in b',"\r\n') else value for value in values]
    return b",".join(fields).decode("utf-8", "backslashreplace")


def _empty_as_null(column: Any) -> Any:
    if types.is_dictionary(column.type) or compute.min(compute.binary_length(column)).as_py() != 0:
        return column
    return compute.if_else(compute.equal(column, ""), pa.scalar(None, pa.string()), column)


def to_text(column: Any) -> Any:
    """Write an Arrow array as text, the way a careful sender would write it into a CSV file.

    Raises:
        TypeError: Its type has no such form.
    """
    for holds, convert in _CONVERSIONS:
        if holds(column.type):
            return convert(column)
    raise TypeError(str(column.type))


def _as_it_is(column: Any) -> Any:
    return column.cast(pa.string())


def _days(column: Any) -> Any:
    """Days as text, each distinct one written once."""
    encoded = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary.cast(pa.string()))


def _float(column: Any) -> Any:
    if types.is_float16(column.type):
        column = column.cast(pa.float32())
    column = compute.if_else(compute.is_nan(column), pa.scalar(None, column.type), column)
    # Adding zero makes -0.0 the zero that it is.
    return _without_exponent(compute.add(column, pa.scalar(0, column.type)).cast(pa.string()))


def _inexact(column: Any) -> list[int]:
    """The rows whose number is as large as those of which not every next one is in the type."""
    exact = 2 ** {16: 11, 32: 24, 64: 53}[column.type.bit_width]
    size = compute.abs(column.cast(pa.float64()))
    beyond = compute.and_(compute.is_finite(size), compute.greater_equal(size, float(exact)))
    rows: list[int] = compute.indices_nonzero(beyond).to_pylist()
    return rows


def _decimal(column: Any) -> Any:
    text = _without_exponent(column.cast(pa.string()))
    return text if column.type.scale <= 0 else compute.utf8_rtrim(compute.utf8_rtrim(text, "0"), ".")


def _without_exponent(text: Any) -> Any:
    """Write out what Arrow gives as `1e+20` or `0E-9`, one distinct text at a time."""
    odd = compute.match_substring(text, "e", ignore_case=True)
    if not compute.any(odd).as_py():
        return text
    distinct = text.filter(odd).dictionary_encode()
    written = [format(Decimal(value), "f") for value in distinct.dictionary.to_pylist()]
    return compute.replace_with_mask(text, odd, pa.array(written, pa.string()).take(distinct.indices))


def _timestamp(column: Any) -> Any:
    if column.type.tz is not None:
        column = compute.local_timestamp(column)
    days = column.cast(pa.date32(), safe=False)
    if compute.all(compute.equal(days.cast(column.type, safe=False), column)).as_py():
        return days.cast(pa.string())
    return compute.replace_substring_regex(_time(column), r" 00:00:00$", "")


def _time(column: Any) -> Any:
    """Seconds, then microseconds where there are any, then nanoseconds where there are any."""
    text = column.cast(pa.string())
    for pattern, by in ((r"\.0+$", ""), (r"(\.\d{3})$", r"\1000"), (r"(\.\d{6})000$", r"\1")):
        text = compute.replace_substring_regex(text, pattern, by)
    return text


_CONVERSIONS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (types.is_string, lambda column: column),
    (types.is_large_string, _as_it_is),
    (types.is_string_view, _as_it_is),
    (types.is_dictionary, lambda column: to_text(column.dictionary_decode())),
    (types.is_integer, _as_it_is),
    (types.is_boolean, _as_it_is),
    (types.is_date, _as_it_is),
    (types.is_timestamp, _timestamp),
    (types.is_time, _time),
    (types.is_floating, _float),
    (types.is_decimal, _decimal),
    (types.is_null, _as_it_is),
)
