"""The verification of one delivery, batch by batch, and the counts that it comes to. Pure: reads and writes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import MALFORMED_ROW, RULES, SWAPPED_IDS, UNEXPECTED_COLUMN
from claims_lakehouse.validation.check import contract_findings
from claims_lakehouse.validation.findings import (
    MOMENT_SCHEMA,
    as_issues,
    findings,
    no_findings,
    record_moments,
)
from claims_lakehouse.validation.parse import future_findings, parse
from claims_lakehouse.validation.repeats import settle_repeats
from claims_lakehouse.validation.surrogate import surrogate_keys
from claims_lakehouse.validation.survey import Survey

#: The column that says whether the record of a valid row may occur in other rows of its delivery.
RECURS = "recurs"


class Split(NamedTuple):
    """Some rows of a delivery after verification: those accepted (`valid_columns`), and the issues found."""

    accepted: pl.DataFrame
    issues: pl.DataFrame


@dataclass(frozen=True)
class Verification:
    """What became of a delivery's rows: landed = malformed + quarantined + duplicate + valid.

    Attributes:
        contract_version: A hash of the rules that the rows were held against.
        repeats: Whether some record has more than one valid row.
        issues: How many findings of each rule, warnings included.
        errors: How many findings of severity error, by rule.
        nulls: How many valid rows have no value, by column.
        corrections: The ids of the corrections that were laid over the rows, joined by commas.
    """

    landed: int
    malformed: int
    quarantined: int
    duplicate: int
    valid: int
    contract_version: str
    repeats: bool = False
    issues: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    corrections: str = ""

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


def valid_columns(feed: Feed) -> dict[str, pl.DataType]:
    """The columns of valid rows: their number, the contract's, the surrogate key, and whether the record recurs."""
    return {
        "row_number": pl.Int64(),
        **{column.name: column.form.dtype for column in feed.columns},
        feed.surrogate_key: pl.Int64(),
        RECURS: pl.Boolean(),
    }


class Verifier:
    """The running counts of one delivery's verification."""

    def __init__(self, feed: Feed, delivery: str, received: datetime, seen: Survey, corrections: str = "") -> None:
        self._feed, self._delivery, self._received, self._corrections = feed, delivery, received, corrections
        self._repeated, self._swapped = seen.repeated.sort(), seen.swapped
        self._held_back: list[pl.DataFrame] = []
        self._moments: list[pl.DataFrame] = []
        self._landed = self._malformed = self._quarantined = self._duplicate = self._valid = 0
        self._repeats = False
        self._issues: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._nulls: Counter[str] = Counter()

    def unexpected(self, columns: Sequence[str]) -> Split:
        """One issue for each column that the contract does not know."""
        row = pl.DataFrame({"row_number": [None], "value": [None]}, schema={"row_number": pl.Int64, "value": pl.String})
        found = pl.concat([no_findings(), *(findings(row, UNEXPECTED_COLUMN, column) for column in columns)])
        return Split(pl.DataFrame(), self._issued(found, pl.DataFrame(schema=MOMENT_SCHEMA)))

    def batch(self, batch: pl.DataFrame) -> Split:
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
            assert self._feed.swappable
            own, other = self._feed.swappable
            swapped = raw.filter(pl.col("row_number").is_in(self._swapped.implode()))
            found.append(
                findings(swapped.select("row_number", pl.col(own).alias("value")), SWAPPED_IDS, own).with_columns(
                    pl.Series("suggestion", swapped[other].str.strip_chars(), pl.String)
                )
            )
        all_found = pl.concat(found)
        wrong = all_found.filter((pl.col("severity") == "error") & (pl.col("rule") != MALFORMED_ROW.name))[
            "row_number"
        ].unique()
        self._quarantined += len(wrong)
        accepted = parsed.typed
        moments = pl.DataFrame(schema=MOMENT_SCHEMA)
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
        return Split(self._marked(accepted, recurs=False), self._issued(all_found, moments))

    def repeats(self) -> Split:
        """Accepted rows and issues among the rows that were held back."""
        columns = {"row_number": pl.Int64(), **{c.name: c.form.dtype for c in self._feed.columns}}
        rows = pl.concat([pl.DataFrame(schema=columns), *self._held_back])
        settled = settle_repeats(rows, self._feed)
        self._duplicate = settled.duplicates
        self._quarantined += rows.height - settled.accepted.height - settled.duplicates
        self._repeats = settled.accepted.select(pl.struct(self._feed.key).is_duplicated().any()).item()
        self._accept(settled.accepted)
        texts = rows.select(pl.col(name).cast(pl.String) for name in self._feed.key)
        return Split(
            self._marked(settled.accepted, recurs=True),
            self._issued(settled.found, record_moments(rows, texts, self._feed, self._received)),
        )

    def verification(self) -> Verification:
        """The counts of everything that was verified."""
        return Verification(
            landed=self._landed,
            malformed=self._malformed,
            quarantined=self._quarantined,
            duplicate=self._duplicate,
            valid=self._valid,
            contract_version=contract_version(self._feed),
            repeats=self._repeats,
            issues=dict(sorted(self._issues.items())),
            errors=dict(sorted(self._errors.items())),
            nulls=dict(self._nulls),
            corrections=self._corrections,
        )

    def _accept(self, accepted: pl.DataFrame) -> None:
        self._valid += accepted.height
        for column in self._feed.columns:
            self._nulls[column.name] += accepted[column.name].null_count()

    def _marked(self, accepted: pl.DataFrame, *, recurs: bool) -> pl.DataFrame:
        """Valid rows with what history is to know of them besides (`valid_columns`)."""
        keys = surrogate_keys(accepted, self._feed, self._delivery, self._received)
        return accepted.with_columns(keys, pl.lit(recurs).alias(RECURS))

    def _issued(self, found: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
        for rule, severity, count in found.group_by("rule", "severity").len().iter_rows():
            self._issues[rule] += count
            if severity == "error":
                self._errors[rule] += count
        return as_issues(found, moments, self._feed, self._delivery)
