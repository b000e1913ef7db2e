"""Feed broken files to landing and validation: each ends in an error that tells no value, or in balanced counts.

CSV files are read by the oracle too: both refuse a file, or both accept the same rows and find the same faults.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.errors import DeliveryError
from claims_lakehouse.landing.discovery import LandedDelivery
from claims_lakehouse.landing.header import MAX_COLUMNS
from claims_lakehouse.landing.stage import fingerprints, land_delivery
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import validate_delivery
from claims_lakehouse_tests.oracle import COLUMNS, Delivery, Unreadable, read_delivery
from claims_lakehouse_tests.oracle.generate import deliveries
from claims_lakehouse_tests.oracle.validation import validate
from claims_lakehouse_tests.torture import children
from claims_lakehouse_tests.torture.mutations import ON_BYTES, ON_LINES, as_parquet, zipped
from claims_lakehouse_tests.torture.tally import Tally

KEY = "under-fire"
RECEIVED = datetime(2024, 3, 1)  # noqa: DTZ001 - naive UTC, as everywhere in the lakehouse

#: A file that takes longer than this, seconds, hangs.
PATIENCE = 60.0

#: The oracle reads a byte at a time: larger files are not given to it.
_SLOW = 20_000

_COUNTS = ("landed", "malformed", "quarantined", "duplicate", "valid")

#: What is shorter may stand in a message by chance.
_TELLING = 5


class Case(NamedTuple):
    """One broken file, how it came about, and values of its rows that no message may tell."""

    feed: str
    extension: str
    content: bytes
    how: str = "as it was"
    values: frozenset[str] = frozenset()


class Verdict(NamedTuple):
    """What became of a case: what is wrong with that (empty if nothing), and rows unaccounted for."""

    wrong: str = ""
    rows_lost: int = 0
    refused: bool = False


def case(seed: int, number: int) -> Case:
    """Case `number` of a run; the same on every machine."""
    rng = random.Random(f"{seed} {number}")
    source, rows = rng.choice(_sources(seed * 1009 + number // 8))
    feed, content = source.feed, source.content
    values = frozenset(value for row in rows for value in map(str.strip, row.values()) if len(value) >= _TELLING)
    extension = rng.choice(("csv", "csv", "csv", "csv", "csv.gz", "parquet"))
    how = []
    if extension == "parquet":
        content = as_parquet(rng, rows, COLUMNS[feed])
        mutations = ON_BYTES
    else:
        mutations = ON_BYTES + ON_LINES
    if extension != "csv.gz" or rng.random() < 0.5:
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6)) if extension == "parquet" else rng.choice((1, 1, 2, 3, 6))):
            mutation = rng.choice(mutations)
            content = mutation(rng, content) if content else rng.randbytes(20)
            how.append(mutation.__name__)
    if extension == "csv.gz":
        content = zipped(rng, content)
        if rng.random() < 0.5:
            mutation = rng.choice(ON_BYTES)
            content = mutation(rng, content)
            how.append(f"zipped, {mutation.__name__}")
    return Case(feed, extension, content, ", ".join(how) or "as it was", values)


@lru_cache(maxsize=16)
def _sources(seed: int) -> list[tuple[Delivery, list[dict[str, str]]]]:
    """Three deliveries, each with its rows as text."""
    found = deliveries(seed, 3)
    return [(one, [row.sent for row in read_delivery(one).rows if row.sent is not None]) for one in found]


def regression(path: Path) -> Case:
    """A case that once found something: `<feed>.<what>.<extension>`. No value of it may be told."""
    feed, _, extension = path.name.split(".", 2)
    content = path.read_bytes()
    values = re.split(r'[,\r\n"]+', content.decode("utf-8", "replace"))
    known = COLUMNS[feed]
    telling = frozenset(value for value in values if len(value) >= _TELLING and value not in known)
    return Case(feed, extension.removeprefix("refused."), content, path.name, telling)


def examine(one: Case, folder: Path) -> Verdict:
    """Take a case through landing and validation in a folder without files, and judge what becomes of it."""
    settings = Settings(folder / "landing", folder / "home")
    path = settings.landing / one.feed / f"{KEY}.{one.extension}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(one.content)
    feed = feed_named(one.feed)
    expected = _expected(one)
    try:
        landed = land_delivery(settings, LandedDelivery(feed, KEY, (path,)), fingerprints(settings))
    except DeliveryError as error:
        if told := [value for value in one.values if value in str(error)]:
            return Verdict(f"the error tells a value of {len(told[0])} characters", refused=True)
        if expected is not None and not isinstance(expected, Unreadable):
            return Verdict(f"refused, but the oracle reads it: {error}", refused=True)
        return Verdict(refused=True)
    if isinstance(expected, Unreadable):
        return Verdict(f"read, but the oracle refuses it: {expected}")
    done = validate_delivery(settings, feed, KEY, landed.fingerprint, RECEIVED)
    counts = ", ".join(f"{getattr(done, name)} {name}" for name in _COUNTS)
    lost = abs(done.landed - done.malformed - done.quarantined - done.duplicate - done.valid)
    raw = pl.read_parquet(settings.raw(one.feed, KEY, landed.fingerprint))
    valid = pl.read_parquet(settings.validated(one.feed, KEY, landed.fingerprint))
    issues = pl.read_parquet(settings.issues(one.feed, KEY, landed.fingerprint))
    if lost or landed.summary.rows_landed != done.landed or landed.summary.rows_malformed != done.malformed:
        return Verdict(f"the counts do not balance: {counts}, {landed.summary.rows_landed} in raw", max(lost, 1))
    if sorted(raw["row_number"]) != list(range(1, done.landed + 1)):
        return Verdict(f"the rows are not numbered from 1 to {done.landed}", abs(raw.height - done.landed))
    wrong_rows = set(issues.filter(pl.col("severity") == "error")["row_number"])
    if valid.height != done.valid or len(wrong_rows) != done.malformed + done.quarantined:
        return Verdict(f"{valid.height} rows valid and {len(wrong_rows)} with an error: {counts}")
    if wrong_rows & set(valid["row_number"]):
        return Verdict("a row is valid and has an error")
    if expected is not None:
        said = valid.select("row_number", *(column.name for column in feed.columns))
        return _compared(expected, done.landed, said, issues)
    return Verdict()


def _expected(one: Case) -> Any:
    """What the oracle makes of it, an Unreadable where it refuses; None where it has no say.

    It knows no limit to the number of columns, and takes any name for one; of columns without a name it has no idea.
    """
    content = one.content
    if one.extension == "parquet":
        return None
    if one.extension == "csv.gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return None
    if len(content) > _SLOW:
        return None
    delivery = Delivery(one.feed, KEY, RECEIVED, content)
    try:
        unexpected = read_delivery(delivery).unexpected
    except Unreadable as error:
        return None if str(error) == "a column twice in the header" else error
    if len(unexpected) + len(COLUMNS[one.feed]) > MAX_COLUMNS:
        return Unreadable("too many columns")
    if any(mark in name for name in unexpected for mark in "\r\n\0"):
        return Unreadable("a line end or a NUL in a column's name")
    return None if "" in unexpected else validate(delivery)


def _compared(expected: Any, landed: int, valid: pl.DataFrame, issues: pl.DataFrame) -> Verdict:
    if landed != expected.landed:
        return Verdict(f"{landed} rows landed, {expected.landed} by the oracle", abs(expected.landed - landed))
    ours = sorted(map(repr, valid.iter_rows(named=True)))
    theirs = sorted(repr({"row_number": row.row_number, **row.values}) for row in expected.accepted)
    if ours != theirs:
        return Verdict(f"other rows are valid: {len(ours)}, {len(theirs)} by the oracle")
    columns = ("row_number", "record_key", "rule", "column_name", "severity")
    found = sorted(map(repr, issues.select(columns).rows()))
    others = sorted(repr(tuple(getattr(each, name) for name in columns)) for each in expected.findings)
    if found != others:
        more, less = set(found) - set(others), set(others) - set(found)
        return Verdict(f"other findings: {len(more)} unexpected, {len(less)} missing")
    return Verdict()


def fuzz(seed: int, numbers: Iterable[int], batch: int = 200) -> Iterator[Tally]:
    """Examine cases in processes of their own; what crashes or hangs one is found out and passed over."""
    waiting = list(numbers)
    while waiting:
        some, waiting = waiting[:batch], waiting[batch:]
        while some:
            progress = Path(tempfile.mkstemp(prefix="fuzz")[1])
            try:
                outcome = children.run(partial(_batch, seed, some, progress), patience=PATIENCE + len(some))
                done = [int(line) for line in progress.read_text().split()]
            finally:
                progress.unlink()
            if outcome.result is not None:
                yield outcome.result
                break
            ended = "it hung" if outcome.hung else f"signal {outcome.signal}" if outcome.signal else outcome.trace
            culprit = done[-1]
            yield Tally(inputs_fuzzed=1, differences=[f"fuzz: {_told(seed, culprit)}: the process ended: {ended}"])
            before = some[: some.index(culprit)]
            yield from fuzz(seed, before, batch) if before else ()
            some = some[some.index(culprit) + 1 :]


def _batch(seed: int, numbers: list[int], progress: Path) -> Tally:
    """In a child: examine these cases. What is durable is not the point here."""
    os.fsync = lambda _: None
    tally = Tally()
    with progress.open("w") as told, tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            told.write(f"{number}\n")
            told.flush()
            try:
                verdict = examine(case(seed, number), Path(folder))
            except Exception as error:
                at = error.__traceback__
                while at is not None and at.tb_next is not None:
                    at = at.tb_next
                where = f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""
                verdict = Verdict(f"{type(error).__name__} at {where}: {error}")
            tally.inputs_fuzzed += 1
            tally.rows_lost += verdict.rows_lost
            if verdict.wrong:
                tally.differences.append(f"fuzz: {_told(seed, number)}: {verdict.wrong}")
            for file in Path(folder).rglob("*.*"):  # folders stay: making them takes longer than the rest
                if file.is_file():
                    file.unlink()
    return tally


def _told(seed: int, number: int) -> str:
    one = case(seed, number)
    return f"case({seed}, {number}), {one.feed}.{one.extension} ({one.how})"
