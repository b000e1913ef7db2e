"""Claims at the desk: lines that wait for a person, what was said of them just now, and addresses that name nobody."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

from claims_lakehouse.adjudication.acts import SeenLine, acts_look
from claims_lakehouse.adjudication.rule_set import APPEALED
from claims_lakehouse.contracts import MEDICAL_CLAIMS
from claims_lakehouse.desk.reading import Reading
from claims_lakehouse.errors import NoSuchClaim
from claims_lakehouse.files import parsed_line
from claims_lakehouse.settings import Settings

PAGE_ROWS = 50
#: Why a line waits that a person opened again: no rule says so.
OPENED_AGAIN = "A person opened the line again."
#: Of how many claims the names are remembered, so that nobody has to look for them.
_REMEMBERED = 50_000


class Line(NamedTuple):
    """Which line of which claim."""

    claim_id: str
    line_number: int


class Unsettled(NamedTuple):
    """What a person said of a line, and no publication knows yet: which act, and who."""

    act: str
    who: str


@dataclass(frozen=True)
class Filters:
    """Which waiting lines are meant; None for any. `text` occurs in the claim's number, and so stands in no address."""

    rule: str | None = None
    text: str | None = None


class Cause(NamedTuple):
    """A rule for which a line waits, and what a member is told of it."""

    rule: str
    reason: str


class PendedLine(NamedTuple):
    """A line that waits for a person, since when, and why."""

    line: Line
    since: date
    charge: Decimal
    procedure: str
    modifiers: str | None
    causes: list[Cause]


class PendedPage(NamedTuple):
    """Some of the lines that are meant, and how many there are of them."""

    lines: list[PendedLine]
    total: int
    page: int
    pages: int


class ClaimNames:
    """Names of claims that may stand in an address: without the key nobody can tell which number one is of."""

    def __init__(self, key: str) -> None:
        """`key` is the desk's own, and always the same: an address that somebody kept leads on to its claim."""
        self._key = key
        self._known: dict[str, str] = {}

    def name(self, claim_id: str) -> str:
        """The name of a claim."""
        name = sha256(f"{self._key}{claim_id}".encode()).hexdigest()[:32]
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = claim_id
        return name

    def claim(self, reading: Reading, name: str) -> str:
        """The claim of that name; NoSuchClaim where there is none."""
        if name not in self._known:
            found = reading.ask(
                f"SELECT claim_id FROM ({_EVERY_CLAIM}) WHERE left(sha256(concat($key, claim_id)), 32) = $name LIMIT 1",
                {"key": self._key, "name": name},
            )
            if not found:
                raise NoSuchClaim(f"There is no claim '{name[:40]}' in what is published.")
            self._known[name] = str(found[0][0])
        return self._known[name]


def is_known(reading: Reading, claim_id: str) -> bool:
    """Whether something is known of a claim."""
    sql = f"SELECT 1 FROM ({_EVERY_CLAIM}) WHERE claim_id = $claim LIMIT 1"
    return bool(reading.ask(sql, {"claim": claim_id}))


def list_pended(reading: Reading, filters: Filters, *, page: int = 1, rows: int = PAGE_ROWS) -> PendedPage:
    """One page of the lines that wait, oldest received day first; a page past the end is the last."""
    where, values = "true", dict[str, object]()
    if filters.rule is not None:
        where, values["rule"] = f"{where} AND list_contains(pending_for, $rule)", filters.rule
    if filters.text is not None:
        where, values["text"] = f"{where} AND contains(lower(claim_id), $text)", filters.text.lower()
    [(total,)] = reading.ask(f"SELECT count(*) FROM internal.line_decision WHERE {_WAITING} AND {where}", values)
    pages = max(1, -(-int(total) // rows))
    page = min(max(1, page), pages)
    told = _reasons(reading)
    found = reading.ask(
        f"{_WAITING_SINCE.format(where=where)} LIMIT $rows OFFSET $skip",
        {**values, "rows": rows, "skip": (page - 1) * rows},
    )
    lines = []
    for claim, number, day, charge, procedure, modifiers, rules, rule_set in found:
        causes = [Cause(rule, told.get((rule_set, rule), OPENED_AGAIN if rule == APPEALED else "")) for rule in rules]
        lines.append(PendedLine(Line(claim, number), day, charge, procedure or "", modifiers, causes))
    return PendedPage(lines, int(total), page, pages)


def waiting_by_rule(reading: Reading) -> list[tuple[str, int]]:
    """How many lines wait for each rule, most first; a line that waits for several counts for each."""
    found: list[tuple[str, int]] = reading.once(
        "waiting by rule",
        lambda: reading.ask(
            "SELECT rule, count(*) AS n FROM (SELECT unnest(pending_for) AS rule FROM internal.line_decision"
            f" WHERE {_WAITING}) GROUP BY rule ORDER BY n DESC, rule"
        ),
    )
    return found


def waiting(reading: Reading) -> int:
    """How many lines wait."""
    sql = f"SELECT count(*) FROM internal.line_decision WHERE {_WAITING}"
    return int(reading.once("waiting", lambda: reading.ask(sql)[0][0]))


def unsettled(reading: Reading, settings: Settings) -> dict[Line, Unsettled]:
    """What people said of lines that the publication does not have; the last word about each."""
    found: dict[Line, Unsettled] = reading.once(
        f"unsettled {acts_look(settings)}", lambda: _unsettled(reading, settings)
    )
    return found


def _unsettled(reading: Reading, settings: Settings) -> dict[Line, Unsettled]:
    known = {
        (Line(claim, number), at)
        for claim, number, at in reading.ask("SELECT claim_id, line_number, happened_at FROM internal.claim_act")
    }
    texts: list[bytes] = []
    for path in sorted(settings.claim_acts("").parent.glob("*.jsonl")):
        with suppress(FileNotFoundError):  # its delivery was purged this moment
            texts += path.read_bytes().split(b"\n")
    said: dict[Line, list[tuple[datetime, Unsettled]]] = defaultdict(list)
    for text in texts:
        try:
            one = parsed_line(text)
            line, at = Line(one["claim_id"], int(one["line_number"])), datetime.fromisoformat(one["at"])
            act = Unsettled(str(one["act"]), str(one["who"]))
        except (ValueError, TypeError, KeyError):
            continue
        if (line, at) not in known:
            said[line].append((at, act))
    return {line: max(acts)[1] for line, acts in said.items()}


def token(seen: SeenLine) -> str:
    """What tells a line as a person saw it from the same line as it stands later."""
    return sha256(repr(tuple(seen)).encode()).hexdigest()[:24]


def line_of(named: str) -> Line:
    """The line that a fact names as `claim|line`."""
    claim, _, number = named.rpartition("|")
    return Line(re.sub(r"\\(.)", r"\1", claim), int(number))


def _reasons(reading: Reading) -> dict[tuple[str, str], str]:
    """What a member is told where a rule of a rule set has a line wait."""
    sql = "SELECT rule_set, rule, reason FROM internal.rule WHERE outcome = 'pend'"
    return {(rule_set, rule): reason for rule_set, rule, reason in reading.ask(sql)}


_WAITING = "is_current AND decision = 'pending'"
#: One row is one line that waits, and since which received day it has done so, whatever else changed meanwhile.
_WAITING_SINCE = f"""
WITH waiting AS (FROM internal.line_decision WHERE {_WAITING} AND {{where}}),
past AS (
    SELECT patient_id, claim_id, line_number, day, decision,
           lag(decision) OVER (PARTITION BY patient_id, claim_id, line_number ORDER BY day) AS decision_before
    FROM internal.line_decision SEMI JOIN waiting USING (patient_id, claim_id, line_number)
),
begun AS (
    SELECT patient_id, claim_id, line_number, max(day) AS since FROM past
    WHERE decision = 'pending' AND decision_before IS DISTINCT FROM 'pending' GROUP BY ALL
)
SELECT waiting.claim_id, waiting.line_number, since, charge, procedure_code, modifiers, pending_for, rule_set
FROM waiting JOIN begun USING (patient_id, claim_id, line_number)
LEFT JOIN {MEDICAL_CLAIMS.table} AS line ON medical_claim_sk = line_sk
ORDER BY since, waiting.claim_id, waiting.line_number
"""
#: Every claim of which something is known, those among them of which no line was accepted.
_EVERY_CLAIM = rf"""
SELECT claim_id FROM {MEDICAL_CLAIMS.table} UNION ALL SELECT claim_id FROM internal.line_decision
UNION ALL SELECT regexp_replace(regexp_extract(record_key, '^(.*)\|[0-9]+$', 1), '\\(.)', '\1', 'g')
FROM internal.finding WHERE feed = '{MEDICAL_CLAIMS.name}' AND NOT live AND record_key IS NOT NULL
"""
