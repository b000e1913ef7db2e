"""One feed's way through the lakehouse as assets, partitioned by delivery: load, call, write, report.

Stages hand each other files, not frames: a delivery may be larger than memory.
"""

import dagster as dg

from claims_lakehouse.contracts import FEEDS, Feed
from claims_lakehouse.errors import AuditFailed, DeliveryError, UnreadableFile
from claims_lakehouse.history.stage import bring_up_to_date, record_failure
from claims_lakehouse.landing.discovery import discover
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.landing.raw import read_summary
from claims_lakehouse.landing.stage import fingerprints, land_delivery
from claims_lakehouse.orchestration.checks import (
    conservation_result,
    conservation_spec,
    contract_result,
    contract_spec,
    invariants_result,
    invariants_spec,
)
from claims_lakehouse.orchestration.metadata import (
    counts_table,
    history_schema,
    issues_schema,
    raw_schema,
    validated_schema,
    verification_metadata,
)
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.orchestration.resources import Lakehouse
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import Settings
from claims_lakehouse.validation.stage import read_verification, validate_delivery

#: Whatever writes to the warehouse runs in this pool, one at a time.
WAREHOUSE_POOL = "warehouse"


def raw_key(feed: Feed) -> str:
    """The name of a feed's raw asset."""
    return f"raw_{feed.name}"


def validated_key(feed: Feed) -> str:
    """The name of a feed's validated asset."""
    return f"validated_{feed.name}"


def issues_key(feed: Feed) -> str:
    """The name of a feed's issues asset."""
    return f"issues_{feed.name}"


def feed_assets(feed: Feed) -> list[dg.AssetsDefinition]:
    """The assets of one feed: raw, validated with issues, and its history."""
    return [_raw(feed), _validated(feed), _history(feed)]


def _raw(feed: Feed) -> dg.AssetsDefinition:
    @dg.asset(
        name=raw_key(feed),
        group_name="landing",
        partitions_def=deliveries(feed),
        kinds={"parquet"},
        description=f"{feed.contract.__doc__}\n\nA delivery of {feed.name} as sent: text, one row a landed record.",
        metadata={"dagster/column_schema": raw_schema(feed)},
    )
    def raw(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
        settings, delivery = lakehouse.settings(), context.partition_key
        found = discover(settings.landing).deliveries if settings.landing.is_dir() else []
        landed = next((one for one in found if (one.feed.name, one.delivery) == (feed.name, delivery)), None)
        try:
            if landed is not None:
                known = fingerprints(settings)
                fingerprint = land_delivery(settings, landed, known, context.run_id).fingerprint
                known.save()
            else:
                fingerprint = _content(settings, feed, delivery)
        except DeliveryError as error:
            record_failure(settings, feed, delivery, context.run_id)
            raise dg.Failure(str(error), allow_retries=False) from None
        path = settings.raw(feed.name, delivery, fingerprint)
        summary = read_summary(path)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": summary.rows_landed,
                "rows_malformed": summary.rows_malformed,
                "fingerprint": fingerprint,
                "path": dg.MetadataValue.path(path),
                "unexpected_columns": len(summary.unexpected_columns),
            },
            data_version=dg.DataVersion(fingerprint[:16]),
        )

    return raw


def _validated(feed: Feed) -> dg.AssetsDefinition:
    validated, issues = validated_key(feed), issues_key(feed)

    @dg.multi_asset(
        name=f"validate_{feed.name}",
        group_name="validation",
        partitions_def=deliveries(feed),
        specs=[
            dg.AssetSpec(
                validated,
                deps=[raw_key(feed)],
                kinds={"polars", "pandera"},
                description=f"Rows of {feed.name} that passed verification, typed.",
                metadata={"dagster/column_schema": validated_schema(feed)},
            ),
            dg.AssetSpec(
                issues,
                deps=[raw_key(feed)],
                kinds={"polars", "pandera"},
                description=f"What verification found in {feed.name}, for people to review.",
                metadata={"dagster/column_schema": issues_schema()},
            ),
        ],
        check_specs=[contract_spec(feed, validated), conservation_spec(feed, validated)],
    )
    def validate(context: dg.AssetExecutionContext, lakehouse: Lakehouse):  # type: ignore[no-untyped-def]
        settings, delivery = lakehouse.settings(), context.partition_key
        state = Journal(settings, feed.name, delivery).state()
        fingerprint = _content(settings, feed, delivery)
        assert state is not None
        done = validate_delivery(settings, feed, delivery, fingerprint, state.received_at)
        yield dg.MaterializeResult(
            asset_key=issues,
            metadata={
                "dagster/row_count": sum(done.issues.values()),
                "issues": counts_table(done.issues, "rule"),
                "path": dg.MetadataValue.path(settings.issues(feed.name, delivery, fingerprint)),
            },
        )
        yield dg.MaterializeResult(
            asset_key=validated,
            metadata={
                "dagster/row_count": done.valid,
                **verification_metadata(done),
                "fingerprint": fingerprint,
                "path": dg.MetadataValue.path(settings.validated(feed.name, delivery, fingerprint)),
            },
            check_results=[contract_result(feed, validated, done), conservation_result(validated, done)],
        )

    return validate


def _history(feed: Feed) -> dg.AssetsDefinition:
    @dg.asset(
        name=feed.table,
        group_name="history",
        partitions_def=deliveries(feed),
        deps=[validated_key(feed), issues_key(feed)],
        kinds={"duckdb"},
        pool=WAREHOUSE_POOL,
        description=f"Every version of every {feed.entity}: history that is a function of the set of deliveries.",
        metadata={
            "dagster/column_schema": history_schema(feed),
            "dagster/table_name": f"warehouse.main.{feed.table}",
        },
        check_specs=[invariants_spec(feed, feed.table)],
    )
    def history(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
        settings, delivery = lakehouse.settings(), context.partition_key
        try:
            applied = bring_up_to_date(settings, feed, delivery, context.run_id)
        except AuditFailed as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        done = read_verification(settings.validated(feed.name, delivery, _content(settings, feed, delivery)))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": applied.versions_added,
                **verification_metadata(done),
                "versions_added": applied.versions_added,
                "rows_restated": applied.rows_restated,
            },
            check_results=[invariants_result(feed.table, applied, done)],
        )

    return history


@dg.asset(
    group_name="serving",
    deps=[feed.table for feed in FEEDS],
    kinds={"duckdb"},
    pool=WAREHOUSE_POOL,
    description="The DuckDB file that readers open: tables, views and macros, replaced at once by what was audited.",
)
def published(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Replace the published file by the warehouse as it is."""
    settings = lakehouse.settings()
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


def _content(settings: Settings, feed: Feed, delivery: str) -> str:
    """The fingerprint of the content that the delivery's journal names."""
    state = Journal(settings, feed.name, delivery).state()
    if state is None or state.content is None:
        raise UnreadableFile(f"{feed.name}, delivery {delivery}", "no content", "one that landed and could be read")
    return state.content
