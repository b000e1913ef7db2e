"""The verification of one delivery, batch by batch, and the counts that it comes to. Pure: reads and writes nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import polars as pl

from claims_lakehouse.codes.releases import releases_version
from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import (
    MALFORMED_ROW,
    RULES,
    SWAPPED_IDS,
    TEST_INTERCHANGE,
    UNEXPECTED_COLUMN,
    rule_named,
)
from claims_lakehouse.landing.header import MALFORMED, MALFORMED_REASON, MALFORMED_RULE
from claims_lakehouse.landing.raw import RawSummary
from claims_lakehouse.validation.check import contract_findings, released_code_findings
from claims_lakehouse.validation.findings import (
    MOMENT_SCHEMA,
    as_issues,
    findings,
    key_texts,
    no_findings,
    record_moments,
)
from claims_lakehouse.validation.parse import Parsed, future_findings, parse
from claims_lakehouse.validation.raw_rows import RawBatch
from claims_lakehouse.validation.repeats import settle_repeats
from claims_lakehouse.validation.surrogate import surrogate_keys
from claims_lakehouse.validation.survey import Survey

#: The column that says whether the record of a valid row may occur in other rows of its delivery.
RECURS = "recurs"


class Split(NamedTuple):
    """Some rows of a delivery after verification.

    Attributes:
        accepted: Those that are valid (`valid_columns`).
        issues: What was found.
        held_back: Those without an error whose record may occur in other rows: only all of these together can tell.
    """

    accepted: pl.DataFrame
    issues: pl.DataFrame
    held_back: pl.DataFrame = pl.DataFrame()


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
        [(c.name, c.form.name, c.form.accepts, c.required, c.often_empty) for c in feed.columns],
        [(check.name, str(check.statistics)) for c in feed.contract.to_schema().columns.values() for check in c.checks],
        [(rule.name, rule.severity) for rule in RULES],
        releases_version() if feed.released_codes else None,
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
    """The running counts of one delivery's verification, of which `seen` says what was surveyed.

    `codes` is the table of released codes that the feed's columns are held to; where it is None they are not.
    """

    def __init__(
        self,
        feed: Feed,
        delivery: str,
        received: datetime,
        seen: Survey,
        corrections: str = "",
        codes: pl.DataFrame | None = None,
    ) -> None:
        self._feed, self._delivery, self._received, self._corrections = feed, delivery, received, corrections
        self._codes = codes
        self.seen = seen
        self._landed = self._malformed = self._quarantined = self._duplicate = self._valid = 0
        self._repeats = False
        self._issues: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._nulls: Counter[str] = Counter()

    def files(self, summary: RawSummary) -> Split:
        """One issue for each column that the contract does not know, and one for files that were sent for tests."""
        row = pl.DataFrame({"row_number": [None], "value": [None]}, schema={"row_number": pl.Int64, "value": pl.String})
        broken = [(UNEXPECTED_COLUMN, column) for column in summary.unexpected_columns]
        broken += [(TEST_INTERCHANGE, "ISA15")] if summary.is_test else []
        found = pl.concat([no_findings(), *(findings(row, rule, column) for rule, column in broken)])
        return Split(pl.DataFrame(), self._issued(found, pl.DataFrame(schema=MOMENT_SCHEMA)))

    def read(self, batch: RawBatch) -> Parsed:
        """A batch with the rows' surrogate keys among its typed columns; changes no count."""
        parsed = parse(batch, self._feed)
        keys = surrogate_keys(parsed.typed, self._feed, self._delivery, self._received)
        return parsed._replace(typed=parsed.typed.with_columns(keys))

    def batch(self, parsed: Parsed) -> Split:
        """What becomes of the rows of one batch."""
        self._landed += parsed.landed
        self._malformed += parsed.malformed.height
        found = [
            no_findings(),
            parsed.found,
            contract_findings(parsed, self._feed),
            released_code_findings(parsed, self._feed, self._codes),
            future_findings(parsed, self._feed, self._delivery, self._received),
        ]
        if parsed.malformed.height:
            found[:0] = _malformed_findings(parsed.malformed)
        numbers = parsed.typed["row_number"]
        is_swapped = _is_among(numbers, self.seen.swapped)
        if is_swapped.any():
            assert self._feed.swappable
            own, other = self._feed.swappable
            swapped = parsed.sent.filter(is_swapped)
            found.append(
                findings(swapped.select("row_number", pl.col(own).alias("value")), SWAPPED_IDS, own).with_columns(
                    pl.Series("suggestion", swapped[other].str.strip_chars(), pl.String)
                )
            )
        all_found = pl.concat(found)
        is_read = ~pl.col("row_number").is_in(parsed.malformed["row_number"].implode())
        wrong = all_found.filter((pl.col("severity") == "error") & is_read)["row_number"].unique()
        self._quarantined += len(wrong)
        is_wrong, recurs = _is_among(numbers, wrong.sort()), _is_among(numbers, self.seen.repeated)
        accepted, held_back = parsed.typed, parsed.typed.clear()
        if is_wrong.any() or recurs.any():
            held_back = accepted.filter(recurs & ~is_wrong)
            accepted = accepted.filter(~(recurs | is_wrong))
        is_told = _is_among(numbers, all_found["row_number"].unique().sort())
        moments = record_moments(
            parsed.typed.select("row_number", *([self._feed.sequence] if self._feed.sequence else [])).filter(is_told),
            key_texts(parsed.texts, parsed.typed, self._feed).filter(is_told),
            self._feed,
            self._received,
        )
        self._accept(accepted)
        return Split(_marked(accepted, recurs=False), self._issued(all_found, moments), held_back)

    def repeats(self, rows: pl.DataFrame) -> Split:
        """What becomes of rows that were held back: all of some records."""
        settled = settle_repeats(rows, self._feed)
        self._duplicate += settled.duplicates
        self._quarantined += rows.height - settled.accepted.height - settled.duplicates
        self._repeats |= settled.accepted.select(pl.struct(self._feed.key).is_duplicated().any()).item()
        texts = rows.select(pl.col(name).cast(pl.String) for name in self._feed.key)
        moments = record_moments(rows, texts, self._feed, self._received)
        self._accept(settled.accepted)
        return Split(_marked(settled.accepted, recurs=True), self._issued(settled.found, moments))

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

    def _issued(self, found: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
        for rule, severity, count in found.group_by("rule", "severity").len().iter_rows():
            self._issues[rule] += count
            if severity == "error":
                self._errors[rule] += count
        return as_issues(found, moments, self._feed, self._delivery)


def _malformed_findings(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """A finding for each record that could not be read, of the rule that its reader named."""
    rule = pl.col(MALFORMED_RULE).fill_null(MALFORMED_ROW.name) if MALFORMED_RULE in rows.columns else None
    named = rows.with_columns((pl.lit(MALFORMED_ROW.name) if rule is None else rule).alias("_rule"))
    return [
        findings(
            some.select("row_number", pl.col(MALFORMED).alias("value"), MALFORMED_REASON),
            rule_named(str(name)),
            None,
            expected=pl.col(MALFORMED_REASON),
        )
        for (name,), some in named.group_by("_rule", maintain_order=True)
    ]


def _is_among(numbers: pl.Series, some: pl.Series) -> pl.Series:
    """Which row numbers of a batch are among some of its delivery's, which are sorted."""
    if numbers.is_empty() or some.is_empty():
        return pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(numbers))
    first = int(some.search_sorted(numbers.min(), "left"))  # type: ignore[call-overload]
    after = int(some.search_sorted(numbers.max(), "right"))  # type: ignore[call-overload]
    return numbers.is_in(some.slice(first, after - first).implode())


def _marked(rows: pl.DataFrame, *, recurs: bool) -> pl.DataFrame:
    """Valid rows that say of each whether its record recurs."""
    return rows.with_columns(pl.lit(recurs).alias(RECURS))
