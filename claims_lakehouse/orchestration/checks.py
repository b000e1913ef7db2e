"""Asset checks of a delivery, on its own partition. They report what the domain decided; they decide nothing.

Each check is named, described and made blocking here once: `validated_checks` and `history_checks` give the specs,
`validated_results` and `history_results` the outcomes. Counts, never values.
"""

from collections.abc import Mapping

import dagster as dg

from claims_lakehouse.contracts import Feed
from claims_lakehouse.history.standing import Standing
from claims_lakehouse.orchestration.metadata import counts_table, table
from claims_lakehouse.orchestration.partitions import deliveries
from claims_lakehouse.validation.gate import Gate
from claims_lakehouse.validation.verification import Verification

_VALIDATED = {
    "contract": "How many rows broke which rule of the contract; they are issues, and the rest goes on.",
    "conservation": "No row is lost: landed = malformed + quarantined + duplicate + valid.",
    "quarantine_rate": "A delivery with too many bad rows is held until a person releases or replaces it.",
}
_HISTORY = {
    "history_invariants": "valid = added + restated; one current version a record; no overlap and no gap in time.",
    "references": "Rows that refer to records which no delivery has brought yet.",
    "volume": "Rows landed, compared with the last deliveries of the feed.",
    "null_rate": "Empty fields by column, compared with the last deliveries of the feed.",
}
_BLOCKING = {"conservation", "quarantine_rate", "history_invariants"}


def validated_checks(feed: Feed, asset: str) -> list[dg.AssetCheckSpec]:
    """The checks of a validated delivery."""
    return _specs(feed, asset, _VALIDATED)


def history_checks(feed: Feed, asset: str) -> list[dg.AssetCheckSpec]:
    """The checks of an applied delivery."""
    return _specs(feed, asset, _HISTORY)


def validated_results(
    feed: Feed, asset: str, done: Verification, held: Gate, *, released: bool
) -> list[dg.AssetCheckResult]:
    """What the checks of a validated delivery say of its counts."""
    bad = done.malformed + done.quarantined
    became = {
        "landed": done.landed,
        "malformed": done.malformed,
        "quarantined": done.quarantined,
        "duplicate": done.duplicate,
        "valid": done.valid,
    }
    limit = f"limit {feed.quarantine_limit:.0%} and at least {feed.quarantine_floor} rows"
    return [
        _result(
            asset, "contract", bad == 0, f"{bad:,} of {done.landed:,} rows have an error.",
            {"rules": counts_table(done.issues, "rule", "findings")},
        ),
        _result(
            asset, "conservation", held.conservation is None, held.conservation,
            {"rows": counts_table(became, "became")},
        ),
        _result(
            asset, "quarantine_rate", held.quarantine_rate is None or released,
            (held.quarantine_rate or f"{bad:,} bad rows; {limit}") + (" (released)" if released else ""),
            {
                "rate": bad / done.landed if done.landed else 0.0,
                "errors": counts_table(done.errors, "rule", "findings"),
            },
        ),
    ]  # fmt: skip


def history_results(feed: Feed, standing: Standing) -> list[dg.AssetCheckResult]:
    """What the checks of an applied delivery say; one that breaks an invariant never gets here."""
    seen, done = standing.trends, standing.verification
    usual = "too few deliveries before it to compare" if seen.usual_rows is None else f"usually {seen.usual_rows:,.0f}"
    shares = [(name, f"{now:.0%}", f"{usually:.0%}") for name, (now, usually) in seen.emptier.items()]
    return [
        _result(
            feed.table, "history_invariants", True, None,
            {
                "rows_valid": done.valid,
                "versions_added": standing.applied.versions_added,
                "rows_restated": standing.applied.rows_restated,
            },
        ),
        _result(
            feed.table, "references", not seen.unresolved, f"{sum(seen.unresolved.values()):,} do not resolve.",
            {"unresolved": counts_table(seen.unresolved, "rule")},
        ),
        _result(
            feed.table, "volume", not seen.is_unusual, f"{done.landed:,} rows; {usual}.",
            {"rows_landed": done.landed},
        ),
        _result(
            feed.table, "null_rate", not seen.emptier, f"{len(seen.emptier)} columns are emptier than usual.",
            {"columns": table(("column", "empty", "usually"), shares)},
        ),
    ]  # fmt: skip


def invariants_failed(feed: Feed, delivery: str, why: str) -> dg.AssetCheckEvaluation:
    """That the audit rolled a delivery back."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(feed.table),
        check_name="history_invariants",
        passed=False,
        metadata={"found": why},
        severity=dg.AssetCheckSeverity.ERROR,
        description=why,
        blocking=True,
        partition=delivery,
    )


def _specs(feed: Feed, asset: str, checks: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name, asset=asset, description=text, blocking=name in _BLOCKING, partitions_def=deliveries(feed)
        )
        for name, text in checks.items()
    ]


def _result(
    asset: str, name: str, passed: bool, told: str | None, metadata: Mapping[str, dg.MetadataValue | int | float]
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if name in _BLOCKING else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=asset, check_name=name, passed=passed, severity=severity, description=told, metadata=metadata
    )
