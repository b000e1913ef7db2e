"""`claims review`: lines of claims that wait for a person, and what people say to them.

What needs an import of its own imports it when called: a list is there at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claims_lakehouse.commands.decision_report import print_standing, print_waiting
from claims_lakehouse.commands.ingestion import reader, renew_publication, user
from claims_lakehouse.commands.issues import LimitOption
from claims_lakehouse.commands.options import (
    BecauseOption,
    ClaimArgument,
    HomeOption,
    JsonOption,
    LandingOption,
    LineArgument,
    RuleFilter,
)
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings

if TYPE_CHECKING:
    from claims_lakehouse.adjudication.acts import SeenLine

review_app = typer.Typer(name="review", rich_markup_mode="rich", add_completion=False)


@review_app.callback(invoke_without_command=True)
def review(
    context: typer.Context,
    rule: RuleFilter = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the lines of claims that wait for a person, and why. The values shown are patients' data: treat them so.

    Without a command of its own it is `claims review list`. Of one rule: claims review --rule near_duplicate
    """
    if context.invoked_subcommand is None:
        print_waiting(Settings.from_environment(home=home), rule=rule, limit=limit, as_json=as_json)
    elif any(source and source.name != "DEFAULT" for source in map(context.get_parameter_source, context.params)):
        told = context.invoked_subcommand
        raise UsageError(f"Options stand after the command: claims review {told} --option, not --option {told}.")


@review_app.command("list")
def list_them(
    rule: RuleFilter = None, limit: LimitOption = 50, as_json: JsonOption = False, home: HomeOption = None
) -> None:
    """List the lines of claims that wait for a person, and why; those that wait longest first.

    One that was appealed waits for the rule `appealed`: claims review list --rule appealed
    """
    print_waiting(Settings.from_environment(home=home), rule=rule, limit=limit, as_json=as_json)


@review_app.command()
def approve(
    claim: ClaimArgument,
    line: LineArgument,
    because: BecauseOption,
    allowed: Annotated[
        str | None,
        typer.Option("--allowed", metavar="AMOUNT", help="What is allowed, in place of the fee schedule's: 12.50."),
    ] = None,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Let a line that waits be paid as the plan has it: deductible, coinsurance, copay and limits are still taken.

    Where the plan has no price, say what is allowed. It holds as long as the line says what it says now, and waits for
    nothing else: claims review approve MC100308 4 --allowed 12.50 --because "priced by hand"
    """
    from claims_lakehouse.adjudication import acts

    amount = None if allowed is None else _amount(allowed)
    _say(Settings.from_environment(landing, home), claim, line, acts.approve, because, allowed=amount)


@review_app.command()
def deny(
    claim: ClaimArgument,
    line: LineArgument,
    because: BecauseOption,
    group: Annotated[str, typer.Option("--group", help="Whose the amount is: CO, PR, OA or PI.")],
    carc: Annotated[str, typer.Option("--carc", help="The reason's code (X12 list 139): 96.")],
    rarc: Annotated[
        str | None, typer.Option("--rarc", help="A remark's code (X12 list 411), where the reason asks for one: N130.")
    ] = None,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Deny a line that waits, with the codes that say why.

    Nothing of it is paid, nor counts for the deductible:
    claims review deny MC100360 1 --group CO --carc 96 --rarc N130 --because "not a service of this plan"
    """
    from claims_lakehouse.adjudication import acts

    settings = Settings.from_environment(landing, home)
    _say(settings, claim, line, acts.deny, because, group=group, carc=carc, rarc=rarc)


@review_app.command()
def appeal(
    claim: ClaimArgument,
    line: LineArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Open a line again that was denied, whole or in part: it waits for a person, who approves or denies it.

    `claims explain` tells what an appeal needs: claims review appeal MC539750046 1 --because "the record came by mail"
    """
    from claims_lakehouse.adjudication import acts

    _say(Settings.from_environment(landing, home), claim, line, acts.appeal, because)


def _say(settings: Settings, claim: str, number: int, act: Callable[..., None], because: str, **more: Any) -> None:
    """Write down what somebody says to a line as it is published now, have it felt, and tell how the line stands."""
    act(settings, _seen(settings, claim, number), because=because, who=user(), **more)
    renew_publication(settings)
    print_standing(settings, claim, number)


def _seen(settings: Settings, claim: str, number: int) -> SeenLine:
    from claims_lakehouse.adjudication.acts import seen_lines

    with reader(settings) as con:
        lines = seen_lines(con.duckdb, claim)
    for one in lines:
        if one.line_number == number:
            return one
    there = ", ".join(str(one.line_number) for one in lines)
    raise UsageError(f"There is no decision about a line {number} of claim '{claim}'; there is of {there}.")


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", text):
        raise UsageError("What is allowed: found no amount in US dollars; expected one as 12.50.")
    return Decimal(text)
