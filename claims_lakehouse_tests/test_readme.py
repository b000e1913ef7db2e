"""The README keeps its word: its table is in step, its code runs, and what it tells people to type exists."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer.main
from typer.testing import CliRunner

import claims_lakehouse
from claims_lakehouse.cli import app
from claims_lakehouse.commands import lakehouse
from claims_lakehouse.contracts import FEEDS, RULES
from claims_lakehouse.samples import write_deliveries
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse, claim, patient, provider
from claims_lakehouse_tests.rule_table import README, rule_table, with_rule_table

TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [block for found, block in BLOCKS if found == language]


def lines(command: str) -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.split()[0] == command]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    base = tmp_path_factory.mktemp("readme")
    found = Lakehouse(base)
    found.settings = Settings(base / "data" / "landing", base / "data" / "lakehouse")
    found.settings.landing.mkdir(parents=True)
    found.land("patients", "priming", [patient(), patient(patient_id="2000U", lname="Moss", zipcode="x")])
    found.land("patients", "2024-03-01", [patient(city="Later", last_modified_date="1/1/2020")])
    found.land("providers", "priming", [provider(), provider(provider_id="N3T200A")])
    billed = claim()
    waiting = claim(claim_id="CF#2", billed="F", visit_type="routine", coverage_type="50", provider_id="N3T200A")
    found.land("claims", "priming", [billed, waiting])
    assert set(found.ingest().values()) == {None}
    return found


@pytest.fixture
def lake(filled: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """A lakehouse where the README says that it is: below the current folder. Only read from."""
    monkeypatch.chdir(filled.settings.home.parents[1])
    return filled


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"mermaid", "sh", "python", "sql"}


def test_the_table_of_rules_is_in_step_with_the_contracts() -> None:
    assert with_rule_table(TEXT) == TEXT


def test_the_table_has_every_rule_and_leaves_nothing_to_fill_in() -> None:
    _, _, *rows = rule_table().splitlines()
    assert [tuple(row.split(" | ")[:2]) for row in rows] == [(f"| `{rule.name}`", rule.severity) for rule in RULES]
    assert not re.search(r"[{}]", rule_table())
    assert not re.search(r"expected[ .]*\.? \|", rule_table())


def test_a_readme_without_markers_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="found no markers"):
        with_rule_table("# Something else\n")


@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_runs_and_finds_rows(lake: Lakehouse, block: str) -> None:
    names: dict[str, Any] = {}
    try:
        exec(compile(block, "README.md", "exec"), names)
        found = [names[name] for name in ("unbilled", "patients") if name in names]
        assert [len(rows) for rows in found] == [1]
    finally:
        names["con"].close()


def ask(block: str) -> list[list[tuple[Any, ...]]]:
    with claims_lakehouse.connect() as con:
        return [con.execute(one.query).fetchall() for one in duckdb.extract_statements(block)]


def test_every_example_is_asked_below() -> None:
    assert len(blocks("sql")) == 4


def test_the_claims_not_billed_yet(lake: Lakehouse) -> None:
    [[row]] = ask(blocks("sql")[0])
    assert row[0] == "CF#2"
    assert row[3:] == ("Ann", "Ward", "482 Quail Street", "Later", "Arkansas", "72201", "Scott", "Dawson")


def test_the_providers_with_fully_covered_claims_of_30_days(lake: Lakehouse) -> None:
    [found] = ask(blocks("sql")[1])
    assert [row[0] for row in found] == ["N3T100A"]
    for day, expected in (("2019-01-03", 1), ("2019-02-02", 1), ("2019-02-03", 0), ("2019-01-02", 0)):
        [found] = ask(blocks("sql")[1].replace("2019-01-31", day))
        assert len(found) == expected, day


def test_the_patients_who_had_surgery_with_a_provider(lake: Lakehouse) -> None:
    [found] = ask(blocks("sql")[2])
    assert [row[0] for row in found] == ["1000U"]
    assert ask(blocks("sql")[2].replace("N3T100A", "N3T200A")) == [[]]


def test_where_a_patient_lived_and_what_we_believed(lake: Lakehouse) -> None:
    [[valid], [known], [believed]] = ask(blocks("sql")[3])
    assert (valid[0], valid[2]) == ("1000U", "Little Rock")
    assert (known[0], known[2]) == ("1000U", "Little Rock")
    assert (believed[0], believed[2]) == ("1000U", "Little Rock")
    [_, [later], _] = ask(blocks("sql")[3].replace("2024-02-01", "2024-03-01"))
    assert later[2] == "Later"


@pytest.mark.parametrize("line", lines("make"))
def test_what_make_is_told_to_make_can_be_made(line: str) -> None:
    _, *targets = shlex.split(line)
    for target in targets:
        assert re.search(rf"^{target}:.*##", MAKEFILE, re.MULTILINE), target


def test_every_target_for_people_is_in_the_readme() -> None:
    offered = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
    told = {target for line in lines("make") for target in line.split()[1:]}
    parts_of_check = {"lint", "types"}
    assert offered - told - parts_of_check == set()


@pytest.mark.parametrize("line", lines("claims"))
def test_a_command_and_its_options_exist(line: str) -> None:
    command: Any = typer.main.get_command(app)
    _, name, *arguments = shlex.split(line)
    command = command.commands[name]
    if arguments and arguments[0] in getattr(command, "commands", {}):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(name, arguments)


ACTS = ("show", "waive", "reopen", "export", "import")  # about an issue, or a file, that is not there
QUESTIONS = [one for one in lines("claims") if one.split()[1] in ("status", "issues", "query")]


@pytest.mark.parametrize("line", [one for one in QUESTIONS if one.split()[2:3] not in [[act] for act in ACTS]])
def test_a_question_to_the_command_is_answered(lake: Lakehouse, line: str) -> None:
    outcome = CliRunner().invoke(app, shlex.split(line)[1:])
    assert outcome.exit_code == 0, outcome.output
    assert len(outcome.stdout.splitlines()) > (1 if "--format csv" in line else 3)


def test_every_command_is_in_the_readme() -> None:
    command: Any = typer.main.get_command(app)
    assert [name for name in command.commands if f"claims {name}" not in TEXT and f"make {name}" not in TEXT] == []


def test_nothing_but_make_and_claims_is_asked_for() -> None:
    assert {line.split()[0] for block in blocks("sh") for line in block.splitlines()} == {"make", "claims"}


def test_the_tables_and_macros_that_it_names_exist(lake: Lakehouse) -> None:
    with claims_lakehouse.connect() as con:
        tables = {row[0] for row in con.execute("SELECT table_name FROM information_schema.tables").fetchall()}
        macros = {row[0] for row in con.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    for feed in FEEDS:
        assert {feed.table, feed.entity, feed.restated_table} <= tables
        assert {f"{feed.entity}_as_of", f"{feed.entity}_as_known"} <= macros
        assert f"`{feed.table}`" in TEXT
    assert {"claim_detail", "issue", "delivery", "iteration", "delivery_log"} <= tables


def test_the_rooms_that_it_names_exist_and_none_is_left_out() -> None:
    named = re.findall(r"^\| `(claims_lakehouse/\w+|claims_lakehouse_tests|benchmarks)` \|", TEXT, re.MULTILINE)
    assert [name for name in named if not (REPOSITORY / name).is_dir()] == []
    package = REPOSITORY / "claims_lakehouse"
    rooms = {f"claims_lakehouse/{path.parent.name}" for path in package.glob("*/__init__.py")}
    assert rooms <= set(named)


def test_the_claims_and_payees_that_people_are_told_to_try_are_the_demos(tmp_path: Path) -> None:
    options = inspect.signature(lakehouse.demo).parameters
    written = write_deliveries(tmp_path, patients=options["patients"].default, seed=options["seed"].default, days=7)
    claims = "".join(path.read_text(errors="replace") for path in written if path.parent.name == "medical_claims")
    told = [TEXT, *((REPOSITORY / "docs" / name).read_text() for name in ("adjudication.md", "payments.md"))]
    told += [path.read_text() for path in (REPOSITORY / "claims_lakehouse" / "commands").glob("*.py")]
    named = set(re.findall(r"\bMC[0-9]{6,}|(?<=payments show 2024-02-01 )[0-9]{10}", "".join(told[:3])))
    assert len(named) > 4
    assert {one for one in named if not re.search(rf"\b{one}\b", claims)} == set()
    in_help = set(re.findall(r"\bMC[0-9]{6,}", "".join(told[3:])))
    assert in_help <= named


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (REPOSITORY / target).exists(), target


def test_its_settings_are_those_that_the_code_reads() -> None:
    source = "".join(path.read_text() for path in (REPOSITORY / "claims_lakehouse").rglob("*.py"))
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE))
    assert named == set(re.findall(r'"((?:CLAIMS|DAGSTER)_[A-Z_]+)"', source))
