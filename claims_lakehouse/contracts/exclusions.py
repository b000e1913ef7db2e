"""Exclusions: what a plan does not pay for, or only within limits."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.billing_formats import DIAGNOSIS, PROCEDURE, SEX, UNITS, number
from claims_lakehouse.contracts.feed import Feed, Field, Reference, unread
from claims_lakehouse.contracts.formats import END_DATE, PERIOD_DATE, TEXT, choice
from claims_lakehouse.contracts.plans import PLANS

KINDS = ("not_covered", "age_limit", "sex_limit", "units_limit", "authorization_required")
AGE = number("age", 0, 130)


class Exclusions(pa.DataFrameModel):
    """A limit to what a plan pays for, during some time."""

    exclusion_id: str = Field(TEXT, "Number of the exclusion.", required=True, identifies="id")
    plan_id: str = Field(TEXT, "The plan that has it; every plan where empty.", identifies="id", often_empty=True)
    kind: str = Field(
        choice("kind of exclusion", rules.UNKNOWN_KIND, KINDS), "What kind of limit it is.", required=True,
        identifies="nothing", isin=KINDS,
    )  # fmt: skip
    procedure_code: str = Field(
        PROCEDURE, "The procedure that it is about; any where empty.", identifies="nothing", often_empty=True
    )
    diagnosis_code: str = Field(
        DIAGNOSIS,
        "The diagnosis that it is about, and those below it; any where empty.",
        identifies="nothing",
        often_empty=True,
    )
    least_age: pl.Int32 = Field(
        AGE, "The least age that is covered, whole years.", identifies="nothing", often_empty=True
    )
    most_age: pl.Int32 = Field(
        AGE, "The highest age that is covered, whole years.", identifies="nothing", often_empty=True
    )
    sex: str = Field(SEX, "The only sex that is covered.", identifies="nothing", often_empty=True)
    most_units_a_day: pl.Decimal(9, 3) = Field(  # type: ignore[valid-type]
        UNITS, "The most units that are paid for on one day.", identifies="nothing", often_empty=True
    )
    effective_from: pl.Date = Field(PERIOD_DATE, "First day on which it holds.", required=True, identifies="nothing")
    effective_to: pl.Date = Field(
        END_DATE, "Last day on which it holds; open where empty.", identifies="nothing", often_empty=True
    )

    @pa.check("effective_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A period's last day is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("effective_from")).fill_null(value=True))

    @pa.check("kind", name="incomplete_exclusion")
    def exclusion_is_complete(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """An exclusion has what its kind takes, and says which procedure or diagnosis it is about, readable or not."""
        known = data.lazyframe.collect_schema().names()

        def given(name: str) -> pl.Expr:
            return pl.col(name).is_not_null() | (pl.col(unread(name)) if unread(name) in known else pl.lit(value=False))

        takes = {
            "age_limit": given("least_age") | given("most_age"),
            "sex_limit": given("sex"),
            "units_limit": given("most_units_a_day"),
        }
        about = given("procedure_code") | given("diagnosis_code")
        has = [(pl.col(data.key) != kind) | has for kind, has in takes.items()]
        return data.lazyframe.select(pl.all_horizontal(about, *has).fill_null(value=True))


EXCLUSIONS = Feed(
    name="exclusions",
    entity="exclusion",
    role="dimension",
    contract=Exclusions,
    key=("exclusion_id",),
    decides={"plan": "plan_id", "procedure": "procedure_code"},
    references=(Reference("plan_id", PLANS, rules.UNKNOWN_PLAN),),
    rules={
        "ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS,
        "incomplete_exclusion": rules.INCOMPLETE_EXCLUSION,
    },
    expected_every_days=400,
)
