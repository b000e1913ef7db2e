"""One feed's way through the lakehouse as assets, partitioned by delivery: call, report.

Stages hand each other files, not frames: a delivery may be larger than memory.
"""

from datetime import timedelta

import dagster as dg

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import AuditFailed
from claims_lakehouse.orchestration import stages
from claims_lakehouse.orchestration.adjudication import DECISIONS, settle
from claims_lakehouse.orchestration.checks import history_checks, invariants_failed, validated_checks
from claims_lakehouse.orchestration.codes import code_assets
from claims_lakehouse.orchestration.metadata import (
    counts_table,
    history_schema,
    issues_schema,
    raw_schema,
    validated_schema,
)
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.orchestration.payments import PAYMENTS, pay
from claims_lakehouse.orchestration.resources import OWNERS, WAREHOUSE_POOL, Lakehouse
from claims_lakehouse.orchestration.stages import Report, issues_key, raw_key, told_safely, validated_key
from claims_lakehouse.serving.deidentify import read_areas, renew
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import small_areas
from claims_lakehouse.validation.verification import contract_version

LANDING_FOLDER = dg.AssetKey("landing_folder")

landing_folder = dg.AssetSpec(
    LANDING_FOLDER,
    group_name="landing",
    description="Where senders put files. Each belongs to a delivery by its name; what does not is observed here.",
    kinds={"csv", "parquet"},
    owners=OWNERS,
    tags={"stage": "landing"},
)


def feed_assets(feed: Feed) -> list[dg.AssetsDefinition]:
    """The assets of one feed: raw, validated with issues, and its history."""
    return [_raw(feed), _validated(feed), _history(feed)]


def _raw(feed: Feed) -> dg.AssetsDefinition:
    @dg.asset(
        name=raw_key(feed),
        group_name="landing",
        deps=[LANDING_FOLDER],
        partitions_def=deliveries(feed),
        kinds={"parquet"},
        owners=OWNERS,
        tags={"stage": "landing", "feed": feed.name},
        code_version="1",
        description=f"{feed.contract.__doc__}\n\nA delivery of {feed.name} as sent: text, one row a landed record.",
        metadata={"dagster/column_schema": raw_schema(feed)},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=feed.expected_every_days)),
    )
    def raw(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with told_safely(context.retry_number):
            return _result(stages.land(lakehouse.settings(), feed, context.partition_key, context.run.run_id)[0])
        raise AssertionError  # told_safely never swallows

    return raw


def _validated(feed: Feed) -> dg.AssetsDefinition:
    shared = {
        "deps": [raw_key(feed), *code_assets(feed)],
        "group_name": "validation",
        "kinds": {"polars", "pandera"},
        "owners": OWNERS,
        "tags": {"stage": "validation", "feed": feed.name},
        "code_version": contract_version(feed),
    }

    @dg.multi_asset(
        name=f"validate_{feed.name}",
        partitions_def=deliveries(feed),
        specs=[
            dg.AssetSpec(
                validated_key(feed),
                description=f"Rows of {feed.name} that passed verification, typed.",
                metadata={"dagster/column_schema": validated_schema(feed)},
                **shared,  # type: ignore[arg-type]
            ),
            dg.AssetSpec(
                issues_key(feed),
                description=f"What verification found in {feed.name}, for people to review.",
                metadata={"dagster/column_schema": issues_schema()},
                **shared,  # type: ignore[arg-type]
            ),
        ],
        check_specs=validated_checks(feed, validated_key(feed)),
    )
    def validate(context: dg.AssetExecutionContext, lakehouse: Lakehouse):  # type: ignore[no-untyped-def]
        with told_safely(context.retry_number):
            reports = stages.validate(lakehouse.settings(), feed, context.partition_key, context.run.run_id)
        yield from (_result(report) for report in reports)

    return validate


def _history(feed: Feed) -> dg.AssetsDefinition:
    @dg.asset(
        name=feed.table,
        group_name="history",
        partitions_def=deliveries(feed),
        deps=[validated_key(feed), issues_key(feed)],
        kinds={"duckdb"},
        owners=OWNERS,
        tags={"stage": "history", "feed": feed.name},
        code_version="1",
        pool=WAREHOUSE_POOL,
        description=f"Every version of every {feed.entity}: history that is a function of the set of deliveries.",
        metadata={"dagster/column_schema": history_schema(feed), "dagster/table_name": f"warehouse.main.{feed.table}"},
        check_specs=history_checks(feed, feed.table),
    )
    def history(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with told_safely(context.retry_number):
            try:
                return _result(stages.apply(lakehouse.settings(), feed, context.partition_key, context.run.run_id)[0])
            except AuditFailed as error:
                context.log_event(invariants_failed(feed, context.partition_key, str(error)))
                raise
        raise AssertionError  # told_safely never swallows

    return history


@dg.asset(
    group_name="serving",
    deps=[*(feed.table for feed in FEEDS), DECISIONS, PAYMENTS],
    kinds={"duckdb"},
    owners=OWNERS,
    tags={"stage": "serving"},
    code_version="1",
    pool=WAREHOUSE_POOL,
    description="The DuckDB file that readers open: tables, views and macros, replaced at once by what was audited.",
)
def published(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Settle decisions and payments that are due, so that readers see none that is behind, and replace the file."""
    settings = lakehouse.settings()
    with told_safely(context.retry_number):
        settle(context, settings)
        pay(context, settings)
        publication = publish(settings)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(publication.rows.values()),
            "dagster/uri": str(settings.published),
            "changes": publication.changes,
            "rows": counts_table(publication.rows, "table"),
            "replaced": publication.is_new,
        }
    )


@dg.asset(
    group_name="serving",
    deps=[published],
    kinds={"duckdb"},
    owners=OWNERS,
    tags={"stage": "serving"},
    code_version="1",
    pool=WAREHOUSE_POOL,
    output_required=False,
    description="The de-identified edition (45 CFR 164.514(b)(2)), kept in step with what is published once "
    "`claims deidentify` has made it.",
)
def deidentified(context: dg.AssetExecutionContext, lakehouse: Lakehouse):  # type: ignore[no-untyped-def]
    """Make the edition anew where there is one that is behind."""
    with told_safely(context.retry_number):
        edition = renew(lakehouse.settings(), areas=read_areas(small_areas()))
    if edition is not None:
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(edition.rows.values()),
                "dagster/uri": str(edition.path),
                "rows": counts_table(edition.rows, "table"),
            }
        )


def _result(report: Report) -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(
        asset_key=report.asset,
        metadata=report.metadata,
        check_results=report.checks,
        data_version=dg.DataVersion(report.version) if report.version else None,
    )
