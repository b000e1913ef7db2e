"""What is remitted on each payment day: a function of decisions, and of what was sent before.

A payment day is a received day. What it tells is the difference between the claims as they are decided at its end and
what was told before: a claim that changed is reversed as it was told and told anew. A day whose files were sent is
closed: what it told stands, and what changes later is told on the first day that is open. Days are closed in their
order, so that what was sent is always everything up to a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import duckdb

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.warehouse.literals import literal


class ClosedDay(NamedTuple):
    """A payment day whose files were sent: what they told, as it was written down then, and its digest."""

    day: date
    told: Path
    digest: str


#: What a claim in a remittance is, whatever it says.
_CLAIM = "day, payee, claim_id, patient_id, status, told_on"


def remit(con: duckdb.DuckDBPyConnection, closed: Sequence[ClosedDay]) -> bool:
    """Make the remittances of every open day what they should be; whether anything changed. Part of a transaction.

    Args:
        con: The warehouse, decisions settled.
        closed: The days that are closed, in their order.

    Raises:
        PaymentsUnsound: A law would be broken: what is paid and carried is not what is decided.
    """
    if con.execute("SELECT look FROM internal.remitted").fetchall() == [(_asked(con, closed),)]:
        return False
    before = _look(con)
    _lay_closed(con, closed)
    last = closed[-1].day if closed else None
    _date_decisions(con, closed)
    first_open = _first_open(con, last)
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE remitted AS
        SELECT payee, claim_id, patient_id, told_on AS day, content FROM (
            SELECT *, row_number() OVER (
                PARTITION BY payee, claim_id, patient_id ORDER BY day DESC, status = '22'
            ) AS nth FROM internal.remitted_claim WHERE is_closed
        ) WHERE nth = 1 AND status <> '22'
        """
    )
    con.execute("DELETE FROM internal.remitted_claim WHERE NOT is_closed")
    if first_open is not None:
        con.execute(_statement("statements").replace("$first_open", f"DATE {literal(first_open.isoformat())}"))
        con.execute(
            f"""
            INSERT INTO internal.remitted_claim BY NAME
            SELECT {_CLAIM}, content, false AS is_closed, sign * {_sum("charge")} AS charge,
                   sign * {_sum("paid")} AS paid,
                   sign * list_sum(list_transform(content.lines, lambda line: coalesce(list_sum(list_transform(
                       list_filter(line.adjustments, lambda one: one.group_code = 'PR'), lambda one: one.amount
                   )), 0))) AS patient_share
            FROM (SELECT *, CASE WHEN status = '22' THEN -1 ELSE 1 END AS sign FROM open_claim)
            """
        )
    con.execute(_statement("totals"))
    con.execute("DELETE FROM internal.payee_day")
    con.execute(
        "INSERT INTO internal.payee_day BY NAME SELECT *, strftime(day, '%Y%m%d') || payee AS trace,"
        " day IN (SELECT day FROM internal.closed_day) AS is_closed FROM payee_day"
    )
    _audit(con)
    changed = _look(con) != before
    if changed:
        con.execute("UPDATE internal.change SET n = n + 1")
    con.execute("DELETE FROM internal.remitted")
    con.execute("INSERT INTO internal.remitted VALUES ($look)", {"look": _asked(con, closed)})
    return changed


def _asked(con: duckdb.DuckDBPyConnection, closed: Sequence[ClosedDay]) -> str:
    """What remittances follow from: the state of the warehouse, and closed days."""
    return "/".join([read_changes(con), *(f"{one.day}:{one.digest}" for one in closed)])


def _date_decisions(con: duckdb.DuckDBPyConnection, closed: Sequence[ClosedDay]) -> None:
    """Say on which payment day a decision is told: its received day.

    The priming comes before all days, and no bank knows its day: it is told on the last day of the year in which its
    last claim was received, before any other day. A year tells of nobody.
    """
    first_closed = closed[0].day if closed else None
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE priming_day AS
        SELECT coalesce(least(
            (SELECT make_date(year(max(received_date)), 12, 31) FROM fact_medical_claim
             WHERE valid_from < TIMESTAMP '1900-01-02'),
            (SELECT min(day) - 1 FROM internal.line_decision WHERE day > DATE '1900-01-01'),
            {f"DATE '{first_closed}'" if first_closed else "NULL"}
        ), DATE '1900-01-01') AS day
        """
    )
    con.execute(
        """
        CREATE OR REPLACE TEMP VIEW dated_decision AS
        SELECT * REPLACE (CASE WHEN day = DATE '1900-01-01' THEN (FROM priming_day) ELSE day END AS day),
               day AS decided_on
        FROM internal.line_decision
        """
    )


def _first_open(con: duckdb.DuckDBPyConnection, last: date | None) -> date | None:
    """The first day that is open: the day after the last that is closed, whatever is received; else the first."""
    if last is not None:
        return last + timedelta(days=1)
    [(first,)] = con.execute("SELECT min(day) FROM dated_decision").fetchall()
    return first  # type: ignore[no-any-return]


def _lay_closed(con: duckdb.DuckDBPyConnection, closed: Sequence[ClosedDay]) -> None:
    """Have the warehouse say what closed days told, as it was written down."""
    known = dict(con.execute("SELECT day, digest FROM internal.closed_day").fetchall())
    wanted = {one.day: one for one in closed}
    for day in [day for day, digest in known.items() if day not in wanted or wanted[day].digest != digest]:
        con.execute("DELETE FROM internal.remitted_claim WHERE is_closed AND day = $day", {"day": day})
        con.execute("DELETE FROM internal.closed_day WHERE day = $day", {"day": day})
        known.pop(day)
    for one in closed:
        if one.day not in known:
            con.execute("DELETE FROM internal.remitted_claim WHERE day = $day", {"day": one.day})
            con.execute(
                "INSERT INTO internal.remitted_claim BY NAME"
                f" SELECT *, true AS is_closed FROM read_parquet({literal(one.told)})"
            )
            con.execute(
                "INSERT INTO internal.closed_day VALUES ($day, $digest)", {"day": one.day, "digest": one.digest}
            )


def _audit(con: duckdb.DuckDBPyConnection) -> None:
    """Hold that money is neither lost nor made: per payee, decided = paid + carried; no claim is told twice."""
    laws = {
        "every line's charge is paid or adjusted": """
            FROM (SELECT unnest(content.lines) AS line FROM internal.remitted_claim WHERE NOT is_closed)
            WHERE line.charge <> line.paid
                  + coalesce(list_sum(list_transform(line.adjustments, lambda one: one.amount)), 0)
        """,
        "nothing negative is paid or forwarded": """
            FROM internal.payee_day WHERE least(paid, balance_taken, balance_forwarded) < 0
        """,
        "what is paid is what the claims come to, less the balance taken, plus the balance forwarded": """
            FROM internal.payee_day WHERE paid <> net - balance_taken + balance_forwarded
        """,
        "a balance that is forwarded is taken by the payee's next remittance": """
            FROM (
                SELECT balance_taken, lag(balance_forwarded, 1, 0) OVER (PARTITION BY payee ORDER BY day) AS forwarded
                FROM internal.payee_day
            ) WHERE balance_taken <> forwarded
        """,
        "what stands of a payee's remittances is what is decided": """
            FROM (SELECT payee, sum(paid) AS told FROM internal.remitted_claim GROUP BY payee) AS told
            FULL JOIN (
                SELECT coalesce(line.billing_npi, line.provider_npi) AS payee, sum(stands.paid) AS decided
                FROM internal.line_decision AS stands
                JOIN fact_medical_claim AS line ON line.medical_claim_sk = stands.line_sk
                WHERE stands.is_current AND stands.decision IS NOT NULL
                  AND (stands.claim_id, stands.patient_id) NOT IN (
                    SELECT (claim_id, patient_id) FROM internal.line_decision WHERE is_current AND decision = 'pending'
                )
                GROUP BY ALL
            ) AS decided USING (payee)
            WHERE coalesce(told, 0) <> coalesce(decided, 0)
        """,
        "of a claim one statement stands at most": """
            FROM (
                SELECT payee, claim_id, patient_id,
                       count(*) FILTER (status <> '22') - count(*) FILTER (status = '22') AS n
                FROM internal.remitted_claim GROUP BY ALL
            ) WHERE n NOT IN (0, 1)
        """,
    }
    for law, broken in laws.items():
        [(count,)] = con.execute(f"SELECT count(*) {broken}").fetchall()
        if count:
            raise PaymentsUnsound(f"Payments: found {count:,} that break '{law}'; expected none.")


def _look(con: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
    """What changes with what is remitted."""
    [row] = con.execute(
        "SELECT (SELECT (count(*), sum(hash(told)::HUGEINT)) FROM internal.remitted_claim AS told),"
        " (SELECT (count(*), sum(hash(of_payee)::HUGEINT)) FROM internal.payee_day AS of_payee)"
    ).fetchall()
    return tuple(row)


def _sum(name: str) -> str:
    """SQL for the sum of an amount over a claim's lines."""
    return f"list_sum(list_transform(content.lines, lambda line: line.{name}))"


def _statement(name: str) -> str:
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
