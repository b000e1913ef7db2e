"""What people decide about issues: waived, reopened, commented; one file a delivery, one line an act, beside the data.

A decision binds to what its rule looks at, and to the value that was found: a rule about a field to the row as it was
sent, one about several fields to the row with its corrections, one about other rows of the record to these as well, one
about the file to its whole content. It holds where that says the same, whatever else there is now, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.contracts.rules import Scope, reads_of
from claims_lakehouse.files import append_lines, parsed_line
from claims_lakehouse.landing.corrections import read_overlay
from claims_lakehouse.landing.header import MALFORMED, ROW_NUMBER
from claims_lakehouse.landing.raw import damaged
from claims_lakehouse.settings import Settings

Act = Literal["waived", "reopened", "commented"]


@dataclass(frozen=True)
class Decision:
    """One act of a person about one issue.

    Attributes:
        at: When, naive UTC.
        act: What was done.
        who: Who did it.
        why: The reason, or what a comment says. It may name a patient.
        issue_id: The issue.
        row_number: The row that it is about; None for the whole file.
        rule: The rule that is broken.
        column_name: The field, where it is one.
        value: What was found there. A patient's data.
        bound_to: What was decided about: `bindings`.
        before: The issue's status until then.
        until: The last day on which a waiver holds (UTC); None for no end.
    """

    at: datetime
    act: Act
    who: str
    why: str
    issue_id: str
    row_number: int | None
    rule: str
    column_name: str | None
    value: str | None
    bound_to: str
    before: str
    until: date | None = None

    @property
    def after(self) -> str:
        """The issue's status by that."""
        return {"waived": "waived", "reopened": "open", "commented": self.before}[self.act]


class Content(NamedTuple):
    """A content of a delivery, and the ids of the corrections over it, joined by commas."""

    fingerprint: str
    corrections: str


class DecisionsFile(NamedTuple):
    """The decisions about one delivery's issues: where they are, and how much there is of them."""

    feed: str
    delivery: str
    path: Path
    size: int


def write_decisions(settings: Settings, feed: str, delivery: str, decisions: Sequence[Decision]) -> None:
    """Add one act, with what it decides about each of a delivery's issues; it is on disk when this returns.

    All of it is one line, so that a kill leaves all of it or nothing.
    """
    told = [{name: value for name, value in vars(one).items() if value is not None} for one in decisions]
    act = {name: told[0][name] for name in _OF_THE_ACT if name in told[0]}
    issues = [{name: value for name, value in one.items() if name not in _OF_THE_ACT} for one in told]
    append_lines(settings.decisions(feed, delivery), [{**act, "issues": issues}])


def read_decisions(
    settings: Settings, feed: str, delivery: str, after: int = 0, until: int | None = None
) -> list[Decision]:
    """Every decision about a delivery's issues, in order; a line cut short by a kill never happened.

    Only those between two places of the file, in bytes, where they are given.
    """
    try:
        with settings.decisions(feed, delivery).open("rb") as file:
            file.seek(after)
            lines = file.read(-1 if until is None else until - after).split(b"\n")
    except FileNotFoundError:
        return []
    return [decision for line in lines for decision in _parsed(line)]


def decisions_files(settings: Settings) -> Iterator[DecisionsFile]:
    """Every file of decisions, in byte order of feed and delivery."""
    base = settings.home / "decisions"
    for folder in sorted(path for path in base.iterdir() if path.is_dir()) if base.is_dir() else ():
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".jsonl"):
                    delivery = entry.name.removesuffix(".jsonl")
                    yield DecisionsFile(folder.name, delivery, Path(entry.path), entry.stat().st_size)


def decisions_look(settings: Settings) -> str:
    """A hash that changes with every decision; `NONE_DECIDED` where there is none."""
    return _look(decisions_files(settings))


def _look(decided: Iterable[DecisionsFile]) -> str:
    looks = [f"{one.feed}/{one.delivery}/{one.size}" for one in decided]
    return sha256("\n".join(looks).encode()).hexdigest()[:12]


NONE_DECIDED = _look(())


def bindings(
    settings: Settings, feed: Feed, delivery: str, content: Content, about: Iterable[tuple[str, int | None]]
) -> dict[tuple[str, int | None], str]:
    """What decisions bind to, by rule and row: hashes of what the rules look at, in one content of a delivery.

    Of rows that are not there it says nothing; UnreadableFile where the raw file cannot be read.
    """
    wanted = {(rule, row): reads_of(rule) for rule, row in about}
    numbers = {row for _, row in wanted if row is not None}
    scopes = set(wanted.values())
    rows = _Rows(settings, feed, delivery, content, numbers, scopes) if numbers else None
    found = {}
    for (rule, row), reads in wanted.items():
        said = [content.fingerprint] if row is None or rows is None else rows.said(row, reads)
        if said:
            found[rule, row] = sha256("\x1f".join(said).encode()).hexdigest()[:32]
    return found


class _Rows:
    """Some rows of a content, as they were sent and with their corrections, and those that name the same records."""

    def __init__(
        self, settings: Settings, feed: Feed, delivery: str, content: Content, numbers: set[int], scopes: set[Scope]
    ) -> None:
        self._key = feed.key
        self._names = [*(column.name for column in feed.columns), MALFORMED]
        raw = settings.raw(feed.name, delivery, content.fingerprint)
        ours = pl.col(ROW_NUMBER).is_in(list(numbers))
        try:
            rows = pl.scan_parquet(raw).select(ROW_NUMBER, *(pl.col(name).fill_null("") for name in self._names))
            found = rows.filter(ours).collect()
            if "record" in scopes:
                found = rows.join(found.lazy().select(self._key).unique(), on=self._key, how="semi").collect()
                found = pl.concat([found, rows.filter(ours).collect()]).unique(ROW_NUMBER)
        except (pl.exceptions.PolarsError, OSError):
            raise damaged(raw) from None
        self._sent = {row: dict(zip(self._names, texts, strict=True)) for row, *texts in found.iter_rows()}
        is_laid = scopes - {"field"}
        laid = read_overlay(settings, feed.name, delivery, content.corrections).texts if is_laid else {}
        self._laid = {row: {**texts, **laid.get(row, {})} for row, texts in self._sent.items()} if is_laid else {}
        self._of_record: dict[tuple[str, ...], list[int]] = {}
        for row in sorted(self._sent) if "record" in scopes else ():
            self._of_record.setdefault(self._named(row), []).append(row)

    def said(self, row: int, reads: Scope) -> list[str]:
        """What a rule of that scope looks at; nothing where there is no such row."""
        if row not in self._sent:
            return []
        if reads == "field":
            return list(self._sent[row].values())
        others = self._of_record[self._named(row)] if reads == "record" else []
        return [text for one in dict.fromkeys([row, *others]) for text in self._laid[one].values()]

    def _named(self, row: int) -> tuple[str, ...]:
        return tuple(self._sent[row][name] for name in self._key)


def _parsed(line: bytes) -> list[Decision]:
    """What a line decides; what a newer version wrote into it besides is passed over."""
    try:
        act = parsed_line(line)
        if act["act"] not in get_args(Act):
            return []
        known: dict[str, Any] = {name: act.get(name) for name in _OF_THE_ACT}
        known["at"] = datetime.fromisoformat(act["at"])
        known["until"] = date.fromisoformat(act["until"]) if "until" in act else None
        return [Decision(**known, **{name: issue.get(name) for name in _OF_AN_ISSUE}) for issue in act["issues"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


_OF_THE_ACT = ("at", "act", "who", "why", "until")
_OF_AN_ISSUE = tuple(name for name in Decision.__dataclass_fields__ if name not in _OF_THE_ACT)
