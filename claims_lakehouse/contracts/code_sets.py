"""Code sets: codes that a system has, and when they are in force."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.polars import PolarsData

from claims_lakehouse.contracts import rules
from claims_lakehouse.contracts.billing_formats import CODE_SYSTEM
from claims_lakehouse.contracts.feed import Feed, Field
from claims_lakehouse.contracts.formats import END_DATE, PERIOD_DATE, TEXT, Format
from claims_lakehouse.contracts.layouts import HCPCS_LEVEL_2, PLACE_OF_SERVICE_CODES


def _parse_code(text: pl.Expr) -> pl.Expr:
    code = text.str.to_uppercase().str.replace_all(r"[.\s]", "")
    return pl.when(code.str.contains("^[A-Z0-9]{1,20}$")).then(code)


CODE = Format(
    "code",
    "1 to 20 letters and digits, with or without dots; kept in upper case without dots",
    pl.String(),
    "VARCHAR",
    parse=_parse_code,
    rule=rules.BAD_CODE,
)


class CodeSets(pa.DataFrameModel):
    """A code of a system and what it means, during some time."""

    system: str = Field(CODE_SYSTEM, "The code's system.", required=True, identifies="nothing")
    code: str = Field(CODE, "The code.", required=True, identifies="nothing")
    description: str = Field(TEXT, "What it means.", identifies="nothing")
    effective_from: pl.Date = Field(
        PERIOD_DATE, "First day on which the code is in force.", required=True, identifies="nothing"
    )
    effective_to: pl.Date = Field(
        END_DATE, "Last day on which the code is in force; open where empty.", identifies="nothing", often_empty=True
    )

    @pa.check("effective_to", name="ends_before_it_begins")
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's own form
        """A period's last day is not before its first."""
        return data.lazyframe.select((pl.col(data.key) >= pl.col("effective_from")).fill_null(value=True))


CODE_SETS = Feed(
    name="code_sets",
    entity="code",
    role="dimension",
    contract=CodeSets,
    key=("system", "code", "effective_from"),
    decides={"procedure": "code"},
    rules={"ends_before_it_begins": rules.ENDS_BEFORE_IT_BEGINS},
    mappings=(HCPCS_LEVEL_2, PLACE_OF_SERVICE_CODES),
    expected_every_days=400,
)
