"""The notebook runs from start to end on samples, on real deliveries and on next to nothing, and keeps no output."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.notebook import (
    NOTEBOOK,
    CellFailed,
    committed,
    delivered,
    execute,
    sampled,
    without_network,
)

CHARTS = ("history", "cost", "backlog", "issues")


class Executed:
    """What an executed notebook shows, by the cell's id."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self.lakehouse = lakehouse
        self.cells = {cell.id: cell for cell in execute(committed(), lakehouse.settings).cells}

    def text(self, cell: str) -> str:
        outputs = self.cells[cell].outputs
        return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)

    def pictures(self, cell: str) -> list[str]:
        shown = [output.get("data", {}) for output in self.cells[cell].outputs]
        return [data["image/svg+xml"] for data in shown if "image/svg+xml" in data]

    def rows(self, cell: str) -> int:
        """How many rows the cell's last table has."""
        return int(re.findall(r"shape: \((\d+), ", self.text(cell))[-1])

    def all_text(self) -> str:
        return "\n".join(self.text(name) for name, cell in self.cells.items() if cell.cell_type == "code")


@pytest.fixture(scope="module")
def demo(shared: Path) -> Executed:
    return Executed(sampled(shared / "sampled"))


def code_cells() -> list[Any]:
    return [cell for cell in committed().cells if cell.cell_type == "code"]


def said_if_empty() -> list[str]:
    """What the notebook says where it has nothing to show."""
    calls = [node for cell in code_cells() for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    shown = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "show"]
    assert all(isinstance(words, ast.Constant) for words in shown)
    return [words.value for words in shown if isinstance(words, ast.Constant)]


def test_it_is_committed_without_output() -> None:
    nbformat.validate(committed())
    assert (committed().nbformat, set(committed().metadata)) == (4, {"kernelspec", "language_info"})
    assert [cell.id for cell in code_cells() if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in committed().cells if cell.metadata] == []


def test_words_stand_before_every_cell_of_code() -> None:
    cells = committed().cells
    assert [cell.id for before, cell in pairwise(cells) if cell.cell_type == before.cell_type == "code"] == []


def test_on_samples_every_question_has_an_answer(demo: Executed) -> None:
    assert [words for words in said_if_empty() if words in demo.all_text()] == []
    assert "No row is quarantined" not in demo.all_text()
    assert f"Reading {demo.lakehouse.settings.published}" in demo.text("open")


def test_the_three_questions_are_answered_right(demo: Executed) -> None:
    unbilled = demo.lakehouse.rows("SELECT count(*) FROM fact_claim WHERE is_current AND NOT billed")[0][0]
    assert demo.rows("unbilled") == unbilled > 0
    day = re.findall(r"The day: (\S+)", demo.text("covered"))[0]
    covered = "coverage_type = 100 AND claim_date BETWEEN CAST($1 AS DATE) - 30 AND CAST($1 AS DATE)"
    providers = f"SELECT count(DISTINCT provider_id) FROM claim SEMI JOIN provider USING (provider_id) WHERE {covered}"
    assert demo.rows("covered") == demo.lakehouse.rows(providers, day)[0][0] > 0
    operated = demo.lakehouse.rows(
        """
        SELECT count(DISTINCT patient_id), count(DISTINCT patient_id) FILTER (patient_id IN (SELECT patient_id FROM patient))
        FROM claim WHERE visit_type = 'surgery' GROUP BY provider_id
        """
    )
    most = max(patients for patients, _ in operated)
    assert demo.rows("surgery") in {known for patients, known in operated if patients == most}


def test_charts_are_drawn_as_pictures(demo: Executed) -> None:
    for cell in CHARTS:
        assert len(demo.pictures(cell)) == 1, cell
    assert "specialty" in demo.pictures("cost")[0]
    assert "malformed_row" in demo.pictures("issues")[0]
    assert "http" not in "".join(re.sub(r"http://www.w3.org/\S+", "", demo.pictures(cell)[0]) for cell in CHARTS)


def test_what_was_so_and_what_was_known_are_shown_beside_each_other(demo: Executed) -> None:
    for cell, told in (("late", ("so on the day", "known on the day")), ("both", ("made on the day", "made now"))):
        assert demo.rows(cell) == 2
        assert [words for words in told if words not in demo.text(cell)] == []


def test_the_quarantined_row_is_traced_to_its_line(demo: Executed) -> None:
    file, line = re.findall(r"It stands in (\S+), at line (\d+)\.", demo.text("example"))[0]
    feed, row = re.findall(r"Row (\d+) of (\w+) ", demo.text("example"))[0][::-1]
    assert (demo.lakehouse.settings.landing / file).is_file()
    assert file.startswith(feed)
    assert 1 < int(line) <= int(row) + 1


def test_a_correction_is_shown_with_its_reason(demo: Executed) -> None:
    assert "phoned the practice" in demo.text("corrections")


def test_on_next_to_nothing_it_says_so_in_words(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path)
    lakehouse.land("patients", "priming", [patient()])
    lakehouse.ingest()
    lone = Executed(lakehouse)
    there = ("Nothing was delivered yet.", "There are no patients yet.", "Nothing was found of it.")
    assert [words for words in said_if_empty() if words not in lone.all_text()] == list(there)
    assert "No row is quarantined." in lone.text("example")
    assert [cell for cell in CHARTS if lone.pictures(cell)] == ["history"]


def test_it_runs_on_the_deliveries_in_shared(flexion: Path, shared: Path) -> None:
    real = Executed(delivered(shared / "delivered"))
    unbilled = real.lakehouse.rows("SELECT count(*) FROM fact_claim WHERE is_current AND NOT billed")[0][0]
    assert real.rows("unbilled") == unbilled > 0
    assert [cell for cell in CHARTS if real.pictures(cell)] == list(CHARTS)
    assert "Nothing was corrected by hand." in real.text("corrections")


@pytest.mark.parametrize("folder", ["notebooks", "."])
def test_it_finds_your_own_lakehouse_or_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    def opened() -> Settings:
        names: dict[str, Any] = {}
        exec(compile(code_cells()[0].source, NOTEBOOK.name, "exec"), names)
        names["con"].close()
        found: Settings = names["settings"]
        return found

    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / folder)
    with pytest.raises(UsageError, match="Nothing is published"):
        opened()
    for base in (tmp_path / "data" / "demo", tmp_path / "data"):
        lakehouse = Lakehouse(base)
        lakehouse.settings = Settings(base / "landing", base / "lakehouse")
        lakehouse.ingest()
        assert opened() == lakehouse.settings


def code(source: str) -> Any:
    return new_notebook(cells=[new_markdown_cell("One cell"), new_code_cell(source)])


def test_the_kernel_has_no_network(lakehouse: Lakehouse) -> None:
    if not without_network():
        pytest.skip("this system lets nobody start a program without a network")
    ran = execute(code("import socket\nprint(socket.if_nameindex())"), lakehouse.settings)
    assert re.findall(r"'(\w+)'", ran.cells[1].outputs[0].text) == ["lo"]


def test_a_cell_that_fails_fails_the_run(lakehouse: Lakehouse) -> None:
    with pytest.raises(CellExecutionError, match="no such thing"):
        execute(code("raise ValueError('no such thing')"), lakehouse.settings)


def test_what_cannot_be_shown_fails_the_run(lakehouse: Lakehouse) -> None:
    unshowable = "class Chart:\n    def _repr_svg_(self):\n        raise ValueError('no such thing')\ndisplay(Chart())"
    with pytest.raises(CellFailed, match="no such thing"):
        execute(code(unshowable), lakehouse.settings)
