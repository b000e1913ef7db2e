"""Who pays, who is paid, and where their accounts are: settings of whoever runs the lakehouse, never of the repository.

What identifies somebody at a bank or before the tax office does not show in any repr, and no error quotes a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Literal

from claims_lakehouse.errors import UsageError


@dataclass(frozen=True)
class Address:
    """Where the payer is (N3, N4)."""

    street: str
    city: str
    state: str
    zip: str


@dataclass(frozen=True)
class Contact:
    """Whom a payee asks about a remittance (PER)."""

    name: str
    phone: str


@dataclass(frozen=True)
class Bank:
    """The payer's account, from which payees are paid, and the bank to which the bank file goes.

    Attributes:
        routing: The routing number of the bank that originates the entries (ODFI).
        account: The account there.
        company_id: What the bank knows the payer by, ten characters.
        name: The bank's name.
        destination_routing: Whom the file is for: the bank itself, or its ACH operator.
        destination_name: The name of that.
    """

    routing: str = field(repr=False)
    account: str = field(repr=False)
    company_id: str = field(repr=False)
    name: str
    destination_routing: str = field(repr=False)
    destination_name: str


@dataclass(frozen=True)
class PayeeAccount:
    """Where a payee is paid electronically."""

    routing: str = field(repr=False)
    account: str = field(repr=False)
    account_type: Literal["checking", "savings"]


@dataclass(frozen=True)
class Payee:
    """Who is paid; by check where no account is known."""

    npi: str
    name: str
    tax_id: str = field(repr=False)
    account: PayeeAccount | None


@dataclass(frozen=True)
class PayerSettings:
    """Who pays, from where, and whom.

    Attributes:
        name: The health plan's name.
        tax_id: Its Taxpayer Identification Number, nine digits.
        address: Where it is.
        contact: Whom payees ask.
        usage: P where files are for production, T where they are a test (ISA15).
        bank: Its account.
        payees: Whom it pays, by National Provider Identifier.
    """

    name: str
    tax_id: str = field(repr=False)
    address: Address
    contact: Contact
    usage: str
    bank: Bank
    payees: Mapping[str, Payee] = field(repr=False)

    @property
    def originator(self) -> str:
        """What TRN03 and BPR10 know the payer by: 1 (a tax number follows) and the tax number."""
        return f"1{self.tax_id}"

    @cached_property
    def digest(self) -> str:
        """What differs where anything that the settings say differs."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def payee(self, npi: str) -> Payee:
        """A payee's settings; UsageError where there are none."""
        try:
            return self.payees[npi]
        except KeyError:
            raise UsageError(f"Payer settings, key 'payees.{npi}': found nothing; expected name and tax_id.") from None
