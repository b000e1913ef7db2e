"""Whatever lands, is decided, lost and made anew, and in whatever order: a waiver holds exactly where its row says it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from claims_lakehouse.history import issue_acts
from claims_lakehouse.history.issue_acts import SeenIssue, stands
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.builders import Lakehouse, patient

DAY = "2024-02-01"
#: What a row may say; both states are unknown.
ROWS = [patient(state=state, city=city) for state in ("Conneticut", "Vermnt") for city in ("Here", "There")]
CONTENTS = st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("land"), CONTENTS),
    st.tuples(st.just("waive"), st.integers(0, 2)),
    st.tuples(st.just("reopen"), st.integers(0, 2)),
    st.tuples(st.just("publish"), st.none()),
    st.tuples(st.just("lose"), st.none()),
    st.tuples(st.just("rebuild"), st.none()),
)


def seen(lakehouse: Lakehouse) -> list[SeenIssue]:
    return lakehouse.seen_issues("rule = 'unknown_state'")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([("waive", 0), ("land", [1])], [0])  # the same value, in another row
@example([("waive", 0), ("land", [0, 1])], [0])
@example([("waive", 1), ("land", [1, 0])], [0, 1])
@given(st.lists(STEPS, min_size=3, max_size=7), CONTENTS)
def test_a_waiver_holds_where_its_row_says_what_it_said(steps: list[tuple[str, object]], first: list[int]) -> None:
    with TemporaryDirectory() as folder:
        lakehouse = Lakehouse(Path(folder)).with_tables()
        waived: dict[tuple[int, int], bool] = {}
        said: list[int] = []

        def land(content: list[int]) -> None:
            rows = [ROWS[kind] | {"patient_id": f"{place}U"} for place, kind in enumerate(content, 1)]
            lakehouse.land("patients", DAY, rows)
            lakehouse.ingest()
            said[:] = content

        def expected() -> list[str]:
            return ["waived" if waived.get((place, kind)) else "open" for place, kind in enumerate(said, 1)]

        land(first)
        for step, what in steps:
            match step, what:
                case "land", list(content):
                    land(content)
                case ("waive" | "reopen") as act, int(place):
                    issues = seen(lakehouse)
                    issue = issues[place % len(issues)]
                    [stand] = stands(lakehouse.settings, [issue])
                    if act == "waive":
                        issue_acts.waive(lakehouse.settings, [issue], because="x", who="ann")
                    elif stand.status == "waived":
                        issue_acts.reopen(lakehouse.settings, [issue], because="x", who="ann")
                    assert issue.row_number is not None
                    waived[issue.row_number, said[issue.row_number - 1]] = act == "waive"
                case "publish", _:
                    publish(lakehouse.settings)
                case "lose", _:
                    lakehouse.settings.warehouse.unlink(missing_ok=True)
                case _:
                    rebuild(lakehouse.settings)
            assert [one.status for one in stands(lakehouse.settings, seen(lakehouse))] == expected()
        publish(lakehouse.settings)
        assert [issue.status for issue in seen(lakehouse)] == expected()
