"""Payments as an asset, one partition a payment day: its files, and checks that money is neither lost nor made."""

import errno
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from claims_lakehouse.errors import PaymentsUnsound, UsageError
from claims_lakehouse.orchestration.adjudication import DECISIONS
from claims_lakehouse.orchestration.metadata import table
from claims_lakehouse.orchestration.resources import OWNERS, WAREHOUSE_POOL, Lakehouse
from claims_lakehouse.orchestration.stages import told_safely
from claims_lakehouse.payments.reconciliation import PayeeAccount
from claims_lakehouse.payments.stage import PaymentDay, day_accounts, make_payments
from claims_lakehouse.settings import Settings

PAYMENTS = dg.AssetKey("payments")
payment_days = dg.DynamicPartitionsDefinition(name="payment_days")
_RECONCILED = "reconciled"


@dg.asset(
    key=PAYMENTS,
    partitions_def=payment_days,
    deps=[DECISIONS],
    group_name="payments",
    kinds={"duckdb"},
    owners=OWNERS,
    tags={"stage": "payments"},
    code_version="1",
    pool=WAREHOUSE_POOL,
    check_specs=[
        dg.AssetCheckSpec(
            _RECONCILED, asset=PAYMENTS, blocking=True, partitions_def=payment_days,
            description="Decisions, remittances, bank entries and balances agree to the cent, per payee and day.",
        )
    ],
    description="What payees are told and paid: an X12 835 for each, and a NACHA file for the bank. A day whose files "
    "were sent is closed: what changes later is paid on a later day.",
)  # fmt: skip
def payments(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Make one payment day, and every other open one: they follow from each other."""
    day = date.fromisoformat(context.partition_key)
    with told_safely(context.retry_number):
        try:
            days = {one.day: one for one in make_payments(lakehouse.settings())}
        except PaymentsUnsound as error:
            context.log_event(_unsound(day, str(error)))
            raise
        if day not in days:
            context.log.warning(f"There is nothing to be paid on {day} any more.")
            return dg.MaterializeResult(metadata={"dagster/row_count": 0}, check_results=[_check(None, [])])
        for other, one in days.items():
            if one.is_new and other != day:
                _log(context, one)
        accounts = days[day].accounts or day_accounts(lakehouse.settings(), days[day])
    return dg.MaterializeResult(metadata=_metadata(days[day], accounts), check_results=[_check(days[day], accounts)])


def pay(context: Any, settings: Settings) -> None:
    """Make payments in a run that is not a partition's own; days that came out otherwise stand on their partitions.

    What keeps payments from being made keeps no reader from what was decided: the check says it (`why_unpaid`), no day
    can be sent, and the next run tries again.
    """
    try:
        days = make_payments(settings)
    except PaymentsUnsound as error:
        context.log_event(_unsound(date(1900, 1, 1), f"No payments were made: {error}"))
        return
    except UsageError as error:  # the payer's settings
        context.log_event(_unsound(date(1900, 1, 1), f"No payment files were made: {error}"))
        return
    except OSError as error:  # a full disk, or a folder that cannot be written
        told = f"{type(error).__name__} {errno.errorcode.get(error.errno or 0, '')}".strip()
        context.log_event(_unsound(date(1900, 1, 1), f"No payment files were made: {told}."))
        return
    partitions = {day.isoformat() for day in (one.day for one in days)}
    there = set(context.instance.get_dynamic_partitions(str(payment_days.name)))
    if partitions - there:
        context.instance.add_dynamic_partitions(str(payment_days.name), sorted(partitions - there))
    for gone in sorted(there - partitions):  # nothing is told on it any more
        context.instance.delete_dynamic_partition(str(payment_days.name), gone)
    for one in days:
        if one.is_new:
            _log(context, one)
        elif one.unwritten:
            _log_check(context, one)


def why_unpaid(events: Iterable[dg.DagsterEvent]) -> list[str]:
    """Why payments were not made in a run, or not all of them."""
    checks = [one.asset_check_evaluation_data for one in events if one.event_type_value == "ASSET_CHECK_EVALUATION"]
    return [str(one.description) for one in checks if one.check_name == _RECONCILED and not one.passed]


def _metadata(one: PaymentDay, accounts: Sequence[PayeeAccount]) -> dict[str, Any]:
    return {
        "accounts": table(
            ("payee", "decided", "told", "balance", "paid", "bank"),
            [tuple("" if one is None else str(one) for one in account[:6]) for account in accounts],
        ),
        "dagster/row_count": one.claims + one.reversals,
        "payees": one.payees,
        "claims": one.claims,
        "reversals": one.reversals,
        "paid": float(one.paid),
        "balance_forwarded": float(one.forwarded),
        "files": table(("file",), [(name,) for name in one.files]),
        "payees_without_settings": table(("payee",), [(name,) for name in one.unknown]),
        "not_written": table(("payee", "why"), list(one.unwritten)),
        "sent": one.is_closed,
    }


def _check(one: PaymentDay | None, accounts: Sequence[PayeeAccount]) -> dg.AssetCheckResult:
    """Whether each payee's decisions, 835, balances and bank entry agree; what could not be written does not."""
    wrong = [f"payee {account.payee}: {told}" for account in accounts for told in account.differences]
    wrong += [f"payee {payee}: {why}" for payee, why in one.unwritten] if one else []
    payees = one.payees if one else 0
    return dg.AssetCheckResult(
        asset_key=PAYMENTS, check_name=_RECONCILED, passed=not wrong, metadata={"payees": payees, "found": wrong[:20]},
        description="; ".join(wrong[:3]) or f"{payees:,} payees: decided = told = paid + carried, and the bank agrees.",
    )  # fmt: skip


def _unsound(day: date, why: str) -> dg.AssetCheckEvaluation:
    """That the audit rolled payments back."""
    return dg.AssetCheckEvaluation(
        asset_key=PAYMENTS, check_name=_RECONCILED, passed=False, metadata={"found": why},
        severity=dg.AssetCheckSeverity.ERROR, description=why, blocking=True, partition=day.isoformat(),
    )  # fmt: skip


def _log(context: Any, one: PaymentDay) -> None:
    day = one.day.isoformat()
    context.log_event(dg.AssetMaterialization(PAYMENTS, metadata=_metadata(one, one.accounts), partition=day))
    _log_check(context, one)


def _log_check(context: Any, one: PaymentDay) -> None:
    day, check = one.day.isoformat(), _check(one, one.accounts)
    context.log_event(
        dg.AssetCheckEvaluation(
            asset_key=PAYMENTS, check_name=_RECONCILED, passed=check.passed, metadata=check.metadata,
            severity=check.severity, description=check.description, blocking=True, partition=day,
        )
    )  # fmt: skip
