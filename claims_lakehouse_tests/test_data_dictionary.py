"""The data dictionary is in step with contracts and views, leaves nothing out, and names the rules that really apply."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from claims_lakehouse.contracts import FEEDS, RULES
from claims_lakehouse.serving import comments
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.data_dictionary import PAGE, applied, data_dictionary, may_be_missed, shelves
from claims_lakehouse_tests.notebook import sampled

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+).*?`.*?\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def demo(shared: Path) -> Lakehouse:
    return sampled(shared / "sampled")


def lines(section: str) -> dict[str, list[str]]:
    """The cells of each line of a section's table, by its column."""
    table = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): [cell.replace(r"\|", "|") for cell in cells] for cells in table}


def test_the_page_is_in_step() -> None:
    assert data_dictionary() == TEXT, "run `python -m claims_lakehouse_tests.data_dictionary`"


def test_the_page_changes_with_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(comments._COLUMNS, "version", "Something else.")
    assert data_dictionary() != TEXT


def test_every_table_view_and_macro_of_a_published_file_has_its_section(demo: Lakehouse) -> None:
    published = demo.rows(
        """
        SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'
        UNION SELECT function_name FROM duckdb_functions()
        WHERE schema_name = 'main' AND NOT internal AND function_type LIKE '%macro'
        """
    )
    assert {name for (name,) in published} | {feed.name for feed in FEEDS} == set(SECTIONS)


def test_every_column_of_a_published_table_has_its_type_and_meaning(demo: Lakehouse) -> None:
    columns = demo.rows(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'main'"
    )
    assert len(columns) > 200
    for table, column, kind in columns:
        _, told_type, meaning, *_ = lines(SECTIONS[table])[column]
        assert (told_type, bool(meaning)) == (kind, True), f"{table}.{column}"


def test_every_column_of_a_macro_is_told_of() -> None:
    macros = [shelf for shelf in shelves() if shelf.kind == "macro"]
    assert len(macros) > 15
    for shelf in macros:
        section = SECTIONS[shelf.name]
        like = re.findall(r"Its columns are those of \[`(\w+)`\]", section)
        told = lines(SECTIONS[like[0]]) if like else section
        assert [column.name for column in shelf.columns if column.name not in told] == [], shelf.name
        assert [column.name for column in shelf.columns if not column.meaning] == [], shelf.name


def test_a_contracts_column_is_told_with_all_that_it_declares() -> None:
    for feed in FEEDS:
        told = lines(SECTIONS[feed.name])
        assert list(told) == [column.name for column in feed.columns]
        for column in feed.columns:
            _, kind, meaning, required, accepts, rules, identifies = told[column.name]
            assert (kind, meaning, accepts, identifies) == (
                column.form.sql_type, column.description, column.form.accepts, column.identifies
            )  # fmt: skip
            assert required == ("yes" if column.required else "often empty" if column.often_empty else "no")
            severity = "error" if column.required else "warning"
            assert (f"`missing_value` ({severity})" in rules) is may_be_missed(column)


def test_what_identifies_a_person_is_said_wherever_the_column_goes() -> None:
    for table, column, source, identifies in (
        ("dim_patient", "lname", "`patients.lname`", "name"),
        ("claim_detail", "patient_zipcode", "`patients.zipcode`", "zipcode"),
        ("claim_at_service", "provider_facility_name", "`providers.facility_name`", "name"),
        ("provider", "fname", "`providers.fname`", "name"),
        ("monthly_cost", "visit_type", "`claims.visit_type`", "nothing"),
    ):
        assert lines(SECTIONS[table])[column][3:] == [source, identifies]


def test_every_rule_applies_to_something() -> None:
    assert {one.rule for feed in FEEDS for one in applied(feed)} == set(RULES)


def test_what_verification_finds_is_what_the_page_says_may_be_found(demo: Lakehouse) -> None:
    told = {(feed.name, one.rule.name, one.rule.severity, one.column) for feed in FEEDS for one in applied(feed)}
    found = demo.rows("SELECT DISTINCT feed, rule, severity, column_name FROM issue WHERE rule <> 'unexpected_column'")
    assert len({rule for _, rule, *_ in found}) > 15
    assert set(found) - told == set()


def test_links_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", TEXT):
        assert not target or (PAGE.parent / target).exists(), target
        assert not anchor or anchor in anchors, anchor
