"""`claims issues export` and `import`: rows as CSV for whoever sent them to fix, and the fixed file back."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from claims_lakehouse.commands.ingestion import process_decided, user
from claims_lakehouse.commands.issue_report import check_names, counted, print_fixed
from claims_lakehouse.commands.options import (
    DeliveryFilter,
    HomeOption,
    LandingOption,
    RuleFilter,
    SeverityFilter,
    StatusFilter,
    filters,
)
from claims_lakehouse.commands.report import plain, progress, short
from claims_lakehouse.errors import ClaimsLakehouseError, UsageError
from claims_lakehouse.settings import Settings


def export(
    feed: Annotated[str, typer.Option("--feed", help="The feed; a file has rows of one feed.")],
    delivery: DeliveryFilter = None,
    rule: RuleFilter = None,
    severity: SeverityFilter = None,
    issue_status: StatusFilter = "open",
    output: Annotated[
        Path | None,
        typer.Option("--output", help=r"The file to write, a new one. \[default: standard output]"),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write the rows behind issues as CSV, for whoever sent them to fix. The values are patients' data.

    A text that a spreadsheet would take for a formula has ' in front; `claims issues import` takes it away again.
    """
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.desk.exchange import export_rows
    from claims_lakehouse.desk.issues import Filters
    from claims_lakehouse.desk.reading import Reading
    from claims_lakehouse.files import replacing

    settings, known = Settings.from_environment(home=home), feed_named(feed)
    if output is not None and output.exists():
        raise UsageError(f"{output}: found a file, or a folder; expected a name that is free.")
    given = filters(feed, delivery, rule, severity, issue_status)
    check_names(given)
    meant = Filters(**given)
    with closing(Reading(settings)) as reading:
        if output is None:
            target = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
            try:
                done = export_rows(reading, settings, known, meant, target)
            finally:
                target.detach()  # else standard output would be closed with it
        else:
            with replacing(output.absolute()) as path, path.open("w", encoding="utf-8", newline="") as file:
                done = export_rows(reading, settings, known, meant, file)
    where = f" to {short(output.absolute())}" if output else ""
    progress.print(f"Wrote {counted(done.rows, 'row')} of {feed}{plain(where)}.", soft_wrap=True)
    if done.about_files:
        progress.print(f"Left out: {counted(done.about_files, 'issue')} about whole files, which no row can mend.")


def import_fixed(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV file, fixed.")],
    because: Annotated[str, typer.Option("--because", help="Why. It goes on record with your name and the time.")] = "",
    feed: Annotated[
        str | None, typer.Option("--feed", help="The feed of its rows, where its columns do not tell.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would change.")] = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Take a file that `claims issues export` wrote, and somebody fixed, back as corrections: one a delivery.

    A row that was corrected or replaced since it was exported is refused, as is one that cannot be told; the others
    go on. Every delivery concerned is verified again and published.
    """
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.desk.exchange import feed_of, read_fixed, take_back
    from claims_lakehouse.history.acts import require_reason

    settings = Settings.from_environment(landing, home)
    if not dry_run:
        require_reason(because)
    fixed = read_fixed(settings, feed_named(feed) if feed else feed_of(file), file)
    print_fixed(fixed)
    if dry_run or not fixed.deliveries:
        progress.print("Nothing was written." if dry_run else "Nothing to do: the file changes no row.")
        return
    taken = take_back(settings, fixed, because, user())
    overtaken = [f"{one.feed} {one.delivery}: {one.refused}" for one in taken if one.refused]
    process_decided(settings, [(one.feed, one.delivery) for one in taken if one.correction])
    if overtaken:
        raise ClaimsLakehouseError("; ".join(overtaken))
