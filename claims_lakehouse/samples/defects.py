"""What can be wrong with a row: a kind of defect for each rule of the table that a feed can break.

Derived from the contracts: a feed with known formats gets its kinds by itself. A kind changes one row; which
rows, plan.py decides.
"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from functools import cache
from random import Random

import polars as pl

from claims_lakehouse.contracts import Feed, Rule, rules
from claims_lakehouse.samples import pools
from claims_lakehouse.samples.generate import date_text
from claims_lakehouse.samples.kind import Case, Kind, Row, Spoil
from claims_lakehouse.samples.medical_defects import medical_kinds, well_covered

#: A row's key for the way in which its line is to be broken when it is written.
BROKEN = "_broken"
BREAKS = ("fields missing", "fields too many", "text after quote", "not utf-8")
#: Rules that a field of a sound X12 transaction can break.
_TRANSACTED = (rules.BAD_NPI, rules.UNKNOWN_PLACE_OF_SERVICE, rules.UNKNOWN_FREQUENCY)


@cache
def kinds_of(feed: Feed) -> tuple[Kind, ...]:
    """Every kind of defect that a feed's rows can have."""
    found = _text_kinds(feed)
    required = [c.name for c in feed.columns if c.required and c.name not in (*feed.key, feed.sequence)]
    optional = [c.name for c in feed.columns if not (c.required or c.often_empty)]
    if required:
        found.append(Kind(rules.MISSING_VALUE, _emptied(required), corrected=True))
    if optional:
        found.append(Kind(rules.MISSING_OPTIONAL, _emptied(optional)))
    found += [Kind(rules.MALFORMED_ROW, _broken(how), typed=False, corrected=True) for how in BREAKS]
    found += [Kind(rules.DUPLICATE_ROW, lambda case, _: [case.row, dict(case.row)], transacted=True)]
    found += [Kind(rules.CONFLICTING_ROW, lambda case, _: [case.row, case.other], transacted=True)]
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
    dated = [c for c in feed.columns if c.form.name == "date" and not c.form.lies_ahead]
    dates = [c.name for c in dated if c.name != feed.sequence]
    if dates:
        found.append(Kind(rules.DATE_IN_FUTURE, _in_future(feed, dates[-1]), "update", transacted=True))
    for reference in feed.references:
        found.append(Kind(reference.unknown, _coming(reference.column), transacted=True))
        found.append(Kind(reference.unknown, _never(reference.column), "update", transacted=True))
    return (*found, *medical_kinds(feed))


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
            spoil = _written([column.name for column in columns], wrong)
            if "incomplete_exclusion" in feed.rules:
                spoil = _once(spoil)
            found[rule] = Kind(rule, spoil, typed=typed, transacted=rule in _TRANSACTED, corrected=True)
    for column in feed.columns:
        for notice in column.form.notices:
            if notice.rule == rules.ZIPCODE_PADDED:
                found[notice.rule] = Kind(notice.rule, _without_zeros(column.name))
            elif notice.rule == rules.UNKNOWN_STATE:
                found[notice.rule] = Kind(notice.rule, _written([column.name], pools.NO_STATES))
    return list(found.values())


def _written(columns: list[str], wrong: tuple[str, ...]) -> Spoil:
    return lambda case, rng: [case.row | {rng.choice(columns): rng.choice(wrong)}]


def _once(spoil: Spoil) -> Spoil:
    """The same for an exclusion, of which a field that cannot be read may be all that it has."""
    return lambda case, rng: spoil(case._replace(row=well_covered(case.row)), rng)


def _emptied(columns: list[str]) -> Spoil:
    return lambda case, rng: [case.row | {rng.choice(columns): None}]


def _broken(how: str) -> Spoil:
    return lambda case, _: [case.row | {BROKEN: how}]


def _exchanged(one: str, other: str) -> Spoil:
    return lambda case, _: [case.row | {one: case.row[other], other: case.row[one]}]


def _coming(column: str) -> Spoil:
    return lambda case, _: [case.row | {column: case.coming[column]}]


def _never(column: str) -> Spoil:
    return lambda case, _: [case.row | {column: case.never[column]}]


def _said_before(sequence: str) -> Spoil:
    return lambda case, _: [case.other | {sequence: case.earlier[sequence]}]


def _without_zeros(column: str) -> Spoil:
    short = [place for place in pools.PLACES if place[2].startswith("0")]

    def spoil(case: Case, rng: Random) -> list[Row]:
        city, state, zipcode = rng.choice(short)
        place = {"city": city, "state": state, column: zipcode.lstrip("0")}
        return [{name: place.get(name, value) for name, value in case.row.items()}]

    return spoil


def _in_future(feed: Feed, column: str) -> Spoil:
    def spoil(case: Case, rng: Random) -> list[Row]:
        day = _day_of(case) + timedelta(rng.randint(2, 300))
        return [case.row | {column: date_text(feed, day)}]

    return spoil


def _years_ahead(feed: Feed, column: str) -> Spoil:
    def spoil(case: Case, rng: Random) -> list[Row]:
        day = _day_of(case).replace(day=rng.randint(1, 28))
        return [case.row | {column: date_text(feed, day.replace(year=day.year + rng.choice((1, 10, 20))))}]

    return spoil


def _day_of(case: Case) -> date:
    if case.day is None:
        raise ValueError("A date in the future needs a delivery with a day.")
    return case.day
