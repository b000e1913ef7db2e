"""Small worlds that tests of adjudication share: rows of every feed that decides, and a lakehouse that takes them in."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import duckdb

from claims_lakehouse.adjudication import rule_file, rule_sets
from claims_lakehouse.adjudication.acts import SeenLine, seen_lines
from claims_lakehouse.adjudication.settle import Settled
from claims_lakehouse.adjudication.stage import adjudicate
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.history import acts
from claims_lakehouse.history.stage import bring_all_up_to_date, take_up, verify
from claims_lakehouse.serving.publish import publish
from claims_lakehouse_tests import builders, medical
from claims_lakehouse_tests.builders import Lakehouse

#: What tells of processing, not of what was received and said.
OF_PROCESSING = ("decided_at", "run_id")
ON_RECORD = {"because": "test", "who": "test"}

# --- Rows, each with what is given changed ---


def row(feed: str, **changed: str) -> dict[str, str]:
    """A row of a feed, empty but for what is given."""
    return {column.name: "" for column in feed_named(feed).columns} | changed


def plan(**changed: str) -> dict[str, str]:
    usual = {"plan_id": "GOLD", "plan_name": "Gold", "deductible": "0.00", "coinsurance": "20"}
    return row("plans", **usual | {"timely_filing_days": "90"} | changed)


def coverage(**changed: str) -> dict[str, str]:
    return row("coverages", **{"patient_id": "1000U", "plan_id": "GOLD", "covered_from": "2024-01-01"} | changed)


def fee(**changed: str) -> dict[str, str]:
    usual = {"plan_id": "GOLD", "procedure_code": "99213", "allowed_amount": "80.00", "effective_from": "2024-01-01"}
    return row("fee_schedules", **usual | changed)


def exclusion(**changed: str) -> dict[str, str]:
    usual = {"exclusion_id": "E1", "kind": "not_covered", "procedure_code": "99213", "effective_from": "2024-01-01"}
    return row("exclusions", **usual | changed)


def edit(**changed: str) -> dict[str, str]:
    usual = {"procedure_code": "99214", "bundled_code": "99213", "modifier_indicator": "1"}
    return row("procedure_edits", **usual | {"effective_from": "2024-01-01"} | changed)


def authorization(**changed: str) -> dict[str, str]:
    usual = {"authorization_number": "A1", "patient_id": "1000U", "procedure_code": "99213"}
    return row("authorizations", **usual | {"authorized_from": "2024-01-01"} | changed)


# --- What is done to a lakehouse ---


class Delivery(NamedTuple):
    """What one delivery says: rows of a feed, by the key that says when they were received."""

    feed: str
    key: str
    rows: tuple[dict[str, str], ...]


def receive(lakehouse: Lakehouse, feed: str, delivery: str, *rows: dict[str, str]) -> None:
    """A delivery lands and goes through all stages."""
    lakehouse.land(feed, delivery, rows)
    assert lakehouse.process(feed, delivery) is None


def receive_all(lakehouse: Lakehouse, deliveries: Iterable[Delivery]) -> None:
    """Many deliveries, each feed's in one go."""
    by_feed: dict[str, list[str]] = {}
    for one in deliveries:
        lakehouse.land(one.feed, one.key, one.rows)
        take_up(lakehouse.settings, feed_named(one.feed), one.key)
        verify(lakehouse.settings, feed_named(one.feed), one.key)
        by_feed.setdefault(one.feed, []).append(one.key)
    for feed, keys in by_feed.items():
        bring_all_up_to_date(lakehouse.settings, feed_named(feed), keys)


def retract(lakehouse: Lakehouse, feed: str, delivery: str) -> None:
    acts.retract(lakehouse.settings, feed_named(feed), delivery, **ON_RECORD)
    assert lakehouse.process(feed, delivery) is None


def reinstate(lakehouse: Lakehouse, feed: str, delivery: str) -> None:
    acts.reinstate(lakehouse.settings, feed_named(feed), delivery, **ON_RECORD)
    assert lakehouse.process(feed, delivery) is None


def correct(lakehouse: Lakehouse, feed: str, delivery: str, **changed: str) -> str:
    """Change the first row of a delivery; the correction's id."""
    made = acts.correct(lakehouse.settings, feed_named(feed), delivery, {1: changed}, **ON_RECORD)
    assert lakehouse.process(feed, delivery) is None
    return made


def settle(lakehouse: Lakehouse, *days: str, again: bool = False) -> dict[str, Settled]:
    """Adjudicate; what changed, by day."""
    asked = [date.fromisoformat(day) for day in days] or None
    return {day.isoformat(): found for day, found in adjudicate(lakehouse.settings, asked, again=again).items()}


def copied(lakehouse: Lakehouse, base: Path) -> Lakehouse:
    """The same lakehouse in another place."""
    shutil.copytree(lakehouse.settings.home.parent, base, dirs_exist_ok=True)
    return Lakehouse(base)


class Clock(datetime):
    """A clock that stands where it is put and goes on by a second with every look: what people say is said then."""

    at: ClassVar[datetime] = datetime(2024, 2, 20)  # noqa: DTZ001 - every time in the lakehouse is naive UTC

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        Clock.at += timedelta(seconds=1)
        return Clock.at


#: A rule set is parsed whenever decisions are settled, and comes out the same: worlds are settled often.
parsed_once = cache(rule_file.parse)


def parse_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(rule_sets, "parse", parsed_once)


# --- What is asked of it ---


def ask(lakehouse: Lakehouse, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask the warehouse."""
    with duckdb.connect(str(lakehouse.settings.warehouse), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(sql, list(values)).fetchall()


def decided(lakehouse: Lakehouse) -> list[tuple[Any, ...]]:
    """Every decision, but for what tells of processing."""
    return ask(lakehouse, f"SELECT * EXCLUDE ({', '.join(OF_PROCESSING)}) FROM internal.line_decision ORDER BY ALL")


def happened(lakehouse: Lakehouse) -> list[tuple[Any, ...]]:
    """Every published event, but for when and by which run decisions were made."""
    made = "event IN ('replaced', 'voided', 'reversed', 'decided', 'pended')"
    aside = ", ".join(f"CASE WHEN NOT ({made}) THEN {name} END AS {name}" for name in ("happened_at", "run_id"))
    return lakehouse.rows(f"SELECT * REPLACE ({aside}) FROM claim_event ORDER BY ALL")


def tables(lakehouse: Lakehouse) -> dict[str, list[tuple[Any, ...]]]:
    """What is decided and what happened: the two that are a function of deliveries and acts."""
    publish(lakehouse.settings)
    return {"decisions": decided(lakehouse), "events": happened(lakehouse)}


def log(lakehouse: Lakehouse, claim: str, line: int = 1) -> list[tuple[Any, ...]]:
    """What was decided of a line, by day: decision, what is paid, and why it changed."""
    return ask(
        lakehouse,
        "SELECT CAST(day AS VARCHAR), decision, CAST(paid AS VARCHAR), because FROM internal.line_decision"
        " WHERE claim_id = ? AND line_number = ? ORDER BY day, patient_id",
        claim,
        line,
    )


def stamps(lakehouse: Lakehouse) -> dict[tuple[Any, ...], datetime]:
    """When each decision was made."""
    rows = ask(lakehouse, "SELECT claim_id, line_number, CAST(day AS VARCHAR), decided_at FROM internal.line_decision")
    return {tuple(key): at for *key, at in rows}


def changes(lakehouse: Lakehouse) -> int:
    """How many changes the warehouse counts."""
    [(count,)] = ask(lakehouse, "SELECT n FROM internal.change")
    return int(count)


def due(lakehouse: Lakehouse) -> list[tuple[str, str]]:
    """What is due, taken up or not: patients and days."""
    return ask(lakehouse, "SELECT patient_id, CAST(day AS VARCHAR) FROM internal.due ORDER BY ALL")


def seen(lakehouse: Lakehouse, claim: str, line: int = 1) -> SeenLine:
    """A line as a person sees it published."""
    with duckdb.connect(str(lakehouse.settings.published), read_only=True) as con:
        return next(one for one in seen_lines(con, claim) if one.line_number == line)


# --- Seeded worlds ---

DAYS = ("2024-02-01", "2024-02-05", "2024-02-10", "2024-02-15")
PATIENTS, PLANS, PROCEDURES = ("1000U", "2000U", "3000U"), ("GOLD", "SILVER"), ("99213", "99214", "97110", "J1100")
#: How often each feed comes on a day; on the first, twice as often at least.
_OFTEN = {
    "plans": 0.15, "patients": 0.1, "coverages": 0.2, "fee_schedules": 0.2, "exclusions": 0.2, "procedure_edits": 0.1,
    "authorizations": 0.1, "code_sets": 0.1, "medical_claims": 0.6,
}  # fmt: skip
_BASE = ("plans", "coverages", "fee_schedules", "medical_claims")


def world(seed: int) -> list[Delivery]:
    """A small world: what is received on some days, in the order in which it is."""
    rng, found = random.Random(f"world {seed}"), []
    for number, day in enumerate(DAYS):
        for feed, often in _OFTEN.items():
            if rng.random() < often * (1 if number else 2) or (not number and feed in _BASE):
                found.append(Delivery(feed, day + rng.choice(("", "", "T0930")), words(rng, feed)))
    return found


def words(rng: random.Random, feed: str) -> tuple[dict[str, str], ...]:
    """What a delivery of a feed may say; few words, so that they are said again."""
    count = rng.choice((2, 3)) + 3 * (feed in ("medical_claims", "fee_schedules", "coverages"))
    rows = [word(rng, feed) for _ in range(count)]
    return tuple({tuple(one[name] for name in feed_named(feed).key): one for one in rows}.values())


def word(rng: random.Random, feed: str) -> dict[str, str]:
    """A row of a feed, of few that there are."""
    pick, since = rng.choice, rng.choice(("2020-01-01", "2020-01-01", "2024-01-10"))
    code, patient_id = pick(PROCEDURES), pick(PATIENTS)
    if feed == "plans":
        return plan(plan_id=pick(PLANS), deductible=pick(("0.00", "20.00", "50.00")), coinsurance=pick(("20", "33.33")),
                    copays=pick(("", "11=5.00|other=7")), annual_maximum=pick(("", "", "90.00")))  # fmt: skip
    if feed == "patients":
        born, on = pick(("2010-01-09", "1980-05-05")), pick(("2023-01-01", "2024-01-05"))
        return builders.patient(patient_id=patient_id, date_of_birth=born, last_modified_date=on)
    if feed == "coverages":
        until = pick(("", "", "2024-01-10"))
        return coverage(patient_id=patient_id, plan_id=pick(PLANS), covered_from=since, covered_to=until)
    if feed == "fee_schedules":
        return fee(plan_id=pick(PLANS), procedure_code=code, effective_from=since, modifier=pick(("", "", "25")),
                   allowed_amount=pick(("80.00", "33.33", "55.01")))  # fmt: skip
    if feed == "exclusions":
        kind = pick(("not_covered", "age_limit", "units_limit", "authorization_required", "sex_limit"))
        limits = {
            "age_limit": {"least_age": "18"},
            "units_limit": {"most_units_a_day": "1.5"},
            "sex_limit": {"sex": "f"},
        }
        about = pick(({"procedure_code": code}, {"procedure_code": code}, {"diagnosis_code": "E11"}))
        return exclusion(exclusion_id=pick(("E1", "E2", "E3")), plan_id=pick(("", *PLANS)), kind=kind,
                         effective_from=since, **{"procedure_code": ""} | about | limits.get(kind, {}))  # fmt: skip
    if feed == "procedure_edits":
        whole, part = rng.sample(PROCEDURES, 2)
        return edit(procedure_code=whole, bundled_code=part, modifier_indicator=pick("019"), effective_from=since)
    if feed == "authorizations":
        return authorization(authorization_number=pick(("A1", "A2", "A3")), patient_id=patient_id, procedure_code=code,
                             units=pick(("", "1", "2")), authorized_from=since)  # fmt: skip
    if feed == "code_sets":
        return medical.code(system="hcpcs" if code > "A" else "cpt", code=code, effective_from=since)
    return _line(rng, code)


def _line(rng: random.Random, code: str) -> dict[str, str]:
    """A line of one of few claims, most of them of one patient each."""
    pick, place = rng.choice, rng.randrange(7)
    frequency, day = pick("1111178"), pick(("2024-01-08", "2024-01-10", "2024-01-10"))
    patient_id = PATIENTS[place % len(PATIENTS)]
    if rng.random() < 0.15:  # it was another's, or will be
        patient_id = pick(PATIENTS)
    original = f"C{(place + len(PATIENTS) * pick((0, 1, 1, 2))) % 8}" if frequency in "78" else ""
    return medical.line(
        claim_id=f"C{place}", line_number=pick("112"), patient_id=patient_id, procedure_code=code,
        provider_npi=pick(("1234567893", "1234567893", "1000000004")), modifiers=pick(("", "", "25", "59")),
        diagnosis_codes=pick(("E119|I10", "I10")), date_of_service_from=day, date_of_service_to=day,
        units=pick(("1", "1", "2", "")), charge_amount=pick(("100.00", "60.00", "33.33")),
        prior_auth_number=pick(("", "A1", "A2")), frequency_code=frequency, original_claim_id=original,
        received_date=pick(("2024-01-20", "2024-01-20", "2024-01-31")),
    )  # fmt: skip
