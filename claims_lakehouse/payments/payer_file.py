"""The TOML file that says who pays and whom: read with every value held to its form, and made up for a demo.

What identifies somebody at a bank or before the tax office does not show in any error.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from claims_lakehouse.errors import UsageError
from claims_lakehouse.payments.payer import Address, Bank, Contact, Payee, PayeeAccount, PayerSettings
from claims_lakehouse.payments.x12_text import plain_text

#: How the digits of a routing number weigh in its check digit, as the ABA has it.
_ABA_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)


def read_payer(path: Path) -> PayerSettings:
    """Read a TOML file; what it looks like, `made_up_settings` shows.

    Raises:
        UsageError: It cannot be read, or a key is missing, unknown or not of its form.
    """
    root = _Table(str(path), "", _toml(path))
    payer, bank = root.table("payer"), root.table("bank")
    address, contact = payer.table("address"), payer.table("contact")
    payees = root.table("payees", optional=True)
    settings = PayerSettings(
        name=payer.text("name", _NAME),
        tax_id=payer.text("tax_id", _TAX_ID),
        address=Address(
            street=address.text("street", _STREET),
            city=address.text("city", _CITY),
            state=address.text("state", _STATE),
            zip=address.text("zip", _ZIP),
        ),
        contact=Contact(name=contact.text("name", _NAME), phone=contact.text("phone", _PHONE)),
        usage=payer.text("usage", _USAGE) if payer.has("usage") else "P",
        bank=Bank(
            routing=bank.text("routing", _ROUTING),
            account=bank.text("account", _ACCOUNT),
            company_id=bank.text("company_id", _COMPANY_ID),
            name=bank.text("name", _NAME),
            destination_routing=bank.text("destination_routing", _ROUTING),
            destination_name=bank.text("destination_name", _NAME),
        ),
        payees={npi: _payee(npi, payees.table(npi)) for npi in payees.npis()},
    )
    for table in (address, contact, payer, bank, root):
        table.refuse_others()
    return settings


def has_check_digit(routing: str) -> bool:
    """Whether the last of nine digits is the check digit of a routing number."""
    return sum(int(digit) * weight for digit, weight in zip(routing, _ABA_WEIGHTS, strict=True)) % 10 == 0


def made_up_settings(npis: Iterable[str]) -> str:
    """The text of settings for a demo: well formed, the same for the same payees, and nobody's.

    Names say that they are examples, tax numbers begin with 00, which nobody's do, and files are marked as tests. One
    payee in five is paid by check.
    """
    parts = [
        f"""# Made up for a demo: no bank, plan or practice has these numbers.
[payer]
name = "Example Health Plan"
tax_id = "001234567"
usage = "T"

[payer.address]
street = "1 Example Street"
city = "Exampleton"
state = "NY"
zip = "10001"

[payer.contact]
name = "Example Remittance Desk"
phone = "5555550100"

[bank]
routing = "{_made_up_routing("12345678")}"
account = "000111222333"
company_id = "1001234567"
name = "Example Bank"
destination_routing = "{_made_up_routing("12345678")}"
destination_name = "Example Bank"
"""
    ]
    for npi in sorted(set(npis)):
        number = int(sha256(npi.encode()).hexdigest()[:15], 16)
        digits = f"{number % 10**9:09}"
        parts.append(f'\n[payees.{npi}]\nname = "Example Practice {npi[-4:]}"\ntax_id = "00{digits[:7]}"\n')
        if number % 5:
            stem = ("11111111", "22222222", "01234567")[number % 3]
            kind = "savings" if number % 5 == 1 else "checking"
            parts.append(f'routing = "{_made_up_routing(stem)}"\naccount = "000{digits}"\naccount_type = "{kind}"\n')
    return "".join(parts)


def _made_up_routing(stem: str) -> str:
    return next(routing for digit in range(10) if has_check_digit(routing := f"{stem}{digit}"))


class _Form(NamedTuple):
    """What text is accepted, in words and as a pattern or test."""

    expected: str
    accepts: Callable[[str], object]


def _pattern(expected: str, pattern: str) -> _Form:
    return _Form(expected, re.compile(pattern).fullmatch)


def _written(expected: str, least: int, longest: int) -> _Form:
    """Text that stands in files for payees and banks: what is left of it there is text still."""
    pattern = re.compile(rf"\S|\S[^\x00-\x1f\x7f]{{0,{longest - 2}}}\S")
    return _Form(expected, lambda text: pattern.fullmatch(text) and len(plain_text(text, longest)) >= least)


_NAME = _written("a name of 1 to 60 characters that X12 can write", 1, 60)
_STREET = _written("1 to 55 characters that X12 can write", 1, 55)
_CITY = _written("2 to 30 characters that X12 can write", 2, 30)
_STATE = _pattern("the two letters of a state", "[A-Z]{2}")
_ZIP = _pattern("five or nine digits", "[0-9]{5}|[0-9]{9}")
_PHONE = _pattern("ten digits", "[0-9]{10}")
_TAX_ID = _pattern("nine digits", "[0-9]{9}")
_USAGE = _pattern("P or T", "[PT]")
_COMPANY_ID = _pattern("ten capital letters and digits", "[0-9A-Z]{10}")
_ACCOUNT_TYPE = _pattern("checking or savings", "checking|savings")
#: As the field of a NACHA entry has it: achkit cuts what is longer and changes small letters.
_ACCOUNT = _pattern("up to 17 digits, capital letters and inner hyphens", "[0-9A-Z](?:[0-9A-Z-]{0,15}[0-9A-Z])?")
_ROUTING = _Form(
    "nine digits, the last a check digit", lambda text: re.fullmatch("[0-9]{9}", text) and has_check_digit(text)
)


class _Table:
    """A table of the settings file: gives values that are of their form, and knows what nobody asked for."""

    def __init__(self, path: str, name: str, content: Mapping[str, Any]) -> None:
        self._path, self._name, self._content = path, name, content
        self._known: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether it has a key at all."""
        return key in self._content

    def table(self, key: str, optional: bool = False) -> _Table:
        """A table in it."""
        content = self._value(key, "a table", {} if optional else None)
        if not isinstance(content, dict):
            raise self._error(key, "a value", "a table")
        return _Table(self._path, self._full(key), content)

    def text(self, key: str, form: _Form) -> str:
        """A text of a form."""
        text = self._value(key, form.expected)
        if not isinstance(text, str):
            raise self._error(key, "a value without quotes", f"text: {form.expected}")
        if not form.accepts(text):
            raise self._error(key, "another text", form.expected)
        return text

    def npis(self) -> list[str]:
        """Its keys, every one a National Provider Identifier."""
        for place, key in enumerate(self._content, start=1):
            if not re.fullmatch("[12][0-9]{9}", key):
                raise UsageError(
                    f"{self._path}, table '{self._name}': found another name at place {place}; expected a National"
                    " Provider Identifier, ten digits that begin with 1 or 2."
                )
        return list(self._content)

    def refuse_others(self) -> None:
        """UsageError where it has keys that nobody asked for; they may be anything, so they are not named."""
        others = len(self._content.keys() - self._known)
        if others:
            where = f"table '{self._name}'" if self._name else "the file"
            expected = ", ".join(sorted(self._known))
            raise UsageError(f"{self._path}, {where}: found {others} unknown key(s); expected none beside {expected}.")

    def _value(self, key: str, expected: str, otherwise: Any = None) -> Any:
        self._known.add(key)
        value = self._content.get(key, otherwise)
        if value is None:
            raise self._error(key, "nothing", expected)
        return value

    def _full(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _error(self, key: str, found: str, expected: str) -> UsageError:
        return UsageError(f"{self._path}, key '{self._full(key)}': found {found}; expected {expected}.")


def _payee(npi: str, table: _Table) -> Payee:
    name, tax_id = table.text("name", _NAME), table.text("tax_id", _TAX_ID)
    account = None
    if any(table.has(key) for key in ("routing", "account", "account_type")):
        account = PayeeAccount(
            routing=table.text("routing", _ROUTING),
            account=table.text("account", _ACCOUNT),
            account_type=cast(Literal["checking", "savings"], table.text("account_type", _ACCOUNT_TYPE)),
        )
    table.refuse_others()
    return Payee(npi, name, tax_id, account)


def _toml(path: Path) -> dict[str, Any]:
    """What the file holds. Neither the reader's words nor its error come through: they quote the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found, expected = f"no file that can be read ({error.strerror})", "the payer's settings"
    except UnicodeDecodeError:
        found, expected = "bytes that are no text", "UTF-8"
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at (line [0-9]+, column [0-9]+|end of document)\)$", str(error))
        found, expected = f"what is no TOML{f', {place[1]}' if place else ''}", "the payer's settings"
    raise UsageError(f"{path}: found {found}; expected {expected}.")
