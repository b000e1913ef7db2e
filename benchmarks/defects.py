"""What can be wrong with a generated row: a kind of defect for each rule that the rows of a feed can break, as SQL.

Derived from the contracts and the rule table, as `claims_lakehouse.samples.defects` is, but for millions of rows. An
expression sees the row's clean texts under the columns' names, and `h`, a hash of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from claims_lakehouse.contracts import Feed, Rule, rules
from claims_lakehouse.samples.pools import NO_STATES, WRONG

#: Stands in a line where bytes are to stand that are no UTF-8; no other text of the generator has it.
NOT_UTF8 = "\u00ff"
#: The column with the sequence of the record's first version.
SAID_BEFORE = "said_before"


@dataclass(frozen=True)
class Kind:
    """A kind of defect.

    Attributes:
        rule: The rule that its rows break.
        columns: What stands in some columns instead, by name; SQL.
        line: The line, given its fields' SQL, where it is to be malformed.
        repeats: Whether it stands on a further row of the record of the row before.
        says_otherwise: Whether that row has another content.
    """

    rule: Rule
    columns: Mapping[str, str] = field(default_factory=dict)
    line: Callable[[list[str]], str] | None = None
    repeats: bool = False
    says_otherwise: bool = False


def kinds_of(feed: Feed, *, is_update: bool, dated: bool) -> list[Kind]:
    """Every kind of defect that a feed's rows can have, in an update or another delivery, its key a day or not."""
    found = [Kind(rules.MALFORMED_ROW, line=line) for line in (_too_few, _too_many, _after_quote, _not_utf8)]
    for column in feed.columns:
        name = column.name
        if name in feed.key:
            continue
        wrong = WRONG.get(column.form.rule.name) if column.form.rule else None
        if column.form.rule and wrong:
            found.append(Kind(column.form.rule, {name: _any(wrong)}))
        found.append(Kind(rules.MISSING_VALUE if column.required else rules.MISSING_OPTIONAL, {name: "''"}))
        for notice in column.form.notices:
            if notice.rule == rules.ZIPCODE_PADDED:
                found.append(Kind(notice.rule, {name: "(100 + h % 9900)::VARCHAR"}))
            elif notice.rule == rules.UNKNOWN_STATE:
                found.append(Kind(notice.rule, {name: _any(NO_STATES)}))
        if column.form.name == "date" and dated and column.identifies == "date":
            rule = rules.SEQUENCE_IN_FUTURE if name == feed.sequence else rules.DATE_IN_FUTURE
            found.append(
                Kind(rule, dict.fromkeys(_from(feed, name), "(DATE '2080-01-01' + (h % 300)::INTEGER)::VARCHAR"))
            )
    if "service_after_claim" in feed.rules:
        days = ("date_of_service", "claim_date")
        found.append(Kind(feed.rules["service_after_claim"], dict(zip(days, reversed(days), strict=True))))
    if feed.swappable:
        found.append(
            Kind(rules.SWAPPED_IDS, dict(zip(feed.swappable, reversed(feed.swappable), strict=True)), repeats=True)
        )
    found.append(Kind(rules.DUPLICATE_ROW, repeats=True))
    found.append(Kind(rules.CONFLICTING_ROW, repeats=True, says_otherwise=True))
    if is_update and feed.sequence:
        found.append(Kind(rules.SAME_SEQUENCE, {feed.sequence: SAID_BEFORE}))
    for reference in feed.references:
        found.append(Kind(reference.unknown, {reference.column: "'nobody' || (h % 100000)::VARCHAR"}))
    return found


def chosen(by_kind: Mapping[int, str], otherwise: str) -> str:
    """The SQL of what stands there: by the row's kind of defect, or as in a clean row."""
    if not by_kind:
        return otherwise
    return f"CASE kind {' '.join(f'WHEN {n} THEN {sql}' for n, sql in by_kind.items())} ELSE {otherwise} END"


def joined(fields: list[str]) -> str:
    """A line of these fields."""
    return " || ',' || ".join(f"coalesce({text}, '')" for text in fields)


def _any(words: tuple[str, ...]) -> str:
    fields = (f'"{word}"' if "," in word else word for word in words)
    listed = ", ".join("'" + field.replace("'", "''") + "'" for field in fields)
    return f"[{listed}][1 + (h % {len(words)})::INTEGER]"


def _from(feed: Feed, name: str) -> list[str]:
    """A date and those that the contract names after it, which are never before it."""
    days = [c.name for c in feed.columns if c.form.name == "date" and c.identifies == "date"]
    later = days[days.index(name) :]
    return [name] if name == feed.sequence else [day for day in later if day != feed.sequence]


def _too_few(fields: list[str]) -> str:
    return joined(fields[:-3])


def _too_many(fields: list[str]) -> str:
    return joined([*fields[:2], "'Jr.'", *fields[2:]])


def _after_quote(fields: list[str]) -> str:
    return joined([fields[0], f"'\"' || replace({fields[1]}, '\"', '') || '\" sic'", *fields[2:]])


def _not_utf8(fields: list[str]) -> str:
    return joined([fields[0], f"'{NOT_UTF8} ' || {fields[1]}", *fields[2:]])
