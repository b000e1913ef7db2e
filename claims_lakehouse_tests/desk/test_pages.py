"""The desk's pages and acts, asked without a browser: who may do and see what, conflicts, and that nobody waits."""

from __future__ import annotations

import logging
import re
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
from claims_lakehouse_tests.desk.visitor import Visitor, app_of, shared_app_of

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


@pytest.fixture
def landed(lakehouse: Lakehouse) -> Lakehouse:
    lakehouse.land("patients", DAY, csv_text(people()) + "Quillfeather,Marrow Lane\n")
    lakehouse.land("patients", "2024-03-01", [patient(city="Elsewhere", last_modified_date="2021-01-01")])
    lakehouse.land("providers", DAY, [provider()])
    lakehouse.land("claims", DAY, [claim(), claim(claim_id="CF#2NN", patient_id="77123U", total_cost="-1")])
    lakehouse.ingest()
    return lakehouse


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


def form_of(visitor: Visitor, path: str) -> dict[str, str]:
    """What the form to correct a row sends if nothing is typed."""
    text = visitor.get(path).text
    form = text[text.index('class="correct"') :]
    found = re.findall(r'name="((?:was|field)\.\w+|seen)" value="([^"]*)"', form)
    return {name: value.replace("&#39;", "'") for name, value in found}


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
    assert steward.send(issue(landed) + "/comment", because="Xanthippe said so").status_code == 303
    assert steward.send(issue(landed) + "/waive", because="Xanthippe said so").status_code == 303
    state = issue(landed, "rule = 'unknown_state' AND row_number = 3")
    typed = form_of(steward, state) | {"field.city": "Marrow Lane", "because": "Xanthippe said so"}
    assert steward.send(state + "/correct", **typed).status_code == 303
    landed.ingest()
    Readings.settle(app.state.desk.readings)
    for person, sees in ((steward, True), (viewer, False)):
        person.get("/")
        app.state.desk.readings.settle()
        text = "".join(person.get(path).text for path in pages(landed))
        assert {one: one in text for one in CANARIES} == dict.fromkeys(CANARIES, sees)
    assert "•••" in viewer.get(issue(landed)).text


STEWARDS = ("correct", "waive", "reopen", "comment", "withdraw", "apply", "check")


def test_a_viewer_may_do_nothing_and_a_steward_nothing_to_a_delivery(landed: Lakehouse, tmp_path: Path) -> None:
    app = shared_app_of(landed.settings, tmp_path)
    viewer, steward = Visitor(app, "Vic"), Visitor(app, "Ann")
    path = issue(landed)
    forbidden = [viewer.send(f"{path}/{act}", because="x").status_code for act in STEWARDS]
    forbidden += [
        viewer.get(one).status_code for one in (f"{path}/apply", "/import", f"/deliveries/patients/{DAY}/retract")
    ]
    forbidden += [
        viewer.send("/export", feed="patients").status_code,
        viewer.send("/import/confirm", token="x").status_code,
    ]
    forbidden += [viewer.send("/issues/search", text="Zephyrine").status_code]
    for person in (viewer, steward):
        forbidden.append(person.send(f"/deliveries/patients/{DAY}/retract", because="x").status_code)
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
    path, token = issue(landed) + "/waive", visitor.token()
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    fields = {"because": "known", "csrf": token}
    assert visitor.post(path, data=fields, headers=foreign).status_code == 403
    assert visitor.post(path, data={"because": "known"}).status_code == 403
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
    typed = form_of(visitor, path)
    visitor.send("/issues/search", text="Zephyrine", key="77123U")
    visitor.send(path + "/check", **typed | {"field.zipcode": "Quillfeather"})
    visitor.send(path + "/correct", **typed | {"field.zipcode": "Quillfeather", "because": "Xanthippe said so"})
    visitor.send(
        path + "/correct", **typed | {"field.zipcode": "Quillfeather", "seen": "other", "because": "Zephyrine"}
    )
    visitor.send(path + "/waive", because="Xanthippe said so", until="Zephyrine")
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
    typed = form_of(visitor, path) | {"field.state": "Connecticut", "because": "asked"}
    landed.land("patients", DAY, people(number=88123))
    landed.ingest()
    answer = visitor.send(path + "/correct", **typed)
    assert answer.status_code == 409
    assert "replaced by other content since you looked" in answer.text
    assert 'value="Connecticut"' in answer.text
    assert not Journal(landed.settings, "patients", DAY).state().corrections  # type: ignore[union-attr]


def test_a_correction_over_another_ones_correction_is_refused(landed: Lakehouse, visitor: Visitor) -> None:
    path = issue(landed)
    typed = form_of(visitor, path)
    acts.correct(landed.settings, PATIENTS, DAY, {2: {"state": "Vermont"}}, because="mine", who="bob")
    answer = visitor.send(path + "/correct", **typed | {"field.state": "Connecticut", "because": "yours"})
    assert answer.status_code == 409
    assert "corrected since you looked" in answer.text
    # Another field of the row is nobody else's.
    assert visitor.send(path + "/correct", **typed | {"field.city": "Hartford", "because": "yours"}).status_code == 303


def test_a_suggestion_is_applied_to_as_many_rows_as_the_preview_named_and_no_others(
    landed: Lakehouse, visitor: Visitor
) -> None:
    path = issue(landed)
    assert "<strong>2</strong> open issues are of this kind" in visitor.get(path + "/apply").text
    assert visitor.send(path + "/apply", scope="all", count=3, because="a slip").status_code == 409
    assert visitor.send(path + "/apply", scope="all", count=2, because="a slip").status_code == 303
    landed.ingest()
    assert landed.rows("SELECT count(*) FROM issue WHERE rule = 'unknown_state' AND status = 'resolved'") == [(2,)]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"because": ""}, "needs a reason"),
        ({"because": "x", "until": "soon"}, "expected YYYY-MM-DD"),
        ({"because": "x", "until": "2020-01-01"}, "must not be past"),
        ({"because": "x", "scope": "everything"}, "not as expected: scope"),
    ],
)
def test_a_waiver_that_makes_no_sense_is_refused_and_says_why(
    landed: Lakehouse, visitor: Visitor, fields: dict[str, str], told: str
) -> None:
    answer = visitor.send(issue(landed) + "/waive", **fields)
    assert answer.status_code == 400
    assert told in answer.text
    assert read_decisions(landed.settings, "patients", DAY) == []


def test_what_there_is_not_is_said_in_words(visitor: Visitor) -> None:
    for path in ("/issues/feedface", "/deliveries/patients/2030-01-01", "/issues?order=sideways"):
        answer = visitor.get(path)
        assert (answer.status_code, "That was not done" in answer.text) == (400, True), path


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
    sent: list[tuple[str, dict[str, Any]]] = [
        (path + "/comment", {"because": "x"}),
        (path + "/waive", {"because": "x"}),
        (path + "/reopen", {"because": "x"}),
        (path + "/correct", form_of(visitor, path) | {"field.city": "Hartford", "because": "x"}),
        (state + "/apply", {"scope": "one", "because": "x"}),
        ("/deliveries/patients/2024-03-01/retract", {"because": "x"}),
        ("/deliveries/patients/2024-03-01/reinstate", {"because": "x"}),
    ]
    assert [visitor.send(to, **fields).status_code for to, fields in sent] == [303] * len(sent)
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
        codes = [
            person.send(f"{path}/{act}", because="x").status_code for act in ("comment", "waive", "reopen", "waive")
        ]
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
