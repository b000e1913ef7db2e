"""What a bank is told to pay on a day: a NACHA file with one batch of CCD+ entries, each with the trace of its 835.

achkit counts, hashes and blocks. It cuts and changes what does not fit a field, so what a bank must get whole is of its
form already: accounts by `payer`, amounts and traces here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time

from achkit import AchFile  # type: ignore[import-untyped]

from claims_lakehouse.errors import PaymentsUnsound
from claims_lakehouse.payments.advice import Remittance, effective_date
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.x12_text import plain_text

#: By this a bank knows a health care payment (CAQH CORE 370).
_ENTRY_DESCRIPTION = "HCCLAIMPMT"
#: The first file of a day, and its only one.
_FILE_ID = "A"
_MOST_CENTS = 10**10 - 1
#: What of a trace fits the 80 characters of an addenda record and is not changed there.
_TRACE = re.compile("[0-9A-Z-]{1,50}")


def write_bank_file(day: date, remittances: Sequence[Remittance], payer: PayerSettings) -> bytes | None:
    """The file that pays a day's remittances; the same bytes for the same remittances. None where it would pay nothing.

    Payees without an account are paid by check, and have no entry. Entries are in the order of the payees' numbers.
    There is no entry for the payer's own account: its bank takes the sum from there.

    Raises:
        UsageError: A payee who is paid is not in the settings.
        PaymentsUnsound: A sum or trace does not fit its field, or two payments have one trace.
    """
    bank = payer.bank
    file = AchFile.create(
        origin_dfi=bank.routing,
        company_id=bank.company_id,
        destination_routing=bank.destination_routing,
        destination_name=plain_text(bank.destination_name, 23),
        origin_name=plain_text(bank.name, 23),
        file_id_modifier=_FILE_ID,
        creation_date=datetime.combine(day, time(0, 0)),
    )
    batch = file.batch(
        sec="CCD",
        description=_ENTRY_DESCRIPTION,
        descriptive_date=f"{day:%y%m%d}",
        effective_date=effective_date(day).isoformat(),
        company_name=plain_text(payer.name, 16),
        company_id=bank.company_id,
    )
    traces: set[str] = set()
    for remittance in sorted(remittances, key=lambda one: one.payee):
        payee = payer.payee(remittance.payee) if remittance.paid > 0 else None
        if payee is None or payee.account is None:
            continue
        if remittance.trace in traces:
            raise PaymentsUnsound(f"Bank file of {day}: found a trace twice; expected each once.")
        check_entry(remittance)
        traces.add(remittance.trace)
        batch.credit(
            name=plain_text(payee.name, 22),
            routing=payee.account.routing,
            account=payee.account.account,
            account_type=payee.account.account_type,
            amount_cents=int(remittance.paid * 100),
            id_number=payee.npi,
            addenda=f"TRN*1*{remittance.trace}*{payer.originator}\\",
        )
    return str(file.render()).encode("ascii") if traces else None


def check_entry(remittance: Remittance) -> None:
    """PaymentsUnsound where a payment or its trace does not fit the fields of an entry."""
    where = f"Payment of {remittance.day} to payee {remittance.payee}"
    cents = remittance.paid * 100
    if cents != int(cents):
        raise PaymentsUnsound(f"{where}: found parts of a cent; expected whole cents.")
    if cents > _MOST_CENTS:
        raise PaymentsUnsound(f"{where}: found a sum that is too large; expected $99,999,999.99 at most.")
    if not _TRACE.fullmatch(remittance.trace):
        raise PaymentsUnsound(f"{where}: found a trace of another form; expected up to 50 digits and capital letters.")
