"""What a kind of defect is, and what is known of a row that is to be spoilt. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Literal, NamedTuple

from claims_lakehouse.contracts import Rule

Row = dict[str, str | None]


class Case(NamedTuple):
    """One row to spoil, and what it takes to spoil it.

    Attributes:
        row: The row, clean.
        other: Another content of the same record, at the same sequence.
        earlier: The record as the priming stated it.
        day: The day of the delivery, None for the priming.
        coming: For each reference, the id of a record that the next update brings.
        never: For each reference, the id of a record that no delivery brings.
    """

    row: Row
    other: Row
    earlier: Row
    day: date | None
    coming: Mapping[str, str]
    never: Mapping[str, str]


Spoil = Callable[[Case, Random], list[Row]]


@dataclass(frozen=True)
class Kind:
    """A kind of defect of a feed.

    Attributes:
        rule: The rule that its rows break, one of them once.
        spoil: The rows that stand in place of the clean one.
        when: Which deliveries it can stand in.
        typed: Whether a file of typed columns can hold it.
        transacted: Whether an X12 transaction can hold it and be sound all the same.
        corrected: Whether a corrected row of the same record puts it right.
    """

    rule: Rule
    spoil: Spoil
    when: Literal["any", "priming", "update"] = "any"
    typed: bool = True
    transacted: bool = False
    corrected: bool = False
