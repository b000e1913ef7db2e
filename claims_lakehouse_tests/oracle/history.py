"""Compute every table from a set of deliveries at once. Nothing is kept, nothing is incremental."""

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any, NamedTuple

from .reading import COLUMNS, KEY, SEQUENCE, Delivery
from .validation import Accepted, Finding, Validated, corrected_findings, validate


class Tables(NamedTuple):
    """The lakehouse's tables: versions and restatements by feed; one issue or ledger row a dict."""

    versions: dict[str, list[dict[str, Any]]]
    restatements: dict[str, list[dict[str, Any]]]
    issues: list[dict[str, Any]]
    ledger: list[dict[str, Any]]


def tables(deliveries: Iterable[Delivery]) -> Tables:
    """All tables, whatever order the deliveries come in. Raises Unreadable."""
    validated = {(each.feed, each.key): (each, validate(each)) for each in deliveries}
    in_order = sorted(validated.values(), key=lambda pair: (pair[0].feed, place(pair[0])))
    standing = [(each, result) for each, result in in_order if not each.is_retracted]
    accepted = {
        feed: [row for each, result in standing if each.feed == feed for row in result.accepted] for feed in COLUMNS
    }
    versions: dict[str, list[dict[str, Any]]] = {}
    restatements: dict[str, list[dict[str, Any]]] = {}
    for feed, rows in accepted.items():
        versions[feed], restatements[feed] = history(feed, rows)
    issues = []
    for each, result in in_order:
        corrected = [(found, f"correction {by}") for found, by in corrected_findings(each)]
        if each.is_retracted:
            found_at_all = [*result.findings, *(found for found, _ in corrected)]
            issues += [_issue(each, found, None) | {"status": "retracted"} for found in found_at_all]
            continue
        issues += [_issue(each, found, by) for found, by in corrected]
        issues += [issue(each, found, accepted[each.feed]) for found in result.findings]
        issues += same_sequence(each, result, accepted[each.feed])
        if each.feed == "claims":
            issues += unknown_parents(each, result, accepted, "patients")
            issues += unknown_parents(each, result, accepted, "providers")
    issues.sort(
        key=lambda row: (
            row["feed"],
            row["delivery"],
            row["row_number"] or 0,
            row["rule"],
            row["column_name"] or "",
        )
    )
    ledger = [
        {
            "feed": each.feed,
            "delivery": each.key,
            "rows_landed": result.landed,
            "rows_malformed": result.malformed,
            "rows_quarantined": result.quarantined,
            "rows_duplicate": result.duplicate,
            "rows_valid": len(result.accepted),
            "versions_added": sum(row["delivery"] == each.key for row in versions[each.feed]),
            "rows_restated": sum(row["delivery"] == each.key for row in restatements[each.feed]),
            "status": "retracted" if each.is_retracted else "applied",
        }
        for each, result in in_order
    ]
    return Tables(versions, restatements, issues, ledger)


def as_of(known: Tables, feed: str, t: date) -> list[dict[str, Any]]:
    """The versions valid at t; a bare date means its midnight where the sequence is a timestamp."""
    if SEQUENCE[feed] is None:
        t = t if isinstance(t, datetime) else datetime.combine(t, time())
    elif isinstance(t, datetime):
        t = t.date()
    return [
        row
        for row in known.versions[feed]
        if row["valid_from"] <= t and (row["valid_to"] is None or t < row["valid_to"])
    ]


def as_known(deliveries: Iterable[Delivery], feed: str, d: date) -> list[dict[str, Any]]:
    """The versions that were current when all that was received up to d was all there was."""
    return [row for row in tables(received_by(deliveries, d)).versions[feed] if row["is_current"]]


def received_by(deliveries: Iterable[Delivery], d: date) -> list[Delivery]:
    """The deliveries received up to and including d; a bare date means all of that day."""
    if isinstance(d, datetime):
        return [each for each in deliveries if each.received_at <= d]
    return [each for each in deliveries if each.received_at.date() <= d]


def place(row: Delivery | Accepted) -> tuple[datetime, str]:
    """Where the delivery stands in the order of all deliveries."""
    return (row.received_at, row.key if isinstance(row, Delivery) else row.delivery)


def content(feed: str, row: Accepted) -> list[Any]:
    """What a version states: all but the key and the sequence."""
    return [row.values[name] for name in COLUMNS[feed] if name not in (KEY[feed], SEQUENCE[feed])]


def history(feed: str, rows: list[Accepted]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Versions and restatements, by key and then in the total order."""
    versions, restatements = [], []
    for record in sorted({row.record for row in rows}):
        own = [row for row in rows if row.record == record]
        own.sort(key=lambda row: (row.sequence, *place(row), row.row_number))
        stated: list[Accepted] = []
        for before, row in zip([None, *own], own, strict=False):
            if before is not None and content(feed, before) == content(feed, row):
                restatements.append({**row.values, "delivery": row.delivery, "row_number": row.row_number})
            else:
                stated.append(row)
        for number, row in enumerate(stated, start=1):
            following = stated[number] if number < len(stated) else None
            versions.append(
                {
                    **row.values,
                    "valid_from": row.sequence,
                    "valid_to": following.sequence if following else None,
                    "is_current": following is None,
                    "version": number,
                    "delivery": row.delivery,
                    "row_number": row.row_number,
                }
            )
    return versions, restatements


def issue(delivery: Delivery, found: Finding, accepted: list[Accepted]) -> dict[str, Any]:
    """The finding as it stands now: an error is resolved by a later delivery's row that is not older."""
    resolving = [
        place(row)
        for row in accepted
        if found.severity == "error"
        and found.record_key is not None
        and row.record == found.record_key
        and place(row) > place(delivery)
        and (found.sequence is None or row.sequence >= found.sequence)
    ]
    return _issue(delivery, found, min(resolving)[1] if resolving else None)


def same_sequence(delivery: Delivery, result: Validated, accepted: list[Accepted]) -> list[dict[str, Any]]:
    """Accepted rows that an earlier delivery contradicts."""
    feed, issues = delivery.feed, []
    column = SEQUENCE[feed]
    for row in result.accepted:
        if any(
            other.record == row.record
            and other.sequence == row.sequence
            and place(other) < place(row)
            and content(feed, other) != content(feed, row)
            for other in accepted
        ):
            sent = row.sent[column] if column else None
            found = Finding(row.row_number, row.record, "same_sequence", column, sent, "warning", row.sequence)
            issues.append(_issue(delivery, found, None))
    return issues


def unknown_parents(
    delivery: Delivery, result: Validated, accepted: dict[str, list[Accepted]], parents: str
) -> list[dict[str, Any]]:
    """Accepted claims that came before their parent did."""
    column, issues = KEY[parents], []
    for row in result.accepted:
        parent = row.values[column]
        places = [place(other) for other in accepted[parents] if other.record == parent]
        if any(known <= place(delivery) for known in places):
            continue
        rule = "unknown_" + parents.removesuffix("s")
        found = Finding(row.row_number, row.record, rule, column, parent, "warning", row.sequence)
        issues.append(_issue(delivery, found, min(places)[1] if places else None))
    return issues


def _issue(delivery: Delivery, found: Finding, resolved_by: str | None) -> dict[str, Any]:
    return {
        "feed": delivery.feed,
        "delivery": delivery.key,
        "row_number": found.row_number,
        "record_key": found.record_key,
        "rule": found.rule,
        "column_name": found.column_name,
        "value": found.value,
        "severity": found.severity,
        "status": "open" if resolved_by is None else "resolved",
        "resolved_by": resolved_by,
    }
