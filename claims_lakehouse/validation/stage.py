"""Verify one delivery's raw file: batch by batch into a validated and an issues file.

The issues file is written first; the validated file, whose metadata holds the summary, is what marks the
stage as done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import MALFORMED_ROW, RULES, SWAPPED_IDS, UNEXPECTED_COLUMN
from claims_lakehouse.files import replacing
from claims_lakehouse.landing.raw import read_summary
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.check import contract_findings
from claims_lakehouse.validation.findings import ISSUE_SCHEMA, as_issues, findings, no_findings, record_moments
from claims_lakehouse.validation.parse import future_findings, parse
from claims_lakehouse.validation.repeats import settle_repeats
from claims_lakehouse.validation.survey import Survey, survey
from claims_lakehouse.warehouse.scratch import scratch

#: Rows that go through pandera at a time; a cross-column failure costs memory by the row.
BATCH_ROWS = 250_000
_SUMMARY = b"claims_lakehouse"


@dataclass(frozen=True)
class Verification:
    """What became of a delivery's rows: landed = malformed + quarantined + duplicate + valid.

    Attributes:
        contract_version: A hash of the rules that the rows were held against.
        repeats: Whether some record has more than one valid row.
        issues: How many findings of each rule, warnings included.
        nulls: How many valid rows have no value, by column.
    """

    landed: int
    malformed: int
    quarantined: int
    duplicate: int
    valid: int
    contract_version: str
    repeats: bool = False
    issues: dict[str, int] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)

    @property
    def balances(self) -> bool:
        """Whether every landed row is accounted for."""
        return self.landed == self.malformed + self.quarantined + self.duplicate + self.valid


def contract_version(feed: Feed) -> str:
    """A hash of a feed's declaration and the rule table: it changes when what is verified does."""
    declared = [
        feed.name, feed.key, feed.sequence, feed.swappable,
        [(c.name, c.form.name, c.form.accepts, c.required) for c in feed.columns],
        [(check.name, str(check.statistics)) for c in feed.contract.to_schema().columns.values() for check in c.checks],
        [(rule.name, rule.severity) for rule in RULES],
    ]  # fmt: skip
    return sha256(json.dumps(declared, default=str).encode()).hexdigest()[:12]


def validate_delivery(
    settings: Settings,
    feed: Feed,
    delivery: str,
    fingerprint: str,
    received: datetime,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Verify the raw content under `fingerprint` and write what it comes to; returns the counts.

    `received` is the delivery's received_at (naive UTC); `progress` is told how many rows were done.
    """
    raw = settings.raw(feed.name, delivery, fingerprint)
    with scratch(settings) as con:
        seen = survey(con, raw, feed)
    names = [column.name for column in feed.columns]
    valid_schema = _arrow_schema({"row_number": pl.Int64(), **{c.name: c.form.dtype for c in feed.columns}})
    work = _Work(feed, delivery, received, seen)
    with ExitStack() as stack:
        valid_path = stack.enter_context(replacing(settings.validated(feed.name, delivery, fingerprint)))
        issues_path = stack.enter_context(replacing(settings.issues(feed.name, delivery, fingerprint)))
        issues = stack.enter_context(pq.ParquetWriter(issues_path, _arrow_schema(ISSUE_SCHEMA), compression="zstd"))
        valid = stack.enter_context(pq.ParquetWriter(valid_path, valid_schema, compression="lz4"))
        unexpected = pl.DataFrame({"column": read_summary(raw).unexpected_columns}, schema={"column": pl.String})
        issues.write_table(work.unexpected(unexpected["column"].to_list()).to_arrow().cast(issues.schema))
        for batch in _batches(raw, names):
            accepted, found = work.batch(batch)
            if accepted.height:
                valid.write_table(accepted.to_arrow().cast(valid_schema), row_group_size=BATCH_ROWS)
            if found.height:
                issues.write_table(found.to_arrow().cast(issues.schema))
            if progress:
                progress(batch.height)
        accepted, found = work.repeats()
        valid.write_table(accepted.to_arrow().cast(valid_schema))
        issues.write_table(found.to_arrow().cast(issues.schema))
        done = work.verification()
        valid.add_key_value_metadata({_SUMMARY: json.dumps(asdict(done)).encode()})
    return done


def read_verification(path: Path) -> Verification:
    """The counts of a validated file, from its metadata."""
    metadata = pq.read_metadata(path).metadata
    return Verification(**json.loads(metadata[_SUMMARY]))


class _Work:
    """The running counts of one delivery's verification."""

    def __init__(self, feed: Feed, delivery: str, received: datetime, seen: Survey) -> None:
        self._feed, self._delivery, self._received = feed, delivery, received
        self._repeated, self._swapped = seen.repeated.sort(), seen.swapped
        self._held_back: list[pl.DataFrame] = []
        self._moments: list[pl.DataFrame] = []
        self._landed = self._malformed = self._quarantined = self._duplicate = self._valid = 0
        self._repeats = False
        self._issues: Counter[str] = Counter()
        self._nulls: Counter[str] = Counter()

    def unexpected(self, columns: list[str]) -> pl.DataFrame:
        frames = [no_findings()]
        for column in columns:
            row = pl.DataFrame({"row_number": [None], "value": [None]}, schema={"row_number": pl.Int64, "value": pl.String})
            frames.append(findings(row, UNEXPECTED_COLUMN, column))
        return self._issued(pl.concat(frames), pl.DataFrame(schema=_MOMENTS))

    def batch(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Accepted rows and issues of one batch; rows whose record recurs are held back to the end."""
        self._landed += batch.height
        raw = batch
        found = [no_findings()]
        if batch["malformed"].null_count() < batch.height:
            broken = batch.filter(pl.col("malformed").is_not_null())
            raw = batch.filter(pl.col("malformed").is_null())
            self._malformed += broken.height
            rows = broken.select("row_number", pl.col("malformed").alias("value"), "malformed_reason")
            found.append(findings(rows, MALFORMED_ROW, None, expected=pl.col("malformed_reason")))
        parsed = parse(raw, self._feed)
        found += [
            parsed.found,
            contract_findings(parsed, raw, self._feed),
            future_findings(parsed, raw, self._feed, self._delivery, self._received),
        ]
        if len(self._swapped):
            assert self._feed.swappable  # noqa: S101
            own, other = self._feed.swappable
            swapped = raw.filter(pl.col("row_number").is_in(self._swapped.implode()))
            found.append(
                findings(swapped.select("row_number", pl.col(own).alias("value")), SWAPPED_IDS, own).with_columns(
                    pl.Series("suggestion", swapped[other].str.strip_chars(), pl.String)
                )
            )
        all_found = pl.concat(found)
        wrong = all_found.filter((pl.col("severity") == "error") & (pl.col("rule") != MALFORMED_ROW.name))["row_number"].unique()
        self._quarantined += len(wrong)
        accepted = parsed.typed
        moments = pl.DataFrame(schema=_MOMENTS)
        if all_found.height:
            moments = record_moments(parsed.typed, parsed.texts, self._feed, self._received)
        if len(wrong):
            accepted = accepted.filter(~pl.col("row_number").is_in(wrong.implode()))
        if len(self._repeated):
            recurs = pl.col("row_number").is_in(self._repeated.implode())
            held_back = accepted.filter(recurs)
            if held_back.height:
                self._held_back.append(held_back)
                accepted = accepted.filter(~recurs)
        self._accept(accepted)
        return accepted, self._issued(all_found, moments)

    def repeats(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Accepted rows and issues among the rows that were held back."""
        columns = {"row_number": pl.Int64(), **{c.name: c.form.dtype for c in self._feed.columns}}
        rows = pl.concat([pl.DataFrame(schema=columns), *self._held_back])
        settled = settle_repeats(rows, self._feed)
        self._duplicate = settled.duplicates
        self._quarantined += rows.height - settled.accepted.height - settled.duplicates
        self._repeats = settled.accepted.select(pl.struct(self._feed.key).is_duplicated().any()).item()
        self._accept(settled.accepted)
        texts = rows.select(pl.col(name).cast(pl.String) for name in self._feed.key)
        return settled.accepted, self._issued(settled.found, record_moments(rows, texts, self._feed, self._received))

    def verification(self) -> Verification:
        return Verification(
            landed=self._landed,
            malformed=self._malformed,
            quarantined=self._quarantined,
            duplicate=self._duplicate,
            valid=self._valid,
            contract_version=contract_version(self._feed),
            repeats=self._repeats,
            issues=dict(sorted(self._issues.items())),
            nulls=dict(self._nulls),
        )

    def _accept(self, accepted: pl.DataFrame) -> None:
        self._valid += accepted.height
        for column in self._feed.columns:
            self._nulls[column.name] += accepted[column.name].null_count()

    def _issued(self, found: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
        self._issues.update(found["rule"].to_list())
        return as_issues(found, moments, self._feed, self._delivery)


_MOMENTS = {"row_number": pl.Int64, "record_key": pl.String, "sequence": pl.Datetime("us")}


def _arrow_schema(columns: dict[str, pl.DataType]) -> pa.Schema:
    fields = []
    for name, dtype in columns.items():
        kind = pl.Series([], dtype=dtype).to_arrow().type
        fields.append(pa.field(name, pa.string() if pa.types.is_large_string(kind) or str(kind) == "string_view" else kind))
    return pa.schema(fields)


def _batches(raw: Path, names: list[str]) -> Iterator[pl.DataFrame]:
    columns = ["row_number", *names, "malformed", "malformed_reason"]
    with pq.ParquetFile(raw) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield pl.DataFrame(pl.from_arrow(batch)).select(columns)
