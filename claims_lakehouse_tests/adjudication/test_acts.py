"""What people say to a line holds for what they saw, is on record, and is felt once decisions are settled."""

from __future__ import annotations

import re
import stat
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse.adjudication import acts, stage
from claims_lakehouse.adjudication.acts import SeenLine, appeal, approve, deny
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.history import acts as acts_of_deliveries
from claims_lakehouse.history.purge import purge
from claims_lakehouse.history.rebuild import rebuild
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests.adjudication.worlds import (
    ON_RECORD,
    Clock,
    Delivery,
    ask,
    copied,
    correct,
    coverage,
    exclusion,
    fee,
    log,
    parse_once,
    plan,
    receive,
    receive_all,
    retract,
    seen,
    settle,
    stamps,
    tables,
)
from claims_lakehouse_tests.builders import REPOSITORY, Lakehouse
from claims_lakehouse_tests.medical import line

FIRST, SECOND, TODAY, TOMORROW = "2024-02-01", "2024-02-05", "2024-02-20", "2024-02-21"
BY_WORD = "a person's word"
BASE = [
    Delivery("plans", FIRST, (plan(),)),
    Delivery("coverages", FIRST, tuple(coverage(patient_id=f"{number}000U") for number in (1, 2, 3))),
    Delivery("fee_schedules", FIRST, (fee(),)),
    Delivery("exclusions", FIRST, (exclusion(kind="units_limit", most_units_a_day="1"),)),
    Delivery("medical_claims", FIRST, (
        line(procedure_code="97110"),  # has no price
        line(claim_id="C2", patient_id="2000U"),  # is approved
        line(claim_id="C3", patient_id="9000U"),  # is denied: no member
        line(claim_id="C4", patient_id="3000U", units="2", charge_amount="200.00"),  # one unit of two is paid
    )),
    Delivery("medical_claims", SECOND, (
        line(claim_id="C5", patient_id="2000U", date_of_service_from="2024-01-11", date_of_service_to=""),  # like C2
    )),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    parse_once(monkeypatch)
    monkeypatch.setattr(acts, "datetime", Clock)
    monkeypatch.setattr(Clock, "at", datetime.fromisoformat(f"{TODAY}T09:00"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """Lines that wait, are approved, denied, and paid in part; settled and published."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("acts")).with_tables()
    receive_all(lakehouse, BASE)
    felt(lakehouse)
    return lakehouse


@pytest.fixture
def lake(template: Lakehouse, tmp_path: Path) -> Lakehouse:
    """A copy of it, to be changed."""
    return copied(template, tmp_path)


def felt(lakehouse: Lakehouse) -> None:
    settle(lakehouse)
    publish(lakehouse.settings)


def stands(lakehouse: Lakehouse, claim: str) -> tuple[Any, ...]:
    """What readers see of a claim's first line."""
    sql = (
        "SELECT decision, CAST(allowed AS VARCHAR), CAST(paid AS VARCHAR), CAST(patient_share AS VARCHAR)"
        " FROM decision WHERE claim_id = $1 AND line_number = 1"
    )
    [found] = lakehouse.rows(sql, claim)
    return found


def said_of(lakehouse: Lakehouse, claim: str) -> list[tuple[Any, ...]]:
    """What the log has people say to a claim."""
    sql = "SELECT event, detail, who, CAST(day AS VARCHAR) FROM claim_event WHERE claim_id = $1 AND step = 3"
    return lakehouse.rows(f"{sql} ORDER BY happened_at", claim)


def files(lakehouse: Lakehouse) -> dict[str, bytes]:
    folder = lakehouse.settings.claim_acts("").parent
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


# --- What is said is felt ---


def test_lines_stand_as_these_tests_take_it(template: Lakehouse) -> None:
    found = {claim: stands(template, claim)[0] for claim in ("C1", "C2", "C3", "C4", "C5")}
    assert found == {"C1": "pending", "C2": "approved", "C3": "denied", "C4": "partial", "C5": "pending"}
    assert seen(template, "C1").causes == ("no_price 97110",)
    assert seen(template, "C5").causes == ("near_duplicate C2|1",)


def test_a_line_that_is_approved_is_paid_once_decisions_are_settled_and_published(lake: Lakehouse) -> None:
    before = stamps(lake)
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal("50.00"), because=" as agreed ", who="ann")
    assert stands(lake, "C1")[0] == "pending", "it is not felt before"
    assert settle(lake) == {TODAY: (0, 1, 0)}
    assert stands(lake, "C1")[0] == "pending"
    publish(lake.settings)
    assert stands(lake, "C1") == ("approved", "50.00", "40.00", "10.00")
    assert log(lake, "C1")[1:] == [(TODAY, "approved", "40.00", BY_WORD)]
    assert said_of(lake, "C1") == [("released", "approved: as agreed", "ann", TODAY)]
    after = stamps(lake)
    assert {key: after[key] for key in before} == before, "decisions about other lines are not touched"


def test_a_line_that_waits_for_another_reason_is_approved_without_a_price(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C5"), **ON_RECORD)
    felt(lake)
    assert stands(lake, "C5") == ("approved", "80.00", "64.00", "16.00")


def test_a_line_that_a_person_denies_has_the_codes_that_they_gave(lake: Lakehouse) -> None:
    deny(lake.settings, seen(lake, "C1"), group="PR", carc="96", rarc="N130", because="No such service.", who="ann")
    deny(lake.settings, seen(lake, "C5"), group="CO", carc="B7", because="Not certified.", who="bob")
    felt(lake)
    sql = "SELECT claim_id, rule, group_code, carc, rarc, CAST(amount AS VARCHAR), reason FROM adjustment"
    reason = "A person looked at the line and denied it. "
    assert lake.rows(f"{sql} WHERE rule = 'reviewed' ORDER BY ALL") == [
        ("C1", "reviewed", "PR", "96", "N130", "100.00", f"{reason}No such service."),
        ("C5", "reviewed", "CO", "B7", None, "100.00", f"{reason}Not certified."),
    ]
    assert (stands(lake, "C1"), stands(lake, "C5")) == (
        ("denied", "0.00", "0.00", "100.00"),
        ("denied", "0.00", "0.00", "0.00"),
    )


def test_a_denied_line_that_is_appealed_waits_and_is_decided_by_the_next_word(lake: Lakehouse) -> None:
    receive_all(lake, [Delivery("coverages", SECOND, (coverage(patient_id="9000U", covered_from="2024-01-15"),))])
    felt(lake)
    assert seen(lake, "C3").causes == ("before_coverage 2024-01-15",)
    appeal(lake.settings, seen(lake, "C3"), because="A receipt for January.", who="ann")
    felt(lake)
    assert stands(lake, "C3")[0] == "pending"
    assert lake.rows("SELECT pending_for FROM decision WHERE claim_id = 'C3'") == [(["appealed"],)]
    Clock.at = datetime.fromisoformat(f"{TOMORROW}T09:00")
    deny(lake.settings, seen(lake, "C3"), group="PR", carc="26", because="The receipt is of March.", who="bob")
    felt(lake)
    assert [row[:2] for row in log(lake, "C3")] == [
        (FIRST, "denied"), (SECOND, "denied"), (TODAY, "pending"), (TOMORROW, "denied"),
    ]  # fmt: skip
    assert [row[0] for row in said_of(lake, "C3")] == ["appealed", "released"]


def test_a_line_that_was_paid_in_part_is_paid_whole_where_its_appeal_is_granted(lake: Lakehouse) -> None:
    assert stands(lake, "C4") == ("partial", "80.00", "64.00", "16.00")
    appeal(lake.settings, seen(lake, "C4"), because="Both were needed.", who="ann")
    felt(lake)
    assert (stands(lake, "C4")[0], seen(lake, "C4").causes) == ("pending", ("units_limit E1",))
    approve(lake.settings, seen(lake, "C4"), **ON_RECORD)
    felt(lake)
    assert stands(lake, "C4") == ("approved", "160.00", "128.00", "32.00")


def test_of_what_is_said_on_one_day_the_last_word_decides_and_all_of_it_is_in_the_log(lake: Lakehouse) -> None:
    deny(lake.settings, seen(lake, "C5"), group="CO", carc="18", because="The same visit.", who="ann")
    felt(lake)
    appeal(lake.settings, seen(lake, "C5"), because="It was another.", who="bob")
    felt(lake)
    approve(lake.settings, seen(lake, "C5"), because="It was.", who="ann")
    felt(lake)
    assert log(lake, "C5")[1:] == [(TODAY, "approved", "64.00", BY_WORD)]
    assert [(event, detail) for event, detail, *_ in said_of(lake, "C5")] == [
        ("released", "denied: The same visit."), ("appealed", "It was another."), ("released", "approved: It was."),
    ]  # fmt: skip
    text = (REPOSITORY / "docs" / "adjudication.md").read_text(encoding="utf-8")
    [documented] = [sql for sql in re.findall("```sql\n(.*?)```", text, re.DOTALL) if "FROM claim_event" in sql]
    told = lake.rows(re.sub("'MC[0-9]+'", "'C5'", documented))
    assert [row[2] for row in told if row[2] in ("released", "appealed")] == ["released", "appealed", "released"]
    assert documented.rstrip().endswith("ORDER BY day, step, line_number, happened_at;")


# --- What is refused ---


_REFUSED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "to approve what is approved": ("approve", "C2", {}, "Line 1 of claim C2 is approved; expected one that is pending"),
    "to deny what is denied": ("deny", "C3", {"group": "CO", "carc": "50"}, "is denied; expected one that is pending"),
    "to appeal what waits": ("appeal", "C1", {}, "is pending; expected one that is denied or partial"),
    "no price": ("approve", "C1", {}, "no price"),
    "a price of nothing": ("approve", "C1", {"allowed": Decimal(0)}, "allowed"),
    "a price below nothing": ("approve", "C1", {"allowed": Decimal(-1)}, "allowed"),
    "a price above the charge": ("approve", "C1", {"allowed": Decimal("100.01")}, "allowed"),
    "a price that comes to nothing": ("approve", "C1", {"allowed": Decimal("0.001")}, "allowed"),
    "a price that is no number": ("approve", "C1", {"allowed": Decimal("NaN")}, "allowed"),
    "no such group": ("deny", "C1", {"group": "XX", "carc": "50"}, "found 'XX'; expected CO, PR, OA, PI"),
    "no such reason": ("deny", "C1", {"group": "CO", "carc": "12345"}, "CARC"),
    "an empty reason code": ("deny", "C1", {"group": "CO", "carc": ""}, "CARC"),
    "a reason that asks for a remark": ("deny", "C1", {"group": "CO", "carc": "16"}, "CARC 16 asks for a remark"),
    "no such remark": ("deny", "C1", {"group": "CO", "carc": "16", "rarc": "M 5"}, "RARC"),
    "without why": ("approve", "C5", {"because": " "}, "reason"),
}  # fmt: skip


@pytest.mark.parametrize("case", _REFUSED)
def test_what_cannot_be_is_refused_and_nothing_is_written(template: Lakehouse, case: str) -> None:
    name, claim, given, told = _REFUSED[case]
    with pytest.raises(UsageError, match=told):
        {"approve": approve, "deny": deny, "appeal": appeal}[name](
            template.settings, seen(template, claim), **ON_RECORD | given
        )
    assert files(template) == {}


def test_a_claim_without_decisions_has_no_lines_to_speak_to(template: Lakehouse) -> None:
    with pytest.raises(UsageError, match="no decision about a claim 'C99'"):
        seen(template, "C99")


def test_who_looked_before_somebody_else_spoke_is_overtaken_and_overwrites_nothing(lake: Lakehouse) -> None:
    looked = seen(lake, "C5")
    approve(lake.settings, looked, **ON_RECORD)
    before = files(lake)
    for word in (lambda: approve(lake.settings, looked, **ON_RECORD),
                 lambda: deny(lake.settings, looked, group="CO", carc="50", **ON_RECORD)):  # fmt: skip
        with pytest.raises(Overtaken, match="Line 1 of claim C5"):
            word()
    assert files(lake) == before
    felt(lake)
    with pytest.raises(Overtaken):
        approve(lake.settings, looked, **ON_RECORD)


def test_a_word_to_one_line_overtakes_nobody_who_looks_at_another(lake: Lakehouse) -> None:
    looked = [seen(lake, claim) for claim in ("C1", "C5")]
    approve(lake.settings, looked[0], allowed=Decimal(50), **ON_RECORD)
    approve(lake.settings, looked[1], **ON_RECORD)
    felt(lake)
    assert [stands(lake, claim)[0] for claim in ("C1", "C5")] == ["approved", "approved"]


# --- What a word binds to ---


def test_a_word_lapses_when_its_line_is_corrected_and_holds_when_that_is_withdrawn(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    felt(lake)
    correction = correct(lake, "medical_claims", FIRST, charge_amount="90.00")
    felt(lake)
    assert log(lake, "C1") == [(FIRST, "pending", "0.00", "first decision")]
    assert len(said_of(lake, "C1")) == 1, "it is on record"
    acts_of_deliveries.withdraw(lake.settings, MEDICAL_CLAIMS, FIRST, correction, **ON_RECORD)
    lake.process("medical_claims", FIRST)
    felt(lake)
    assert log(lake, "C1")[1:] == [(TODAY, "approved", "40.00", BY_WORD)]


def test_a_word_lapses_when_a_later_delivery_states_the_line_otherwise(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    receive(lake, "medical_claims", TOMORROW, line(procedure_code="97110", charge_amount="90.00"))
    felt(lake)
    assert [row[:3] for row in log(lake, "C1")] == [
        (FIRST, "pending", "0.00"), (TODAY, "approved", "40.00"), (TOMORROW, "pending", "0.00"),
    ]  # fmt: skip


def test_a_word_to_a_line_that_another_delivery_says_as_well_holds_without_the_first(lake: Lakehouse) -> None:
    receive(lake, "medical_claims", SECOND + "T1000", line(procedure_code="97110"))
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    retract(lake, "medical_claims", FIRST)
    felt(lake)
    assert [row[:3] for row in log(lake, "C1")] == [(SECOND, "pending", "0.00"), (TODAY, "approved", "40.00")]


def test_a_word_lapses_with_its_delivery_and_holds_again_when_that_is_reinstated(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C5"), **ON_RECORD)
    felt(lake)
    before = tables(lake)
    retract(lake, "medical_claims", SECOND)
    felt(lake)
    assert log(lake, "C5") == []
    acts_of_deliveries.reinstate(lake.settings, MEDICAL_CLAIMS, SECOND, **ON_RECORD)
    lake.process("medical_claims", SECOND)
    felt(lake)
    assert tables(lake) == before


# --- What is kept, and how ---


def test_words_are_kept_beside_the_data_a_file_a_delivery_for_its_owner_only(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    approve(lake.settings, seen(lake, "C5"), **ON_RECORD)
    assert {name: text.count(b"\n") for name, text in files(lake).items()} == {
        f"{FIRST}.jsonl": 1,
        f"{SECOND}.jsonl": 1,
    }
    folder = lake.settings.claim_acts("").parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_words_survive_a_rebuild(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    appeal(lake.settings, seen(lake, "C4"), **ON_RECORD)
    felt(lake)
    before = tables(lake)
    rebuild(lake.settings)
    felt(lake)
    assert tables(lake) == before


def test_what_was_said_to_the_lines_of_a_purged_delivery_is_gone(lake: Lakehouse) -> None:
    secret = "as Mrs Ward told us"
    approve(lake.settings, seen(lake, "C5"), because=secret, who="ann")
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    felt(lake)
    assert said_of(lake, "C5")
    purge(lake.settings, MEDICAL_CLAIMS, SECOND, **ON_RECORD)
    felt(lake)
    assert list(files(lake)) == [f"{FIRST}.jsonl"]
    assert (log(lake, "C5"), said_of(lake, "C5")) == ([], [])
    assert ask(lake, "SELECT DISTINCT claim_id FROM internal.claim_act") == [("C1",)]
    kept = [path for path in lake.settings.home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert kept == []
    assert stands(lake, "C1")[0] == "approved", "what was said to others stays"


def test_a_word_that_a_kill_cut_short_never_happened_and_spoils_no_other(lake: Lakehouse) -> None:
    approve(lake.settings, seen(lake, "C1"), allowed=Decimal(50), **ON_RECORD)
    path = lake.settings.claim_acts(FIRST)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2].replace(b'"C1"', b'"C4"'))
    felt(lake)
    assert ask(lake, "SELECT claim_id FROM internal.claim_act") == [("C1",)]
    appeal(lake.settings, seen(lake, "C4"), **ON_RECORD)
    felt(lake)
    assert [stands(lake, claim)[0] for claim in ("C1", "C4")] == ["approved", "pending"]


@pytest.mark.parametrize("left", [b"\n", b"null\n", b"[]\n", b'{"act": "approved"}\n', b"\xff\xfe\n", b'{"at": 1}'])
def test_what_is_no_word_in_a_file_is_passed_over(lake: Lakehouse, left: bytes) -> None:
    approve(lake.settings, seen(lake, "C5"), **ON_RECORD)
    path = lake.settings.claim_acts(SECOND)
    path.write_bytes(left + (b"" if left.endswith(b"\n") else b"\n") + path.read_bytes())
    assert settle(lake) == {TODAY: (0, 1, 0)}


def test_decisions_are_behind_as_long_as_a_word_is_not_settled(lake: Lakehouse) -> None:
    def is_behind() -> bool:
        [(state,)] = ask(lake, "SELECT concat(warehouse, '/', n) FROM internal.change")
        return stage.is_behind(lake.settings, state)

    assert (is_behind(), stage.claims_look(lake.settings)) == (False, "")
    approve(lake.settings, seen(lake, "C5"), **ON_RECORD)
    look = stage.claims_look(lake.settings)
    assert (is_behind(), bool(look)) == (True, True)
    settle(lake, FIRST)
    assert is_behind(), "another day was settled"
    settle(lake)
    assert not is_behind()
    felt(lake)
    appeal(lake.settings, seen(lake, "C4"), **ON_RECORD)
    assert stage.claims_look(lake.settings) != look


def test_a_word_is_about_the_line_as_it_was_seen_and_not_as_it_is(lake: Lakehouse) -> None:
    looked = seen(lake, "C1")
    correct(lake, "medical_claims", FIRST, charge_amount="90.00")
    approve(lake.settings, looked, allowed=Decimal(100), **ON_RECORD)
    felt(lake)
    assert stands(lake, "C1")[0] == "pending"
    assert isinstance(looked, SeenLine)
