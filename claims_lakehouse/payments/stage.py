"""Make payments: settle what is remitted on open days, and write their files; close a day once its files were sent.

Files are a function of what is remitted and of the payer's settings: they are written whole, only where they say
otherwise than what lies there, and those of days or payees that have nothing to be told any more are removed. Files
of closed days are never touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from claims_lakehouse.errors import UsageError, WarehouseUnsound
from claims_lakehouse.files import make_folder, replacing, write_json
from claims_lakehouse.history.recovery import sound_warehouse
from claims_lakehouse.payments.advice import Balance, ClaimStatus, LineAdjustment, PaidClaim, PaidLine, Remittance
from claims_lakehouse.payments.closed import TOLD, Sent, closed_days, sent_days, write_sent
from claims_lakehouse.payments.nacha import write_bank_file
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.remit import remit
from claims_lakehouse.payments.x12_835 import write_835
from claims_lakehouse.settings import Settings, payer_settings
from claims_lakehouse.warehouse.connection import transaction
from claims_lakehouse.warehouse.literals import literal

#: Says from what a day's files were made; may be deleted at any time.
_MADE = "made.json"


class PaymentDay(NamedTuple):
    """A payment day: its payees, what is paid and carried, its files, and whether they were sent.

    `files` are names below payments/<day>; empty where no payer is configured. `unknown` are payees of whom the
    payer's settings say nothing: they are told and paid nothing until these do. `is_new` says that the day came out
    otherwise than it was.
    """

    day: date
    payees: int
    claims: int
    reversals: int
    paid: Decimal
    forwarded: Decimal
    files: tuple[str, ...]
    is_closed: bool
    unknown: tuple[str, ...] = ()
    is_new: bool = False


def make_payments(settings: Settings) -> list[PaymentDay]:
    """Make every open payment day what it should be; every day, in order.

    Raises:
        PaymentsUnsound: What would be paid is not what was decided, or a closed day's file is not what was sent.
        UsageError: The payer's settings are not what is expected.
    """
    try:
        return _make_payments(settings)
    except WarehouseUnsound:
        return _make_payments(settings)


def _make_payments(settings: Settings) -> list[PaymentDay]:
    path = payer_settings()
    payer = PayerSettings.read(path) if path else None
    with sound_warehouse(settings) as con:
        if not con.execute("SELECT 1 FROM internal.line_decision LIMIT 1").fetchall() and not sent_days(settings):
            return []
        closed = closed_days(settings)
        before = {one[:5]: one for one in payment_days(con, settings)}
        with transaction(con):
            remit(con, closed)
        written = _write_files(con, settings, payer, {one.day for one in closed}) if payer else set()
        days = payment_days(con, settings, payer)
    return [one._replace(is_new=one.day in written or one[:5] not in before) for one in days]


def payment_days(
    con: duckdb.DuckDBPyConnection, settings: Settings, payer: PayerSettings | None = None
) -> list[PaymentDay]:
    """Every payment day, in order; which payees are unknown is told where the payer's settings are given."""
    rows = con.execute(
        """
        SELECT day, list(payee ORDER BY payee), sum(claims), sum(reversals), sum(paid), sum(balance_forwarded),
               bool_and(is_closed)
        FROM internal.payee_day GROUP BY day ORDER BY day
        """
    ).fetchall()
    days = []
    for day, payees, claims, reversals, paid, forwarded, is_closed in rows:
        unknown = tuple(payee for payee in payees if payee not in payer.payees) if payer and not is_closed else ()
        files = tuple(_files(settings, day))
        days.append(
            PaymentDay(day, len(payees), int(claims), int(reversals), paid, forwarded, files, is_closed, unknown)
        )
    return days


def mark_sent(settings: Settings, day: date, *, who: str) -> Sent:
    """Close a day: its files were sent. What changes later is told and paid on a later day.

    Raises:
        UsageError: There is no such day, it is closed already, an earlier one is open, or its files are not made.
        PaymentsUnsound: The files of an earlier day are not what was sent.
    """
    days = {one.day: one for one in make_payments(settings)}
    with sound_warehouse(settings) as con:
        if day not in days:
            raise UsageError(f"There is no payment day {day}; see `claims payments`.")
        if days[day].is_closed:
            raise UsageError(f"Payment day {day} was sent already.")
        if earlier := [one.day for one in days.values() if one.day < day and not one.is_closed]:
            raise UsageError(f"Payment day {earlier[0]} was not sent; expected days to be sent in their order.")
        if not days[day].files:
            raise UsageError(f"Payment day {day} has no files: name the payer's settings by CLAIMS_PAYER_SETTINGS.")
        if days[day].unknown:
            raise UsageError(
                f"Payment day {day}: the payer's settings say nothing of {len(days[day].unknown)} payees, the first is"
                f" {days[day].unknown[0]}; expected a table payees.<NPI> for each."
            )
        told = settings.payments(day) / TOLD
        with replacing(told) as temporary:
            con.execute(
                f"COPY (SELECT * EXCLUDE (is_closed) FROM internal.remitted_claim WHERE day = DATE '{day}'"
                f" ORDER BY payee, claim_id, patient_id, status) TO {literal(temporary)} (FORMAT parquet)"
            )
        return write_sent(settings, day, who, list(days[day].files))


def is_behind(settings: Settings, days: Sequence[PaymentDay]) -> bool:
    """Whether a day was closed that these do not know as closed."""
    return {one.day for one in sent_days(settings)} != {one.day for one in days if one.is_closed}


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
        """
        SELECT told.payee, told.claim_id, told.status, upper(left(md5(concat_ws(chr(31), told.claim_id, told.patient_id,
               told.payee, told.told_on)), 15)), told.patient_id, fname, lname, content
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
            day, name, trace, _control_number(trace), tuple(_claim(*row[1:]) for row in some), tuple(balances), paid
        )


def _claim(
    claim_id: str, status: ClaimStatus, control: str, patient: str, first: str | None, last: str | None,
    content: dict[str, Any],
) -> PaidClaim:  # fmt: skip
    sign = -1 if status == "22" else 1
    return PaidClaim(
        claim_id, status, control, patient, first, last, content["rendering_npi"], content["place_of_service"],
        content["frequency_code"], content["received_on"], tuple(_line(line, sign) for line in content["lines"]),
    )  # fmt: skip


def _line(line: dict[str, Any], sign: int) -> PaidLine:
    adjustments = [
        LineAdjustment(one["group_code"], one["carc"], sign * one["amount"], one["rarc"]) for one in line["adjustments"]
    ]
    modifiers = tuple(line["modifiers"].split("|")) if line["modifiers"] else ()
    return PaidLine(
        line["line_number"], line["procedure_code"], modifiers, line["service_from"], line["service_to"], line["units"],
        sign * line["charge"], sign * line["allowed"], sign * line["paid"], tuple(adjustments),
    )  # fmt: skip


def _control_number(trace: str) -> int:
    """A control number of nine digits that follows from the trace number."""
    return int(sha256(trace.encode()).hexdigest(), 16) % 999_999_999 + 1


def _write_files(
    con: duckdb.DuckDBPyConnection, settings: Settings, payer: PayerSettings, closed: set[date]
) -> set[date]:
    """Make the files of open days what they should be, and remove those that nothing is to be told by.

    Returns the days whose files were made anew.
    """
    written: set[date] = set()
    base = settings.home / "payments"
    looks = dict(
        con.execute(
            """
            SELECT day, sum(hash(told, fname, lname)::HUGEINT) + any_value(totals)
            FROM internal.remitted_claim AS told
            LEFT JOIN (SELECT patient_id, fname, lname FROM dim_patient WHERE is_current) AS patient USING (patient_id)
            JOIN (SELECT day, sum(hash(paid)::HUGEINT) AS totals FROM internal.payee_day AS paid GROUP BY day)
            USING (day)
            WHERE NOT is_closed GROUP BY day
            """
        ).fetchall()
    )
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        if folder.is_dir() and folder.name not in {day.isoformat() for day in (*looks, *closed)}:
            shutil.rmtree(folder)
    for day, look in sorted(looks.items()):
        made = {"told": str(look), "payer": payer.digest}
        folder = make_folder(settings.payments(day))
        if _is_made(folder, made):
            continue
        written.add(day)
        wanted: dict[str, str] = {}
        for name, data in _contents(con, day, payer):
            wanted[name] = sha256(data).hexdigest()
            _write(folder / name, data)
        for left in folder.iterdir():
            if left.name not in wanted:
                left.unlink()
        write_json(folder / _MADE, made | {"files": wanted})
    return written


def _contents(con: duckdb.DuckDBPyConnection, day: date, payer: PayerSettings) -> Iterator[tuple[str, bytes]]:
    """A day's files, name and bytes."""
    told = []
    for remittance in remittances(con, day):
        if remittance.payee not in payer.payees:
            continue
        yield f"{remittance.payee}.835", write_835(remittance, payer, payer.payee(remittance.payee))
        told.append(remittance)
    bank = write_bank_file(day, told, payer)
    if bank is not None:
        yield f"{day}.ach", bank


def _is_made(folder: Path, made: dict[str, str]) -> bool:
    """Whether the files that lie there were made from just that, and are whole."""
    try:
        known = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        files = known.pop("files")
        whole = all(sha256((folder / name).read_bytes()).hexdigest() == digest for name, digest in files.items())
        return bool(known == made and whole and {*files, _MADE} == {path.name for path in folder.iterdir()})
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _write(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        with replacing(path) as temporary:
            temporary.write_bytes(data)


def _files(settings: Settings, day: date) -> list[str]:
    folder = settings.payments(day)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if name.endswith((".835", ".ach")))
