"""Remittances as tests build them: sound ones, of which a test changes one thing; and settings of nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from claims_lakehouse.payments.advice import Balance, LineAdjustment, PaidClaim, PaidLine, Remittance
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.payer_file import read_payer

DAY = date(2024, 3, 1)  # a Friday
#: Paid to a checking account, to a savings account, and by check.
CHECKING, SAVINGS, BY_CHECK = "1234567893", "1999996666", "1000000004"
SECRETS = {
    "payer.tax_id": "456123789",
    "bank.routing": "123456780",
    "bank.account": "7000-111-7",
    "bank.company_id": "1A23456789",
    "bank.destination_routing": "222222226",
    "payees.tax_id": "987654321",
    "payees.routing": "111111118",
    "payees.account": "7000222333",
}
SETTINGS = f"""
[payer]
name = "Example Health Plan"
tax_id = "{SECRETS["payer.tax_id"]}"
usage = "T"
[payer.address]
street = "1 Example Street"
city = "Exampleton"
state = "NY"
zip = "10001"
[payer.contact]
name = "Remittance Desk"
phone = "5555550100"
[bank]
routing = "{SECRETS["bank.routing"]}"
account = "{SECRETS["bank.account"]}"
company_id = "{SECRETS["bank.company_id"]}"
name = "Bank of Nowhere"
destination_routing = "{SECRETS["bank.destination_routing"]}"
destination_name = "Reserve of Nowhere"
[payees.{CHECKING}]
name = "Clínica Ejemplo & Sons"
tax_id = "{SECRETS["payees.tax_id"]}"
routing = "{SECRETS["payees.routing"]}"
account = "{SECRETS["payees.account"]}"
account_type = "checking"
[payees.{SAVINGS}]
name = "Example Practice of a Name that a Bank File Has No Room for"
tax_id = "987654322"
routing = "123456780"
account = "A-1"
account_type = "savings"
[payees.{BY_CHECK}]
name = "Example Midwives"
tax_id = "987654323"
"""


def payer(folder: Path, text: str = SETTINGS) -> PayerSettings:
    path = folder / "payer.toml"
    path.write_text(text, encoding="utf-8")
    return read_payer(path)


def adjustment(group: str, carc: str, amount: str, rarc: str | None = None) -> LineAdjustment:
    return LineAdjustment(group, carc, Decimal(amount), rarc)


def line(**changes: Any) -> PaidLine:
    """$100 asked, $80 allowed, $60 paid: $20 above the fee schedule and $20 of the deductible."""
    sound = PaidLine(
        line_number=1,
        procedure_code="99213",
        modifiers=(),
        service_from=date(2024, 2, 14),
        service_to=date(2024, 2, 14),
        units=Decimal("1.000"),
        charge=Decimal("100.00"),
        allowed=Decimal("80.00"),
        paid=Decimal("60.00"),
        adjustments=(adjustment("CO", "45", "20.00"), adjustment("PR", "1", "20.00")),
    )
    amounts = {name: Decimal(value) for name, value in changes.items() if isinstance(value, str) and name in _AMOUNTS}
    return replace(sound, **changes | amounts)


_AMOUNTS = ("units", "charge", "allowed", "paid")


def denied_line(**changes: Any) -> PaidLine:
    """Two units at $50 in all, of which the plan allows nothing: it came too late."""
    told = {
        "charge": "50.00", "allowed": "0.00", "paid": "0.00", "units": "2.000",
        "adjustments": (adjustment("CO", "29", "50.00", "N211"),),
    }  # fmt: skip
    return line(**told | changes)


def claim(*lines: PaidLine, **changes: Any) -> PaidClaim:
    sound = PaidClaim(
        claim_id="C#1",
        status="1",
        control_number="P0001",
        patient_id="M1",
        patient_first="Ann",
        patient_last="Ward",
        rendering_npi="1888888888",
        place_of_service="11",
        frequency_code="1",
        received_on=date(2024, 2, 20),
        lines=lines or (line(),),
    )
    return replace(sound, **changes)


def reversal(of: PaidClaim) -> PaidClaim:
    """The reversal of a claim: all its amounts, negative."""
    lines = tuple(
        replace(
            one,
            charge=-one.charge,
            allowed=-one.allowed,
            paid=-one.paid,
            adjustments=tuple(replace(each, amount=-each.amount) for each in one.adjustments),
        )
        for one in of.lines
    )
    return replace(of, status="22", lines=lines)


def remittance(*claims: PaidClaim, taken: str = "0", payee: str = CHECKING, **changes: Any) -> Remittance:
    """Claims, less a balance of an earlier day; where reversals exceed payments, the rest goes forward."""
    trace = f"{DAY:%Y%m%d}{payee}"
    told = claims or (claim(),)
    net = sum((one.paid for one in told), Decimal("0.00")) - Decimal(taken)
    balances = [Balance(f"20240201{payee}", Decimal(taken))] if Decimal(taken) else []
    if net < 0:
        balances.append(Balance(trace, net))
    sound = Remittance(DAY, payee, trace, 77, told, tuple(balances), max(net, Decimal("0.00")))
    return replace(sound, **changes)


def many(amounts: Iterable[str], group: str = "CO") -> tuple[LineAdjustment, ...]:
    return tuple(adjustment(group, str(carc), amount) for carc, amount in enumerate(amounts, start=1))


#: What a remittance may have to say, by name.
REMITTANCES = {
    "a paid claim": remittance(),
    "a claim of several lines": remittance(
        claim(line(), line(line_number=2, modifiers=("25", "59", "GT", "95")), denied_line(line_number=3))
    ),
    "a denied claim": remittance(claim(denied_line(), status="4")),
    "a paid and a denied claim": remittance(claim(), claim(denied_line(), claim_id="C#2", status="4")),
    "a reversal and its replacement": remittance(
        reversal(claim()), claim(line(paid="70.00", adjustments=many(["20.00", "10.00"])), frequency_code="7")
    ),
    "the reversal of a claim that was denied": remittance(reversal(claim(denied_line(), status="4")), claim()),
    "reversals that exceed payments": remittance(reversal(claim()), claim(denied_line(), claim_id="C#2", status="4")),
    "a reversal and nothing else": remittance(reversal(claim())),
    "a balance that is taken": remittance(taken="12.34"),
    "a balance that is taken and goes forward in part": remittance(taken="1012.34"),
    "a payee who is paid by check": remittance(payee=BY_CHECK),
    "a payee with a savings account": remittance(payee=SAVINGS),
    "a payee who gave the service": remittance(claim(rendering_npi=CHECKING)),
    "a line of several days and parts of units": remittance(
        claim(line(service_to=date(2024, 2, 16), units="2.625"), place_of_service=None)
    ),
    "more than six adjustments of a group, and groups that alternate": remittance(
        claim(
            line(
                paid="60.00",
                adjustments=(
                    *many(["1.00"] * 8),
                    adjustment("PR", "1", "20.00", "N1"),
                    adjustment("CO", "45", "13.00", "M15"),
                    adjustment("OA", "23", "-1.00", "N1"),
                    adjustment("CO", "45", "-1.00"),
                    adjustment("PI", "94", "1.00"),
                ),
            )
        )
    ),
    "a line that asked for nothing": remittance(
        claim(line(charge="0", allowed="0", paid="0", adjustments=(adjustment("CO", "97", "0", "M15"),)), status="4")
    ),
    "a line that is paid in full": remittance(claim(line(allowed="100.00", paid="100.00", adjustments=()))),
    "a patient whom nobody knows": remittance(claim(patient_first=None, patient_last=None, patient_id="M")),
    "text that X12 does not have": remittance(
        claim(
            claim_id="CF#*1~:^é",
            patient_last="Núñez*O\N{RIGHT SINGLE QUOTATION MARK}Łukaszewicz~",
            patient_first="Zoë\N{GRINNING FACE}",
            patient_id="M*1",
            control_number="P~1",
        )
    ),
    "a line of somebody else, by an agreement, after coverage ended": remittance(
        claim(
            denied_line(adjustments=(adjustment("PR", "27", "50.00"),)),
            denied_line(
                line_number=2,
                adjustments=(adjustment("PR", "27", "50.00"),),
                authorization_number="A-1",
                rendering_npi="1999999984",
            ),
            status="4",
            coverage_ended=date(2024, 1, 31),
        )
    ),
    "a claim of 200 lines": remittance(claim(*(line(line_number=number) for number in range(1, 201)))),
    "a claim number that is too long": remittance(claim(claim_id="0123456789" * 4, patient_last="Ward " * 20)),
}
