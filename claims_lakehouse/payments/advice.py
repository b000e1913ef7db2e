"""What a remittance says, before it is written as X12: claims paid, denied and reversed, balances, what is paid.

Amounts are US dollars, exact cents. Nothing here knows files or the warehouse.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

#: CLP02: processed as primary, denied, reversal of an earlier payment.
ClaimStatus = Literal["1", "4", "22"]


@dataclass(frozen=True)
class LineAdjustment:
    """An amount of a line's charge that is not paid; of a reversal, negative."""

    group: str
    carc: str
    amount: Decimal
    rarc: str | None = None


@dataclass(frozen=True)
class PaidLine:
    """A service line: charge = paid + adjustments. Of a reversal all amounts are those that were remitted, negative.

    Attributes:
        line_number: The line's place in the claim.
        procedure_code: CPT or HCPCS level II.
        modifiers: Up to four.
        service_from: First day of the service.
        service_to: Last day of it.
        units: The units that were billed.
        charge: What was asked.
        allowed: What the plan allows.
        paid: What is paid.
        adjustments: What is not, and why.
        authorization_number: The agreement by which it was decided, where there is one.
        rendering_npi: Who gave the service, where that is another than for the claim.
    """

    line_number: int
    procedure_code: str
    modifiers: tuple[str, ...]
    service_from: date
    service_to: date
    units: Decimal
    charge: Decimal
    allowed: Decimal
    paid: Decimal
    adjustments: tuple[LineAdjustment, ...]
    authorization_number: str | None = None
    rendering_npi: str | None = None


@dataclass(frozen=True)
class PaidClaim:
    """A claim in a remittance.

    Attributes:
        claim_id: The claim's number, as the provider gave it (CLP01).
        status: 1 processed, 4 denied, 22 reversal.
        control_number: The payer's number of the claim (CLP07), the same whenever the payee is told of it.
        patient_id: The patient's member number (NM109 of QC).
        patient_first: Given name, where the patient is known.
        patient_last: Family name, where the patient is known.
        rendering_npi: Who gave the service of the first line.
        place_of_service: CMS's code (CLP08), where it was said.
        frequency_code: CLP09.
        received_on: When the claim was received (DTM*050).
        lines: Its lines.
        coverage_ended: When coverage ended, where a line is denied for that (DTM*036).
    """

    claim_id: str
    status: ClaimStatus
    control_number: str
    patient_id: str
    patient_first: str | None
    patient_last: str | None
    rendering_npi: str
    place_of_service: str | None
    frequency_code: str
    received_on: date
    lines: tuple[PaidLine, ...]
    coverage_ended: date | None = None

    @property
    def charge(self) -> Decimal:
        """What was asked (CLP03)."""
        return sum((line.charge for line in self.lines), Decimal("0.00"))

    @property
    def paid(self) -> Decimal:
        """What is paid (CLP04)."""
        return sum((line.paid for line in self.lines), Decimal("0.00"))

    @property
    def patient_share(self) -> Decimal:
        """What is left to the patient (CLP05): all adjustments of group PR."""
        shares = (one.amount for line in self.lines for one in line.adjustments if one.group == "PR")
        return sum(shares, Decimal("0.00"))


@dataclass(frozen=True)
class Balance:
    """A balance that a remittance takes (positive: it lessens the payment) or forwards (negative): PLB, reason FB."""

    reference: str
    amount: Decimal


@dataclass(frozen=True)
class Remittance:
    """What one payee is told and paid on one day: paid = sum of the claims' payments less the balances.

    Attributes:
        day: The payment day.
        payee: The payee's National Provider Identifier.
        trace: The trace number (TRN02), the same in the bank file.
        control_number: The interchange's control number, 1 to 999,999,999.
        claims: Reversals first, then claims.
        balances: Balances taken and forwarded.
        paid: What is paid (BPR02).
    """

    day: date
    payee: str
    trace: str
    control_number: int
    claims: tuple[PaidClaim, ...]
    balances: tuple[Balance, ...]
    paid: Decimal


def effective_date(day: date) -> date:
    """When money of a payment day moves: the next day after it that is no Saturday or Sunday.

    Holidays of the Federal Reserve are not known here: the bank moves such a day to its next one.
    """
    return day + timedelta(days={4: 3, 5: 2}.get(day.weekday(), 1))
