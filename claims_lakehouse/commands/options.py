"""Arguments and options that several commands take. Imported when the command starts: nothing heavy here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from claims_lakehouse.errors import UsageError

LandingOption = Annotated[
    Path | None, typer.Option("--landing", help="Where files land. [default: CLAIMS_LANDING or data/landing]")
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The lakehouse's folder. [default: CLAIMS_HOME or data/lakehouse]"),
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
LineArgument = Annotated[int, typer.Argument(metavar="LINE", min=1, help="The number of the claim's line.")]
DAY = ("%Y-%m-%d",)

# Which issues are meant.
FeedFilter = Annotated[str | None, typer.Option("--feed", help="Only this feed.")]
DeliveryFilter = Annotated[str | None, typer.Option("--delivery", help="Only this delivery.")]
RuleFilter = Annotated[str | None, typer.Option("--rule", help="Only this rule.")]
SeverityFilter = Annotated[str | None, typer.Option("--severity", help="Only error or warning.")]
StatusFilter = Annotated[str | None, typer.Option("--status", help="Only open, resolved, waived or retracted.")]


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
