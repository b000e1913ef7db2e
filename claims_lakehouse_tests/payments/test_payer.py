"""The payer's settings: read whole or refused by name of the key, and never told."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from claims_lakehouse.errors import UsageError
from claims_lakehouse.payments.payer_file import has_check_digit, made_up_settings, read_payer
from claims_lakehouse_tests.payments.remittances import BY_CHECK, CHECKING, SAVINGS, SECRETS, SETTINGS, payer

#: Every key of the settings whose value is text, and a value that it does not accept.
KEYS = {
    "payer.name": " ",
    "payer.tax_id": "12-3456789",
    "payer.usage": "X",
    "payer.address.street": "",
    "payer.address.city": "X",
    "payer.address.state": "New York",
    "payer.address.zip": "1000",
    "payer.contact.name": "a\tb",
    "payer.contact.phone": "(555) 555-0100",
    "bank.routing": "123456789",
    "bank.account": "7000 111",
    "bank.company_id": "1a23456789",
    "bank.name": "x" * 61,
    "bank.destination_routing": "02222222",
    "bank.destination_name": "",
    f"payees.{CHECKING}.name": "",
    f"payees.{CHECKING}.tax_id": "98765432",
    f"payees.{CHECKING}.routing": "111111117",
    f"payees.{CHECKING}.account": "123456789012345678",
    f"payees.{CHECKING}.account_type": "Checking",
}


def changed(key: str, to: str | None) -> str:
    """The settings with one value written otherwise, or left out."""
    table, name = key.rsplit(".", 1)
    begin = SETTINGS.index(f"[{table}]\n")
    text, count = re.subn(
        rf'(?m)^{name} = ".*"\n', lambda _: "" if to is None else f"{name} = {to}\n", SETTINGS[begin:], count=1
    )
    assert count == 1
    return SETTINGS[:begin] + text


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as refused:
        payer(folder, text)
    assert refused.value.__context__ is None
    return str(refused.value)


def test_settings_say_who_pays_whom_and_from_where(tmp_path: Path) -> None:
    plan = payer(tmp_path)
    assert (plan.name, plan.address.city, plan.contact.phone, plan.usage) == (
        "Example Health Plan", "Exampleton", "5555550100", "T"
    )  # fmt: skip
    assert plan.originator == "1456123789"
    assert (plan.bank.routing, plan.bank.account, plan.bank.company_id) == ("123456780", "7000-111-7", "1A23456789")
    account = plan.payee(SAVINGS).account
    assert account is not None
    assert (account.routing, account.account, account.account_type) == ("123456780", "A-1", "savings")
    assert plan.payee(BY_CHECK).account is None


def test_files_are_for_production_where_nothing_is_said(tmp_path: Path) -> None:
    assert payer(tmp_path, changed("payer.usage", None)).usage == "P"


@pytest.mark.parametrize("key", KEYS)
def test_a_value_that_is_not_of_its_form_is_refused_by_name_and_not_told(key: str, tmp_path: Path) -> None:
    value = KEYS[key]
    told = refusal(tmp_path, changed(key, json.dumps(value)))
    assert f"key '{key}': found another text; expected" in told
    assert len(value) < 8 or value not in told


@pytest.mark.parametrize("key", ["payer.name", "payer.address.street", "payer.address.city", "bank.destination_name"])
def test_a_name_of_which_x12_can_write_nothing_is_refused(key: str, tmp_path: Path) -> None:
    assert f"key '{key}': found another text; expected" in refusal(tmp_path, changed(key, '"~*^"'))


@pytest.mark.parametrize("key", [key for key in KEYS if key != "payer.usage"])
def test_a_key_that_is_missing_is_named(key: str, tmp_path: Path) -> None:
    assert f"key '{key}': found nothing; expected" in refusal(tmp_path, changed(key, None))


@pytest.mark.parametrize("key", KEYS)
def test_a_number_without_quotes_is_refused_and_not_told(key: str, tmp_path: Path) -> None:
    told = refusal(tmp_path, changed(key, "987650123"))
    assert f"key '{key}': found a value without quotes" in told
    assert "98765" not in told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SETTINGS + 'acount = "7000999888"\n', f"table 'payees.{BY_CHECK}': found 1 unknown key"),
        ('7000999888 = "x"\n' + SETTINGS, "the file: found 1 unknown key"),
        (SETTINGS + '[payees.7000999888]\nname = "x"\n', "table 'payees': found another name at place 4"),
        (SETTINGS + "account = 7000999888x\n", "found what is no TOML, line"),
        (SETTINGS + 'account = "7000999888', "found what is no TOML, "),
        ("payer = 7000999888\n", "key 'payer': found a value; expected a table"),
        ("", "key 'payer': found nothing; expected a table"),
    ],
)
def test_settings_of_another_shape_are_refused_and_not_told(text: str, found: str, tmp_path: Path) -> None:
    told = refusal(tmp_path, text)
    assert found in told
    assert "7000999888" not in told


def test_a_file_that_is_not_there_or_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file that can be read"):
        read_payer(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('[payer]\nname = "Clínica"'.encode("latin-1"))
    with pytest.raises(UsageError, match="bytes that are no text"):
        read_payer(tmp_path / "latin.toml")


def test_a_payee_who_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"key 'payees\.1888888888': found nothing"):
        payer(tmp_path).payee("1888888888")


def test_nothing_that_identifies_somebody_at_a_bank_shows(tmp_path: Path) -> None:
    plan = payer(tmp_path)
    shown = f"{plan!r}{plan}{plan.bank!r}{plan.payees!r}{plan.payee(CHECKING)}{plan.payee(CHECKING).account}"
    assert [name for name, secret in SECRETS.items() if secret in shown] == []
    assert "Example Health Plan" in shown


_SECRETIVE = [key for key in KEYS if key.rsplit(".", 1)[1] in ("account", "routing", "tax_id", "company_id")]


@given(key=st.sampled_from(_SECRETIVE), value=st.from_regex("[0-9A-Zé][0-9A-Zé .-]{8,30}", fullmatch=True))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_value_comes_into_an_error_or_a_repr(key: str, value: str, tmp_path: Path) -> None:
    assume(value not in key)  # which is named, and holds a payee's number
    try:
        told = repr(payer(tmp_path, changed(key, json.dumps(value, ensure_ascii=False))))
    except UsageError as error:
        told = str(error)
    assert value not in told


def test_whatever_the_settings_say_has_its_own_digest(tmp_path: Path) -> None:
    plan = payer(tmp_path)
    assert plan.digest == payer(tmp_path, "# a word\n" + SETTINGS).digest
    others = {payer(tmp_path, SETTINGS.replace(old, new)).digest for old, new in (("7000222333", "1"), ("Exa", "Ex"))}
    assert len({plan.digest, *others}) == 3
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_made_up_settings_are_well_formed_and_the_same_for_the_same_payees(tmp_path: Path) -> None:
    npis = [f"{number}" for number in range(1_000_000_000, 1_000_000_100)]
    text = made_up_settings(npis)
    plan = payer(tmp_path, text)
    assert text == made_up_settings(reversed(npis))
    assert set(plan.payees) == set(npis)
    assert plan.usage == "T"
    assert plan.name.startswith("Example")
    kinds = [one.account and one.account.account_type for one in plan.payees.values()]
    assert set(kinds) == {"checking", "savings", None}
    assert all(one.name.startswith("Example") and one.tax_id.startswith("00") for one in plan.payees.values())
    assert payer(tmp_path, made_up_settings(npis[:3])).payee(npis[0]) == plan.payee(npis[0])
    assert payer(tmp_path, made_up_settings([])).payees == {}


def test_check_digits_are_those_of_the_aba() -> None:
    # Routing numbers of Federal Reserve Banks, published by them.
    assert all(has_check_digit(number) for number in ("011000015", "021001208", "121000374"))
    assert not has_check_digit("011000016")
