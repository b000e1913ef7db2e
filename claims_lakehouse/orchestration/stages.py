"""What an asset does for one delivery, and what it reports: shared by the assets and by the catch-up run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import duckdb

from claims_lakehouse.contracts import Feed
from claims_lakehouse.errors import (
    ClaimsLakehouseError,
    DeliveryError,
    WarehouseBusy,
    WarehouseUnsound,
    told_by_kind,
)
from claims_lakehouse.history.stage import bring_all_up_to_date, bring_up_to_date, known_content, take_up, verify
from claims_lakehouse.history.standing import Standing
from claims_lakehouse.landing.raw import read_summary
from claims_lakehouse.landing.stage import Landing
from claims_lakehouse.orchestration.checks import history_results, validated_results
from claims_lakehouse.orchestration.metadata import counts_table, lineage, profile, verification_metadata
from claims_lakehouse.settings import Settings


def raw_key(feed: Feed) -> str:
    """The name of a feed's raw asset."""
    return f"raw_{feed.name}"


def validated_key(feed: Feed) -> str:
    """The name of a feed's validated asset."""
    return f"validated_{feed.name}"


def issues_key(feed: Feed) -> str:
    """The name of a feed's issues asset."""
    return f"issues_{feed.name}"


class Report(NamedTuple):
    """What one asset has to say of one delivery."""

    asset: str
    metadata: dict[str, Any]
    checks: list[dg.AssetCheckResult]
    version: str | None = None


def land(settings: Settings, feed: Feed, delivery: str, run_id: str, landing: Landing | None = None) -> list[Report]:
    """Take the delivery's content up; one that is no longer in landing stays as it was taken up last."""
    fingerprint = take_up(settings, feed, delivery, run_id, landing)
    path = settings.raw(feed.name, delivery, fingerprint)
    summary = read_summary(path)
    metadata = {
        "dagster/row_count": summary.rows_landed,
        "rows_malformed": summary.rows_malformed,
        "unexpected_columns": len(summary.unexpected_columns),
        "fingerprint": fingerprint,
        "files": counts_table({part.name: part.rows for part in summary.parts}, "file"),
        **_file(path),
    }
    return [Report(raw_key(feed), metadata, [], fingerprint[:16])]


def validate(settings: Settings, feed: Feed, delivery: str, run_id: str) -> list[Report]:
    """Verify what was taken up; blocking checks hold it."""
    done, checks = verify(settings, feed, delivery, run_id)
    state, fingerprint = known_content(settings, feed, delivery)
    return [
        Report(
            issues_key(feed),
            {
                "dagster/row_count": sum(done.issues.values()),
                "issues": counts_table(done.issues, "rule", "findings"),
                "fingerprint": fingerprint,
                **_file(settings.issues(feed.name, delivery, fingerprint)),
            },
            [],
        ),
        Report(
            validated_key(feed),
            {
                "dagster/row_count": done.valid,
                **verification_metadata(done),
                "preview": profile(feed, done),
                "fingerprint": fingerprint,
                **_file(settings.validated(feed.name, delivery, fingerprint)),
                **lineage(feed, raw_key(feed)),
            },
            validated_results(feed, validated_key(feed), done, checks, released=fingerprint in state.released),
        ),
    ]


def apply(settings: Settings, feed: Feed, delivery: str, run_id: str) -> list[Report]:
    """Bring history up to date with the delivery."""
    _refuse_held(settings, feed, delivery)
    return [_history_report(feed, bring_up_to_date(settings, feed, delivery, run_id))]


def apply_all(
    settings: Settings, feed: Feed, deliveries: Sequence[str], run_id: str
) -> dict[str, Report | DeliveryError]:
    """Bring history up to date with many deliveries of a feed: what each comes to, or why it does not."""
    outcomes: dict[str, Report | DeliveryError] = {}
    for delivery in deliveries:
        try:
            _refuse_held(settings, feed, delivery)
        except DeliveryError as error:
            outcomes[delivery] = error
    going_on = [delivery for delivery in deliveries if delivery not in outcomes]
    for delivery, outcome in bring_all_up_to_date(settings, feed, going_on, run_id).items():
        outcomes[delivery] = outcome if isinstance(outcome, DeliveryError) else _history_report(feed, outcome)
    return outcomes


def _refuse_held(settings: Settings, feed: Feed, delivery: str) -> None:
    state, _ = known_content(settings, feed, delivery)
    if state.is_held and state.standing is None:
        raise DeliveryError(f"{feed.name} {delivery} is held: {state.holding}. Release or replace it.")


def _history_report(feed: Feed, standing: Standing) -> Report:
    metadata = {
        "dagster/row_count": standing.applied.versions_added,
        "status": standing.status,
        "versions_added": standing.applied.versions_added,
        "rows_restated": standing.applied.rows_restated,
        **verification_metadata(standing.verification),
        **lineage(feed, validated_key(feed)),
    }
    return Report(feed.table, metadata, history_results(feed, standing))


@contextmanager
def told_safely(attempt: int = 0) -> Iterator[None]:
    """Turn errors into what Dagster is to show and do: no retry for what is wrong, one for what may pass.

    An error that nobody foresaw is told by its kind and place alone: its text may quote somebody's data.
    """
    try:
        yield
    except (WarehouseBusy, WarehouseUnsound, OSError, duckdb.IOException, duckdb.FatalException) as error:
        why = error.strerror if isinstance(error, OSError) else "the warehouse is not to be had"
        told = f"{type(error).__name__}: {why}"
        if attempt >= 3:
            raise dg.Failure(told, allow_retries=False) from None
        raise dg.RetryRequested(max_retries=3, seconds_to_wait=2**attempt) from dg.Failure(told)
    except ClaimsLakehouseError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except dg.DagsterError:
        raise
    except Exception as error:
        raise dg.Failure(told_by_kind(error), allow_retries=False) from None


def _file(path: Path) -> dict[str, Any]:
    return {"path": dg.MetadataValue.path(path), "link": dg.MetadataValue.url(path.as_uri())}
