"""The law of payments: whatever was decided, changed and sent in between, what is paid and carried is what is decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.payments.remit import ClosedDay, remit
from claims_lakehouse.warehouse.schema import create_schema

FIRST = date(2024, 1, 1)
PAYEES = ("1111111112", "2222222222")


class State(NamedTuple):
    """What is decided of a claim's one line since a day; no payee: nothing is, it was taken back; paid None: it waits."""

    payee: str | None
    paid: int | None


#: A log: by claim, the days on which what is decided changed, each with what is decided since.
Log = dict[str, dict[int, State]]
states = st.one_of(
    st.builds(State, st.sampled_from(PAYEES), st.sampled_from([0, 0, 30, 50, 80, 100])),
    st.builds(State, st.sampled_from(PAYEES), st.none()),
    st.just(State(None, None)),
)
logs = st.dictionaries(
    st.sampled_from(["C1", "C2", "C3"]), st.dictionaries(st.integers(0, 5), states, max_size=4), max_size=3
)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        create_schema(con)
        yield con


def lay(con: duckdb.DuckDBPyConnection, log: Log) -> None:
    """Have the warehouse say that this was decided."""
    con.execute("DELETE FROM internal.line_decision; DELETE FROM fact_medical_claim; DELETE FROM internal.remitted")
    sk = 0
    for claim, by_day in log.items():
        days = sorted(by_day)
        for place, day in enumerate(days):
            state, sk = by_day[day], sk + 1
            decision = None if state.payee is None else "pending" if state.paid is None else "approved"
            paid = Decimal(state.paid or 0)
            con.execute(
                """
                INSERT INTO internal.line_decision BY NAME
                SELECT 'P' AS patient_id, $claim AS claim_id, 1 AS line_number, $day::DATE AS day, $last AS is_current,
                       $decision AS decision, 100 AS charge, $paid AS allowed, $paid AS paid, 0 AS patient_share,
                       0 AS denied, 0 AS unauthorized, 0 AS over_limit, 100 - $paid AS above_fee, 0 AS deductible,
                       0 AS coinsurance, 0 AS copay, 0 AS over_maximum, 0 AS pending, 'rules' AS rule_set, $sk AS line_sk,
                       'test' AS because, $now::TIMESTAMP AS decided_at
                """,
                {"claim": claim, "day": FIRST + timedelta(days=day), "last": place == len(days) - 1, "sk": sk,
                 "decision": decision, "paid": paid, "now": datetime(2024, 3, 1)},  # noqa: DTZ001
            )  # fmt: skip
            con.execute(
                "INSERT INTO fact_medical_claim BY NAME SELECT $claim AS claim_id, 1 AS line_number, 'P' AS patient_id,"
                " $payee AS provider_npi, '99213' AS procedure_code, DATE '2023-12-01' AS date_of_service_from,"
                " '1' AS frequency_code, DATE '2023-12-15' AS received_date, 100 AS charge_amount,"
                " $sk AS medical_claim_sk, TIMESTAMP '2024-01-01' AS valid_from",
                {"claim": claim, "payee": state.payee or PAYEES[0], "sk": sk},
            )


def stands(by_day: dict[int, State], day: int) -> State:
    """What is told of a claim at the end of a day: nothing where it waits."""
    past = [one for one in sorted(by_day) if one <= day]
    state = by_day[past[-1]] if past else State(None, None)
    return State(None, None) if state.paid is None else state


def naive(log: Log, closed: dict[int, list[tuple[str, str, str, int]]]) -> dict[int, list[tuple[str, str, str, int]]]:
    """Remittances as a clerk would write them, a day after the other: day -> (payee, claim, status, paid)."""
    told: dict[str, State] = {}
    found: dict[int, list[tuple[str, str, str, int]]] = {}
    for day, rows in sorted(closed.items()):
        found[day] = rows
        for payee, claim, status, paid in sorted(rows, key=lambda row: row[2] != "22"):
            told[claim] = State(None, None) if status == "22" else State(payee, paid)
    last = max(closed, default=-1)
    days = sorted({day for by_day in log.values() for day in by_day if day > last} | ({last + 1} if closed else set()))
    for day in days:
        for claim in sorted({*log, *told}):
            now, before = stands(log.get(claim, {}), day), told.get(claim, State(None, None))
            if now == before:
                continue
            if before.payee is not None:
                found.setdefault(day, []).append((before.payee, claim, "22", -int(before.paid or 0)))
            if now.payee is not None:
                found.setdefault(day, []).append((now.payee, claim, "1" if now.paid else "4", int(now.paid or 0)))
            told[claim] = now
    return found


def remitted(con: duckdb.DuckDBPyConnection) -> dict[int, list[tuple[str, str, str, int]]]:
    found: dict[int, list[tuple[str, str, str, int]]] = {}
    for day, *rest, paid in con.execute(
        "SELECT day, payee, claim_id, status, paid FROM internal.remitted_claim ORDER BY ALL"
    ).fetchall():
        found.setdefault((day - FIRST).days, []).append((*rest, int(paid)))
    return found


def in_order(found: dict[int, list[tuple[str, str, str, int]]]) -> dict[int, list[tuple[str, str, str, int]]]:
    return {day: sorted(rows) for day, rows in found.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(logs, st.booleans()), min_size=1, max_size=4))
def test_paid_and_carried_is_what_is_decided_whatever_changes_and_is_sent(
    warehouse: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Log, bool]]
) -> None:
    con, folder = warehouse, tmp_path_factory.mktemp("told")
    con.execute("DELETE FROM internal.remitted_claim; DELETE FROM internal.closed_day; DELETE FROM internal.payee_day")
    closed: list[ClosedDay] = []
    sent: dict[int, list[tuple[str, str, str, int]]] = {}
    for log, closes in steps:
        lay(con, log)
        remit(con, closed)
        found = remitted(con)
        assert in_order(found) == in_order(naive(log, sent))
        hold_the_law(con, log, found)
        if closes and (day := next((day for day in sorted(found) if day not in sent), None)) is not None:
            closed.append(close(con, folder, day))
            sent[day] = found[day]
            remit(con, closed)
            assert in_order(remitted(con)) == in_order(found)


def hold_the_law(con: duckdb.DuckDBPyConnection, log: Log, found: dict[int, list[tuple[str, str, str, int]]]) -> None:
    """Each payee, counted with a purse: paid what there is, what is missing carried to the next remittance."""
    ledger = {
        (payee, (day - FIRST).days): (int(taken), int(forwarded), int(paid))
        for payee, day, taken, forwarded, paid in con.execute(
            "SELECT payee, day, balance_taken, balance_forwarded, paid FROM internal.payee_day"
        ).fetchall()
    }
    for payee in PAYEES:
        carried = all_paid = 0
        for day in sorted(found):
            rows = [row for row in found[day] if row[0] == payee]
            if not rows:
                assert (payee, day) not in ledger
                continue
            left = sum(row[3] for row in rows) - carried
            paid, forwarded = max(left, 0), max(-left, 0)
            assert ledger[payee, day] == (carried, forwarded, paid)
            carried, all_paid = forwarded, all_paid + paid
        ever = [stands(by_day, 99) for by_day in log.values()]
        assert all_paid - carried == sum(int(one.paid or 0) for one in ever if one.payee == payee)


def close(con: duckdb.DuckDBPyConnection, folder: Path, day: int) -> ClosedDay:
    """Write down what a day told, as sending it does."""
    told, on = folder / f"{day}.parquet", FIRST + timedelta(days=day)
    con.execute(
        f"COPY (SELECT * EXCLUDE (is_closed) FROM internal.remitted_claim WHERE day = DATE '{on}' ORDER BY ALL)"
        f" TO '{told}' (FORMAT parquet)"
    )
    return ClosedDay(on, told, f"digest {day} {told}")


def test_a_reversal_larger_than_the_day_is_carried_and_taken_once(warehouse: duckdb.DuckDBPyConnection) -> None:
    payee = PAYEES[0]
    log = {
        "C1": {0: State(payee, 100), 1: State(None, None)},
        "C2": {1: State(payee, 30)},
        "C3": {2: State(payee, 50), 3: State(payee, 80)},
    }
    lay(warehouse, log)
    warehouse.execute("DELETE FROM internal.remitted_claim; DELETE FROM internal.closed_day")
    remit(warehouse, [])
    rows = warehouse.execute(
        "SELECT net, balance_taken, balance_forwarded, paid FROM internal.payee_day ORDER BY day"
    ).fetchall()
    # Day 0: 100 paid. Day 1: 30 - 100: nothing is paid, 70 go forward. Day 2: 50 of these are taken, 20 go forward.
    # Day 3: 80 - 50 = 30, less 20: 10 are paid. In all 110 = 30 + 80, what is decided in the end.
    assert [tuple(map(int, row)) for row in rows] == [
        (100, 0, 0, 100),
        (-70, 0, 70, 0),
        (50, 70, 20, 0),
        (30, 20, 0, 10),
    ]


def test_what_would_not_be_what_is_decided_is_not_paid(warehouse: duckdb.DuckDBPyConnection) -> None:
    lay(warehouse, {"C1": {0: State(PAYEES[0], 100)}})
    warehouse.execute("UPDATE internal.line_decision SET above_fee = 1")
    with pytest.raises(PaymentsUnsound, match="every line's charge is paid or adjusted"):
        remit(warehouse, [])
