"""The whole Dagster graph, wired in one place; what workspace.yaml names."""

import warnings

import dagster as dg

# Partitioned asset checks are a preview in this version of Dagster; they are what makes each delivery auditable.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from claims_lakehouse.contracts import FEEDS  # noqa: E402
from claims_lakehouse.orchestration.assets import feed_assets, published  # noqa: E402
from claims_lakehouse.orchestration.resources import Lakehouse  # noqa: E402

defs = dg.Definitions(
    assets=[*(asset for feed in FEEDS for asset in feed_assets(feed)), published],
    resources={"lakehouse": Lakehouse()},
)
