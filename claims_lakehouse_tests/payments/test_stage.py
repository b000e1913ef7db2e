"""Payment files are a function of what is decided and of what was sent: made, made again, in whatever order."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import dagster as dg
import duckdb
import pytest

from claims_lakehouse.adjudication import acts
from claims_lakehouse.adjudication.stage import adjudicate, days_due, is_behind
from claims_lakehouse.commands import payments as payment_commands
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.definitions import payments as payments_asset
from claims_lakehouse.errors import ClaimsLakehouseError, Overtaken, PaymentsUnsound, UsageError
from claims_lakehouse.history.ledger import read_changes
from claims_lakehouse.history.purge import purge
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.orchestration import payments as publication
from claims_lakehouse.orchestration.resources import Lakehouse as LakehouseResource
from claims_lakehouse.payments import files as files_of_days
from claims_lakehouse.payments import stage
from claims_lakehouse.payments.closed import sent_days
from claims_lakehouse.payments.payer_file import made_up_settings, read_payer
from claims_lakehouse.payments.reconciliation import PayeeAccount
from claims_lakehouse.payments.remittances import control_number
from claims_lakehouse.payments.stage import PaymentDay, day_accounts, make_payments, mark_sent
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.adjudication.worlds import (
    ON_RECORD,
    Clock,
    Delivery,
    ask,
    authorization,
    copied,
    correct,
    coverage,
    fee,
    parse_once,
    plan,
    receive,
    receive_all,
    retract,
    seen,
    settle,
)
from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.medical import line
from claims_lakehouse_tests.payments.x12_readers import elements, imbalances, pyx12_faults, x12sdk_faults

FIRST, SECOND, THIRD, LAST = DAYS = ("2024-02-01", "2024-02-05", "2024-02-10", "2024-02-15")
#: Two payees with an account, made up settings give the third none.
A, B, BY_CHECK = "1234567893", "1000000004", "1000000012"
CLAIMS = "medical_claims"


def served(day: str, **changed: str) -> dict[str, str]:
    """A line of a service on a day of its own: nobody takes it for another's double."""
    return line(date_of_service_from=day, date_of_service_to=day, **changed)


def of_b(day: str, **changed: str) -> dict[str, str]:
    return served(day, provider_npi=B, **changed)


#: The plan pays $64 for 99213, $72 for 99214 and $40 for 97110, each of $100 or as much as the fee.
WORLD = [
    Delivery("plans", FIRST, (plan(),)),
    Delivery("patients", FIRST, (patient(), patient(patient_id="2000U", fname="Bo", lname="Reed"))),
    Delivery("coverages", FIRST, (coverage(), coverage(patient_id="2000U"))),
    Delivery("fee_schedules", FIRST, (
        fee(), fee(procedure_code="99214", allowed_amount="90.00"), fee(procedure_code="97110", allowed_amount="50.00"),
    )),
    Delivery(CLAIMS, FIRST, (
        served("2024-01-10"),
        served("2024-01-10", claim_id="C2", patient_id="2000U"),
        served("2024-01-10", claim_id="C2", patient_id="2000U", line_number="2", procedure_code="99214"),
        of_b("2024-01-10", claim_id="C3", patient_id="3000U"),  # no member: denied
        of_b("2024-01-11", claim_id="C4", procedure_code="J1100"),  # has no price: waits
    )),
    Delivery("coverages", SECOND, (coverage(patient_id="3000U"),)),
    Delivery(CLAIMS, SECOND, (
        served("2024-01-10", claim_id="C5", frequency_code="7", original_claim_id="C1", charge_amount="50.00"),
        served("2024-01-12", claim_id="C6", patient_id="2000U", procedure_code="97110", billing_npi=BY_CHECK),
        served("2024-01-13", claim_id="C7", patient_id="3000U", procedure_code="97110"),
    )),
    Delivery("coverages", THIRD, (coverage(patient_id="2000U", covered_to="2024-01-05"),)),  # C2, C6 are denied
    Delivery(CLAIMS, THIRD, (
        of_b("2024-01-10", claim_id="C8", patient_id="3000U", frequency_code="8", original_claim_id="C3"),
    )),
    Delivery(CLAIMS, LAST, (
        served("2024-01-14", claim_id="C9", procedure_code="99214"),
        of_b("2024-01-15", claim_id="C10", patient_id="3000U", procedure_code="99214"),
    )),
]  # fmt: skip
#: By hand: by day and payee, the claims as CLP02 and CLP04 have them, what is paid, and the balances (PLB04).
TOLD = {
    (FIRST, A): ([("C1", "1", 64), ("C2", "1", 136)], 200, []),
    (FIRST, B): ([("C3", "4", 0)], 0, []),
    (SECOND, A): ([("C1", "22", -64), ("C5", "1", 40), ("C7", "1", 40)], 16, []),
    (SECOND, B): ([("C3", "22", 0), ("C3", "1", 64)], 64, []),
    (SECOND, BY_CHECK): ([("C6", "1", 40)], 40, []),
    (THIRD, A): ([("C2", "22", -136), ("C2", "4", 0)], 0, [-136]),
    (THIRD, B): ([("C3", "22", -64)], 0, [-64]),
    (THIRD, BY_CHECK): ([("C6", "22", -40), ("C6", "4", 0)], 0, [-40]),
    (LAST, A): ([("C9", "1", 72)], 0, [136, -64]),
    (LAST, B): ([("C10", "1", 72)], 8, [64]),
}

# --- What lies there, and what it says ---

#: Files by their names below the folder of payments.
Files = dict[str, bytes]


def everything(lakehouse: Lakehouse) -> Files:
    """All that lies in the folder of payments."""
    folder = lakehouse.settings.home / "payments"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def files(lakehouse: Lakehouse, *days: str) -> Files:
    """The files that go to payees and banks, of all days or some."""
    found = everything(lakehouse)
    return {
        name: data
        for name, data in found.items()
        if name.endswith((".835", ".ach")) and (not days or name.split("/")[0] in days)
    }


def touched(lakehouse: Lakehouse) -> dict[str, tuple[int, int]]:
    """What changes with every write: each file's inode and time."""
    folder = lakehouse.settings.home / "payments"
    stats = {str(path.relative_to(folder)): path.stat() for path in sorted(folder.rglob("*"))}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


class Advice(NamedTuple):
    """What an 835 tells: claims as (CLP01, CLP02, CLP04), BPR02, BPR04, PLB04 and TRN02."""

    day: str
    payee: str
    claims: list[tuple[str, str, Decimal]]
    paid: Decimal
    method: str
    balances: list[Decimal]
    references: list[str]
    trace: str


def advices(found: Files) -> list[Advice]:
    """Every 835, in the order of days and payees."""
    told = []
    for name, data in sorted(found.items()):
        if name.endswith(".835"):
            day, payee = name.removesuffix(".835").split("/")
            segments = elements(data)
            [bpr], [trn] = ([one for one in segments if one[0] == which] for which in ("BPR", "TRN"))
            claims = [(one[1], one[2], Decimal(one[4])) for one in segments if one[0] == "CLP"]
            plb = [part for one in segments if one[0] == "PLB" for part in zip(one[3::2], one[4::2], strict=True)]
            told.append(
                Advice(day, payee, claims, Decimal(bpr[2]), bpr[4], [Decimal(amount) for _, amount in plb],
                       [reference.removeprefix("FB:") for reference, _ in plb], trn[2])
            )  # fmt: skip
    return told


class Entry(NamedTuple):
    """What a bank is told to pay: day, payee, trace and amount."""

    day: str
    payee: str
    trace: str
    amount: Decimal


def entries(found: Files) -> Iterator[Entry]:
    """Every entry of every bank file; that the file's own sum is theirs is held."""
    for name, data in found.items():
        if name.endswith(".ach"):
            records = data.decode("ascii").splitlines()
            of_file = [
                Entry(name.split("/")[0], one[39:54].rstrip(), after.split("*")[2], Decimal(int(one[29:39])) / 100)
                for one, after in pairwise(records)
                if one.startswith("6")
            ]
            assert Decimal(int(records[-1 - sum(one == "9" * 94 for one in records)][43:55])) / 100 == sum(
                one.amount for one in of_file
            )
            yield from of_file


def hold_the_law(lakehouse: Lakehouse) -> None:
    """What all files tell together is what is decided: each claim told once as it stands, each dollar paid or carried."""
    decided = told_once(lakehouse)
    told = sorted(advices(files(lakehouse)), key=lambda one: (one.payee, one.day))
    for payee, of_payee in groupby(told, lambda one: one.payee):
        carried = all_paid = Decimal(0)
        for advice in of_payee:
            assert [amount for amount in advice.balances if amount > 0] == [carried] * bool(carried)
            carried = -sum(amount for amount in advice.balances if amount < 0)
            all_paid += advice.paid
        assert all_paid - carried == sum(paid for (npi, _), paid in decided.items() if npi == payee)


def told_once(lakehouse: Lakehouse) -> dict[tuple[str, str], Decimal]:
    """What is decided, by payee and claim: that files say each once is held, and that what they reverse they said."""
    stands: dict[tuple[str, str], list[Decimal]] = {}
    for advice in advices(files(lakehouse)):
        for claim, status, paid in advice.claims:
            statements = stands.setdefault((advice.payee, claim), [])
            assert statements == ([-paid] if status == "22" else []), (advice.day, advice.payee, claim)
            if status == "22":
                statements.clear()
            else:
                statements.append(paid)
    rows = ask(
        lakehouse,
        """
        SELECT coalesce(billing_npi, provider_npi), stands.claim_id, sum(stands.paid)
        FROM internal.line_decision AS stands JOIN fact_medical_claim ON medical_claim_sk = line_sk
        WHERE stands.is_current AND decision IS NOT NULL AND stands.claim_id NOT IN (
            SELECT claim_id FROM internal.line_decision WHERE is_current AND decision = 'pending'
        )
        GROUP BY ALL
        """,
    )
    decided = {(payee, claim): paid for payee, claim, paid in rows}
    assert {key: paid for key, statements in stands.items() for paid in statements} == decided
    return decided


def state(lakehouse: Lakehouse) -> object:
    """All that lies there, and what the warehouse says is told and paid."""
    tables = ("internal.remitted_claim", "internal.payee_day", "internal.closed_day")
    return everything(lakehouse), [ask(lakehouse, f"SELECT * FROM {table} ORDER BY ALL") for table in tables]


def at(days: list[PaymentDay], day: str) -> PaymentDay:
    return next(one for one in days if one.day.isoformat() == day)


def close(lakehouse: Lakehouse, *days: str) -> None:
    for day in days:
        mark_sent(lakehouse.settings, date.fromisoformat(day), who="clerk")


def pay(lakehouse: Lakehouse) -> list[PaymentDay]:
    """Settle what is due, then make payments, as a run does."""
    settle(lakehouse)
    return make_payments(lakehouse.settings)


@pytest.fixture(autouse=True)
def payer(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path | None]:
    """Settings for all payees; called with others, or none at all, those are in force."""
    parse_once(monkeypatch)

    def of(*npis: str) -> Path | None:
        if not npis:
            monkeypatch.delenv("CLAIMS_PAYER_SETTINGS")
            return None
        path = tmp_path_factory.mktemp("payer") / "payer.toml"
        path.write_text(made_up_settings(npis), encoding="utf-8")
        monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(path))
        return path

    of(A, B, BY_CHECK)
    return of


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """A lakehouse that got it all and decided nothing."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("received")).with_tables()
    receive_all(lakehouse, WORLD)
    return lakehouse


@pytest.fixture(scope="module")
def template(received: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """The same, decided and paid."""
    lakehouse = copied(received, tmp_path_factory.mktemp("paid"))
    with pytest.MonkeyPatch.context() as patch:
        parse_once(patch)
        path = lakehouse.settings.home.parent / "payer.toml"
        path.write_text(made_up_settings((A, B, BY_CHECK)), encoding="utf-8")
        patch.setenv("CLAIMS_PAYER_SETTINGS", str(path))
        pay(lakehouse)
    return lakehouse


@pytest.fixture
def lake(template: Lakehouse, tmp_path: Path) -> Lakehouse:
    """A copy of it, to be changed."""
    return copied(template, tmp_path / "lake")


# --- What is told and paid ---


def test_payees_are_told_day_by_day_what_changed(template: Lakehouse) -> None:
    told = advices(files(template))
    assert {(one.day, one.payee): (one.claims, one.paid, one.balances) for one in told} == TOLD
    hold_the_law(template)


def test_a_balance_is_named_by_the_remittance_that_left_it(template: Lakehouse) -> None:
    told = {(one.day, one.payee): one for one in advices(files(template))}
    assert told[THIRD, A].references == [told[THIRD, A].trace]
    assert told[LAST, A].references == [told[THIRD, A].trace, told[LAST, A].trace]


def test_every_835_is_accepted_by_readers_that_did_not_write_it(template: Lakehouse) -> None:
    found = {name: data for name, data in files(template).items() if name.endswith(".835")}
    assert len(found) == len(TOLD)
    for name, data in found.items():
        assert (imbalances(data), x12sdk_faults(data), pyx12_faults(data)) == ([], [], []), name


def test_the_bank_is_told_to_pay_what_the_835s_say(template: Lakehouse) -> None:
    found = files(template)
    told = [Entry(one.day, one.payee, one.trace, one.paid) for one in advices(found) if one.method == "ACH"]
    assert sorted(entries(found)) == told
    assert [(one.day, one.payee, one.amount) for one in told] == [
        (FIRST, A, 200), (SECOND, B, 64), (SECOND, A, 16), (LAST, B, 8),
    ]  # fmt: skip
    assert f"{THIRD}/{THIRD}.ach" not in found, "nothing moves"
    assert {(one.day, one.paid) for one in advices(found) if one.method == "CHK"} == {(SECOND, Decimal(40))}


def test_no_two_interchanges_of_a_payee_have_one_control_number() -> None:
    days = [date(1999, 12, 31) + timedelta(days=count) for count in range(10_000)]
    numbers = {(day, payee): control_number(day, payee) for day in days for payee in (A, B)}
    assert len({numbers[day, A] for day in days}) == len({numbers[day, B] for day in days}) == len(days)
    assert all(1 <= number <= 999_999_999 for number in numbers.values())


def test_a_day_says_what_it_came_to(template: Lakehouse) -> None:
    third = at(make_payments(template.settings), THIRD)
    assert third[:6] == (date.fromisoformat(THIRD), 3, 2, 3, Decimal(0), Decimal(240))
    assert third.files == tuple(sorted(f"{payee}.835" for payee in (A, B, BY_CHECK)))
    assert (third.is_closed, third.unknown, third.is_new) == (False, (), False)


def test_the_priming_is_told_on_the_last_day_of_the_year_in_which_its_last_claim_was_received(
    lakehouse: Lakehouse,
) -> None:
    """Also where nothing is decided of that one: it was replaced in the same delivery."""
    base = [Delivery(one.feed, "priming", one.rows) for one in WORLD[:4] if one.feed != "patients"]
    first = served("2024-01-10", received_date="2024-01-20")
    second = served("2024-01-10", claim_id="C2", frequency_code="7", original_claim_id="C1", received_date="2024-01-15")
    receive_all(lakehouse, [*base, Delivery(CLAIMS, "priming", (first, second))])
    assert [one.day.isoformat() for one in pay(lakehouse)] == ["2024-12-31"]
    hold_the_law(lakehouse)
    close(lakehouse, "2024-12-31")
    before = files(lakehouse)
    receive(lakehouse, CLAIMS, "2024-01-15", served("2024-01-12", claim_id="C3", procedure_code="97110"))
    assert [one.day.isoformat() for one in pay(lakehouse)] == ["2024-12-31", "2025-01-01"]
    assert before.items() <= files(lakehouse).items()
    hold_the_law(lakehouse)


def test_the_priming_is_told_on_another_day_where_its_claims_were_received_in_another_year(
    lakehouse: Lakehouse,
) -> None:
    """Though nothing is decided otherwise."""
    first = served("2024-01-10", received_date="2024-01-20")
    second = served("2024-01-10", claim_id="C2", frequency_code="7", original_claim_id="C1", received_date="2024-01-15")
    receive(lakehouse, CLAIMS, "priming", first, second)
    assert [one.day.isoformat() for one in pay(lakehouse)] == ["2024-12-31"]
    correct(lakehouse, CLAIMS, "priming", received_date="2025-01-16")
    assert [one.day.isoformat() for one in pay(lakehouse)] == ["2025-12-31"]


def test_a_priming_that_comes_last_is_told_before_any_other_day_or_on_the_first_open_one(
    lake: Lakehouse, tmp_path: Path
) -> None:
    """Nothing was known of members then: it is denied, until the first day's deliveries say who they are."""
    other = copied(lake, tmp_path / "other")
    close(other, FIRST)
    told = {}
    for one in (lake, other):
        receive(one, CLAIMS, "priming", served("2024-01-18", claim_id="C0", received_date="2024-02-03"))
        pay(one)
        hold_the_law(one)
        told[one] = [
            (advice.day, *claim[1:]) for advice in advices(files(one)) for claim in advice.claims if claim[0] == "C0"
        ]
    assert told[lake] == [("2024-01-31", "4", 0), (FIRST, "22", 0), (FIRST, "1", 64)]
    assert told[other] == [("2024-02-02", "1", 64)]


# --- What keeps one payee from being paid keeps nobody else ---


def test_a_remittance_that_cannot_be_written_keeps_nobody_elses_from_being_made(lake: Lakehouse) -> None:
    before = files(lake)
    large = of_b("2024-01-16", claim_id="C20", patient_id="9000U", charge_amount="100000000.00")  # no member: denied
    receive(lake, CLAIMS, "2024-02-12", large, served("2024-01-16", claim_id="C21"))
    receive(lake, CLAIMS, "2024-02-20", served("2024-01-17", claim_id="C22", patient_id="9000U"))
    days = {one.day.isoformat(): one for one in pay(lake)}
    [(payee, why)] = days["2024-02-12"].unwritten
    assert (payee, "too large" in why, days["2024-02-12"].files) == (B, True, (f"{A}.835",))
    assert f"{A}.835" in days["2024-02-20"].files
    assert {name: data for name, data in files(lake).items() if name in before and not name.startswith(LAST)} == {
        name: data for name, data in before.items() if not name.startswith(LAST)
    }
    close(lake, FIRST, SECOND, THIRD)
    with pytest.raises(UsageError, match=rf"nothing can be written for payee {B}\. "):
        close(lake, "2024-02-12")
    receive(lake, CLAIMS, "2024-02-11", large | {"claim_id": "C19"})
    pay(lake)
    with pytest.raises(UsageError, match=rf"nothing can be written for payee {B}\. "):
        close(lake, "2024-02-11")
    retract(lake, CLAIMS, "2024-02-11")
    correct(lake, CLAIMS, "2024-02-12", charge_amount="100.00")
    assert at(pay(lake), "2024-02-12").unwritten == ()
    close(lake, "2024-02-12")
    hold_the_law(lake)


# --- Files are held to what was remitted ---


def accounts_of(lakehouse: Lakehouse, day: str) -> tuple[PayeeAccount, ...]:
    """What a day's files come to, as they lie there."""
    with duckdb.connect(str(lakehouse.settings.warehouse)) as con:
        one = at(stage.payment_days(con, lakehouse.settings), day)
    return day_accounts(lakehouse.settings, one)


def test_a_days_accounts_say_what_was_decided_told_and_sent_to_the_bank(lake: Lakehouse) -> None:
    assert [tuple(one) for one in accounts_of(lake, LAST)] == [
        (B, 72, 72, 64, 8, 8, ()),
        (A, 72, 72, 72, 0, None, ()),
    ]
    accounts = accounts_of(lake, SECOND)
    assert [(one.payee, one.paid, one.bank) for one in accounts] == [(B, 64, 64), (BY_CHECK, 40, None), (A, 16, 16)]


@pytest.mark.parametrize(
    ("file", "was", "becomes", "found"),
    [
        (f"{A}.835", b"*40*10*", b"*41*10*", "claims of the 835: found 17.00; expected 16.00"),
        (f"{A}.835", b"BPR*I*16*", b"BPR*I*15*", "payment of the 835: found 15.00; expected 16.00"),
        (f"{A}.835", b"TRN*1*20240205", b"TRN*1*20240206", f"trace of the 835: found 20240206{A}"),
        (f"{A}.835", b"CLP*", b"CLP*\xff", f"payee {A}: 835: found none that can be read; expected one"),
        (f"{A}.835", b"BPR*I*16*", b"BPR*I*x*", f"payee {A}: 835: found none that can be read; expected one"),
        (f"{SECOND}.ach", b"0000001600", b"0000001700", "bank entry: found 17.00"),
        (f"{SECOND}.ach", A.encode(), b"1000000021", "payee 1000000021: the bank is told to pay nobody"),
        (f"{SECOND}.ach", b"TRN*1*20240205", b"TRN*1*20240206", "bank entry: found 64.00 by 20240206"),
        (f"{SECOND}.ach", b"000000008000", b"000000008100", "total of the bank file: found 81.00; expected 80.00"),
    ],
)
def test_a_file_that_says_something_else_is_found(
    lake: Lakehouse, file: str, was: bytes, becomes: bytes, found: str
) -> None:
    path = lake.settings.payments(date.fromisoformat(SECOND)) / file
    data = path.read_bytes()
    assert was in data
    path.write_bytes(data.replace(was, becomes, 1))
    told = [f"payee {account.payee}: {one}" for account in accounts_of(lake, SECOND) for one in account.differences]
    assert any(found in one for one in told), told


def test_files_that_do_not_say_what_is_remitted_keep_a_day_from_being_sent(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_of_days, "write_bank_file", lambda *_: None)
    (lake.settings.payments(date.fromisoformat(FIRST)) / "made.json").unlink()
    for _ in range(2):
        with pytest.raises(
            PaymentsUnsound, match=rf"Payment files of {FIRST} .*payee {A}: bank entry: found none; expected"
        ):
            close(lake, FIRST)


def test_a_payee_whose_835_is_forgotten_is_found(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(con: duckdb.DuckDBPyConnection, day: date) -> Iterator[Any]:
        return (one for one in told(con, day) if one.payee != B)

    told = files_of_days.remittances
    monkeypatch.setattr(files_of_days, "remittances", forgetful)
    (lake.settings.payments(date.fromisoformat(FIRST)) / "made.json").unlink()
    with pytest.raises(
        PaymentsUnsound, match=rf"Payment files of {FIRST} .*payee {B}: 835: found none that can be read"
    ):
        make_payments(lake.settings)


# --- A function of deliveries, whatever came first ---


def test_payments_made_again_touch_no_file(lake: Lakehouse) -> None:
    before = (everything(lake), touched(lake))
    assert not any(one.is_new for one in make_payments(lake.settings))
    assert not any(one.is_new for one in pay(lake))
    assert (everything(lake), touched(lake)) == before


def test_what_somebody_laid_beside_the_days_is_left_to_them(lake: Lakehouse) -> None:
    base = lake.settings.home / "payments"
    copies = [base / "archive" / f"{A}.835", base / FIRST / "archive" / f"{A}.835"]
    for copy in copies:
        copy.parent.mkdir()
        copy.write_text("a copy of what was sent")
    stood = touched(lake)
    make_payments(lake.settings)
    assert touched(lake) == stood, "nothing is made anew for it"
    (base / FIRST / f"{A}.835").write_text("another text")
    make_payments(lake.settings)
    assert [copy.exists() for copy in copies] == [True, True]


@pytest.mark.parametrize("damage", ["835 cut", "ach gone", "made gone", "made cut", "file of nobody"])
def test_what_lies_there_damaged_is_made_anew_and_the_rest_is_not_touched(lake: Lakehouse, damage: str) -> None:
    before, stood = files(lake), touched(lake)
    folder = lake.settings.home / "payments" / FIRST
    path = folder / {"835": f"{A}.835", "ach": f"{FIRST}.ach", "made": "made.json", "file": "9.835"}[damage.split()[0]]
    if damage.endswith("gone"):
        path.unlink()
    else:
        path.write_bytes(b"{" if "made" in damage else b"ISA*00*")
    spared = {name for name in before if name != f"{FIRST}/{path.name}"}
    assert [one.day.isoformat() for one in make_payments(lake.settings) if one.is_new] == [FIRST]
    assert files(lake) == before
    assert {name: touched(lake)[name] for name in spared} == {name: stood[name] for name in spared}


def test_days_settled_in_whatever_order_and_again_give_the_same_files(
    received: Lakehouse, template: Lakehouse, tmp_path: Path
) -> None:
    lake, rng = copied(received, tmp_path), random.Random(1)
    days = [day.isoformat() for day in days_due(lake.settings)]
    assert set(DAYS) <= set(days)
    for day in rng.sample(days, len(days)):
        settle(lake, day)
    make_payments(lake.settings)
    assert files(lake) == files(template)
    before = touched(lake)
    settle(lake, rng.choice(days), again=True)
    make_payments(lake.settings)
    assert touched(lake) == before


def test_deliveries_in_another_order_give_the_same_files(template: Lakehouse, tmp_path: Path) -> None:
    lake, rng = Lakehouse(tmp_path).with_tables(), random.Random(1)
    order = rng.sample(WORLD, len(WORLD))
    cuts = [0, *sorted(rng.sample(range(1, len(order)), 2)), len(order)]
    for start, end in pairwise(cuts):
        receive_all(lake, order[start:end])
        pay(lake)
    assert everything(lake) == everything(template)


def test_a_claim_that_waits_is_in_no_file_until_a_person_releases_it(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [one for one in advices(files(lake)) if "C4" in {claim for claim, *_ in one.claims}]
    monkeypatch.setattr(acts, "datetime", Clock)
    monkeypatch.setattr(Clock, "at", datetime.fromisoformat(f"{THIRD}T09:00"))
    publish(lake.settings)
    acts.approve(lake.settings, seen(lake, "C4"), allowed=Decimal("25.00"), **ON_RECORD)
    pay(lake)
    assert [(one.day, one.payee) for one in advices(files(lake)) if ("C4", "1", 20) in one.claims] == [(THIRD, B)]
    hold_the_law(lake)


def test_a_claim_of_which_another_line_waits_is_taken_back_until_that_is_decided(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(lake, CLAIMS, "2024-02-16", served("2024-01-14", claim_id="C9", line_number="2", procedure_code="J1100"))
    pay(lake)
    told = {(one.day, one.payee): one for one in advices(files(lake))}
    assert told["2024-02-16", A].claims == [("C9", "22", -72)]
    hold_the_law(lake)
    monkeypatch.setattr(acts, "datetime", Clock)
    monkeypatch.setattr(Clock, "at", datetime.fromisoformat("2024-02-17T09:00"))
    publish(lake.settings)
    acts.deny(lake.settings, seen(lake, "C9", 2), group="CO", carc="50", **ON_RECORD)
    pay(lake)
    told = {(one.day, one.payee): one for one in advices(files(lake))}
    assert told["2024-02-17", A].claims == [("C9", "1", 72)]
    assert b"CAS*CO*50*100~" in files(lake)[f"2024-02-17/{A}.835"]
    hold_the_law(lake)


def test_a_day_and_a_payee_that_have_nothing_to_be_told_any_more_have_no_files(lake: Lakehouse) -> None:
    retract(lake, CLAIMS, SECOND)
    pay(lake)
    assert {one.payee for one in advices(files(lake, SECOND))} == {B}
    assert {one.payee for one in advices(files(lake, THIRD))} == {A, B}
    retract(lake, "coverages", SECOND)
    assert [one.day.isoformat() for one in pay(lake)] == [FIRST, THIRD, LAST]
    assert not lake.settings.payments(date.fromisoformat(SECOND)).exists()
    hold_the_law(lake)


def test_where_nothing_is_decided_any_more_no_files_are_left(lake: Lakehouse) -> None:
    """Otherwise somebody sends them."""
    for day in DAYS:
        retract(lake, CLAIMS, day)
    assert pay(lake) == []
    assert files(lake) == {}
    assert ask(lake, "SELECT count(*) FROM internal.payee_day") == [(0,)]


def test_who_gave_each_service_by_which_agreement_and_when_coverage_ended_is_told(lake: Lakehouse) -> None:
    receive_all(lake, [
        Delivery("authorizations", "2024-02-12", (authorization(authorization_number="G-7"),)),
        Delivery("coverages", "2024-02-12", (coverage(patient_id="4000U", covered_to="2024-01-05"),)),
        Delivery(CLAIMS, "2024-02-12", (
            served("2024-01-19", claim_id="C30", procedure_code="97110", billing_npi=A),
            of_b("2024-01-19", claim_id="C30", line_number="2", billing_npi=A, prior_auth_number="G-7"),
            served("2024-01-20", claim_id="C31", patient_id="4000U"),
        )),
    ])  # fmt: skip
    pay(lake)
    segments = elements(files(lake, "2024-02-12")[f"2024-02-12/{A}.835"])
    told = [one for one in segments if one[0] in ("CLP", "REF") or one[:2] in (["NM1", "82"], ["DTM", "036"])]
    assert [one[:3] if one[0] == "CLP" else [*one[:2], one[-1]] for one in told[1:]] == [
        ["CLP", "C30", "1"], ["REF", "6R", "1"],
        ["CLP", "C30", "1"], ["NM1", "82", B], ["REF", "G1", "G-7"], ["REF", "6R", "2"],
        ["CLP", "C31", "4"], ["DTM", "036", "20240105"], ["REF", "6R", "1"],
    ]  # fmt: skip
    numbers = [one[7] for one in segments if one[0] == "CLP"]
    assert (numbers[0] == numbers[1], numbers[1] == numbers[2]) == (True, False)
    close(lake, *DAYS[:3], "2024-02-12")
    of_a = served("2024-01-19", claim_id="C30", line_number="2", billing_npi=A, prior_auth_number="G-7")
    receive(lake, CLAIMS, "2024-02-14", of_a)
    pay(lake)
    assert [(one.payee, [claim[:2] for claim in one.claims]) for one in advices(files(lake, "2024-02-14"))] == [
        (A, [("C30", "22"), ("C30", "22"), ("C30", "1")])
    ], "somebody else gave it: it is told anew"


def test_when_coverage_of_the_priming_ended_is_told_as_it_was_known_then(tmp_path: Path) -> None:
    lakehouse = Lakehouse(tmp_path).with_tables()
    receive_all(lakehouse, [
        *(Delivery(one.feed, "priming", one.rows) for one in WORLD[:2]),
        Delivery("coverages", "priming", (coverage(covered_to="2024-01-05"),)),
        Delivery(CLAIMS, "priming", (served("2024-01-10"),)),
    ])  # fmt: skip
    pay(lakehouse)
    before = files(lakehouse)
    [told] = [one for data in before.values() for one in elements(data) if one[:2] == ["DTM", "036"]]
    assert told == ["DTM", "036", "20240105"]
    [day] = {name.split("/")[0] for name in before}
    close(lakehouse, day)
    receive(lakehouse, "coverages", "2024-06-01", coverage(covered_to="2024-01-07"))
    pay(lakehouse)
    assert files(lakehouse) == before, "nothing is decided otherwise: nothing is told anew"


def test_a_claim_that_is_corrected_keeps_the_payers_number(lake: Lakehouse) -> None:
    close(lake, *DAYS)
    correct(lake, CLAIMS, LAST, charge_amount="40.00")
    pay(lake)
    remitted = [data for name, data in files(lake).items() if name.endswith(".835")]
    claims = [one for data in remitted for one in elements(data) if one[:2] == ["CLP", "C9"]]
    assert [one[2] for one in claims] == ["1", "22", "1"]
    assert len({one[7] for one in claims}) == 1, "REF*F8 is asked for where the number changes"


def test_a_replacement_that_names_the_claim_as_its_remittance_does_takes_its_place(lake: Lakehouse) -> None:
    [told] = [one[7] for one in elements(files(lake, LAST)[f"{LAST}/{A}.835"]) if one[:2] == ["CLP", "C9"]]
    again = {"frequency_code": "7", "original_claim_id": told, "procedure_code": "99214", "charge_amount": "50.00"}
    receive(lake, CLAIMS, "2024-02-20", served("2024-01-14", claim_id="C40", **again))
    pay(lake)
    [advice] = advices(files(lake, "2024-02-20"))
    assert advice.claims == [("C9", "22", -72), ("C40", "1", 40)]


def test_a_line_that_says_another_payee_is_told_to_that_one(lake: Lakehouse) -> None:
    """Who is paid may change while nothing of the decision does."""
    correct(lake, CLAIMS, LAST, billing_npi=BY_CHECK)
    pay(lake)
    assert [one.payee for one in advices(files(lake, LAST)) if ("C9", "1", 72) in one.claims] == [BY_CHECK]
    hold_the_law(lake)


def test_a_line_whose_service_is_told_otherwise_is_told_so(lake: Lakehouse) -> None:
    correct(lake, CLAIMS, LAST, date_of_service_from="2024-01-16", date_of_service_to="2024-01-16", modifiers="25")
    pay(lake)
    told = files(lake, LAST)[f"{LAST}/{A}.835"]
    assert b"SVC*HC:99214:25*100*72" in told
    assert b"DTM*472*20240116" in told


def test_another_balance_of_an_earlier_day_makes_files_anew(lake: Lakehouse) -> None:
    """Also of a day on which it changes nothing that is paid."""
    receive(lake, CLAIMS, "2024-02-12", served("2024-01-17", claim_id="C11", procedure_code="97110"))
    pay(lake)
    told = {(one.day, one.payee): (one.paid, one.balances) for one in advices(files(lake))}
    assert told["2024-02-12", A] == (0, [136, -96])
    assert told[LAST, A] == (0, [96, -24])
    hold_the_law(lake)


def test_a_balance_that_a_day_in_between_takes_on_is_named_by_that_day(lake: Lakehouse) -> None:
    """It is the remittance before that forwards it, though nothing else of the day changes."""
    receive(lake, CLAIMS, "2024-02-12", served("2024-01-17", claim_id="C11", patient_id="9000U"))  # no member: denied
    pay(lake)
    told = {(one.day, one.payee): one for one in advices(files(lake))}
    assert told["2024-02-12", A].references == [told[THIRD, A].trace, told["2024-02-12", A].trace]
    assert told[LAST, A].references == [told["2024-02-12", A].trace, told[LAST, A].trace]


def test_a_clock_that_was_set_back_keeps_no_change_from_being_told(lake: Lakehouse) -> None:
    correct(lake, CLAIMS, LAST, charge_amount="50.00")
    adjudicate(lake.settings, now=datetime(2020, 1, 1))  # noqa: DTZ001
    make_payments(lake.settings)
    hold_the_law(lake)


def test_payments_leave_nothing_to_be_decided(lake: Lakehouse) -> None:
    """Otherwise the next look finds something to do, and publishes what is published."""
    correct(lake, CLAIMS, LAST, charge_amount="50.00")
    pay(lake)
    with duckdb.connect(str(lake.settings.warehouse), read_only=True) as con:
        changes = read_changes(con)
    assert not is_behind(lake.settings, changes)


# --- The payer's settings and the patients' names ---


def test_a_payee_of_whom_settings_say_nothing_keeps_nobody_elses_files_from_being_made(
    lake: Lakehouse, payer: Callable[..., Path]
) -> None:
    before = files(lake)
    payer(A, BY_CHECK)
    days = make_payments(lake.settings)
    assert [one.unknown for one in days] == [(B,)] * 4
    kept = {name: data for name, data in before.items() if name.endswith((f"{A}.835", f"{BY_CHECK}.835"))}
    found = files(lake)
    assert {name: data for name, data in found.items() if name.endswith(".835")} == kept
    assert {one.payee for one in entries(found)} == {A}
    payer(A, B, BY_CHECK)
    make_payments(lake.settings)
    assert files(lake) == before


def test_without_settings_what_is_owed_is_known_and_only_files_that_say_it_stay(
    lake: Lakehouse, payer: Callable[..., Path]
) -> None:
    close(lake, FIRST)
    before, stood, days = everything(lake), touched(lake), make_payments(lake.settings)
    payer()
    assert [one[:6] for one in make_payments(lake.settings)] == [one[:6] for one in days]
    assert (everything(lake), touched(lake)) == (before, stood)
    correct(lake, CLAIMS, LAST, charge_amount="50.00")
    pay(lake)
    assert {one.day for one in advices(files(lake))} == {FIRST, SECOND, THIRD}
    assert files(lake).items() <= before.items()
    payer(A, B, BY_CHECK)
    make_payments(lake.settings)
    hold_the_law(lake)


def test_another_account_makes_files_of_open_days_anew_and_of_closed_days_not(
    lake: Lakehouse, payer: Callable[..., Path]
) -> None:
    close(lake, FIRST)
    before, stood = files(lake), touched(lake)
    path = payer(A, B, BY_CHECK)
    text = path.read_text(encoding="utf-8")
    account = read_payer(path).payees[A].account
    assert account is not None
    path.write_text(text.replace(account.account, "12-NEW-34"), encoding="utf-8")
    make_payments(lake.settings)
    after = files(lake)
    assert {name for name in before if before[name] != after[name]} == {f"{SECOND}/{A}.835", f"{SECOND}/{SECOND}.ach"}
    assert b"12-NEW-34" in after[f"{SECOND}/{A}.835"]
    assert touched(lake)[FIRST] == stood[FIRST]


def test_a_changed_name_makes_files_of_open_days_anew_and_of_closed_days_not(lake: Lakehouse) -> None:
    close(lake, FIRST)
    make_payments(lake.settings)
    closed = {name: stat for name, stat in touched(lake).items() if name.startswith(FIRST)}
    before = files(lake)
    receive(lake, "patients", "2024-02-20", patient(lname="Moore", last_modified_date="2-20-2024"))
    assert [one.day.isoformat() for one in pay(lake) if one.is_new] == [SECOND, LAST]
    after = files(lake)
    assert {name for name in before if before[name] != after[name]} == {f"{SECOND}/{A}.835", f"{LAST}/{A}.835"}
    assert b"NM1*QC*1*Moore*Ann" in after[f"{SECOND}/{A}.835"]
    assert {name: stat for name, stat in touched(lake).items() if name.startswith(FIRST)} == closed


def test_files_are_their_owners_only(lake: Lakehouse) -> None:
    before = os.umask(0)
    try:
        (lake.settings.home / "payments" / LAST / f"{LAST}.ach").unlink()
        close(lake, FIRST)
    finally:
        os.umask(before)
    found = [lake.settings.home / "payments", *(lake.settings.home / "payments").rglob("*")]
    assert {path.name for path in found} >= {"sent.jsonl", "told.parquet", "made.json", f"{LAST}.ach"}
    assert {(path.is_dir(), path.stat().st_mode & 0o777) for path in found} == {(True, 0o700), (False, 0o600)}


# --- Days that were sent ---


def refused(lakehouse: Lakehouse, day: str, match: str) -> None:
    before = everything(lakehouse)
    with pytest.raises(UsageError, match=match):
        close(lakehouse, day)
    assert everything(lakehouse) == before


def test_days_are_closed_in_their_order_and_once(lake: Lakehouse) -> None:
    refused(lake, SECOND, f"Payment day {FIRST} was not sent")
    refused(lake, "2024-02-02", "There is no payment day 2024-02-02")
    sent = mark_sent(lake.settings, date.fromisoformat(FIRST), who="clerk")
    assert (sent.day.isoformat(), sent.who) == (FIRST, "clerk")
    assert set(sent.files) == {name.split("/")[1] for name in files(lake, FIRST)}
    refused(lake, FIRST, f"Payment day {FIRST} was sent already")
    refused(lake, LAST, f"Payment day {SECOND} was not sent")
    close(lake, SECOND, THIRD, LAST)
    assert [one.day.isoformat() for one in sent_days(lake.settings)] == list(DAYS)
    before = (everything(lake), touched(lake))
    days = make_payments(lake.settings)
    assert [(one.day.isoformat(), one.is_closed) for one in days] == [(day, True) for day in DAYS]
    assert (everything(lake), touched(lake)) == before


def test_a_day_is_not_closed_without_settings(
    received: Lakehouse, tmp_path: Path, payer: Callable[..., Path | None]
) -> None:
    payer()
    lake = copied(received, tmp_path)
    pay(lake)
    refused(lake, FIRST, "CLAIMS_PAYER_SETTINGS")


def test_a_day_is_not_closed_without_settings_where_its_files_say_what_was_decided_before(
    lake: Lakehouse, payer: Callable[..., Path | None]
) -> None:
    payer()
    correct(lake, CLAIMS, FIRST, charge_amount="50.00")
    settle(lake)
    with pytest.raises(ClaimsLakehouseError):
        close(lake, FIRST)
    assert sent_days(lake.settings) == []


def test_a_day_is_not_closed_without_settings_where_a_payee_has_no_file(
    lake: Lakehouse, payer: Callable[..., Path | None]
) -> None:
    """Settings said nothing of that payee when the files were made: closed so, the payee is never told."""
    payer(A, BY_CHECK)
    make_payments(lake.settings)
    payer()
    with pytest.raises(ClaimsLakehouseError):
        close(lake, FIRST)
    assert sent_days(lake.settings) == []


def test_a_day_with_a_payee_of_whom_settings_say_nothing_is_not_closed(
    lake: Lakehouse, payer: Callable[..., Path]
) -> None:
    payer(A, BY_CHECK)
    make_payments(lake.settings)
    refused(lake, FIRST, B)
    payer(A, B)  # the third payee is told nothing on the first day
    with pytest.raises(Overtaken, match="came out otherwise just now"):
        close(lake, FIRST)
    close(lake, FIRST)
    refused(lake, SECOND, BY_CHECK)


def test_what_changes_after_a_day_was_sent_is_told_once_the_day_after(lake: Lakehouse) -> None:
    close(lake, FIRST, SECOND)
    closed = {name: stat for name, stat in touched(lake).items() if name.startswith((FIRST, SECOND))}
    correct(lake, CLAIMS, SECOND, charge_amount="30.00")  # C5: $24 of $30, not $40 of $50
    receive(lake, CLAIMS, "2024-02-02", served("2024-01-17", claim_id="C11", procedure_code="97110"))
    pay(lake)
    assert {name: stat for name, stat in touched(lake).items() if name.startswith((FIRST, SECOND))} == closed
    after, third = "2024-02-06", [("C2", "22", -136), ("C2", "4", 0)]
    told = {(one.day, one.payee): one.claims for one in advices(files(lake))}
    assert (told[after, A], told[THIRD, A]) == ([("C5", "22", -40), ("C11", "1", 40), ("C5", "1", 24)], third)
    hold_the_law(lake)
    close(lake, after, THIRD)
    hold_the_law(lake)
    close(lake, LAST)
    before = (everything(lake), touched(lake))
    assert [one.is_new for one in pay(lake)] == [False, False, False, False, True], "one was closed"
    assert [one.is_new for one in pay(lake)] == [False] * 5
    assert (everything(lake), touched(lake)) == before


def test_with_no_later_day_it_is_told_the_day_after_the_last_that_was_sent(lake: Lakehouse) -> None:
    close(lake, *DAYS)
    before = files(lake)
    receive(lake, CLAIMS, "2024-02-02", served("2024-01-17", claim_id="C11", procedure_code="97110"))
    pay(lake)
    after = "2024-02-16"
    assert [(one.payee, one.claims) for one in advices(files(lake, after))] == [(A, [("C11", "1", 40)])]
    assert before.items() <= files(lake).items()
    hold_the_law(lake)
    close(lake, after)
    correct(lake, CLAIMS, "2024-02-02", charge_amount="30.00")
    pay(lake)
    assert [one.claims for one in advices(files(lake, "2024-02-17"))] == [[("C11", "22", -40), ("C11", "1", 24)]]
    hold_the_law(lake)
    stood = files(lake, "2024-02-17")
    receive(lake, CLAIMS, "2024-02-20", served("2024-01-18", claim_id="C12", patient_id="9000U"))
    pay(lake)
    assert files(lake, "2024-02-17") == stood, "what is received later moves no day that may be on its way to the bank"
    assert [one.claims for one in advices(files(lake, "2024-02-20"))] == [[("C12", "4", 0)]]
    hold_the_law(lake)


def test_what_comes_out_as_it_was_told_is_not_told_again(lake: Lakehouse) -> None:
    close(lake, FIRST, SECOND)
    before = files(lake)
    correct(lake, CLAIMS, SECOND, charge_amount="30.00")
    pay(lake)
    assert files(lake) != before
    correct(lake, CLAIMS, SECOND, charge_amount="50.00")
    pay(lake)
    assert files(lake) == before


def test_what_was_sent_and_is_purged_is_reversed(lake: Lakehouse) -> None:
    close(lake, *DAYS)
    before = files(lake)
    purge(lake.settings, MEDICAL_CLAIMS, LAST, **ON_RECORD)
    pay(lake)
    assert before.items() <= files(lake).items()
    assert [(one.payee, one.claims, one.balances) for one in advices(files(lake, "2024-02-16"))] == [
        (B, [("C10", "22", -72)], [-72]),
        (A, [("C9", "22", -72)], [64, -136]),
    ]
    hold_the_law(lake)


def test_a_closed_file_that_is_another_is_refused_and_nothing_is_written(lake: Lakehouse) -> None:
    close(lake, FIRST, SECOND)
    receive(lake, CLAIMS, "2024-02-16", served("2024-01-17", claim_id="C11"))
    settle(lake)
    tampered: list[tuple[str, str, Callable[[bytes], bytes | None]]] = [
        (FIRST, "told.parquet", lambda sound: sound[:-1]),
        (FIRST, f"{A}.835", lambda sound: sound.replace(b"*64*", b"*65*")),
        (FIRST, f"{FIRST}.ach", lambda sound: None),
        (SECOND, "told.parquet", lambda sound: None),
        (SECOND, f"{B}.835", lambda sound: b""),
    ]
    for day, name, tamper in tampered:
        path = lake.settings.home / "payments" / day / name
        sound = path.read_bytes()
        broken = tamper(sound)
        path.unlink() if broken is None else path.write_bytes(broken)
        before = (state(lake), touched(lake))
        with pytest.raises(PaymentsUnsound, match=f"payments/{day}/{name}: found another file, or none"):
            make_payments(lake.settings) if day == FIRST else close(lake, THIRD)
        assert (state(lake), touched(lake)) == before
        path.write_bytes(sound)
    assert [one.day.isoformat() for one in make_payments(lake.settings) if one.is_closed] == [FIRST, SECOND]


def test_a_line_that_a_kill_cut_short_never_happened(lake: Lakehouse) -> None:
    close(lake, FIRST)
    before = files(lake)
    journal = lake.settings.home / "payments" / "sent.jsonl"
    length = journal.stat().st_size
    close(lake, SECOND)
    line_of_second = journal.read_bytes()[length:]
    folder = lake.settings.home / "payments" / SECOND
    for written in (1, len(line_of_second) - 2):
        journal.write_bytes(journal.read_bytes()[:length] + line_of_second[:written])
        (folder / "told.parquet").replace(folder / "telling.parquet")  # it has its name when the line is on disk
        assert [one.is_closed for one in make_payments(lake.settings)] == [True, False, False, False]
        assert files(lake) == before
        close(lake, SECOND)
        assert [one.day.isoformat() for one in sent_days(lake.settings)] == [FIRST, SECOND]
        assert [one.is_closed for one in make_payments(lake.settings)] == [True, True, False, False]
        assert files(lake) == before


def test_a_line_that_was_written_whole_closes_its_day_whatever_was_killed_after_it(lake: Lakehouse) -> None:
    close(lake, FIRST)
    before = everything(lake)
    folder = lake.settings.home / "payments" / FIRST
    (folder / "told.parquet").replace(folder / "telling.parquet")
    assert [one.is_closed for one in make_payments(lake.settings)] == [True, False, False, False]
    assert everything(lake) == before


@pytest.mark.parametrize("damage", ["a byte", "the line", "the file"])
def test_where_the_record_of_what_was_sent_is_damaged_nothing_is_paid_twice(lake: Lakehouse, damage: str) -> None:
    """A line before others was never cut short by a kill."""
    close(lake, FIRST, SECOND)
    journal = lake.settings.home / "payments" / "sent.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    if damage == "a byte":
        lines[0] = lines[0].replace(b'"digest"', b'"digesf"')
    journal.write_bytes(b"".join({"a byte": lines, "the line": lines[1:], "the file": []}[damage]))
    before = state(lake)
    with pytest.raises(PaymentsUnsound):
        make_payments(lake.settings)
    with pytest.raises(PaymentsUnsound):
        close(lake, THIRD)
    assert state(lake) == before


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, turn: int, other: Callable[[], object]) -> Iterator[None]:
    """Have somebody else work while the warehouse is nobody's: once, before it is opened to pay for the so-manieth time."""
    opened, turns = stage.sound_warehouse, iter([*[None] * (turn - 1), other])

    def opening(*args: Any, **kwargs: Any) -> Any:
        if (work := next(turns, None)) is not None:
            work()
        return opened(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "sound_warehouse", opening)
        yield


@pytest.mark.parametrize("turn", [1, 2])
def test_a_day_that_two_people_close_at_once_is_closed_once(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    with meanwhile(monkeypatch, turn, lambda: close(lake, FIRST)), suppress(ClaimsLakehouseError):
        mark_sent(lake.settings, date.fromisoformat(FIRST), who="another clerk")
    journal = (lake.settings.home / "payments" / "sent.jsonl").read_text().splitlines()
    assert [json.loads(one)["day"] for one in journal] == [FIRST]


@pytest.mark.parametrize("turn", [1, 2])
def test_a_day_that_changes_while_it_is_closed_is_closed_as_its_files_are(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    def other() -> None:
        retract(lake, CLAIMS, FIRST)
        pay(lake)

    with meanwhile(monkeypatch, turn, other), suppress(ClaimsLakehouseError):
        mark_sent(lake.settings, date.fromisoformat(FIRST), who="clerk")
    pay(lake)
    hold_the_law(lake)


def test_what_is_received_while_payments_are_made_keeps_none_from_being_made(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no sign that money was lost: it is decided with the next run, or in this one."""
    before = files(lake)
    with meanwhile(monkeypatch, 1, lambda: receive(lake, CLAIMS, "2024-02-16", served("2024-01-17", claim_id="C11"))):
        days = make_payments(lake.settings)
    assert [one.day.isoformat() for one in days][:4] == list(DAYS)
    assert before.items() <= files(lake).items()


def test_files_that_are_others_than_a_person_was_asked_about_are_not_closed(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those were sent; what lies there since was not."""

    def answer(*_: object, **__: object) -> bool:
        correct(lake, CLAIMS, FIRST, charge_amount="50.00")
        pay(lake)
        return True

    monkeypatch.setattr("typer.confirm", answer)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(payment_commands, "renew_publication", lambda _: None)
    with pytest.raises(Overtaken):
        payment_commands.sent(datetime.fromisoformat(FIRST), landing=lake.settings.landing, home=lake.settings.home)
    assert sent_days(lake.settings) == []


# --- The warehouse may go ---


def test_a_rebuilt_or_lost_warehouse_keeps_what_was_sent(lake: Lakehouse) -> None:
    close(lake, FIRST, SECOND)
    correct(lake, CLAIMS, SECOND, charge_amount="30.00")
    pay(lake)
    before = (everything(lake), touched(lake))
    told = ask(lake, "SELECT * FROM internal.remitted_claim ORDER BY ALL")
    rebuild(lake.settings)
    pay(lake)
    assert (everything(lake), touched(lake)) == before
    lake.settings.warehouse.unlink()
    pay(lake)
    assert (everything(lake), touched(lake)) == before
    assert ask(lake, "SELECT * FROM internal.remitted_claim ORDER BY ALL") == told


def test_a_lost_warehouse_has_nothing_told_before_it_is_decided_anew(lake: Lakehouse) -> None:
    """It is made anew in passing, whoever opens it; what was decided is not known then."""
    close(lake, FIRST)
    before = files(lake)
    lake.settings.warehouse.unlink()
    with suppress(ClaimsLakehouseError):
        make_payments(lake.settings)
    assert files(lake) == before
    with suppress(ClaimsLakehouseError):
        close(lake, "2024-02-02")
    pay(lake)
    assert files(lake) == before


def test_a_day_that_has_not_come_is_not_closed(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2024, 1, 31, 23, tzinfo=tz)

    monkeypatch.setattr(stage, "datetime", Earlier)
    with pytest.raises(UsageError, match=rf"Payment day {FIRST} has not come"):
        close(lake, FIRST)


# --- What a run says ---


class _Context:
    """What a publication's run gives: its instance, and what is logged."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.told: list[Any] = []

    def log_event(self, event: Any) -> None:
        self.told.append(event)

    @property
    def failed(self) -> list[str]:
        return [one.description for one in self.told if isinstance(one, dg.AssetCheckEvaluation) and not one.passed]


def test_days_of_which_nothing_is_told_any_more_are_no_partitions(lake: Lakehouse) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        publication.pay(_Context(instance), lake.settings)
        assert instance.get_dynamic_partitions("payment_days") == list(DAYS)
        retract(lake, CLAIMS, LAST)
        settle(lake)
        where = LakehouseResource(landing=str(lake.settings.landing), home=str(lake.settings.home))
        done = dg.materialize([payments_asset], instance=instance, partition_key=LAST, resources={"lakehouse": where})
        assert done.success, "a backfill of all days goes through"
        publication.pay(_Context(instance), lake.settings)
        assert instance.get_dynamic_partitions("payment_days") == list(DAYS[:3])


@pytest.mark.parametrize("trouble", ["payments is a file", "the disk is full", "a remittance cannot be written"])
def test_what_keeps_payments_from_being_made_is_told_and_keeps_nothing_else(
    lake: Lakehouse, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lake.settings.home / "payments"
    if trouble == "payments is a file":
        folder.rename(folder.with_name("aside"))
        folder.write_text("")
    elif trouble == "the disk is full":
        shutil.rmtree(folder)

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder / A))

        monkeypatch.setattr(files_of_days, "write_json", full)
    else:
        large = of_b("2024-01-16", claim_id="C20", patient_id="9000U", charge_amount="100000000.00")
        receive(lake, CLAIMS, "2024-02-12", large)
        settle(lake)
    with dg.DagsterInstance.ephemeral() as instance:
        context = _Context(instance)
        publication.pay(context, lake.settings)
        publication.pay(context, lake.settings)
    told, again = context.failed
    assert again == told, "it is told as long as it is so"
    assert {"payments is a file": "NotADirectoryError", "the disk is full": "OSError ENOSPC"}.get(trouble, B) in told
    assert str(folder) not in told
    behind = stage.is_behind(lake.settings, _changes(lake))
    assert behind == (trouble != "a remittance cannot be written"), "the next run tries what it can mend"


def _changes(lakehouse: Lakehouse) -> str:
    with duckdb.connect(str(lakehouse.settings.warehouse), read_only=True) as con:
        return read_changes(con)


# --- What nobody may read where it does not belong ---


def secrets(path: Path) -> list[str]:
    """Accounts and tax numbers of everybody in the settings; patients and their names."""
    payer = read_payer(path)
    of_payees = [one.tax_id for one in payer.payees.values()]
    accounts = [one.account.account for one in payer.payees.values() if one.account]
    return [payer.tax_id, payer.bank.account, *of_payees, *accounts, "1000U", "2000U", "3000U", "Ward", "Reed"]


def test_no_error_names_an_account_or_a_patient(lake: Lakehouse, payer: Callable[..., Path]) -> None:
    told, path = [], payer(A, BY_CHECK)

    def note(work: Callable[[], object]) -> None:
        with pytest.raises(ClaimsLakehouseError) as error:
            work()
        told.append(str(error.value))

    note(lambda: close(lake, FIRST))
    hidden, path = secrets(path), payer(A, B, BY_CHECK)
    hidden += secrets(path)
    note(lambda: close(lake, SECOND))
    with duckdb.connect(str(lake.settings.warehouse)) as con:
        con.execute("UPDATE internal.remitted_claim SET paid = 1; DELETE FROM internal.remitted")
        con.execute("UPDATE internal.line_decision SET above_fee = above_fee + 1 WHERE paid > 0")
    note(lambda: make_payments(lake.settings))
    settle(lake, *DAYS, again=True)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"1 Example Street"', '"~"'))  # of which nothing is left in X12
    note(lambda: make_payments(lake.settings))
    path.write_text(text)
    close(lake, FIRST)
    (lake.settings.home / "payments" / FIRST / f"{A}.835").unlink()
    note(lambda: make_payments(lake.settings))
    path.write_text(text.replace('account = "000111222333"', 'account = "#000111222333"'))
    note(lambda: make_payments(lake.settings))
    assert len({one[:30] for one in told}) > 4
    assert [(secret, one) for one in told for secret in hidden if secret in one] == []


def test_the_asset_tells_what_a_day_came_to_and_no_account_or_patient(
    lake: Lakehouse, payer: Callable[..., Path]
) -> None:
    hidden = secrets(payer(A, B, BY_CHECK))
    where = LakehouseResource(landing=str(lake.settings.landing), home=str(lake.settings.home))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("payment_days", [SECOND])

        def run() -> dg.ExecuteInProcessResult:
            return dg.materialize([payments_asset], instance=instance, partition_key=SECOND, raise_on_error=False,
                                  resources={"lakehouse": where})  # fmt: skip

        done = run()
        [materialization] = done.asset_materializations_for_node("payments")
        close(lake, FIRST)
        (lake.settings.home / "payments" / FIRST / f"{A}.835").unlink()
        failed = run()
        assert (done.success, failed.success) == (True, False)
        logs = [str(one) for run_id in (done.run_id, failed.run_id) for one in instance.all_logs(run_id)]
    metadata = {name: one.value for name, one in materialization.metadata.items()}
    assert (metadata["dagster/row_count"], metadata["payees"], metadata["claims"]) == (6, 3, 4)
    assert (metadata["paid"], metadata["balance_forwarded"], metadata["sent"]) == (120.0, 0.0, False)
    assert any("found another file, or none" in one for one in logs)
    assert [(secret, one) for one in logs for secret in hidden if secret in one] == []
