"""What people decide about issues: waive, reopen, comment. Each binds to what the row says and is on record.

An act is a line in the delivery's file of decisions; the next publication makes it felt. Nobody waits for a warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from itertools import groupby
from typing import NamedTuple

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.errors import Overtaken, UnreadableFile, UsageError
from claims_lakehouse.files import turn_at
from claims_lakehouse.history.acts import require_reason
from claims_lakehouse.history.decided import holding, last_word
from claims_lakehouse.landing.corrections import read_overlay
from claims_lakehouse.landing.decisions import Act, Content, Decision, bindings, read_decisions, write_decisions
from claims_lakehouse.landing.journal import DeliveryState, Journal
from claims_lakehouse.settings import Settings


class SeenIssue(NamedTuple):
    """An issue as a person saw it published.

    `content` is that in which it was found; `status` is the published one, which knows of the decisions in the first
    `taken_up` bytes of their file.
    """

    issue_id: str
    feed: str
    delivery: str
    row_number: int | None
    rule: str
    column_name: str | None
    value: str | None
    status: str
    content: Content
    taken_up: int = 0


class Stand(NamedTuple):
    """How an issue stands with everything that was decided until now; `by` is the last word that is not published."""

    status: str
    by: Decision | None


def waive(
    settings: Settings,
    issues: Sequence[SeenIssue],
    *,
    because: str,
    who: str,
    until: date | None = None,
    today: date | None = None,
) -> None:
    """Accept issues as they are, to the end of the day `until` (UTC) or for good; one that is waived is waived anew.

    UsageError, and nothing is written, where one is resolved or retracted, the day is past, or no reason is given.
    """
    if until is not None and until < (today or _today()):
        raise UsageError(f"A waiver's last day must not be past: found {until}.")
    _decide(settings, issues, "waived", ("open", "waived"), because, who, until)


def reopen(settings: Settings, issues: Sequence[SeenIssue], *, because: str, who: str) -> None:
    """Take waivers back; UsageError, and nothing is written, where an issue is not waived."""
    _decide(settings, issues, "reopened", ("waived",), because, who)


def comment(settings: Settings, issues: Sequence[SeenIssue], *, text: str, who: str) -> None:
    """Say something about issues, whatever their status."""
    _decide(settings, issues, "commented", ("open", "waived", "resolved", "retracted"), text, who)


def stands(settings: Settings, issues: Sequence[SeenIssue], today: date | None = None) -> list[Stand]:
    """How issues stand, each in its place: what was decided counts here at once, for readers once it is published."""
    today = today or _today()
    found: dict[str, Stand] = {}
    for (feed, delivery, content), some in _by_content(issues):
        ids = {issue.issue_id for issue in some}
        newer = read_decisions(settings, feed, delivery, after=min(issue.taken_up for issue in some))
        decisions = [one for one in newer if one.issue_id in ids]
        try:
            holds = holding(settings, feed, delivery, content, decisions)
        except UnreadableFile:
            holds = [False] * len(decisions)
        last = last_word(one for one, held in zip(decisions, holds, strict=True) if held)
        for issue in some:
            word, status = last.get((issue.issue_id, issue.value)), issue.status
            if word is not None and status in ("open", "waived"):
                is_waived = word.act == "waived" and (word.until is None or word.until >= today)
                status = "waived" if is_waived else "open"
            found[issue.issue_id] = Stand(status, word)
    return [found[issue.issue_id] for issue in issues]


def _decide(
    settings: Settings,
    issues: Sequence[SeenIssue],
    act: Act,
    allowed: Sequence[str],
    why: str,
    who: str,
    until: date | None = None,
) -> None:
    """Write an act down, a delivery at a time; what somebody decided a moment ago is not decided again."""
    require_reason(why)
    with ExitStack() as turns:
        for feed, delivery in sorted({(issue.feed, issue.delivery) for issue in issues}):
            turns.enter_context(turn_at(settings.delivery_folder(feed, delivery)))
            state = Journal(settings, feed, delivery).state()
            if state is None or state.content is None:
                raise Overtaken(f"{feed} {delivery} is no longer kept: nothing can be decided about it.")
            ours = [issue for issue in issues if (issue.feed, issue.delivery) == (feed, delivery)]
            _require_as_seen(settings, state, ours)
        now = stands(settings, issues)
        for issue, stand in zip(issues, now, strict=True):
            if stand.status not in allowed:
                place = f"{issue.feed} {issue.delivery}" + (f", row {issue.row_number}" if issue.row_number else "")
                raise UsageError(
                    f"The issue {issue.rule} of {place} is {stand.status}; expected {' or '.join(allowed)}."
                )
        before = {issue.issue_id: stand.status for issue, stand in zip(issues, now, strict=True)}
        again = {
            issue.issue_id
            for issue, stand in zip(issues, now, strict=True)
            if stand.by and (stand.by.act, stand.by.who, stand.by.why, stand.by.until) == (act, who, why.strip(), until)
        }
        _write(settings, [issue for issue in issues if issue.issue_id not in again], before, act, why, who, until)


def _require_as_seen(settings: Settings, state: DeliveryState, issues: Sequence[SeenIssue]) -> None:
    """Overtaken where the issues' delivery has other content by now, or one of their fields was corrected since."""
    for (feed, delivery, content), some in _by_content(issues):
        if content.fingerprint not in (state.content, state.standing):
            raise Overtaken(f"{feed} {delivery} was replaced by other content since you looked; look again.")
        laid = state.laid_over(content.fingerprint)
        texts = read_overlay(settings, feed, delivery, laid).texts if laid != content.corrections else {}
        for issue in some:
            now = texts.get(issue.row_number or 0, {}).get(issue.column_name or "")
            if now is not None and now != (issue.value or ""):
                told = f"{feed} {delivery}, row {issue.row_number}"
                raise Overtaken(f"{told} was corrected since you looked; look again.")


def _write(
    settings: Settings,
    issues: Sequence[SeenIssue],
    before: dict[str, str],
    act: Act,
    why: str,
    who: str,
    until: date | None,
) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    written: dict[tuple[str, str], list[Decision]] = {}
    for (feed, delivery, content), some in _by_content(issues):
        about = {(issue.rule, issue.row_number) for issue in some}
        bound = bindings(settings, feed_named(feed), delivery, content, about)
        written.setdefault((feed, delivery), []).extend(
            Decision(
                at=now, act=act, who=who, why=why.strip(), issue_id=issue.issue_id, row_number=issue.row_number,
                rule=issue.rule, column_name=issue.column_name, value=issue.value,
                bound_to=bound[issue.rule, issue.row_number], before=before[issue.issue_id], until=until,
            )
            for issue in some
        )  # fmt: skip
    for (feed, delivery), decisions in written.items():
        write_decisions(settings, feed, delivery, decisions)


def _by_content(issues: Sequence[SeenIssue]) -> Iterator[tuple[tuple[str, str, Content], list[SeenIssue]]]:
    """Issues by the content in which they were found: feed, delivery, content."""

    def place(issue: SeenIssue) -> tuple[str, str, Content]:
        return issue.feed, issue.delivery, issue.content

    for key, some in groupby(sorted(issues, key=place), key=place):
        yield key, list(some)


def _today() -> date:
    return datetime.now(UTC).date()
