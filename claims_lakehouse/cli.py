"""The `claims` command: every command of it, by what it is for, and how it ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer

from claims_lakehouse.commands import decisions, deliveries, lakehouse, pages, tables
from claims_lakehouse.commands.issues import issues_app
from claims_lakehouse.commands.options import tell_flowing
from claims_lakehouse.commands.payments import payments_app
from claims_lakehouse.commands.report import plain, progress
from claims_lakehouse.commands.review import review_app
from claims_lakehouse.commands.rules import rules_app
from claims_lakehouse.errors import ClaimsLakehouseError, UsageError

app = typer.Typer(
    name="claims",
    help="The claims lakehouse: from landed files to audited history that anyone can query.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = {
    "From landed files to tables": (lakehouse.ingest, lakehouse.demo, lakehouse.rebuild, pages.ui),
    "Deliveries and what is wrong with them": (
        tables.status, issues_app, pages.desk, deliveries.release, deliveries.retract, deliveries.reinstate,
        deliveries.correct, deliveries.withdraw, deliveries.purge,
    ),
    "Claims: decided, reviewed, paid": (
        decisions.adjudicate, decisions.explain, review_app, rules_app, payments_app,
    ),
    "What the tables say": (tables.query, tables.trace, tables.export, tables.deidentify),
}  # fmt: skip
for _panel, _ones in _COMMANDS.items():
    for _one in _ones:
        if isinstance(_one, typer.Typer):
            tell_flowing(_one)
            app.add_typer(_one, rich_help_panel=_panel)
        else:
            app.command(rich_help_panel=_panel)(_one)
tell_flowing(app)


def main() -> None:
    """Run the command; errors that people can act on are told in a line, without a traceback."""
    os.umask(0o077)
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            _leave(end.code)
        raise
    except UsageError as error:
        progress.print(f"[red]claims:[/] {plain(error)}", soft_wrap=True)
        _leave(2)
    except ClaimsLakehouseError as error:
        progress.print(f"[red]claims:[/] {plain(error)}", soft_wrap=True)
        _leave(1)


def _leave(status: int) -> NoReturn:
    """End the process at once: for Python to take apart all that was imported takes as long as applying a delivery.

    Everything that had to be closed is; only what was printed may still be on its way.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads it, or the disk is full: Python tells of that in its own way
        sys.exit(status)
    os._exit(status)


if __name__ == "__main__":
    main()
