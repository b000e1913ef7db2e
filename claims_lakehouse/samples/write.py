"""Lay sample deliveries in a landing folder, in each of the ways that a source may choose.

The same arguments make the same bytes. What is large is made and written a bounded chunk at a time.
"""

from __future__ import annotations

import gzip
import io
import shutil
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import BinaryIO, NamedTuple
from uuid import uuid4

import polars as pl
import pyarrow.parquet as pq

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import make_folder, replacing
from claims_lakehouse.landing.discovery import extensions_of
from claims_lakehouse.samples import pools
from claims_lakehouse.samples.defects import BROKEN, malformed
from claims_lakehouse.samples.drawing import NUMBER, draw
from claims_lakehouse.samples.generate import records
from claims_lakehouse.samples.kind import Case, Row
from claims_lakehouse.samples.plan import EXTRA_COLUMN, Delivery, Planted, Segment, planned
from claims_lakehouse.samples.size import Size, row_id
from claims_lakehouse.samples.x12 import interchange

CHUNK_ROWS = 250_000
_AT = "_at"


def write_deliveries(
    landing: Path,
    *,
    patients: int = 100,
    seed: int = 7,
    updates: int = 2,
    days: int = 0,
    feeds: Sequence[Feed] = FEEDS,
) -> list[Path]:
    """Write a priming and some monthly updates of every feed, with every kind of defect in them.

    Medical claims may come daily after that, for up to a week.

    Args:
        landing: Where to lay them: `<feed>/<delivery>.<ext>`. A file of the same name is replaced.
        patients: Patients in the priming; a tenth as many providers and 20 more, ten times as many claims, and as many
            medical claims of two and a half lines. Plans, their fees and limits, and codes are always the same number.
        seed: Another seed makes other records.
        updates: Updates after the priming, from 2024-02-01 on. The last one shows every way of landing.
        days: Daily deliveries of medical claims after the last update, from the Monday after it on: 0 to 7.
        feeds: The feeds to write; what one of them holds does not depend on the others.

    Returns:
        The file, or folder of part files, of each delivery, in the order in which they would arrive.

    Raises:
        UsageError: A size that makes no sense, or a delivery that lies there under another name already.
    """
    size = Size(patients, updates, seed, days)
    deliveries = planned(size, feeds)
    targets = [_target(landing, delivery) for delivery in deliveries]
    for delivery, target in zip(deliveries, targets, strict=True):
        if delivery.form == "parts":
            _write_parts(delivery, size, target)
        else:
            with replacing(target) as temporary:
                _write_file(delivery, size, delivery.segments, temporary)
    return targets


def planted(
    *, patients: int = 100, seed: int = 7, updates: int = 2, days: int = 0, feeds: Sequence[Feed] = FEEDS
) -> list[Planted]:
    """The defects that `write_deliveries` plants for the same arguments, counted by delivery and rule.

    Rules about records that other feeds bring are counted as they are found where all of the feeds have landed.
    """
    size = Size(patients, updates, seed, days)
    return [found for delivery in planned(size, feeds) for found in delivery.planted]


def _target(landing: Path, delivery: Delivery) -> Path:
    name = delivery.key if delivery.form == "parts" else f"{delivery.key}.{delivery.form}"
    folder = landing / delivery.feed.name
    for other in ("", *extensions_of(delivery.feed)):
        lies = folder / f"{delivery.key}{other}"
        if lies.name != name and lies.exists():
            raise UsageError(f"{lies} is there already; '{name}' beside it would be the same delivery twice.")
    return folder / name


def _write_parts(delivery: Delivery, size: Size, target: Path) -> None:
    """Write a folder of two parts, which appears at once."""
    make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}.tmp")
    try:
        for part, segments in enumerate((delivery.segments[:2], delivery.segments[2:]), start=1):
            with replacing(temporary / f"part-{part}.csv") as file:
                _write_file(delivery, size, segments, file)
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_file(delivery: Delivery, size: Size, segments: Sequence[Segment], file: Path) -> None:
    if delivery.form == "parquet":
        _write_parquet(delivery, size, segments, file)
        return
    if delivery.form == delivery.feed.transaction:
        rows = [row for chunk in _chunks(delivery, size, segments) for row in chunk.iter_rows(named=True)]
        file.write_text(interchange(delivery.feed, size, delivery.update, rows), encoding="utf-8")
        return
    with file.open("wb") as opened:
        if delivery.form == "csv.gz":
            with gzip.GzipFile("", "wb", compresslevel=5, fileobj=opened, mtime=0) as packed:
                _write_csv(delivery, size, segments, packed)
        else:
            _write_csv(delivery, size, segments, opened)


def _write_csv(delivery: Delivery, size: Size, segments: Sequence[Segment], file: BinaryIO | gzip.GzipFile) -> None:
    file.write((",".join(_header(delivery)) + "\n").encode())
    for rows in _chunks(delivery, size, segments):
        clean, done = rows.drop(BROKEN), 0
        for broken in rows[BROKEN].is_not_null().arg_true():
            file.write(_csv(clean[done:broken]) + malformed(rows.row(broken, named=True)))
            done = broken + 1
        file.write(_csv(clean[done:]))


def _csv(rows: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    rows.write_csv(written, include_header=False)
    return written.getvalue()


def _write_parquet(delivery: Delivery, size: Size, segments: Sequence[Segment], file: Path) -> None:
    """Write typed columns; those of text stay as they are, so that wrong words survive."""
    other = [column for column in delivery.feed.columns if column.form.dtype != pl.String()]
    typed = [column.form.parse(pl.col(column.name)).alias(column.name) for column in other]
    writer: pq.ParquetWriter | None = None
    try:
        for rows in _chunks(delivery, size, segments):
            table = rows.drop(BROKEN).with_columns(typed).to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
    finally:
        if writer:
            writer.close()


def _header(delivery: Delivery) -> list[str]:
    return [*(column.name for column in delivery.feed.columns), *([EXTRA_COLUMN] if delivery.extra else [])]


def _chunks(delivery: Delivery, size: Size, segments: Sequence[Segment]) -> Iterator[pl.DataFrame]:
    """The rows of a delivery in the order of the file, with how a line is to be broken in `_broken`."""
    spoilt = sorted(delivery.spoilt)
    for segment in segments:
        for start in range(0, len(segment.numbers), CHUNK_ROWS):
            numbers = segment.numbers[start : start + CHUNK_ROWS]
            rows = _records(delivery, size, segment, numbers)
            within = spoilt[bisect_left(spoilt, numbers[0]) : bisect_left(spoilt, numbers[-1] + 1)]
            places = numbers if isinstance(numbers, range) else {n: at for at, n in enumerate(numbers)}
            befallen = {number: _place(number, places) for number in within if number in places}
            yield _spoil(delivery, size, segment, rows, befallen)


def _records(
    delivery: Delivery, size: Size, segment: Segment, numbers: Sequence[int], variant: int = 0
) -> pl.DataFrame:
    rows = records(
        delivery.feed, size, numbers,
        born=segment.born, content=segment.content, stated=segment.stated, variant=variant,
    )  # fmt: skip
    if not delivery.extra:
        return rows
    numbered = pl.Series(NUMBER, numbers, dtype=pl.UInt64).to_frame()
    index = numbered.select(draw((size.seed, EXTRA_COLUMN), len(pools.REMARKS))).to_series()
    return rows.with_columns(pl.Series(EXTRA_COLUMN, pools.REMARKS).gather(index))


def _spoil(
    delivery: Delivery, size: Size, segment: Segment, rows: pl.DataFrame, befallen: dict[int, int]
) -> pl.DataFrame:
    rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(BROKEN))
    if not befallen:
        return rows
    numbers, places = list(befallen), list(befallen.values())
    changed: list[Row] = []
    at: list[int] = []
    frames = (
        rows[places].drop(BROKEN),
        _records(delivery, size, segment, numbers, variant=1),
        _records(delivery, size, Segment(numbers, 0, 0, 0), numbers),
    )
    for number, place, row, other, earlier in zip(
        numbers, places, *(frame.iter_rows(named=True) for frame in frames), strict=True
    ):
        kind = delivery.spoilt[number]
        rng = Random(f"{size.seed} {delivery.feed.name} {delivery.key} {number}")
        case = Case(row, other, earlier, size.day(delivery.update), *_unknown(delivery, size, number))
        for spoilt in kind.spoil(case, rng):
            changed.append({BROKEN: None, **spoilt})
            at.append(place)
    schema = {name: pl.String() for name in rows.columns}
    wrong = pl.DataFrame(changed, schema=schema).with_columns(pl.Series(_AT, at, dtype=pl.UInt32))
    kept = rows.with_row_index(_AT).filter(~pl.col(_AT).is_in(at)).select(wrong.columns)
    return pl.concat([kept, wrong]).sort(_AT, maintain_order=True).drop(_AT)


def _place(number: int, places: range | dict[int, int]) -> int:
    return places.index(number) if isinstance(places, range) else places[number]


class _Unknown(NamedTuple):
    coming: dict[str, str]
    never: dict[str, str]


def _unknown(delivery: Delivery, size: Size, number: int) -> _Unknown:
    """For each reference, the id of a record that the next update brings, and of one that none does."""
    found = _Unknown({}, {})
    for reference in delivery.feed.references:
        known = size.after(reference.feed, delivery.update)
        new = size.after(reference.feed, min(delivery.update + 1, size.updates)) - known
        never = size.after(reference.feed, size.updates) + 1 + number
        # Where the id is a part of the key, one that comes twice would make one record of two.
        in_key = reference.column in delivery.feed.key
        chosen = sorted(delivery.spoilt).index(number) if in_key else number % max(1, new)
        coming = known + chosen if chosen < new else never
        found.coming[reference.column] = row_id(reference.feed, coming)
        found.never[reference.column] = row_id(reference.feed, never)
    return found
