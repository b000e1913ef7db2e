"""How the command prints payments: by day, by payee, and a remittance as a person reads it. Values are patients' data.

Accounts and tax numbers are in the files alone: nothing here reads the payer's settings or opens a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from claims_lakehouse.commands.decision_report import print_json, print_table
from claims_lakehouse.commands.explanation_report import sent_text
from claims_lakehouse.commands.ingestion import reader
from claims_lakehouse.commands.issue_report import counted
from claims_lakehouse.commands.report import out, plain, progress, short
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings, payer_settings

if TYPE_CHECKING:
    from claims_lakehouse.payments.advice import PaidClaim, PaidLine, Remittance
    from claims_lakehouse.payments.stage import PaymentDay

_STATUS = {"1": "processed", "4": "denied", "22": "reversal"}
_COUNTED = {"1": "processed claim", "4": "denied claim", "22": "reversal"}
_OF_DAYS = """
    SELECT day, count(*) AS payees, CAST(sum(claims) AS BIGINT) AS claims, CAST(sum(reversals) AS BIGINT) AS reversals,
           sum(paid) AS paid, sum(balance_forwarded) AS balance_forwarded, bool_and(is_sent) AS is_sent
    FROM payment GROUP BY day ORDER BY day
"""
_OF_PAYEES = """
    SELECT payee, trace, claims, reversals, net, balance_taken, balance_forwarded, paid, is_sent
    FROM payment WHERE day = $day ORDER BY payee
"""


class DayFiles(NamedTuple):
    """A payment day's files: an 835 for each payee, and the bank file where something is paid to an account."""

    remittances: list[Path]
    bank: Path | None

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return self.remittances + ([self.bank] if self.bank else [])


def day_files(settings: Settings, day: date) -> DayFiles:
    """The files that lie there for a payment day; none where they were not made."""
    folder = settings.payments(day)
    bank = folder / f"{day}.ach"
    return DayFiles(sorted(folder.glob("*.835")), bank if bank.exists() else None)


def print_days(settings: Settings, *, as_json: bool, is_list: bool = True) -> None:
    """Print every payment day, as it is published, and its files as they lie there; a list says how to make some."""
    with reader(settings) as con:
        rows = con.execute(_OF_DAYS).fetchall()
    files = [day_files(settings, day) for day, *_ in rows]
    if as_json:
        names = ("day", "payees", "claims", "reversals", "paid", "balance_forwarded", "is_sent")
        print_json([dict(zip(names, row, strict=True)) | {"files": made.paths}
                    for row, made in zip(rows, files, strict=True)])  # fmt: skip
        return
    told = [
        (*row, len(made.remittances), made.bank.name if made.bank else None, sent_text(is_sent))
        for (*row, is_sent), made in zip(rows, files, strict=True)
    ]
    headings = ("payment day", "payees", "claims", "reversals", "paid", "forwarded", "835 files", "bank file", "state")
    print_table("Payment days", headings, told, below=("reversals", "835 files", "bank file"))
    if not rows:
        progress.print("There is no payment day: nothing of a claim is decided that a payee could be told.")
    elif any(made.remittances for made in files):
        print_place(settings)
    elif is_list:
        progress.print(f"No files are made yet. {_HOW_TO}", soft_wrap=True)


def print_place(settings: Settings) -> None:
    """Say where payment files are."""
    out().print(f"Files are below {plain(short(settings.home / 'payments'))}, a folder a day.", soft_wrap=True)


def print_payees(settings: Settings, day: date, *, as_json: bool) -> None:
    """Print what each payee is told and paid on a day, and where its 835 is."""
    with reader(settings) as con:
        rows = con.execute(_OF_PAYEES, {"day": day}).fetchall()
    if not rows:
        raise UsageError(_no_day(day))
    paths = [_remittance_file(settings, day, payee) for payee, *_ in rows]
    names = ("payee", "trace", "claims", "reversals", "net", "balance_taken", "balance_forwarded", "paid")
    if as_json:
        told = zip(rows, paths, strict=True)
        print_json([{"day": day, **dict(zip((*names, "is_sent"), row, strict=True)), "file": path}
                    for row, path in told])  # fmt: skip
        return
    headings = (*(name.replace("_", " ") for name in names), "835 file")
    shown = [(*row[:-1], short(path) if path else None) for row, path in zip(rows, paths, strict=True)]
    below = ("balance taken", "balance forwarded", "835 file")
    print_table(f"Payees of {day}: {sent_text(rows[0][-1])}", headings, shown, below=below)


def print_remittance(settings: Settings, day: date, payee: str, *, as_json: bool) -> None:
    """Print what a payee is told on a day: claims and their lines, balances, and the sum."""
    from claims_lakehouse.payments.remittances import remittances

    with reader(settings) as con:
        found = next(remittances(con.duckdb, day, payee), None)
        standing = con.execute("SELECT payee = $payee, is_sent FROM payment WHERE day = $day ORDER BY 1 DESC LIMIT 1",
                               {"day": day, "payee": payee}).fetchall()  # fmt: skip
    if found is None:
        raise UsageError(
            f"There is no remittance of payee '{payee}' on {day}; see `claims payments --day {day}`."
            if standing
            else _no_day(day)
        )
    path = _remittance_file(settings, day, payee)
    if as_json:
        print_json({**_told(found), "is_sent": standing[0][1], "file": path})
        return
    claims = [row for claim in found.claims for row in _claim_rows(claim)]
    headings = ("claim", "status", "patient", "received", "line", "service", "day", "charge", "allowed", "paid",
                "patient share", "adjustments")  # fmt: skip
    print_table(f"Remittance of {day} to payee {payee}", headings, claims, below=("patient", "received", "adjustments"))
    print_table("What is paid", ("", "amount"), _sums(found))
    file = f"its 835 is {short(path)}" if path else "its 835 is not made"
    out().print(f"Trace number {found.trace}; the day is {sent_text(standing[0][1])}, {plain(file)}.", soft_wrap=True)


#: What to do where there are no files.
_HOW_TO = "Name the payer's settings by CLAIMS_PAYER_SETTINGS; then `claims payments make`."


def print_missing(days: Sequence[PaymentDay]) -> None:
    """Say which payees get no file, and why."""
    if not days:
        return
    if payer_settings() is None:
        progress.print(f"[yellow]No files were made:[/] CLAIMS_PAYER_SETTINGS is not set. {_HOW_TO}", soft_wrap=True)
    unknown = sorted({payee for one in days for payee in one.unknown})
    if unknown:
        progress.print(
            f"[yellow]{counted(len(unknown), 'payee')} without settings:[/] {plain(', '.join(unknown))}. They are told"
            " and paid nothing, and no day with one of them can be sent, until the payer's settings have a table"
            r" \[payees.<NPI>] for each.",
            soft_wrap=True,
        )
    for one in days:
        for payee, why in one.unwritten:
            progress.print(
                f"[yellow]Not written:[/] payment day {one.day}, payee {payee}: {plain(why)} The day cannot be sent"
                " until that is settled.",
                soft_wrap=True,
            )


def _claim_rows(claim: PaidClaim) -> Iterator[tuple[Any, ...]]:
    """A row of the claim, then one for each of its lines."""
    name = " ".join(filter(None, [claim.patient_first, claim.patient_last]))
    patient = f"{claim.patient_id} {name}".strip()
    allowed = sum((line.allowed for line in claim.lines), Decimal("0.00"))
    amounts = (claim.charge, allowed, claim.paid, claim.patient_share)
    yield claim.claim_id, _STATUS[claim.status], patient, claim.received_on, "", "", "", *map(_unsigned, amounts), ""
    for line in claim.lines:
        days = " to ".join(dict.fromkeys((line.service_from.isoformat(), line.service_to.isoformat())))
        amounts = (line.charge, line.allowed, line.paid, _share(line))
        yield ("", "", "", None, str(line.line_number), _service(line), days, *map(_unsigned, amounts),
               _adjustments(line))  # fmt: skip


def _unsigned(amount: Decimal) -> Decimal:
    """An amount as it is, but nothing without a sign: a reversal has -0.00."""
    return amount or abs(amount)


def _service(line: PaidLine) -> str:
    units = f"{line.units.normalize():f}"
    return "-".join((line.procedure_code, *line.modifiers)) + (f" x {units}" if units != "1" else "")


def _share(line: PaidLine) -> Decimal:
    return sum((one.amount for one in line.adjustments if one.group == "PR"), Decimal("0.00"))


def _adjustments(line: PaidLine) -> str:
    """Amounts with their codes, as `claims explain` has them: `CO 45 10.00, PR 2 18.00`."""
    return ", ".join(
        " ".join(filter(None, [one.group, one.carc, one.rarc, f"{one.amount:,}"])) for one in line.adjustments
    )


def _sums(found: Remittance) -> Iterator[tuple[str, Decimal]]:
    """From what the claims come to, to what is paid: what a balance takes is negative here."""
    for status in ("1", "4", "22"):
        some = [claim.paid for claim in found.claims if claim.status == status]
        if some:
            yield counted(len(some), _COUNTED[status]), sum(some, Decimal("0.00"))
    for balance in found.balances:
        told = f"taken, as {balance.reference} forwarded it" if balance.amount > 0 else "forwarded to a later day"
        yield f"balance {told}", -balance.amount
    yield "paid", found.paid


def _told(found: Remittance) -> dict[str, Any]:
    """A remittance for machines."""
    return {
        "day": found.day, "payee": found.payee, "trace": found.trace, "paid": found.paid,
        "claims": [
            {"claim_id": claim.claim_id, "status": _STATUS[claim.status], "control_number": claim.control_number,
             "patient_id": claim.patient_id, "patient_first": claim.patient_first, "patient_last": claim.patient_last,
             "rendering_npi": claim.rendering_npi, "coverage_ended": claim.coverage_ended,
             "received_on": claim.received_on, "charge": claim.charge, "paid": claim.paid,
             "patient_share": claim.patient_share, "lines": [_line_told(line) for line in claim.lines]}
            for claim in found.claims
        ],
        "balances": [{"reference": one.reference, "amount": one.amount} for one in found.balances],
    }  # fmt: skip


def _line_told(line: PaidLine) -> dict[str, Any]:
    names = ("line_number", "procedure_code", "modifiers", "service_from", "service_to", "units",
             "authorization_number", "rendering_npi")  # fmt: skip
    amounts = {name: _unsigned(getattr(line, name)) for name in ("charge", "allowed", "paid")}
    adjusted = [{"group": one.group, "carc": one.carc, "rarc": one.rarc, "amount": one.amount}
                for one in line.adjustments]  # fmt: skip
    said = {name: getattr(line, name) for name in names}
    return said | amounts | {"patient_share": _share(line), "adjustments": adjusted}


def _remittance_file(settings: Settings, day: date, payee: str) -> Path | None:
    """A payee's 835 of a day, where it was made."""
    path = settings.payments(day) / f"{payee}.835"
    return path if path.exists() else None


def _no_day(day: date) -> str:
    return f"There is no payment day {day}; see `claims payments`."
