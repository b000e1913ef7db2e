"""What each payee is told on a payment day, read from the warehouse or from what is published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from typing import Any

import duckdb

from claims_lakehouse.adjudication.decide import claim_number
from claims_lakehouse.payments.advice import Balance, ClaimStatus, LineAdjustment, PaidClaim, PaidLine, Remittance


def remittances(con: duckdb.DuckDBPyConnection, day: date, payee: str | None = None) -> Iterator[Remittance]:
    """What each payee is told on a day, in the order of their numbers."""
    totals = {
        name: (trace, before, taken, forwarded, paid)
        for name, trace, before, taken, forwarded, paid in con.execute(
            """
            SELECT payee, trace, trace_before, balance_taken, balance_forwarded, paid FROM (
                SELECT *, lag(trace) OVER (PARTITION BY payee ORDER BY day) AS trace_before FROM internal.payee_day
            ) WHERE day = $day
            """,
            {"day": day},
        ).fetchall()
    }
    rows = con.execute(
        f"""
        SELECT told.payee, told.claim_id, told.status, {claim_number("told.claim_id", "told.patient_id", "told.payee")},
               told.patient_id, fname, lname, content
        FROM internal.remitted_claim AS told
        LEFT JOIN dim_patient AS patient ON patient.patient_id = told.patient_id AND patient.is_current
        WHERE day = $day AND ($payee IS NULL OR payee = $payee)
        ORDER BY payee, status <> '22', claim_id, told.patient_id
        """,
        {"day": day, "payee": payee},
    ).fetchall()
    for name, some in groupby(rows, key=lambda row: row[0]):
        trace, before, taken, forwarded, paid = totals[name]
        # A balance is known by the remittance that forwarded it (X12's interpretation 1114 of PLB03-2).
        balances = [Balance(of, amount) for of, amount in ((before, taken), (trace, -forwarded)) if amount]
        yield Remittance(
            day, name, trace, control_number(day, name), tuple(_claim(*row[1:]) for row in some), tuple(balances), paid
        )


def _claim(
    claim_id: str, status: ClaimStatus, control: str, patient: str, first: str | None, last: str | None,
    content: dict[str, Any],
) -> PaidClaim:  # fmt: skip
    is_reversal = status == "22"
    return PaidClaim(
        claim_id, status, control, patient, first, last, content["rendering_npi"], content["place_of_service"],
        content["frequency_code"], content["received_on"], tuple(_line(line, is_reversal) for line in content["lines"]),
        content["coverage_ended"],
    )  # fmt: skip


def _line(line: dict[str, Any], is_reversal: bool) -> PaidLine:
    def signed(amount: Decimal) -> Decimal:
        return -amount if is_reversal and amount else amount

    adjustments = [
        LineAdjustment(one["group_code"], one["carc"], signed(one["amount"]), one["rarc"])
        for one in line["adjustments"]
    ]
    modifiers = tuple(line["modifiers"].split("|")) if line["modifiers"] else ()
    return PaidLine(
        line["line_number"], line["procedure_code"], modifiers, line["service_from"], line["service_to"], line["units"],
        signed(line["charge"]), signed(line["allowed"]), signed(line["paid"]), tuple(adjustments),
        line["authorization_number"], line["rendering_npi"],
    )  # fmt: skip


def control_number(day: date, payee: str) -> int:
    """An interchange's control number, nine digits: no two days of a payee have the same, for 273 years."""
    return day.toordinal() % 100_000 * 10_000 + int(sha256(payee.encode()).hexdigest(), 16) % 9_999 + 1
