"""The desk in a real browser: a steward finds what failed, corrects it, applies a suggestion, waives; pointer or keys."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe

from claims_lakehouse.payments.stage import make_payments
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import FLEXION, Lakehouse, claim, csv_text, patient, provider
from claims_lakehouse_tests.chromium import ARTEFACTS, chromium
from claims_lakehouse_tests.desk.serving import served, until
from claims_lakehouse_tests.desk.test_claim_pages import land_claims

pytestmark = [pytest.mark.browser, pytest.mark.server]

DAY = "2024-02-01"
#: How long an act may take until it is published, milliseconds: it starts a process, and tests share two cores.
PUBLISHED = 60_000


class Desk(NamedTuple):
    """A desk that is served, the lakehouse under it, and a page of a browser that has it open."""

    url: str
    lakehouse: Lakehouse
    page: Any


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def opened(browser: Any, url: str, width: int = 1280) -> Any:
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: pytest.fail(f"the page has an error: {error}"))
    page.on("console", lambda told: pytest.fail(f"the console says: {told.text}") if told.type == "error" else None)
    page.goto(url)
    return page


@pytest.fixture(scope="module")
def flexion_desk(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    if not FLEXION.is_dir():
        pytest.skip("the sample deliveries (shared/data/flexion) are not beside the repository")
    base = tmp_path_factory.mktemp("flexion")
    lakehouse = Lakehouse(base)
    for path in FLEXION.glob("*.csv"):
        shutil.copy(path, lakehouse.settings.landing)
    lakehouse.ingest()
    with served(lakehouse.settings, base / "log.txt") as url:
        yield Desk(url, lakehouse, opened(browser, url))


@pytest.fixture(scope="module")
def desk(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk on a few rows of our own, with every kind of page to look at."""
    base = tmp_path_factory.mktemp("own")
    lakehouse = Lakehouse(base)
    rows = [patient(patient_id=f"{number}000U", state="Conneticut") for number in range(2, 5)]
    lakehouse.land("patients", DAY, [patient(), *rows, patient(patient_id="9000U", zipcode="x", date_of_birth="soon")])
    lakehouse.land(
        "patients", "2024-03-01", csv_text([patient(city="Elsewhere", last_modified_date="2021-01-01")]) + "a,b\n"
    )
    lakehouse.land("providers", DAY, [provider()])
    lakehouse.land("claims", DAY, [claim(), claim(claim_id="CF#2NN", total_cost="-1")])
    lakehouse.ingest()
    with served(lakehouse.settings, base / "log.txt") as url:
        yield Desk(url, lakehouse, opened(browser, url))


def keep(page: Any, name: str) -> None:
    page.screenshot(path=str(ARTEFACTS / f"{name}.png"), full_page=True, animations="disabled")


def wait_until_published(page: Any) -> None:
    page.get_by_text("Done, and published.").wait_for(timeout=PUBLISHED)


def test_a_steward_puts_flexions_patients_right(flexion_desk: Desk) -> None:
    url, lakehouse, page = flexion_desk
    keep(page, "desk-overview")
    page.get_by_role("link", name="Issues", exact=True).click()
    page.get_by_label("rule").select_option("not_a_date")
    page.get_by_label("feed").select_option("patients")
    page.get_by_role("button", name="Show").click()
    keep(page, "desk-list")
    row = page.get_by_role("row").filter(has_text="date_of_birth")
    key = row.locator("[data-label=record]").inner_text()
    assert lakehouse.rows("SELECT count(*) FROM patient WHERE patient_id = $1", key) == [(0,)]
    row.get_by_role("link").click()
    assert page.locator("td.failing mark").inner_text() == "89322222222222"
    page.get_by_text("Correct the row").click()
    problems = page.locator("#problems")
    problems.get_by_text("date_of_birth is not a date").wait_for()
    field = page.get_by_label("date_of_birth")
    field.fill("31-2-1980")
    problems.get_by_text("date_of_birth is not a date").wait_for()
    field.fill("8-9-1932")
    problems.get_by_text("Changed: date_of_birth.").wait_for()
    assert not problems.get_by_text("date_of_birth is not a date").is_visible()
    page.locator("form.correct").get_by_label("Why").fill("asked the sender")
    keep(page, "desk-correct")
    page.get_by_role("button", name="Save the correction").click()
    wait_until_published(page)
    assert page.locator(".badge.resolved").first.is_visible()
    page.locator("#record-body").get_by_text("Versions of the record").wait_for()
    keep(page, "desk-corrected")
    assert lakehouse.rows("SELECT CAST(date_of_birth AS VARCHAR) FROM patient WHERE patient_id = $1", key) == [
        ("1932-08-09",)
    ]
    assert lakehouse.rows(
        "SELECT status, starts_with(resolved_by, 'correction ') FROM issue"
        " WHERE rule = 'not_a_date' AND column_name = 'date_of_birth'"
    ) == [("resolved", True)]

    page.goto(f"{url}/issues?feed=patients&rule=unknown_state")
    page.get_by_role("row").filter(has_text="Conneticut").first.get_by_role("link").click()
    page.get_by_role("link", name="Apply the suggestion").click()
    before = lakehouse.rows(
        "SELECT count(*) FROM issue WHERE value = 'Conneticut' AND feed = 'patients' AND status = 'open'"
    )
    assert (
        page.get_by_role("status")
        .filter(has_text="open issues are of this kind")
        .inner_text()
        .startswith(str(before[0][0]))
    )
    page.get_by_label(re.compile("all .* rows")).check()
    page.get_by_label("Why").fill("a slip of the pen")
    keep(page, "desk-apply")
    page.get_by_role("button", name="Apply").click()
    wait_until_published(page)
    assert before[0][0] > 1
    assert lakehouse.rows("SELECT count(*) FROM patient WHERE state = 'Conneticut'") == [(0,)]
    assert lakehouse.rows("SELECT DISTINCT status FROM issue WHERE value = 'Conneticut' AND feed = 'patients'") == [
        ("resolved",)
    ]

    page.goto(f"{url}/issues?feed=patients&rule=zipcode_padded")
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_text("Waive it: accept it as it is").click()
    form = page.locator("form[action$='/waive']")
    form.get_by_label("Why").fill("their spreadsheet does that")
    form.get_by_label("Until (optional)").fill("2999-12-31")
    form.get_by_role("button", name="Waive").click()
    wait_until_published(page)
    keep(page, "desk-waived")
    assert lakehouse.rows("SELECT count(*), any_value(waived_why), any_value(waived_until)::VARCHAR FROM issue"
                          " WHERE status = 'waived'") == [(1, "their spreadsheet does that", "2999-12-31")]  # fmt: skip
    page.get_by_role("link", name="Acts").click()
    for event in ("waived", "corrected"):
        page.get_by_role("cell", name=re.compile(event)).first.wait_for()


PAGES = ("/", "/issues?status=any", "/deliveries", f"/deliveries/patients/{DAY}", f"/deliveries/patients/{DAY}/retract",
         "/import", "/acts", "/issues/nothing")  # fmt: skip


def issue_address(desk: Desk, where: str) -> str:
    [(issue_id,)] = desk.lakehouse.rows(f"SELECT issue_id FROM issue WHERE {where} LIMIT 1")
    return f"/issues/{issue_id}"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_no_page_has_a_serious_violation_of_accessibility(desk: Desk, browser: Any, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    state, zipcode = issue_address(desk, "rule = 'unknown_state'"), issue_address(desk, "rule = 'bad_zipcode'")
    for path in (*PAGES, state, zipcode, f"{state}/apply", issue_address(desk, "rule = 'malformed_row'")):
        page.goto(desk.url + path)
        page.wait_for_load_state("networkidle")
        for summary in page.locator("summary").all():
            summary.click()
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == [], path
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px wider than {width} px"
        if width == 400 and path in ("/", state):
            keep(page, f"desk-narrow{'-issue' if path == state else ''}")
    context.close()


def focused(page: Any) -> str:
    """What the focus is on, in words."""
    told: str = page.evaluate(
        "(document.activeElement.name || document.activeElement.innerText || document.activeElement.id || '').trim()"
    )
    return told


def tab_to(page: Any, told: str) -> None:
    """Press the tabulator until the focus is on what is wanted."""
    for _ in range(80):
        if focused(page).startswith(told):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard never came to {told!r}; it is at {focused(page)!r}")


def test_an_issue_is_found_and_corrected_by_the_keyboard_alone(desk: Desk, browser: Any) -> None:
    page = opened(browser, desk.url)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    tab_to(page, "Issues")
    page.keyboard.press("Enter")
    page.wait_for_url("**/issues")
    tab_to(page, "rule")
    page.keyboard.type("bad_zip")
    tab_to(page, "Show")
    page.keyboard.press("Enter")
    page.wait_for_url("**/issues?rule=bad_zipcode*")
    tab_to(page, "bad_zipcode")
    page.keyboard.press("Enter")
    page.wait_for_url("**/issues/*")
    tab_to(page, "Correct the row")
    page.keyboard.press("Enter")
    for column, text in (("date_of_birth", "1970-01-01"), ("zipcode", "06103")):
        tab_to(page, f"field.{column}")
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
    page.locator("#problems").get_by_text("Nothing is wrong with the row as it is typed.").wait_for()
    tab_to(page, "because")
    page.keyboard.type("asked the sender")
    page.keyboard.press("Enter")
    wait_until_published(page)
    assert desk.lakehouse.rows("SELECT zipcode FROM patient WHERE patient_id = '9000U'") == [("06103",)]


def test_a_retraction_shows_what_changes_and_then_does_it(desk: Desk, browser: Any) -> None:
    page = opened(browser, f"{desk.url}/deliveries/patients/2024-03-01")
    page.get_by_role("link", name="Retract").click()
    assert page.get_by_role("definition").all_inner_texts()[:2] == [
        "1 changed, 0 new, 0 gone", "0 added, 1 removed, 1 with another interval or number",
    ]  # fmt: skip
    page.get_by_label("Why").fill("sent by mistake")
    page.get_by_role("button", name="Retract").click()
    wait_until_published(page)
    assert desk.lakehouse.rows("SELECT city, count(*) OVER () FROM dim_patient WHERE patient_id = '1000U'") == [
        ("Little Rock", 1)
    ]


def test_a_page_renews_itself_once_an_act_is_published_but_not_while_somebody_types(desk: Desk, browser: Any) -> None:
    page = opened(browser, desk.url + issue_address(desk, "rule = 'unknown_state'"))
    comment = page.locator("form[action$='/comment']")
    page.get_by_text("Comment", exact=True).first.click()
    comment.get_by_label("Comment").fill("asked the sender")
    comment.get_by_role("button").click()
    page.locator("[data-renews]").wait_for()
    page.get_by_text("Comment", exact=True).first.click()
    comment.get_by_label("Comment").fill("and will ask ag")
    asked = "SELECT count(*) FROM issue_log WHERE event = 'commented'"
    until(lambda: desk.lakehouse.rows(asked) == [(1,)], PUBLISHED / 1000, lambda: "not published")
    page.get_by_text("Acts are being applied").wait_for(state="detached", timeout=PUBLISHED)
    assert comment.get_by_label("Comment").input_value() == "and will ask ag"
    comment.get_by_label("Comment").fill("")
    wait_until_published(page)


def test_what_is_searched_for_never_stands_in_an_address(desk: Desk, browser: Any) -> None:
    page = opened(browser, f"{desk.url}/issues?status=any")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("record's key").fill("9000U")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**search=*")
    assert page.get_by_label("record's key").input_value() == "9000U"
    assert {text.inner_text() for text in page.locator("td[data-label=record]").all()} == {"9000U"}
    assert [one for one in asked if "9000U" in one] == []


def test_rows_go_to_the_sender_as_a_file_and_come_back_as_corrections(desk: Desk, browser: Any, tmp_path: Path) -> None:
    page = opened(browser, f"{desk.url}/issues?feed=claims&rule=bad_amount")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Export")).click()
    sent = tmp_path / "to-fix.csv"
    download.value.save_as(sent)
    text = sent.read_text(encoding="utf-8-sig")
    assert "'-1" in text
    sent.write_text(text.replace("'-1", "12.50"), encoding="utf-8")
    page.goto(f"{desk.url}/import")
    page.get_by_label("File (CSV)").set_input_files(str(sent))
    page.get_by_role("button", name="Show what it changes").click()
    assert page.get_by_role("status").filter(has_text="1 row changed, 0 unchanged, 0 refused").is_visible()
    page.get_by_label("Why").fill("fixed by the sender")
    page.get_by_role("button", name="Save as corrections").click()
    page.get_by_role("link", name=f"claims {DAY}").click()
    page.get_by_text("is being applied").wait_for(state="detached", timeout=PUBLISHED)
    assert desk.lakehouse.rows("SELECT CAST(total_cost AS VARCHAR) FROM claim WHERE claim_id = 'CF#2NN'") == [
        ("12.50",)
    ]


@pytest.fixture(scope="module")
def claims_desk(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk on a few claims, some of which wait for a person."""
    base = tmp_path_factory.mktemp("claims")
    lakehouse = Lakehouse(base)
    land_claims(lakehouse)
    make_payments(lakehouse.settings)
    publish(lakehouse.settings)
    with served(lakehouse.settings, base / "log.txt") as url:
        yield Desk(url, lakehouse, opened(browser, url))


def test_a_payees_remittance_is_read_from_its_day(claims_desk: Desk) -> None:
    _, lakehouse, page = claims_desk
    [(day, payee, paid)] = lakehouse.rows(
        "SELECT day, payee, payment.paid FROM payment JOIN remittance USING (day, payee) WHERE claim_id = 'PAID-1'"
    )
    page.get_by_role("link", name="Payments", exact=True).click()
    page.get_by_role("link", name=str(day)).click()
    page.get_by_role("link", name=payee).click()
    keep(page, "desk-remittance")
    assert page.locator("tr.paid td").inner_text() == f"{paid:,}"
    page.get_by_role("link", name="PAID-1").first.click()
    assert page.locator("h1").inner_text().startswith("Claim PAID-1")


def test_a_steward_compares_a_claim_with_one_like_it_and_releases_it(claims_desk: Desk) -> None:
    _, lakehouse, page = claims_desk
    page.get_by_role("link", name="Claims", exact=True).click()
    page.get_by_label("rule").select_option("near_duplicate")
    page.get_by_role("button", name="Show").click()
    keep(page, "desk-pended")
    page.get_by_role("link", name="NEAR-1").click()
    row = page.get_by_role("row").filter(has_text="charge amount")
    assert row.locator("mark").all_inner_texts() == ["101.00", "100.00"]
    page.get_by_text("Release as approved").click()
    page.locator("form[action$='/approve']").get_by_label("Why").fill("another visit")
    keep(page, "desk-claim")
    page.get_by_role("button", name="Approve line 1").click()
    page.get_by_text("will be felt with the next publication").first.wait_for()
    wait_until_published(page)
    assert page.locator("h1 .badge").inner_text() == "approved"
    keep(page, "desk-claim-released")
    assert lakehouse.rows("SELECT decision FROM decision WHERE claim_id = 'NEAR-1'") == [("approved",)]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_no_page_of_claims_has_a_serious_violation_of_accessibility(
    claims_desk: Desk, browser: Any, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{claims_desk.url}/pended")
    claims = page.locator("tbody th a").evaluate_all("links => [...new Set(links.map(link => link.pathname))]")
    assert len(claims) > 1
    payments = ["/payments"]
    for _ in range(2):  # a day, and a remittance of it
        page.goto(claims_desk.url + payments[-1])
        payments.append(page.locator("tbody th a").last.evaluate("link => link.pathname"))
    for path in ("/pended", "/pended?rule=nothing", *claims, f"{claims[0]}?day={DAY}", *payments):
        page.goto(claims_desk.url + path)
        page.wait_for_load_state("networkidle")
        for summary in page.locator("summary").all():
            summary.click()
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == [], path
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{path} is {too_wide} px wider than {width} px"
    context.close()
