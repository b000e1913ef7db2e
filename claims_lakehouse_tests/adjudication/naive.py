"""Adjudication as a clerk would do it: one patient, one moment, line by line, with counters. No SQL, nothing kept.

Written from decision 0014 and the rules' file. Where the record is silent, a comment that begins with "silent" says
how it is read here.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from claims_lakehouse.contracts import feed_named

Row = Mapping[str, Any]
Key = tuple[str, int]
#: Points of 100 by which two lines are alike, within what share of the larger amount and how many days (decision 0013).
SAME_CODE, LIKE_CODE, FOR_AMOUNT, FOR_DAYS, FOR_DIAGNOSES, WITHIN, DAYS = 35, 20, 25, 20, 20, Fraction(1, 10), 7
#: Rules that read the patient's other lines.
BESIDE = ("exact_duplicate", "near_duplicate", "bundled")
AMOUNTS = {
    "unauthorized_units": "unauthorized", "units_limit": "over_limit", "above_fee_schedule": "above_fee",
    "deductible": "deductible", "coinsurance": "coinsurance", "copay": "copay", "annual_maximum": "over_maximum",
}  # fmt: skip
NOTHING, CENT = Decimal("0.00"), Decimal("0.01")


@dataclass(frozen=True)
class Act:
    """What a person said to a line that says what `row` says; later ones of a world come later in its list."""

    row: Row
    day: date
    act: str
    settles: tuple[str, ...] = ()
    allowed: Decimal | None = None
    group: str | None = None


@dataclass(frozen=True)
class World:
    """Rows by feed, each with the day on which it was `received`, and what people said."""

    rows: Mapping[str, Sequence[Row]]
    acts: Sequence[Act] = ()
    #: What was found before: what is known of a feed at a moment is asked for again and again.
    found: dict[tuple[str, date], list[Row]] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:  # whole ones are too long to be read
        return f"World of {sum(map(len, self.rows.values()))} rows and {len(self.acts)} acts"


@dataclass(frozen=True)
class Rules:
    """A rule set as its file says it: each rule's name, outcome, group and evidence, and the groups of adjustments."""

    effective_from: date
    similarity: int
    #: Tests have a rule set that lets claims be so many days late.
    days_of_grace: int
    separate_modifiers: tuple[str, ...]
    rules: tuple[tuple[str, str, str | None, str | None], ...]
    groups: Mapping[str, str]

    @staticmethod
    def of(text: str) -> Rules:
        said = tomllib.loads(text)
        rules = [(one["name"], one["then"], one.get("group"), one.get("evidence")) for one in said["rule"]]
        alone, beside = ([one for one in rules if (one[0] in BESIDE) is is_beside] for is_beside in (False, True))
        groups = {name: one["group"] for name, one in said["adjustment"].items()}
        settings = said["settings"]
        [filing] = [one["when"] for one in said["rule"] if one["name"] == "late_filing"]
        grace = int(filing.partition("filing_days + ")[2] or 0)
        return Rules(
            said["effective_from"], settings["similarity"], grace, tuple(settings["separate_modifiers"]),
            (*alone, *beside), groups,
        )  # fmt: skip


@dataclass
class Line:
    """One line that is to be decided, what is known of it, and what comes of it."""

    row: Row
    rules: Rules
    replaces_unknown: bool
    filed_on: date
    plan_id: str | None = None
    terms: Row | None = None
    year_terms: Row | None = None
    authorization: Row | None = None
    units_limits: list[Row] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    act: Act | None = None
    settled: set[str] = field(default_factory=set)
    priced_by: Act | None = None
    agreed: Decimal = Decimal(0)
    left: Decimal = Decimal(0)
    limited_by: str | None = None
    is_payable: bool = False

    @property
    def key(self) -> Key:
        return key_of(self.row)

    @property
    def earlier(self) -> tuple[date, str, int]:
        """Its place beside other lines: a replacement is where what it replaces was."""
        return self.filed_on, *self.key

    @property
    def turn(self) -> tuple[date, date, str, int]:
        """When its amounts are counted."""
        return self.day, self.row["received_date"], *self.key

    @property
    def day(self) -> date:
        return self.row["date_of_service_from"]

    @property
    def units(self) -> Decimal:
        return Decimal(1) if self.row["units"] is None else self.row["units"]  # silent: a person let it pass without

    def fact(self, name: str | None) -> Any:
        return self.facts.get(name, self.row.get(name)) if name else None

    def causes(self, *, beside: bool | None = None) -> list[tuple[str, str, str]]:
        """The rules whose condition holds: name, outcome, and what it rests on."""
        found = []
        for name, then, _, evidence in self.rules.rules:
            if beside in (None, name in BESIDE) and CONDITIONS[name](self):
                rests_on = self.fact(evidence)
                found.append((name, then, "" if rests_on is None else str(rests_on)))
        return found

    def speaking(self, *, beside: bool | None = None) -> list[tuple[str, str, str]]:
        """Those that no person has settled."""
        return [one for one in self.causes(beside=beside) if f"{one[0]} {one[2]}" not in self.settled]


@dataclass(frozen=True)
class Decided:
    """What is decided of a line; `decision` is None where it is taken back, or only takes another one back."""

    decision: str | None
    charge: Decimal
    claim_version: int | None = None
    taken_back_by: str | None = None
    rule: str | None = None
    evidence: str | None = None
    pending_for: tuple[str, ...] | None = None
    causes: tuple[str, ...] | None = None
    allowed: Decimal | None = None
    paid: Decimal | None = None
    patient_share: Decimal | None = None
    denied: Decimal | None = None
    pending: Decimal | None = None
    unauthorized: Decimal | None = None
    over_limit: Decimal | None = None
    above_fee: Decimal | None = None
    deductible: Decimal | None = None
    coinsurance: Decimal | None = None
    copay: Decimal | None = None
    over_maximum: Decimal | None = None


NAMES = tuple(one.name for one in fields(Decided))


# --- What is known, and what stands ---


def versions(rows: Iterable[Row], feed: str, before: date) -> dict[tuple[Any, ...], list[Row]]:
    """The rows of each record that were received before a moment, in the order in which they hold, none repeated."""
    declared = feed_named(feed)
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row[declared.sequence or "received"], row["received"])):
        if row["received"] < before:
            of_record = found[tuple(row[name] for name in declared.key)]
            if not of_record or any(row.get(name) != of_record[-1].get(name) for name in declared.content):
                of_record.append(row)
    return found


def known(world: World, feed: str, before: date) -> list[Row]:
    if (feed, before) not in world.found:
        world.found[feed, before] = [rows[-1] for rows in versions(world.rows.get(feed, ()), feed, before).values()]
    return world.found[feed, before]


def key_of(row: Row) -> Key:
    return row["claim_id"], row["line_number"]


def name_of(key: Key) -> str:
    claim = key[0].replace("\\", "\\\\").replace("|", "\\|")
    return f"{claim}|{key[1]}"


def asks(row: Row) -> bool:
    """Whether a line replaces or voids something."""
    return row["frequency_code"] in ("7", "8") and row["original_claim_id"] is not None


def payers_number(row: Row) -> str:
    """By what remittances name a claim."""
    parts = (row["claim_id"], row["patient_id"], row.get("billing_npi") or row["provider_npi"])
    return hashlib.md5(chr(31).join(parts).encode()).hexdigest()[:15].upper()


def by_claim_id(rows: Iterable[Row], numbers: Mapping[str, str]) -> list[Row]:
    """Lines that name the claim that they replace by its own number, whichever number they gave."""
    given = "original_claim_id"
    return [{**row, given: numbers.get(row[given], row[given])} for row in rows]


def takers(lines: Sequence[Row], statements: Sequence[Row]) -> dict[Key, list[tuple[date, str]]]:
    """By which claims each line is taken back, and when these were received."""
    since: dict[tuple[str, str], date] = {}
    asking = {(row["original_claim_id"], row["claim_id"]) for row in lines if asks(row)}
    for row in statements:
        pair = (row["original_claim_id"], row["claim_id"])
        if asks(row) and pair in asking and pair[0] != pair[1]:
            since[pair] = max(since.get(pair, row["received"]), row["received"])
    found = defaultdict(list)
    for (original, taker), day in since.items():
        ring = ring_of(original, since)
        # Silent: of those of one received day the one with the greatest number stands.
        if (
            taker in ring
            and original == max((of, one) for (other, one), of in since.items() if other in ring and one in ring)[1]
        ):
            continue
        for row in lines:
            if row["claim_id"] == original:
                found[key_of(row)].append((day, taker))
    for row in lines:
        last = max(said["received"] for said in statements if key_of(said) == key_of(row))
        later = [
            said["received"] for said in statements
            if asks(said) and said["claim_id"] == said["original_claim_id"] == row["claim_id"]
            and said["received"] > last
        ]  # fmt: skip
        if later:
            found[key_of(row)].append((max(later), row["claim_id"]))
    return found


def ring_of(claim: str, pairs: Iterable[tuple[str, str]]) -> set[str]:
    """The claims that replace each other with this one, whomever over; none where it is in no ring."""

    def before(one: str) -> set[str]:
        found = [one]
        for other in found:
            found += [original for original, taker in pairs if taker == other and original not in found[1:]]
        return set(found[1:])

    return {one for one in before(claim) if claim in before(one)}


def filed_on(row: Row, statements: Sequence[Row]) -> date:
    """When a claim was first received; of one that replaces, when the first of the chain of claims before it was."""
    claims = [row["claim_id"]]
    for claim in claims if asks(row) else []:
        for said in statements:
            if said["claim_id"] == claim and asks(said) and said["original_claim_id"] not in claims:
                claims.append(said["original_claim_id"])
    return min(said["received_date"] for said in statements if said["claim_id"] in claims)


def stands(
    world: World, rule_sets: Sequence[Rules], patient: str, before: date
) -> tuple[list[Line], dict[Key, Decided]]:
    """The patient's lines that are to be decided, and what is said of those that are not."""
    said = [row for row in world.rows["medical_claims"] if row["patient_id"] == patient]
    numbers = {payers_number(row): row["claim_id"] for row in said if row["received"] < before}
    stood = [row for row in known(world, "medical_claims", before) if row["patient_id"] == patient]
    rows, statements = by_claim_id(stood, numbers), by_claim_id(said, numbers)
    statements = [row for row in statements if row["received"] < before]
    as_given = {key_of(row): row for row in stood}
    claims = {row["claim_id"] for row in rows}
    taken = takers(rows, statements)
    lines, others = [], {}
    for row in rows:
        key, has_original = key_of(row), False
        if asks(row) and row["original_claim_id"] == row["claim_id"]:
            # Silent: of its own number something is there to be replaced only where there was an earlier statement.
            has_original = any(
                said["claim_id"] == row["claim_id"] and said["received"] < row["received"] for said in statements
            )
        elif asks(row):
            has_original = row["original_claim_id"] in claims
        if key in taken or (row["frequency_code"] == "8" and has_original):
            by = max(taken[key])[1] if key in taken else None
            others[key] = Decided(None, row["charge_amount"], taken_back_by=by)
            continue
        in_force = [one for one in rule_sets if one.effective_from <= row["received"]] or [rule_sets[0]]
        filed = filed_on(row, statements)
        lines.append(Line(as_given[key], in_force[-1], asks(row) and not has_original, filed))
    return lines, others


# --- Facts of a line by itself ---


def holds(row: Row, day: date, what: str = "effective") -> bool:
    return row[f"{what}_from"] <= day and (row[f"{what}_to"] is None or day <= row[f"{what}_to"])


def valid_on(terms: Sequence[Row], day: date) -> Row:
    """The version that was there on a day; the first one for the time before it."""
    return [terms[0], *(row for row in terms if row["received"] <= day)][-1]


def pointed_to(row: Row) -> list[str]:
    """The diagnoses that the service was for; all of them where the line does not say which."""
    diagnoses = row["diagnosis_codes"].split("|")
    if not row["diagnosis_pointers"]:
        return diagnoses
    return [diagnoses[int(pointer) - 1] for pointer in row["diagnosis_pointers"].split("|")]


def whole_years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def fee_of(world: World, line: Line, before: date) -> Decimal | None:
    fees = [
        fee for fee in known(world, "fee_schedules", before)
        if fee["plan_id"] == line.plan_id and fee["procedure_code"] == line.row["procedure_code"]
        and holds(fee, line.day)
    ]  # fmt: skip
    for modifier in [*(line.row["modifiers"] or "").split("|"), ""]:
        priced = [fee for fee in fees if modifier == fee["modifier"]] if modifier else []
        if modifier and priced:
            return max(priced, key=lambda fee: fee["effective_from"])["allowed_amount"]
    plain = [fee for fee in fees if fee["modifier"] == ""]
    return max(plain, key=lambda fee: fee["effective_from"])["allowed_amount"] if plain else None


def learn(world: World, line: Line, before: date) -> None:
    """The facts of a line by itself, as of its first day."""
    row, day, facts = line.row, line.day, line.facts
    coverages = [one for one in known(world, "coverages", before) if one["patient_id"] == row["patient_id"]]
    holding = [one for one in coverages if holds(one, day, "covered")]
    facts["coverage_count"], facts["is_covered"] = len(coverages), bool(holding)
    facts["covered_since"] = min((one["covered_from"] for one in coverages), default=None)
    if holding:  # silent: of two that began on one day, the one with the greater number
        line.plan_id = max((one["covered_from"], one["plan_id"]) for one in holding)[1]
    facts["plan_id"] = line.plan_id
    terms = versions(world.rows.get("plans", ()), "plans", before).get((line.plan_id,))
    if terms:
        line.terms, line.year_terms = valid_on(terms, day), valid_on(terms, date(day.year, 1, 1))
    facts["plan_is_known"] = terms is not None
    facts["filing_days"] = line.terms["timely_filing_days"] if line.terms else None
    facts["days_to_receipt"] = (line.filed_on - (row["date_of_service_to"] or day)).days
    facts["fee"] = fee_of(world, line, before)
    system = "cpt" if row["procedure_code"] < "A" else "hcpcs"
    codes = [one for one in known(world, "code_sets", before) if one["system"] == system]
    if codes:
        facts["procedure_is_known"] = any(one["code"] == row["procedure_code"] and holds(one, day) for one in codes)
    learn_limits(world, line, before)
    for one in known(world, "authorizations", before):
        agreed = (
            one["authorization_number"] == row["prior_auth_number"] and one["patient_id"] == row["patient_id"]
            and one["procedure_code"] == row["procedure_code"]
            and one["provider_npi"] in (None, row["provider_npi"]) and holds(one, day, "authorized")
        )  # fmt: skip
        if agreed:
            line.authorization, facts["authorized_by"] = one, one["authorization_number"]


def learn_limits(world: World, line: Line, before: date) -> None:
    born = {one["patient_id"]: one["date_of_birth"] for one in known(world, "patients", before)}
    found = defaultdict(list)
    for one in known(world, "exclusions", before):
        applies = (
            one["plan_id"] in (None, line.plan_id) and one["procedure_code"] in (None, line.row["procedure_code"])
            and (one["diagnosis_code"] is None
                 or any(code.startswith(one["diagnosis_code"]) for code in pointed_to(line.row)))
            and holds(one, line.day)
        )  # fmt: skip
        if not applies:
            continue
        kind = one["kind"]
        if kind == "age_limit":
            if line.row["patient_id"] not in born:
                line.facts["age_is_unknown"] = True
                continue
            age = whole_years(born[line.row["patient_id"]], line.day)
            least, most = one["least_age"], one["most_age"]
            if (least is None or age >= least) and (most is None or age <= most):
                continue
        found[kind].append(one)
    first = {kind: min(one["exclusion_id"] for one in some) for kind, some in found.items()}  # silent: which of several
    line.facts["not_covered_by"] = first.get("not_covered")
    line.facts["outside_age_of"] = first.get("age_limit")
    line.facts["sex_limit_of"] = first.get("sex_limit")
    line.facts["needs_authorization"] = "authorization_required" in found
    line.units_limits = found["units_limit"]


# --- Facts beside other lines ---


def half_up(number: Fraction) -> int:
    """The nearest whole number, the greater of two."""
    return (number + Fraction(1, 2)).__floor__()


def likeness(line: Line, other: Line) -> int:
    """Points of 100 by which two lines are alike."""
    one, two = line.row, other.row
    days = abs((line.day - other.day).days)
    if (
        one["provider_npi"] != two["provider_npi"]
        or days > DAYS
        or one["procedure_code"][:4] != two["procedure_code"][:4]
    ):
        return 0
    charges = Fraction(one["charge_amount"]), Fraction(two["charge_amount"])
    apart = abs(charges[0] - charges[1]) / max(*charges, Fraction(1, 100))
    # Silent: the diagnoses that are compared are those that the lines point to.
    diagnoses = set(pointed_to(one)), set(pointed_to(two))
    amount = half_up(FOR_AMOUNT * max(Fraction(0), 1 - apart / WITHIN))
    return (
        (SAME_CODE if one["procedure_code"] == two["procedure_code"] else LIKE_CODE)
        + amount
        + half_up(FOR_DAYS * (1 - Fraction(days, DAYS)))
        + half_up(Fraction(FOR_DIAGNOSES * len(diagnoses[0] & diagnoses[1]), max(map(len, diagnoses))))
    )


def compare(world: World, lines: Sequence[Line], before: date) -> None:
    """The facts of lines beside each other; `lines` has none that is denied by itself, and no void."""

    def act(line: Line) -> tuple[Any, ...]:
        return (
            line.day,
            line.row["provider_npi"],
            line.row["procedure_code"],
            sorted((line.row["modifiers"] or "").split("|")),
        )

    repeating = set()
    for line in lines:
        same = [other for other in lines if other.earlier < line.earlier and act(other) == act(line)]
        if same:
            line.facts["duplicate_of"] = name_of(min(same, key=lambda other: other.earlier).key)
            repeating.add(line.key)
    # Silent: lines that repeat others are like none, and none is like them.
    single = [line for line in lines if line.key not in repeating]
    for line in single:
        alike = []
        for other in single:
            if other.row["claim_id"] != line.row["claim_id"] and other.earlier < line.earlier:
                alike.append((-likeness(line, other), name_of(other.key)))
        if alike and -min(alike)[0] >= line.rules.similarity:
            line.facts["similarity"], line.facts["similar_to"] = -min(alike)[0], min(alike)[1]
    some = [line for line in lines if line.key not in repeating or (line.act and line.act.act == "approved")]
    for line in some:
        wholes = []
        for edit in known(world, "procedure_edits", before):
            if edit["bundled_code"] != line.row["procedure_code"] or edit["modifier_indicator"] == "9":
                continue
            for other in some:
                is_whole = (
                    other is not line and other.day == line.day
                    and other.row["procedure_code"] == edit["procedure_code"]
                    and other.row["provider_npi"] == line.row["provider_npi"] and holds(edit, line.day)
                )  # fmt: skip
                modifiers = {*(line.row["modifiers"] or "").split("|"), *(other.row["modifiers"] or "").split("|")}
                is_separate = edit["modifier_indicator"] == "1" and modifiers & set(line.rules.separate_modifiers)
                if is_whole and not is_separate:
                    wholes.append(other.key)
        if wholes:  # silent: of several, the one with the least number
            line.facts["part_of"] = name_of(min(wholes))


# --- Rules ---

CONDITIONS: Mapping[str, Callable[[Line], bool]] = {
    "not_a_member": lambda line: line.fact("coverage_count") == 0,
    "before_coverage": lambda line: (
        line.fact("coverage_count") > 0 and not line.fact("is_covered") and line.day < line.fact("covered_since")
    ),
    "after_coverage": lambda line: (
        line.fact("coverage_count") > 0 and not line.fact("is_covered") and line.day >= line.fact("covered_since")
    ),
    "plan_unknown": lambda line: line.fact("is_covered") and not line.fact("plan_is_known"),
    "late_filing": lambda line: (
        line.fact("filing_days") is not None
        and line.fact("days_to_receipt") > line.fact("filing_days") + line.rules.days_of_grace
    ),
    "original_unknown": lambda line: line.replaces_unknown,
    "units_missing": lambda line: line.fact("units") is None,
    "place_missing": lambda line: line.fact("place_of_service") is None,
    "procedure_unknown": lambda line: line.fact("procedure_is_known") is False,
    "no_authorization": lambda line: line.fact("needs_authorization") and line.fact("authorized_by") is None,
    "not_covered": lambda line: line.fact("not_covered_by") is not None,
    "outside_age": lambda line: line.fact("outside_age_of") is not None,
    "age_unknown": lambda line: line.fact("age_is_unknown") is True,
    "sex_to_be_checked": lambda line: line.fact("sex_limit_of") is not None,
    "exact_duplicate": lambda line: line.fact("duplicate_of") is not None,
    "near_duplicate": lambda line: line.fact("similarity") is not None,
    "bundled": lambda line: line.fact("part_of") is not None,
    "no_price": lambda line: (
        line.fact("is_covered") and line.fact("plan_is_known") and (line.fact("fee") or NOTHING) == 0
    ),
}


def hear(world: World, line: Line, before: date) -> None:
    """What people said to the line as it is: the last word decides, what they approved or appealed stays settled."""
    content = feed_named("medical_claims").content
    for act in world.acts:
        is_of_line = key_of(act.row) == line.key and act.day < before
        if is_of_line and all(act.row[name] == line.row[name] for name in content):
            line.act = act
            line.settled |= set(act.settles) if act.act != "denied" else set()
            line.priced_by = act if act.allowed is not None else line.priced_by


def holds_still(act: Act | None, line: Line) -> bool:
    """Whether one of the causes that a person saw speaks still; those about amounts always do."""
    if act is None or not act.settles:
        return act is not None
    causes = {f"{name} {evidence}" for name, _, evidence in line.causes()}
    return any(one in causes or one.split(" ")[0] in AMOUNTS for one in act.settles)


def weigh(world: World, lines: Sequence[Line], before: date) -> None:
    """Facts beside other lines, and what people's words are worth: whom they denied counts until they lapse."""
    for is_first in (True, False):
        for line in lines:
            for name in ("duplicate_of", "similarity", "similar_to", "part_of"):
                line.facts.pop(name, None)
        counting = [
            line for line in lines
            if line.row["frequency_code"] != "8"
            and not any(then == "deny" for _, then, _ in line.speaking(beside=False))
            and (is_first or line.act is None or line.act.act != "denied")
        ]  # fmt: skip
        compare(world, counting, before)
        if is_first:
            for line in lines:
                line.act = line.act if holds_still(line.act, line) else None
                line.priced_by = line.priced_by if holds_still(line.priced_by, line) else None


# --- Amounts ---


def to_the_cent(number: Fraction) -> Decimal:
    return Decimal(half_up(number * 100)) / 100


def share(line: Line, units: Decimal) -> Decimal:
    """The share of the charge that some of the line's units have."""
    return to_the_cent(Fraction(line.row["charge_amount"]) * Fraction(units) / Fraction(line.units))


def copay_at(terms: Row | None, place: str | None) -> Decimal:
    """What a visit costs at a place; nothing where there is no place (silent)."""
    pairs = dict(pair.split("=") for pair in (terms["copays"] or "").split("|") if pair) if terms and place else {}
    return Decimal(pairs.get(place, pairs.get("other", "0")))


class Counters:
    """What was taken so far of everything that has an end."""

    def __init__(self) -> None:
        self.taken: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)

    def take(self, name: tuple[Any, ...], wanted: Decimal, most: Decimal | None) -> Decimal:
        """As much of what is wanted as is left, all where there is no end."""
        got = wanted if most is None else min(wanted, max(Decimal(0), most - self.taken[name]))
        self.taken[name] += got
        return got


def count_units(lines: Sequence[Line]) -> None:
    """Which of their units lines are paid for: each limit runs over all lines before the next, the strictest first.

    Silent: the authorizations' before those, whatever the limits leave of what they agreed to.
    """
    counters = Counters()
    for line in lines:
        line.agreed = line.units
        if line.authorization:
            # Silent: a line that needs no authorization is not held to the one it names, but uses it up.
            number, most = line.authorization["authorization_number"], line.authorization["units"]
            got = counters.take(("authorization", number), line.units, most)
            if line.fact("needs_authorization") and f"unauthorized_units {number}" not in line.settled:
                line.agreed = got
        line.left = line.agreed
    limits = {one["exclusion_id"]: one for line in lines for one in line.units_limits}
    for limit in sorted(limits.values(), key=lambda one: (one["most_units_a_day"], one["exclusion_id"])):
        for line in lines:
            if limit in line.units_limits and f"units_limit {limit['exclusion_id']}" not in line.settled:
                got = counters.take(("limit", limit["exclusion_id"], line.day), line.left, limit["most_units_a_day"])
                line.limited_by = limit["exclusion_id"] if got < line.left else line.limited_by
                line.left = got


def pay(line: Line, counters: Counters) -> Decided:
    """What of a line's charge is paid, and what becomes of the rest."""
    row, charge = line.row, line.row["charge_amount"]
    unauthorized = share(line, line.units - line.agreed)
    over_limit = share(line, line.units - line.left) - unauthorized
    remaining = charge - unauthorized - over_limit
    # Silent: to the cent, and a cent at least for whatever part of a unit; a person's word instead of the fee.
    priced = max(to_the_cent(Fraction(line.fact("fee") or 0) * Fraction(line.left)), CENT)
    if line.priced_by and line.priced_by.allowed is not None:
        priced = line.priced_by.allowed
    allowed = min(remaining, priced) if line.left else NOTHING
    terms, year_terms = line.terms or {}, line.year_terms or {}
    year = (line.plan_id, line.day.year)
    deductible = counters.take(("deductible", *year), allowed, year_terms.get("deductible", NOTHING))
    rest = allowed - deductible
    plan_part = to_the_cent(Fraction(rest) * (100 - Fraction(terms.get("coinsurance", 0))) / 100)
    visit = ("copay", row["claim_id"], line.day, row["place_of_service"])
    copay = counters.take(visit, plan_part, copay_at(line.terms, row["place_of_service"]))
    most = None if "annual_maximum " in line.settled else year_terms.get("annual_maximum")
    paid = counters.take(("paid", *year), plan_part - copay, most)
    amounts = {
        "unauthorized": unauthorized, "over_limit": over_limit, "above_fee": remaining - allowed,
        "deductible": deductible, "coinsurance": rest - plan_part, "copay": copay,
        "over_maximum": plan_part - copay - paid,
    }  # fmt: skip
    limits = [name for name in ("unauthorized_units", "units_limit", "annual_maximum") if amounts[AMOUNTS[name]] > 0]
    if (charge > 0 and remaining == 0) or (paid == 0 and amounts["over_maximum"] > 0):
        decision = "denied"
    else:
        decision = "partial" if limits else "approved"
    rests_on = {"unauthorized_units": line.fact("authorized_by"), "units_limit": line.limited_by}
    rule = limits[0] if limits else None  # silent: of several, the first that takes
    theirs = sum((amounts[AMOUNTS[name]] for name in AMOUNTS if line.rules.groups[name] == "PR"), NOTHING)
    return Decided(
        decision, charge, rule=rule, evidence=rests_on.get(rule or ""), allowed=allowed, paid=paid,
        causes=(f"{rule} {rests_on.get(rule) or ''}",) if rule else None,
        patient_share=theirs, denied=NOTHING, pending=NOTHING, **amounts,
    )  # fmt: skip


def not_paid(line: Line) -> Decided | None:
    """What becomes of a line that is denied or waits; None where it is neither."""
    charge, said, speaking = line.row["charge_amount"], line.act.act if line.act else None, line.speaking()
    denying = [(name, evidence) for name, then, evidence in speaking if then == "deny"]
    pending = [(name, evidence) for name, then, evidence in speaking if then == "pend"]
    none = dict.fromkeys(("allowed", "paid", *AMOUNTS.values()), NOTHING)
    groups = {name: group for name, _, group, _ in line.rules.rules}
    if line.act and said == "appealed":
        return Decided(
            "pending", charge, pending_for=("appealed",), causes=line.act.settles, patient_share=NOTHING,
            denied=NOTHING, pending=charge, **none,
        )  # fmt: skip
    if line.act and said == "denied":
        theirs = charge if line.act.group == "PR" else NOTHING
        return Decided(
            "denied", charge, rule="reviewed", causes=line.act.settles, patient_share=theirs, denied=charge,
            pending=NOTHING, **none,
        )  # fmt: skip
    if denying:
        name, evidence = denying[0]
        theirs = charge if groups[name] == "PR" else NOTHING
        return Decided(
            "denied", charge, rule=name, evidence=evidence or None, causes=(f"{name} {evidence}",),
            patient_share=theirs, denied=charge, pending=NOTHING, **none,
        )  # fmt: skip
    if pending:
        return Decided(
            "pending", charge, evidence=pending[0][1] or None, pending_for=tuple(name for name, _ in pending),
            causes=tuple(f"{name} {evidence}" for name, evidence in pending),
            patient_share=NOTHING, denied=NOTHING, pending=charge, **none,
        )  # fmt: skip
    return None


def claim_versions(world: World, patient: str, before: date) -> Mapping[str, int]:
    """On how many days something new was received of each of the patient's claims."""
    days = defaultdict(set)
    for rows in versions(world.rows["medical_claims"], "medical_claims", before).values():
        for row in rows:
            if row["patient_id"] == patient:
                days[row["claim_id"]].add(row["received"])
    return {claim: len(some) for claim, some in days.items()}


def decided(
    world: World, rule_sets: Sequence[Rules], patient: str, before: date
) -> tuple[dict[Key, Decided], dict[Key, Line]]:
    """What is decided of each of the patient's lines by what had been received before a day, and what was known."""
    lines, found = stands(world, rule_sets, patient, before)
    lines.sort(key=lambda line: line.turn)
    for line in lines:
        learn(world, line, before)
        hear(world, line, before)
    weigh(world, lines, before)
    for line in lines:
        line.is_payable = not_paid(line) is None
    count_units([line for line in lines if line.is_payable])
    counters, statements = Counters(), claim_versions(world, patient, before)
    for line in lines:
        outcome = pay(line, counters) if line.is_payable else not_paid(line)
        found[line.key] = replace(outcome, claim_version=statements[line.row["claim_id"]])
    return found, {line.key: line for line in lines}


def day_after(day: date) -> date:
    return day + timedelta(days=1)
