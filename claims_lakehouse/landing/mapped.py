"""Carry a declared source mapping out: records of another layout get the feed's columns beside their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import compute

from claims_lakehouse.contracts.feed import Feed
from claims_lakehouse.contracts.mapping import LIST_SEPARATOR, Constant, From, SourceMapping
from claims_lakehouse.contracts.rules import OTHER_RECORD
from claims_lakehouse.landing.header import Batch, Malformed, kept_name

_NOTHING = pa.scalar(None, pa.string())


def mapped_batches(feed: Feed, mapping: SourceMapping, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same records with the feed's columns beside the layout's; those of another kind stand apart as malformed."""
    for batch in batches:
        own, other = _apart(feed, mapping, batch)
        yield Batch(mapped(feed, mapping, own), other)


def mapped(feed: Feed, mapping: SourceMapping, rows: Any) -> Any:
    """A table of a layout's columns, under the names that its header gave them, and the feed's columns."""
    source = dict(zip(rows.column_names, rows.columns, strict=True))
    own = {column.name for column in feed.columns}
    made = {}
    for column in feed.columns:
        how = mapping.columns.get(column.name)
        if isinstance(how, Constant):
            made[column.name] = pa.repeat(how.text, rows.num_rows)
        elif how is not None:
            made[column.name] = _made(how, [_text(source[kept_name(own, name)]) for name in how.columns])
    return pa.table({**made, **source})


def _text(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    trimmed = _whole(compute.utf8_trim_whitespace(column))
    return compute.if_else(compute.equal(trimmed, ""), _NOTHING, trimmed)


def _made(how: From, columns: Sequence[Any]) -> Any:
    if how.joined:
        # Skipping nulls, pyarrow 26 was seen to leave out the rows that have nothing else.
        joined = compute.binary_join_element_wise(
            *columns, LIST_SEPARATOR, null_handling="replace", null_replacement=""
        )
        joined = compute.utf8_trim(compute.replace_substring_regex(joined, r"\|+", LIST_SEPARATOR), LIST_SEPARATOR)
        text = compute.if_else(compute.equal(joined, ""), _NOTHING, joined)
    else:
        text = compute.coalesce(*columns)
    if how.matching is not None:
        text = compute.coalesce(compute.struct_field(compute.extract_regex(text, how.matching), "v"), text)
    if how.values:
        place = compute.index_in(text, pa.array(list(how.values), pa.string()))
        text = compute.coalesce(pa.array(list(how.values.values()), pa.string()).take(_whole(place)), text)
    return text


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _apart(feed: Feed, mapping: SourceMapping, batch: Batch) -> tuple[Any, Sequence[Malformed]]:
    """The records of the feed's kind, and all others with those that were malformed before, in order."""
    if mapping.only is None:
        return batch.rows, batch.malformed
    column, words = mapping.only
    kind = batch.rows[kept_name({one.name for one in feed.columns}, column)]
    is_own = compute.fill_null(compute.is_in(_text(kind), pa.array(words, pa.string())), False)
    if compute.all(is_own).as_py():
        return batch.rows, batch.malformed
    before = {bad.ordinal for bad in batch.malformed}
    ordinals = [n for n in range(1, batch.rows.num_rows + len(before) + 1) if n not in before]
    reason = f"its {column} is none of {', '.join(words)}"
    places = compute.indices_nonzero(compute.invert(is_own)).to_pylist()
    texts = _lines(batch.rows.take(pa.array(places, pa.int64())))
    other = [
        Malformed(ordinals[place], text, reason, OTHER_RECORD.name) for place, text in zip(places, texts, strict=True)
    ]
    return batch.rows.filter(is_own), sorted([*batch.malformed, *other])


def _lines(rows: Any) -> Iterator[str]:
    """Records as lines of CSV, the only form in which a record that is no row of the feed is kept."""
    for record in rows.to_pylist():
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(["" if value is None else value for value in record.values()])
        yield line.getvalue()
