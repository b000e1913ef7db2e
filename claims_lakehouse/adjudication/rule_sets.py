"""Which rule sets are in force: an append-only list beside the data, each with its file, and a copy in the warehouse.

The standard rule set is adopted by itself when there is none, so that a later edition of the lakehouse does not
decide what was decided before. A rule set is tested against golden claims before it is adopted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from claims_lakehouse.adjudication.golden import Case, check_all
from claims_lakehouse.adjudication.rule_file import parse, standard
from claims_lakehouse.adjudication.rule_set import ADJUSTMENTS, REVIEWED, RuleSet
from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import append_lines, make_folder, parsed_line, replacing, turn_at
from claims_lakehouse.history.acts import require_reason
from claims_lakehouse.settings import Settings
from claims_lakehouse.warehouse.rows import insert_rows

_REVIEWED_REASON = "A person looked at the line and denied it."
_REVIEWED_APPEAL = "The record of the service, and a letter that answers the reason that was given."


class Adopted(NamedTuple):
    """A rule set in force: from which received day on, and who adopted it when and why."""

    rule_set: RuleSet
    effective_from: date
    who: str
    why: str
    at: datetime


def adopted(settings: Settings) -> list[Adopted]:
    """Every rule set in force, in the order of their first days; of two with the same, the one adopted last.

    UsageError where a file that was adopted is gone, or says otherwise now.
    """
    found: dict[date, Adopted] = {}
    for one in _lines(settings):
        path = _folder(settings) / f"{one['rule_set']}.toml"
        try:
            rule_set = parse(path.read_text(encoding="utf-8"), path.name)
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"{path}: found nothing, or no text; expected the rule set that was adopted.") from None
        if rule_set.digest != one["rule_set"]:
            raise UsageError(f"{path}: found {rule_set.digest}; expected the file as it was adopted.")
        first = date.fromisoformat(one["effective_from"])
        found[first] = Adopted(rule_set, first, one["who"], one["why"], datetime.fromisoformat(one["at"]))
    return [found[day] for day in sorted(found)]


def adopt(
    settings: Settings, rule_set: RuleSet, cases: Sequence[Case], *, because: str, who: str, now: datetime | None = None
) -> None:
    """Put a rule set in force from its first day on, once it decides every golden claim as expected.

    UsageError, and nothing is written, where one comes out differently, or no reason is given.
    """
    require_reason(because)
    if differing := check_all(cases, rule_set):
        name, told = next(iter(differing.items()))
        raise UsageError(
            f"{rule_set.name} {rule_set.version} decides {len(differing)} of {len(cases)} golden claims otherwise;"
            f" '{name}': {told[0]}"
        )
    adopt_standard(settings)
    if any(one.rule_set.digest == rule_set.digest for one in adopted(settings)):
        raise UsageError(f"{rule_set.name} {rule_set.version} is in force already, as it is.")
    _write(settings, rule_set, who, because, now)


def adopt_standard(settings: Settings) -> None:
    """Put the standard rule set in force where there is none."""
    if not _lines(settings):
        _write(settings, standard(), "the lakehouse", "It comes with the lakehouse.")


def rule_sets_look(settings: Settings) -> str:
    """What changes with every adoption; empty as long as the standard rule set alone is in force."""
    return str(max(0, len(_lines(settings)) - 1) or "")


def write_rules(con: duckdb.DuckDBPyConnection, rule_sets: Sequence[RuleSet]) -> None:
    """Copy rules into the warehouse, for readers."""
    rows = []
    for one in rule_sets:
        for place, rule in enumerate(one.rules, 1):
            codes = (rule.codes.group, rule.codes.carc, rule.codes.rarc) if rule.codes else (None, None, None)
            rows.append((one.digest, place, rule.name, rule.outcome, list(rule.reads), rule.when, rule.evidence, *codes,
                         rule.reason, rule.appeal))  # fmt: skip
        for place, name in enumerate(ADJUSTMENTS, len(one.rules) + 1):
            amount = one.adjustments[name]
            rows.append((one.digest, place, name, "adjust", [], None, None, amount.group, amount.carc, amount.rarc,
                         amount.reason, amount.appeal))  # fmt: skip
        rows.append((one.digest, len(rows) + 1, REVIEWED, "deny", [], None, None, None, None, None, _REVIEWED_REASON,
                     _REVIEWED_APPEAL))  # fmt: skip
    con.execute("DELETE FROM internal.rule")
    insert_rows(con, "internal.rule", rows)


def take_up_rule_sets(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[RuleSet]:
    """Make the warehouse say which rule sets are in force, and have touched what another one decides now.

    Part of the caller's transaction.
    """
    adopt_standard(settings)
    now = adopted(settings)
    rows = [(one.rule_set.digest, one.rule_set.name, one.rule_set.version, one.effective_from, one.who, one.why, one.at)
            for one in now]  # fmt: skip
    known = con.execute("SELECT rule_set, effective_from FROM internal.rule_set ORDER BY effective_from").fetchall()
    before, after = set(known), {(row[0], row[3]) for row in rows}
    if before != after:
        con.execute("DELETE FROM internal.rule_set")
        insert_rows(con, "internal.rule_set", rows)
        write_rules(con, [one.rule_set for one in now])
        if known:
            since = min(first for _, first in before ^ after)
            con.execute(
                "INSERT INTO internal.touched BY NAME SELECT 'rule sets' AS feed, $since::DATE AS since",
                {"since": since},
            )
    return [one.rule_set for one in now]


def _folder(settings: Settings) -> Path:
    return settings.home / "rule_sets"


def _list(settings: Settings) -> Path:
    return _folder(settings) / "adopted.jsonl"


def _lines(settings: Settings) -> list[dict[str, str]]:
    """Every adoption, in order; a line cut short by a kill never happened."""
    found = []
    for line in _list(settings).read_bytes().split(b"\n") if _list(settings).exists() else ():
        try:
            one = parsed_line(line)
            found.append({name: str(one[name]) for name in ("rule_set", "effective_from", "who", "why", "at")})
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return found


def _write(settings: Settings, rule_set: RuleSet, who: str, why: str, now: datetime | None = None) -> None:
    at = now or datetime.now(UTC).replace(tzinfo=None)
    with turn_at(make_folder(_folder(settings))):
        with replacing(_folder(settings) / f"{rule_set.digest}.toml") as temporary:
            temporary.write_text(rule_set.text, encoding="utf-8")
        append_lines(
            _list(settings),
            [{"at": at.isoformat(), "rule_set": rule_set.digest, "effective_from": rule_set.effective_from.isoformat(),
              "who": who, "why": why.strip()}],
        )  # fmt: skip
