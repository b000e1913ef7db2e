"""`claims issues`: list what verification found, look at it, decide about it, send rows out to be fixed and back.

What needs an import of its own imports it when called: a list is there at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from claims_lakehouse.commands.exchange import export, import_fixed
from claims_lakehouse.commands.ingestion import renew_publication, user
from claims_lakehouse.commands.issue_report import check_names, counted, print_issue, print_issues
from claims_lakehouse.commands.options import (
    BecauseOption,
    DeliveryFilter,
    FeedFilter,
    HomeOption,
    JsonOption,
    LandingOption,
    RuleFilter,
    SeverityFilter,
    StatusFilter,
    YesOption,
    day,
    filters,
)
from claims_lakehouse.commands.report import progress
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings

if TYPE_CHECKING:
    from claims_lakehouse.desk.issues import Issue

issues_app = typer.Typer(name="issues", rich_markup_mode="rich", add_completion=False)

LimitOption = Annotated[int, typer.Option("--limit", min=0, help="At most this many; 0 for all.")]
IssueArgument = Annotated[str, typer.Argument(metavar="ISSUE", help="An issue's id, or how no other begins.")]
IssuesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ISSUE...", help="Issues' ids, or how no others begin.")
]
AllOption = Annotated[bool, typer.Option("--all", help="In place of ISSUE: every issue that the filters let through.")]
UntilOption = Annotated[
    datetime | None,
    typer.Option("--until", parser=day, metavar="YYYY-MM-DD", help="The last day that it holds, UTC."),
]


@issues_app.callback(invoke_without_command=True)
def issues(
    context: typer.Context,
    feed: FeedFilter = None,
    delivery: DeliveryFilter = None,
    rule: RuleFilter = None,
    severity: SeverityFilter = None,
    issue_status: StatusFilter = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List what failed verification, and why. The values shown are patients' data: treat them so.

    Without a command of its own it is `claims issues list`.
    """
    if context.invoked_subcommand is None:
        given = filters(feed, delivery, rule, severity, issue_status)
        print_issues(Settings.from_environment(home=home), given, limit=limit, as_json=as_json)
    elif any(source and source.name != "DEFAULT" for source in map(context.get_parameter_source, context.params)):
        told = context.invoked_subcommand
        raise UsageError(f"Options stand after the command: claims issues {told} --option, not --option {told}.")


@issues_app.command("list")
def list_them(
    feed: FeedFilter = None,
    delivery: DeliveryFilter = None,
    rule: RuleFilter = None,
    severity: SeverityFilter = None,
    issue_status: StatusFilter = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List what failed verification, and why. The values shown are patients' data: treat them so."""
    given = filters(feed, delivery, rule, severity, issue_status)
    print_issues(Settings.from_environment(home=home), given, limit=limit, as_json=as_json)


@issues_app.command()
def show(issue: IssueArgument, home: HomeOption = None) -> None:
    """Show one issue: its row as it was sent, what is wrong with it, and what people did about it."""
    from claims_lakehouse.desk.issues import issue_named
    from claims_lakehouse.desk.reading import Reading

    settings = Settings.from_environment(home=home)
    with closing(Reading(settings)) as reading:
        print_issue(reading, settings, issue_named(reading, issue))


@issues_app.command()
def waive(
    because: BecauseOption,
    named: IssuesArgument = None,
    until: UntilOption = None,
    everything: AllOption = False,
    feed: FeedFilter = None,
    delivery: DeliveryFilter = None,
    rule: RuleFilter = None,
    severity: SeverityFilter = None,
    issue_status: StatusFilter = None,
    yes: YesOption = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Accept issues as they are. A row that is quarantined stays so; with --all, those that are open are meant.

    A waiver holds as long as the row says what it says now.
    """
    from claims_lakehouse.history import issue_acts

    settings = Settings.from_environment(landing, home)
    given = filters(feed, delivery, rule, severity, issue_status)
    chosen = _chosen(settings, "Waive", named, everything, given, "open", yes)
    if chosen:
        last = until.date() if until else None
        issue_acts.waive(settings, [one.seen for one in chosen], because=because, who=user(), until=last)
        _renew(settings, "Waived", chosen)


@issues_app.command()
def reopen(
    because: BecauseOption,
    named: IssuesArgument = None,
    everything: AllOption = False,
    feed: FeedFilter = None,
    delivery: DeliveryFilter = None,
    rule: RuleFilter = None,
    severity: SeverityFilter = None,
    yes: YesOption = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Take waivers back."""
    from claims_lakehouse.history import issue_acts

    settings = Settings.from_environment(landing, home)
    chosen = _chosen(settings, "Reopen", named, everything, filters(feed, delivery, rule, severity), "waived", yes)
    if chosen:
        issue_acts.reopen(settings, [one.seen for one in chosen], because=because, who=user())
        _renew(settings, "Reopened", chosen)


@issues_app.command()
def comment(
    issue: IssueArgument,
    text: Annotated[str, typer.Option("--text", help="What to say. It goes on record with your name and the time.")],
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Say something about an issue, whatever its status."""
    from claims_lakehouse.history import issue_acts

    settings = Settings.from_environment(landing, home)
    chosen = _chosen(settings, "Comment on", [issue], False, {}, "", True)
    issue_acts.comment(settings, [one.seen for one in chosen], text=text, who=user())
    _renew(settings, "Commented on", chosen)


issues_app.command()(export)
issues_app.command("import")(import_fixed)


def _chosen(
    settings: Settings,
    act: str,
    named: Sequence[str] | None,
    everything: bool,
    given: dict[str, str],
    status: str,
    yes: bool,
) -> list[Issue]:
    """The issues that an act is meant for: those named, or all of a status that the filters let through.

    How many those are is said first, and at a terminal it is asked whether they are meant.
    """
    from claims_lakehouse.desk.issues import Filters, all_issues, issue_named
    from claims_lakehouse.desk.reading import Reading

    if bool(named) == everything or (bool(given) != everything):
        raise UsageError(f"Name what to {act.lower()}: ISSUE..., or --all and at least one filter, such as --rule.")
    with closing(Reading(settings)) as reading:
        if not everything:
            return list({(found := issue_named(reading, one)).issue_id: found for one in named or ()}.values())
        check_names(given)
        chosen = all_issues(reading, Filters(**({"status": status} | given)))
    if not chosen:
        progress.print("No issue matches: nothing to do.")
        return []
    progress.print(f"{counted(len(chosen), 'issue')} match{'es' if len(chosen) == 1 else ''}.")
    if sys.stdin.isatty() and not yes:
        typer.confirm(f"{act} {'it' if len(chosen) == 1 else 'all of them'}?", abort=True, err=True)
    return chosen


def _renew(settings: Settings, done: str, issues: Sequence[Issue]) -> None:
    renew_publication(settings)
    progress.print(f"{done} {counted(len(issues), 'issue')}.")
