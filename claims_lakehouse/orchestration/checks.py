"""Asset checks of a delivery, on its own partition. They report what the domain decided; they decide nothing."""

import dagster as dg

from claims_lakehouse.contracts import Feed
from claims_lakehouse.history.apply import Applied
from claims_lakehouse.orchestration.metadata import counts_table
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.validation.verification import Verification


def contract_spec(feed: Feed, asset: str) -> dg.AssetCheckSpec:
    """How many rows broke which rule."""
    return dg.AssetCheckSpec(
        "contract",
        asset=asset,
        partitions_def=deliveries(feed),
        description="How many rows broke which rule of the contract; they are issues, and the rest goes on.",
    )


def contract_result(feed: Feed, asset: str, done: Verification) -> dg.AssetCheckResult:
    """Passed where no row had an error."""
    return dg.AssetCheckResult(
        check_name="contract",
        asset_key=asset,
        passed=done.malformed + done.quarantined == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{done.malformed + done.quarantined:,} of {done.landed:,} rows of {feed.name} have an error.",
        metadata={
            "rules": counts_table(done.issues, "rule"),
            "rows_landed": done.landed,
            "rows_valid": done.valid,
        },
    )


def conservation_spec(feed: Feed, asset: str) -> dg.AssetCheckSpec:
    """No row is lost; blocking."""
    return dg.AssetCheckSpec(
        "conservation",
        asset=asset,
        blocking=True,
        partitions_def=deliveries(feed),
        description="No row is lost: landed = malformed + quarantined + duplicate + valid.",
    )


def conservation_result(asset: str, done: Verification) -> dg.AssetCheckResult:
    """Passed where every landed row is accounted for."""
    counts = {
        "landed": done.landed,
        "malformed": done.malformed,
        "quarantined": done.quarantined,
        "duplicate": done.duplicate,
        "valid": done.valid,
    }
    return dg.AssetCheckResult(
        check_name="conservation",
        asset_key=asset,
        passed=done.balances,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"rows": counts_table(counts, "what became of them")},
    )


def invariants_spec(feed: Feed, asset: str) -> dg.AssetCheckSpec:
    """The laws of history; blocking, and held inside the transaction that wrote."""
    return dg.AssetCheckSpec(
        "history_invariants",
        asset=asset,
        blocking=True,
        partitions_def=deliveries(feed),
        description="valid = added + restated; one current version a record; no overlap and no gap in time.",
    )


def invariants_result(asset: str, applied: Applied, done: Verification) -> dg.AssetCheckResult:
    """Passed: an application that breaks a law is rolled back and fails its run."""
    return dg.AssetCheckResult(
        check_name="history_invariants",
        asset_key=asset,
        passed=True,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows_valid": done.valid,
            "versions_added": applied.versions_added,
            "rows_restated": applied.rows_restated,
        },
    )
