"""What a feed is: a pandera model for its columns, and what makes its rows records.

Everything else derives from it: the warehouse's DDL, the assets and checks, the data dictionary, the sample
generator. A contract checks itself when imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandera.polars as pa

from claims_lakehouse.contracts.formats import Format
from claims_lakehouse.contracts.mapping import SourceMapping
from claims_lakehouse.contracts.rules import MISSING_VALUE, Rule
from claims_lakehouse.errors import ContractError

#: What a column tells about a person (45 CFR 164.514(b)(2)); `nothing` is a declaration too.
Identifies = Literal["id", "name", "street", "city", "state", "zipcode", "birth_date", "date", "nothing"]


def Field(  # noqa: N802 - reads like pandera's own
    form: Format,
    description: str,
    *,
    identifies: Identifies,
    required: bool = False,
    often_empty: bool = False,
    **checks: Any,
) -> Any:
    """A column of a contract: its accepted text format, its meaning, and what it tells about a person.

    An empty field is an error where the column is `required`, nothing where it is `often_empty`, else a warning.
    """
    return pa.Field(
        nullable=not required,
        description=description,
        metadata={"format": form, "identifies": identifies, "often_empty": often_empty},
        **checks,
    )


def unread(column: str) -> str:
    """The name under which a contract's checks find whether a field was sent that could not be read, if any was."""
    return f"{column} unread"


@dataclass(frozen=True)
class Column:
    """One column of a feed, as its contract declares it."""

    name: str
    form: Format
    required: bool
    description: str
    identifies: Identifies
    often_empty: bool = False

    @property
    def needs_text(self) -> bool:
        """Whether a row cannot do without some text in this field."""
        return self.required and not self.form.empty_is_value


@dataclass(frozen=True)
class Reference:
    """A column that names a record of another feed; `unknown` is the rule that it breaks where it does not."""

    column: str
    feed: Feed
    unknown: Rule


@dataclass(frozen=True)
class ReleasedCodes:
    """A column whose codes have to be in the release of a system that was in force on the day of another column.

    Attributes:
        column: The column; one that holds several codes has them joined by `|`.
        as_of: The column of the day.
        unknown: What a code breaks that the release of the day does not have.
        not_billable: What a code breaks that is only a header there.
        unverified: What a code breaks that no release next to the day has, where that of the day is not at hand.
    """

    column: str
    as_of: str
    unknown: Rule
    not_billable: Rule
    unverified: Rule


@dataclass(frozen=True)
class LandedCodes:
    """A column whose code has to be in a landed code set that is in force on the day of another column.

    Nothing is said of a code whose system no delivery has brought.

    Attributes:
        column: The column.
        as_of: The column of the day.
        sets: The feed of code sets: its columns are `system`, `code`, `effective_from` and `effective_to`.
        system: SQL for the system of a code, `{code}` being the code.
        unknown: The rule that a code breaks which is not in force.
    """

    column: str
    as_of: str
    sets: Feed
    system: str
    unknown: Rule


@dataclass(frozen=True)
class Duplicates:
    """Which rows of a feed bill the same act, or nearly: they are compared within one patient and provider.

    Attributes:
        exact: The rule that rows break which are equal in patient, day, provider and `act`.
        near: The rule that rows break which are alike within `days`, by the weights of `history/duplicates.py`.
        patient: The column of the patient.
        provider: The column of the provider.
        day: The column of the day.
        act: The columns of what was done: equal in exact duplicates.
        diagnoses: The column of the diagnoses, joined by `|`.
        amount: The column of the amount.
        claim: The column of the claim: lines of one claim are not near duplicates of each other.
        replaces: The column of the claim that a row replaces or voids: the two are no duplicates.
        replacing: An SQL condition on rows that take the place of the claim that `replaces` names, or void it.
        ignored: An SQL condition on rows that bill nothing.
        days: How many days apart near duplicates may lie.
    """

    exact: Rule
    near: Rule
    patient: str
    provider: str
    day: str
    act: tuple[str, ...]
    diagnoses: str
    amount: str
    claim: str
    replaces: str
    replacing: str
    ignored: str
    days: int = 7


@dataclass(frozen=True)
class Feed:
    """One kind of record that a source sends.

    Attributes:
        name: The feed's name, as files use it: `patients`.
        entity: One record of it, as tables use it: `patient`.
        role: Whether its history is a dimension (`dim_patient`) or a fact (`fact_claim`).
        contract: Its columns, in order, with types and checks.
        key: The columns that name a record.
        sequence: The column that orders a record's versions; None where `received_at` does.
        references: Columns that name records of other feeds.
        rules: What the contract's own checks are called in the rule table, by the check's name.
        swappable: The key column and the reference column that a sender may have mixed up.
        mappings: Other layouts in which its records may be sent.
        transaction: The X12 transaction in which its records may be sent; None where there is none.
        released_codes: Columns of codes that are held to a system's releases.
        landed_codes: Columns of codes that are held to landed code sets.
        duplicates: How rows that bill the same act are found; None where they are not looked for.
        decides: By which columns the claims are found whose decisions may hang on a record: those of the patient, of
            the plan, of the procedure. No claim's does where there is none.
        quarantine_limit: The share of a delivery's rows that may be quarantined.
        quarantine_floor: The number of quarantined rows below which the share does not matter.
        expected_every_days: After how many days without a delivery the feed counts as stale.
    """

    name: str
    entity: str
    role: Literal["dimension", "fact"]
    contract: type[pa.DataFrameModel]
    key: tuple[str, ...]
    sequence: str | None = None
    references: tuple[Reference, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    swappable: tuple[str, str] | None = None
    mappings: tuple[SourceMapping, ...] = ()
    transaction: Literal["837", "834"] | None = None
    released_codes: tuple[ReleasedCodes, ...] = ()
    landed_codes: tuple[LandedCodes, ...] = ()
    duplicates: Duplicates | None = None
    decides: Mapping[Literal["patient", "plan", "procedure"], str] = field(default_factory=dict)
    quarantine_limit: float = 0.20
    quarantine_floor: int = 50
    expected_every_days: int = 35

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        wanted = {
            "key": self.key,
            "sequence": (self.sequence,) if self.sequence else (),
            "reference": tuple(reference.column for reference in self.references),
            "swappable": self.swappable or (),
            "column of codes": (
                *(name for one in self.released_codes for name in (one.column, one.as_of)),
                *(name for one in self.landed_codes for name in (one.column, one.as_of)),
            ),
            "deciding column": tuple(self.decides.values()),
            "mapped column": tuple(name for mapping in self.mappings for name in mapping.columns),
        }
        for what, columns in wanted.items():
            for name in columns:
                if name not in names:
                    raise ContractError(
                        f"Feed '{self.name}': {what} '{name}' is not a column of {self.contract.__name__}."
                    )
        for name in (*self.key, *wanted["sequence"]):
            if not self.column(name).required:
                raise ContractError(f"Feed '{self.name}': '{name}' orders or names records and must be required.")
        if not self.key:
            raise ContractError(f"Feed '{self.name}': a key needs at least one column.")

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The feed's columns, in the order of the contract."""
        found = []
        for name, declared in self.contract.to_schema().columns.items():
            metadata = declared.metadata or {}
            if "format" not in metadata or "identifies" not in metadata:
                raise ContractError(f"Feed '{self.name}': column '{name}' declares no format; use contracts.Field.")
            found.append(
                Column(
                    name,
                    metadata["format"],
                    not declared.nullable,
                    declared.description or "",
                    metadata["identifies"],
                    metadata["often_empty"],
                )
            )
        return tuple(found)

    def column(self, name: str) -> Column:
        """One column by name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def content(self) -> tuple[str, ...]:
        """The columns whose change makes a version: all but key and sequence."""
        return tuple(c.name for c in self.columns if c.name not in (*self.key, self.sequence))

    @property
    def table(self) -> str:
        """The table of every version: `dim_patient`, `fact_claim`."""
        return ("dim_" if self.role == "dimension" else "fact_") + self.entity

    @property
    def restated_table(self) -> str:
        """The table of accepted rows that make no version."""
        return f"restated_{self.entity}"

    @property
    def surrogate_key(self) -> str:
        """The name of the versions' stable surrogate key."""
        return f"{self.entity}_sk"

    @property
    def sequence_type(self) -> str:
        """The SQL type of the sequence: that of its column, or TIMESTAMP for `received_at`."""
        return self.column(self.sequence).form.sql_type if self.sequence else "TIMESTAMP"

    def rule(self, check: str) -> Rule:
        """The rule that a pandera check of the contract stands for."""
        if check == "not_nullable":
            return MISSING_VALUE
        return self.rules.get(check) or Rule(check, "error", "{column} breaks the contract's rule " + check + ".")
