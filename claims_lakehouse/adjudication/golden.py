"""Golden claims: cases written by hand, each with what is to come out. A rule set decides them before all else.

A case is a table in a TOML file: rows of feeds as a delivery would bring them, each with the day on which it was
received (`received`, by default before all others), what people said, and what is expected. Rows that the cases of a
file share stand in its table `given`. The cases are decided in a database of their own, in memory.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import files
from itertools import repeat
from pathlib import Path
from typing import Any

import duckdb

from claims_lakehouse.adjudication.decide import decide, line_hash
from claims_lakehouse.adjudication.rule_set import REVIEWED, RuleSet
from claims_lakehouse.adjudication.rule_sql import AMOUNTS
from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import UsageError
from claims_lakehouse.warehouse.schema import create_schema

#: What a row is received on that names no day: before all others.
_PRIMING = date(1900, 1, 1)
#: What is known in the end.
_EVER = date(9999, 1, 1)
_EXPECTED = {
    "line",
    "decision",
    "paid",
    "allowed",
    "patient_share",
    "adjustments",
    "rule",
    "pending_for",
    "version",
    "on",
}
_FEEDS = [feed for feed in FEEDS if feed.decides]


@dataclass(frozen=True)
class Case:
    """One case: rows by feed, acts, and what is expected."""

    name: str
    place: str
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    acts: Sequence[Mapping[str, Any]]
    expect: Sequence[Mapping[str, Any]]


def standard_cases() -> list[Case]:
    """The golden claims that come with the lakehouse, for its standard rule set."""
    folder = files(__package__).joinpath("golden")
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return [case for file in found for case in parse_cases(file.read_text(encoding="utf-8"), file.name)]


def read_cases(folder: Path) -> list[Case]:
    """The golden claims of a folder's files; UsageError where there are none, or one cannot be understood."""
    cases = [case for file in sorted(folder.glob("*.toml")) for case in parse_cases(file.read_text("utf-8"), file.name)]
    if not cases:
        raise UsageError(f"{folder}: found no golden claims; expected files of cases, *.toml.")
    return cases


def parse_cases(text: str, place: str) -> list[Case]:
    """The cases of a file; UsageError says what is wrong in it."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{place}: {error}") from None
    given, names = said.get("given", {}), {feed.name for feed in _FEEDS}
    cases = []
    for one in said.get("case", []):
        if not isinstance(one, dict) or not all(isinstance(expected, dict) for expected in one.get("expect", [])):
            raise UsageError(f"{place}: found a case, or what one expects, that is no table; expected [[case]].")
        name = str(one.get("name"))
        unknown = {*given, *one} - names - {"name", "act", "expect"}
        if "name" not in one or not one.get("expect") or unknown:
            found = ", ".join(sorted(unknown)) or "no name, or nothing that is expected"
            raise UsageError(f"{place}, case '{name}': found {found}; expected name, expect, act, and rows of {names}.")
        rows = {feed: [*given.get(feed, []), *one.get(feed, [])] for feed in names}
        for expected in one["expect"]:
            if expected.keys() - _EXPECTED or "line" not in expected:
                raise UsageError(f"{place}, case '{name}': expect has {', '.join(expected)}; known: {_EXPECTED}.")
        cases.append(Case(name, place, rows, one.get("act", []), one["expect"]))
    return cases


def check(case: Case, rule_set: RuleSet) -> list[str]:
    """Decide a case by a rule set; what comes out differently from what is expected, line by line, and nothing else.

    UsageError where the case cannot be understood.
    """
    try:
        return _check(case, rule_set)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, duckdb.Error) as error:
        told = str(error).splitlines()[0] if str(error) else ""
        raise UsageError(f"{case.place}, case '{case.name}': {type(error).__name__}: {told}") from None


def _check(case: Case, rule_set: RuleSet) -> list[str]:
    with duckdb.connect(config={"threads": 1}) as con:  # of a few rows each, so that cases are checked side by side
        create_schema(con)
        for feed in _FEEDS:
            _fill(con, feed, case)
        for place, act in enumerate(case.acts):
            _act(con, case, act, place)
        asked = sorted({one.get("on", _EVER) for one in case.expect})
        con.execute(
            "CREATE OR REPLACE TEMP TABLE standpoint AS SELECT DISTINCT patient_id, unnest($asked::TIMESTAMP[]) AS"
            " known_before FROM fact_medical_claim",
            {"asked": [on + timedelta(days=1) for on in asked]},
        )
        decide(con, [rule_set])
        found = {(one["on"], one["line"]): one for one in _found(con, rule_set)}
        told: list[str] = []
        for expected in case.expect:
            on = expected.get("on", _EVER)
            told += _differences(expected, found.get((on, expected["line"])), on)
        return told


def check_each(cases: Sequence[Case], rule_set: RuleSet) -> Iterator[tuple[Case, list[str]]]:
    """Decide cases, as many at once as there are cores; each in its turn with what comes out differently (`check`)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(cases, pool.map(check, cases, repeat(rule_set)), strict=True)


def check_all(cases: Sequence[Case], rule_set: RuleSet) -> dict[str, list[str]]:
    """The cases that come out differently from what is expected, and how."""
    return {case.name: told for case, told in check_each(cases, rule_set) if told}


def _fill(con: duckdb.DuckDBPyConnection, feed: Feed, case: Case) -> None:
    """Lay a feed's rows into its table, each version until the next of its record is received."""
    columns = [column.name for column in feed.columns]
    rows = case.rows[feed.name]
    if not rows:
        return
    for row in rows:
        if unknown := row.keys() - {*columns, "received"}:
            place = f"{case.place}, case '{case.name}', {feed.name}"
            raise UsageError(f"{place}: found {', '.join(unknown)}; expected {', '.join(columns)} and received.")
    values = ", ".join(f"${place + 1}::{column.form.sql_type}" for place, column in enumerate(feed.columns))
    con.execute(f"CREATE OR REPLACE TEMP TABLE told AS SELECT * FROM {feed.table} LIMIT 0")
    for number, row in enumerate(rows, 1):
        received = row.get("received", _PRIMING)
        texts = [_text(feed, row, name) for name in columns]
        sequence = row.get(feed.sequence) if feed.sequence else received
        delivery = f"{'priming' if received == _PRIMING else received}"
        con.execute(
            f"INSERT INTO told SELECT {values}, ${len(columns) + 1}::TIMESTAMP, NULL, true, 1, ${len(columns) + 2},"
            f" {number}, TIMESTAMP '2024-01-01', {number}",
            [*texts, sequence, delivery],
        )
        con.execute(
            "INSERT INTO internal.ledger BY NAME SELECT $feed AS feed, $delivery AS delivery, $received::TIMESTAMP AS"
            " received_at, 'applied' AS status, TIMESTAMP '2024-01-01' AS loaded_at, '' AS corrections WHERE NOT EXISTS"
            " (FROM internal.ledger WHERE feed = $feed AND delivery = $delivery)",
            {"feed": feed.name, "delivery": delivery, "received": received},
        )
    con.execute(
        f"INSERT INTO {feed.table} SELECT * REPLACE (lead(valid_from) OVER record AS valid_to,"
        f" lead(valid_from) OVER record IS NULL AS is_current) FROM told"
        f" WINDOW record AS (PARTITION BY {', '.join(feed.key)} ORDER BY valid_from, row_number)"
    )


def _text(feed: Feed, row: Mapping[str, Any], name: str) -> Any:
    """What a row says in a column; no text is no value, but where the column has a value for that."""
    return row.get(name) or ("" if feed.column(name).form.empty_is_value else None)


def _act(con: duckdb.DuckDBPyConnection, case: Case, act: Mapping[str, Any], place: int) -> None:
    """What a person said to a line as it stood on that day."""
    claim, line = str(act["line"]).rsplit("|", 1)
    con.execute(
        f"""
        INSERT INTO internal.claim_act BY NAME
        SELECT $id AS act_id, $on::TIMESTAMP + INTERVAL 12 HOUR AS happened_at, $on::DATE AS day, $act AS act,
               'a steward' AS who, 'golden' AS why, claim_id, line_number, delivery,
               {line_hash("line")} AS bound_to, $settles::VARCHAR[] AS settles,
               $allowed::DECIMAL(12, 2) AS allowed, $group AS group_code, $carc AS carc, $rarc AS rarc
        FROM fact_medical_claim AS line
        WHERE claim_id = $claim AND line_number = $line AND valid_from <= $on::TIMESTAMP + INTERVAL 12 HOUR
          AND (valid_to IS NULL OR valid_to > $on::TIMESTAMP + INTERVAL 12 HOUR)
        """,
        {
            "id": f"{case.name}/{place}", "on": act["on"], "act": act["act"], "claim": claim, "line": int(line),
            "settles": act.get("settles", []), "allowed": act.get("allowed"), "group": act.get("group"),
            "carc": act.get("carc"), "rarc": act.get("rarc"),
        },
    )  # fmt: skip


def _found(con: duckdb.DuckDBPyConnection, rule_set: RuleSet) -> Iterator[dict[str, Any]]:
    """What was decided, as cases say it."""
    cursor = con.execute("SELECT outcome.*, act.group_code, act.carc, act.rarc FROM outcome"
                         " LEFT JOIN internal.claim_act AS act USING (act_id)")  # fmt: skip
    names = [column[0] for column in cursor.description or []]
    for row in cursor.fetchall():
        one = dict(zip(names, row, strict=True))
        if one["decision"] is None:
            continue
        adjustments = []
        if one["denied"]:
            rule = rule_set.rule(one["rule"])
            if one["rule"] == REVIEWED:
                adjustments.append(_told(one["group_code"], one["carc"], one["rarc"], one["denied"]))
            elif rule and rule.codes:
                adjustments.append(_told(rule.codes.group, rule.codes.carc, rule.codes.rarc, one["denied"]))
        for name, column in AMOUNTS.items():
            codes = rule_set.adjustments[name]
            if one[column]:
                adjustments.append(_told(codes.group, codes.carc, codes.rarc, one[column]))
        yield {
            "line": f"{one['claim_id']}|{one['line_number']}", "on": one["known_before"].date() - timedelta(days=1),
            "decision": one["decision"], "paid": one["paid"],
            "allowed": one["allowed"], "patient_share": one["patient_share"], "adjustments": sorted(adjustments),
            "rule": one["rule"], "pending_for": one["pending_for"], "version": one["claim_version"],
        }  # fmt: skip


def _told(group: str, carc: str, rarc: str | None, amount: Decimal) -> str:
    """An adjustment as cases write it: `CO 45 20.00`, `CO 16 M53 100.00`."""
    return " ".join(part for part in (group, carc, rarc, str(amount)) if part)


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any] | None, on: date) -> Iterator[str]:
    """How a line came out differently from what is expected; a line that is not to be decided has decision "none"."""
    line = expected["line"] + ("" if on == _EVER else f" on {on}")
    if found is None:
        if expected.get("decision") != "none":
            yield f"{line}: found no decision; expected one."
        return
    for name, value in expected.items():
        if name in ("line", "on"):
            continue
        now = found[name]
        if name in ("paid", "allowed", "patient_share"):
            value = Decimal(str(value))
        elif name == "adjustments":
            value = sorted(value)
        if now != value:
            yield f"{line}: found {name} {now}; expected {value}."
