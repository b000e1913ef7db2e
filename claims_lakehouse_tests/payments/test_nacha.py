"""The bank file: what it says to the column, that it adds up, and that carta-ach reads and makes the same."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.errors import PaymentsUnsound, UsageError
from claims_lakehouse.payments.advice import Remittance
from claims_lakehouse.payments.nacha import write_bank_file
from claims_lakehouse.payments.payer import PayerSettings
from claims_lakehouse.payments.x12_835 import write_835
from claims_lakehouse_tests.payments.remittances import (
    BY_CHECK,
    CHECKING,
    DAY,
    REMITTANCES,
    SAVINGS,
    SETTINGS,
    adjustment,
    claim,
    line,
    payer,
    remittance,
    reversal,
)
from claims_lakehouse_tests.payments.x12_readers import named

#: Reads a file with carta-ach, and makes one of the same entries with it; both as JSON.
_CARTA = r"""
import datetime, json, sys
from ach.builder import AchFile
from ach.parser import Parser
read = Parser(sys.stdin.read()).as_dict()
head, [batch] = read["file_header"], read["batches"]
company = batch["batch_header"]
entries = [
    {
        "type": one["entry_detail"]["transaction_code"],
        "routing_number": one["entry_detail"]["recv_dfi_id"],
        "account_number": one["entry_detail"]["dfi_acnt_num"].rstrip(),
        "amount": str(int(one["entry_detail"]["amount"]) / 100),
        "name": one["entry_detail"]["ind_name"].rstrip(),
        "id_number": one["entry_detail"]["ind_id"].rstrip(),
        "addenda": [{"payment_related_info": each["pmt_rel_info"].rstrip()} for each in one["addenda"]],
    }
    for one in batch["entries"]
]
made = AchFile("A", {
    "immediate_dest": company["orig_dfi_id"] + "0", "immediate_org": head["immediate_org"].strip(),
    "immediate_dest_name": "x", "immediate_org_name": company["company_name"].rstrip(),
    "company_id": company["company_id"],
})
day = datetime.datetime.strptime(company["eff_ent_date"], "%y%m%d")
made.add_batch("CCD", entries, credits=True, debits=False, eff_ent_date=day, entry_desc=company["entry_desc"])
json.dump({"read": read, "made": made.render_to_string()}, sys.stdout)
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> PayerSettings:
    return payer(tmp_path_factory.mktemp("payer"))


@pytest.fixture(scope="session")
def carta(shared: Path) -> Path:
    """The Python of an environment that holds carta-ach and nothing else, made once a run."""
    folder = shared / "carta-ach"
    python = folder / "bin" / "python"
    with (shared / "carta-ach.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
            install = ["--python", str(python), "install", "--quiet", "--no-deps", "carta-ach==0.4.5"]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run([sys.executable, "-m", "pip", *install], capture_output=True, timeout=120, check=False)
    if subprocess.run([str(python), "-I", "-c", "import ach.parser"], capture_output=True, check=False).returncode:
        pytest.skip("carta-ach 0.4.5 could not be installed in an environment of its own")
    return python


def several() -> list[Remittance]:
    """Paid to two accounts, by check, and not at all."""
    large = claim(
        line(charge="1254.56", allowed="1234.56", paid="1234.56", adjustments=(adjustment("CO", "45", "20"),))
    )
    return [
        remittance(large, payee=SAVINGS),
        remittance(),
        remittance(payee=BY_CHECK),
        remittance(reversal(claim()), payee="1888888888"),
    ]


def test_the_bank_file_is_what_nacha_says(plan: PayerSettings) -> None:
    """By hand, from the NACHA operating rules, appendix 3 (record formats) and CAQH CORE 370.

    Two entries in the order of the payees' numbers: $60.00 to a checking account (22) and $1,234.56 to a savings account
    (32). Each has an addenda record, so there are 4 entries and addenda. The entry hash is the sum of the first eight
    digits of the receivers' routing numbers, 11111111 + 12345678 = 23456789; the credits are 6000 + 123456 = 129456 cents.
    With 8 records there is one block of ten, filled with nines. March 1, 2024, is a Friday: the entries are effective on
    Monday the 4th.
    """
    nines = "9" * 94
    records = [
        ("1", "01", " 222222226", " 123456780", "240301", "0000", "A", "094", "10", "1",
         "RESERVE OF NOWHERE     ", "BANK OF NOWHERE        ", "        "),
        ("5", "220", "EXAMPLE HEALTH P", " " * 20, "1A23456789", "CCD", "HCCLAIMPMT", "240301", "240304", "   ", "1",
         "12345678", "0000001"),
        ("6", "22", "11111111", "8", "7000222333       ", "0000006000", "1234567893     ", "CLINICA EJEMPLO & SONS", "  ",
         "1", "123456780000001"),
        ("7", "05", f"{'TRN*1*202403011234567893*1456123789' + chr(92):80}", "0001", "0000001"),
        ("6", "32", "12345678", "0", "A-1              ", "0000123456", "1999996666     ", "EXAMPLE PRACTICE OF A ", "  ",
         "1", "123456780000002"),
        ("7", "05", f"{'TRN*1*202403011999996666*1456123789' + chr(92):80}", "0001", "0000002"),
        ("8", "220", "000004", "0023456789", "000000000000", "000000129456", "1A23456789", " " * 19, " " * 6, "12345678",
         "0000001"),
        ("9", "000001", "000001", "00000004", "0023456789", "000000000000", "000000129456", " " * 39),
    ]  # fmt: skip
    expected = [*("".join(fields) for fields in records), nines, nines]
    data = write_bank_file(DAY, several(), plan)
    assert data is not None
    assert data.decode("ascii").splitlines() == expected
    assert data.endswith(b"\n")
    assert data == write_bank_file(DAY, several()[::-1], plan)


@pytest.mark.parametrize(
    "told",
    [
        [],
        [remittance(payee=BY_CHECK)],
        [remittance(reversal(claim()))],
        # Nobody who is paid nothing has to be in the settings.
        [remittance(reversal(claim()), payee="1888888888")],
    ],
)
def test_where_nothing_moves_through_the_bank_there_is_no_file(told: list[Remittance], plan: PayerSettings) -> None:
    assert write_bank_file(DAY, told, plan) is None


def test_the_trace_amount_and_date_are_those_of_the_835(plan: PayerSettings) -> None:
    """What a payee's software finds the payment by (CAQH CORE 370: BPR02, BPR16 and TRN)."""
    for told in several()[:2]:
        data = write_835(told, plan, plan.payee(told.payee))
        [bpr], [trn] = named(data, "BPR"), named(data, "TRN")
        records = (write_bank_file(DAY, [told], plan) or b"").decode("ascii").splitlines()
        assert records[3][3:83].rstrip() == f"{trn}\\"
        assert Decimal(int(records[2][29:39])) / 100 == Decimal(bpr.split("*")[2])
        assert f"20{records[1][69:75]}" == bpr.split("*")[16]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 57])
def test_records_have_their_columns_and_add_up(count: int, tmp_path: Path) -> None:
    npis = [f"1{number:09}" for number in range(count)]
    settings = payer(tmp_path, _settings_of(npis))
    told = [remittance(claim(line(paid="60.00")), payee=npi) for npi in npis]
    records = (write_bank_file(DAY, told, settings) or b"").decode("ascii").splitlines()
    assert {len(record) for record in records} == {94}
    assert len(records) % 10 == 0
    filled = [record for record in records if record != "9" * 94]
    assert records[: len(filled)] == filled
    assert "".join(record[0] for record in filled) == "15" + "67" * count + "89"
    entries, addenda, batch, end = filled[2:-2:2], filled[3:-2:2], filled[-2], filled[-1]
    hashed = f"{sum(int(entry[3:11]) for entry in entries) % 10**10:010}"
    credited = f"{sum(int(entry[29:39]) for entry in entries):012}"
    assert (batch[4:10], batch[10:20], batch[20:32], batch[32:44]) == (f"{2 * count:06}", hashed, "0" * 12, credited)
    assert (batch[1:4], batch[44:54], batch[79:87], batch[87:94]) == (
        filled[1][1:4], filled[1][40:50], filled[1][79:87], filled[1][87:94]
    )  # fmt: skip
    assert end[1:55] == f"000001{len(records) // 10:06}{2 * count:08}{hashed}{'0' * 12}{credited}"
    assert [entry[79:94] for entry in entries] == [f"12345678{number:07}" for number in range(1, count + 1)]
    assert [one[83:94] for one in addenda] == [f"0001{number:07}" for number in range(1, count + 1)]
    assert credited == f"{6000 * count:012}"


def test_the_entry_hash_keeps_its_last_ten_digits(tmp_path: Path) -> None:
    npis = [f"1{number:09}" for number in range(120)]
    settings = payer(tmp_path, _settings_of(npis, routing="999999992"))
    told = [remittance(payee=npi) for npi in npis]
    records = (write_bank_file(DAY, told, settings) or b"").decode("ascii").splitlines()
    end = next(record for record in records if record.startswith("9000001"))
    # 120 * 99999999 = 11999999880, of eleven digits.
    assert end[21:31] == "1999999880"


def _settings_of(npis: list[str], routing: str = "111111118") -> str:
    base = SETTINGS[: SETTINGS.index("[payees.")]
    return base + "".join(
        f'[payees.{npi}]\nname = "Example {npi}"\ntax_id = "000000001"\nrouting = "{routing}"\naccount = "{npi}"\n'
        'account_type = "checking"\n'
        for npi in npis
    )


def test_carta_ach_reads_what_is_written_and_makes_the_same_of_it(carta: Path, plan: PayerSettings) -> None:
    data = write_bank_file(DAY, several(), plan)
    assert data is not None
    done = subprocess.run([str(carta), "-I", "-c", _CARTA], input=data, capture_output=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    [batch] = told["read"]["batches"]
    head, end = batch["batch_header"], told["read"]["file_control"]
    assert (head["std_ent_cls_code"], head["entry_desc"], head["eff_ent_date"]) == ("CCD", "HCCLAIMPMT", "240304")
    assert (end["entadd_count"], end["entry_hash"], end["credit_amount"]) == ("00000004", "0023456789", "000000129456")
    assert [one["addenda"][0]["pmt_rel_info"].rstrip() for one in batch["entries"]] == [
        "TRN*1*202403011234567893*1456123789\\",
        "TRN*1*202403011999996666*1456123789\\",
    ]
    # carta-ach does not write the backslash that ends a TRN, nor the day by which we describe a batch.
    ours = [record.replace("\\", " ") for record in data.decode("ascii").splitlines()]
    ours[1] = ours[1][:63] + " " * 6 + ours[1][69:]
    assert told["made"].splitlines()[1:] == ours[1:]


def test_a_payee_who_is_paid_and_not_in_the_settings_is_an_error(plan: PayerSettings) -> None:
    with pytest.raises(UsageError, match=r"payees\.1888888888"):
        write_bank_file(DAY, [remittance(payee="1888888888")], plan)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([remittance(), remittance()], "a trace twice"),
        ([remittance(trace="20240301\\~")], "of another form"),
        ([remittance(paid=Decimal("100000000.00"))], "too large"),
        ([remittance(paid=Decimal("0.001"))], "parts of a cent"),
    ],
)
def test_what_does_not_fit_a_record_is_refused_and_not_cut(
    told: list[Remittance], found: str, plan: PayerSettings
) -> None:
    with pytest.raises(PaymentsUnsound, match=found):
        write_bank_file(DAY, told, plan)


def test_every_remittance_that_is_paid_to_an_account_has_an_entry(plan: PayerSettings) -> None:
    for name, told in REMITTANCES.items():
        is_paid = told.paid > 0 and told.payee in (CHECKING, SAVINGS)
        assert (write_bank_file(date(2024, 3, 1), [told], plan) is not None) == is_paid, name
