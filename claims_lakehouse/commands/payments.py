"""`claims payments`: what payees are told and paid, the files that do it, and days that were sent.

What needs an import of its own imports it when called: a list is there at once.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from claims_lakehouse.commands.ingestion import renew_publication, user
from claims_lakehouse.commands.issue_report import counted
from claims_lakehouse.commands.options import HomeOption, JsonOption, LandingOption, YesOption
from claims_lakehouse.commands.options import day as day_of
from claims_lakehouse.commands.payment_report import (
    day_files,
    print_days,
    print_missing,
    print_payees,
    print_remittance,
)
from claims_lakehouse.commands.report import plain, progress, short
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.settings import Settings, payer_settings

payments_app = typer.Typer(name="payments", rich_markup_mode="rich", add_completion=False)

DayOption = Annotated[
    datetime | None,
    typer.Option("--day", parser=day_of, metavar="YYYY-MM-DD", help="The payees of that payment day."),
]
DayArgument = Annotated[
    datetime, typer.Argument(metavar="DAY", parser=day_of, help="The payment day, as the list has it: 2024-02-01.")
]


@payments_app.callback(invoke_without_command=True)
def payments(
    context: typer.Context,
    day: DayOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List payment days: payees, claims and reversals, what is paid and carried forward, and their files.

    A payment day is a received day. Each payee is told what changed since it was told last: an X12 835; a NACHA file
    tells the bank what to pay. An open day follows what is decided; once its files were sent it is closed, and what
    changes later is paid on a later day.

    Without a command of its own it is `claims payments list`. The payees of a day: claims payments --day 2024-02-01
    """
    if context.invoked_subcommand is None:
        _list(Settings.from_environment(home=home), day, as_json=as_json)
    elif any(source and source.name != "DEFAULT" for source in map(context.get_parameter_source, context.params)):
        told = context.invoked_subcommand
        raise UsageError(f"Options stand after the command: claims payments {told} --option, not --option {told}.")


@payments_app.command("list")
def list_them(day: DayOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List payment days; with --day the payees of one, with trace numbers, balances and their 835 files.

    What a payee is paid is what the claims come to (net), less the balance that earlier reversals left, plus what of
    it goes forward: claims payments list --day 2024-02-01
    """
    _list(Settings.from_environment(home=home), day, as_json=as_json)


@payments_app.command()
def make(as_json: JsonOption = False, landing: LandingOption = None, home: HomeOption = None) -> None:
    """Make the files of every open day now, publish, and show the days.

    `claims ingest` does this by itself. Who pays, from which account, and where payees have theirs is said by a TOML
    file of yours, for nobody else's eyes: CLAIMS_PAYER_SETTINGS=payer.toml claims payments make
    """
    from claims_lakehouse.payments.payer_file import read_payer
    from claims_lakehouse.payments.stage import make_payments

    settings = Settings.from_environment(landing, home)
    if path := payer_settings():
        read_payer(path)  # what is wrong with it is told before anything changes
        if path.stat().st_mode & 0o077:
            progress.print(
                f"[yellow]Others can read {plain(short(path))}:[/] it has bank and tax numbers; expected mode 0600.",
                soft_wrap=True,
            )
    # The run makes them, so that Dagster shows it; made again they are as they are, and what kept the run is told.
    renew_publication(settings)
    days = make_payments(settings)
    print_days(settings, as_json=as_json, is_list=False)
    print_missing(days)


@payments_app.command()
def sent(day: DayArgument, yes: YesOption = False, landing: LandingOption = None, home: HomeOption = None) -> None:
    """Say that a day's files were sent: the day is closed, and nothing of it changes any more.

    Days are sent in their order, each with its 835 files and bank file. What is decided otherwise later is reversed and
    told anew on a later day. This cannot be undone: claims payments sent 2023-12-31
    """
    from claims_lakehouse.payments.stage import file_digests, make_payments, mark_sent

    settings, which = Settings.from_environment(landing, home), day.date()
    if payer_settings() is None:
        raise UsageError(
            f"Payment day {which}: CLAIMS_PAYER_SETTINGS is not set; expected the payer's settings: without them nobody"
            " knows whether every payee has a file, and whether the files say what is decided."
        )
    before = _content(settings, which)
    days = {one.day: one for one in make_payments(settings)}
    if before != _content(settings, which):
        raise Overtaken(
            f"The files of payment day {which} were made anew just now, as they were not what is decided: send"
            " these, then say so again."
        )
    seen = file_digests(settings, which)
    if which in days and not days[which].is_closed and sys.stdin.isatty() and not yes:
        typer.confirm(f"{_files_told(settings, which)} sent? The day is closed then, for good.", abort=True)
    mark_sent(settings, which, who=user(), seen=seen)
    renew_publication(settings)
    progress.print(
        f"Payment day {which} is closed now: {_files_told(settings, which)} sent. What changes later is told and"
        " paid on a later day.",
        soft_wrap=True,
    )


@payments_app.command()
def show(
    day: DayArgument,
    payee: Annotated[str, typer.Argument(metavar="PAYEE", help="The payee's National Provider Identifier.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object, for machines.")] = False,
    home: HomeOption = None,
) -> None:
    """Show a remittance as a person reads it: claims and lines, adjustments with their codes, balances, and the sum.

    A claim that was told before and is decided otherwise is reversed, with the amounts of then, and told anew. The
    values shown are patients' data: claims payments show 2024-02-01 1629633763
    """
    print_remittance(Settings.from_environment(home=home), day.date(), payee, as_json=as_json)


def _list(settings: Settings, day: datetime | None, *, as_json: bool) -> None:
    if day is None:
        print_days(settings, as_json=as_json)
    else:
        print_payees(settings, day.date(), as_json=as_json)


def _content(settings: Settings, day: date) -> dict[str, bytes]:
    """A day's files as they are."""
    return {path.name: path.read_bytes() for path in day_files(settings, day).paths}


def _files_told(settings: Settings, day: date) -> str:
    """A day's files in words and how they went: when the last of them was made, and that they were sent."""
    files = day_files(settings, day)
    bank = " and the bank file" if files.bank else ""
    last = max((path.stat().st_mtime for path in files.paths), default=None)
    made = f", made {datetime.fromtimestamp(last, UTC).astimezone():%Y-%m-%d %H:%M}" if last else ""
    count = counted(len(files.remittances), "835 file")
    were = "was" if len(files.paths) == 1 else "were"
    return f"{count}{bank} below {plain(short(settings.payments(day)))}{made}, {were}"
