"""Whatever is received and said, the SQL decides each line as the clerk of `naive.py` does, and to the cent."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from claims_lakehouse.adjudication.decide import decide, line_hash
from claims_lakehouse.adjudication.golden import Case, standard_cases
from claims_lakehouse.adjudication.rule_file import parse, standard
from claims_lakehouse.adjudication.rule_set import RuleSet
from claims_lakehouse.contracts import FEEDS, Feed, feed_named
from claims_lakehouse.warehouse.schema import create_schema
from claims_lakehouse_tests.adjudication import naive
from claims_lakehouse_tests.adjudication.naive import Act, Decided, Key, Row, Rules, World, day_after

STEADY = settings(
    max_examples=int(os.environ.get("DECIDE_EXAMPLES", "25")), deadline=None,
    # What is found is made small here (`smallest`), which is quicker by far: a world has too many choices.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
_FEEDS = [feed for feed in FEEDS if feed.decides]
_AMOUNTS = ("denied", "pending", "unauthorized", "over_limit", "above_fee", "deductible", "coinsurance", "copay",
            "over_maximum")  # fmt: skip
_STANDARD = Rules.of(standard().text)


def rewritten(text: str, *changes: tuple[str, str, str]) -> str:
    """A rule set's text, changed after some words."""
    for after, old, new in changes:
        head, _, tail = text.partition(after)
        assert old in tail, (after, old)
        text = head + after + tail.replace(old, new, 1)
    return text


#: A rule set that comes later, and says much else.
LATER = parse(
    rewritten(
        standard().text,
        ("version", "effective_from = 1900-01-01", "effective_from = 2024-01-05"),
        ("[settings]", "similarity = 85", "similarity = 70"),
        ("separate_modifiers = [", '"24"', '"XX", "24"'),
        ('name = "late_filing"', "days_to_receipt > filing_days", "days_to_receipt > filing_days + 1"),
        ('name = "not_covered"', 'evidence = "not_covered_by"', 'evidence = "procedure_code"'),
        ('name = "exact_duplicate"', 'group = "OA"', 'group = "PR"'),
        ('name = "near_duplicate"', "similarity >= 85", "similarity >= 70"),
        ('name = "near_duplicate"', 'evidence = "similar_to"', 'evidence = "similarity"'),
        ("[adjustment.copay]", 'group = "PR"', 'group = "CO"'),
    ),
    "later.toml",
)

Standpoint = tuple[str, date]

# --- The database ---


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        create_schema(opened)
        yield opened


def fill(con: duckdb.DuckDBPyConnection, world: World, shuffled: random.Random | None = None) -> None:
    """Lay a world's rows and acts into the tables, in whatever order."""
    for feed in _FEEDS:
        con.execute(f"DELETE FROM {feed.table}; DELETE FROM {feed.restated_table}")
        said, at = world.rows.get(feed.name, ()), feed.sequence or "received"
        records = naive.versions(said, feed.name, date.max)
        rows = [row for some in records.values() for row in _with_validity(feed, some)]
        if shuffled:
            shuffled.shuffle(rows)
        _insert(con, feed.table, [[*row, number] for number, row in enumerate(rows, 1)])
        kept = [id(row) for some in records.values() for row in some]
        repeated = [[*_values(feed, row), row[at], *_origin(row)] for row in said if id(row) not in kept]
        _insert(con, feed.restated_table, [[*row, -number] for number, row in enumerate(repeated, 1)])
    con.execute("DELETE FROM internal.ledger")
    for day in sorted({row["received"] for row in world.rows.get("patients", ())}):
        con.execute(
            "INSERT INTO internal.ledger BY NAME SELECT 'patients' AS feed, $delivery AS delivery, $day::TIMESTAMP AS"
            " received_at, 'applied' AS status, TIMESTAMP '2024-01-01' AS loaded_at, '' AS corrections",
            {"delivery": str(day), "day": day},
        )
    con.execute("DELETE FROM internal.claim_act")
    for number, act in enumerate(world.acts):
        con.execute(
            f"""
            INSERT INTO internal.claim_act BY NAME
            SELECT '{number:03d}' AS act_id, $day::TIMESTAMP + INTERVAL 12 HOUR AS happened_at, $day AS day,
                   $act AS act, 'a steward' AS who, '' AS why, claim_id, line_number, delivery,
                   {line_hash("line")} AS bound_to, $settles::VARCHAR[] AS settles, $allowed AS allowed,
                   $group AS group_code
            FROM fact_medical_claim AS line
            WHERE claim_id = $claim AND line_number = $line AND valid_from <= $received::TIMESTAMP
              AND (valid_to IS NULL OR valid_to > $received::TIMESTAMP)
            """,
            {
                "day": act.day, "act": act.act, "settles": list(act.settles), "allowed": act.allowed,
                "group": act.group, "claim": act.row["claim_id"], "line": act.row["line_number"],
                "received": act.row["received"],
            },
        )  # fmt: skip


def _with_validity(feed: Feed, rows: Sequence[Row]) -> Iterator[list[Any]]:
    """Versions of one record as their table has them, but for the surrogate key."""
    at = feed.sequence or "received"
    for number, (row, after) in enumerate(zip(rows, [*rows[1:], None], strict=True), 1):
        yield [*_values(feed, row), row[at], after[at] if after else None, after is None, number, *_origin(row)]


def _values(feed: Feed, row: Row) -> list[Any]:
    return [row.get(column.name) for column in feed.columns]


def _origin(row: Row) -> list[Any]:
    return [str(row["received"]), 1, date(2024, 1, 1)]


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        values = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
        con.execute(f"INSERT INTO {table} VALUES {values}", [value for row in rows for value in row])


def decided(
    con: duckdb.DuckDBPyConnection, standpoints: Sequence[Standpoint], rule_sets: Sequence[RuleSet]
) -> dict[Standpoint, dict[Key, Decided]]:
    """What the SQL decides, by standpoint and line."""
    con.execute("CREATE OR REPLACE TEMP TABLE standpoint (patient_id VARCHAR, known_before TIMESTAMP)")
    _insert(con, "standpoint", standpoints)
    decide(con, rule_sets)
    cursor = con.execute("FROM outcome")
    names = [column[0] for column in cursor.description or []]
    found: dict[Standpoint, dict[Key, Decided]] = {standpoint: {} for standpoint in standpoints}
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        row |= {name: None if row[name] is None else tuple(row[name]) for name in ("pending_for", "causes")}
        lines = found[row["patient_id"], row["known_before"].date()]
        key = row["claim_id"], row["line_number"]
        assert key not in lines, f"{key} is decided twice"
        lines[key] = Decided(**{name: row[name] for name in naive.NAMES})
    return found


# --- Small, nasty worlds ---

PRIMING, NEW_YEAR = date(1900, 1, 1), date(2024, 1, 1)
RECEIVED = [PRIMING, date(2023, 12, 31), NEW_YEAR, date(2024, 1, 5), date(2024, 1, 20)]
SERVICE = [date(2023, 12, 30), date(2023, 12, 31), NEW_YEAR, date(2024, 1, 2), date(2024, 1, 8)]
LONG_AGO = date(2020, 1, 1)
PROCEDURES, NPIS = ["99213", "99214", "97110", "J1100"], ["1234567893", "1000000004", "1987654320"]
DIAGNOSES = ["E119", "E119|I10", "I10|E1165", "I10"]
UNITS = ["1", "2", "3", "0.5", "1.5", "2.25"]
CHARGES = ["10.00", "20.00", "33.33", "50.00", "49.90", "7.01", "100.00", "0.00", "0.03", "0.01"]
FEES = ["10.00", "7.77", "25.00", "3.33", "0.01", "0.00"]
#: How many patients a world has: each is a small world of its own, and they cost hardly more than one.
PATIENTS = int(os.environ.get("DECIDE_PATIENTS", "5"))

Draw = Callable[..., Any]
Rows = list[dict[str, Any]]


class Theme(NamedTuple):
    """What a patient's world is mostly about: most lines are worth looking at only where much else is in order."""

    procedures: Sequence[str] = PROCEDURES
    modifiers: Sequence[str | None] = (None, "25", "59", "XX", "XX|25", "25|XX")
    frequencies: Sequence[str] = ("1",)
    charges: Sequence[str] = CHARGES
    units: Sequence[str] = UNITS
    kinds: Sequence[str] = ()
    claims: int = 5
    lines: int = 4
    #: Of how many claims, lines and plans one is out of the ordinary.
    one_in: int = 6
    one_plan: bool = False
    restated: bool = False


WILD = Theme(
    frequencies=["1", "1", "1", "1", "7", "7", "8"], one_in=3, restated=True,
    kinds=["units_limit", "authorization_required", "not_covered", "age_limit", "sex_limit"],
)  # fmt: skip
THEMES = {
    "amounts": Theme(claims=2),
    "units": Theme(
        procedures=["97110"], modifiers=["25", "59", "XX", "XX|25", "25|59"], claims=2, one_plan=True,
        kinds=["units_limit", "authorization_required", "units_limit", "authorization_required", "units_limit"],
    ),
    "alike": Theme(procedures=PROCEDURES[:2], modifiers=[None, None, "25", "XX|25", "25|XX"],
                   charges=["100.00", "99.00", "98.80", "95.00"], lines=2, units=["1", "2"], one_plan=True),
    "bundled": Theme(procedures=PROCEDURES[1:3], modifiers=[None, "25", "XX", "59"], claims=3, lines=3),
    "replaced": Theme(frequencies=["1", "1", "7", "7", "8"], lines=2, restated=True),
    "restated": Theme(frequencies=["1", "7", "8"], claims=2, lines=3, restated=True),
    "wild": WILD,
}  # fmt: skip


def one_of(draw: Draw, values: Sequence[Any]) -> Any:
    return draw(st.sampled_from(values))


def rarely(draw: Draw, one_in: int = 4) -> bool:
    return draw(st.integers(0, one_in - 1)) == one_in - 1


def money(draw: Draw, values: Sequence[str | None]) -> Decimal | None:
    text = one_of(draw, values)
    return None if text is None else Decimal(text)


def period(draw: Draw, what: str = "effective") -> dict[str, date | None]:
    """A time that holds on all days, or only on some."""
    first = one_of(draw, [LONG_AGO, LONG_AGO, *SERVICE[1:4]])
    last = one_of(draw, [None, None, *SERVICE[:3]])
    return {f"{what}_from": first, f"{what}_to": None if last is None else max(first, last)}


def received(draw: Draw) -> date:
    return one_of(draw, RECEIVED) if rarely(draw, 3) else PRIMING


def plan_rows(draw: Draw, plans: Sequence[str]) -> Rows:
    return [
        {
            "plan_id": plan, "plan_name": plan, "received": received(draw),
            "deductible": money(draw, ["0.00", "5.00", "12.34", "30.00"]),
            "coinsurance": money(draw, ["0.00", "20.00", "33.33", "50.00", "12.5", "100.00"]),
            "copays": one_of(draw, [None, "11=5.00", "11=2.5|other=7", "other=3"]),
            "annual_maximum": money(draw, [None, None, "20.00", "41.05", "5.00", "0.00"]),
            "timely_filing_days": one_of(draw, [3660, 3660, 30, 5]),
        }
        for plan in plans for _ in range(1 + rarely(draw))
    ]  # fmt: skip


def coverage_rows(draw: Draw, patient: str, plans: Sequence[str], theme: Theme) -> Rows:
    always = {"patient_id": patient, "plan_id": plans[0], "received": PRIMING,
              "covered_from": LONG_AGO, "covered_to": None}  # fmt: skip
    rows: Rows = [] if rarely(draw, theme.one_in) else [always]
    return rows + [
        {"patient_id": patient, "plan_id": one_of(draw, plans), "received": received(draw), **period(draw, "covered")}
        for _ in range(one_of(draw, [0, 0, 0, 1, 2, 3]) if not theme.one_plan else 0)
    ]


def fee_rows(draw: Draw, plans: Sequence[str]) -> Rows:
    since = received(draw) if rarely(draw, 3) else PRIMING
    always = {"effective_from": LONG_AGO, "effective_to": None, "received": since, "modifier": ""}
    amount = money(draw, FEES[:4])
    rows = [
        {"plan_id": plan, "procedure_code": code, "allowed_amount": amount, **always}
        for plan in plans for code in PROCEDURES[: 3 if rarely(draw, 6) else 4]
    ]  # fmt: skip
    return rows + [
        {
            "plan_id": one_of(draw, plans), "procedure_code": one_of(draw, PROCEDURES),
            "modifier": one_of(draw, ["", "25", "XX"]), "allowed_amount": money(draw, FEES), "received": received(draw),
            **period(draw),
        }
        for _ in range(one_of(draw, [0, 0, 1, 2, 3]))
    ]  # fmt: skip


def exclusion_rows(draw: Draw, prefix: str, plans: Sequence[str | None], theme: Theme) -> Rows:
    rows: Rows = []
    for _ in range(one_of(draw, [1, 2, 3, 0]) if theme.kinds else 0):
        kind = one_of(draw, theme.kinds)
        code = one_of(draw, [*theme.procedures, None])
        row = {
            "exclusion_id": prefix + one_of(draw, ["1", "2", "10"]), "plan_id": one_of(draw, plans), "kind": kind,
            "procedure_code": code, "received": received(draw), **period(draw),
            "diagnosis_code": one_of(draw, ["E11", "E119", "I10"] if code is None else [None, None, "E11", "I10"]),
        }  # fmt: skip
        if kind == "age_limit":
            row["least_age"], row["most_age"] = one_of(draw, [(18, None), (None, 17), (18, 40), (0, 23)])
        row["sex"] = "f" if kind == "sex_limit" else None
        row["most_units_a_day"] = money(draw, ["1", "2", "2.5", "4"]) if kind == "units_limit" else None
        rows.append(row)
    return rows


def authorization_rows(draw: Draw, patient: str, numbers: Sequence[str], theme: Theme) -> Rows:
    always = {
        "authorization_number": numbers[0], "patient_id": patient, "procedure_code": theme.procedures[0],
        "provider_npi": None, "units": money(draw, ["2", "4", "2.5", "7"]), "received": PRIMING,
        "authorized_from": LONG_AGO, "authorized_to": None,
    }  # fmt: skip
    rows: Rows = [always] if "authorization_required" in theme.kinds and not rarely(draw) else []
    return rows + [
        {
            "authorization_number": one_of(draw, numbers), "patient_id": patient, "received": received(draw),
            "provider_npi": one_of(draw, [None, None, *NPIS]), "procedure_code": one_of(draw, theme.procedures),
            "units": money(draw, ["1", "2", "2.5", "4", None]), **period(draw, "authorized"),
        }
        for _ in range(one_of(draw, [0, 1, 2, 3]))
    ]  # fmt: skip


def claim_rows(draw: Draw, patient: str, others: Sequence[str], numbers: Sequence[str], theme: Theme) -> Rows:
    rows: Rows = []
    names = ["C1", "C2", "C10", "C|3", "D"][: draw(st.integers(1, theme.claims))]
    claims = [patient + name for name in names]
    usual = {"npi": one_of(draw, NPIS), "day": one_of(draw, SERVICE), "filed": one_of(draw, SERVICE)}
    for claim in claims:
        npi = one_of(draw, NPIS) if rarely(draw, theme.one_in) else usual["npi"]
        day = one_of(draw, SERVICE) if rarely(draw, 2) else usual["day"]
        filed = one_of(draw, SERVICE) if rarely(draw, 2) else usual["filed"]
        place, days = one_of(draw, ["11", "11", "23"]), {one_of(draw, RECEIVED)}
        if rarely(draw, 2 if theme.restated else 5):
            days.add(one_of(draw, RECEIVED))
        for again, on in enumerate(sorted(days)):
            frequency = one_of(draw, theme.frequencies)
            original = one_of(draw, [*claims, *claims, "unknown"]) if frequency != "1" else None
            if again and original and rarely(draw, 2):
                original = claim
            if original and rarely(draw, 3):  # as the remittance names it, if that is who was paid
                original = naive.payers_number({"claim_id": original, "patient_id": patient, "provider_npi": npi})
            if again and rarely(draw):
                filed = one_of(draw, SERVICE)
            for number in range(1, 2 + draw(st.integers(0, theme.lines - 1))):
                row = {
                    "claim_id": claim, "line_number": number, "received": on, "frequency_code": frequency,
                    "original_claim_id": original, "patient_id": patient, "provider_npi": npi, "billing_npi": None,
                    "procedure_code": one_of(draw, theme.procedures), "modifiers": one_of(draw, theme.modifiers),
                    "diagnosis_codes": one_of(draw, DIAGNOSES), "diagnosis_pointers": one_of(draw, [None, "1"]),
                    "date_of_service_from": day, "place_of_service": place,
                    "units": money(draw, theme.units), "charge_amount": money(draw, theme.charges),
                    "prior_auth_number": one_of(draw, [*numbers, None]), "received_date": filed,
                }  # fmt: skip
                if rarely(draw, theme.one_in):
                    row |= oddity(draw, others)
                row["date_of_service_to"] = row["date_of_service_from"] + timedelta(days=2) if rarely(draw, 3) else None
                before = [one for one in rows if naive.key_of(one) == naive.key_of(row)]
                if before and rarely(draw, 2):
                    row = before[-1] | {"received": on}
                rows.append(row)
    return rows


def oddity(draw: Draw, patients: Sequence[str]) -> dict[str, Any]:
    """What sets one line apart from the others of its claim."""
    odd: Rows = [
        {"provider_npi": one_of(draw, NPIS)},
        {"date_of_service_from": one_of(draw, SERVICE)}, {"place_of_service": one_of(draw, ["11", "23", None])},
        {"units": None}, {"frequency_code": "1"}, {"charge_amount": Decimal("10.00")},
        {"patient_id": one_of(draw, patients)}, {"received_date": one_of(draw, SERVICE)},
    ]  # fmt: skip
    return one_of(draw, odd)


def one_a_day(feed: str, rows: Sequence[Row]) -> list[Row]:
    """Of the rows of a record one for each day: deliveries have a record once."""
    declared = feed_named(feed)
    at = declared.sequence or "received"
    return list({(*(row[name] for name in declared.key), row[at]): row for row in reversed(rows)}.values())


@st.composite
def worlds(draw: Draw) -> World:
    patients = [f"P{number}" for number in range(1, 1 + PATIENTS)]
    rows: dict[str, Rows] = defaultdict(list)
    for patient in patients:
        theme = THEMES[one_of(draw, list(THEMES))]
        whose = patients[0] if rarely(draw, 6) else patient
        plans = [f"{whose}A", f"{whose}B", "without terms"]
        known_plans = plans[: draw(st.integers(1, 1 if theme.one_plan else 2))]
        numbers = [f"{patient}Z{number}" for number in (1, 2)]
        rows["medical_claims"] += claim_rows(draw, patient, patients, numbers, theme)
        rows["plans"] += plan_rows(draw, known_plans)
        rows["coverages"] += coverage_rows(draw, patient, [*known_plans, plans[1 + rarely(draw)]], theme)
        rows["fee_schedules"] += fee_rows(draw, known_plans)
        rows["exclusions"] += exclusion_rows(draw, f"{patient}E", known_plans, theme)
        whose = patients[0] if rarely(draw, 6) else patient
        rows["authorizations"] += authorization_rows(draw, whose, numbers, theme)
    if rarely(draw):
        rows["exclusions"] += exclusion_rows(draw, "E", [None], WILD)
    rows["procedure_edits"] = [
        {
            "procedure_code": one_of(draw, ["99214", *PROCEDURES]),
            "bundled_code": one_of(draw, ["97110", *PROCEDURES]),
            "modifier_indicator": one_of(draw, ["0", "1", "9"]), "received": received(draw), **period(draw),
        }
        for _ in range(one_of(draw, [0, 0, 1, 2, 3]))
    ]  # fmt: skip
    if rarely(draw, 5):
        rows["code_sets"] = [
            {"code": code, "system": "hcpcs" if code[0] == "J" else "cpt", "received": received(draw), **period(draw)}
            for code in draw(st.lists(st.sampled_from(PROCEDURES), max_size=6))
        ]
    rows["patients"] = [
        {
            "patient_id": patient, "received": received(draw), "last_modified_date": one_of(draw, SERVICE),
            "date_of_birth": one_of(draw, [date(1980, 5, 5), date(2000, 1, 1), date(2006, 1, 2)]),
        }
        for patient in patients for _ in range(one_of(draw, [1, 0, 2]))
    ]  # fmt: skip
    world = World({feed: one_a_day(feed, some) for feed, some in rows.items()})
    for patient in patients:
        mine = [row for row in world.rows["medical_claims"] if row["claim_id"].startswith(patient)]
        for row in [one_of(draw, mine) for _ in range(one_of(draw, [0, 0, 1, 2, 3]))]:
            for _ in range(one_of(draw, [1, 1, 2, 3])):
                act = said(draw, world, row)
                acts = sorted([*world.acts, *([act] if act else [])], key=lambda act: act.day)
                world = World(world.rows, acts)
    return world


def said(draw: Draw, world: World, row: Row) -> Act | None:
    """What a person says to a line: about all causes that they see; None where there is nothing to say."""
    day = max(row["received"], one_of(draw, RECEIVED))
    found, _ = naive.decided(world, [_STANDARD], row["patient_id"], day_after(day))
    outcome = found.get(naive.key_of(row))
    may = {"pending": ["approved", "approved", "denied"], "denied": ["appealed"], "partial": ["appealed"]}
    if outcome is None or outcome.decision not in may:
        return None
    causes, act = outcome.causes or (), one_of(draw, may[outcome.decision])
    if row["frequency_code"] == "8" and act == "approved":
        return None
    needs_price = any(cause.startswith("no_price") for cause in causes)
    allowed = one_of(draw, ["15.00", "0.01"] if needs_price else [None, "15.00"])
    return Act(
        row, day, act, causes, Decimal(allowed) if allowed and act == "approved" else None,
        one_of(draw, ["PR", "CO"]) if act == "denied" else None,
    )  # fmt: skip


# --- Laws ---


def moments(world: World) -> list[date]:
    days = {row["received"] for rows in world.rows.values() for row in rows} | {act.day for act in world.acts}
    return sorted(day_after(day) for day in days)


def standpoints_of(world: World) -> list[Standpoint]:
    patients = sorted({row["patient_id"] for row in world.rows["medical_claims"]})
    return [(patient, before) for patient in patients for before in moments(world)]


def breaches(found: Mapping[Key, Decided], lines: Mapping[Key, naive.Line]) -> Iterator[str]:
    """Where outcomes do not add up, or take or pay more than a plan, an authorization or a limit says."""
    taken: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    most: dict[tuple[Any, ...], Decimal] = {}

    def count(name: tuple[Any, ...], amount: Decimal, limit: Decimal | None) -> None:
        if limit is not None:
            taken[name] += amount
            most[name] = limit

    for key, one in found.items():
        if one.decision is not None:
            amounts = [one.paid, *(getattr(one, name) for name in _AMOUNTS)]
            shared = (one.paid, one.deductible, one.coinsurance, one.copay, one.over_maximum)
            if min(amounts) < 0 or sum(amounts) != one.charge or sum(shared) != one.allowed:
                yield f"{key} does not add up: {one}"
            if not 0 <= one.patient_share <= one.charge:
                yield f"{key}: the patient's share is {one.patient_share} of {one.charge}"
        line = lines.get(key)
        if line is None or not line.is_payable or one.decision is None:
            continue
        year = (line.plan_id, line.day.year)
        if line.year_terms:
            count(("deductible", *year), one.deductible, line.year_terms["deductible"])
            if "annual_maximum " not in line.settled:
                count(("paid", *year), one.paid, line.year_terms["annual_maximum"])
        if line.authorization and line.fact("needs_authorization"):
            number = line.authorization["authorization_number"]
            if f"unauthorized_units {number}" not in line.settled:
                count(("authorization", number), line.left, line.authorization["units"])
        for limit in line.units_limits:
            if f"units_limit {limit['exclusion_id']}" not in line.settled:
                count(("limit", limit["exclusion_id"], line.day), line.left, limit["most_units_a_day"])
    yield from (f"{name}: {taken[name]} of {most[name]}" for name in taken if taken[name] > most[name])


def differences(wanted: Mapping[Key, Decided], found: Mapping[Key, Decided]) -> Iterator[str]:
    for key in sorted({*wanted, *found}):
        one, other = wanted.get(key), found.get(key)
        if one is None or other is None:
            yield f"{key}: expected {one}, found {other}"
        elif one.decision is None or other.decision is None:
            told = (one.decision, one.taken_back_by), (other.decision, other.taken_back_by)
            if told[0] != told[1]:
                yield f"{key}, decision and by which claim it is taken back: expected {told[0]}, found {told[1]}"
        else:
            for name in naive.NAMES:
                if getattr(one, name) != getattr(other, name):
                    yield f"{key}, {name}: expected {getattr(one, name)}, found {getattr(other, name)}"


def wrong(
    con: duckdb.DuckDBPyConnection,
    world: World,
    standpoints: Sequence[Standpoint],
    rule_sets: Sequence[RuleSet],
    shuffled: random.Random | None = None,
) -> dict[Standpoint, list[str]]:
    """What comes out of the SQL otherwise than a clerk would have it, by standpoint."""
    fill(con, world, shuffled)
    found, read = decided(con, standpoints, rule_sets), [Rules.of(one.text) for one in rule_sets]
    told = {}
    for standpoint in standpoints:
        wanted, lines = naive.decided(world, read, *standpoint)
        for one in wanted.values():
            with suppress(InvalidArgument):  # of an example there is nobody to tell
                event(f"{one.decision} {one.rule or one.pending_for or ''}")
        if some := [*differences(wanted, found[standpoint]), *breaches(found[standpoint], lines)]:
            told[standpoint] = some
    return told


def smallest(con: duckdb.DuckDBPyConnection, world: World, standpoint: Standpoint, rule_sets: Sequence[RuleSet]) -> str:
    """What is wrong at a standpoint, with the rows and acts without which it would not be."""

    def found(rows: Mapping[str, Sequence[Row]], acts: Sequence[Act]) -> list[str]:
        kept = [act for act in acts if act.row in rows["medical_claims"]]
        return wrong(con, World(rows, kept), [standpoint], rule_sets).get(standpoint, [])

    def is_wrong(rows: Mapping[str, Sequence[Row]], acts: Sequence[Act]) -> bool:
        return any(told.split(": ")[0] == what for told in found(rows, acts))

    at_first = found(world.rows, world.acts)
    if not at_first:
        return f"{standpoint[0]}, known before {standpoint[1]}: only in the order in which rows were inserted"
    what = at_first[0].split(": ")[0]
    rows, acts = {feed: list(some) for feed, some in world.rows.items()}, list(world.acts)
    size = -1
    while size != (size := sum(map(len, rows.values())) + len(acts)):
        for some in (acts, *rows.values()):
            for place in reversed(range(len(some))):
                one = some.pop(place)
                if not is_wrong(rows, acts):
                    some.insert(place, one)
    kept = World(rows, [act for act in acts if act.row in rows["medical_claims"]])
    told = found(kept.rows, kept.acts)
    lines = [f"{feed}: {', '.join(f'{name}={value}' for name, value in row.items() if value is not None)}"
             for feed, some in rows.items() for row in some]  # fmt: skip
    said = [
        f"{act.act} on {act.day}: {act.row['claim_id']}|{act.row['line_number']} {act.settles}" for act in kept.acts
    ]
    return "\n".join([f"{standpoint[0]}, known before {standpoint[1]}:", *told, "where", *lines, *said])


def assert_decided(
    con: duckdb.DuckDBPyConnection, world: World, rule_sets: Sequence[RuleSet], shuffled: random.Random
) -> None:
    """That the SQL decides as a clerk does, whatever the order of rows is."""
    standpoints = standpoints_of(world)
    told = wrong(con, world, standpoints, rule_sets, shuffled)
    assert not told, smallest(con, world, next(iter(told)), rule_sets)


RULE_SETS = st.sampled_from([[standard()], [standard(), LATER]])


@STEADY
@given(world=worlds(), rule_sets=RULE_SETS, seed=st.integers(0, 99))
def test_the_sql_decides_as_a_clerk_does(
    con: duckdb.DuckDBPyConnection, world: World, rule_sets: list[RuleSet], seed: int
) -> None:
    assert_decided(con, world, rule_sets, random.Random(seed))


@settings(STEADY, max_examples=2)
@given(world=worlds(), rule_sets=RULE_SETS, seed=st.integers(0, 99))
def test_neither_the_order_of_rows_nor_other_standpoints_matter(
    con: duckdb.DuckDBPyConnection, world: World, rule_sets: list[RuleSet], seed: int
) -> None:
    shuffled, standpoints = random.Random(seed), standpoints_of(world)
    fill(con, world)
    together = decided(con, standpoints, rule_sets)
    fill(con, world, shuffled)
    for standpoint in shuffled.sample(standpoints, min(3, len(standpoints))):
        assert decided(con, [standpoint], rule_sets) == {standpoint: together[standpoint]}


# --- Worlds that are worth asking for by name ---

_ALWAYS = {"received": PRIMING, "effective_from": LONG_AGO, "effective_to": None}
DAY = SERVICE[0]


def billed(line: str = "C1|1", **changed: Any) -> dict[str, Any]:
    """A line that is paid: charge 100, fee 80."""
    claim, number = line.rsplit("|", 1)
    return {
        "claim_id": claim, "line_number": int(number), "received": RECEIVED[2], "frequency_code": "1",
        "original_claim_id": None, "patient_id": "P1", "provider_npi": NPIS[0], "billing_npi": None,
        "procedure_code": "99213", "modifiers": None, "diagnosis_codes": "E119", "diagnosis_pointers": None,
        "date_of_service_from": DAY, "date_of_service_to": None, "place_of_service": "11", "units": Decimal(1),
        "charge_amount": Decimal(100), "prior_auth_number": None, "received_date": SERVICE[1],
    } | changed  # fmt: skip


#: Numbers by which remittances name two claims.
TOLD_AS = {
    "C1": naive.payers_number(billed("C1|1")),
    "C2": naive.payers_number(billed("C2|1", billing_npi=NPIS[1])),
}


def small(
    *lines: dict[str, Any], acts: Sequence[Act] = (), terms: Mapping[str, Any] | None = None, **more: Rows
) -> World:
    """A world of some lines: one plan without a deductible, which covers P1 and P2, and a fee of 80."""
    rows: dict[str, Rows] = {
        "plans": [terms_of("A", **(terms or {}))],
        "coverages": [covered("A"), covered("A", patient_id="P2")],
        "fee_schedules": [priced("A", code=code) for code in PROCEDURES],
    }
    return World(rows | {"medical_claims": list(lines)} | more, acts)


def limit(number: str, most: str | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "exclusion_id": number, "plan_id": None, "kind": "units_limit", "procedure_code": None, "diagnosis_code": None,
        "most_units_a_day": Decimal(most) if most else None, "least_age": None, "most_age": None, **_ALWAYS,
    } | changed  # fmt: skip


def edit(whole: str, part: str, indicator: str) -> dict[str, Any]:
    return {"procedure_code": whole, "bundled_code": part, "modifier_indicator": indicator, **_ALWAYS}


def terms_of(plan: str, **changed: Any) -> dict[str, Any]:
    return {
        "plan_id": plan, "plan_name": plan, "received": PRIMING, "deductible": Decimal(0), "coinsurance": Decimal(0),
        "copays": None, "annual_maximum": None, "timely_filing_days": 3660,
    } | changed  # fmt: skip


def covered(plan: str, **changed: Any) -> dict[str, Any]:
    return {
        "patient_id": "P1", "plan_id": plan, "received": PRIMING, "covered_from": LONG_AGO, "covered_to": None,
    } | changed  # fmt: skip


def priced(plan: str, fee: str = "80", code: str = "99213") -> dict[str, Any]:
    return {"plan_id": plan, "procedure_code": code, "modifier": "", "allowed_amount": Decimal(fee), **_ALWAYS}


def born(day: date, modified: date, received: date) -> dict[str, Any]:
    return {"patient_id": "P1", "date_of_birth": day, "last_modified_date": modified, "received": received}


def authorized(number: str, **changed: Any) -> dict[str, Any]:
    return {
        "authorization_number": number, "patient_id": "P1", "procedure_code": "99213", "provider_npi": None,
        "units": Decimal(1), "received": PRIMING, "authorized_from": LONG_AGO, "authorized_to": None,
    } | changed  # fmt: skip


OWN = {"frequency_code": "7", "original_claim_id": "C1"}
FIRST, SECOND, THIRD = RECEIVED[2:5]
LIKE = billed("C2|1", date_of_service_from=SERVICE[1])
UNPRICED = [LIKE, billed("C1|1", received_date=DAY)]
PRICED_LATER = [priced("A") | {"received": THIRD}]
LARGE = [
    billed("C1|1", units=Decimal(2), prior_auth_number="Z"),
    billed("C1|2", units=Decimal(2), modifiers="25", diagnosis_codes="I10"),
    billed("C1|3", modifiers="59", procedure_code="99214"),
]
NAMED = {
    "a copay is taken once, over all lines of the claim": small(
        billed("C1|1"), billed("C1|2", modifiers="25", units=Decimal("0.5")), billed("C2|1", provider_npi=NPIS[1]),
        terms={"copays": "11=100.00|other=7"},
    ),
    "half a cent of coinsurance goes to the plan": small(
        billed(charge_amount=Decimal("0.05")), terms={"coinsurance": Decimal(50)},
    ),
    "half a cent of a share": small(
        billed(charge_amount=Decimal("2.01"), units=Decimal(2)),
        exclusions=[limit("E", "1", procedure_code="99213")],
    ),
    "a year's deductible and maximum end with it": small(
        *(billed(f"C1|{place}", date_of_service_from=day) for place, day in enumerate(SERVICE, 1)),
        terms={"deductible": Decimal(100), "annual_maximum": Decimal(90)},
    ),
    "what was done first counts first, whenever it was received": small(
        billed("C1|1", date_of_service_from=SERVICE[4], received=FIRST), billed("C2|1", received=THIRD),
        terms={"deductible": Decimal(100), "annual_maximum": Decimal(50)},
    ),
    "of two claims that replace each other the one received later stands": small(
        billed("C1|1", frequency_code="7", original_claim_id="C2", received=SECOND),
        billed("C2|1", frequency_code="8", original_claim_id="C1"),
    ),
    "a claim that is of two patients": small(billed("C1|1"), billed("C1|2", patient_id="P2")),
    "units of an authorization are used up by who does not need it": small(
        *(billed(f"C1|{place}", modifiers=modifiers, prior_auth_number="Z", units=Decimal(2), procedure_code="97110",
                 diagnosis_codes=diagnosis)
          for place, (modifiers, diagnosis) in enumerate([("25", "I10"), ("59", "E119"), ("XX", "E119")], 1)),
        exclusions=[limit("E", kind="authorization_required", diagnosis_code="E11")],
        authorizations=[authorized("Z", procedure_code="97110", units=Decimal(3))],
    ),
    "two limits of units on one line, one of them on another": small(
        billed("C1|1", units=Decimal(2)), billed("C1|2", units=Decimal(3), modifiers="25", diagnosis_codes="I10"),
        exclusions=[limit("E1", "3", procedure_code="99213"), limit("E2", "2", diagnosis_code="E11")],
    ),
    "a part of two services, of one of which it was separate": small(
        billed("C1|1", procedure_code="99214", modifiers="59"), billed("C1|2", procedure_code="97110"), billed("C1|3"),
        procedure_edits=[edit("99214", "99213", "1"), edit("97110", "99213", "0")],
    ),
    "a modifier that only the later rules know": small(
        billed("C1|1", modifiers="XX"), billed("C1|2", procedure_code="97110"),
        billed("C2|1", modifiers="XX", patient_id="P2", received=THIRD),
        billed("C2|2", procedure_code="97110", patient_id="P2", received=THIRD),
        procedure_edits=[edit("97110", "99213", "1")],
    ),
    "a person lets a line pass that says no units": small(
        billed(units=None),
        acts=[Act(billed(units=None), FIRST, "appealed", ("units_missing ",)),
              Act(billed(units=None), SECOND, "approved", ("units_missing ",))],
    ),
    "each plan has a deductible and a maximum of its own": small(
        *(billed(f"C1|{place}", date_of_service_from=day) for place, day in enumerate(SERVICE[2:], 1)),
        plans=[terms_of(plan, deductible=Decimal(100), annual_maximum=Decimal(30)) for plan in ("A", "B")],
        coverages=[covered("A"), covered("B", covered_from=SERVICE[3], covered_to=SERVICE[3])],
        fee_schedules=[priced("A"), priced("B", "60")],
    ),
    "each patient of a plan has a deductible and a maximum of their own": small(
        *(billed(f"C{place}|1", patient_id=patient, date_of_service_from=SERVICE[place])
          for place, patient in enumerate(["P1", "P2", "P1", "P2"], 1)),
        terms={"deductible": Decimal(100), "annual_maximum": Decimal(30)},
    ),
    "each place has a copay of its own": small(
        billed("C1|1"), billed("C1|2", place_of_service="23", modifiers="25"),
        billed("C1|3", place_of_service="99", modifiers="59"), terms={"copays": "11=5.00|other=7"},
    ),
    "what is paid for is worth a cent": small(
        billed(units=Decimal("0.001")), fee_schedules=[priced("A", "0.5")],
    ),
    "the line that is most like another, and the first of two that are as like": small(
        billed("C1|1", charge_amount=Decimal(95)), billed("C2|1", charge_amount=Decimal(101), modifiers="25"),
        billed("C3|1", modifiers="59"), billed("C4|1", modifiers="XX"),
    ),
    "of a chain of replacements the first was received first": small(
        billed("C1|1", received_date=DAY),
        billed("C2|1", frequency_code="7", original_claim_id="C1", received=SECOND, received_date=SERVICE[4]),
        billed("C3|1", frequency_code="7", original_claim_id="C2", received=THIRD, received_date=SERVICE[4]),
        terms={"timely_filing_days": 5},
    ),
    "a person denied what is like another line": small(
        LIKE, billed("C1|1", received_date=DAY),
        acts=[Act(LIKE, SECOND, "denied", ("near_duplicate C1|1",), group="PR")],
    ),
    "an edit that is void": small(
        billed("C1|1"), billed("C1|2", procedure_code="97110"), procedure_edits=[edit("99213", "97110", "9")],
    ),
    "a part of a service that was billed twice": small(
        billed("C1|1", procedure_code="97110", received_date=SERVICE[4]), billed("C2|1", procedure_code="97110"),
        billed("C3|1"), procedure_edits=[edit("97110", "99213", "0")],
    ),
    "limits by age on birthdays and the days before": small(
        *(billed(f"C{place}|1", date_of_service_from=day, procedure_code=code)
          for place, (day, code) in enumerate([(day, code) for day in SERVICE[2:4] for code in PROCEDURES[:3]], 1)),
        # What was received later is of before: the first of these is what holds.
        patients=[born(date(2006, 1, 2), SERVICE[3], PRIMING), born(date(1990, 1, 1), SERVICE[2], THIRD),
                  born(date(1970, 1, 1), SERVICE[1], SECOND)],
        exclusions=[limit("E1", kind="age_limit", least_age=18, procedure_code="99213"),
                    limit("E2", kind="age_limit", most_age=17, procedure_code="99214"),
                    limit("E3", kind="age_limit", least_age=17, most_age=18, procedure_code="97110")],
    ),
    "an authorization is used up in the order of the days of service": small(
        billed("C1|1", date_of_service_from=SERVICE[2], prior_auth_number="Z", received_date=SERVICE[2]),
        billed("C2|1", prior_auth_number="Z", received_date=SERVICE[4], charge_amount=Decimal(50)),
        authorizations=[authorized("Z")],
        exclusions=[limit("E", kind="authorization_required", procedure_code="99213")],
    ),
    "authorizations of another procedure, provider, patient and day": small(
        *(billed(f"C1|{place}", modifiers=str(20 + place), prior_auth_number=number, units=Decimal(2))
          for place, number in enumerate(["Z1", "Z2", "Z3", "Z4", "Z5", None], 1)),
        exclusions=[limit("E", kind="authorization_required", procedure_code="99213")],
        authorizations=[
            authorized("Z1"), authorized("Z2", procedure_code="99214"), authorized("Z3", provider_npi=NPIS[1]),
            authorized("Z4", patient_id="P2"), authorized("Z5", authorized_from=SERVICE[1]),
        ],
    ),
    "an authorization that is not needed holds nobody back": small(
        billed(prior_auth_number="Z", units=Decimal(2)), authorizations=[authorized("Z")],
    ),
    "what a person let pass is not held to a limit any more": small(
        *LARGE,
        terms={"annual_maximum": Decimal(100)}, authorizations=[authorized("Z")],
        exclusions=[limit("E1", kind="authorization_required", procedure_code="99213", diagnosis_code="E11",
                          effective_to=DAY), limit("E2", "1", procedure_code="99213")],
        acts=[Act(row, day, act, (cause,)) for row, cause in zip(
                LARGE, ["unauthorized_units Z", "units_limit E2", "annual_maximum "], strict=True)
              for day, act in [(SECOND, "appealed"), (THIRD, "approved")]],
    ),
    "lines of a claim received on two days: which one comes first for the copay": small(
        billed("C1|1", received_date=SERVICE[4]), billed("C1|2", modifiers="25"), terms={"copays": "11=5.00"},
    ),
    "a claim is received first when its earlier statement was": small(
        billed(), billed(received=SECOND, received_date=SERVICE[4]), terms={"timely_filing_days": 5},
    ),
    "limits that leave nothing of a cent": small(
        billed(charge_amount=Decimal("0.01"), units=Decimal(3)), exclusions=[limit("E", "1", procedure_code="99213")],
    ),
    "the original turns out to be another patient's": small(
        billed("C1|1"), billed("C1|1", patient_id="P2", received=SECOND),
        billed("C2|1", frequency_code="7", original_claim_id="C1", received=THIRD),
    ),
    "three limits of units": small(
        billed("C1|1", procedure_code="97110", units=Decimal(2)), billed("C1|2"),
        billed("C1|3", procedure_code="97110", modifiers="25", diagnosis_codes="I10", units=Decimal(2)),
        exclusions=[limit("E0", "1", procedure_code="99213", diagnosis_code="E11"),
                    limit("E3", "1", diagnosis_code="E119"), limit("E4", "2", procedure_code="97110")],
    ),
    "a claim is replaced, and one voided, by the payer's numbers": small(
        billed("C1|1"), billed("C2|1", modifiers="25", billing_npi=NPIS[1]),
        billed("C3|1", frequency_code="7", original_claim_id=TOLD_AS["C1"], charge_amount=Decimal(90), received=SECOND),
        billed("C4|1", frequency_code="8", original_claim_id=TOLD_AS["C2"], received=SECOND),
    ),
    "a claim replaces itself by the payer's number and leaves a line out": small(
        billed("C1|1"), billed("C1|2", modifiers="25"),
        billed("C1|1", frequency_code="7", original_claim_id=TOLD_AS["C1"], received=SECOND),
    ),
    "three claims replace each other in a ring": small(
        *(billed(f"C{one}|1", frequency_code="7", original_claim_id=f"C{two}", received=day)
          for one, two, day in [(1, 2, SECOND), (2, 3, PRIMING), (3, 1, PRIMING)]),
        billed("C4|1", frequency_code="7", original_claim_id="C3", received=SECOND),
    ),
    "of two claims that replace each other the one stands that says so again": small(
        *(billed(f"C{one}|1", frequency_code="7", original_claim_id=f"C{two}", received=day)
          for one, two, day in [(1, 2, PRIMING), (2, 1, SECOND), (1, 2, THIRD)]),
    ),
    "a payer's number that is not known yet names nothing": small(
        billed("C1|1"), billed("C3|1", frequency_code="7", original_claim_id=naive.payers_number(
            billed("C1|1", billing_npi=NPIS[1])), received=SECOND),
        billed("C1|1", billing_npi=NPIS[1], received=THIRD),
    ),
    "the last claim of a ring is replaced by one that is in none": small(
        *(billed(f"C{one}|1", frequency_code="7", original_claim_id=f"C{two}", received=day)
          for one, two, day in [(1, 2, SECOND), (2, 3, PRIMING), (3, 1, PRIMING)]),
        billed("C4|1", frequency_code="7", original_claim_id="C1", received=THIRD),
    ),
    "a later statement repeats a line": small(
        billed("C1|1", **OWN), billed("C1|2", modifiers="25", **OWN),
        billed("C1|1", received=SECOND, charge_amount=Decimal(90), **OWN),
        billed("C1|2", received=SECOND, modifiers="25", **OWN),
    ),
    "a later statement repeats one line and leaves the other out": small(
        billed("C1|1", **OWN), billed("C1|2", modifiers="25", **OWN), billed("C1|1", received=SECOND, **OWN),
    ),
    "a price that was given for more than a missing one": small(
        *UNPRICED, fee_schedules=PRICED_LATER,
        acts=[Act(LIKE, SECOND, "approved", ("no_price 99213", "near_duplicate C1|1"), Decimal(15))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_a_world_of_its_own(con: duckdb.DuckDBPyConnection, name: str) -> None:
    assert_decided(con, NAMED[name], [standard(), LATER] if "rules" in name else [standard()], random.Random(name))


# --- Whether the clerk is right ---


def as_world(case: Case) -> World:
    """A golden case, which says everything in text, as a world."""

    def value(feed: Feed, name: str, text: Any) -> Any:
        form = feed.column(name).form
        if text in (None, ""):
            return "" if form.empty_is_value else None
        kind = form.sql_type.partition("(")[0]
        return {"DATE": date.fromisoformat, "DECIMAL": Decimal, "INTEGER": int, "VARCHAR": str}[kind](text)

    rows = {
        feed.name: [
            {column.name: value(feed, column.name, row.get(column.name)) for column in feed.columns}
            | {"received": row.get("received", PRIMING)}
            for row in case.rows[feed.name]
        ]
        for feed in _FEEDS
    }
    acts = []
    for said in case.acts:
        [row] = [
            row for row in naive.known(World(rows), "medical_claims", day_after(said["on"]))
            if naive.name_of(naive.key_of(row)) == said["line"]
        ]  # fmt: skip
        allowed = Decimal(said["allowed"]) if "allowed" in said else None
        acts.append(Act(row, said["on"], said["act"], tuple(said.get("settles", ())), allowed, said.get("group")))
    return World(rows, acts)


def test_the_clerk_decides_golden_claims_as_they_were_derived_by_hand() -> None:
    for case in standard_cases():
        world = as_world(case)
        for expected in case.expect:
            found = {}
            for patient in {row["patient_id"] for row in world.rows["medical_claims"]}:
                found |= naive.decided(world, [_STANDARD], patient, day_after(expected.get("on", date(9998, 1, 1))))[0]
            named = {naive.name_of(key): one for key, one in found.items()}
            one = named.get(expected["line"])
            told = {
                "decision": (one and one.decision) or "none", "rule": one and one.rule,
                "version": one and one.claim_version, "pending_for": one and one.pending_for and list(one.pending_for),
                **({name: str(getattr(one, name)) for name in ("paid", "allowed", "patient_share")} if one else {}),
            }  # fmt: skip
            amounts = {"paid", "allowed", "patient_share"}
            for name in expected.keys() & told.keys():
                is_equal = (
                    Decimal(told[name]) == Decimal(expected[name]) if name in amounts else told[name] == expected[name]
                )
                assert is_equal, (case.name, expected["line"], name, told[name], expected[name])
