"""Whatever is received and said, the SQL decides each line as the clerk of `naive.py` does, and to the cent."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, assume, event, example, given, settings
from hypothesis import strategies as st

from claims_lakehouse.adjudication.decide import decide, line_hash
from claims_lakehouse.adjudication.rule_set import RuleSet, standard
from claims_lakehouse.contracts import FEEDS, Feed, feed_named
from claims_lakehouse.warehouse.schema import create_schema
from claims_lakehouse_tests.adjudication import naive
from claims_lakehouse_tests.adjudication.naive import Act, Decided, Key, Row, Rules, World, day_after

#: Worlds that show a known defect; a switch is turned on when the defect is mended.
SHARES_OF_HALF_A_CENT = True
RECEIVED_DATES_WITHIN_A_CLAIM = True
LATER_STATEMENTS_OF_A_REPLACEMENT = True
CHARGES_OF_CENTS = True
CLAIMS_OF_OTHER_PATIENTS_BEFORE = True
THREE_LIMITS_OF_UNITS = True
REPEATED_STATEMENTS = True

STEADY = settings(
    max_examples=int(os.environ.get("DECIDE_EXAMPLES", "60")), deadline=None, report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much,
                           HealthCheck.large_base_example],
)  # fmt: skip
_FEEDS = [feed for feed in FEEDS if feed.decides]
_AMOUNTS = ("denied", "pending", "unauthorized", "over_limit", "above_fee", "deductible", "coinsurance", "copay",
            "over_maximum")  # fmt: skip
_STANDARD = Rules.of(standard().text)

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
            SELECT format('{{:03d}}', {number}) AS act_id, $day::TIMESTAMP + INTERVAL 12 HOUR AS happened_at, $day AS day,
                   $act AS act, 'a steward' AS who, '' AS why, claim_id, line_number, delivery,
                   {line_hash("line")} AS bound_to, $settles::VARCHAR[] AS settles, $allowed AS allowed,
                   $group AS group_code
            FROM fact_medical_claim AS line
            WHERE claim_id = $claim AND line_number = $line AND valid_from <= $received::TIMESTAMP
              AND (valid_to IS NULL OR valid_to > $received::TIMESTAMP)
            """,
            {
                "day": act.day, "act": act.act, "settles": list(act.settles), "allowed": act.allowed, "group": act.group,
                "claim": act.row["claim_id"], "line": act.row["line_number"], "received": act.row["received"],
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
    con: duckdb.DuckDBPyConnection, standpoints: Sequence[tuple[str, date]], rule_sets: Sequence[RuleSet]
) -> dict[tuple[str, date], dict[Key, Decided]]:
    """What the SQL decides, by standpoint and line."""
    con.execute("CREATE OR REPLACE TEMP TABLE standpoint (patient_id VARCHAR, known_before TIMESTAMP)")
    _insert(con, "standpoint", standpoints)
    decide(con, rule_sets)
    cursor = con.execute("FROM outcome")
    names = [column[0] for column in cursor.description or []]
    found: dict[tuple[str, date], dict[Key, Decided]] = {standpoint: {} for standpoint in standpoints}
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
#: How many patients a world has at most: each is a small world of its own, and they cost hardly more than one.
MOST_PATIENTS = int(os.environ.get("DECIDE_PATIENTS", "5"))

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
    always = {"effective_from": LONG_AGO, "effective_to": None, "received": PRIMING, "modifier": ""}
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
        if kind == "units_limit" and not THREE_LIMITS_OF_UNITS:
            row["exclusion_id"] = prefix[:2] + "E" + one_of(draw, ["1", "2"])
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
            if again and original and (not LATER_STATEMENTS_OF_A_REPLACEMENT or rarely(draw, 2)):
                original = claim
            if again and RECEIVED_DATES_WITHIN_A_CLAIM and rarely(draw):
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
                if not CHARGES_OF_CENTS and row["charge_amount"] < 1:
                    row["charge_amount"] = Decimal("0.00")
                if rarely(draw, theme.one_in):
                    row |= oddity(draw, others)
                row["date_of_service_to"] = row["date_of_service_from"] + timedelta(days=2) if rarely(draw, 3) else None
                before = [one for one in rows if naive.key_of(one) == naive.key_of(row)]
                if before and REPEATED_STATEMENTS and rarely(draw, 2):
                    row = before[-1] | {"received": on}
                rows.append(row)
    return rows


def oddity(draw: Draw, patients: Sequence[str]) -> dict[str, Any]:
    """What sets one line apart from the others of its claim."""
    odd: Rows = [
        {"provider_npi": one_of(draw, NPIS)},
        {"date_of_service_from": one_of(draw, SERVICE)}, {"place_of_service": one_of(draw, ["11", "23", None])},
        {"units": None}, {"frequency_code": "1"}, {"charge_amount": Decimal("10.00")},
    ]  # fmt: skip
    if CLAIMS_OF_OTHER_PATIENTS_BEFORE:
        odd.append({"patient_id": one_of(draw, patients)})
    if RECEIVED_DATES_WITHIN_A_CLAIM:
        odd.append({"received_date": one_of(draw, SERVICE)})
    return one_of(draw, odd)


def one_a_day(feed: str, rows: Sequence[Row]) -> list[Row]:
    """Of the rows of a record one for each day: deliveries have a record once."""
    declared = feed_named(feed)
    at = declared.sequence or "received"
    return list({(*(row[name] for name in declared.key), row[at]): row for row in reversed(rows)}.values())


@st.composite
def worlds(draw: Draw) -> World:
    patients = [f"P{number}" for number in range(1, 1 + draw(st.integers(1, MOST_PATIENTS)))]
    rows: dict[str, Rows] = defaultdict(list)
    for patient in patients:
        theme = THEMES[one_of(draw, list(THEMES))]
        plans = [f"{patient}A", f"{patient}B", "without terms"]
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
            "procedure_code": one_of(draw, ["99214", *PROCEDURES]), "bundled_code": one_of(draw, ["97110", *PROCEDURES]),
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


def standpoints_of(world: World) -> list[tuple[str, date]]:
    patients = sorted({row["patient_id"] for row in world.rows["medical_claims"]})
    return [(patient, before) for patient in patients for before in moments(world)]


def assert_adds_up(found: Mapping[Key, Decided]) -> None:
    for key, one in found.items():
        if one.decision is not None:
            amounts = [one.paid, *(getattr(one, name) for name in _AMOUNTS)]
            assert all(amount >= 0 for amount in amounts), (key, one)
            assert one.charge == sum(amounts), (key, one)
            assert one.allowed == one.paid + one.deductible + one.coinsurance + one.copay + one.over_maximum, (key, one)
            assert 0 <= one.patient_share <= one.charge, (key, one)


def assert_within_limits(found: Mapping[Key, Decided], lines: Mapping[Key, naive.Line]) -> None:
    """What is taken and paid keeps within what a plan, an authorization and a limit say."""
    taken: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    most: dict[tuple[Any, ...], Decimal] = {}

    def count(name: tuple[Any, ...], amount: Decimal, limit: Decimal | None) -> None:
        if limit is not None:
            taken[name] += amount
            most[name] = limit

    for key, line in lines.items():
        if line.is_payable:
            year = (line.plan_id, line.day.year)
            if line.year_terms:
                count(("deductible", *year), found[key].deductible, line.year_terms["deductible"])
                if "annual_maximum " not in line.settled:
                    count(("paid", *year), found[key].paid, line.year_terms["annual_maximum"])
            if line.authorization and line.fact("needs_authorization"):
                number = line.authorization["authorization_number"]
                if f"unauthorized_units {number}" not in line.settled:
                    count(("authorization", number), line.left, line.authorization["units"])
            for limit in line.units_limits:
                if f"units_limit {limit['exclusion_id']}" not in line.settled:
                    count(("limit", limit["exclusion_id"], line.day), line.left, limit["most_units_a_day"])
    assert {name: amount for name, amount in taken.items() if amount > most[name]} == {}


def expected(
    world: World, standpoints: Sequence[tuple[str, date]], rule_sets: Sequence[RuleSet]
) -> dict[tuple[str, date], tuple[dict[Key, Decided], dict[Key, naive.Line]]]:
    read = [Rules.of(one.text) for one in rule_sets]
    return {(patient, before): naive.decided(world, read, patient, before) for patient, before in standpoints}


def differences(wanted: Mapping[Key, Decided], found: Mapping[Key, Decided]) -> list[str]:
    told = []
    for key in sorted({*wanted, *found}):
        one, other = wanted.get(key), found.get(key)
        if one is None or other is None or (one.decision is None and other.decision is not None):
            told.append(f"{key}: expected {one}, found {other}")
        elif one.decision is None:
            told += [f"{key}: taken back by {one.taken_back_by}, found {other.taken_back_by}"] if (
                one.taken_back_by != other.taken_back_by) else []  # fmt: skip
        else:
            told += [
                f"{key} {name}: expected {getattr(one, name)}, found {getattr(other, name)}"
                for name in naive.NAMES if getattr(one, name) != getattr(other, name)
            ]  # fmt: skip
    return told


@STEADY
@given(world=worlds(), shuffled=st.randoms(use_true_random=False))
def test_the_sql_decides_as_a_clerk_does(
    con: duckdb.DuckDBPyConnection, world: World, shuffled: random.Random
) -> None:
    standpoints = standpoints_of(world)
    wanted = expected(world, standpoints, [standard()])
    if not SHARES_OF_HALF_A_CENT:
        assume(not any(line.is_between for _, lines in wanted.values() for line in lines.values()))
    fill(con, world)
    found = decided(con, standpoints, [standard()])
    for standpoint in standpoints:
        outcome, lines = wanted[standpoint]
        for one in outcome.values():
            event(f"{one.decision} {one.rule or one.pending_for or ''}")
        assert differences(outcome, found[standpoint]) == [], standpoint
        assert_adds_up(found[standpoint])
        assert_within_limits(found[standpoint], lines)
    fill(con, world, shuffled)
    alone = shuffled.sample(standpoints, 1)
    assert decided(con, alone, [standard()]) == {alone[0]: found[alone[0]]}
