"""The files of payment days: written whole, only where they would say otherwise than what lies there.

Those of days or payees that have nothing to be told any more are removed. Files of closed days are never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.files import make_folder, replacing, write_json
from claims_lakehouse.payments.nacha import check_entry, write_bank_file
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.remittances import remittances
from claims_lakehouse.payments.x12_835 import write_835
from claims_lakehouse.settings import Settings

_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Says from what a day's files were made, and which payees have none; may be deleted at any time.
_MADE = "made.json"
#: Of what form files are: those of open days are made anew by a later one.
FORM = 2


def write_files(
    con: duckdb.DuckDBPyConnection, settings: Settings, payer: PayerSettings | None, closed: set[date]
) -> set[date]:
    """Make the files of open days what they should be, and remove those that nothing is to be told by.

    Args:
        con: The warehouse, everything remitted.
        settings: Where the lakehouse is.
        payer: Who pays. Where nobody is known to, files stay that say what is to be told, and no others.
        closed: The days that are closed.

    Returns:
        The days whose files were made anew.
    """
    written: set[date] = set()
    base = settings.home / "payments"
    looks = dict(
        con.execute(
            """
            SELECT day, sum(hash(told, fname, lname)::HUGEINT) + any_value(totals)
            FROM internal.remitted_claim AS told
            LEFT JOIN (SELECT patient_id, fname, lname FROM dim_patient WHERE is_current) AS patient USING (patient_id)
            JOIN (
                SELECT day, sum(hash(of_payee, trace_before)::HUGEINT) AS totals FROM (
                    SELECT day, of_payee, lag(trace) OVER (PARTITION BY payee ORDER BY day) AS trace_before
                    FROM internal.payee_day AS of_payee
                ) GROUP BY day
            ) USING (day)
            WHERE NOT is_closed GROUP BY day
            """
        ).fetchall()
    )
    due = {day for day, look in looks.items() if payer or _told_by(settings.payments(day)) == str(look)}
    kept = {day.isoformat() for day in (*due, *closed)}
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        if folder.is_dir() and _DAY.fullmatch(folder.name) and folder.name not in kept:
            for path in folder.iterdir():
                if path.is_file():
                    path.unlink()
            with suppress(OSError):  # what somebody laid there is left to them
                folder.rmdir()
    if payer is None:
        return written
    for day, look in sorted(looks.items()):
        made: dict[str, object] = {"told": str(look), "payer": payer.digest, "form": FORM}
        folder = make_folder(settings.payments(day))
        if _is_made(folder, made):
            continue
        written.add(day)
        wanted: dict[str, str] = {}
        unwritten: dict[str, str] = {}
        for name, data in _contents(con, day, payer, unwritten):
            wanted[name] = sha256(data).hexdigest()
            _write(folder / name, data)
        for left in folder.iterdir():
            if left.name not in wanted and left.is_file():
                left.unlink()
        write_json(folder / _MADE, made | {"files": wanted, "unwritten": unwritten})
    return written


def _told_by(folder: Path) -> str | None:
    """What a day's files were made to tell; None where there are none."""
    try:
        return str(json.loads((folder / _MADE).read_text(encoding="utf-8"))["told"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unwritten_payees(folder: Path) -> dict[str, str]:
    """Payees of whom a day's remittance could not be written, and why: nobody is told or paid by it."""
    try:
        return dict(json.loads((folder / _MADE).read_text(encoding="utf-8"))["unwritten"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _contents(
    con: duckdb.DuckDBPyConnection, day: date, payer: PayerSettings, unwritten: dict[str, str]
) -> Iterator[tuple[str, bytes]]:
    """A day's files, name and bytes; what keeps a payee's from being written is noted, and the others go on."""
    told = []
    for remittance in remittances(con, day):
        if remittance.payee not in payer.payees:
            continue
        try:
            check_entry(remittance)
            data = write_835(remittance, payer, payer.payee(remittance.payee))
        except PaymentsUnsound as error:
            unwritten[remittance.payee] = str(error)
            continue
        yield f"{remittance.payee}.835", data
        told.append(remittance)
    bank = write_bank_file(day, told, payer)
    if bank is not None:
        yield f"{day}.ach", bank


def _is_made(folder: Path, made: dict[str, object]) -> bool:
    """Whether the files that lie there were made from just that, and are whole."""
    try:
        known = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        files, _ = known.pop("files"), known.pop("unwritten")
        whole = all(sha256((folder / name).read_bytes()).hexdigest() == digest for name, digest in files.items())
        return bool(
            known == made and whole and {*files, _MADE} == {path.name for path in folder.iterdir() if path.is_file()}
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _write(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
