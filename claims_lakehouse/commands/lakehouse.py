"""The whole way at once: take up what has landed, try it on samples, make the warehouse anew.

What needs an import of its own imports it when called: `--help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from claims_lakehouse.commands.decision_report import print_last_decisions
from claims_lakehouse.commands.ingestion import ingest_due, rebuild_warehouse, show_issue_summary
from claims_lakehouse.commands.options import HomeOption, LandingOption, one_of
from claims_lakehouse.commands.report import progress, short
from claims_lakehouse.settings import Settings, has_home, has_landing


def ingest(
    decided: Annotated[
        bool,
        typer.Option("--decided", help="Only carry out what people decided; files that have landed since must wait."),
    ] = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Take every new or changed delivery from landing to the published tables.

    Deliveries that stand as they are are left alone; a delivery that cannot be read fails by itself and the others
    go on. Exit status 1 when one failed or payments could not be made, 0 otherwise (issues and held deliveries
    included).
    """
    settings = Settings.from_environment(landing, home)
    if not ingest_due(settings, decided_only=decided):
        raise typer.Exit(1)


def demo(
    patients: Annotated[int, typer.Option(min=1, help="How many patients; claims are ten times as many.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 7,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Write realistic sample deliveries, with every kind of defect in them, ingest them, decide claims and pay them.

    After a priming and two monthly updates medical claims come daily for a week. Bank data are made up, unless
    CLAIMS_PAYER_SETTINGS names yours. Without --landing and --home everything goes below data/demo, apart from your
    own data.

    Ten times as many patients: claims demo --patients 1000
    """
    from claims_lakehouse.commands.demo_report import print_demo_payments, print_look_around
    from claims_lakehouse.samples import write_deliveries

    base = Path("data/demo")
    settings = Settings.from_environment(
        landing or (None if has_landing() else base / "landing"), home or (None if has_home() else base / "lakehouse")
    )
    # What the environment says now: a run names the lakehouse by it.
    options = "" if has_home() else f" --home {short(settings.home)}"
    landing_option = "" if has_landing() else f" --landing {short(settings.landing)}"
    folder = settings.home if home or has_home() else base
    with progress.status(f"Writing sample deliveries of {patients:,} patients …"):
        written = write_deliveries(settings.landing, patients=patients, seed=seed, days=7)
    progress.print(f"Wrote {len(written)} files to {settings.landing}")
    ok = ingest_due(settings)
    show_issue_summary(settings)
    print_last_decisions(settings)
    ok = print_demo_payments(settings, folder) and ok
    print_look_around(settings, landing_option, options)
    if not ok:
        raise typer.Exit(1)


def rebuild(
    source: Annotated[
        str,
        typer.Option("--from", help="validated: as it was verified; raw: verify everything anew, by today's rules."),
    ] = "validated",
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only compare; exit status 1 where the tables differ or the old ones cannot be read."
        ),
    ] = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Make the warehouse anew from what is on disk, compare it with the old one, and swap.

    The old warehouse works on until then, and stays where anything goes wrong. Retractions, releases and corrections
    are on disk and come back with it.
    """
    one_of("source", source, ["raw", "validated"])
    same = rebuild_warehouse(
        Settings.from_environment(landing, home), "raw" if source == "raw" else "validated", swap=not check
    )
    if check and not same:
        raise typer.Exit(1)
