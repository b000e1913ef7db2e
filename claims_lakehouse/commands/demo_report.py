"""How `claims demo` ends: what was paid day by day, who else can read the files, and where to look around.

The readers are x12sdk and pyx12, which did not write the 835 files, and achkit, which did write the bank files. None of
their own words are printed: they quote what they read.
"""

from __future__ import annotations

import io
import logging
import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from claims_lakehouse.commands.decision_report import print_table, some_claim
from claims_lakehouse.commands.ingestion import reader, renew_publication
from claims_lakehouse.commands.payment_report import DayFiles, day_files, print_missing, print_place
from claims_lakehouse.commands.report import out, plain, progress, short
from claims_lakehouse.errors import UnreadableFile
from claims_lakehouse.files import replacing
from claims_lakehouse.settings import Settings, payer_settings

#: How many payment days are shown: the priming, two monthly updates, and a week.
_DAYS = 10
#: How many bytes of 835 files a reader gets in all, which it reads in some seconds: all that the demo makes, unless it
#: is asked for more patients; of each day at least one file.
_X12SDK_BYTES, _PYX12_BYTES = 1_500_000, 1_500_000
_GUIDE = ("835", "005010X221A1")
_MADE_UP = "# Made up for a demo"
_SETTINGS = "CLAIMS_PAYER_SETTINGS"


class Reading(NamedTuple):
    """What a reader got of each day, and which of it it did not accept; `read` is None where it is not installed."""

    name: str
    read: dict[date, list[Path]] | None
    refused: frozenset[Path]

    def of_day(self, day: date) -> str:
        """How many it accepts of those of a day's files that it read."""
        if self.read is None:
            return "not asked"
        read = self.read[day]
        return f"{len(read) - len(self.refused.intersection(read)):,} of {len(read):,} read"


def print_demo_payments(settings: Settings, folder: Path) -> bool:
    """Make the files of what the demo pays, have others read them, and show the days; False where one is refused.

    Without CLAIMS_PAYER_SETTINGS settings are made up in the folder, and named by it for this process.
    """
    from claims_lakehouse.payments.stage import make_payments

    with reader(settings) as con:
        payees = [payee for (payee,) in con.execute("SELECT DISTINCT payee FROM payment ORDER BY 1").fetchall()]
    if not payees:
        return True
    if payer_settings() is None:
        _make_up(folder / "payer.toml", payees)
    renew_publication(settings)
    made = make_payments(settings)
    days = {one.day: day_files(settings, one.day) for one in made[-_DAYS:]}
    with progress.status("Reading the payment files …"):
        readings = [_read_by_x12sdk(days), _read_by_pyx12(days)]
        banks = {day: _bank_total(one.bank) for day, one in days.items() if one.bank}
    rows = [
        (one.day, one.payees, one.claims, one.reversals, one.paid, one.forwarded,
         f"{one.day}/*.835 ({len(lie.remittances)})", f"{one.day}/{lie.bank.name}" if lie.bank else None,
         banks.get(one.day), *(reading.of_day(one.day) for reading in readings))
        for one, lie in zip(made[-_DAYS:], days.values(), strict=True)
    ]  # fmt: skip
    headings = ("payment day", "payees", "claims", "reversals", "paid", "forwarded", "835 files", "bank file",
                "to accounts", *(f"{reading.name} accepts" for reading in readings))  # fmt: skip
    print_table("What is paid", headings, rows)
    if files := [path for one in days.values() for path in one.remittances]:
        print_place(settings)
        _print_readings(readings, files, banks)
    print_missing(made)
    return not any(reading.refused for reading in readings) and None not in banks.values()


def print_look_around(settings: Settings, landing: str, options: str) -> None:
    """Print what to type next, with the options that name the landing folder and the home where they are needed."""
    lines = [f"ui{landing}{options}", f"desk{landing}{options}", f"issues{options}"]
    if claim := some_claim(settings):
        lines += [f"explain {plain(shlex.quote(claim))}{options}", f"review{options}"]
    if payment := _some_payment(settings):
        lines += [f"payments{options}", f"payments show {plain(payment)}{options}"]
    lines.append(f'query{options} "SELECT visit_type, count(*), sum(amount_due) FROM claim_detail GROUP BY ALL"')
    console = out()
    console.print("\nLook around:")
    for line in lines:
        console.print(f"  claims {line}", soft_wrap=True)
    console.print(f"  python -c \"import duckdb; print(duckdb.connect('{short(settings.published)}', read_only=True)"
                  ".sql('FROM patient LIMIT 5'))\"", soft_wrap=True)  # fmt: skip


def _some_payment(settings: Settings) -> str | None:
    """A day and payee to look at: the last that a reversal left a balance, or else the last."""
    sql = "SELECT day, payee FROM payment ORDER BY balance_taken + balance_forwarded > 0 DESC, day DESC, payee LIMIT 1"
    with reader(settings) as con:
        return next((f"{day} {payee}" for day, payee in con.execute(sql).fetchall()), None)


def _make_up(path: Path, payees: Sequence[str]) -> None:
    """Write settings that are nobody's, where there are none of somebody's, and name them for this process."""
    from claims_lakehouse.payments.payer_file import made_up_settings

    if not path.exists() or path.read_text(encoding="utf-8", errors="replace").startswith(_MADE_UP):
        with replacing(path) as temporary:
            temporary.write_text(made_up_settings(payees), encoding="utf-8")
        told = "Bank data are made up: no bank, plan or practice has the numbers of"
    else:
        told = "Bank data are those of"
    os.environ[_SETTINGS] = str(path.absolute())
    name = plain(short(path))
    progress.print(f"{told} {name}. For other commands: export {_SETTINGS}={name}", soft_wrap=True)


def _chosen(days: dict[date, DayFiles], most_bytes: int) -> dict[date, list[Path]]:
    """Of each day as many files as fit into its share of so many bytes, one at least; all where all fit."""
    sizes = {path: path.stat().st_size for files in days.values() for path in files.remittances}
    share = most_bytes if sum(sizes.values()) <= most_bytes else most_bytes // len(days)
    found: dict[date, list[Path]] = {}
    for day, files in days.items():
        left = share
        found[day] = []
        for path in files.remittances:
            left -= sizes[path]
            if found[day] and left < 0:
                break
            found[day].append(path)
    return found


def _read_by_x12sdk(days: dict[date, DayFiles]) -> Reading:
    read = _chosen(days, _X12SDK_BYTES)
    return Reading("x12sdk", read, _refused(read, _accepted_by_x12sdk))


def _accepted_by_x12sdk(path: Path) -> bool:
    """Whether a file is whole and each of its transactions follows the guide, as landing judges what it reads."""
    from claims_lakehouse.landing.x12_envelope import Envelope
    from claims_lakehouse.landing.x12_segments import Segment, read_segments
    from claims_lakehouse.landing.x12_soundness import Guide, unsoundness

    envelope, transactions = Envelope(path.name), list[list[Segment]]()
    with suppress(UnreadableFile), path.open("rb") as opened:
        for segment in envelope.watch(read_segments(opened, path.name)):
            if segment.name == "ST":
                transactions.append([])
            if transactions and segment.name not in ("GE", "IEA"):
                transactions[-1].append(segment)
        sound = all(unsoundness(one, Guide(*_GUIDE)) is None for one in transactions)
        return sound and bool(transactions) and not envelope.noted()
    return False


def _read_by_pyx12(days: dict[date, DayFiles]) -> Reading:
    """It is for development alone. Its tables take longer to load than a file to read: all files go in one stream."""
    try:
        document, params = import_module("pyx12.x12n_document"), import_module("pyx12.params")
    except ImportError:
        return Reading("pyx12", None, frozenset())
    logging.getLogger("pyx12").setLevel(logging.CRITICAL + 1)

    def accepted(*paths: Path) -> bool:
        text = "".join(path.read_text(encoding="ascii", errors="replace") for path in paths)
        try:
            return bool(document.x12n_document(params.ParamsBase(), io.StringIO(text), None, None))
        except Exception:  # it raises whatever comes of what it did not reckon with
            return False

    read = _chosen(days, _PYX12_BYTES)
    is_sound = accepted(*(path for paths in read.values() for path in paths))
    return Reading("pyx12", read, frozenset() if is_sound else _refused(read, accepted))


def _refused(read: dict[date, list[Path]], accepted: Callable[[Path], bool]) -> frozenset[Path]:
    return frozenset(path for paths in read.values() for path in paths if not accepted(path))


def _bank_total(path: Path) -> Decimal | None:
    """What a bank file pays in all, as its reader adds it up; None where it does not accept the file."""
    import achkit  # type: ignore[import-untyped]

    text = path.read_text(encoding="ascii", errors="replace")
    if not achkit.validate(text)["ok"]:
        return None
    return Decimal(achkit.parse(text)["control"]["total_credit"]).scaleb(-2)


def _print_readings(readings: Sequence[Reading], files: Sequence[Path], banks: dict[date, Decimal | None]) -> None:
    """Say who read how many of the files, and name those that were refused."""
    console = out()
    for one in readings:
        if one.read is None:
            console.print(f"{one.name} is not installed: not asked (pip install 'claims-lakehouse\\[dev]').")
            continue
        count = sum(len(paths) for paths in one.read.values())
        console.print(
            f"{one.name}, which did not write them, read {count:,} of {len(files):,} 835 files:"
            f" {_verdict(sorted(one.refused))}",
            soft_wrap=True,
        )
    refused = [Path(f"{day}.ach") for day, total in banks.items() if total is None]
    console.print(f"achkit, which wrote them, read all {len(banks):,} bank files back: {_verdict(refused)}"
                  " Payees without an account are paid by check.", soft_wrap=True)  # fmt: skip


def _verdict(refused: Sequence[Path]) -> str:
    if not refused:
        return "it accepts every one."
    named = ", ".join(plain(short(path)) for path in refused[:5]) + (" …" if len(refused) > 5 else "")
    return f"[red]it refuses {len(refused):,}:[/] {named}."
