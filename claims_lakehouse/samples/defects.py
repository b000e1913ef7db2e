"""What can be wrong with a row: a kind of defect for each rule of the table that a feed can break.

Derived from the contracts: a feed with known formats gets its kinds by itself. A kind changes one row; which
rows, plan.py decides.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal, NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed, Rule, rules
from claims_lakehouse.samples import pools
from claims_lakehouse.samples.generate import date_text

Row = dict[str, str | None]
#: A row's key for the way in which its line is to be broken when it is written.
BROKEN = "_broken"
BREAKS = ("fields missing", "fields too many", "text after quote", "not utf-8")


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


@dataclass(frozen=True)
class Kind:
    """A kind of defect of a feed.

    Attributes:
        rule: The rule that its rows break.
        spoil: The rows that stand in place of the clean one.
        when: Which deliveries it can stand in.
        typed: Whether a file of typed columns can hold it.
        corrected: Whether a corrected row of the same record puts it right.
    """

    rule: Rule
    spoil: Callable[[Case, Random], list[Row]]
    when: Literal["any", "priming", "update"] = "any"
    typed: bool = True
    corrected: bool = False


def kinds_of(feed: Feed) -> list[Kind]:
    """Every kind of defect that a feed's rows can have."""
    found = _text_kinds(feed)
    required = [c.name for c in feed.columns if c.required and c.name not in (*feed.key, feed.sequence)]
    optional = [c.name for c in feed.columns if not c.required]
    if required:
        found.append(Kind(rules.MISSING_VALUE, _emptied(required), corrected=True))
    if optional:
        found.append(Kind(rules.MISSING_OPTIONAL, _emptied(optional)))
    found += [Kind(rules.MALFORMED_ROW, _broken(how), typed=False, corrected=True) for how in BREAKS]
    found += [Kind(rules.DUPLICATE_ROW, lambda case, _: [case.row, dict(case.row)])]
    found += [Kind(rules.CONFLICTING_ROW, lambda case, _: [case.row, case.other])]
    if "service_after_claim" in feed.rules:
        spoil = _exchanged("date_of_service", "claim_date")
        found.append(Kind(feed.rules["service_after_claim"], spoil, corrected=True))
    if feed.swappable:
        exchange = _exchanged(*feed.swappable)
        found.append(Kind(rules.SWAPPED_IDS, lambda case, rng: [case.row, *exchange(case, rng)], "priming"))
    if feed.sequence:
        sequence = feed.sequence
        found.append(Kind(rules.SAME_SEQUENCE, _said_before(sequence), "update"))
        found.append(Kind(rules.SEQUENCE_IN_FUTURE, _years_ahead(feed, sequence), "update"))
    dates = [c.name for c in feed.columns if c.form.name == "date" and c.name != feed.sequence]
    if dates:
        found.append(Kind(rules.DATE_IN_FUTURE, _in_future(feed, dates[-1]), "update"))
    for reference in feed.references:
        found.append(Kind(reference.unknown, _coming(reference.column)))
        found.append(Kind(reference.unknown, _never(reference.column), "update"))
    return found


def malformed(row: Row) -> bytes:
    """The line of a row in the way that it says it is to be broken."""
    how = row.get(BROKEN)
    fields = [_field(value) for name, value in row.items() if name != BROKEN]
    if how == "fields missing":
        fields = fields[:-3]
    elif how == "fields too many":
        fields.insert(2, "Jr.")
    elif how == "text after quote":
        fields[1] = f'"{fields[1].strip(chr(34))}" sic'
    line = ",".join(fields).encode()
    if how == "not utf-8":
        head, tail = line.split(b",", 1)
        line = head + ",caf\xe9 ".encode("latin-1") + tail
    return line + b"\n"


def _field(value: str | None) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow([value or "", ""])
    return written.getvalue()[:-1]


def _text_kinds(feed: Feed) -> list[Kind]:
    """A kind for each rule of the feed's formats, which befalls any of the columns that can break it."""
    found: dict[Rule, Kind] = {}
    for rule in {column.form.rule: None for column in feed.columns if column.form.rule}:
        # Equal, not identical: pandera copies what a contract declares.
        columns = [column for column in feed.columns if column.form.rule == rule]
        if wrong := pools.WRONG.get(rule.name):
            typed = all(column.form.dtype == pl.String() for column in columns)
            names = [column.name for column in columns]
            found[rule] = Kind(rule, _written(names, wrong), typed=typed, corrected=True)
    for column in feed.columns:
        for notice in column.form.notices:
            if notice.rule == rules.ZIPCODE_PADDED:
                found[notice.rule] = Kind(notice.rule, _without_zeros(column.name))
            elif notice.rule == rules.UNKNOWN_STATE:
                found[notice.rule] = Kind(notice.rule, _written([column.name], pools.NO_STATES))
    return list(found.values())


def _written(columns: list[str], wrong: tuple[str, ...]) -> Callable[[Case, Random], list[Row]]:
    return lambda case, rng: [case.row | {rng.choice(columns): rng.choice(wrong)}]


def _emptied(columns: list[str]) -> Callable[[Case, Random], list[Row]]:
    return lambda case, rng: [case.row | {rng.choice(columns): None}]


def _broken(how: str) -> Callable[[Case, Random], list[Row]]:
    return lambda case, _: [case.row | {BROKEN: how}]


def _exchanged(one: str, other: str) -> Callable[[Case, Random], list[Row]]:
    return lambda case, _: [case.row | {one: case.row[other], other: case.row[one]}]


def _coming(column: str) -> Callable[[Case, Random], list[Row]]:
    return lambda case, _: [case.row | {column: case.coming[column]}]


def _never(column: str) -> Callable[[Case, Random], list[Row]]:
    return lambda case, _: [case.row | {column: case.never[column]}]


def _said_before(sequence: str) -> Callable[[Case, Random], list[Row]]:
    return lambda case, _: [case.other | {sequence: case.earlier[sequence]}]


def _without_zeros(column: str) -> Callable[[Case, Random], list[Row]]:
    short = [place for place in pools.PLACES if place[2].startswith("0")]

    def spoil(case: Case, rng: Random) -> list[Row]:
        city, state, zipcode = rng.choice(short)
        place = {"city": city, "state": state, column: zipcode.lstrip("0")}
        return [{name: place.get(name, value) for name, value in case.row.items()}]

    return spoil


def _in_future(feed: Feed, column: str) -> Callable[[Case, Random], list[Row]]:
    def spoil(case: Case, rng: Random) -> list[Row]:
        day = _day_of(case) + timedelta(rng.randint(2, 300))
        return [case.row | {column: date_text(feed, day)}]

    return spoil


def _years_ahead(feed: Feed, column: str) -> Callable[[Case, Random], list[Row]]:
    def spoil(case: Case, rng: Random) -> list[Row]:
        day = _day_of(case).replace(day=rng.randint(1, 28))
        return [case.row | {column: date_text(feed, day.replace(year=day.year + rng.choice((1, 10, 20))))}]

    return spoil


def _day_of(case: Case) -> date:
    if case.day is None:
        raise ValueError("A date in the future needs a delivery with a day.")
    return case.day
