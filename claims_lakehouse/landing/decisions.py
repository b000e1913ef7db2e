"""What people decide about issues: waived, reopened, commented; one file a delivery, one line an act, beside the data.

A decision binds to what the row said and to the value that was found. It holds where a row at that place says the same,
whatever else the delivery says now, and nowhere else. A finding about the whole file binds to its whole content.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from claims_lakehouse.contracts import Feed
from claims_lakehouse.files import append_lines
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
        bound_to: What the row said, or the file: `row_bindings`, or the content's fingerprint.
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
    told = [{name: value for name, value in asdict(one).items() if value is not None} for one in decisions]
    act = {name: told[0][name] for name in _OF_THE_ACT if name in told[0]}
    issues = [{name: value for name, value in one.items() if name not in _OF_THE_ACT} for one in told]
    append_lines(settings.decisions(feed, delivery), [{**act, "issues": issues}])


def read_decisions(settings: Settings, feed: str, delivery: str) -> list[Decision]:
    """Every decision about a delivery's issues, in order; a line cut short by a kill never happened."""
    try:
        lines = settings.decisions(feed, delivery).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [decision for line in lines for decision in _parsed(line)]


def decisions_files(settings: Settings) -> Iterator[DecisionsFile]:
    """Every file of decisions, in byte order of feed and delivery."""
    base = settings.home / "decisions"
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
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


def row_bindings(raw: Path, feed: Feed, rows: Collection[int]) -> dict[int, str]:
    """What decisions about rows of a raw file bind to: a hash of each row's texts under the contract's columns.

    Rows that are not there are left out; UnreadableFile where the file cannot be read.
    """
    texts = [pl.col(name).fill_null("") for name in (*(column.name for column in feed.columns), MALFORMED)]
    said = pl.concat_str(texts, separator="\x1f")
    try:
        found = (
            pl.scan_parquet(raw)
            .filter(pl.col(ROW_NUMBER).is_in(list(rows)))
            .select(ROW_NUMBER, said.alias("said"))
            .collect()
        )
    except (pl.exceptions.PolarsError, OSError):
        raise damaged(raw) from None
    return {number: sha256(text.encode()).hexdigest()[:32] for number, text in found.iter_rows()}


def _parsed(line: bytes) -> list[Decision]:
    """What a line decides; what a newer version wrote into it besides is passed over."""
    try:
        act = json.loads(line.decode())
        known = {name: act.get(name) for name in _OF_THE_ACT}
        known["at"] = datetime.fromisoformat(act["at"])
        known["until"] = date.fromisoformat(act["until"]) if "until" in act else None
        return [Decision(**known, **{name: issue.get(name) for name in _OF_AN_ISSUE}) for issue in act["issues"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


_OF_THE_ACT = ("at", "act", "who", "why", "until")
_OF_AN_ISSUE = tuple(name for name in Decision.__dataclass_fields__ if name not in _OF_THE_ACT)
