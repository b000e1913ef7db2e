"""`claims explain`, `review`, `adjudicate` and `rules` as people run them, and what the demo says of decisions."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from claims_lakehouse import cli
from claims_lakehouse.adjudication import rule_sets
from claims_lakehouse.adjudication.facts import FACTS
from claims_lakehouse.adjudication.rule_file import parse, standard
from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.commands import decision_report, decisions, review, rules
from claims_lakehouse.commands import lakehouse as lakehouse_commands
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.serving.publish import publish
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.end_to_end.test_command import SECRET, Said, claims
from claims_lakehouse_tests.medical import line
from claims_lakehouse_tests.test_start_up import READS, imported

DAY, LATER, LAST = "2024-02-01", "2024-03-01", "2024-04-01"
BECAUSE = ("--because", "as agreed")
Run = Callable[..., Said]
#: A run in this process; what Dagster's own storage warns of is not ours to mend.
RUNS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
#: Decides and publishes without Dagster, whose start takes longer than all else.
HERE = pytest.mark.usefixtures("settled_here")


def row(feed: str, **changed: str) -> dict[str, str]:
    return {column.name: "" for column in feed_named(feed).columns} | changed


GOLD = row("plans", plan_id="GOLD", plan_name="Gold", deductible="0.00", coinsurance="20", timely_filing_days="90")
COVERAGE = row("coverages", patient_id="1000U", plan_id="GOLD", covered_from="2024-01-01")
FEE = row("fee_schedules", plan_id="GOLD", procedure_code="99213", allowed_amount="80.00", effective_from="2024-01-01")
LINES = [
    line(),
    line(line_number="2", procedure_code="99214"),  # no price
    line(claim_id="C2", patient_id="2000U", prior_auth_number=SECRET),  # no member
    line(claim_id="C3", date_of_service_from="2024-01-18", date_of_service_to="2024-01-18"),  # voided below
    line(claim_id="C4", patient_id="3000U", frequency_code="7", original_claim_id="C0"),  # plan and original unknown
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was received on two days: on the second the fee rises, and a void takes a claim back."""
    base = tmp_path_factory.mktemp("decisions")
    lakehouse = Lakehouse(base).with_tables()
    lakehouse.land("plans", DAY, [GOLD])
    lakehouse.land("coverages", DAY, [COVERAGE, COVERAGE | {"patient_id": "3000U", "plan_id": "LEAD"}])
    lakehouse.land("fee_schedules", DAY, [FEE])
    lakehouse.land("medical_claims", DAY, LINES)
    lakehouse.land("fee_schedules", LATER, [FEE | {"allowed_amount": "90.00"}])
    void = line(claim_id="V3", frequency_code="8", original_claim_id="C3", received_date="2024-02-20")
    lakehouse.land("medical_claims", LATER, [void])
    assert set(lakehouse.ingest().values()) == {None}
    settle(lakehouse)
    return base


def settle(lakehouse: Lakehouse) -> None:
    adjudicate(lakehouse.settings)
    publish(lakehouse.settings)


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> Lakehouse:
    """A copy, to be changed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Lakehouse(tmp_path)


@pytest.fixture
def standing(template: Path) -> Lakehouse:
    """The template itself: only read from."""
    return Lakehouse(template)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process."""
    monkeypatch.setattr(cli, "_leave", sys.exit)
    monkeypatch.setattr(os, "umask", lambda mask: mask)

    def call(lakehouse: Lakehouse, *arguments: str | Path) -> Said:
        monkeypatch.setenv("CLAIMS_HOME", str(lakehouse.settings.home))
        monkeypatch.setenv("CLAIMS_LANDING", str(lakehouse.settings.landing))
        monkeypatch.setattr(sys, "argv", ["claims", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Said(end.value.code, told.out, " ".join(told.err.split()))

    return call


@pytest.fixture
def settled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def settle_and_publish(settings: Settings, days: list[date] | None = None, *, again: bool = False) -> None:
        adjudicate(settings, days, again=again)
        publish(settings)

    monkeypatch.setattr(review, "renew_publication", settle_and_publish)
    for module in (decisions, rules):
        monkeypatch.setattr(module, "settle_decisions", settle_and_publish)


def told(said: Said) -> Any:
    assert said.status == 0, said.err
    return json.loads(said.out)


def table(said: Said, title: str) -> list[list[str]]:
    """The rows of the table of that title."""
    lines = said.out.splitlines()
    begins = next(place for place, text in enumerate(lines) if text.strip() == title)
    ends = next(place for place, text in enumerate(lines) if place > begins and text.startswith("└"))
    return [[cell.strip() for cell in text.split("│")[1:-1]] for text in lines[begins:ends] if text.startswith("│")]


def published(lakehouse: Lakehouse) -> tuple[int, int]:
    """What changes with every publication."""
    status = lakehouse.settings.published.stat()
    return status.st_ino, status.st_mtime_ns


def stands(lakehouse: Lakehouse, claim: str, number: int) -> tuple[Any, ...]:
    sql = "SELECT decision, CAST(paid AS VARCHAR) FROM decision WHERE claim_id = $1 AND line_number = $2"
    [found] = lakehouse.rows(sql, claim, number)
    return found


# --- claims explain ---


def test_a_claim_is_explained_from_the_charge_to_what_is_paid(standing: Lakehouse, run: Run) -> None:
    said = run(standing, "explain", "C1")
    assert (said.status, said.err) == (0, "")
    assert table(said, "Claim C1") == [["1000U", "pending", "2", "200.00", "90.00", "72.00", "18.00"]]
    set_name = f"by standard 1 ({standard().digest})"
    steps = table(said, f"Line 1: approved, {set_name}")
    assert [one[:4] for one in steps] == [
        ["charge", "", "", "100.00"],
        ["above_fee_schedule", "CO 45", "10.00", "90.00"],
        ["coinsurance", "PR 2", "18.00", "72.00"],
        ["paid", "", "", "72.00"],
    ]
    assert steps[1][4] == standard().adjustments["above_fee_schedule"].reason
    waits = table(said, f"Line 2: pending, {set_name}")
    assert waits[1][:4] == ["pending: no_price", "OA 133", "100.00", "0.00"]
    [spoken] = table(said, "Line 2: rules that speak about it")
    assert spoken[1:4] == [
        "no_price",
        "has it wait",
        "fee = null, is_covered = true, plan_is_known = true, procedure_code = 99214",
    ]
    assert "Line 1: rules that speak about it" not in said.out
    rests_on = table(said, "Line 1: reference data that it rests on")
    assert [one[0:4] for one in rests_on] == [
        ["coverage", "1000U GOLD 2024-01-01", DAY, "1"],
        ["plan at the service", "GOLD", DAY, "1"],
        ["plan of the year", "GOLD", DAY, "1"],
        ["fee", "GOLD 99213 2024-01-01", LATER, "1"],
    ]
    log = [one[:6] for one in table(said, "What happened to the claim") if one[1] == "1"]
    assert log == [
        [DAY, "1", "received", "", "a new statement", ""],
        [DAY, "1", "verified", "", "accepted", ""],
        [DAY, "1", "decided", "approved", "first decision", "64.00"],
        [LATER, "1", "reversed", "approved", "the fee changed", "-64.00"],
        [LATER, "1", "decided", "approved", "the fee changed", "72.00"],
    ]
    assert "An appeal" not in said.out


def test_what_an_appeal_needs_is_said_of_what_was_denied(standing: Lakehouse, run: Run) -> None:
    rule = standard().rule("not_a_member")
    assert rule
    assert f"An appeal of line 1 needs: {rule.appeal}" in run(standing, "explain", "C2").out
    # The values of the line are for people to see: on standard output, and nowhere else.
    assert SECRET in run(standing, "explain", "C2").out


def test_machines_have_an_explanation_whole_with_exact_amounts_and_iso_days(standing: Lakehouse, run: Run) -> None:
    found = told(run(standing, "explain", "C1", "--json"))
    sums = {name: found[name] for name in ("claim_id", "patients", "day", "decision", "charge", "paid")}
    assert sums == {
        "claim_id": "C1", "patients": ["1000U"], "day": None, "decision": "pending", "charge": "200.00", "paid": "72.00",
    }  # fmt: skip
    first, second = found["lines"]
    assert [(step["step"], step["taken"], step["carc"]) for step in first["steps"]] == [
        ("above_fee_schedule", "10.00", "45"),
        ("coinsurance", "18.00", "2"),
    ]
    assert (second["decision"], second["paid"], second["allowed"]) == ("pending", "0.00", "0.00")
    facts = {fact["name"]: fact["value"] for fact in first["facts"]}
    assert list(facts) == [fact.name for fact in FACTS]
    assert (facts["fee"], facts["service_day"], facts["is_covered"]) == ("90.00", "2024-01-10", True)
    assert [rule["rule"] for rule in second["rules"] if rule["decides"]] == ["no_price"]
    assert {rule["rule"] for rule in second["rules"]} == {rule.name for rule in standard().rules}
    [price] = [rule for rule in second["rules"] if rule["rule"] == "no_price"]
    assert price["reads"] == {"fee": None, "is_covered": True, "plan_is_known": True}
    assert price["evidence"] == {"procedure_code": "99214"}
    assert first["rule_set"] == {
        "rule_set": standard().digest, "name": "standard", "version": "1", "effective_from": "1900-01-01",
    }  # fmt: skip
    assert first["versions"][3]["received_at"] == "2024-03-01T00:00:00"
    assert [event["event"] for event in found["events"] if event["line_number"] == 1] == [
        "received", "verified", "decided", "reversed", "decided",
    ]  # fmt: skip


def test_a_line_is_explained_as_it_was_known_on_a_day(standing: Lakehouse, run: Run) -> None:
    found = told(run(standing, "explain", "C1", "--line", "1", "--day", DAY, "--json"))
    assert (found["day"], found["charge"], found["paid"]) == (DAY, "100.00", "64.00")
    assert [one["line_number"] for one in found["lines"]] == [1]
    assert {event["line_number"] for event in found["events"]} == {1}
    said = run(standing, "explain", "C1", "--line", "1", "--day", DAY)
    assert table(said, f"Claim C1, as it was known at the end of {DAY}")[0][-2:] == ["64.00", "16.00"]


def test_every_rule_is_shown_in_the_order_in_which_it_is_asked_and_every_fact(standing: Lakehouse, run: Run) -> None:
    said = run(standing, "explain", "C2", "--rules")
    asked = [one for one in table(said, "Line 1: every rule, in the order in which they are asked") if one[0]]
    beside = [rule.name for rule in standard().rules if rule.is_beside]
    assert [one[1] for one in asked] == [
        *(rule.name for rule in standard().rules if not rule.is_beside),
        *beside,
    ]
    assert [one[1:3] for one in asked if one[2]] == [["not_a_member", "denies it"]]
    assert [one[0] for one in table(said, "Line 1: what is known of it") if one[0]] == [fact.name for fact in FACTS]


def test_lines_that_are_not_decided_say_why(standing: Lakehouse, run: Run) -> None:
    assert "Line 1 is not decided: claim V3 takes its place or voids it." in run(standing, "explain", "C3").out
    assert "Line 1 only takes claim C3 back: nothing is decided of it." in run(standing, "explain", "V3").out
    assert told(run(standing, "explain", "V3", "--json"))["decision"] is None


def test_it_is_said_where_what_is_published_was_decided_otherwise(lake: Lakehouse, run: Run) -> None:
    changed = standard().text.replace('when = "coverage_count = 0"', 'when = "coverage_count < 2"')
    rule_sets.adopt(lake.settings, parse(changed, "mine"), [], because="a test", who="me")
    assert "Not settled yet" in run(lake, "explain", "C1").err
    settle(lake)
    assert run(lake, "explain", "C1").err == ""


# --- claims review ---


def test_lines_that_wait_are_listed_each_with_every_reason(standing: Lakehouse, run: Run) -> None:
    bare, listed = run(standing, "review"), run(standing, "review", "list")
    assert bare == listed
    rows = table(bare, "Lines that wait for a person")
    assert [[*one[:3], *one[4:]] for one in rows] == [
        ["C1", "2", "no_price", "99214", "100.00", DAY],
        ["C4", "1", "plan_unknown", "LEAD", "100.00", DAY],
        ["", "", "original_unknown", "", "", ""],
    ]
    assert rows[0][3] == standard().rule("no_price").reason  # type: ignore[union-attr]
    [first, _] = told(run(standing, "review", "--json"))
    assert first == {
        "claim_id": "C1", "line_number": 2, "charge": "100.00", "since": DAY,
        "why": [{"rule": "no_price", "reason": rows[0][3], "evidence": "99214"}],
    }  # fmt: skip


def test_a_list_is_limited_and_filtered(standing: Lakehouse, run: Run) -> None:
    said = run(standing, "review", "list", "--limit", "1", "--json")
    assert ([one["claim_id"] for one in told(said)], "Shown: 1 of 2." in said.err) == (["C1"], True)
    assert [one["claim_id"] for one in told(run(standing, "review", "--rule", "original_unknown", "--json"))] == ["C4"]
    said = run(standing, "review", "--rule", "near_duplicate", "--json")
    assert (told(said), said.err) == ([], "No line waits.")


@HERE
def test_a_line_without_a_price_is_approved_with_what_is_allowed(lake: Lakehouse, run: Run) -> None:
    said = run(lake, "review", "approve", "C1", "2", *BECAUSE)
    assert (said.status, "say what is allowed" in said.err) == (2, True)
    assert not list(lake.settings.home.glob("claim_acts/*"))
    said = run(lake, "review", "approve", "C1", "2", "--allowed", "12.50", *BECAUSE)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(
        "Line 2 of claim C1 is approved now: charge 100.00, allowed 12.50, paid 10.00, the patient's share 2.50;"
        " adjusted CO 45 87.50, PR 2 2.50."
    )
    assert stands(lake, "C1", 2) == ("approved", "10.00")
    [(why, signed)] = lake.rows("SELECT detail, who IS NOT NULL FROM claim_event WHERE event = 'released'")
    assert (why, signed) == ("approved: as agreed", True)
    said = run(lake, "review", "approve", "C1", "2", *BECAUSE)
    assert (said.status, "is approved; expected one that is pending" in said.err) == (2, True)


@HERE
def test_a_line_is_denied_with_codes_and_opened_again(lake: Lakehouse, run: Run) -> None:
    codes = ("--group", "CO", "--carc", "96", "--rarc", "N130")
    said = run(lake, "review", "deny", "C1", "2", *codes, "--because", "not ours")
    assert (said.status, "is denied now" in said.out, "adjusted CO 96 N130 100.00." in said.out) == (0, True, True)
    assert stands(lake, "C1", 2) == ("denied", "0.00")
    said = run(lake, "explain", "C1", "--line", "2")
    assert ["denied", "CO 96 N130", "100.00", "0.00", "A person denied it: not ours"] in table(
        said, f"Line 2: denied, by standard 1 ({standard().digest})"
    )
    assert "An appeal of line 2 needs: The record of the service" in said.out

    said = run(lake, "review", "appeal", "C1", "2", "--because", "a letter came")
    assert (said.status, "is pending (appealed) now" in said.out) == (0, True)
    [waits] = told(run(lake, "review", "--rule", "appealed", "--json"))
    assert waits["why"] == [
        {"rule": "appealed", "reason": "A person opened the line again: a letter came", "evidence": "no_price 99214"}
    ]
    assert date.fromisoformat(waits["since"]) > date.fromisoformat(LATER)


def test_in_a_process_of_its_own_a_denied_claim_is_opened_again(lake: Lakehouse) -> None:
    arguments = ("review", "appeal", "C2", "1", *BECAUSE)
    said = claims(*arguments, home=lake.settings.home, landing=lake.settings.landing)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("Line 1 of claim C2 is pending (appealed) now: charge 100.00,")
    assert stands(lake, "C2", 1) == ("pending", "0.00")


# --- claims adjudicate ---


@RUNS
def test_what_is_due_is_decided_published_and_shown_by_day(lake: Lakehouse, run: Run) -> None:
    lake.land("fee_schedules", LAST, [FEE | {"procedure_code": "99214", "allowed_amount": "50.00"}])
    assert lake.process("fee_schedules", LAST) is None
    said = run(lake, "adjudicate")
    assert (said.status, said.err) == (0, "")
    assert table(said, "Decisions by received day") == [[LAST, "approved", "1", "100.00", "40.00", "10.00"]]
    assert stands(lake, "C1", 2) == ("approved", "40.00")

    said = run(lake, "adjudicate", "--json")
    assert (told(said), said.err) == ([], "Nothing changed: every decision stands as it is.")


@HERE
def test_days_that_are_asked_for_are_decided_once_more_and_come_out_the_same(lake: Lakehouse, run: Run) -> None:
    asked = ("--day", DAY, "--day", LATER, "--day", LAST)
    before = lake.rows("SELECT * FROM decision_history ORDER BY ALL")
    said = run(lake, "adjudicate", *asked, "--again")
    assert table(said, "Decisions by received day") == [
        [DAY, "approved", "2", "200.00", "128.00", "32.00"],
        [DAY, "denied", "1", "100.00", "0.00", "100.00"],
        [DAY, "pending", "2", "200.00", "0.00", "0.00"],
        [LATER, "approved", "1", "100.00", "72.00", "18.00"],
        [LATER, "taken back", "1", "100.00", "0.00", "0.00"],
    ]
    assert said.err == f"Nothing changed: every decision stands as it is. No decision changed on {LAST}."
    assert lake.rows("SELECT * FROM decision_history ORDER BY ALL") == before
    first = told(run(lake, "adjudicate", "--day", DAY, "--json"))[0]
    assert first == {
        "decided_on": DAY, "decision": "approved", "lines": 2, "charge": "200.00", "paid": "128.00",
        "patient_share": "32.00",
    }  # fmt: skip


# --- claims rules ---

GOLDEN = """
[[given.plans]]
plan_id = "GOLD"
deductible = "0.00"
coinsurance = "20"
timely_filing_days = "90"

[[case]]
name = "nobody's claim"
expect = [{line = "C1|1", decision = "denied", rule = "not_a_member"}]
"""


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A folder of golden claims: one."""
    folder = tmp_path / "golden"
    folder.mkdir()
    said = "".join(f'{name} = "{value}"\n' for name, value in line().items() if value)
    (folder / "mine.toml").write_text(f"{GOLDEN}[[case.medical_claims]]\n{said}")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The standard rules, but that what has no price is denied from the second day on."""
    path = tmp_path / "mine.toml"
    denies = 'then = "deny"\ngroup = "CO"\ncarc = "147"\nappeal = "The price."\nevidence = "procedure_code"'
    text = standard().text.replace('version = "1"', 'version = "2"').replace("1900-01-01", LATER)
    path.write_text(text.replace('then = "pend"\nevidence = "procedure_code"', denies))
    return path


def test_rule_sets_in_force_are_listed_and_shown(standing: Lakehouse, run: Run) -> None:
    bare = run(standing, "rules")
    assert bare == run(standing, "rules", "list")
    [[digest, name, version, since, who, why, _]] = table(bare, "Rule sets in force")
    assert (digest, name, version, since, who) == (standard().digest, "standard", "1", "1900-01-01", "the lakehouse")
    assert why == "It comes with the lakehouse."
    [listed] = told(run(standing, "rules", "--json"))
    assert (listed["rule_set"], listed["effective_from"]) == (digest, "1900-01-01")

    shown = run(standing, "rules", "show")
    assert shown == run(standing, "rules", "show", "standard") == run(standing, "rules", "show", digest[:6])
    rows = table(shown, f"standard 1 ({digest}), for what is received from 1900-01-01 on")
    assert [one[1] for one in rows if one[0]] == [rule.name for rule in standard().rules]
    assert rows[0][1:6] == ["not_a_member", "deny", "PR 31", "coverage_count = 0", "coverage_count"]
    called = {one[0]: one[1] for one in table(shown, "What is not paid is called")}
    assert called["units_limit"] == "CO 96 N362"
    told_of = told(run(standing, "rules", "show", "--json"))
    assert [one["rule"] for one in told_of] == [
        *(rule.name for rule in standard().rules),
        *standard().adjustments,
    ]
    assert told_of[0]["reads"] == ["coverage_count"]


def test_rules_of_a_day_to_come_are_in_force_and_not_yet_those_of_today(lake: Lakehouse, run: Run) -> None:
    ahead = standard().text.replace("1900-01-01", "2999-01-01").replace('"standard"', '"ahead"')
    rule_sets.adopt(lake.settings, parse(ahead, "ahead"), [], because="a test", who="me")
    assert [one["name"] for one in told(run(lake, "rules", "--json"))] == ["standard", "ahead"]
    assert run(lake, "rules", "show").out == run(lake, "rules", "show", "standard").out
    assert "from 2999-01-01 on" in run(lake, "rules", "show", "ahead").out


def test_before_anything_is_decided_the_standard_rules_are_shown(tmp_path: Path, run: Run) -> None:
    said = run(Lakehouse(tmp_path), "rules", "--json")
    assert (told(said), "None is adopted yet" in said.err) == ([], True)
    assert standard().digest in run(Lakehouse(tmp_path), "rules", "show").out
    assert not (tmp_path / "home").exists()


def test_what_conditions_can_read_is_listed(standing: Lakehouse, run: Run) -> None:
    rows = table(run(standing, "rules", "facts"), "What a rule's condition can read")
    assert [one[0] for one in rows if one[0]] == [fact.name for fact in FACTS]
    assert told(run(standing, "rules", "facts", "--json"))[0] == FACTS[0]._asdict()
    assert table(run(standing, "rules", "facts", "--home", "elsewhere"), "What a rule's condition can read") == rows


@HERE
def test_rules_are_exported_checked_compared_and_adopted(
    lake: Lakehouse, run: Run, golden: Path, mine: Path, tmp_path: Path
) -> None:
    exported = tmp_path / "exported.toml"
    assert run(lake, "rules", "export", exported).status == 0
    assert exported.read_text() == standard().text
    assert run(lake, "rules", "export", exported).status == 2

    said = run(lake, "rules", "check", mine, "--golden", golden)
    assert (said.status, said.out) == (0, "")
    assert said.err.startswith("Golden claims by standard 2 (")
    assert run(lake, "rules", "check", mine, "--golden", golden, "--home", "elsewhere") == said
    assert said.err.endswith("): 1 as expected, 0 otherwise.")

    before = published(lake)
    found = told(run(lake, "rules", "compare", mine, "--json"))
    assert found == {
        "lines": 4, "differing": 1, "differing_since": 0, "paid": "0.00", "paid_after": "0.00",
        "changes": [{"decision": "pending", "rule": "no_price", "decision_after": "denied", "rule_after": "no_price",
                     "lines": 1, "paid": "0.00", "paid_after": "0.00", "example": "C1|2"}],
    }  # fmt: skip
    said = run(lake, "rules", "compare", mine)
    assert table(said, "What would be decided otherwise") == [
        ["pending", "no_price", "denied", "no_price", "1", "0.00", "0.00", "0.00", "C1|2"]
    ]
    assert "1 of 4 lines would be decided otherwise; 0.00 would be paid for them in place of 0.00." in said.out
    last = "received from {} on: only these are decided by it once it is adopted."
    assert f"Of them 0 were {last.format(LATER)}" in said.out
    since = mine.with_name("since.toml")
    since.write_text(mine.read_text().replace(f"effective_from = {LATER}", f"effective_from = {DAY}"))
    assert f"Of them 1 was {last.format(DAY)}" in run(lake, "rules", "compare", since).out
    said = run(lake, "rules", "compare", exported)
    assert "0 of 4 lines would be decided otherwise." in said.out
    assert "Of them" not in said.out
    assert published(lake) == before

    said = run(lake, "rules", "adopt", mine, "--golden", golden, "--because", "a new year")
    assert said.status == 0, said.err
    assert f"it decides what is received from {LATER} on." in said.err
    # What was received before stays decided as it was.
    assert stands(lake, "C1", 2) == ("pending", "0.00")
    listed = told(run(lake, "rules", "--json"))
    assert [(one["version"], one["effective_from"], one["why"]) for one in listed] == [
        ("1", "1900-01-01", "It comes with the lakehouse."),
        ("2", LATER, "a new year"),
    ]
    assert f"for what is received from {LATER} on" in run(lake, "rules", "show").out
    assert lake.rows("SELECT count(DISTINCT rule_set) FROM internal.rule") == [(2,)]
    said = run(lake, "rules", "show", "standard")
    assert (said.status, "2 rule sets are called 'standard'" in said.err) == (2, True)


def test_rules_that_decide_golden_claims_otherwise_are_told_and_not_adopted(
    lake: Lakehouse, run: Run, golden: Path, mine: Path
) -> None:
    mine.write_text(mine.read_text().replace('when = "coverage_count = 0"', 'when = "coverage_count > 5"'))
    said = run(lake, "rules", "check", mine, "--golden", golden)
    assert (said.status, "): 0 as expected, 1 otherwise." in said.err) == (1, True)
    rows = table(said, "Golden claims that come out differently")
    assert {(one[0], one[1]) for one in rows} == {("mine.toml", "nobody's claim")}
    assert any(one[2].startswith("C1|1: found rule None; expected not_a_member") for one in rows)
    said = run(lake, "rules", "check", mine, "--golden", golden, "--json")
    assert (said.status, json.loads(said.out)[0]["case"]) == (1, "nobody's claim")
    before = published(lake)
    said = run(lake, "rules", "adopt", mine, "--golden", golden, *BECAUSE)
    assert (said.status, "1 of 1 golden claims otherwise" in said.err) == (2, True)
    assert len(rule_sets.adopted(lake.settings)) == 1
    assert published(lake) == before


def test_a_condition_that_some_line_cannot_answer_is_told_without_the_line(
    lake: Lakehouse, run: Run, golden: Path, mine: Path
) -> None:
    text = mine.read_text().replace('when = "coverage_count = 0"', f'when = "{"*".join(["charge"] * 5)} > 1"')
    mine.write_text(text.replace('reads = ["coverage_count"]', 'reads = ["charge"]'))
    for arguments in (("compare", mine), ("check", mine, "--golden", golden), ("adopt", mine, "--golden", golden)):
        said = run(lake, "rules", *arguments, *(BECAUSE if "adopt" in arguments else ()))
        assert (said.status, said.out) == (2, "")
        assert "rule 1 'not_a_member' when: found Out of Range Error: Overflow" in said.err
        assert "10000" not in said.err
    assert len(rule_sets.adopted(lake.settings)) == 1


# --- claims demo ---


def test_the_demo_ends_with_what_was_decided_and_a_claim_to_look_at(
    standing: Lakehouse, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claims_lakehouse.samples.write_deliveries", lambda *_, **__: [])
    monkeypatch.setattr(lakehouse_commands, "ingest_due", lambda _: True)
    said = run(standing, "demo")
    assert table(said, "What was decided of the lines of claims") == [
        [DAY, "approved", "", "", "2", "200.00", "128.00"],
        [DAY, "denied", "not_a_member", "31", "1", "100.00", "0.00"],
        [DAY, "pending", "no_price", "133", "1", "100.00", "0.00"],
        [DAY, "pending", "plan_unknown, original_unknown", "133", "1", "100.00", "0.00"],
        [LATER, "approved", "", "", "1", "100.00", "72.00"],
        [LATER, "taken back", "the claim was replaced or voided", "", "1", "100.00", "0.00"],
    ]
    monkeypatch.setattr(decision_report, "_DAYS", 1)
    title = "What was decided of the lines of claims, on the last 1 of 2 received days"
    assert title in run(standing, "demo").out
    _, around = said.out.split("Look around:")
    assert "\n  claims explain C1\n  claims review\n" in around


def test_where_no_claim_was_decided_the_demo_says_nothing_of_decisions(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claims_lakehouse.samples.write_deliveries", lambda *_, **__: [])
    monkeypatch.setattr(lakehouse_commands, "ingest_due", lambda _: True)
    lakehouse = Lakehouse(tmp_path).with_tables()
    publish(lakehouse.settings)
    said = run(lakehouse, "demo")
    assert (said.status, "decided" in said.out, "explain" in said.out) == (0, False, False)


# --- All of them ---

NAMES = ["explain", "adjudicate", "review", "review list", "review approve", "review deny", "review appeal", "rules",
         "rules list", "rules show", "rules facts", "rules check", "rules compare", "rules adopt", "rules export"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example(name: str, standing: Lakehouse, run: Run) -> None:
    said = run(standing, *name.split(), "--help")
    assert said.status == 0
    words = " ".join(said.out.replace("│", " ").split())
    _, *examples = words.split(f"claims {name}")  # the first one says how it is used
    assert examples


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["review", "--rule", "no_price"], READS),
        (["review", "deny", "-h"], set()),
        (["explain", "--help"], set()),
        (["adjudicate", "--help"], set()),
        (["rules", "facts"], set()),
        (["rules", "adopt", "--help"], set()),
    ],
)
def test_a_list_and_help_import_only_what_they_need(command: list[str], expected: set[str], template: Path) -> None:
    code = f"sys.argv[1:] = {command!r}\nfrom claims_lakehouse.cli import app\napp()"
    assert imported(code, Lakehouse(template).settings.home) == expected


CODES = ("--group", "CO", "--carc", "96", "--rarc", "N130")
WRONG_USE = {
    "unknown-claim": (("explain", "C9"), "Nothing is known of a claim 'C9'."),
    "too-early": (("explain", "C1", "--day", "2024-01-31"), "Nothing is known of a claim 'C1' on 2024-01-31."),
    "unknown-line": (("explain", "C1", "--line", "7"), "Claim 'C1' has no line 7; it has 1, 2."),
    "no-day": (("explain", "C1", "--day", "tomorrow"), "found 'tomorrow'; expected a day"),
    "unknown-rule": (("review", "--rule", "no_such"), "There is no rule that has a line wait 'no_such'"),
    "a-rule-that-denies": (("review", "--rule", "bundled"), "There is no rule that has a line wait 'bundled'"),
    "options-before": (("review", "--limit", "1", "approve", "C1", "2", *BECAUSE), "Options stand after the command"),
    "no-reason": (("review", "approve", "C1", "2", "--allowed", "1", "--because", " "), "needs a reason"),
    "unknown-claim-to-approve": (("review", "approve", "C9", "1", *BECAUSE), "no decision about a claim 'C9'"),
    "voided-claim-to-approve": (("review", "approve", "C3", "1", *BECAUSE), "no decision about a claim 'C3'"),
    "unknown-line-to-approve": (("review", "approve", "C1", "3", *BECAUSE), "line 3 of claim 'C1'; there is of 1, 2."),
    "does-not-wait": (("review", "approve", "C2", "1", *BECAUSE), "is denied; expected one that is pending"),
    "not-denied": (("review", "appeal", "C1", "1", *BECAUSE), "is approved; expected one that is denied"),
    "no-amount": (("review", "approve", "C1", "2", "--allowed", "nan", *BECAUSE), "found no amount"),
    "negative": (("review", "approve", "C1", "2", "--allowed", "-1", *BECAUSE), "found no amount"),
    "thirds-of-cents": (("review", "approve", "C1", "2", "--allowed", "1.333", *BECAUSE), "found no amount"),
    "more-than-the-charge": (("review", "approve", "C1", "2", "--allowed", "100.01", *BECAUSE), "at most the charge"),
    "unknown-group": (("review", "deny", "C1", "2", "--group", "XX", "--carc", "45", *BECAUSE), "found 'XX'"),
    "no-remark": (("review", "deny", "C1", "2", "--group", "CO", "--carc", "96", *BECAUSE), "asks for a remark"),
    "no-codes": (("review", "deny", "C1", "2", *BECAUSE), "--group"),
    "deny-what-is-denied": (("review", "deny", "C2", "1", *CODES, *BECAUSE), "is denied; expected one that is pending"),
    "no-received-day": (("adjudicate", "--day", "2024-02-30"), "2024-02-30"),
    "unknown-rule-set": (("rules", "show", "mine"), "No rule sets are called 'mine'; there are standard 1 ("),
    "no-file": (("rules", "check", "nowhere.toml"), "nowhere.toml: found no file that can be read ("),
    "no-rules": (("rules", "compare", __file__), "test_decision_commands.py"),
    "no-reason-to-adopt": (("rules", "adopt", "nowhere.toml", "--because", ""), "needs a reason"),
    "no-golden-claims": (("rules", "check", "STANDARD", "--golden", "nowhere"), "nowhere: found no golden claims"),
    "options-before-rules": (("rules", "--json", "facts"), "Options stand after the command"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_ends_with_status_2_and_changes_nothing(
    case: str, standing: Lakehouse, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "standard.toml"
    file.write_text(standard().text)
    arguments, word = WRONG_USE[case]
    said = run(standing, *(file if one == "STANDARD" else one for one in arguments))
    assert (said.status, said.out) == (2, "")
    assert word in said.err
    assert SECRET not in said.err
    assert not (standing.settings.home / "claim_acts").exists()
    assert len(rule_sets.adopted(standing.settings)) == 1
