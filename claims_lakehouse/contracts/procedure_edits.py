"""Procedure edits: procedures that are not billed together."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.billing_formats import INDICATOR, PROCEDURE
from claims_lakehouse.contracts.feed import Feed, Field
from claims_lakehouse.contracts.formats import END_DATE, PERIOD_DATE


class ProcedureEdits(pa.DataFrameModel):
    """A pair of procedures of which, on one day, only the first is paid (as in CMS's NCCI)."""

    procedure_code: str = Field(PROCEDURE, "The procedure that is paid.", required=True, identifies="nothing")
    bundled_code: str = Field(PROCEDURE, "The procedure that is part of it.", required=True, identifies="nothing")
    modifier_indicator: str = Field(
        INDICATOR,
        "Whether a modifier makes both payable: 0 never, 1 where one is given, 9 the edit is void.",
        required=True,
        identifies="nothing",
    )
    effective_from: pl.Date = Field(
        PERIOD_DATE, "First day on which the edit holds.", required=True, identifies="nothing"
    )
    effective_to: pl.Date = Field(
        END_DATE, "Last day on which the edit holds; open where empty.", identifies="nothing", often_empty=True
    )

    @pa.check("effective_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A period's last day is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("effective_from")).fill_null(value=True))


PROCEDURE_EDITS = Feed(
    name="procedure_edits",
    entity="procedure_edit",
    role="dimension",
    contract=ProcedureEdits,
    key=("procedure_code", "bundled_code", "effective_from"),
    decides={"procedure": "bundled_code"},
    rules={"ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS},
    expected_every_days=400,
)
