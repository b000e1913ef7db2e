"""The desk's pages and acts, asked without a browser: who may do and see what, conflicts, and that nobody waits."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.contracts import PATIENTS
from claims_lakehouse.desk.reading import Readings
from claims_lakehouse.history import acts
from claims_lakehouse.landing.decisions import read_decisions
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.warehouse.connection import writers_turn
from claims_lakehouse_tests.builders import Lakehouse, claim, csv_text, patient, provider
from claims_lakehouse_tests.desk.visitor import Visitor, app_of, shared_app_of, visitor_forms

DAY = "2024-02-01"
#: Values of patients that occur nowhere else, in a page or a log.
CANARIES = ("Zephyrine", "Quillfeather", "77123U", "Conneticut", "1948", "Marrow Lane", "Xanthippe said so")


def people(number: int = 77123) -> list[dict[str, str]]:
    odd = {"fname": "Zephyrine", "lname": "Quillfeather", "address": "4 Marrow Lane", "state": "Conneticut"}
    return [
        patient(),
        patient(patient_id=f"{number}U", **odd),
        patient(patient_id="3000U", state="Conneticut", zipcode="x"),
    ]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("landed")
    lakehouse = Lakehouse(base).with_tables()
    lakehouse.land("patients", DAY, csv_text(people()) + "Quillfeather,Marrow Lane\n")
    lakehouse.land("patients", "2024-03-01", [patient(city="Elsewhere", last_modified_date="2021-01-01")])
    lakehouse.land("providers", DAY, [provider()])
    lakehouse.land("claims", DAY, [claim(), claim(claim_id="CF#2NN", patient_id="77123U", total_cost="Quillfeather")])
    lakehouse.ingest()
    return base


@pytest.fixture
def landed(once: Path, tmp_path: Path) -> Lakehouse:
    """A copy to work on."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


@pytest.fixture
def visitor(landed: Lakehouse) -> Visitor:
    return Visitor(app_of(landed.settings))


def issue(lakehouse: Lakehouse, where: str = "rule = 'unknown_state' AND row_number = 2") -> str:
    [(found,)] = lakehouse.rows(f"SELECT issue_id FROM issue WHERE {where}")
    return f"/issues/{found}"


def pages(lakehouse: Lakehouse) -> list[str]:
    ids = [one for (one,) in lakehouse.rows("SELECT issue_id FROM issue")]
    issues = [f"/issues/{one}{part}" for one in ids for part in ("", "/record")]
    return ["/", "/issues?status=any", "/deliveries", f"/deliveries/patients/{DAY}", "/acts", *issues]


# What people may see and do.


def test_every_page_answers_for_every_role(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    for name in ("Vic", "Ann", "Eve"):
        person = Visitor(app, name)
        assert {
            path: answer.status_code for path in pages(landed) if (answer := person.get(path)).status_code != 200
        } == {}


def test_a_viewer_sees_no_value_of_a_patient_and_a_steward_does(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    steward, viewer = Visitor(app, "Ann"), Visitor(app, "Vic")
    assert steward.act(issue(landed), "comment", because="Xanthippe said so").status_code == 303
    assert steward.act(issue(landed), "waive", because="Xanthippe said so").status_code == 303
    state = issue(landed, "rule = 'unknown_state' AND row_number = 3")
    typed = {"field.city": "Marrow Lane", "because": "Xanthippe said so"}
    assert steward.act(state, "correct", **typed).status_code == 303
    landed.ingest()
    Readings.settle(app.state.desk.readings)
    for person, sees in ((steward, True), (viewer, False)):
        person.get("/")
        app.state.desk.readings.settle()
        text = "".join(person.get(path).text for path in pages(landed))
        assert {one: one in text for one in CANARIES} == dict.fromkeys(CANARIES, sees)
    assert "•••" in viewer.get(issue(landed)).text


def test_a_viewer_sees_no_name_of_a_column_that_no_contract_knows(lakehouse: Lakehouse, tmp_path: Path) -> None:
    lakehouse.land("patients", DAY, [patient() | {"quillfeather": "1", "zephyrine": "2"}])
    lakehouse.ingest()
    app = shared_app_of(lakehouse.settings, tmp_path)
    for name, sees in (("Ann", True), ("Vic", False)):
        text = "".join(Visitor(app, name).get(path).text for path in pages(lakehouse))
        assert ("quillfeather" in text, "zephyrine" in text) == (sees, sees)


STEWARDS = ("correct", "waive", "reopen", "comment", "withdraw", "apply", "check")


def test_a_viewer_may_do_nothing_and_a_steward_nothing_to_a_delivery(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    viewer, steward = Visitor(app, "Vic"), Visitor(app, "Ann")
    path = issue(landed)
    at = {"seen": "0" * 64, "delivery": f"patients/{DAY}", "token": "x"}
    forbidden = [viewer.send(f"{path}/{act}", because="x", **at).status_code for act in STEWARDS]
    forbidden += [
        viewer.get(one).status_code for one in (f"{path}/apply", "/import", f"/deliveries/patients/{DAY}/retract")
    ]
    forbidden += [
        viewer.send("/export", feed="patients").status_code,
        viewer.send("/import/confirm", token="x").status_code,
    ]
    forbidden += [viewer.send("/issues/search", text="Zephyrine").status_code]
    for person in (viewer, steward):
        forbidden.append(person.send(f"/deliveries/patients/{DAY}/retract", because="x", seen="x").status_code)
    assert forbidden == [403] * len(forbidden)
    assert read_decisions(landed.settings, "patients", DAY) == []
    assert viewer.send("/issues/search", feed="patients").status_code == 303


def test_the_parts_of_a_page_that_a_person_may_not_use_are_not_on_it(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    path, delivery = issue(landed), f"/deliveries/patients/{DAY}"
    assert "Settle it" not in Visitor(app, "Vic").get(path).text
    assert "Settle it" in Visitor(app, "Ann").get(path).text
    assert "Retract" not in Visitor(app, "Ann").get(delivery).text
    assert "Retract" in Visitor(app, "Eve").get(delivery).text


def test_a_post_from_another_site_with_a_valid_session_is_refused_and_the_same_from_the_page_works(
    landed: Lakehouse, visitor: Visitor
) -> None:
    path, fields = issue(landed) + "/waive", visitor.filled(issue(landed), "waive") | {"because": "known"}
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert visitor.post(path, data=fields, headers=foreign).status_code == 403
    assert visitor.post(path, data=fields | {"csrf": ""}).status_code == 403
    assert read_decisions(landed.settings, "patients", DAY) == []
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert visitor.post(path, data=fields, headers=own).status_code == 303
    assert len(read_decisions(landed.settings, "patients", DAY)) == 1


def test_pages_are_not_kept_by_caches_and_run_no_script_but_their_own(landed: Lakehouse, visitor: Visitor) -> None:
    for path in pages(landed):
        answer = visitor.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]*src=\"/static/)|\son\w+=|style=", answer.text), path


def test_no_log_line_names_a_patient(landed: Lakehouse, visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = issue(landed)
    typed = visitor.filled(path, "correct") | {"field.zipcode": "Quillfeather", "because": "Xanthippe said so"}
    visitor.send("/issues/search", text="Zephyrine", key="77123U")
    for act, more in (("check", {}), ("correct", {"seen": "0" * 64}), ("correct", {"because": ""}), ("correct", {})):
        visitor.send(f"{path}/{act}", **typed | more)
    visitor.act(path, "waive", because="Xanthippe said so", until="Zephyrine")
    visitor.send("/issues/Zephyrine/waive", because="Zephyrine")
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "python_multipart"))
    )
    assert [one for one in CANARIES if one in ours] == []


# Acts that come too late, or make no sense.


def test_a_correction_of_what_was_replaced_meanwhile_is_refused_and_keeps_what_was_typed(
    landed: Lakehouse, visitor: Visitor
) -> None:
    path = issue(landed)
    typed = visitor.filled(path, "correct") | {"field.state": "Connecticut", "because": "asked"}
    landed.land("patients", DAY, people(number=88123))
    landed.ingest()
    answer = visitor.send(path + "/correct", **typed)
    assert answer.status_code == 409
    assert "replaced by other content since you looked" in answer.text
    assert "You had typed: state = Connecticut." in answer.text
    assert 'value="Connecticut"' not in answer.text  # it would be saved over another patient's row
    assert not Journal(landed.settings, "patients", DAY).state().corrections  # type: ignore[union-attr]


def test_no_act_on_an_issue_reaches_other_content_at_its_place(landed: Lakehouse, visitor: Visitor) -> None:
    path = issue(landed)
    filled = {act: visitor.filled(path, act) for act in ("waive", "comment", "apply")}
    landed.land("patients", DAY, people(number=88123))
    landed.ingest()
    visitor.get("/")
    visitor.client._transport.app.state.desk.readings.settle()  # type: ignore[attr-defined]
    for act, fields in filled.items():
        assert visitor.send(f"{path}/{act}", **fields | {"because": "x", "scope": "one"}).status_code == 409, act
    assert read_decisions(landed.settings, "patients", DAY) == []


def test_a_waiver_of_a_value_that_was_corrected_since_is_refused_before_that_is_published_and_after(
    landed: Lakehouse, visitor: Visitor
) -> None:
    path = issue(landed)
    filled = visitor.filled(path, "waive") | {"because": "x"}
    acts.correct(landed.settings, PATIENTS, DAY, {2: {"state": "Vermnt"}}, because="mine", who="bob")
    assert visitor.send(path + "/waive", **filled).status_code == 409
    acts.correct(landed.settings, PATIENTS, DAY, {3: {"city": "Hartford"}}, because="mine", who="bob")
    other = issue(landed, "rule = 'bad_zipcode'")
    assert visitor.act(other, "waive", because="its zip code is another matter").status_code == 303


def test_a_waiver_over_another_ones_waiver_is_refused(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    ann, eve, path = Visitor(app, "Ann"), Visitor(app, "Eve"), issue(landed)
    late = eve.filled(path, "waive") | {"because": "late"}
    twice = ann.filled(path, "waive") | {"because": "mine", "until": "2999-12-31"}
    assert [ann.send(path + "/waive", **twice).status_code for _ in range(2)] == [303, 303]
    answer = eve.send(path + "/waive", **late)
    assert (answer.status_code, "Ann decided about it since you looked" in answer.text) == (409, True)
    landed.ingest()
    eve.get("/")
    app.state.desk.readings.settle()
    answer = eve.send(path + "/waive", **late)
    assert (answer.status_code, "Ann decided about it since you looked" in answer.text) == (409, True)
    assert [one.why for one in read_decisions(landed.settings, "patients", DAY)] == ["mine"]


def test_a_delivery_that_was_replaced_since_its_preview_is_not_retracted(landed: Lakehouse, visitor: Visitor) -> None:
    path = f"/deliveries/patients/{DAY}/retract"
    filled = visitor.form(path, path) | {"because": "x"}
    landed.land("patients", DAY, people(number=88123))
    landed.ingest()
    assert visitor.send(path, **filled).status_code == 409
    assert landed.rows("SELECT status FROM delivery WHERE delivery = $1 AND feed = 'patients'", DAY) == [("applied",)]


def test_a_correction_over_another_ones_correction_is_refused(landed: Lakehouse, visitor: Visitor) -> None:
    path = issue(landed)
    typed = visitor.filled(path, "correct") | {"because": "yours"}
    acts.correct(landed.settings, PATIENTS, DAY, {2: {"state": "Vermont"}}, because="mine", who="bob")
    answer = visitor.send(path + "/correct", **typed | {"field.state": "Connecticut"})
    assert answer.status_code == 409
    assert "corrected since you looked" in answer.text
    # Another field of the row is nobody else's.
    assert visitor.send(path + "/correct", **typed | {"field.city": "Hartford"}).status_code == 303


def test_saving_again_after_an_error_does_not_undo_what_another_corrected_meanwhile(
    landed: Lakehouse, visitor: Visitor
) -> None:
    path = issue(landed)
    typed = visitor.filled(path, "correct") | {"field.state": "Connecticut", "because": " "}
    acts.correct(landed.settings, PATIENTS, DAY, {2: {"city": "Hartford"}}, because="mine", who="bob")
    answer = visitor.send(path + "/correct", **typed)
    assert answer.status_code == 400
    assert 'value="Connecticut"' in answer.text
    forms = visitor_forms(answer.text)
    again = visitor.send(path + "/correct", **forms[path + "/correct"] | {"because": "yours"})
    assert again.status_code == 303
    landed.ingest()
    assert landed.rows("SELECT city, state FROM patient WHERE patient_id = '77123U'") == [("Hartford", "Connecticut")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_value_of_several_lines_stays_as_it_is_when_another_field_is_corrected(
    lakehouse: Lakehouse, end: str
) -> None:
    lakehouse.land("patients", DAY, [patient(state="Conneticut", address=f"{end}12 Elm St{end}Apt 4")])
    lakehouse.ingest()
    visitor = Visitor(app_of(lakehouse.settings))
    path = issue(lakehouse, "rule = 'unknown_state'")
    assert visitor.act(path, "correct", **{"field.state": "Connecticut", "because": "x"}).status_code == 303
    lakehouse.ingest()
    assert lakehouse.rows("SELECT column_name, value FROM correction") == [("state", "Connecticut")]
    assert lakehouse.rows("SELECT state FROM patient") == [("Connecticut",)]


def test_a_suggestion_is_applied_to_the_rows_that_the_preview_named_and_no_others(
    landed: Lakehouse, visitor: Visitor
) -> None:
    path = issue(landed)
    assert "<strong>2</strong> open issues are of this kind" in visitor.get(path + "/apply").text
    filled = visitor.filled(path, "apply") | {"scope": "all", "because": "a slip"}
    landed.land("patients", "2024-04-01", [patient(patient_id="4000U", state="Conneticut")])
    landed.ingest()
    visitor.get("/")
    visitor.client._transport.app.state.desk.readings.settle()  # type: ignore[attr-defined]
    assert visitor.send(path + "/apply", **filled).status_code == 409
    assert visitor.act(path, "apply", scope="all", because="a slip").status_code == 303
    landed.ingest()
    assert landed.rows("SELECT count(*) FROM issue WHERE rule = 'unknown_state' AND status = 'resolved'") == [(3,)]


def test_what_could_not_be_applied_everywhere_says_where_it_was(landed: Lakehouse, visitor: Visitor) -> None:
    landed.land("patients", "2024-04-01", [patient(patient_id="4000U", state="Conneticut")])
    landed.ingest()
    path = issue(landed)
    filled = visitor.filled(path, "apply") | {"scope": "all", "because": "a slip"}
    acts.correct(landed.settings, PATIENTS, "2024-04-01", {1: {"state": "Vermont"}}, because="mine", who="bob")
    answer = visitor.send(path + "/apply", **filled)
    assert answer.status_code == 409
    assert "applied, but not everywhere" in answer.text
    assert "corrected since you looked" in answer.text
    landed.ingest()
    assert landed.rows("SELECT DISTINCT state FROM patient WHERE patient_id IN ('77123U', '3000U', '4000U') ORDER BY 1") == [
        ("Connecticut",), ("Vermont",)
    ]  # fmt: skip


def test_waiving_all_of_a_kind_leaves_what_was_waived_a_moment_ago_alone_and_reopening_all_takes_all_back(
    landed: Lakehouse, visitor: Visitor
) -> None:
    first, second = issue(landed), issue(landed, "rule = 'unknown_state' AND row_number = 3")
    filled = visitor.filled(second, "waive") | {"scope": "all", "because": "all of them"}
    assert visitor.act(first, "waive", because="this one", until="2999-12-31").status_code == 303
    assert visitor.send(second + "/waive", **filled).status_code == 303
    landed.ingest()
    told = "SELECT row_number, waived_why FROM issue WHERE status = 'waived' ORDER BY ALL"
    assert landed.rows(told) == [(2, "this one"), (3, "all of them")]
    visitor.get("/")
    visitor.client._transport.app.state.desk.readings.settle()  # type: ignore[attr-defined]
    assert visitor.act(first, "reopen", scope="all", because="no").status_code == 303
    landed.ingest()
    assert landed.rows(told) == []


def test_what_is_wrong_with_held_content_can_be_seen_and_corrected(lakehouse: Lakehouse) -> None:
    rows = [patient(patient_id=f"{number}U") for number in range(1, 81)]
    lakehouse.land("patients", DAY, rows)
    lakehouse.ingest()
    lakehouse.land("patients", DAY, [row | {"zipcode": "x"} if place < 60 else row for place, row in enumerate(rows)])
    lakehouse.ingest()
    visitor = Visitor(app_of(lakehouse.settings))
    delivery = f"/deliveries/patients/{DAY}"
    text = visitor.get(delivery).text
    assert "What is wrong with the content that is held" in text
    found = re.findall(r'href="(/issues/[0-9a-f]{32}\?content=[^"]+)"', text)
    assert len(found) == 50
    assert len(re.findall(r'href="/issues/', visitor.get(f"{delivery}?rule=bad_zipcode&page=2").text)) == 10
    page = found[0].replace("&amp;", "&")
    assert "This is content that is held" in visitor.get(page).text
    action = page.partition("?")[0] + "/correct"
    answer = visitor.send(action, **visitor.form(page, action) | {"field.zipcode": "06103", "because": "asked"})
    assert answer.status_code == 303
    assert visitor.get(answer.headers["location"]).status_code == 200
    lakehouse.ingest()
    assert lakehouse.rows("SELECT status FROM delivery") == [("held",)]
    assert re.search(r"bad_zipcode</a> <span[^>]*>error</span> 59", visitor.get(delivery).text)


def test_after_an_issue_is_gone_its_page_says_so(landed: Lakehouse, visitor: Visitor) -> None:
    landed.land("claims", "2024-05-01", [claim(claim_id="CF#3NN", patient_id="5U")])
    landed.ingest()
    path = issue(landed, "rule = 'unknown_patient' AND delivery = '2024-05-01'")
    assert visitor.act(path, "correct", **{"field.patient_id": "1000U", "because": "asked"}).status_code == 303
    landed.ingest()
    visitor.get("/")
    visitor.client._transport.app.state.desk.readings.settle()  # type: ignore[attr-defined]
    gone = visitor.get(f"{path}/standing?delivery=claims/2024-05-01")
    assert gone.headers["hx-redirect"] == "/deliveries/claims/2024-05-01?saved=gone"
    assert visitor.get(path).status_code == 404
    assert "unknown_patient" not in visitor.get("/acts").text
    assert "1000U" in visitor.get("/acts").text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"because": ""}, "needs a reason"),
        ({"because": "x", "until": "soon"}, "expected YYYY-MM-DD"),
        ({"because": "x", "until": "20991231"}, "expected YYYY-MM-DD"),
        ({"because": "x", "until": "2099-02-30"}, "a day that there is"),
        ({"because": "x", "until": "2020-01-01"}, "must not be past"),
        ({"because": "x", "scope": "everything"}, "not as expected: scope"),
    ],
)
def test_a_waiver_that_makes_no_sense_is_refused_and_says_why(
    landed: Lakehouse, visitor: Visitor, fields: dict[str, str], told: str
) -> None:
    answer = visitor.act(issue(landed), "waive", **fields)
    assert answer.status_code == 400
    assert told in answer.text
    assert read_decisions(landed.settings, "patients", DAY) == []


def test_what_there_is_not_is_said_in_words(visitor: Visitor) -> None:
    for path, status in (
        ("/issues/feedface", 404), ("/nothing", 404), ("/issues/feedface/correct", 405),
        ("/deliveries/patients/2030-01-01", 404), ("/issues?order=sideways", 400), ("/acts?page=99999999999999999999", 400),
        ("/deliveries?page=0", 400), (f"/deliveries/patients/{'x' * 5000}/standing", 400),
    ):  # fmt: skip
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (status, "text/html"), path
        assert 'role="alert"' in answer.text


def test_before_anything_is_published_the_desk_says_what_to_do(lakehouse: Lakehouse) -> None:
    answer = Visitor(app_of(lakehouse.settings)).get("/")
    assert answer.status_code == 400
    assert "run `claims ingest` first" in answer.text


def test_a_lakehouse_without_issues_has_a_desk_all_the_same(lakehouse: Lakehouse) -> None:
    lakehouse.land("patients", DAY, [patient()])
    lakehouse.ingest()
    visitor = Visitor(app_of(lakehouse.settings))
    assert [visitor.get(path).status_code for path in pages(lakehouse)] == [200] * 5


def test_a_search_is_remembered_for_its_session_alone(landed: Lakehouse, visitor: Visitor) -> None:
    found = visitor.send("/issues/search", key="77123U", status="any").headers["location"]
    assert "77123U" not in found
    assert "77123U" in visitor.get(found).text
    other = Visitor(visitor.client._transport.app)  # type: ignore[attr-defined]
    assert "no longer remembered" in other.get(found).text


# Nobody waits for anybody.


def _seen(lakehouse: Lakehouse, delivery: str) -> dict[str, str]:
    state = Journal(lakehouse.settings, "patients", delivery).state()
    assert state is not None
    return {"seen": str(state.content)}


@pytest.fixture
def busy(landed: Lakehouse) -> Iterator[None]:
    """Somebody holds the writer's turn, and does not let it go before the test is over."""
    with writers_turn(landed.settings):
        yield


@pytest.mark.usefixtures("busy")
def test_every_page_and_every_act_works_while_the_pipeline_holds_the_warehouse(
    landed: Lakehouse, visitor: Visitor
) -> None:
    assert {path for path in pages(landed) if visitor.get(path).status_code != 200} == set()
    path, state = issue(landed), issue(landed, "rule = 'unknown_state' AND row_number = 3")
    sent: list[tuple[str, str, dict[str, Any]]] = [
        (path, "comment", {}), (path, "waive", {}), (path, "reopen", {}), (path, "correct", {"field.city": "Hartford"}),
        (state, "apply", {"scope": "one"}),
    ]  # fmt: skip
    assert [visitor.act(to, act, because="x", **fields).status_code for to, act, fields in sent] == [303] * len(sent)
    for act in ("retract", "reinstate"):
        to = f"/deliveries/patients/2024-03-01/{act}"
        assert visitor.send(to, because="x", **_seen(landed, "2024-03-01")).status_code == 303
    assert visitor.get(f"/deliveries/patients/{DAY}/retract").status_code == 200
    assert "being applied" in visitor.get(path).text


def test_the_pipeline_publishes_while_a_reader_of_the_desk_is_amid_an_answer(
    landed: Lakehouse, visitor: Visitor
) -> None:
    visitor.get("/")
    reading = visitor.client._transport.app.state.desk.reading  # type: ignore[attr-defined]
    cursor = reading.cursor()
    cursor.execute("SELECT issue_id FROM issue")
    assert cursor.fetchone()
    landed.land("patients", "2024-04-01", [patient(state="Vermnt")])
    landed.ingest()
    assert len(cursor.fetchall()) + 1 == reading.ask("SELECT count(*) FROM issue")[0][0]
    visitor.get("/")
    visitor.client._transport.app.state.desk.readings.settle()  # type: ignore[attr-defined]
    assert "2024-04-01" in visitor.get("/issues?status=any").text


def test_desk_and_pipeline_at_once_lose_no_act_and_no_delivery(landed: Lakehouse) -> None:
    app = app_of(landed.settings)
    deliveries = [f"2024-05-{day:02}" for day in range(1, 9)]
    paths = [f"/issues/{one}" for (one,) in landed.rows("SELECT issue_id FROM issue WHERE feed = 'patients'")]

    def pipeline() -> None:
        for day in deliveries:
            landed.land("patients", day, [patient(patient_id=day, state="Vermnt")])
            landed.ingest()

    def steward(path: str) -> list[int]:
        person = Visitor(app)
        codes = [person.act(path, act, because="x").status_code for act in ("comment", "waive", "reopen", "waive")]
        return codes + [person.get(one).status_code for one in ("/", "/issues?status=any", path)]

    with ThreadPoolExecutor() as threads:
        running = threads.submit(pipeline)
        answers = list(threads.map(steward, paths))
        running.result()
    assert answers == [[303] * 4 + [200] * 3] * len(paths)
    landed.ingest()
    assert landed.rows("SELECT count(*) FROM issue WHERE feed = 'patients' AND status = 'waived'") == [(len(paths),)]
    assert landed.rows("SELECT count(*) FROM issue_log") == [(4 * len(paths),)]
    assert landed.rows("SELECT count(*) FROM patient WHERE patient_id LIKE '2024-05-%'") == [(len(deliveries),)]
