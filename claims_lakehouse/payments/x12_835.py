"""A remittance as an X12 835, health care claim payment and advice (005010X221A1): one interchange for one payee.

oxedi writes the file from tables, reads it back, and refuses what does not balance or leaves the guide. Its own tables
have no columns for banks, modifiers and some more; `x12_spec` adds them. Its errors quote the file and do not come
through here.

Where the guide's own words decide: BPR01 is H where nothing is paid (X12's interpretations 352 and 2228). BPR16 of an
ACH payment is the effective entry date of the bank file (CAQH CORE 370). A reversal negates amounts, not units, and has
no CLP05. NM1*82 is there where the payee did not give the service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import Any

import oxedi
import pyarrow as pa

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.payments.advice import PaidClaim, PaidLine, Remittance, effective_date
from claims_lakehouse.payments.payer import Payee, PayerSettings
from claims_lakehouse.payments.x12_spec import MOST_MODIFIERS, remittance_spec
from claims_lakehouse.payments.x12_text import identifier, plain_text

#: The reason with which the guide asks for the day on which coverage ended.
_AFTER_COVERAGE = "27"
#: Service lines of a claim that every reader takes: the guide has 999, x12sdk 99.
_MOST_LINES = 99
#: The guide has ten digits for an amount (element 782).
_MOST = Decimal("99999999.99")
#: CLP06: a preferred provider organization. Plans do not say what they are.
_FILING_INDICATOR = "12"
#: NM103, of which the guide can do without where it is not known, and readers cannot.
_UNKNOWN = "UNKNOWN"
_NUMBER, _TEXT, _DAY = pa.int64(), pa.string(), pa.date32()
_MONEY, _UNITS = pa.decimal128(38, 2), pa.decimal128(38, 3)
_Row = tuple[Any, ...]

_CLAIM = {
    "header_number": _NUMBER, "claim_id": _TEXT, "claim_status": _TEXT, "charge_amount": _MONEY,
    "payment_amount": _MONEY, "patient_responsibility": _MONEY, "filing_indicator": _TEXT,
    "payer_control_number": _TEXT, "facility_type": _TEXT, "frequency_code": _TEXT, "patient_last_name": _TEXT,
    "patient_first_name": _TEXT, "patient_id_qualifier": _TEXT, "patient_id": _TEXT,
    "rendering_provider_entity_type": _TEXT, "rendering_provider_name": _TEXT,
    "rendering_provider_id_qualifier": _TEXT, "rendering_provider_id": _TEXT, "received_on": _DAY,
    "coverage_ended": _DAY,
}  # fmt: skip
_SERVICE = {
    "claim": _NUMBER, "procedure_qualifier": _TEXT, "procedure_code": _TEXT, "modifier_1": _TEXT, "modifier_2": _TEXT,
    "modifier_3": _TEXT, "modifier_4": _TEXT, "charge_amount": _MONEY, "payment_amount": _MONEY, "units_paid": _UNITS,
    "original_units": _UNITS, "service_date": _DAY, "service_from": _DAY, "service_to": _DAY,
    "allowed_amount": _MONEY, "authorization_number": _TEXT, "line_item_control_number": _TEXT,
}  # fmt: skip
_ADJUSTMENT = {"claim": _NUMBER, "service": _NUMBER, "group_code": _TEXT, "reason_code": _TEXT, "amount": _MONEY}
_REMARK = {"claim": _NUMBER, "service": _NUMBER, "code_list": _TEXT, "remark": _TEXT}


def write_835(remittance: Remittance, payer: PayerSettings, payee: Payee) -> bytes:
    """The interchange that tells a payee what is paid; the same bytes for the same remittance.

    Claim numbers and other identifiers are written as they are where X12 has their characters, `#` among them. A
    separator or another character becomes `%` and two hexadecimal digits for each of its bytes, as in a URL; what is
    longer than its element is cut and ends in a hyphen and 8 digits of its SHA-256. Names lose their accents;
    separators in them become spaces, other characters `?`.

    Raises:
        PaymentsUnsound: It does not balance, leaves the guide, or is another payee's.
    """
    if payee.npi != remittance.payee:
        raise PaymentsUnsound("835: found a remittance of one payee and settings of another; expected one payee.")
    amounts = [abs(part.charge) for part in _split(remittance.claims)] + [
        abs(one.amount) for one in remittance.balances
    ]
    if max(amounts, default=0) > _MOST:
        raise PaymentsUnsound(
            f"835 of {remittance.day} for payee {payee.npi}: found a claim or balance that is too large; expected"
            f" ${_MOST:,} at most, as the guide has it."
        )
    envelope = oxedi.Envelope(
        sender_qualifier="30",
        sender_id=payer.tax_id,
        receiver_qualifier="ZZ",
        receiver_id=payee.npi,
        usage_indicator=payer.usage,
        control_number=remittance.control_number,
        date=remittance.day,
        time=time(0, 0),
    )
    tables = {"payments": _payment(remittance, payer, payee), **_balances(remittance), **_claims(remittance)}
    try:
        return oxedi.write(tables, envelope, spec=remittance_spec())
    except oxedi.WriteError as error:
        found = _told(error)
    raise PaymentsUnsound(
        f"835 of {remittance.day} for payee {payee.npi}: found {found}; expected a balanced file that follows"
        " its guide."
    )


def _told(error: oxedi.WriteError) -> str:
    """What kinds of findings there are and how many, without a value."""
    kinds = Counter(
        ".".join(filter(None, [one.diagnostic.kind if one.diagnostic else one.kind, one.table, one.column]))
        for one in error.findings
    )
    return (
        ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())[:5]) or "tables that cannot be written"
    )


def _payment(remittance: Remittance, payer: PayerSettings, payee: Payee) -> pa.Table:
    account = payee.account if remittance.paid > 0 else None
    row: dict[str, Any] = {
        "row": 0,
        "handling_code": "I" if remittance.paid > 0 else "H",
        "total_payment_amount": remittance.paid,
        "credit_debit_flag": "C",
        "payment_method": "ACH" if account else "CHK" if remittance.paid > 0 else "NON",
        "payment_date": remittance.day,
        "trace_number": identifier(remittance.trace, 50),
        "payer_identifier": payer.originator,
        "production_date": remittance.day,
        "payer_name": plain_text(payer.name, 60),
        "payer_address": plain_text(payer.address.street, 55),
        "payer_city": plain_text(payer.address.city, 30),
        "payer_state": payer.address.state,
        "payer_zip": payer.address.zip,
        "payer_technical_contact_name": plain_text(payer.contact.name, 60),
        "payer_technical_contact_qualifier": "TE",
        "payer_technical_contact_number": payer.contact.phone,
        "payee_name": plain_text(payee.name, 60),
        "payee_id_qualifier": "XX",
        "payee_id": payee.npi,
        "payee_tax_id": payee.tax_id,
    }
    if account:
        row |= {
            "payment_format": "CCP",
            "bpr_06": "01",
            "bpr_07": payer.bank.routing,
            "bpr_08": "DA",
            "bpr_09": payer.bank.account,
            "bpr_10": payer.originator,
            "bpr_12": "01",
            "bpr_13": account.routing,
            "bpr_14": "SG" if account.account_type == "savings" else "DA",
            "bpr_15": account.account,
            "payment_date": effective_date(remittance.day),
        }
    return pa.table({name: [value] for name, value in row.items()})


def _balances(remittance: Remittance) -> dict[str, pa.Table]:
    """PLB. The payee's fiscal year is not known, so it is the calendar's, as the guide has it."""
    told = [balance for balance in remittance.balances if balance.amount]
    if not told:
        return {}
    count = len(told)
    table = pa.table(
        {
            "row": range(count),
            "payment": [0] * count,
            "provider_id": [remittance.payee] * count,
            "fiscal_period_date": [date(remittance.day.year, 12, 31)] * count,
            "reason_code": ["FB"] * count,
            "reference_id": [identifier(balance.reference, 50) for balance in told],
            "amount": [balance.amount for balance in told],
        }
    )
    return {"provider_adjustments": table}


def _claims(remittance: Remittance) -> dict[str, pa.Table]:
    """The claims, their lines, and what is adjusted and remarked of each line: rows that number their parents."""
    claims: list[_Row] = []
    services: list[_Row] = []
    adjustments: list[_Row] = []
    remarks: list[_Row] = []
    for number, claim in enumerate(_split(remittance.claims)):
        claims.append((1, *_claim(claim, remittance.payee)))
        for line in claim.lines:
            service = len(services)
            services.append((number, *_service(line)))
            for adjustment in _adjustments(line):
                adjustments.append((number, service, *adjustment))
            for remark in dict.fromkeys(one.rarc for one in line.adjustments if one.rarc):
                remarks.append((number, service, "HE", remark))
    return {
        "claims": _table(_CLAIM, claims),
        "services": _table(_SERVICE, services),
        "adjustments": _table(_ADJUSTMENT, adjustments),
        "remarks": _table(_REMARK, remarks),
    }


def _split(claims: Sequence[PaidClaim]) -> Iterator[PaidClaim]:
    """Claims as one CLP can hold them: of one who gave the service, and of not too many lines.

    Others are told in parts of the same numbers, each of which balances. (The guide has REF*HPI for a line that another
    gave; x12sdk does not read it.)
    """
    for claim in claims:
        by_renderer: dict[str, list[PaidLine]] = {}
        for line in claim.lines:
            by_renderer.setdefault(line.rendering_npi or claim.rendering_npi, []).append(line)
        for npi, lines in by_renderer.items():
            for first in range(0, len(lines), _MOST_LINES):
                part = tuple(lines[first : first + _MOST_LINES])
                has_ended = any(one.carc == _AFTER_COVERAGE for line in part for one in line.adjustments)
                ended = claim.coverage_ended if has_ended else None
                yield replace(claim, rendering_npi=npi, lines=part, coverage_ended=ended)


def _claim(claim: PaidClaim, payee: str) -> _Row:
    """CLP, NM1, MOA and DTM."""
    share = Decimal(0) if claim.status == "22" else claim.patient_share
    patient_id = identifier(claim.patient_id, 80)
    has_id = len(patient_id) > 1  # NM109 has two characters at least.
    has_renderer = claim.rendering_npi != payee
    return (
        identifier(claim.claim_id, 38),
        claim.status,
        claim.charge,
        claim.paid,
        share if share > 0 else None,
        _FILING_INDICATOR,
        identifier(claim.control_number, 50),
        claim.place_of_service,
        claim.frequency_code,
        plain_text(claim.patient_last or "", 60) or _UNKNOWN,
        plain_text(claim.patient_first or "", 35) or None,
        "MI" if has_id else None,
        patient_id if has_id else None,
        *(("1", _UNKNOWN, "XX", claim.rendering_npi) if has_renderer else (None, None, None, None)),
        claim.received_on,
        claim.coverage_ended,
    )


def _service(line: PaidLine) -> _Row:
    """SVC, DTM, REF*6R and AMT*B6.

    Of a line of which the plan allows nothing no units are paid (X12's interpretation 386).
    """
    is_denied = not line.allowed and line.charge
    is_day = line.service_from == line.service_to
    return (
        "HC",
        line.procedure_code,
        *(*line.modifiers, None, None, None, None)[:MOST_MODIFIERS],
        line.charge,
        line.paid,
        Decimal(0) if is_denied else line.units,
        line.units if is_denied else None,
        *((line.service_from, None, None) if is_day else (None, line.service_from, line.service_to)),
        line.allowed or None,
        identifier(line.authorization_number, 50) if line.authorization_number else None,
        str(line.line_number),
    )


def _adjustments(line: PaidLine) -> Iterator[tuple[str, str, Decimal]]:
    """What CAS says: group, reason and amount, a group's together and each reason once. It has no amount of nothing."""
    groups: dict[str, dict[str, Decimal]] = {}
    for one in line.adjustments:
        reasons = groups.setdefault(one.group, {})
        reasons[one.carc] = reasons.get(one.carc, Decimal(0)) + one.amount
    for group, reasons in groups.items():
        for carc, amount in reasons.items():
            if amount:
                yield group, carc, amount


def _table(columns: Mapping[str, pa.DataType], rows: Sequence[_Row]) -> pa.Table:
    """A table of those rows, numbered, all of the one payment."""
    held = {name: pa.array([row[at] for row in rows], kind) for at, (name, kind) in enumerate(columns.items())}
    return pa.table({"row": range(len(rows)), "payment": pa.repeat(0, len(rows)), **held})
