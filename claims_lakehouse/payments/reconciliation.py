"""Whether files say what was remitted: each 835 and the bank file, read back and held to the warehouse, per payee.

The audit in the transaction that remits holds remittances to decisions; this holds what goes out to remittances. Files
are read as text here, apart from the libraries that wrote them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import duckdb

from claims_lakehouse.settings import Settings

_NOTHING = Decimal("0.00")
#: NACHA: one record is 94 characters; its first says of which kind it is.
_ENTRY, _ADDENDA, _BATCH_END, _FILE_END = "6", "7", "8", "9"


class PayeeAccount(NamedTuple):
    """What a payee is owed and told on a day, and what the bank is told; None where there is no such file or entry.

    Attributes:
        payee: The payee's National Provider Identifier.
        decided: What the day's claims come to, reversals included.
        told: What they come to in the 835 (CLP04).
        balance: Balances taken less those forwarded (PLB).
        paid: What the 835 pays (BPR02).
        bank: What the bank is told to pay; None for checks.
        differences: What does not agree, in words without a value of a patient.
    """

    payee: str
    decided: Decimal
    told: Decimal | None
    balance: Decimal | None
    paid: Decimal | None
    bank: Decimal | None
    differences: tuple[str, ...]


class _Advice(NamedTuple):
    """What an 835 comes to."""

    trace: str
    told: Decimal
    balance: Decimal
    paid: Decimal
    by_bank: bool


def reconcile(
    con: duckdb.DuckDBPyConnection, settings: Settings, day: date, without: Collection[str]
) -> list[PayeeAccount]:
    """A day's payees, each with what was decided, told and sent to the bank, and what of it does not agree.

    `without` are payees who are known to have no 835: these are told and paid nothing, and the bank is not told to pay.
    """
    folder = settings.payments(day)
    bank, faults = _bank_entries(folder / f"{day}.ach")
    accounts = []
    for payee, net, taken, forwarded, paid, trace in con.execute(
        "SELECT payee, net, balance_taken, balance_forwarded, paid, trace FROM internal.payee_day WHERE day = $day"
        " ORDER BY payee", {"day": day}
    ).fetchall():  # fmt: skip
        entry, advice = bank.pop(payee, None), _advice(folder / f"{payee}.835")
        if advice is None:
            differences = ["the bank is told to pay a payee who has no 835"] if entry else []
            differences += ["835: found none that can be read; expected one"] if payee not in without else []
            accounts.append(PayeeAccount(payee, net, None, None, None, entry and entry[0], tuple(differences)))
            continue
        expected = (paid, advice.trace) if advice.by_bank and paid else None
        compared = {
            "claims of the 835": (advice.told, net), "balances of the 835": (advice.balance, taken - forwarded),
            "payment of the 835": (advice.paid, paid), "trace of the 835": (advice.trace, trace),
            "bank entry": (entry, expected),
        }  # fmt: skip
        differences = [
            f"{what}: found {_said(found)}; expected {_said(wanted)}"
            for what, (found, wanted) in compared.items()
            if found != wanted
        ]
        accounts.append(
            PayeeAccount(payee, net, advice.told, advice.balance, advice.paid, entry and entry[0], tuple(differences))
        )
    for payee, (amount, _) in sorted(bank.items()):
        accounts.append(PayeeAccount(payee, _NOTHING, None, None, None, amount, ("the bank is told to pay nobody",)))
    if faults:
        accounts.append(PayeeAccount(f"{day}.ach", _NOTHING, None, None, None, None, tuple(faults)))
    return accounts


def _advice(path: Path) -> _Advice | None:
    """What an 835 comes to; None where there is none that can be read."""
    try:
        return _read_advice(path.read_text(encoding="ascii"))
    except (OSError, ValueError, IndexError, ArithmeticError):
        return None


def _read_advice(text: str) -> _Advice:
    trace, told, balance, paid, by_bank = "", _NOTHING, _NOTHING, _NOTHING, False
    for segment in text[106:].split(text[105:106]):
        parts = segment.strip().split(text[3:4])
        if parts[0] == "CLP":
            told += Decimal(parts[4])
        elif parts[0] == "PLB":
            balance += sum((Decimal(amount) for amount in parts[4::2] if amount), _NOTHING)
        elif parts[0] == "BPR":
            paid, by_bank = Decimal(parts[2]), parts[4] == "ACH"
        elif parts[0] == "TRN":
            trace = parts[2]
    return _Advice(trace, told, balance, paid, by_bank)


def _bank_entries(path: Path) -> tuple[dict[str, tuple[Decimal, str]], list[str]]:
    """Amount and trace of each payee's entry, and what does not add up in the file."""
    entries: dict[str, tuple[Decimal, str]] = {}
    faults, payee, total = [], "", _NOTHING
    for record in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
        if record[:1] == _ENTRY:
            payee, amount = record[39:54].strip(), Decimal(record[29:39]) / 100
            if payee in entries:
                faults.append("a payee has two bank entries")
            total += amount
            entries[payee] = (amount, "")
        elif record[:1] == _ADDENDA and payee in entries:
            entries[payee] = (entries[payee][0], "".join(record[3:83].rstrip().rstrip("\\").split("*")[2:3]))
        elif record[:1] in (_BATCH_END, _FILE_END) and not record.startswith("9" * 94):
            said = Decimal(record[32:44] if record[:1] == _BATCH_END else record[43:55]) / 100
            if said != total:
                faults.append(f"total of the bank file: found {said:,.2f}; expected {total:,.2f}")
    return entries, faults


def _said(found: object) -> str:
    if found is None:
        return "none"
    if isinstance(found, tuple):
        return f"{found[0]:,.2f} by {found[1]}"
    return f"{found:,.2f}" if isinstance(found, Decimal) else str(found)
