"""Claims at the desk, asked without a browser: what waits, how a claim was decided, and what a steward says to it."""

from __future__ import annotations

import logging
import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from claims_lakehouse.adjudication import acts
from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.desk.claims import ClaimNames
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.desk.visitor import Visitor, app_of, shared_app_of, visitor_forms
from claims_lakehouse_tests.medical import line, npi

PRIMING, FEBRUARY, MARCH, APRIL = "priming", "2024-02-01", "2024-03-01", "2024-04-01"
#: A claim number that needs care in an address, in HTML, in SQL patterns and where lines are named.
ODD = "C#7/a b?x=1&y|'\"<i>%2F\\ü"
#: Values of patients, claims and people's words that occur nowhere else, in a page or a log.
CANARIES = ("9077U", "WAITS-1", "NEAR-1", "2024-01-10", "Xanthippe said so", npi("198765432"), "AUTH-77")

_PLAN = {"plan_id": "GOLD", "plan_name": "Gold", "deductible": "50", "coinsurance": "20", "copays": "11=10.00",
         "annual_maximum": "", "timely_filing_days": "90"}  # fmt: skip
_COVERAGE = {"patient_id": "9077U", "plan_id": "GOLD", "covered_from": "2024-01-01", "covered_to": "",
             "subscriber_id": "", "relationship": "18", "maintenance_type": ""}  # fmt: skip
_FEE = {"plan_id": "GOLD", "procedure_code": "99213", "modifier": "", "allowed_amount": "80.00",
        "effective_from": "2024-01-01", "effective_to": ""}  # fmt: skip
_EXCLUSION = {"exclusion_id": "X1", "plan_id": "GOLD", "kind": "not_covered", "procedure_code": "97110",
              "diagnosis_code": "", "least_age": "", "most_age": "", "sex": "", "most_units_a_day": "",
              "effective_from": "2024-01-01", "effective_to": ""}  # fmt: skip


def billed(claim_id: str, **changed: str) -> dict[str, str]:
    return line(claim_id=claim_id, patient_id="9077U", **changed)


def settle(lakehouse: Lakehouse) -> None:
    adjudicate(lakehouse.settings)
    publish(lakehouse.settings)


def land_claims(lakehouse: Lakehouse) -> None:
    """A paid claim, one much like it, one that is denied, and lines without a price, received on two days."""
    lakehouse.land("patients", PRIMING, [patient(patient_id="9077U"), patient(patient_id="9078U")])
    lakehouse.land("plans", PRIMING, [_PLAN])
    lakehouse.land("coverages", PRIMING, [_COVERAGE, _COVERAGE | {"patient_id": "9078U"}])
    lakehouse.land("fee_schedules", PRIMING, [_FEE])
    limit = {"exclusion_id": "X2", "kind": "units_limit", "procedure_code": "99213", "most_units_a_day": "2"}
    lakehouse.land("exclusions", PRIMING, [_EXCLUSION, _EXCLUSION | limit])
    other = {"provider_npi": npi("198765432"), "date_of_service_from": "2024-01-12", "date_of_service_to": "2024-01-12"}
    lakehouse.land(
        "medical_claims",
        FEBRUARY,
        [
            billed("PAID-1"),
            billed("WAITS-1", procedure_code="99999", **other),
            billed("WAITS-1", line_number="2", procedure_code="97110", **other),
            billed(
                "WAITS-1", line_number="3", procedure_code="J1100", modifiers="59", charge_amount="1234.50", **other
            ),
        ],
    )
    lakehouse.land(
        "medical_claims",
        MARCH,
        [
            billed("NEAR-1", charge_amount="101.00", date_of_service_from="2024-01-11",
                   date_of_service_to="2024-01-11", received_date="2024-02-20"),
            billed(ODD, procedure_code="99998", received_date="2024-02-20"),
            line(claim_id="PART-1", patient_id="9078U", units="3", charge_amount="300.00"),
        ],
    )  # fmt: skip
    lakehouse.ingest()
    settle(lakehouse)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("claims")
    land_claims(Lakehouse(base).with_tables())
    return base


@pytest.fixture(scope="module")
def looker(once: Path) -> Visitor:
    """Somebody who changes nothing, for tests that share the lakehouse."""
    return Visitor(app_of(Lakehouse(once).settings))


@pytest.fixture
def landed(once: Path, tmp_path: Path) -> Lakehouse:
    """A copy to work on."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


@pytest.fixture
def visitor(landed: Lakehouse) -> Visitor:
    return Visitor(app_of(landed.settings))


def names_of(visitor: Visitor) -> ClaimNames:
    names: ClaimNames = visitor.client._transport.app.state.claim_names  # type: ignore[attr-defined]
    return names


def page_of(visitor: Visitor, claim_id: str) -> str:
    return f"/claims/{names_of(visitor).name(claim_id)}"


def say(visitor: Visitor, claim_id: str, number: int, act: str, **fields: str) -> httpx.Response:
    """Fill in the form of an act on a claim's page, and send it."""
    page = page_of(visitor, claim_id)
    action = f"{page}/lines/{number}/{act}"
    found = visitor.form(page, action)
    assert found, f"{claim_id} has no form to {act} line {number}"
    return visitor.post(action, data=found | fields)


def felt(landed: Lakehouse, visitor: Visitor) -> None:
    """Have what was said decided and published, and seen by the desk."""
    settle(landed)
    visitor.get("/")
    visitor.client._transport.app.state.desk.readings.settle()  # type: ignore[attr-defined]


def cells(html: str) -> list[list[str]]:
    """What the cells of each row of a page's tables say."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    return [[words(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def visitor_name(visitor: Visitor) -> str:
    found = re.search(r'<div class="who">(.*?) <span', visitor.get("/deliveries").text)
    assert found
    return unescape(found[1])


def said_to(landed: Lakehouse) -> list[str]:
    folder = landed.settings.home / "claim_acts"
    return [text for path in sorted(folder.glob("*")) for text in path.read_text().splitlines()]


# What waits.


def test_lines_that_wait_are_listed_oldest_received_day_first_with_why_and_counts(looker: Visitor) -> None:
    text = looker.get("/pended").text
    no_price = "no_price The plan's fee schedule has no price for the service on that day."
    near = "near_duplicate The service is much like one that was billed before; a person looks at both."
    assert cells(text)[1:] == [
        ["WAITS-1", "1", no_price, "99999", "100.00", FEBRUARY],
        ["WAITS-1", "3", no_price, "J1100 59", "1,234.50", FEBRUARY],
        [ODD, "1", no_price, "99998", "100.00", MARCH],
        ["NEAR-1", "1", near, "99213", "101.00", MARCH],
    ]
    totals = re.findall(r"<strong>(\d+)</strong> ([^<]+)</a>", text)
    assert totals == [("4", "lines wait"), ("3", "no_price"), ("1", "near_duplicate")]


def test_a_line_waits_since_the_day_on_which_that_began_whatever_changed_meanwhile(
    landed: Lakehouse, visitor: Visitor
) -> None:
    other = {"provider_npi": npi("198765432"), "date_of_service_from": "2024-01-12", "date_of_service_to": "2024-01-12"}
    landed.land(
        "medical_claims", APRIL, [billed("WAITS-1", line_number="2", procedure_code="97110", units="2", **other)]
    )
    landed.ingest()
    felt(landed, visitor)
    assert landed.rows(
        "SELECT DISTINCT claim_version, decided_on::VARCHAR FROM decision WHERE claim_id = 'WAITS-1'"
    ) == [(2, APRIL)]
    assert [row[:2] + row[5:] for row in cells(visitor.get("/pended").text)[1:3]] == [
        ["WAITS-1", "1", FEBRUARY],
        ["WAITS-1", "3", FEBRUARY],
    ]


def test_the_list_is_filtered_by_rule_and_by_text_of_the_number_which_stands_in_no_address(looker: Visitor) -> None:
    assert [row[0] for row in cells(looker.get("/pended?rule=near_duplicate").text)[1:]] == ["NEAR-1"]
    found = looker.send("/pended/search", text=" waits ", rule="no_price").headers["location"]
    assert "waits" not in found.lower()
    assert [row[:2] for row in cells(looker.get(found).text)[1:]] == [["WAITS-1", "1"], ["WAITS-1", "3"]]
    assert 'value="waits"' in looker.get(found).text
    odd = looker.send("/pended/search", text="?X=1&Y|'").headers["location"]
    assert [row[0] for row in cells(looker.get(odd).text)[1:]] == [ODD]
    assert "No line that waits is of that kind." in looker.get("/pended?rule=late_filing").text
    other = Visitor(looker.client._transport.app)  # type: ignore[attr-defined]
    assert "no longer remembered" in other.get(found).text


def test_a_long_list_is_paged(looker: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claims_lakehouse.desk.claims.list_pended.__kwdefaults__", {"page": 1, "rows": 3})
    first, second = looker.get("/pended?rule=no_price&page=1").text, looker.get("/pended?page=9").text
    assert "Page 1 of 1" in first
    assert "Page 2 of 2" in second
    assert [row[0] for row in cells(second)[1:]] == ["NEAR-1"]
    assert 'href="/pended?page=1"' in second


def test_where_nothing_waits_the_list_says_so(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", PRIMING, [patient()])
    lakehouse.ingest()
    visitor = Visitor(app_of(lakehouse.settings))
    answer = visitor.get("/pended")
    assert (answer.status_code, "No line of a claim waits" in answer.text) == (200, True)
    assert visitor.send("/claims/open", number="PAID-1").status_code == 404


def test_the_navigation_and_the_overview_lead_to_what_waits(looker: Visitor) -> None:
    assert '<a href="/pended"><strong>4</strong> lines of claims wait for a person</a>' in looker.get("/").text
    assert '<a href="/pended">Claims</a>' in looker.get("/").text
    for path in ("/pended", page_of(looker, "PAID-1")):
        assert '<a href="/pended" aria-current="page">Claims</a>' in looker.get(path).text


# One claim.


def test_a_paid_claim_shows_every_step_from_the_charge_to_what_is_paid(looker: Visitor) -> None:
    text = looker.get(page_of(looker, "PAID-1")).text
    rows = cells(text)
    assert ["Line 1", "99213", "approved", "100.00", "80.00", "14.00", "66.00"] in rows
    start = rows.index(["charge", "", "", "", "100.00"])
    # Fee 80; deductible 50; 20 % of the 30 that are left; copay 10.
    assert [(row[0], row[1], *row[3:]) for row in rows[start : start + 6]] == [
        ("charge", "", "", "100.00"),
        ("above fee schedule", "CO 45", "20.00", "80.00"),
        ("deductible", "PR 1", "50.00", "30.00"),
        ("coinsurance", "PR 2", "6.00", "24.00"),
        ("copay", "PR 3", "10.00", "14.00"),
        ("paid", "", "", "14.00"),
    ]
    assert "The patient pays this before the plan does" in rows[start + 2][2]
    assert ["PR", "2", "", "the patient's", "1", "6.00"] in rows
    assert "What an appeal needs" not in text


def test_a_claim_shows_its_lines_adjustments_and_what_an_appeal_of_a_denial_needs(looker: Visitor) -> None:
    text = looker.get(page_of(looker, "WAITS-1")).text
    rows = cells(text)
    assert re.search(r'<h1>Claim <span class="at">WAITS-1</span> <span class="badge pending">pending</span></h1>', text)
    assert ["The claim", "1,434.50", "0.00", "0.00", "100.00"] in rows
    assert ["OA", "133", "", "nobody's", "1, 3", "1,334.50"] in rows
    assert ["PR", "96", "N130", "the patient's", "2", "100.00"] in rows
    assert ["denied", "PR 96 N130", "The plan does not cover this service.", "100.00", "0.00"] in rows
    assert "What an appeal needs" in text
    assert "The physician&#39;s letter on why the service was medically necessary" in text


def test_a_line_of_which_a_part_is_not_paid_can_be_appealed_and_says_what_that_needs(
    landed: Lakehouse, visitor: Visitor
) -> None:
    text = visitor.get(page_of(visitor, "PART-1")).text
    # Two units of three: 100 beyond the limit, 40 above the fees of 160, 50 deductible, 20 % of 110, copay 10.
    assert ["Line 1", "99213", "partial", "300.00", "160.00", "78.00", "82.00"] in cells(text)
    assert ["CO", "96", "N362", "the provider's", "1", "100.00"] in cells(text)
    assert "The record of the day that shows why so many units were necessary." in text
    assert say(visitor, "PART-1", 1, "appeal", because="the record came").status_code == 303
    felt(landed, visitor)
    assert ["PART-1", "1", "appealed A person opened the line again."] in [
        row[:3] for row in cells(visitor.get("/pended").text)
    ]


def test_a_claim_shows_facts_rules_versions_and_its_log(looker: Visitor) -> None:
    text = looker.get(page_of(looker, "WAITS-1")).text
    rows = cells(text)
    assert ["not_covered_by", "X1", "The exclusion by which the plan does not cover the service."] in rows
    of_rules = [row for row in rows if row[1:2] == ["not_covered"] and len(row) == 5]
    assert [row[2:] for row in of_rules] == [
        ["not_covered_by is not null", "deny", "silent"],
        ["not_covered_by is not null", "deny", "decides"],
        ["not_covered_by is not null", "deny", "silent"],
    ]
    assert ["limit", "X1", "exclusions priming , row 1", "1900-01-01 00:00"] in rows
    assert 'href="/deliveries/exclusions/priming"' in text
    log = [row[:6] for row in rows if row[0] == FEBRUARY and row[1] == "2"]
    assert log == [
        [FEBRUARY, "2", "received", "", "a new statement", ""],
        [FEBRUARY, "2", "verified", "", "accepted", ""],
        [FEBRUARY, "2", "decided", "denied", "not_covered", "0.00"],
    ]


def test_a_line_that_is_much_like_another_stands_beside_it_and_says_what_differs(looker: Visitor) -> None:
    text = looker.get(page_of(looker, "NEAR-1")).text
    rows = cells(text)
    assert "a line that is much like it" in text
    assert ["field", "this line", "claim PAID-1 , line 1"] in rows
    assert f'href="{page_of(looker, "PAID-1")}"' in text
    assert ["charge amount differs", "101.00", "100.00"] in rows
    assert ["procedure code", "99213", "99213"] in rows
    assert ["decision", "pending", "approved"] in rows
    assert ["paid", "0.00", "14.00, 66.00 left to the patient"] in rows
    assert text.count("<mark>") == 2 * 4  # two days of service, charge, received


def test_a_duplicate_of_a_claim_with_any_number_has_that_one_beside_it(landed: Lakehouse, visitor: Visitor) -> None:
    landed.land("medical_claims", APRIL, [billed("AGAIN-1", procedure_code="99998", received_date="2024-03-20")])
    landed.ingest()
    felt(landed, visitor)
    text = visitor.get(page_of(visitor, "AGAIN-1")).text
    assert "a line that billed the same act" in text
    assert ["field", "this line", f"claim {ODD} , line 1"] in cells(text)
    assert f'href="{page_of(visitor, ODD)}"' in text
    assert ["decision", "denied", "pending no_price"] in cells(text)


def test_a_claim_can_be_seen_as_of_an_earlier_received_day(landed: Lakehouse, visitor: Visitor) -> None:
    landed.land("fee_schedules", APRIL, [_FEE | {"procedure_code": "99999", "allowed_amount": "40.00"}])
    landed.ingest()
    felt(landed, visitor)
    path = page_of(visitor, "WAITS-1")
    now, then = visitor.get(path).text, visitor.get(f"{path}?day={MARCH}").text
    assert [row[2] for row in cells(now) if row[0] == "Line 1"] == ["approved"]
    assert [row[2] for row in cells(then) if row[0] == "Line 1"] == ["pending"]
    assert "This is how it stood at the end of the received day 2024-03-01." in then
    assert "reversed" in now
    assert "reversed" not in then
    assert visitor_forms(then).keys() == {path}
    for day, status in (("2023-12-31", 400), ("soon", 400), ("2024-02-30", 400), ("", 200)):
        assert visitor.get(f"{path}?day={day}").status_code == status, day


def test_a_line_that_was_taken_back_names_the_claim_that_replaced_it(landed: Lakehouse, visitor: Visitor) -> None:
    replacing = billed("NEW-1", frequency_code="7", original_claim_id="PAID-1", received_date="2024-03-20")
    landed.land("medical_claims", APRIL, [replacing])
    landed.ingest()
    felt(landed, visitor)
    text = visitor.get(page_of(visitor, "PAID-1")).text
    assert "not decided" in text
    assert f'It was taken back: <a href="{page_of(visitor, "NEW-1")}">claim NEW-1</a>' in text
    assert "From the charge to what is paid" not in text
    assert "replaced" in {row[2] for row in cells(text) if len(row) == 9}


def test_any_claim_is_opened_by_its_number_and_no_address_tells_it(looker: Visitor) -> None:
    for claim_id in ("PAID-1", ODD):
        answer = looker.send("/claims/open", number=f" {claim_id} ")
        assert (answer.status_code, answer.headers["location"]) == (303, page_of(looker, claim_id))
        assert re.fullmatch("/claims/[0-9a-f]{32}", unquote(answer.headers["location"]))
        assert looker.get(answer.headers["location"]).status_code == 200
    assert looker.send("/claims/open", number="PAID").status_code == 404


def test_an_address_that_somebody_kept_works_after_a_restart_and_is_none_of_another_desk(
    landed: Lakehouse, visitor: Visitor, tmp_path: Path
) -> None:
    path = page_of(visitor, ODD)
    again = Visitor(app_of(landed.settings))
    assert ["Line 1", "99998", "pending"] in [row[:3] for row in cells(again.get(path).text)]
    assert page_of(Visitor(app_of(Lakehouse(tmp_path / "another").settings)), ODD) != path


def test_a_claim_that_there_is_not_is_said_in_words(looker: Visitor) -> None:
    for path in ("/claims/nothing", page_of(looker, "NOBODY'S")):
        answer = looker.get(path)
        assert (answer.status_code, "There is no such claim" in answer.text) == (404, True)
        assert 'role="alert"' in answer.text
        assert looker.get(f"{path}?day={MARCH}").status_code in (400, 404)


# What a steward says.


def test_a_line_without_a_price_is_approved_with_what_is_allowed(
    landed: Lakehouse, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    desk = visitor.client._transport.app.state.desk  # type: ignore[attr-defined]
    monkeypatch.setattr(desk, "acted", lambda: woken.append("acted"))
    assert say(visitor, ODD, 1, "approve", allowed="80.00", because="").status_code == 400
    assert woken == []
    answer = say(visitor, ODD, 1, "approve", allowed="80.00", because="as the contract has it")
    assert (answer.status_code, answer.headers["location"]) == (303, page_of(visitor, ODD) + "?saved=approve")
    assert woken == ["acted"]
    text = visitor.get(answer.headers["location"]).text
    assert "Saved: it is on record, and will be felt with the next publication." in text
    assert [one for one in visitor_forms(text) if "/lines/" in one] == []
    assert visitor.get(page_of(visitor, ODD) + "/standing").status_code == 204
    listed = {row[0] for row in cells(visitor.get("/pended").text)}
    assert f"{ODD} approved by {visitor_name(visitor)}, being published" in listed
    felt(landed, visitor)
    assert landed.rows("SELECT decision, allowed FROM decision WHERE claim_id = $1", ODD)[0][0] == "approved"
    assert visitor.get(page_of(visitor, ODD) + "/standing").headers["hx-refresh"] == "true"
    text = visitor.get(answer.headers["location"]).text
    assert "Done, and published." in text
    assert ["Line 1", "99998", "approved", "100.00", "80.00"] in [row[:5] for row in cells(text)]
    assert ODD not in {row[0] for row in cells(visitor.get("/pended").text)}


def test_a_line_like_another_is_approved_without_an_amount(landed: Lakehouse, visitor: Visitor) -> None:
    action = f"{page_of(visitor, 'NEAR-1')}/lines/1/approve"
    assert "allowed" not in visitor.form(page_of(visitor, "NEAR-1"), action)
    assert say(visitor, "NEAR-1", 1, "approve", because="another visit").status_code == 303
    felt(landed, visitor)
    assert landed.rows("SELECT decision FROM decision WHERE claim_id = 'NEAR-1'") == [("approved",)]
    text = visitor.get(page_of(visitor, "NEAR-1")).text
    assert ["near_duplicate", "similarity >= 85", "wait", "settled by a person"] in [row[1:] for row in cells(text)]


def test_a_line_is_denied_with_codes_and_appealed_and_approved_in_the_end(landed: Lakehouse, visitor: Visitor) -> None:
    path = page_of(visitor, "NEAR-1")
    assert (
        say(visitor, "NEAR-1", 1, "deny", group="OA", carc=" b13 ", rarc="", because="paid before").status_code == 303
    )
    felt(landed, visitor)
    text = visitor.get(path).text
    assert ["denied", "OA B13", "A person denied it: paid before", "101.00", "0.00"] in cells(text)
    assert "What an appeal needs" in text
    assert say(visitor, "NEAR-1", 1, "appeal", because="two visits").status_code == 303
    felt(landed, visitor)
    text = visitor.get(path).text
    assert "A person opened the line again." in text
    assert "appealed A person opened the line again." in {row[2] for row in cells(visitor.get("/pended").text)}
    assert say(visitor, "NEAR-1", 1, "approve", because="the records say so").status_code == 303
    felt(landed, visitor)
    events = [row[2] for row in cells(visitor.get(path).text) if len(row) == 9]
    assert {"received", "verified", "pended", "decided", "appealed", "released", "reversed"} >= set(events[1:])
    assert ("appealed", events.count("released")) == (events[events.index("appealed")], 2)
    assert landed.rows("SELECT decision FROM decision WHERE claim_id = 'NEAR-1'") == [("approved",)]


def test_a_line_that_a_rule_denied_can_be_appealed(landed: Lakehouse, visitor: Visitor) -> None:
    assert say(visitor, "WAITS-1", 2, "appeal", because="the letter came").status_code == 303
    felt(landed, visitor)
    assert landed.rows("SELECT decision, pending_for FROM decision WHERE claim_id = 'WAITS-1' AND line_number = 2") == [
        ("pending", ["appealed"])
    ]


@pytest.mark.parametrize(
    ("act", "fields", "told"),
    [
        ("deny", {"group": "XX", "carc": "96", "rarc": "N130", "because": "no"}, "expected CO, PR, OA, PI"),
        ("deny", {"group": "CO", "carc": "9-6", "because": "no"}, "The reason code (CARC): found no code"),
        ("deny", {"group": "CO", "carc": "96", "because": "no"}, "CARC 96 asks for a remark code"),
        ("deny", {"group": "CO", "carc": "96", "rarc": "N 1", "because": "no"}, "The remark code (RARC): found no code"),
        ("deny", {"group": "CO", "carc": "97", "because": " "}, "needs a reason"),
        ("approve", {"allowed": "", "because": "yes"}, "The plan has no price for the line"),
        ("approve", {"allowed": "100.01", "because": "yes"}, "at most the charge"),
        ("approve", {"allowed": "0", "because": "yes"}, "more than nothing"),
        ("approve", {"allowed": "1e1", "because": "yes"}, "expected an amount as 80.00"),
        ("approve", {"allowed": "80", "because": ""}, "needs a reason"),
    ],
)  # fmt: skip
def test_an_act_that_makes_no_sense_is_refused_says_why_and_keeps_what_was_typed(
    once: Path, looker: Visitor, act: str, fields: dict[str, str], told: str
) -> None:
    answer = say(looker, "WAITS-1", 1, act, **fields)
    assert answer.status_code == 400
    assert told in unescape(answer.text)
    kept = visitor_forms(answer.text)[f"{page_of(looker, 'WAITS-1')}/lines/1/{act}"]
    assert {name: kept[name] for name in fields if name != "group"} == {
        name: text for name, text in fields.items() if name != "group"
    }
    if fields.get("group") == "CO":
        assert '<option value="CO" selected>' in answer.text
    assert len(re.findall(r"<details open>", answer.text)) == 1
    assert said_to(Lakehouse(once)) == []


def test_codes_that_the_rules_use_are_offered(looker: Visitor) -> None:
    text = unescape(looker.get(page_of(looker, "WAITS-1")).text)
    assert '<option value="18">OA: The same service of the same day was billed before' in text
    assert '<option value="N130">PR: The plan does not cover this service.</option>' in text
    assert '<option value="133">' not in text


def test_what_somebody_said_since_is_not_overwritten(landed: Lakehouse, visitor: Visitor) -> None:
    path = page_of(visitor, "NEAR-1")
    filled = {act: visitor.form(path, f"{path}/lines/1/{act}") | {"because": "mine", "group": "CO", "carc": "97"}
              for act in ("approve", "deny")}  # fmt: skip
    assert visitor.post(f"{path}/lines/1/approve", data=filled["approve"]).status_code == 303
    early = visitor.post(f"{path}/lines/1/deny", data=filled["deny"])
    assert (early.status_code, "decided by somebody since you looked" in early.text) == (409, True)
    assert "You had typed: because = mine, group = CO, carc = 97." in words(early.text)
    felt(landed, visitor)
    late = visitor.post(f"{path}/lines/1/deny", data=filled["deny"])
    assert (late.status_code, "stands otherwise than when you looked at it" in late.text) == (409, True)
    assert len(said_to(landed)) == 1


def test_an_act_about_a_line_that_says_otherwise_now_is_refused(landed: Lakehouse, visitor: Visitor) -> None:
    path = page_of(visitor, ODD)
    filled = visitor.form(path, f"{path}/lines/1/approve") | {"because": "mine", "allowed": "10"}
    landed.land("medical_claims", APRIL, [billed(ODD, procedure_code="99998", charge_amount="99.00")])
    landed.ingest()
    felt(landed, visitor)
    answer = visitor.post(f"{path}/lines/1/approve", data=filled)
    assert answer.status_code == 409
    # Its form is there still, for the line waits as it did: what was typed is in it, to be looked at again.
    assert visitor_forms(answer.text)[f"{path}/lines/1/approve"]["allowed"] == "10"
    assert said_to(landed) == []


def test_an_act_of_no_page_of_ours_is_refused(once: Path, looker: Visitor) -> None:
    path = page_of(looker, "NEAR-1")
    filled = looker.form(path, f"{path}/lines/1/approve") | {"because": "mine"}
    assert looker.post(f"{path}/lines/1/approve", data=filled | {"csrf": ""}).status_code == 403
    without = {name: text for name, text in filled.items() if name != "csrf"}
    assert looker.post(f"{path}/lines/1/approve", data=without).status_code == 403
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert looker.post(f"{path}/lines/1/approve", data=filled, headers=foreign).status_code == 403
    for to, status in (("1/pay", 400), ("x/approve", 400), ("7/approve", 409), (f"{10**30}/approve", 409)):
        assert looker.post(f"{path}/lines/{to}", data=filled).status_code == status, to
    assert looker.post("/claims/nothing/lines/1/approve", data=filled).status_code == 404
    assert said_to(Lakehouse(once)) == []


def test_where_rules_came_that_decide_otherwise_the_page_says_what_is_published(
    landed: Lakehouse, visitor: Visitor
) -> None:
    landed.land("fee_schedules", APRIL, [_FEE | {"procedure_code": "99999", "allowed_amount": "40.00"}])
    landed.ingest()  # and nothing is decided yet
    visitor.get("/")
    text = visitor.get(page_of(visitor, "WAITS-1")).text
    assert "What is published says otherwise of line 1" in text
    felt(landed, visitor)
    assert "What is published says otherwise" not in visitor.get(page_of(visitor, "WAITS-1")).text


# Who may see and do what.


def test_a_viewer_may_say_nothing_and_search_nothing(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    viewer, steward = Visitor(app, "Vic"), Visitor(app, "Ann")
    path = page_of(viewer, "NEAR-1")
    filled = steward.form(path, f"{path}/lines/1/approve")
    sent = {"seen": filled["seen"], "because": "x"}
    refused = [viewer.send(f"{path}/lines/1/{act}", **sent).status_code for act in ("approve", "deny", "appeal")]
    refused.append(viewer.send("/claims/open", number="NEAR-1").status_code)
    refused.append(viewer.send("/pended/search", text="NEAR").status_code)
    assert refused == [403] * 5
    assert viewer.send("/pended/search", rule="no_price").headers["location"] == "/pended?rule=no_price"
    assert said_to(landed) == []
    assert [one for one in visitor_forms(viewer.get(path).text) if "/lines/" in one] == []
    assert "/claims/open" not in viewer.get("/pended").text


def test_a_viewer_sees_no_value_of_a_patient_and_a_steward_does(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    steward, viewer = Visitor(app, "Ann"), Visitor(app, "Vic")
    other = billed("AUTH-1", prior_auth_number="AUTH-77", frequency_code="7", original_claim_id="PAID-1",
                   received_date="2024-03-20")  # fmt: skip
    landed.land("medical_claims", APRIL, [other])
    landed.ingest()
    felt(landed, steward)
    deny = {"group": "CO", "carc": "97", "because": "Xanthippe said so"}
    assert say(steward, "WAITS-1", 1, "deny", **deny).status_code == 303
    assert say(steward, "WAITS-1", 2, "appeal", because="Xanthippe said so").status_code == 303
    felt(landed, steward)
    paths = ["/pended", *(page_of(viewer, one) for one in ("PAID-1", "WAITS-1", "NEAR-1", ODD, "AUTH-1"))]
    for person, sees in ((steward, True), (viewer, False)):
        text = unescape("".join(person.get(path).text for path in [*paths, f"{paths[3]}?day={MARCH}"]))
        assert {one: one in text for one in (*CANARIES, ODD)} == dict.fromkeys((*CANARIES, ODD), sees)
    text = viewer.get(paths[2]).text
    assert "•••" in text
    # What tells of nobody stays: codes, amounts, rules and what an appeal needs.
    assert ["denied", "CO 97", "•••", "100.00", "0.00"] in cells(text)
    assert ["99999", "denied", "100.00"] in [row[1:4] for row in cells(text)]


def test_no_log_line_names_a_claim(landed: Lakehouse, visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor.send("/pended/search", text="WAITS-1")
    visitor.send("/claims/open", number="WAITS-1")
    visitor.get(page_of(visitor, "WAITS-1"))
    say(visitor, "WAITS-1", 1, "approve", allowed="1000", because="Xanthippe said so")
    say(visitor, "WAITS-1", 1, "approve", allowed="10", because="Xanthippe said so")
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "python_multipart"))
    )
    assert [one for one in CANARIES if one in ours] == []


def test_pages_are_not_kept_by_caches_and_run_no_script_but_their_own(looker: Visitor) -> None:
    for path in ("/pended", page_of(looker, "WAITS-1"), page_of(looker, ODD)):
        answer = looker.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*src=\"/static/)|\son\w+=|style=", answer.text), path


def test_an_act_that_was_said_beside_the_desk_is_seen_at_once(landed: Lakehouse, visitor: Visitor) -> None:
    with visitor.client._transport.app.state.desk.reading.cursor() as cursor:  # type: ignore[attr-defined]
        [seen] = acts.seen_lines(cursor, "NEAR-1")
    acts.approve(landed.settings, seen, because="by the command", who="bob")
    assert "NEAR-1 approved by bob, being published" in {row[0] for row in cells(visitor.get("/pended").text)}
    text = visitor.get(page_of(visitor, "NEAR-1")).text
    assert "Something was said of this claim; it is on record" in text
    assert [one for one in visitor_forms(text) if "/lines/" in one] == []
    with (landed.settings.home / "claim_acts" / f"{MARCH}.jsonl").open("ab") as file:
        file.write(b'{"cut": "sho')
    assert visitor.get("/pended").status_code == 200
