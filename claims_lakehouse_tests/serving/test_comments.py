"""Any SQL tool shows what a table, a view, a macro and each of their columns mean."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandera.polars as pa
import polars as pl
import pytest

from claims_lakehouse.contracts import CLAIMS, FEEDS, PATIENTS, Feed, Field
from claims_lakehouse.contracts.formats import DATE, FLAG, TEXT
from claims_lakehouse.history.application import Application
from claims_lakehouse.history.ledger import write_ledger_row
from claims_lakehouse.serving import comments
from claims_lakehouse.serving.connect import connect
from claims_lakehouse.serving.views import create_views, views_version
from claims_lakehouse.warehouse.schema import create_schema, feed_ddl
from claims_lakehouse_tests.builders import Lakehouse, moment

UNDESCRIBED = """
SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND nullif(trim(comment), '') IS NULL
UNION ALL SELECT view_name FROM duckdb_views()
WHERE schema_name = 'main' AND NOT internal AND nullif(trim(comment), '') IS NULL
UNION ALL SELECT function_name FROM duckdb_functions()
WHERE schema_name = 'main' AND NOT internal AND nullif(trim(comment), '') IS NULL
UNION ALL SELECT table_name || '.' || column_name FROM duckdb_columns()
WHERE schema_name = 'main' AND NOT internal AND nullif(trim(comment), '') IS NULL
"""


class Referrals(pa.DataFrameModel):
    """One provider's word that another should see a patient."""

    patient_id: str = Field(TEXT, "Who is referred.", required=True, identifies="id")
    referred_on: pl.Date = Field(
        DATE, "Day of the referral; isn't the day of the visit.", required=True, identifies="date"
    )
    urgent: bool = Field(FLAG, "Whether it can't wait.", identifies="nothing")


class Blocked(pa.DataFrameModel):
    """A patient whose data is not to be shown."""

    patient_id: str = Field(TEXT, "Who it is.", required=True, identifies="id")


REFERRALS = Feed("referrals", "referral", "fact", Referrals, key=("patient_id", "referred_on"))
BLOCKED = Feed("blocked", "blocked", "dimension", Blocked, key=("patient_id",))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        create_schema(con)
        yield con


def comment(con: duckdb.DuckDBPyConnection, table: str, column: str) -> str | None:
    asked = "SELECT comment FROM duckdb_columns() WHERE table_name = $table AND column_name = $column"
    [(found,)] = con.execute(asked, {"table": table, "column": column}).fetchall()
    return found


def test_nothing_that_readers_see_is_without_a_comment(lakehouse: Lakehouse) -> None:
    lakehouse.ingest()
    with connect(lakehouse.settings.home) as con:
        assert con.execute(UNDESCRIBED).fetchall() == []
        counted = con.execute("SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal")
        assert counted.fetchall()[0][0] > 200


def test_what_nobody_described_is_found(con: duckdb.DuckDBPyConnection) -> None:
    create_views(con)
    con.execute("CREATE TABLE nobody (knows INTEGER, feed VARCHAR); CREATE MACRO why() AS TABLE SELECT 1")
    create_views(con)
    assert sorted(name for (name,) in con.execute(UNDESCRIBED).fetchall()) == ["nobody", "nobody.knows", "why"]


def test_a_source_column_says_what_its_contract_says_wherever_it_goes(con: duckdb.DuckDBPyConnection) -> None:
    create_views(con)
    for feed in FEEDS:
        for column in feed.columns:
            for table in (feed.table, feed.restated_table, feed.entity):
                assert comment(con, table, column.name) == column.description
    city = PATIENTS.column("city").description
    assert comment(con, "claim_at_service", "patient_city") == f"Patient: {city}"
    assert comment(con, "claim_detail", "visit_type") == CLAIMS.column("visit_type").description
    assert comment(con, "claim_change", "claim_id") == CLAIMS.column("claim_id").description


def test_one_name_may_mean_two_things_in_two_views(con: duckdb.DuckDBPyConnection) -> None:
    create_views(con)
    for name, views in {
        "status": ("delivery", "issue", "iteration"),
        "delivery": ("delivery", "issue", "dim_patient", "patient_change"),
        "total_cost": ("claim", "monthly_cost"),
        "version": ("dim_patient", "patient_change"),
    }.items():
        assert len({comment(con, view, name) for view in views}) == len(views), name


def test_the_comment_of_a_view_or_macro_is_the_one_above_it_in_sql(con: duckdb.DuckDBPyConnection) -> None:
    create_views(con)
    told = "SELECT comment FROM duckdb_functions() WHERE function_name = 'surgery_patients'"
    assert con.execute(told).fetchall() == [
        ("One row is one patient who had surgery with a provider, given by number.",)
    ]
    told = "SELECT comment FROM duckdb_views() WHERE view_name = 'claim'"
    assert con.execute(told).fetchall() == [("One row is one claim as it is now, under the source's names.",)]


def test_a_new_feed_gets_its_views_macros_and_comments_from_its_contract(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(feed_ddl(REFERRALS))
    create_views(con, (*FEEDS, REFERRALS))
    assert con.execute(UNDESCRIBED).fetchall() == []
    assert comment(con, "fact_referral", "urgent") == "Whether it can't wait."
    table = "SELECT comment FROM duckdb_tables() WHERE table_name = 'fact_referral'"
    assert con.execute(table).fetchall()[0][0].endswith("One provider's word that another should see a patient.")
    for delivery, day in (("one", "2024-01-01"), ("two", "2024-02-01")):
        write_ledger_row(con, Application(REFERRALS, delivery, moment(day), moment(day), None), [])
    con.execute(
        """
        INSERT INTO fact_referral VALUES
        ('1000U', '2023-12-31', false, '2024-01-01', '2024-02-01', false, 1, 'one', 1, now(), 1),
        ('1000U', '2023-12-31', true, '2024-02-01', NULL, true, 2, 'two', 1, now(), 2)
        """
    )
    known = "SELECT urgent FROM referral_as_known(DATE '{}')"
    assert con.execute(known.format("2024-01-31")).fetchall() == [(False,)]
    assert con.execute(known.format("2024-02-01")).fetchall() == [(True,)]
    changed = "SELECT patient_id, referred_on, column_name, value_before, value_after FROM referral_change"
    assert [str(value) for value in con.execute(changed).fetchall()[0]] == [
        "1000U", "2023-12-31", "urgent", "false", "true"
    ]  # fmt: skip
    assert con.execute("SELECT claims, referrals FROM iteration ORDER BY ALL").fetchall() == [(None, "applied")] * 2


def test_a_feed_whose_records_say_nothing_but_their_key_has_its_views_too(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(feed_ddl(BLOCKED))
    create_views(con, (*FEEDS, BLOCKED))
    con.execute("INSERT INTO dim_blocked VALUES ('1000U', '2024-01-01', NULL, true, 1, 'one', 1, now(), 1)")
    write_ledger_row(con, Application(BLOCKED, "one", moment("2024-01-01"), moment("2024-01-01"), None), [])
    assert con.execute("SELECT patient_id FROM blocked_as_known(DATE '2024-01-01')").fetchall() == [("1000U",)]
    assert con.execute("SELECT patient_id FROM blocked_as_known(DATE '2023-12-31')").fetchall() == []
    assert con.execute("FROM blocked_change").fetchall() == []


def test_readers_get_new_comments_when_what_is_said_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = views_version()
    assert views_version() == before
    monkeypatch.setitem(comments._COLUMNS, "version", "Something else.")
    assert views_version() != before
    monkeypatch.undo()
    assert views_version() == before
    assert views_version((*FEEDS, REFERRALS)) != before
