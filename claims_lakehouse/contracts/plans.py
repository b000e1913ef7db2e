"""Plans: what an insurance pays, and how much of it the patient does."""

from __future__ import annotations

from decimal import Decimal

import pandera.polars as pa
import polars as pl

from claims_lakehouse.contracts.billing_formats import COPAYS, PERCENTAGE, number
from claims_lakehouse.contracts.feed import Feed, Field
from claims_lakehouse.contracts.formats import AMOUNT, TEXT


class Plans(pa.DataFrameModel):
    """An insurance plan and the terms on which it pays."""

    plan_id: str = Field(TEXT, "Plan number.", required=True, identifies="id")
    plan_name: str = Field(TEXT, "What the plan is called.", identifies="nothing")
    deductible: pl.Decimal(12, 2) = Field(  # type: ignore[valid-type]
        AMOUNT,
        "What a patient pays in a calendar year before the plan does, US dollars.",
        required=True,
        identifies="nothing",
        ge=Decimal(0),
    )
    coinsurance: pl.Decimal(5, 2) = Field(  # type: ignore[valid-type]
        PERCENTAGE, "The patient's share of what is allowed after the deductible, percent.", required=True,
        identifies="nothing",
    )  # fmt: skip
    copays: str = Field(
        COPAYS,
        "What a patient pays for a visit, US dollars by place of service: 11=25.00|other=40.",
        identifies="nothing",
        often_empty=True,
    )
    annual_maximum: pl.Decimal(12, 2) = Field(  # type: ignore[valid-type]
        AMOUNT,
        "The most that the plan pays for a patient in a calendar year; none where empty.",
        identifies="nothing",
        often_empty=True,
    )
    timely_filing_days: pl.Int32 = Field(
        number("days", 1, 3_660),
        "How many days after the service a claim may be received.",
        required=True,
        identifies="nothing",
    )


PLANS = Feed(
    name="plans", entity="plan", role="dimension", contract=Plans, key=("plan_id",), decides={"plan": "plan_id"}
)
