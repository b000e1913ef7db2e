"""The table of released codes as an asset: made once, and anew where a library brings other releases."""

import dagster as dg
import polars as pl

from claims_lakehouse.codes.icd10cm import make_table
from claims_lakehouse.codes.releases import BILLABLE, RELEASES, releases_version
from claims_lakehouse.contracts import Feed
from claims_lakehouse.orchestration.metadata import counts_table
from claims_lakehouse.orchestration.resources import Lakehouse
from claims_lakehouse.orchestration.stages import told_safely

ICD10CM = dg.AssetKey("icd10cm")


def code_assets(feed: Feed) -> list[dg.AssetKey]:
    """The assets of codes that verification of a feed reads."""
    return [ICD10CM] if feed.released_codes else []


@dg.asset(
    key=ICD10CM,
    group_name="reference",
    kinds={"parquet"},
    owners=["team:data-engineering"],
    tags={"stage": "reference"},
    code_version=releases_version(),
    description="ICD-10-CM as of the releases at hand: how each code stands in each. Verification makes it by itself "
    "where it is not there; materialize it after a library was updated.",
)
def icd10cm(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Make the table of ICD-10-CM codes."""
    with told_safely(context.retry_number):
        path = make_table(lakehouse.settings())
        table = pl.read_parquet(path)
    billable = {
        f"{one.name}, {one.first} to {one.last}": int((table[one.column] == BILLABLE).sum()) for one in RELEASES
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": table.height,
            "dagster/uri": path.as_uri(),
            "billable codes": counts_table(billable, "release", "codes"),
        }
    )
