"""Make payments: settle what is remitted on open days, and write their files; close a day once its files were sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

import duckdb

from claims_lakehouse.adjudication.stage import adjudicate, note_nothing_decided
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.errors import Overtaken, PaymentsUnsound, UsageError, WarehouseUnsound
from claims_lakehouse.files import replacing, write_json
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.history.recovery import sound_warehouse
from claims_lakehouse.payments.closed import TELLING, Sent, closed_days, digest_of, sent_look, write_sent
from claims_lakehouse.payments.files import FORM, unwritten_payees, write_files
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.payer_file import read_payer
from claims_lakehouse.payments.reconciliation import PayeeAccount, reconcile
from claims_lakehouse.payments.remit import remit
from claims_lakehouse.settings import Settings, payer_settings
from claims_lakehouse.warehouse.connection import transaction
from claims_lakehouse.warehouse.literals import literal

#: How often decisions are waited for, where more is received in between.
_TURNS = 5


class _NotDecided(PaymentsUnsound):
    """Claims are due that have to be decided before anything is paid."""


class PaymentDay(NamedTuple):
    """A payment day: its payees, what is paid and carried, its files, and whether they were sent.

    `files` are names below payments/<day>; empty where no payer is configured. `unknown` are payees of whom the
    payer's settings say nothing: they are told and paid nothing until these do. `is_new` says that the day came out
    otherwise than it was. `unwritten` are payees whose remittance could not be written, with the reason: the others'
    are. `accounts` are what files made just now come to, read back.
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
    unwritten: tuple[tuple[str, str], ...] = ()
    accounts: tuple[PayeeAccount, ...] = ()


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


def is_behind(settings: Settings, changes: str) -> bool:
    """Whether something may have to be paid: the warehouse, the payer's settings or a sent day is newer than payments.

    `changes` is the state of the warehouse (`history.ledger.read_changes`). Payments that could not be made are behind.
    """
    try:
        known = json.loads(settings.paid.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return settings.home.joinpath("raw", MEDICAL_CLAIMS.name).is_dir()
    try:
        path = payer_settings()
        return bool(known != _looks(settings, changes, read_payer(path) if path else None))
    except UsageError:
        return True


def payments_look(settings: Settings) -> str:
    """What changes when the payer's settings do, or a day is closed; empty where there never were any."""
    path = payer_settings()
    try:
        payer = f"{path.stat().st_mtime_ns}-{path.stat().st_size}" if path else ""
    except OSError:
        payer = "unreadable"
    return "/".join(look for look in (payer, sent_look(settings)) if look)


def _looks(settings: Settings, changes: str, payer: PayerSettings | None) -> dict[str, str]:
    """What payments follow from."""
    return {
        "changes": changes, "payer": payer.digest if payer else "", "sent": sent_look(settings), "form": str(FORM),
    }  # fmt: skip


def _make_payments(settings: Settings) -> list[PaymentDay]:
    settings.paid.unlink(missing_ok=True)  # until they are made, they are behind
    path = payer_settings()
    try:
        payer = read_payer(path) if path else None
    except UsageError:
        _made(settings, None)  # what is owed is known all the same
        raise
    return _made(settings, payer)


def _made(settings: Settings, payer: PayerSettings | None) -> list[PaymentDay]:
    for turn in range(_TURNS):
        adjudicate(settings)
        with sound_warehouse(settings) as con:
            try:
                days = _make(con, settings, payer)
            except _NotDecided:  # something was received since
                if turn == _TURNS - 1:
                    raise
                continue
            write_json(settings.paid, _looks(settings, read_changes(con), payer))
            return days
    raise AssertionError("a turn returns or raises")


def _make(con: duckdb.DuckDBPyConnection, settings: Settings, payer: PayerSettings | None) -> list[PaymentDay]:
    """Make every open day what it should be, in the writer's turn."""
    has_any = "SELECT 1 FROM internal.line_decision UNION ALL SELECT 1 FROM internal.remitted_claim LIMIT 1"
    if not con.execute(has_any).fetchall() and not (settings.home / "payments").is_dir():
        return []
    if con.execute("SELECT 1 FROM internal.touched UNION ALL SELECT 1 FROM internal.due LIMIT 1").fetchall():
        raise _NotDecided("Payments: found claims that are not decided yet; expected decisions to be settled first.")
    closed = closed_days(settings)
    before = {(one[:5], one.is_closed) for one in payment_days(con, settings)}
    changes = read_changes(con)
    with transaction(con):
        remit(con, closed)
    note_nothing_decided(settings, changes, read_changes(con))
    written = write_files(con, settings, payer, {one.day for one in closed})
    return [
        one._replace(is_new=one.day in written or (one[:5], one.is_closed) not in before,
                     accounts=_sound_accounts(con, settings, one) if one.day in written else ())
        for one in payment_days(con, settings, payer)
    ]  # fmt: skip


def day_accounts(settings: Settings, one: PaymentDay) -> tuple[PayeeAccount, ...]:
    """What a day's files come to, payee by payee, beside what was decided; nothing where nobody is known to pay."""
    if not one.is_closed and payer_settings() is None:
        return ()
    with sound_warehouse(settings) as con:
        return _accounts(con, settings, one)


def _accounts(con: duckdb.DuckDBPyConnection, settings: Settings, one: PaymentDay) -> tuple[PayeeAccount, ...]:
    without = {*one.unknown, *(payee for payee, _ in one.unwritten)}
    return tuple(reconcile(con, settings, one.day, without))


def _sound_accounts(con: duckdb.DuckDBPyConnection, settings: Settings, one: PaymentDay) -> tuple[PayeeAccount, ...]:
    """The same; PaymentsUnsound where something does not agree."""
    accounts = _accounts(con, settings, one)
    wrong = [f"payee {account.payee}: {told}" for account in accounts for told in account.differences]
    if wrong:
        raise PaymentsUnsound(f"Payment files of {one.day} do not say what is remitted: {'; '.join(wrong[:3])}.")
    return accounts


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
        unwritten = () if is_closed else tuple(sorted(unwritten_payees(settings.payments(day)).items()))
        one = PaymentDay(day, len(payees), int(claims), int(reversals), paid, forwarded, files, is_closed, unknown)
        days.append(one._replace(unwritten=unwritten))
    return days


def mark_sent(settings: Settings, day: date, *, who: str, seen: dict[str, str | None] | None = None) -> Sent:
    """Close a day: its files were sent. What changes later is told and paid on a later day.

    `seen` are the digests of the files that were sent (`file_digests`), where a person was asked about them.

    Raises:
        UsageError: There is no such day, it is closed already, an earlier one is open, or its files are not made.
        Overtaken: The day's files were not what they had to be, and are made anew now.
        PaymentsUnsound: The files of an earlier day are not what was sent.
    """
    path = payer_settings()
    if path is None:
        raise UsageError(f"Payment day {day}: name the payer's settings by CLAIMS_PAYER_SETTINGS.")
    payer = read_payer(path)
    adjudicate(settings)
    with sound_warehouse(settings) as con:
        before = file_digests(settings, day) if seen is None else seen
        days = {one.day: one for one in _make(con, settings, payer)}
        if day not in days:
            raise UsageError(f"There is no payment day {day}; see `claims payments`.")
        if days[day].is_closed:
            raise UsageError(f"Payment day {day} was sent already.")
        if earlier := [one.day for one in days.values() if one.day < day and not one.is_closed]:
            raise UsageError(f"Payment day {earlier[0]} was not sent; expected days to be sent in their order.")
        if days[day].unknown:
            raise UsageError(
                f"Payment day {day}: the payer's settings say nothing of payee {_first(days[day].unknown)}; expected a"
                " table payees.<NPI> for each."
            )
        if days[day].unwritten:
            payees, reasons = zip(*days[day].unwritten, strict=True)
            raise UsageError(
                f"Payment day {day}: nothing can be written for payee {_first(payees)}."
                f" {reasons[0]} Settle what is wrong with its claims first."
            )
        if day > datetime.now(UTC).date():
            raise UsageError(
                f"Payment day {day} has not come. The priming is told on the last day of the year of its last claim, or"
                " the day before the first later received day: it can be sent once a later delivery is there."
            )
        _sound_accounts(con, settings, days[day])
        if before != file_digests(settings, day):
            raise Overtaken(
                f"The files of payment day {day} came out otherwise just now: look at them, and send these."
            )
        told = settings.payments(day) / TELLING
        with replacing(told) as temporary:
            # Into the file itself, which is its owner's only: DuckDB's own temporary file would be anybody's.
            con.execute(
                f"COPY (SELECT * EXCLUDE (is_closed) FROM internal.remitted_claim WHERE day = DATE '{day}'"
                f" ORDER BY payee, claim_id, patient_id, status) TO {literal(temporary)}"
                " (FORMAT parquet, USE_TMP_FILE false)"
            )
        return write_sent(settings, day, who, list(days[day].files))


def _first(payees: Sequence[str]) -> str:
    """The first of some payees, and how many there are besides."""
    return payees[0] if len(payees) == 1 else f"{payees[0]} and {len(payees) - 1:,} more"


def file_digests(settings: Settings, day: date) -> dict[str, str | None]:
    """The digest of each of a day's files, by its name."""
    return {name: digest_of(settings.payments(day) / name) for name in _files(settings, day)}


def _files(settings: Settings, day: date) -> list[str]:
    folder = settings.payments(day)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if name.endswith((".835", ".ach")))
