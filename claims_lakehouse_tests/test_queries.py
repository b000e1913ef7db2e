"""docs/queries.md has every question of the notebook in SQL, and each of them runs in plain DuckDB."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer.main

from claims_lakehouse.cli import app
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse, patient
from claims_lakehouse_tests.notebook import committed, delivered, sampled

PAGE = REPOSITORY / "docs" / "queries.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SQL = "\n".join(block for language, block in BLOCKS if language == "sql")


@pytest.fixture(scope="module")
def demo(shared: Path) -> Lakehouse:
    return sampled(shared / "sampled")


def on_one_line(sql: str) -> str:
    return " ".join(sql.split()).rstrip(";")


def notebook_queries() -> Iterator[str]:
    """Every query of the notebook, its parameters as the page has them."""
    for cell in committed().cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and called(node) in ("polars", "pick"):
                    [sql, *_] = node.args
                    if isinstance(sql, ast.Constant):
                        yield re.sub(r"\$(\w+)", r"getvariable('\1')", str(sql.value))


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def answers(con: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
    """The rows of each question of the page, asked from top to bottom."""
    found = []
    for statement in duckdb.extract_statements(SQL):
        rows = con.execute(statement).fetchall()
        if statement.type == duckdb.StatementType.SELECT:
            found.append(rows)
    return found


def opened(lakehouse: Lakehouse) -> duckdb.DuckDBPyConnection:
    """The published file as the plain `duckdb` program opens it."""
    return duckdb.connect(str(lakehouse.settings.published), read_only=True)


def attached(lakehouse: Lakehouse) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"ATTACH '{lakehouse.settings.published}' AS claims (READ_ONLY)")
    return con


def test_every_query_of_the_notebook_is_on_the_page() -> None:
    queries = [on_one_line(query) for query in notebook_queries()]
    assert len(queries) > 15
    assert [query for query in queries if query not in on_one_line(SQL)] == []


def test_on_samples_every_question_has_an_answer(demo: Lakehouse) -> None:
    with opened(demo) as con:
        found = answers(con)
    assert len(found) == SQL.count(";\n") - SQL.count("SET VARIABLE") - SQL.count("CREATE TEMP TABLE")
    assert [place for place, rows in enumerate(found) if not rows] == []


def test_attached_it_answers_the_same(demo: Lakehouse) -> None:
    with opened(demo) as con, attached(demo) as other:
        other.execute("USE claims")
        assert answers(other) == answers(con)


def test_macros_of_an_attached_file_need_use(demo: Lakehouse) -> None:
    with attached(demo) as con:
        with pytest.raises(duckdb.CatalogException):
            con.execute("FROM claims.patient_as_of(DATE '2024-01-01')")
        con.execute("USE claims")
        assert con.execute("FROM patient_as_of(DATE '2024-01-01')").fetchall()


def test_what_was_so_is_not_what_was_known(demo: Lakehouse) -> None:
    with opened(demo) as con:
        compared = [rows for rows in answers(con) if rows[0][0] in ("so on the day", "made on the day")]
    assert len(compared) == 2
    for one, other in compared:
        assert (one[1], one[1:] == other[1:]) == (other[1], False)


def test_on_next_to_nothing_every_question_can_be_asked(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    with opened(lakehouse) as con:
        assert any(not rows for rows in answers(con))


def test_on_the_deliveries_in_shared_every_question_can_be_asked(flexion: Path, shared: Path) -> None:
    with opened(delivered(shared / "delivered")) as con:
        found = answers(con)
    assert [place for place, rows in enumerate(found) if not rows] == [len(found) - 2], "nothing was corrected"


def test_amounts_are_exact_as_the_page_says(demo: Lakehouse) -> None:
    with opened(demo) as con:
        described = con.execute("SELECT DISTINCT typeof(total_cost) FROM monthly_cost").fetchall()
        assert described == [("DECIMAL(38,2)",)]
        assert con.execute("SELECT DISTINCT typeof(amount_due) FROM unbilled_claims()").fetchall() == [
            ("DECIMAL(12,2)",)
        ]


def test_the_version_that_it_asks_for_is_ours() -> None:
    major = duckdb.__version__.split(".")[0]
    assert f"DuckDB {major}.0 or newer" in TEXT


def test_the_commands_exist() -> None:
    typed = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
    inline = re.findall(r"`(claims \w+ [^`]+)`", TEXT)
    command: Any = typer.main.get_command(app)
    for line in (*typed, *inline):
        _, name, *arguments = shlex.split(line)
        command.commands[name].make_context(name, arguments)
    assert len(typed) + len(inline) >= 2


def test_the_names_in_its_words_exist(demo: Lakehouse) -> None:
    words = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = set(re.findall(r"`(?:claims\.)?([a-z]+_[a-z_]+)(?:\([^`]*\))?`", words))
    with opened(demo) as con:
        known = {row[0] for row in con.execute("SELECT column_name FROM duckdb_columns()").fetchall()}
        known |= {row[0] for row in con.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
        known |= {row[0] for row in con.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    assert named - known - {"changed_on"} == set()
    assert {"patient_as_of", "patient_as_known", "claim_at_service"} <= named


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (PAGE.parent / target).exists(), target
