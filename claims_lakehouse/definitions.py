"""The whole Dagster graph, wired in one place; what workspace.yaml names."""

import warnings

import dagster as dg

# Partitioned asset checks and freshness policies are a preview in this version of Dagster; the first are what makes
# each delivery auditable.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

from claims_lakehouse.contracts import FEEDS  # noqa: E402
from claims_lakehouse.orchestration.adjudication import adjudicate_job, decisions  # noqa: E402
from claims_lakehouse.orchestration.assets import deidentified, feed_assets, landing_folder, published  # noqa: E402
from claims_lakehouse.orchestration.codes import icd10cm  # noqa: E402
from claims_lakehouse.orchestration.jobs import (  # noqa: E402
    catch_up,
    ingest_jobs,
    publish_job,
    reinstate_job,
    release_job,
    retract_job,
)
from claims_lakehouse.orchestration.payments import payments  # noqa: E402
from claims_lakehouse.orchestration.resources import Lakehouse  # noqa: E402
from claims_lakehouse.orchestration.sensors import alert_sensor, landing_sensor, publication_sensor  # noqa: E402

defs = dg.Definitions(
    assets=[
        landing_folder,
        icd10cm,
        *(asset for feed in FEEDS for asset in feed_assets(feed)),
        decisions,
        payments,
        published,
        deidentified,
    ],
    jobs=[*ingest_jobs, publish_job, catch_up, adjudicate_job, release_job, retract_job, reinstate_job],
    sensors=[landing_sensor, publication_sensor, alert_sensor],
    resources={"lakehouse": Lakehouse()},
    # A step of its own process would cost ten times what the step does.
    executor=dg.in_process_executor,
)
