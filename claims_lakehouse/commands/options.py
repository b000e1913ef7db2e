"""Arguments and options that several commands take. Imported when the command starts: nothing heavy here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer

from claims_lakehouse.errors import UsageError

LandingOption = Annotated[
    Path | None, typer.Option("--landing", help=r"Where files land. \[default: CLAIMS_LANDING or data/landing]")
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help=r"The lakehouse's folder. \[default: CLAIMS_HOME or data/lakehouse]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one array of objects, for machines.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask, even at a terminal.")]

#: The feeds' names, written out: contracts take long to import.
FEED_NAMES = (
    "patients", "providers", "claims", "plans", "coverages", "fee_schedules", "authorizations", "exclusions",
    "procedure_edits", "code_sets", "medical_claims",
)  # fmt: skip
FeedArgument = Annotated[str, typer.Argument(help=f"The feed: {', '.join(FEED_NAMES[:-1])} or {FEED_NAMES[-1]}.")]
DeliveryArgument = Annotated[str, typer.Argument(help="The delivery's key: priming, 2024-02-01 …")]
BecauseOption = Annotated[str, typer.Option("--because", help="Why. It goes on record with your name and the time.")]

# Which claims, lines and days are meant.
ClaimArgument = Annotated[str, typer.Argument(metavar="CLAIM", help="The claim's id, as the tables have it: MC100026.")]
DAY = ("%Y-%m-%d",)


def day(text: str) -> datetime:
    """A day as it is typed."""
    try:
        return datetime.strptime(text, *DAY)  # noqa: DTZ007
    except ValueError:
        raise typer.BadParameter(f"found '{text}'; expected a day as 2024-02-01.") from None


def line_number(text: str) -> int:
    """A line's number as it is typed."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise typer.BadParameter(f"found '{text}'; expected a line's number, 1 or more.")
    return int(text)


LineArgument = Annotated[
    int, typer.Argument(metavar="LINE", parser=line_number, help="The number of the claim's line.")
]

# Which issues are meant.
FeedFilter = Annotated[str | None, typer.Option("--feed", help="Only this feed.")]
DeliveryFilter = Annotated[str | None, typer.Option("--delivery", help="Only this delivery.")]
RuleFilter = Annotated[str | None, typer.Option("--rule", help="Only this rule.")]
SeverityFilter = Annotated[str | None, typer.Option("--severity", help="Only error or warning.")]
StatusFilter = Annotated[str | None, typer.Option("--status", help="Only open, resolved, waived or retracted.")]


def tell_flowing(app: typer.Typer) -> None:
    """Have the help of an app's commands flow: a paragraph's lines are joined, so that a terminal breaks it anew."""
    for command in app.registered_commands:
        command.help = _flowing(command.callback)
    if app.registered_callback:
        app.registered_callback.help = _flowing(app.registered_callback.callback)


def _flowing(function: Callable[..., Any] | None) -> str:
    paragraphs = cleandoc((function and function.__doc__) or "").split("\n\n")
    return "\n\n".join(" ".join(one.split()) for one in paragraphs)


def one_of(option: str, given: str | None, known: Sequence[str]) -> None:
    """UsageError where an option is given and is none of what is known."""
    if given is not None and given not in known:
        raise UsageError(f"There is no {option} '{given}'; there are {', '.join(known)}.")


def filters(
    feed: str | None,
    delivery: str | None = None,
    rule: str | None = None,
    severity: str | None = None,
    status: str | None = None,
) -> dict[str, str]:
    """The filters that are given, by the names of the columns that they are about."""
    one_of("severity", severity, ["error", "warning"])
    one_of("status", status, ["open", "resolved", "waived", "retracted"])
    given = {"feed": feed, "delivery": delivery, "rule": rule, "severity": severity, "status": status}
    return {name: value for name, value in given.items() if value is not None}
