"""Duplicates are a function of the set of deliveries: as all pairs of lines say, whatever order they came in."""

from __future__ import annotations

import random
from datetime import date, datetime
from typing import Any, NamedTuple

import pytest

from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.history import acts
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.medical import line, npi

RULES = "rule IN ('exact_duplicate', 'near_duplicate')"


class Line(NamedTuple):
    """A current line and its place in the order of deliveries and rows."""

    place: tuple[datetime, str, int]
    said: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.said['claim_id']}|{self.said['line_number']}"

    def act(self) -> tuple[str, ...]:
        return tuple(
            self.said[name]
            for name in ("patient_id", "date_of_service_from", "provider_npi", "procedure_code", "modifiers")
        )


def expected(deliveries: dict[str, list[dict[str, str]]]) -> dict[tuple[str, int], tuple[str, str]]:
    """What all pairs of lines say: (delivery, row) -> (rule, the line named)."""
    current: dict[str, Line] = {}
    for key in sorted(deliveries):
        for row, said in enumerate(deliveries[key], start=1):
            one = Line((datetime.fromisoformat(key), key, row), said)
            before = current.get(one.name)
            if before is None or before.said != said:
                current[one.name] = one
    gone = {
        (one.said["patient_id"], one.said["original_claim_id"])
        for one in current.values()
        if one.said["frequency_code"] in "78" and one.said["original_claim_id"] != one.said["claim_id"]
    }
    lines = sorted(
        (
            one
            for one in current.values()
            if one.said["frequency_code"] != "8" and (one.said["patient_id"], one.said["claim_id"]) not in gone
        ),
        key=lambda one: one.place,
    )
    found = {}
    for nth, later in enumerate(lines):
        same = [one for one in lines[:nth] if one.act() == later.act()]
        if same:
            found[later.place[1:]] = ("exact_duplicate", same[0].name)
            continue
        best = max(((points(one, later), -n, one.name) for n, one in enumerate(lines[:nth])), default=(0, 0, ""))
        if best[0] >= 85:
            found[later.place[1:]] = ("near_duplicate", best[2])
    return found


def points(one: Line, other: Line) -> float:
    """How much two lines have in common, in points of 100; 0 where they are not compared."""
    a, b = one.said, other.said
    days = abs((date.fromisoformat(a["date_of_service_from"]) - date.fromisoformat(b["date_of_service_from"])).days)
    if any(a[name] != b[name] for name in ("patient_id", "provider_npi")) or a["claim_id"] == b["claim_id"] or days > 7:
        return 0
    code = 35 if a["procedure_code"] == b["procedure_code"] else 20
    if a["procedure_code"][:4] != b["procedure_code"][:4]:
        return 0
    amounts = [float(each["charge_amount"]) for each in (a, b)]
    amount = round(25 * max(0, 1 - abs(amounts[0] - amounts[1]) / max(amounts) / 0.10) + 1e-9)
    diagnoses = [set(each["diagnosis_codes"].split("|")) for each in (a, b)]
    shared = 20 * len(diagnoses[0] & diagnoses[1]) / max(map(len, diagnoses))
    return code + amount + round(20 * (1 - days / 7) + 1e-9) + round(shared + 1e-9)


def found(lakehouse: Lakehouse) -> dict[tuple[str, int], tuple[str, str]]:
    rows = lakehouse.rows(f"SELECT delivery, row_number, rule, value FROM issue WHERE {RULES} AND status = 'open'")
    return {(delivery, row): (rule, value.split(":")[0]) for delivery, row, rule, value in rows}


def random_deliveries(rng: random.Random) -> dict[str, list[dict[str, str]]]:
    """A few deliveries with few patients, days and codes, so that much is alike."""
    deliveries = {}
    for number in range(1, 5):
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for _ in range(20):
            claim = f"C{rng.randrange(18)}"
            frequency = rng.choice("1" * 14 + "78")
            said = line(
                claim_id=claim,
                line_number=str(rng.randint(1, 2)),
                patient_id=rng.choice("AB"),
                provider_npi=npi(f"12345678{rng.randrange(2)}"),
                procedure_code=rng.choice(("99213", "99214", "85025")),
                modifiers=rng.choice(("", "25")),
                date_of_service_from=f"2024-01-{rng.randint(5, 14):02}",
                date_of_service_to="2024-01-31",
                received_date="2024-02-01",
                charge_amount=rng.choice(("100.00", "103.00", "150.00")),
                diagnosis_codes=rng.choice(("I10", "I10|E119", "E119")),
                frequency_code=frequency,
                original_claim_id=f"C{rng.randrange(12)}" if frequency != "1" or rng.random() < 0.1 else "",
            )
            rows[claim, said["line_number"]] = said
        deliveries[f"2024-02-0{number}"] = list(rows.values())
    return deliveries


@pytest.mark.parametrize("seed", [1, 3, 7])
def test_whatever_the_order_they_are_those_of_all_pairs(lakehouse: Lakehouse, seed: int) -> None:
    rng = random.Random(seed)
    deliveries = random_deliveries(rng)
    order = list(deliveries)
    rng.shuffle(order)
    for key in order:
        if rng.random() < 0.4:  # it says something else first
            lakehouse.land("medical_claims", key, rng.choice(list(deliveries.values())))
            lakehouse.process("medical_claims", key)
        lakehouse.land("medical_claims", key, deliveries[key])
        assert lakehouse.process("medical_claims", key) is None
    lakehouse.ingest()
    assert found(lakehouse) == expected(deliveries)
    assert {rule for rule, _ in found(lakehouse).values()} == {"exact_duplicate", "near_duplicate"}
    gone = rng.choice(order)
    acts.retract(lakehouse.settings, MEDICAL_CLAIMS, gone, because="test", who="test")
    lakehouse.ingest()
    del deliveries[gone]
    assert found(lakehouse) == expected(deliveries)


def test_a_near_duplicate_says_why(lakehouse: Lakehouse) -> None:
    again = line(
        claim_id="C2", date_of_service_from="2024-01-11", date_of_service_to="2024-01-11", charge_amount="99.00"
    )
    lakehouse.land("medical_claims", "2024-02-01", [line(), again])
    lakehouse.ingest()
    [(rule, value, severity)] = lakehouse.rows(f"SELECT rule, value, severity FROM issue WHERE {RULES}")
    assert (rule, severity) == ("near_duplicate", "warning")
    assert value == "C1|1: 95 of 100 (procedure 35, amount 23, 1 day apart 17, diagnoses 20)"


def test_a_replacement_is_no_duplicate_of_what_it_replaces(lakehouse: Lakehouse) -> None:
    replacement: dict[str, Any] = line(claim_id="C2", frequency_code="7", original_claim_id="C1")
    lakehouse.land("medical_claims", "2024-02-01", [line(), replacement])
    lakehouse.ingest()
    assert found(lakehouse) == {}


def test_a_claim_that_replaces_itself_is_a_duplicate_like_any_other(lakehouse: Lakehouse) -> None:
    lakehouse.land(
        "medical_claims", "2024-02-01", [line(frequency_code="7", original_claim_id="C1"), line(claim_id="C2")]
    )
    lakehouse.ingest()
    assert found(lakehouse) == {("2024-02-01", 2): ("exact_duplicate", "C1|1")}


def test_a_diagnosis_that_is_said_twice_counts_once(lakehouse: Lakehouse) -> None:
    again = line(claim_id="C2", modifiers="25", diagnosis_codes="E119|E119|I10")
    lakehouse.land("medical_claims", "2024-02-01", [line(), again])
    lakehouse.ingest()
    [(value,)] = lakehouse.rows(f"SELECT value FROM issue WHERE {RULES}")
    assert value.startswith("C1|1: 100 of 100")
