"""Authorizations: services that the insurance agreed to beforehand."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.billing_formats import NPI, PROCEDURE, UNITS
from claims_lakehouse.contracts.feed import Feed, Field, Reference
from claims_lakehouse.contracts.formats import END_DATE, PERIOD_DATE, TEXT
from claims_lakehouse.contracts.patients import PATIENTS


class Authorizations(pa.DataFrameModel):
    """An agreement that a patient may have a procedure within some time."""

    authorization_number: str = Field(TEXT, "Number of the authorization.", required=True, identifies="id")
    patient_id: str = Field(TEXT, "The patient.", required=True, identifies="id")
    provider_npi: str = Field(NPI, "The provider whom it is for; any where empty.", identifies="id", often_empty=True)
    procedure_code: str = Field(PROCEDURE, "The procedure.", required=True, identifies="nothing")
    units: pl.Decimal(9, 3) = Field(  # type: ignore[valid-type]
        UNITS, "How many units were agreed to; any number where empty.", identifies="nothing", often_empty=True
    )
    authorized_from: pl.Date = Field(
        PERIOD_DATE, "First day on which the service may be given.", required=True, identifies="date"
    )
    authorized_to: pl.Date = Field(
        END_DATE,
        "Last day on which the service may be given; open where empty.",
        identifies="date",
        often_empty=True,
    )

    @pa.check("authorized_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A period's last day is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("authorized_from")).fill_null(value=True))


AUTHORIZATIONS = Feed(
    name="authorizations",
    entity="prior_authorization",
    role="dimension",
    contract=Authorizations,
    key=("authorization_number",),
    decides={"patient": "patient_id"},
    references=(Reference("patient_id", PATIENTS, rules.UNKNOWN_PATIENT),),
    rules={"ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS},
)
