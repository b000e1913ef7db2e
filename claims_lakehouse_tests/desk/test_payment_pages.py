"""Payments at the desk, asked without a browser: payment days, their payees, and a remittance as a person reads it."""

from __future__ import annotations

import logging
import re
from datetime import date
from html import unescape
from pathlib import Path

import pytest

from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.desk import payments
from claims_lakehouse.desk.payments import PaymentNames
from claims_lakehouse.payments.stage import make_payments, mark_sent
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.desk.test_claim_pages import (
    APRIL,
    FEBRUARY,
    MARCH,
    PRIMING,
    billed,
    cells,
    land_claims,
    page_of,
    words,
)
from claims_lakehouse_tests.desk.visitor import Visitor, app_of, shared_app_of
from claims_lakehouse_tests.medical import line, npi
from claims_lakehouse_tests.payments.remittances import SECRETS, SETTINGS

MAY = "2024-05-01"
PAYEE, OTHER = "1234567893", npi("198765432")
#: Values of patients, claims and payees that occur nowhere else, in a page or a log.
CANARIES = ("9077U", "9078U", "Quentin", "Zabriskie", "PAID-1", "DENY-1", "NEXT-1", PAYEE, OTHER, "2024-01-10",
            "2024-03-03", "2024-03-20")  # fmt: skip


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """February is sent. In April two claims are taken back, and May's claim does not make up for them."""
    base = tmp_path_factory.mktemp("payments")
    (base / "payer.toml").write_text(SETTINGS)
    lakehouse = Lakehouse(base).with_tables()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLAIMS_PAYER_SETTINGS", str(base / "payer.toml"))
        land_claims(lakehouse)
        named = patient(patient_id="9078U", fname="Quentin", lname="Zabriskie", last_modified_date="2021-01-01")
        lakehouse.land("patients", MARCH, [named])
        make_payments(lakehouse.settings)
        mark_sent(lakehouse.settings, date.fromisoformat(FEBRUARY), who="Ann")
        void = {"frequency_code": "8", "received_date": "2024-03-20"}
        other = {"patient_id": "9078U", "received_date": "2024-03-20"}
        lakehouse.land(
            "medical_claims",
            APRIL,
            [
                billed("VOID-1", original_claim_id="PAID-1", **void),
                line(claim_id="VOID-2", original_claim_id="PART-1", patient_id="9078U", units="3",
                     charge_amount="300.00", **void),
                line(claim_id="DENY-1", procedure_code="97110", date_of_service_from="2024-03-01",
                     date_of_service_to="2024-03-01", **other),
                line(claim_id="OTHER-1", billing_npi=OTHER, units="2", modifiers="59|25",
                     date_of_service_from="2024-03-02", date_of_service_to="2024-03-03", **other),
            ],
        )  # fmt: skip
        next_one = {"date_of_service_from": "2024-04-02", "date_of_service_to": "2024-04-02"}
        lakehouse.land("medical_claims", MAY, [billed("NEXT-1", received_date="2024-04-20", **next_one)])
        lakehouse.ingest()
        adjudicate(lakehouse.settings)
        make_payments(lakehouse.settings)
        publish(lakehouse.settings)
    return base


@pytest.fixture(scope="module")
def looker(once: Path) -> Visitor:
    return Visitor(app_of(Lakehouse(once).settings))


def names_of(visitor: Visitor) -> PaymentNames:
    names: PaymentNames = visitor.client._transport.app.state.payment_names  # type: ignore[attr-defined]
    return names


def remittance_of(visitor: Visitor, day: str, payee: str = PAYEE) -> str:
    return f"/payments/{day}/{names_of(visitor).name(day.replace('-', '') + payee)}"


def claims_of(html: str) -> list[str]:
    """What the headings of claims say: number and status."""
    return [words(heading) for heading in re.findall(r'<h2 id="claim-\d+">(.*?)</h2>', html)]


def across(html: str) -> list[dict[str, str]]:
    """What each claim says of itself, beside its lines."""
    found = re.findall(r'<dl class="across">(.*?)</dl>', html, re.DOTALL)
    return [
        {words(name): words(told) for name, told in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", one)} for one in found
    ]


def sums(html: str) -> list[list[str]]:
    """From what claims come to, to what is paid."""
    table = re.search(r"<caption>What is paid</caption>.*?</table>", html, re.DOTALL)
    assert table
    return cells(table[0])[1:]


# Days and payees.


def test_payment_days_are_listed_the_last_first_with_what_is_paid_forwarded_and_sent(looker: Visitor) -> None:
    text = looker.get("/payments").text
    assert cells(text) == [
        ["day", "state", "payees", "claims", "reversals", "paid", "forwarded"],
        [MAY, "open", "1", "1", "0", "0.00", "24.00"],
        [APRIL, "open", "2", "3", "2", "30.00", "78.00"],
        [MARCH, "open", "1", "1", "0", "78.00", "0.00"],
        [FEBRUARY, "sent", "1", "1", "0", "14.00", "0.00"],
    ]
    assert "4 payment days, the last first." in words(text)
    assert f'href="/payments/{APRIL}"' in text


def test_the_payees_of_a_day_are_listed_with_trace_balances_and_what_is_paid(looker: Visitor) -> None:
    text = looker.get(f"/payments/{APRIL}").text
    assert cells(text)[1:] == [
        [PAYEE, f"20240401{PAYEE}", "2", "2", "-78.00", "0.00", "78.00", "0.00"],
        [OTHER, f"20240401{OTHER}", "1", "0", "30.00", "0.00", "0.00", "30.00"],
    ]
    assert re.findall(rf'href="(/payments/{APRIL}/[^"]+)"', text) == [
        remittance_of(looker, APRIL), remittance_of(looker, APRIL, OTHER)
    ]  # fmt: skip
    assert "Payment day 2024-04-01 open" in words(text)
    assert "2 payees of 3 claims and 2 reversals" in words(text)
    assert f"Payment day {FEBRUARY} sent" in words(looker.get(f"/payments/{FEBRUARY}").text)


def test_the_navigation_leads_to_payments_and_says_when_one_is_there(looker: Visitor) -> None:
    assert '<a href="/payments">Payments</a>' in looker.get("/pended").text
    for path in ("/payments", f"/payments/{APRIL}", remittance_of(looker, APRIL)):
        text = looker.get(path).text
        assert re.findall(r'<a href="([^"]+)" aria-current="page">', text) == ["/payments"]


def test_where_no_payments_were_made_the_list_says_so(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", PRIMING, [patient()])
    lakehouse.ingest()
    answer = Visitor(app_of(lakehouse.settings)).get("/payments")
    assert (answer.status_code, "There is no payment day" in answer.text) == (200, True)


@pytest.mark.parametrize(
    "path",
    [f"{MAY}x", "2024-02-30", "2023-01-01", "%27", f"{APRIL}/{PAYEE}", f"{APRIL}/20240401{PAYEE}", f"{APRIL}/'",
     f"2024-02-30/{PAYEE}"],
)  # fmt: skip
def test_what_there_is_not_is_told_so(looker: Visitor, path: str) -> None:
    answer = looker.get(f"/payments/{path}")
    assert answer.status_code == 404
    assert "There is no such p" in answer.text


def test_a_remittance_is_found_on_its_own_day_only(looker: Visitor) -> None:
    name = remittance_of(looker, APRIL).rpartition("/")[2]
    assert looker.get(f"/payments/{MAY}/{name}").status_code == 404
    assert looker.get(f"/payments/{APRIL}?page=0").status_code == 400
    assert [row[0] for row in cells(looker.get(f"/payments/{APRIL}?page=99").text)[1:]] == [PAYEE, OTHER]


# One remittance.


def test_a_remittance_tells_reversals_first_then_claims_each_with_its_sums(looker: Visitor) -> None:
    text = looker.get(remittance_of(looker, APRIL)).text
    assert f"Remittance of {APRIL} to payee {PAYEE} open" in words(text)
    assert f"20240401{PAYEE}" in text
    assert claims_of(text) == [
        "Claim PAID-1 reversal",
        "Claim PART-1 reversal",
        "Claim DENY-1 denied",
        "Claim NEAR-1 processed",
    ]
    assert [(one["charge"], one["paid"], one["the patient's"], one["patient"]) for one in across(text)] == [
        ("-100.00", "-14.00", "-66.00", "9077U Ann Ward"),
        ("-300.00", "-78.00", "-82.00", "9078U Quentin Zabriskie"),
        ("100.00", "0.00", "100.00", "9078U Quentin Zabriskie"),
        ("101.00", "14.00", "66.00", "9077U Ann Ward"),
    ]
    assert sums(text) == [
        ["1 processed claim", "14.00"],
        ["1 denied claim", "0.00"],
        ["2 reversals", "-92.00"],
        [f"balance forwarded, taken by the remittance of {MAY} trace 20240401{PAYEE}", "78.00"],
        ["paid", "0.00"],
    ]
    for claim in ("PAID-1", "PART-1", "DENY-1", "NEAR-1"):
        assert f'<a href="{page_of(looker, claim)}">{claim}</a>' in text


def test_a_line_tells_what_of_its_charge_is_not_paid_and_why_in_words(looker: Visitor) -> None:
    rows = cells(looker.get(remittance_of(looker, APRIL)).text)
    above = "The charge is above what the plan's fee schedule allows. The patient does not owe the difference."
    denied = "PR 96 N130 100.00 The plan does not cover this service."
    assert ["1", "97110", "2024-03-01", "100.00", "0.00", "0.00", "100.00", denied] in rows
    [near] = [row for row in rows if row[2:4] == ["2024-01-11", "101.00"]]
    assert near[4:7] == ["80.00", "14.00", "66.00"]
    assert near[7].startswith(f"CO 45 21.00 {above} PR 1 50.00 The patient pays this before")
    [other] = [row for row in cells(looker.get(remittance_of(looker, APRIL, OTHER)).text) if row[0] == "1"]
    assert other[1:3] == ["99213 59 25 2 units", "2024-03-02 to 2024-03-03"]
    assert float(other[3]) == float(other[5]) + sum(map(float, re.findall(r"\b[A-Z]{2} \d+ ([\d.]+) ", other[7])))


def test_a_reversal_leads_to_the_remittance_that_it_reverses_and_has_no_negative_nothing(looker: Visitor) -> None:
    text = looker.get(remittance_of(looker, APRIL)).text
    first, second = across(text)[:2]
    assert first["reverses"] == f"what the remittance of {FEBRUARY} told of it"
    assert second["reverses"] == f"what the remittance of {MARCH} told of it"
    assert f'<a href="{remittance_of(looker, FEBRUARY)}">the remittance of {FEBRUARY}</a>' in text
    assert "-0.00" not in text


def test_balances_are_told_with_the_trace_they_belong_to(looker: Visitor) -> None:
    text = looker.get(remittance_of(looker, MAY)).text
    assert sums(text) == [
        ["1 processed claim", "54.00"],
        [f"balance taken, as the remittance of {APRIL} forwarded it trace 20240401{PAYEE}", "-78.00"],
        [f"balance forwarded to the payee's next remittance trace 20240501{PAYEE}", "24.00"],
        ["paid", "0.00"],
    ]
    assert f'href="{remittance_of(looker, APRIL)}"' in text


def test_of_codes_that_no_rule_has_it_is_told_whose_the_amount_is(
    looker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payments.Told, "reason", lambda *_: "")
    rows = cells(looker.get(remittance_of(looker, APRIL)).text)
    assert "PR 96 N130 100.00 the patient's" in [row[7] for row in rows if len(row) == 8]


def test_a_long_remittance_is_paged_and_its_sum_is_that_of_all(
    looker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claims_lakehouse.desk.payments.read_remittance.__kwdefaults__", {"page": 1, "rows": 3})
    path = remittance_of(looker, APRIL)
    first, last = looker.get(path).text, looker.get(f"{path}?page=7").text
    assert [len(claims_of(text)) for text in (first, last)] == [3, 1]
    assert sums(first) == sums(last)
    assert "4 claims are told, 3 on this page, reversals first." in words(first)
    assert "Page 2 of 2" in last
    assert 'id="claim-4"' in last
    assert f'href="{path}?page=2"' in first


# From a claim.


def test_a_claim_leads_to_its_place_in_the_remittances_that_tell_of_it(
    looker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = looker.get(page_of(looker, "PAID-1")).text
    assert [row for row in cells(text) if row[-1] in ("sent", "open")] == [
        [FEBRUARY, "processed", "100.00", "14.00", "66.00", "sent"],
        [APRIL, "reversal", "-100.00", "-14.00", "-66.00", "open"],
    ]
    assert f'href="{remittance_of(looker, APRIL)}#claim-1"' in text
    earlier = looker.get(f"{page_of(looker, 'PAID-1')}?day={MARCH}").text
    assert [row[0] for row in cells(earlier) if row[-1] in ("sent", "open")] == [FEBRUARY]
    assert "What payees were told of it" not in looker.get(page_of(looker, "WAITS-1")).text
    assert f'href="{remittance_of(looker, APRIL)}#claim-4"' in looker.get(page_of(looker, "NEAR-1")).text
    monkeypatch.setattr(payments, "PAGE_ROWS", 3)
    assert f'href="{remittance_of(looker, APRIL)}?page=2#claim-4"' in looker.get(page_of(looker, "NEAR-1")).text


def test_every_claim_stands_at_the_place_that_its_page_leads_to(looker: Visitor) -> None:
    reading = looker.client._transport.app.state.desk.reading  # type: ignore[attr-defined]
    for (claim,) in reading.ask("SELECT DISTINCT claim_id FROM remittance"):
        links = re.findall(r'href="(/payments/\d[^"#]+)#(claim-\d+)"', looker.get(page_of(looker, claim)).text)
        assert links
        for path, place in links:
            assert re.search(rf'<h2 id="{place}">Claim <a[^>]*>{claim}</a>', looker.get(path).text)


# Who may see what.


def test_a_viewer_sees_no_value_of_a_patient_or_payee_and_a_steward_does(once: Path, tmp_path: Path) -> None:
    app = shared_app_of(Lakehouse(once).settings, tmp_path)
    steward, viewer = Visitor(app, "Ann"), Visitor(app, "Vic")
    remittances = [remittance_of(viewer, day) for day in (FEBRUARY, MARCH, APRIL, MAY)]
    paths = ["/payments", f"/payments/{APRIL}", *remittances, remittance_of(viewer, APRIL, OTHER)]
    for person, sees in ((steward, True), (viewer, False)):
        text = unescape("".join(person.get(path).text for path in paths))
        assert {one: one in text for one in CANARIES} == dict.fromkeys(CANARIES, sees)
    text = viewer.get(remittance_of(viewer, APRIL)).text
    # What tells of nobody stays: codes, amounts and why.
    denied = "PR 96 N130 100.00 The plan does not cover this service."
    assert ["1", "97110", "•••", "100.00", "0.00", "0.00", "100.00", denied] in cells(text)
    assert ["•••", "•••", "2", "2", "-78.00", "0.00", "78.00", "0.00"] in cells(viewer.get(paths[1]).text)
    assert {one["payer's number"] for one in across(text)} == {"•••"}
    assert f'<a href="{page_of(viewer, "PAID-1")}">•••</a>' in text


def test_nothing_of_a_bank_or_tax_office_stands_on_a_page(
    looker: Visitor, monkeypatch: pytest.MonkeyPatch, once: Path
) -> None:
    monkeypatch.setenv("CLAIMS_PAYER_SETTINGS", str(once / "payer.toml"))
    days = (FEBRUARY, MARCH, APRIL, MAY)
    paths = ["/payments", *(f"/payments/{day}" for day in days), *(remittance_of(looker, day) for day in days)]
    text = "".join(looker.get(path).text for path in paths)
    assert [name for name, secret in SECRETS.items() if secret in text] == []


def test_no_address_or_log_line_names_a_payee_or_claim(looker: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    paths = ["/payments", f"/payments/{APRIL}", remittance_of(looker, APRIL), page_of(looker, "PAID-1")]
    addresses = [one for path in paths for one in re.findall(r'(?:href|action)="([^"]*)"', looker.get(path).text)]
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert [one for one in (PAYEE, OTHER, "PAID-1", "9077U") if one in ours or one in "".join(addresses)] == []


def test_pages_are_not_kept_by_caches_and_run_no_script_but_their_own(looker: Visitor) -> None:
    for path in ("/payments", f"/payments/{APRIL}", remittance_of(looker, APRIL)):
        answer = looker.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*src=\"/static/)|\son\w+=|style=", answer.text), path
