"""`claims payments` as people run it, what `claims explain` says of payments, and how the demo ends."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claims_lakehouse import cli
from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.commands import demo_report
from claims_lakehouse.commands import lakehouse as lakehouse_commands
from claims_lakehouse.commands import payments as payment_commands
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.history.acts import retract
from claims_lakehouse.history.purge import purge
from claims_lakehouse.payments import stage
from claims_lakehouse.payments.payer_file import made_up_settings
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.end_to_end.test_command import Said
from claims_lakehouse_tests.end_to_end.test_decision_commands import (
    COVERAGE,
    DAY,
    FEE,
    GOLD,
    LAST,
    LATER,
    published,
    table,
    told,
)
from claims_lakehouse_tests.medical import line, npi
from claims_lakehouse_tests.test_queries import SQL
from claims_lakehouse_tests.test_start_up import READS, imported

#: Paid to an account, and by check, by the settings that are made up for them.
ACCOUNT, CHECK = "1234567893", npi("100000001")
Run = Callable[..., Said]
HIGH = FEE | {"procedure_code": "99215", "allowed_amount": "100.00"}
COVERED = ("1000U", "3000U", "4000U", "5000U")
LINES = [
    line(),
    line(claim_id="C2", patient_id="2000U"),  # no member
    line(claim_id="C5", patient_id="3000U", billing_npi=CHECK, procedure_code="99215", modifiers="25"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was received on three days: on the second the fee falls, so that a claim was paid too much."""
    base = tmp_path_factory.mktemp("payments")
    lakehouse = Lakehouse(base).with_tables()
    lakehouse.land("plans", DAY, [GOLD])
    lakehouse.land("coverages", DAY, [COVERAGE | {"patient_id": patient} for patient in COVERED])
    lakehouse.land("fee_schedules", DAY, [FEE, HIGH])
    lakehouse.land("medical_claims", DAY, LINES)
    lakehouse.land("fee_schedules", LATER, [FEE | {"allowed_amount": "40.00"}])
    more = {"date_of_service_from": "2024-01-12", "date_of_service_to": "2024-01-13"}
    other = line(claim_id="C6", patient_id="4000U", billing_npi=CHECK, procedure_code="99215")
    lakehouse.land("medical_claims", LATER, [other])
    lakehouse.land("medical_claims", LAST, [line(claim_id="C7", patient_id="5000U", units="2", **more)])
    assert set(lakehouse.ingest().values()) == {None}
    (base / "payer.toml").write_text(made_up_settings([ACCOUNT, CHECK]))
    (base / "payer.toml").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLAIMS_PAYER_SETTINGS", str(base / "payer.toml"))
        settle(lakehouse.settings)
    return base


def settle(settings: Settings) -> None:
    adjudicate(settings)
    stage.make_payments(settings)
    publish(settings)


@pytest.fixture
def standing(template: Path) -> Lakehouse:
    """The template itself: only read from."""
    return Lakehouse(template)


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> Lakehouse:
    """A copy, to be changed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


@pytest.fixture(autouse=True)
def _payer(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(template / "payer.toml"))


@pytest.fixture
def no_payer(monkeypatch: pytest.MonkeyPatch, _payer: None) -> None:
    monkeypatch.delenv("CLAIMS_PAYER_SETTINGS")


@pytest.fixture(autouse=True)
def settled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts Dagster, whose start takes longer than all else."""
    for module in (payment_commands, demo_report):
        monkeypatch.setattr(module, "renew_publication", settle)


@pytest.fixture
def run(template: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process; what identifies anybody at a bank or tax office is never among its words."""
    monkeypatch.setattr(cli, "_leave", sys.exit)
    monkeypatch.setattr(os, "umask", lambda mask: mask)
    made_up = (template / "payer.toml").read_text()
    secrets = re.findall(r'^(?:\w*routing|account|tax_id|company_id) = "(.+)"$', made_up, re.MULTILINE)
    assert len(secrets) == 9

    def call(lakehouse: Lakehouse, *arguments: str | Path) -> Said:
        monkeypatch.setenv("CLAIMS_HOME", str(lakehouse.settings.home))
        monkeypatch.setenv("CLAIMS_LANDING", str(lakehouse.settings.landing))
        monkeypatch.setattr(sys, "argv", ["claims", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr()
        assert isinstance(end.value.code, int)
        assert [secret for secret in secrets if secret in told.out + told.err] == []
        return Said(end.value.code, told.out, " ".join(told.err.split()))

    return call


def trace(day: str, payee: str) -> str:
    return day.replace("-", "") + payee


def files(lakehouse: Lakehouse) -> dict[str, bytes]:
    folder = lakehouse.settings.home / "payments"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def swap(lakehouse: Lakehouse, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the payer's settings."""
    path = lakehouse.settings.home.parent / "payer.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(path))


# --- claims payments list ---


def test_payment_days_are_listed_with_what_is_paid_and_their_files(standing: Lakehouse, run: Run) -> None:
    bare = run(standing, "payments")
    assert (bare.status, bare.err) == (0, "")
    assert bare == run(standing, "payments", "list")
    home = standing.settings.home
    assert f"Files are below {home}/payments, a folder a day." in bare.out
    assert table(bare, "Payment days") == [
        [DAY, "2", "3", "0", "144.00", "0.00", "2", f"{DAY}.ach", "open"],
        [LATER, "2", "2", "1", "80.00", "32.00", "2", "", "open"],
        [LAST, "1", "1", "0", "32.00", "0.00", "1", f"{LAST}.ach", "open"],
    ]
    first, second, _ = told(run(standing, "payments", "--json"))
    folder = home / "payments" / DAY
    assert first == {
        "day": DAY, "payees": 2, "claims": 3, "reversals": 0, "paid": "144.00", "balance_forwarded": "0.00", "is_sent": False,
        "files": [f"{folder}/{CHECK}.835", f"{folder}/{ACCOUNT}.835", f"{folder}/{DAY}.ach"],
    }  # fmt: skip
    # A payee without an account is paid by check, and the other nothing on that day: there is no bank file.
    assert [Path(path).suffix for path in second["files"]] == [".835", ".835"]


def test_the_payees_of_a_day_are_listed_with_balances_traces_and_their_files(standing: Lakehouse, run: Run) -> None:
    said = run(standing, "payments", "--day", LATER)
    assert said == run(standing, "payments", "list", "--day", LATER)
    folder = standing.settings.home / "payments" / LATER
    paths = "".join(row[8] for row in table(said, f"Payees of {LATER}: open"))  # a long path is folded
    assert paths == f"{folder}/{CHECK}.835{folder}/{ACCOUNT}.835"
    assert [row[:8] for row in table(said, f"Payees of {LATER}: open") if row[0]] == [
        [CHECK, trace(LATER, CHECK), "1", "0", "80.00", "0.00", "0.00", "80.00"],
        [ACCOUNT, trace(LATER, ACCOUNT), "1", "1", "-32.00", "0.00", "32.00", "0.00"],
    ]
    [last] = told(run(standing, "payments", "--day", LAST, "--json"))
    assert last == {
        "day": LAST, "payee": ACCOUNT, "trace": trace(LAST, ACCOUNT), "claims": 1, "reversals": 0, "net": "64.00",
        "balance_taken": "32.00", "balance_forwarded": "0.00", "paid": "32.00", "is_sent": False,
        "file": f"{standing.settings.home}/payments/{LAST}/{ACCOUNT}.835",
    }  # fmt: skip


def test_where_nothing_is_decided_there_is_no_payment_day(tmp_path: Path, run: Run) -> None:
    lakehouse = Lakehouse(tmp_path).with_tables()
    publish(lakehouse.settings)
    said = run(lakehouse, "payments")
    assert (said.status, said.out, "There is no payment day" in said.err) == (0, "", True)
    said = run(lakehouse, "payments", "--json")
    assert told(said) == []


# --- claims payments show ---


def test_a_remittance_is_shown_as_a_person_reads_it(standing: Lakehouse, run: Run) -> None:
    said = run(standing, "payments", "show", LATER, ACCOUNT)
    assert (said.status, said.err) == (0, "")
    assert table(said, f"Remittance of {LATER} to payee {ACCOUNT}") == [
        ["C1", "reversal", "1000U", "2024-01-20", "", "", "", "-100.00", "-80.00", "-64.00", "-16.00", ""],
        [
            "",
            "",
            "",
            "",
            "1",
            "99213",
            "2024-01-10",
            "-100.00",
            "-80.00",
            "-64.00",
            "-16.00",
            "CO 45 -20.00, PR 2 -16.00",
        ],
        ["C1", "processed", "1000U", "2024-01-20", "", "", "", "100.00", "40.00", "32.00", "8.00", ""],
        ["", "", "", "", "1", "99213", "2024-01-10", "100.00", "40.00", "32.00", "8.00", "CO 45 60.00, PR 2 8.00"],
    ]
    assert table(said, "What is paid") == [
        ["1 processed claim", "32.00"],
        ["1 reversal", "-64.00"],
        ["balance forwarded to a later day", "32.00"],
        ["paid", "0.00"],
    ]
    file = standing.settings.home / "payments" / LATER / f"{ACCOUNT}.835"
    assert f"Trace number {trace(LATER, ACCOUNT)}; the day is open, its 835 is {file}." in said.out

    said = run(standing, "payments", "show", LAST, ACCOUNT)
    assert table(said, f"Remittance of {LAST} to payee {ACCOUNT}")[1][5:7] == ["99213 x 2", "2024-01-12 to 2024-01-13"]
    assert table(said, "What is paid")[1:] == [
        [f"balance taken, as {trace(LATER, ACCOUNT)} forwarded it", "-32.00"],
        ["paid", "32.00"],
    ]


def test_machines_have_a_remittance_whole(standing: Lakehouse, run: Run) -> None:
    found = told(run(standing, "payments", "show", DAY, ACCOUNT, "--json"))
    assert {name: found[name] for name in ("day", "payee", "trace", "paid", "balances", "is_sent")} == {
        "day": DAY, "payee": ACCOUNT, "trace": trace(DAY, ACCOUNT), "paid": "64.00", "balances": [], "is_sent": False,
    }  # fmt: skip
    paid, denied = found["claims"]
    assert (denied["claim_id"], denied["status"], denied["charge"], denied["paid"]) == (
        "C2",
        "denied",
        "100.00",
        "0.00",
    )
    assert (paid["status"], paid["patient_share"], paid["control_number"] in _text(found["file"])) == (
        "processed", "16.00", True,
    )  # fmt: skip
    assert paid["lines"][0]["adjustments"] == [
        {"group": "CO", "carc": "45", "rarc": None, "amount": "20.00"},
        {"group": "PR", "carc": "2", "rarc": None, "amount": "16.00"},
    ]
    [claim] = told(run(standing, "payments", "show", DAY, CHECK, "--json"))["claims"]
    assert (claim["lines"][0]["procedure_code"], claim["lines"][0]["modifiers"]) == ("99215", ["25"])
    [balance] = told(run(standing, "payments", "show", LAST, ACCOUNT, "--json"))["balances"]
    assert balance == {"reference": trace(LATER, ACCOUNT), "amount": "32.00"}


def _text(path: str) -> str:
    return Path(path).read_text()


# --- claims explain ---


def test_a_claim_is_explained_with_what_was_remitted_of_it(standing: Lakehouse, run: Run) -> None:
    rows = table(run(standing, "explain", "C1"), "What was remitted of the claim")
    assert rows == [
        [DAY, ACCOUNT, "processed", "64.00", trace(DAY, ACCOUNT), "open"],
        [LATER, ACCOUNT, "reversal", "-64.00", trace(LATER, ACCOUNT), "open"],
        [LATER, ACCOUNT, "processed", "32.00", trace(LATER, ACCOUNT), "open"],
    ]
    assert table(run(standing, "explain", "C1", "--day", DAY), "What was remitted of the claim") == rows[:1]
    [denied] = told(run(standing, "explain", "C2", "--json"))["payments"]
    assert denied == {
        "day": DAY, "payee": ACCOUNT, "patient_id": "2000U", "status": "denied", "paid": "0.00",
        "trace": trace(DAY, ACCOUNT), "is_sent": False,
    }  # fmt: skip


@pytest.mark.parametrize("act", [retract, purge])
def test_a_claim_that_was_paid_is_explained_though_its_delivery_was_taken_out_since(
    lake: Lakehouse, run: Run, act: Callable[..., Any]
) -> None:
    assert [run(lake, "payments", "sent", day).status for day in (DAY, LATER, LAST)] == [0, 0, 0]
    act(lake.settings, feed_named("medical_claims"), LAST, because="sent by mistake", who="we")
    lake.ingest()
    settle(lake.settings)
    said = run(lake, "explain", "C7")
    assert table(said, "Claim C7") == [["5000U", "", "0", "0.00", "0.00", "0.00", "0.00"]]
    assert "No line of it stands any more: its delivery was retracted or purged." in said.out
    remitted = table(said, "What was remitted of the claim")
    assert remitted[0] == [LAST, ACCOUNT, "processed", "64.00", trace(LAST, ACCOUNT), "sent"]
    assert [row[2] for row in remitted[1:]] == ["reversal"]
    assert run(lake, "explain", "C7", "--line", "1").err == "claims: Claim 'C7' has no line 1; it has none any more."
    assert run(lake, "explain", "C7", "--day", DAY).err == f"claims: Nothing is known of a claim 'C7' on {DAY}."


def test_remittances_name_the_patient_where_two_share_a_claims_number(lake: Lakehouse, run: Run) -> None:
    assert "patient" not in run(lake, "explain", "C1").out.partition("What was remitted of the claim")[2]
    lake.land("medical_claims", "2024-05-01", [line(patient_id="3000U")])
    assert lake.process("medical_claims", "2024-05-01") is None
    settle(lake.settings)
    said = run(lake, "explain", "C1")
    assert {row[2] for row in table(said, "What was remitted of the claim")} == {"1000U", "3000U"}


# --- docs/queries.md ---


def test_what_is_decided_of_claims_that_were_told_is_what_payees_are_paid(lake: Lakehouse) -> None:
    waiting = line(claim_id="C9", patient_id="5000U", procedure_code="99214")  # no price
    decided = waiting | {"line_number": "2", "procedure_code": "99215"}
    lake.land("medical_claims", "2024-05-01", [waiting, decided])
    assert lake.process("medical_claims", "2024-05-01") is None
    settle(lake.settings)
    [question] = [one.query for one in duckdb.extract_statements(SQL) if "paid_to_payees" in one.query]
    [(of_claims, to_payees)] = lake.rows(question)
    assert lake.rows("SELECT decision, paid FROM claim_decision WHERE claim_id = 'C9'") == [("pending", Decimal(80))]
    assert of_claims == to_payees
    assert lake.rows("SELECT sum(paid) FROM decision") == [(to_payees + 80,)]


# --- claims payments make ---


def test_files_of_open_days_are_made_and_made_again_as_they_were(lake: Lakehouse, run: Run) -> None:
    before = files(lake)
    assert len(before) == 10  # each day has a note of what its files were made from
    shutil.rmtree(lake.settings.home / "payments")
    assert "No files are made yet. Name the payer's settings" in run(lake, "payments").err
    said = run(lake, "payments", "make")
    assert (said.status, said.err) == (0, "")
    assert said.out == run(lake, "payments").out
    assert files(lake) == before


def test_it_is_said_where_others_can_read_the_payers_settings(lake: Lakehouse, run: Run) -> None:
    path = lake.settings.home.parent / "payer.toml"
    path.chmod(0o640)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLAIMS_PAYER_SETTINGS", str(path))
        said = run(lake, "payments", "make")
    assert (said.status, "payer.toml: it has bank and tax numbers; expected mode 0600" in said.err) == (0, True)


def test_what_is_received_is_remitted_published_and_shown(lake: Lakehouse, run: Run) -> None:
    lake.land("medical_claims", "2024-05-01", [line(claim_id="C8", patient_id="9000U")])
    assert lake.process("medical_claims", "2024-05-01") is None
    days = told(run(lake, "payments", "make", "--json"))
    assert [(one["day"], one["paid"]) for one in days][-1] == ("2024-05-01", "0.00")  # no member: denied, and told
    assert lake.rows("SELECT status FROM remittance WHERE claim_id = 'C8'") == [("denied",)]


@pytest.mark.filterwarnings("ignore:.*currently in beta", "ignore:.*currently in preview", "ignore::ResourceWarning")
def test_what_keeps_files_from_being_made_is_told_and_made_up_for_by_the_next_ingest(
    lake: Lakehouse, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land("medical_claims", "2024-05-01", [line(claim_id="C8", patient_id="9000U")])
    monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(lake.settings.home / "nowhere.toml"))
    said = run(lake, "ingest")
    assert said.status == 1
    assert "not paid: No payment files were made: " in said.err
    assert "nowhere.toml: found no file that can be read" in said.err
    assert lake.rows("SELECT status FROM remittance WHERE claim_id = 'C8'") == [("denied",)], "what is owed is known"
    assert not any(name.startswith("2024-05-01") for name in files(lake))
    assert run(lake, "ingest").status == 1, "it is told until it is settled"
    monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(lake.settings.home.parent / "payer.toml"))
    assert run(lake, "ingest").status == 0
    assert {name for name in files(lake) if name.startswith("2024-05-01")} == {
        f"2024-05-01/{name}" for name in (f"{ACCOUNT}.835", "made.json")
    }
    assert "Nothing to do" in run(lake, "ingest").err


@pytest.mark.usefixtures("no_payer")
def test_without_a_payer_it_is_said_that_no_files_were_made(lake: Lakehouse, run: Run) -> None:
    shutil.rmtree(lake.settings.home / "payments")
    said = run(lake, "payments", "make")
    assert (said.status, [row[6:] for row in table(said, "Payment days")]) == (0, [["0", "", "open"]] * 3)
    assert said.err.startswith("No files were made: CLAIMS_PAYER_SETTINGS is not set.")
    assert files(lake) == {}


def test_payees_of_whom_the_settings_say_nothing_are_named(
    lake: Lakehouse, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap(lake, f"payees.{CHECK}", "payees.1999999984", monkeypatch)
    said = run(lake, "payments", "make")
    assert (said.status, [row[6] for row in table(said, "Payment days")]) == (0, ["1", "1", "1"])
    assert f"1 payee without settings: {CHECK}. They are told and paid nothing" in said.err
    assert "a table [payees.<NPI>] for each" in said.err
    said = run(lake, "payments", "sent", DAY)
    assert (said.status, f"say nothing of payee {CHECK}; expected a table" in said.err) == (2, True)


def test_wrong_settings_are_told_without_a_value_and_change_nothing(
    lake: Lakehouse, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap(lake, 'account = "000111222333"', 'account = "a secret"', monkeypatch)
    before = files(lake), published(lake)
    for command in (("make",), ("sent", DAY)):
        said = run(lake, "payments", *command)
        assert (said.status, said.out) == (2, "")
        assert "payer.toml, key 'bank.account': found another text; expected up to 17 digits" in said.err
        assert "a secret" not in said.err
    assert (files(lake), published(lake)) == before


# --- claims payments sent ---


def test_a_day_that_was_sent_is_closed(lake: Lakehouse, run: Run) -> None:
    said = run(lake, "payments", "sent", DAY)
    assert (said.status, said.out) == (0, "")
    assert said.err.startswith(f"Payment day {DAY} is closed now: 2 835 files and the bank file below ")
    assert "were sent. What changes later is told and paid on a later day." in said.err
    assert [row[8] for row in table(run(lake, "payments"), "Payment days")] == ["sent", "open", "open"]
    rows = table(run(lake, "explain", "C1"), "What was remitted of the claim")
    assert [row[5] for row in rows] == ["sent", "open", "open"]
    assert f"Payees of {DAY}: sent" in run(lake, "payments", "--day", DAY).out
    assert "the day is sent" in run(lake, "payments", "show", DAY, CHECK).out

    before = files(lake)
    said = run(lake, "payments", "sent", DAY, "--yes")
    assert (said.status, said.err) == (2, f"claims: Payment day {DAY} was sent already.")
    said = run(lake, "payments", "sent", LAST)
    assert (said.status, f"Payment day {LATER} was not sent" in said.err) == (2, True)
    assert files(lake) == before


def test_at_a_terminal_it_is_asked_before_a_day_is_closed(
    lake: Lakehouse, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    before = files(lake)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    said = run(lake, "payments", "sent", DAY)
    assert said.status == 1
    assert "2 835 files and the bank file below " in said.out
    assert "were sent? The day is closed then, for good." in said.out
    assert files(lake) == before
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert run(lake, "payments", "sent", DAY).status == 0
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert run(lake, "payments", "sent", LATER, "--yes").status == 0


def test_files_that_come_out_otherwise_now_are_not_those_that_were_sent(lake: Lakehouse, run: Run) -> None:
    path = lake.settings.payments(date.fromisoformat(DAY)) / f"{ACCOUNT}.835"
    path.write_bytes(path.read_bytes().replace(b"C1", b"C9"))
    said = run(lake, "payments", "sent", DAY)
    assert (said.status, "were made anew just now" in said.err) == (2, True)
    assert "sent.jsonl" not in files(lake)
    assert run(lake, "payments", "sent", DAY).status == 0


@pytest.mark.usefixtures("no_payer")
def test_without_the_payers_settings_no_day_is_closed(lake: Lakehouse, run: Run) -> None:
    said = run(lake, "payments", "sent", DAY)
    assert (said.status, "CLAIMS_PAYER_SETTINGS is not set" in said.err) == (2, True)
    assert "sent.jsonl" not in files(lake)


# --- claims demo ---


@pytest.fixture
def demo(lake: Lakehouse, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Said]:
    """The demo on what has been received already; that it asks for a week of deliveries is held."""
    asked: list[Any] = []

    def write_deliveries(*_: Any, **more: Any) -> list[Path]:
        asked.append(more["days"])
        return []

    monkeypatch.setattr("claims_lakehouse.samples.write_deliveries", write_deliveries)
    monkeypatch.setattr(lakehouse_commands, "ingest_due", lambda _: True)
    shutil.rmtree(lake.settings.home / "payments")

    def call() -> Said:
        said = run(lake, "demo")
        assert asked.pop() == 7
        return said

    return call


@pytest.mark.usefixtures("no_payer")
def test_the_demo_pays_by_made_up_bank_data_and_has_others_read_the_files(
    lake: Lakehouse, demo: Callable[[], Said]
) -> None:
    said = demo()
    home = lake.settings.home
    assert said.status == 0, said.err
    bank = {day: f"{day}/{day}.ach" for day in (DAY, LAST)}
    assert table(said, "What is paid") == [
        [DAY, "2", "3", "0", "144.00", "0.00", f"{DAY}/*.835 (2)", bank[DAY], "64.00", "2 of 2 read", "2 of 2 read"],
        [LATER, "2", "2", "1", "80.00", "32.00", f"{LATER}/*.835 (2)", "", "", "2 of 2 read", "2 of 2 read"],
        [LAST, "1", "1", "0", "32.00", "0.00", f"{LAST}/*.835 (1)", bank[LAST], "32.00", "1 of 1 read", "1 of 1 read"],
    ]
    for reader in ("x12sdk", "pyx12"):
        assert f"{reader}, which did not write them, read 5 of 5 835 files: it accepts every one." in said.out
    assert "achkit, which wrote them, read all 2 bank files back: it accepts every one." in said.out
    payer = home / "payer.toml"
    assert f"Bank data are made up: no bank, plan or practice has the numbers of {payer}." in said.err
    assert (payer.stat().st_mode & 0o777, os.environ["CLAIMS_PAYER_SETTINGS"]) == (0o600, str(payer))
    assert payer.read_text() == made_up_settings([ACCOUNT, CHECK])
    _, around = said.out.split("Look around:")
    assert f"\n  claims review\n  claims payments\n  claims payments show {LAST} {ACCOUNT}\n" in around


def test_the_demo_pays_by_the_payers_own_settings_where_there_are_some(
    lake: Lakehouse, demo: Callable[[], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    swap(lake, f"payees.{CHECK}", "payees.1999999984", monkeypatch)
    said = demo()
    assert (said.status, "made up" in said.err, f"without settings: {CHECK}" in said.err) == (0, False, True)
    assert "read 3 of 3 835 files" in said.out
    assert not (lake.settings.home / "payer.toml").exists()


@pytest.mark.usefixtures("no_payer")
def test_the_demo_leaves_a_file_that_is_not_its_own(lake: Lakehouse, demo: Callable[[], Said]) -> None:
    own = made_up_settings([ACCOUNT, CHECK]).replace("# Made up for a demo", "# Mine")
    (lake.settings.home / "payer.toml").write_text(own)
    assert "Bank data are those of" in demo().err
    assert (lake.settings.home / "payer.toml").read_text() == own


def test_the_demo_says_where_a_reader_is_not_installed(
    lake: Lakehouse, demo: Callable[[], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyx12.x12n_document", None)
    said = demo()
    assert said.status == 0
    assert {row[10] for row in table(said, "What is paid")} == {"not asked"}
    assert "pyx12 is not installed: not asked (pip install 'claims-lakehouse[dev]')." in said.out


def test_a_reader_gets_some_files_of_each_day_where_all_take_too_long(
    lake: Lakehouse, demo: Callable[[], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_report, "_PYX12_BYTES", 2000)
    said = demo()
    assert [row[9:] for row in table(said, "What is paid")] == [
        ["2 of 2 read", "1 of 1 read"],
        ["2 of 2 read", "1 of 1 read"],
        ["1 of 1 read", "1 of 1 read"],
    ]
    assert "pyx12, which did not write them, read 3 of 5 835 files" in said.out


@pytest.mark.parametrize(
    ("old", "new", "refusing"),
    [
        (b"~BPR*I*", b"~BPR*Q*", {"x12sdk", "pyx12"}),
        (b"~GE*1*", b"~GE*2*", {"x12sdk", "pyx12"}),
        (b"~DTM*405*", b"~DTM*999*", {"pyx12"}),
    ],
    ids=["handling", "count of transactions", "qualifier"],
)
def test_the_demo_names_a_file_that_is_refused_and_fails(
    lake: Lakehouse,
    demo: Callable[[], Said],
    monkeypatch: pytest.MonkeyPatch,
    old: bytes,
    new: bytes,
    refusing: set[str],
) -> None:
    broken = lake.settings.payments(date.fromisoformat(DAY)) / f"{ACCOUNT}.835"
    _break_when_made(monkeypatch, broken, old, new)
    said = demo()
    assert said.status == 1
    row = dict(zip(("x12sdk", "pyx12"), table(said, "What is paid")[0][9:], strict=True))
    assert row == {name: "1 of 2 read" if name in refusing else "2 of 2 read" for name in row}
    for name in refusing:
        assert f"{name}, which did not write them, read 5 of 5 835 files: it refuses 1: {broken}." in said.out


def test_the_demo_names_a_bank_file_that_does_not_add_up(
    lake: Lakehouse, demo: Callable[[], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = lake.settings.payments(date.fromisoformat(DAY)) / f"{DAY}.ach"
    _break_when_made(monkeypatch, broken, b"0000006400", b"0000006500")
    said = demo()
    assert (said.status, f"it refuses 1: {DAY}.ach." in said.out) == (1, True)


def _break_when_made(monkeypatch: pytest.MonkeyPatch, path: Path, old: bytes, new: bytes) -> None:
    make = stage.make_payments

    def break_it(settings: Settings) -> list[stage.PaymentDay]:
        made = make(settings)
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))
        return made

    monkeypatch.setattr(stage, "make_payments", break_it)


# --- All of them ---


@pytest.mark.parametrize(
    "name", ["payments", "payments list", "payments make", "payments sent", "payments show", "demo"]
)
def test_help_has_an_example(name: str, standing: Lakehouse, run: Run) -> None:
    said = run(standing, *name.split(), "--help")
    assert said.status == 0
    words = " ".join(said.out.replace("│", " ").split())
    _, *examples = words.split(f"claims {name}")  # the first one says how it is used
    assert examples


@pytest.mark.parametrize(
    ("command", "expected"),
    [(["payments"], READS), (["payments", "list", "--day", DAY], READS), (["payments", "sent", "--help"], set())],
)
def test_a_list_and_help_import_only_what_they_need(command: list[str], expected: set[str], template: Path) -> None:
    code = f"sys.argv[1:] = {command!r}\nfrom claims_lakehouse.cli import app\napp()"
    assert imported(code, Lakehouse(template).settings.home) == expected


WRONG_USE = {
    "unknown-day": (("--day", "2024-02-02"), "There is no payment day 2024-02-02; see `claims payments`."),
    "no-day": (("--day", "tomorrow"), "tomorrow"),
    "unknown-day-to-show": (("show", "2024-02-02", ACCOUNT), "There is no payment day 2024-02-02"),
    "unknown-payee": (
        ("show", LAST, CHECK),
        f"There is no remittance of payee '{CHECK}' on {LAST}; see `claims payments",
    ),
    "unknown-day-to-send": (("sent", "2024-02-02"), "There is no payment day 2024-02-02"),
    "not-in-order": (("sent", LATER), f"Payment day {DAY} was not sent; expected days to be sent in their order."),
    "options-before": (("--json", "make"), "Options stand after the command: claims payments make --option"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_ends_with_status_2_and_changes_nothing(case: str, standing: Lakehouse, run: Run) -> None:
    arguments, word = WRONG_USE[case]
    before = files(standing), published(standing)
    said = run(standing, "payments", *arguments)
    assert (said.status, said.out) == (2, "")
    assert word in said.err
    assert (files(standing), published(standing)) == before


def test_the_sums_of_the_list_are_those_of_the_payees_and_of_their_remittances(standing: Lakehouse, run: Run) -> None:
    for day in told(run(standing, "payments", "--json")):
        payees = told(run(standing, "payments", "--day", day["day"], "--json"))
        assert sum(Decimal(one["paid"]) for one in payees) == Decimal(day["paid"])
        for one in payees:
            shown = told(run(standing, "payments", "show", day["day"], one["payee"], "--json"))
            net = sum(Decimal(claim["paid"]) for claim in shown["claims"])
            carried = sum(Decimal(balance["amount"]) for balance in shown["balances"])
            assert (net, net - carried) == (Decimal(one["net"]), Decimal(one["paid"]))
