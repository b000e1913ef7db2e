"""The `claims` command. What needs an import of its own imports it when called: `--help` answers at once."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from claims_lakehouse.decision_commands import adjudicate, explain
from claims_lakehouse.decision_report import print_last_decisions
from claims_lakehouse.errors import ClaimsLakehouseError, UsageError
from claims_lakehouse.ingestion import (
    carry_out,
    correct_row,
    ingest_due,
    purge_delivery,
    reader,
    rebuild_warehouse,
    show_issue_summary,
    user,
)
from claims_lakehouse.issue_commands import issues_app
from claims_lakehouse.options import (
    BecauseOption,
    DeliveryArgument,
    FeedArgument,
    HomeOption,
    JsonOption,
    LandingOption,
    YesOption,
    one_of,
)
from claims_lakehouse.payment_commands import payments_app
from claims_lakehouse.report import COUNTS, plain, print_rows, progress, short
from claims_lakehouse.review_commands import review_app
from claims_lakehouse.rule_commands import rules_app
from claims_lakehouse.settings import Settings, has_home, has_landing, small_areas

app = typer.Typer(
    name="claims",
    help="The claims lakehouse: from landed files to audited history that anyone can query.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(issues_app)
app.add_typer(payments_app)
app.add_typer(review_app)
app.add_typer(rules_app)


@app.command()
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
    go on. Exit status 1 when one failed, 0 otherwise (issues and held deliveries included).
    """
    settings = Settings.from_environment(landing, home)
    if not ingest_due(settings, decided_only=decided):
        raise typer.Exit(1)


@app.command()
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
    from claims_lakehouse.demo_report import print_demo_payments, print_look_around
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


@app.command()
def status(
    by_iteration: Annotated[
        bool, typer.Option("--by-iteration", help="One row an iteration, all feeds together.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show the ledger: what became of every delivery."""
    from claims_lakehouse.serving.connect import ask

    with reader(Settings.from_environment(home=home)) as con:
        table = "iteration" if by_iteration else "delivery"
        rows = ask(con, f"SELECT * FROM {table} ORDER BY received_at, {table}" + ("" if by_iteration else ", feed"))
        title = "Iterations" if by_iteration else "Deliveries"
        print_rows(rows, as_json=as_json, title=title, hide=_HIDDEN, names=COUNTS)


@app.command()
def trace(
    feed: FeedArgument,
    key: Annotated[str | None, typer.Argument(help="The record's key, as in the tables: 1000U.")] = None,
    delivery: Annotated[str | None, typer.Option(help="With --row: a delivery's key, in place of a record's.")] = None,
    row: Annotated[int | None, typer.Option(min=1, help="With --delivery: which of its rows.")] = None,
    as_json: JsonOption = False,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Show where a record's versions came from, or what became of a landed row.

    Each version with what it changed, its delivery, file and line, and the run that applied it; then every other row
    about the record: what said the same again, what was quarantined, and why. The values shown are patients' data.
    """
    from claims_lakehouse.contracts import feed_named
    from claims_lakehouse.serving.trace import trace as trace_record
    from claims_lakehouse.serving.trace import trace_row
    from claims_lakehouse.trace_report import print_row, print_trace

    known, settings = feed_named(feed), Settings.from_environment(landing, home)
    with reader(settings) as con:
        if key is not None and delivery is None and row is None:
            print_trace(trace_record(con, settings, known, key), as_json=as_json)
        elif key is None and delivery is not None and row is not None:
            print_row(trace_row(con, settings, known, delivery, row), as_json=as_json)
        else:
            raise UsageError("Name a record, or a row: claims trace FEED KEY, or FEED --delivery D --row N.")


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement over the published tables.")],
    limit: Annotated[int, typer.Option(min=0, help="At most this many rows in a table; 0 for all.")] = 200,
    form: Annotated[
        str, typer.Option("--format", help="table, csv, json or parquet; all but table give every row.")
    ] = "table",
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Ask the published tables. Read-only: SQL cannot write, nor reach any other file.

    Parquet goes to standard output too: claims query --format parquet "FROM claim" > claims.parquet
    """
    from claims_lakehouse.serving.connect import ask

    one_of("format", form, ["table", "csv", "json", "parquet"])
    as_json = as_json or form == "json"
    with reader(Settings.from_environment(home=home)) as con:
        if form in ("csv", "parquet"):
            from claims_lakehouse.serving.export import write_answer

            if form == "parquet" and sys.stdout.isatty():
                raise UsageError("Parquet is nothing to look at: send it into a file, > answer.parquet")
            write_answer(con, sql, "csv" if form == "csv" else "parquet", sys.stdout.buffer)
        else:
            print_rows(ask(con, sql, limit=0 if as_json else limit), as_json=as_json, limit=limit, grouped=False)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; each table becomes a folder.")],
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this table or view; may be given again. [default: all]")
    ] = None,
    partition_by: Annotated[
        list[str] | None,
        typer.Option("--partition-by", help="Lay files out as column=value folders; may be given again."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write published tables and views as Parquet, for Spark, Polars and others. The values are patients' data."""
    from claims_lakehouse.serving.connect import connect
    from claims_lakehouse.serving.export import export as export_tables
    from claims_lakehouse.serving.export import tables

    with connect(Settings.from_environment(home=home).home) as con:
        done = export_tables(
            con,
            target,
            table or tables(con),
            partition_by or (),
            lambda one: progress.print(f"{one.table}: {one.rows:,} rows"),
        )
    progress.print(f"Wrote {len(done)} table{'s' * (len(done) != 1)} to {short(target.absolute())}.")


@app.command()
def deidentify(home: HomeOption = None) -> None:
    """Make the de-identified edition, or make it anew: HIPAA's Safe Harbor method, 45 CFR 164.514(b)(2).

    Once there is one, every publication renews it. Record ids leave as random tokens; the crosswalk that knows them,
    crosswalk.parquet, stays with the warehouse and belongs in every backup.
    """
    from claims_lakehouse.serving.deidentify import deidentify as make_edition
    from claims_lakehouse.serving.deidentify import read_areas

    with progress.status("Making the de-identified edition …"):
        edition = make_edition(Settings.from_environment(home=home), areas=read_areas(small_areas()))
    for table, rows in edition.rows.items():
        progress.print(f"{table}: {rows:,} rows")
    progress.print(f"De-identified edition of {edition.year}: {short(edition.path)}", soft_wrap=True)


@app.command()
def release(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Let a held delivery go on. The release binds to its content: other content is checked anew."""
    _act("release", Settings.from_environment(landing, home), feed, delivery, because)


@app.command()
def retract(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Take a delivery out: the tables become what they were had it never come. Nothing is deleted from disk."""
    _act("retract", Settings.from_environment(landing, home), feed, delivery, because)


@app.command()
def reinstate(
    feed: FeedArgument,
    delivery: DeliveryArgument,
    because: BecauseOption,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Undo a retraction."""
    _act("reinstate", Settings.from_environment(landing, home), feed, delivery, because)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to bind. There is no sign-in: think first.")] = "127.0.0.1",
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Open the Dagster UI on this lakehouse, with its sensors; Ctrl-C ends it."""
    from claims_lakehouse.orchestration.serve import serve

    settings = Settings.from_environment(landing, home)
    progress.print(
        f"Dagster UI at http://{host}:{port} on {short(settings.home)}; files land in {short(settings.landing)}"
    )
    raise typer.Exit(serve(settings, host, port))


@app.command()
def desk(
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 8020,
    host: Annotated[str, typer.Option(help="Address to bind. Beyond this machine a sign-in is needed.")] = "127.0.0.1",
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Open the verification desk: see what failed, correct it, waive it; Ctrl-C ends it.

    On this machine whoever opens it needs no sign-in. For others CLAIMS_DESK_SIGN_IN names how people sign in: proxy or
    oidc (docs/desk.md).
    """
    from claims_lakehouse.desk.web.serve import serve

    settings = Settings.from_environment(landing, home)
    told = f"Verification desk at http://{host}:{port} on {short(settings.home)}; Ctrl-C ends it."
    serve(settings, host, port, lambda: progress.print(told, soft_wrap=True))


app.command()(adjudicate)
app.command()(explain)


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


_HIDDEN = ("fingerprint", "run_id", "loaded_at")
if __name__ == "__main__":
    main()
