"""What people decide about deliveries: release, retract, reinstate, correct, withdraw, purge; each with a reason.

What needs an import of its own imports it when called: a list is there at once.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer

from claims_lakehouse.commands.ingestion import carry_out, correct_row, purge_delivery, user
from claims_lakehouse.commands.options import (
    BecauseOption,
    DeliveryArgument,
    FeedArgument,
    HomeOption,
    LandingOption,
    YesOption,
)
from claims_lakehouse.commands.report import short
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings


def release(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Let a held delivery go on. The release binds to its content: other content is checked anew."""
    _act("release", Settings.from_environment(landing, home), feed, delivery, because)


def retract(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Take a delivery out: the tables become what they were had it never come. Nothing is deleted from disk."""
    _act("retract", Settings.from_environment(landing, home), feed, delivery, because)


def reinstate(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Undo a retraction."""
    _act("reinstate", Settings.from_environment(landing, home), feed, delivery, because)


def correct(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    row: Annotated[int, typer.Argument(min=1, help="The row's number, as `claims issues` shows it.")],
    because: BecauseOption,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COLUMN=VALUE...",
            help="What the row should have said. Without any, lines of COLUMN=VALUE are read from standard input: "
            "a command's words are seen by others on the machine, and kept by the shell.",
        ),
    ] = None,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Lay a change over one landed row. The landed file stays as it was; the delivery keeps its place in history.

    The delivery is verified again with the change and replaces what it said before. The correction binds to this
    content: other content under the same name is not touched by it.
    """
    from claims_lakehouse.contracts import feed_named

    texts = dict(_change(change) for change in changes or sys.stdin.read().splitlines() if change.strip())
    correct_row(Settings.from_environment(landing, home), feed_named(feed), delivery, row, texts, because)


def withdraw(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    correction: Annotated[str, typer.Argument(help="The correction's id: see the view `correction`.")],
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Take a correction back: the row says again what it said when it landed."""
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.history import acts

    settings, known = Settings.from_environment(landing, home), feed_named(feed)
    decide = partial(acts.withdraw, settings, known, delivery, correction, because=because, who=user())
    carry_out(settings, known, delivery, decide)


def purge(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    yes: YesOption = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Erase a delivery that must not be kept: its values go from every file, landing included. This cannot be undone.

    A tombstone with its counts, fingerprint, who, when and why stays. To take a delivery out of the tables and keep
    it, retract it.
    """
    from claims_lakehouse.contracts import feed_named

    settings, known = Settings.from_environment(landing, home), feed_named(feed)
    if sys.stdin.isatty() and not yes:
        typer.confirm(f"Erase {feed} {delivery} from {short(settings.landing)} and {short(settings.home)}?", abort=True)
    purge_delivery(settings, known, delivery, because)


def _act(name: str, settings: Settings, feed: str, delivery: str, because: str) -> None:
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.history import acts

    known = feed_named(feed)
    act = {"release": acts.release, "retract": acts.retract, "reinstate": acts.reinstate}[name]
    carry_out(settings, known, delivery, partial(act, settings, known, delivery, because=because, who=user()))


def _change(text: str) -> tuple[str, str]:
    column, given, value = text.partition("=")
    if not given or not column.strip():
        raise UsageError("A change is written COLUMN=VALUE, in quotes where the value has spaces.")
    return column.strip().lower(), value
