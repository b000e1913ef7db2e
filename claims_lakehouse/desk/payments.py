"""Payments at the desk: payment days, their payees, a remittance as a person reads it; addresses that name no payee."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

from claims_lakehouse.adjudication.rule_set import REVIEWED
from claims_lakehouse.desk.claims import PAGE_ROWS
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.errors import NoSuchPayment
from claims_lakehouse.payments.advice import LineAdjustment, PaidClaim, Remittance
from claims_lakehouse.payments.remittances import remittances

#: What a claim's status in a remittance is called, by CLP02.
STATUSES = {"1": "processed", "4": "denied", "22": "reversal"}
#: How many remittances are kept in memory for who turns their pages: one of thousands of claims takes a while to read.
_KEPT = 4

_T = TypeVar("_T")


class Some(NamedTuple, Generic[_T]):
    """One page of what there is, and how much there is in all."""

    items: list[_T]
    total: int
    page: int
    pages: int


class DayTotal(NamedTuple):
    """A payment day: how many payees are told of how many claims, what is paid, what goes forward, and whether sent."""

    day: date
    payees: int
    claims: int
    reversals: int
    paid: Decimal
    forwarded: Decimal
    is_sent: bool


class Payment(NamedTuple):
    """What one payee is paid on one day: paid = net - taken + forwarded."""

    day: date
    payee: str
    trace: str
    claims: int
    reversals: int
    net: Decimal
    taken: Decimal
    forwarded: Decimal
    paid: Decimal
    is_sent: bool


class Sum(NamedTuple):
    """The claims of a status in a remittance: how many, and what they come to."""

    status: str
    claims: int
    paid: Decimal


class Told(NamedTuple):
    """A remittance, one page of its claims, and what it rests on.

    Attributes:
        payment: What the payee is paid.
        remittance: The whole remittance.
        claims: The claims of the page, each with its place in the remittance, from 1.
        sums: What the claims come to, by status.
        before: The payee's remittance before this one; None for the first.
        after: The one after it; None for the last.
        reversed_from: For places of reversals, the remittance that told what they reverse.
        reasons: Why something is not paid, in words, by group, CARC and RARC.
    """

    payment: Payment
    remittance: Remittance
    claims: Some[tuple[int, PaidClaim]]
    sums: list[Sum]
    before: Payment | None
    after: Payment | None
    reversed_from: dict[int, Payment]
    reasons: Mapping[tuple[str, str, str | None], str]

    def reason(self, adjustment: LineAdjustment) -> str:
        """Why an amount is not paid, in the words of the rules that use its codes; empty where none does."""
        return self.reasons.get((adjustment.group, adjustment.carc, adjustment.rarc), "")


class ClaimTold(NamedTuple):
    """That a claim is told of in a remittance: as what, on which payment day, and at which place of it."""

    day: date
    trace: str
    status: str
    charge: Decimal
    paid: Decimal
    patient_share: Decimal
    is_sent: bool
    place: int

    @property
    def page(self) -> int:
        """The page of the remittance on which the claim stands."""
        return -(-self.place // PAGE_ROWS)


class PaymentNames:
    """Names of remittances that may stand in an address: without the key nobody can tell which payee one is of."""

    def __init__(self, key: str) -> None:
        """`key` is the desk's own, and always the same: an address that somebody kept leads on to its remittance."""
        self._key = key

    def name(self, trace: str) -> str:
        """The name of a remittance, which its trace number makes out."""
        return sha256(f"{self._key}{trace}".encode()).hexdigest()[:32]

    def payment(self, reading: Reading, day: date, name: str) -> Payment:
        """The payment of that name on a day; NoSuchPayment where there is none."""
        found = reading.ask(
            f"{_PAYMENTS} WHERE day = $day AND left(sha256(concat($key, trace)), 32) = $name",
            {"day": day, "key": self._key, "name": name},
        )
        if not found:
            raise NoSuchPayment(f"There is no remittance '{name[:40]}' of {day} in what is published.")
        return Payment(*found[0])


def list_days(reading: Reading, *, page: int = 1, rows: int = PAGE_ROWS) -> Some[DayTotal]:
    """One page of payment days, the last first; a page past the end is the last."""
    [(total,)] = reading.ask("SELECT count(DISTINCT day) FROM payment")
    page, pages = _page(total, page, rows)
    found = reading.ask(
        """
        SELECT day, count(*), CAST(sum(claims) AS BIGINT), CAST(sum(reversals) AS BIGINT), sum(paid),
               sum(balance_forwarded), bool_and(is_sent)
        FROM payment GROUP BY day ORDER BY day DESC LIMIT $rows OFFSET $skip
        """,
        {"rows": rows, "skip": (page - 1) * rows},
    )
    return Some([DayTotal(*row) for row in found], total, page, pages)


def day_total(reading: Reading, day: date) -> DayTotal:
    """A payment day's sums; NoSuchPayment where there is no such day."""
    found = reading.ask(
        """
        SELECT day, count(*), CAST(sum(claims) AS BIGINT), CAST(sum(reversals) AS BIGINT), sum(paid),
               sum(balance_forwarded), bool_and(is_sent)
        FROM payment WHERE day = $day GROUP BY day
        """,
        {"day": day},
    )
    if not found:
        raise NoSuchPayment(f"There is no payment day {day} in what is published.")
    return DayTotal(*found[0])


def list_payments(reading: Reading, day: date, *, page: int = 1, rows: int = PAGE_ROWS) -> Some[Payment]:
    """One page of what the payees of a day are paid, by their numbers; a page past the end is the last."""
    [(total,)] = reading.ask("SELECT count(*) FROM payment WHERE day = $day", {"day": day})
    page, pages = _page(total, page, rows)
    found = reading.ask(
        f"{_PAYMENTS} WHERE day = $day ORDER BY payee LIMIT $rows OFFSET $skip",
        {"day": day, "rows": rows, "skip": (page - 1) * rows},
    )
    return Some([Payment(*row) for row in found], total, page, pages)


def read_remittance(reading: Reading, payment: Payment, *, page: int = 1, rows: int = PAGE_ROWS) -> Told:
    """What a payee is told on a day, and one page of the claims; a page past the end is the last."""
    remittance = _remittance(reading, payment)
    page, pages = _page(len(remittance.claims), page, rows)
    first = (page - 1) * rows
    places = list(enumerate(remittance.claims, 1))[first : first + rows]
    before, after = _beside(reading, payment)
    return Told(
        payment,
        remittance,
        Some(places, len(remittance.claims), page, pages),
        _sums(remittance),
        before,
        after,
        _reversed_from(reading, payment, places),
        reading.once("reasons of codes", lambda: _reasons(reading)),
    )


def told_of(reading: Reading, claim_id: str, until: date | None = None) -> list[ClaimTold]:
    """Where payees were told of a claim, to the end of a day, in order."""
    found = reading.ask(
        """
        WITH there AS (SELECT DISTINCT day, payee FROM remittance WHERE claim_id = $claim),
        -- As a remittance lists its claims: advice.Remittance.
        placed AS (
            SELECT *, row_number() OVER (
                PARTITION BY day, payee ORDER BY status <> 'reversal', claim_id, patient_id
            ) AS place
            FROM remittance SEMI JOIN there USING (day, payee)
        )
        SELECT day, trace, status, charge, paid, patient_share, is_sent, place FROM placed
        WHERE claim_id = $claim AND ($until IS NULL OR day <= $until) ORDER BY day, payee, place
        """,
        {"claim": claim_id, "until": until},
    )
    return [ClaimTold(*row) for row in found]


def _remittance(reading: Reading, payment: Payment) -> Remittance:
    """The whole remittance, as it is written for the payee."""
    known: dict[str, Remittance] = reading.once("remittances", dict)
    found = known.get(payment.trace)
    if found is None:
        with reading.cursor() as cursor:
            found = next(remittances(cursor, payment.day, payment.payee))
        if len(known) >= _KEPT:
            known.clear()
        known[payment.trace] = found
    return found


def _page(total: int, page: int, rows: int) -> tuple[int, int]:
    """The page that is meant, and how many there are."""
    pages = max(1, -(-total // rows))
    return min(max(1, page), pages), pages


def _sums(remittance: Remittance) -> list[Sum]:
    found = []
    for status, name in STATUSES.items():
        some = [claim.paid for claim in remittance.claims if claim.status == status]
        if some:
            found.append(Sum(name, len(some), sum(some, Decimal("0.00"))))
    return found


def _beside(reading: Reading, payment: Payment) -> tuple[Payment | None, Payment | None]:
    """The payee's remittances before and after one."""
    found = []
    for where, order in (("<", "DESC"), (">", "ASC")):
        rows = reading.ask(
            f"{_PAYMENTS} WHERE payee = $payee AND day {where} $day ORDER BY day {order} LIMIT 1",
            {"payee": payment.payee, "day": payment.day},
        )
        found.append(Payment(*rows[0]) if rows else None)
    return found[0], found[1]


def _reversed_from(reading: Reading, payment: Payment, places: list[tuple[int, PaidClaim]]) -> dict[int, Payment]:
    """Which remittances told what the reversals among some claims reverse."""
    reversals = {(claim.claim_id, claim.patient_id): place for place, claim in places if claim.status == "22"}
    if not reversals:
        return {}
    rows: list[tuple[Any, ...]] = reading.ask(
        f"""
        SELECT reversal.claim_id, reversal.patient_id, told.* FROM remittance AS reversal
        JOIN ({_PAYMENTS}) AS told ON told.payee = reversal.payee AND told.day = reversal.told_on
        WHERE reversal.day = $day AND reversal.payee = $payee AND reversal.status = 'reversal'
        """,
        {"day": payment.day, "payee": payment.payee},
    )
    return {reversals[row[0], row[1]]: Payment(*row[2:]) for row in rows if (row[0], row[1]) in reversals}


def _reasons(reading: Reading) -> dict[tuple[str, str, str | None], str]:
    """What a member is told where something is not paid, by codes: the last wording of each rule that uses them."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    rows = reading.ask(
        """
        SELECT group_code, carc, rarc, reason FROM internal.rule JOIN internal.rule_set USING (rule_set)
        WHERE outcome IN ('deny', 'adjust') AND carc IS NOT NULL AND rule NOT IN ('pending', $reviewed)
        QUALIFY row_number() OVER (PARTITION BY rule, group_code, carc, rarc ORDER BY effective_from DESC) = 1
        ORDER BY place, effective_from DESC
        """,
        {"reviewed": REVIEWED},
    )
    for group, carc, rarc, reason in rows:
        found.setdefault((group, carc, rarc), []).append(reason)
    return {codes: " / ".join(dict.fromkeys(reasons)) for codes, reasons in found.items()}


#: One row is what one payee is paid on one day, as Payment has it.
_PAYMENTS = """
SELECT day, payee, trace, claims, reversals, net, balance_taken, balance_forwarded, paid, is_sent FROM payment
"""
