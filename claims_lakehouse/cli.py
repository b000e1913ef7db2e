"""The `claims` command. What needs an import of its own imports it when called: `--help` answers at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from claims_lakehouse.errors import ClaimsLakehouseError, UsageError
from claims_lakehouse.settings import Settings

if TYPE_CHECKING:
    import duckdb

app = typer.Typer(
    name="claims",
    help="The claims lakehouse: from landed files to audited history that anyone can query.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

LandingOption = Annotated[
    Path | None, typer.Option("--landing", help="Where files land. [default: CLAIMS_LANDING or data/landing]")
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The lakehouse's folder. [default: CLAIMS_HOME or data/lakehouse]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one array of objects, for machines.")]

_err = Console(stderr=True, highlight=False)


def _out() -> Console:
    """Tables go to stdout; into a pipe they are as wide as they need to be."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)


@app.command()
def ingest(landing: LandingOption = None, home: HomeOption = None) -> None:
    """Take every new or changed delivery from landing to the published tables.

    Deliveries that stand as they are are left alone; a delivery that cannot be read fails by itself and the others
    go on. Exit status 1 when one failed, 0 otherwise (issues and held deliveries included).
    """
    settings = Settings.from_environment(landing, home)
    if not _ingest(settings):
        raise typer.Exit(1)


@app.command()
def demo(
    patients: Annotated[int, typer.Option(min=1, help="How many patients; claims are ten times as many.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed, other people.")] = 7,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Write realistic sample deliveries, with every kind of defect in them, and ingest them.

    Without --landing and --home everything goes below data/demo, apart from your own data.
    """
    from claims_lakehouse.samples import write_deliveries

    own = "CLAIMS_HOME" in os.environ or "CLAIMS_LANDING" in os.environ
    base = Path("data/demo")
    settings = Settings.from_environment(
        landing or (None if own else base / "landing"), home or (None if own else base / "lakehouse")
    )
    with _err.status(f"Writing sample deliveries of {patients:,} patients …"):
        written = write_deliveries(settings.landing, patients=patients, seed=seed)
    _err.print(f"Wrote {len(written)} files to {settings.landing}")
    ok = _ingest(settings)
    _issue_summary(settings)
    options = "" if own else f" --home {_short(settings.home)}"
    landing_option = "" if own else f" --landing {_short(settings.landing)}"
    out = _out()
    out.print("\nLook around:")
    out.print(f"  claims ui{landing_option}{options}", soft_wrap=True)
    out.print(f"  claims issues{options}", soft_wrap=True)
    out.print(
        f'  claims query{options} "SELECT visit_type, count(*), sum(amount_due) FROM claim_detail GROUP BY ALL"',
        soft_wrap=True,
    )
    out.print(f"  python -c \"import duckdb; print(duckdb.connect('{_short(settings.published)}', read_only=True)"
              ".sql('FROM patient LIMIT 5'))\"", soft_wrap=True)  # fmt: skip
    if not ok:
        raise typer.Exit(1)


@app.command()
def status(
    by_iteration: Annotated[
        bool, typer.Option("--by-iteration", help="One row an iteration, all feeds together.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show the ledger: what became of every delivery."""
    with _reader(Settings.from_environment(home=home)) as con:
        table = "iteration" if by_iteration else "delivery"
        cursor = con.execute(
            f"SELECT * FROM {table} ORDER BY received_at, {table}" + ("" if by_iteration else ", feed")
        )
        _print_rows(cursor, as_json=as_json, title="Iterations" if by_iteration else "Deliveries", hide=_LEDGER_HIDDEN)


@app.command()
def issues(
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    delivery: Annotated[str | None, typer.Option(help="Only this delivery.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    severity: Annotated[str | None, typer.Option(help="Only error or warning.")] = None,
    issue_status: Annotated[
        str | None, typer.Option("--status", help="Only open, resolved, waived or retracted.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most this many; 0 for all.")] = 50,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List what failed verification, and why. The values shown are patients' data: treat them so."""
    filters = {"feed": feed, "delivery": delivery, "rule": rule, "severity": severity, "status": issue_status}
    given = {name: value for name, value in filters.items() if value is not None}
    if feed is not None:
        from claims_lakehouse.contracts import feed_named

        feed_named(feed)
    where = " AND ".join(f"{name} = ${name}" for name in given) or "true"
    with _reader(Settings.from_environment(home=home)) as con:
        total = con.execute(f"SELECT count(*) FROM issue WHERE {where}", given).fetchall()[0][0]
        cursor = con.execute(
            f"SELECT * FROM issue WHERE {where} ORDER BY feed, delivery, row_number, rule, column_name"
            + (f" LIMIT {limit}" if limit else ""),
            given,
        )
        _print_rows(cursor, as_json=as_json, title="Issues", hide=("issue_id",))
    if limit and total > limit:
        _err.print(f"Shown: {limit} of {total:,}. More with --limit, fewer with --feed, --rule, --status …")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement over the published tables.")],
    limit: Annotated[int, typer.Option(min=0, help="At most this many rows in a table; 0 for all.")] = 200,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Ask the published tables. Read-only: SQL cannot write, nor reach any other file."""
    import duckdb

    with _reader(Settings.from_environment(home=home)) as con:
        try:
            cursor = con.execute(sql)
        except duckdb.Error as error:
            raise UsageError(str(error)) from None
        _print_rows(cursor, as_json=as_json, limit=0 if as_json else limit)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Address to bind; there is no sign-in, so think before changing it.")
    ] = "127.0.0.1",
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Open the Dagster UI on this lakehouse, with its daemon; Ctrl-C ends it."""
    import subprocess

    from claims_lakehouse.orchestration.instance import prepare_dagster_home

    settings = Settings.from_environment(landing, home)
    prepare_dagster_home(settings)
    environment = os.environ | {"CLAIMS_LANDING": str(settings.landing), "CLAIMS_HOME": str(settings.home)}
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "claims_lakehouse.definitions",
        "-h",
        host,
        "-p",
        str(port),
    ]
    _err.print(f"Dagster UI at http://{host}:{port} (lakehouse {settings.home})")
    raise typer.Exit(subprocess.call(command, env=environment))


def main() -> None:
    """Run the command; errors that people can act on are told in a line, without a traceback."""
    os.umask(0o077)
    try:
        app(standalone_mode=True)
    except UsageError as error:
        _err.print(f"[red]claims:[/] {_plain(error)}", soft_wrap=True)
        sys.exit(2)
    except ClaimsLakehouseError as error:
        _err.print(f"[red]claims:[/] {_plain(error)}", soft_wrap=True)
        sys.exit(1)


_COUNTS = {
    "rows_landed": "landed",
    "rows_malformed": "malformed",
    "rows_quarantined": "quarantined",
    "rows_duplicate": "duplicate",
    "rows_valid": "valid",
    "versions_added": "versions added",
    "rows_restated": "restated",
}
_LEDGER_HIDDEN = ("fingerprint", "run_id", "loaded_at")


def _ingest(settings: Settings) -> bool:
    """Process what is due and show what became of it; False where a delivery failed."""
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.history.stage import look

    outlook = look(settings)
    failed = {(file.args[0].split(":")[0], ""): str(file) for file in outlook.unplaceable}
    processed: list[tuple[str, str]] = []
    if outlook.due:
        with _err.status("Starting …") as spinner:
            from claims_lakehouse.orchestration.run import runner

            with runner(settings) as run:
                for number, pending in enumerate(outlook.due, 1):
                    spinner.update(
                        f"{number} of {len(outlook.due)}: {pending.feed} {pending.delivery} ({pending.reason}) …"
                    )
                    outcome = run.deliver(feed_named(pending.feed), pending.delivery)
                    processed.append((pending.feed, pending.delivery))
                    if not outcome.ok:
                        failed[pending.feed, pending.delivery] = outcome.error or "the run failed"
                    mark = "[green]✓[/]" if outcome.ok else "[red]✗[/]"
                    _err.print(f"{mark} {pending.feed} {pending.delivery} ({pending.reason})")
                spinner.update("Publishing …")
                published = run.publish()
        if not published.ok:
            raise ClaimsLakehouseError(f"Publication failed, readers keep what they had: {published.error}")
        _show_ledger(settings, processed)
    if outlook.standing and not outlook.due:
        _err.print(f"Nothing to do: {outlook.standing} deliveries stand as they are.")
    elif outlook.standing:
        _err.print(f"{outlook.standing} deliveries stand as they are.")
    elif not outlook.due:
        _err.print(f"Nothing to do: no deliveries in {settings.landing}.")
    for (feed, delivery), error in failed.items():
        _err.print(f"[red]failed:[/] {_plain(f'{feed} {delivery}'.strip())}: {_plain(error)}", soft_wrap=True)
    return not failed


def _show_ledger(settings: Settings, names: list[tuple[str, str]]) -> None:
    with _reader(settings) as con:
        rows = con.execute(f"SELECT feed, delivery, {', '.join(_COUNTS)}, status FROM delivery").fetchall()
    known = {(row[0], row[1]): row for row in rows}
    table = Table(title="What became of the deliveries", title_justify="left")
    for name in ("feed", "delivery"):
        table.add_column(name, overflow="fold")
    for name in _COUNTS.values():
        table.add_column(name, justify="right")
    table.add_column("status")
    for delivery in names:
        row = known.get(delivery)
        if row:
            table.add_row(*(_cell(value) for value in row))
    _out().print(table)


def _issue_summary(settings: Settings) -> None:
    with _reader(settings) as con:
        cursor = con.execute(
            "SELECT feed, rule, severity, status, count(*) AS issues FROM issue"
            " GROUP BY ALL ORDER BY feed, severity, rule, status"
        )
        _print_rows(cursor, as_json=False, title="What verification found")


def _reader(settings: Settings) -> duckdb.DuckDBPyConnection:
    from claims_lakehouse.serving.connect import connect

    return connect(settings.home, confined=True)


def _print_rows(
    cursor: duckdb.DuckDBPyConnection,
    *,
    as_json: bool,
    title: str = "",
    hide: tuple[str, ...] = (),
    limit: int = 0,
) -> None:
    names = [column[0] for column in cursor.description or []]
    if as_json:
        rows = cursor.fetchall()
        json.dump([dict(zip(names, row, strict=True)) for row in rows], sys.stdout, default=str, indent=1)
        sys.stdout.write("\n")
        return
    rows = cursor.fetchmany(limit + 1) if limit else cursor.fetchall()
    shown = [place for place, name in enumerate(names) if name not in hide]
    table = Table(title=title or None, title_justify="left")
    for place in shown:
        numeric = bool(rows) and isinstance(rows[0][place], int | float) and not isinstance(rows[0][place], bool)
        table.add_column(names[place].removeprefix("rows_").replace("_", " ") if hide else names[place],
                         justify="right" if numeric else "left", overflow="fold")  # fmt: skip
    for row in rows[:limit] if limit else rows:
        table.add_row(*(_cell(row[place]) for place in shown))
    _out().print(table)
    if limit and len(rows) > limit:
        _err.print(f"Shown: the first {limit} rows. More with --limit.")


def _cell(value: Any) -> str:
    return (
        ""
        if value is None
        else _plain(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value)
    )


def _plain(value: object) -> str:
    """A text from outside as rich is to print it: no markup, no control characters."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(value)))


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    main()
