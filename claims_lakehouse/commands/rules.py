"""`claims rules`: the rules that decide claims, trying others, and putting them in force.

What needs an import of its own imports it when called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claims_lakehouse.commands.decision_report import days_decided, print_decided, print_json, print_table
from claims_lakehouse.commands.ingestion import reader, settle_decisions, user
from claims_lakehouse.commands.issue_report import counted
from claims_lakehouse.commands.options import BecauseOption, HomeOption, JsonOption, LandingOption
from claims_lakehouse.commands.report import plain, progress, short
from claims_lakehouse.commands.rule_report import called, print_comparison, print_rule_set, print_rule_sets
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings

if TYPE_CHECKING:
    from claims_lakehouse.adjudication.golden import Case
    from claims_lakehouse.adjudication.rule_set import RuleSet
    from claims_lakehouse.adjudication.rule_sets import Adopted

rules_app = typer.Typer(name="rules", rich_markup_mode="rich", add_completion=False)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A rule set, as `claims rules export` writes one.")]
GoldenOption = Annotated[
    Path | None,
    typer.Option("--golden", metavar="DIR", help=r"Golden claims of your own. \[default: those of the lakehouse]"),
]


@rules_app.callback(invoke_without_command=True)
def rules(context: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Look at the rules that decide claims, try others on golden claims and on what was decided, put them in force.

    Without a command of its own it is `claims rules list`. To change rules: `export` those in force to a file, change
    it, `check` and `compare` it, `adopt` it.
    """
    if context.invoked_subcommand is None:
        _list(Settings.from_environment(home=home), as_json)
    elif any(source and source.name != "DEFAULT" for source in map(context.get_parameter_source, context.params)):
        told = context.invoked_subcommand
        raise UsageError(f"Options stand after the command: claims rules {told} --option, not --option {told}.")


@rules_app.command("list")
def list_them(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the rule sets in force, each from its first received day until the next one's.

    For machines: claims rules list --json
    """
    _list(Settings.from_environment(home=home), as_json)


def _list(settings: Settings, as_json: bool) -> None:
    found = _in_force(settings)
    print_rule_sets(found, as_json=as_json)
    if not found:
        progress.print("None is adopted yet: the first decision adopts the standard rule set.")


@rules_app.command()
def show(
    rule_set: Annotated[
        str | None,
        typer.Argument(metavar="[RULE_SET]", help=r"Its id, or how no other begins, or its name. \[default: today's]"),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show a rule set: its rules in order, and what every amount that is not paid is called.

    The first rule that denies a line decides; those that have it wait count where none denies it. Rules about the
    patient's other lines are asked after the others. As machines read them: claims rules show standard --json
    """
    from claims_lakehouse.adjudication.rule_set import ADJUSTMENTS

    chosen = _chosen(Settings.from_environment(home=home), rule_set)
    print_rule_set(chosen, ADJUSTMENTS, as_json=as_json)


@rules_app.command()
def facts(as_json: JsonOption = False, home: HomeOption = None) -> None:  # of every lakehouse they are the same
    """List what a rule's condition can read of a line.

    A condition is one expression in SQL over facts. In a file of rules: when = "days_to_receipt > filing_days"
    """
    from claims_lakehouse.adjudication.facts import FACTS

    if as_json:
        print_json([fact._asdict() for fact in FACTS])
        return
    rows = [(fact.name, fact.sql_type, "yes" if fact.is_beside else "", fact.meaning) for fact in FACTS]
    print_table("What a rule's condition can read", ("fact", "type", "of other lines", "what it says"), rows)


@rules_app.command()
def check(
    file: FileArgument,
    golden: GoldenOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,  # it needs none: it is taken as its siblings take it
) -> None:
    """Read a rule set and decide the golden claims by it; exit status 1 where one comes out differently.

    Golden claims are written by hand, each with what is to come of it. Those of your own stand in a folder:
    claims rules check mine.toml --golden golden/
    """
    from rich.progress import Progress

    from claims_lakehouse.adjudication.golden import check_each
    from claims_lakehouse.adjudication.rule_file import read

    rule_set, cases = read(file), _cases(golden)
    found = []
    with Progress(console=progress, transient=True) as bar:
        each = check_each(cases, rule_set)
        for case, differences in bar.track(each, total=len(cases), description="Deciding golden claims"):
            found += [(case.place, case.name, told) for told in differences]
    if as_json:
        print_json([dict(zip(("file", "case", "difference"), row, strict=True)) for row in found])
    else:
        print_table("Golden claims that come out differently", ("file", "case", "what differs"), found)
    differing = len({row[:2] for row in found})
    by, as_expected = plain(called(rule_set)), len(cases) - differing
    progress.print(f"Golden claims by {by}: {as_expected:,} as expected, {differing:,} otherwise.", soft_wrap=True)
    if found:
        raise typer.Exit(1)


@rules_app.command()
def compare(file: FileArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Decide every line that stands by a rule set, and show what would change; nothing is written.

    All lines are decided by it, whenever they were received; how many of them it decides once it is adopted is said
    last. The example is one of them, claim|line, a patient's data:
    claims rules compare mine.toml
    """
    from rich.progress import Progress

    from claims_lakehouse.adjudication.comparison import compare_rule_set
    from claims_lakehouse.adjudication.rule_file import read

    rule_set = read(file)
    with reader(Settings.from_environment(home=home)) as con, Progress(console=progress, transient=True) as bar:
        task = bar.add_task("Deciding claims by it", total=None)
        with _evaluating(called(rule_set)):
            found = compare_rule_set(con.duckdb, rule_set, lambda done, of: bar.update(task, completed=done, total=of))
    print_comparison(rule_set, found, as_json=as_json)


@rules_app.command()
def adopt(
    file: FileArgument,
    because: BecauseOption,
    golden: GoldenOption = None,
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Put a rule set in force, once it decides every golden claim as expected; then decide what is due by it, publish.

    It decides what is received from its `effective_from` on; what was received before stays decided as it is.
    claims rules adopt mine.toml --golden golden/ --because "the plan's terms of 2025"
    """
    from claims_lakehouse.adjudication import rule_sets
    from claims_lakehouse.adjudication.rule_file import read
    from claims_lakehouse.history.acts import require_reason

    settings = Settings.from_environment(landing, home)
    require_reason(because)
    rule_set, cases = read(file), _cases(golden)
    with progress.status(f"Deciding {counted(len(cases), 'golden claim')} …"), _evaluating(called(rule_set)):
        rule_sets.adopt(settings, rule_set, cases, because=because, who=user())
    since = rule_set.effective_from
    progress.print(f"Adopted {plain(called(rule_set))}: it decides what is received from {since} on.", soft_wrap=True)
    before = days_decided(settings)
    settle_decisions(settings)
    print_decided(settings, before)


@rules_app.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; there may be none yet.")],
    home: HomeOption = None,
) -> None:
    """Write the rule set in force today as a file to start from.

    Give it a version and an `effective_from` of its own before it is adopted: claims rules export mine.toml
    """
    from claims_lakehouse.files import replacing

    rule_set = _chosen(Settings.from_environment(home=home), None)
    if target.exists():
        raise UsageError(f"{target}: found a file, or a folder; expected a name that is free.")
    with replacing(target.absolute()) as path:
        path.write_text(rule_set.text, encoding="utf-8")
    progress.print(f"Wrote {plain(called(rule_set))} to {plain(short(target.absolute()))}.", soft_wrap=True)


def _in_force(settings: Settings) -> list[Adopted]:
    from claims_lakehouse.adjudication.rule_sets import adopted

    return adopted(settings)


def _chosen(settings: Settings, named: str | None) -> RuleSet:
    """The rule set of that id, beginning of an id, or name; without one that of today, the standard one at first."""
    from claims_lakehouse.adjudication.rule_file import standard

    found = _in_force(settings)
    known = [one.rule_set for one in found] or [standard()]
    if named is None:
        today = datetime.now(UTC).date()
        return next((one.rule_set for one in reversed(found) if one.effective_from <= today), known[0])
    meant = [one for one in known if one.digest.startswith(named)] or [one for one in known if one.name == named]
    if len(meant) != 1:
        there = ", ".join(map(called, known))
        raise UsageError(f"{len(meant) or 'No'} rule sets are called '{named}'; there are {there}.")
    return meant[0]


@contextmanager
def _evaluating(what: str) -> Iterator[None]:
    """UsageError where a condition cannot be evaluated, such as a text compared with a number; never the values."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        kind = type(error).__name__
        raise UsageError(f"{what}: found a value or condition that cannot be evaluated ({kind}).") from None


def _cases(golden: Path | None) -> Sequence[Case]:
    from claims_lakehouse.adjudication.golden import read_cases, standard_cases

    return standard_cases() if golden is None else read_cases(golden)
