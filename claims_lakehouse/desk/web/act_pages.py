"""What a steward does about issues: correct, apply what was suggested, waive, reopen, comment, withdraw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from re import fullmatch
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from claims_lakehouse.codes.icd10cm import codes_at_hand
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.desk.form import problems
from claims_lakehouse.desk.issues import Issue
from claims_lakehouse.desk.kinds import Kind, apply_suggestions, kind_of, same_kind, suggested_texts
from claims_lakehouse.desk.rows import sent_rows
from claims_lakehouse.desk.web.desk import Desk, address, desk_of, see_other
from claims_lakehouse.desk.web.issue_pages import find_issue, issue_page
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.security import needs
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.history import acts, issue_acts
from claims_lakehouse.history.issue_acts import SeenIssue
from claims_lakehouse.landing.decisions import Content
from claims_lakehouse.landing.journal import Journal

router = APIRouter(default_response_class=HTMLResponse)

Steward = Annotated[Person, Depends(needs("steward"))]
Because = Annotated[str, Form()]
Scope = Literal["one", "all"]
#: How many rows a preview shows.
_SHOWN = 20


async def form(request: Request) -> FormData:
    """What a form sends, whatever its fields are called."""
    return await request.form()


Fields = Annotated[FormData, Depends(form)]


class Looked(NamedTuple):
    """What a form says of what the person looked at, so that no act is about something else.

    Attributes:
        seen: The content in which the issue was found.
        delivery: Its delivery, as `<feed>/<delivery>`.
        token: What tells the issue from another at its place.
        scope: Whether the act is about it alone, or all of its kind.
        kind: What tells those of its kind from others.
        stood: How the issue stood, where that matters.
    """

    seen: str
    delivery: str
    token: str
    scope: Scope
    kind: str
    stood: str = ""


def looked(
    seen: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
    delivery: Annotated[str, Form()],
    token: Annotated[str, Form()],
    scope: Annotated[Scope, Form()] = "one",
    kind: Annotated[str, Form()] = "",
    stood: Annotated[str, Form()] = "",
) -> Looked:
    """What a form says of what the person looked at."""
    return Looked(seen, delivery, token, scope, kind, stood)


Seen = Annotated[Looked, Depends(looked)]


@router.post("/issues/{issue_id}/check")
def check(request: Request, issue_id: str, fields: Fields, at: Seen, _: Steward) -> HTMLResponse:
    """What verification says of the row as it is typed; saves nothing."""
    desk = desk_of(request)
    issue = find_issue(desk, issue_id, at.seen, at.delivery)
    feed, texts = feed_named(issue.feed), _typed(fields)
    return desk.page(
        request,
        "_problems.html",
        feed=feed,
        problems=problems(feed, texts, issue.delivery, _received(desk, issue), codes_at_hand(desk.settings, feed)),
        changed=list(_changed(texts, _looked_at(desk, issue, fields))),
    )


@router.post("/issues/{issue_id}/correct")
def correct(request: Request, issue_id: str, fields: Fields, at: Seen, person: Steward) -> Response:
    """Lay what was typed over the row, as far as it differs from what the row said when the form was opened."""
    desk = desk_of(request)
    issue = find_issue(desk, issue_id, at.seen, at.delivery)
    texts = _typed(fields)
    changed: dict[str, str] = {}
    try:
        was = _looked_at(desk, issue, fields)
        changed = _changed(texts, was)
        acts.correct(
            desk.settings, feed_named(issue.feed), issue.delivery, {issue.row_number or 0: changed},
            because=str(fields.get("because", "")), who=person.name, seen=at.seen,
            expected={issue.row_number or 0: {name: was[name] for name in changed}},
        )  # fmt: skip
    except UsageError as error:
        status = 409 if isinstance(error, Overtaken) else 400
        state = Journal(desk.settings, issue.feed, issue.delivery).state()
        is_there = state is not None and state.content == at.seen
        return issue_page(
            request, desk, issue, error=str(error), status=status, because=str(fields.get("because", "")),
            changed=changed if is_there else None, lost=None if is_there else changed,
        )  # fmt: skip
    desk.acted()
    return _back(request, issue, "corrected")


@router.get("/issues/{issue_id}/apply")
def preview_suggestion(
    request: Request, issue_id: str, _: Steward, content: str = "", delivery: str = ""
) -> HTMLResponse:
    """What would change if the suggestion were applied: to this row, and to every row of the same kind."""
    desk = desk_of(request)
    reading = desk.reading
    issue = find_issue(desk, issue_id, content, delivery)
    suggested_texts(issue)
    if issue.status != "open":
        raise UsageError(f"The issue is {issue.status} already: nothing is to be applied.")
    kind = Kind({issue.delivery: 1}, "") if content else kind_of(reading, issue)
    changes = []
    for one in [issue] if content else same_kind(reading, issue, limit=_SHOWN):
        [row] = sent_rows(desk.settings, feed_named(one.feed), one.delivery, one.fingerprint, one.row_number or 0)
        changes.append((one, row.effective, suggested_texts(one)))
    return desk.page(request, "apply.html", issue=issue, kind=kind, changes=changes)


@router.post("/issues/{issue_id}/apply")
def apply_suggestion(request: Request, issue_id: str, at: Seen, person: Steward, because: Because = "") -> Response:
    """Apply the suggestion to one row, or to those that the preview spoke of."""
    desk = desk_of(request)
    issue, meant = _meant(desk, issue_id, at)
    made = apply_suggestions(desk.settings, meant, because=because, who=person.name)
    desk.acted()
    refused = [one for one in made if one.refused]
    if refused:
        return desk.page(request, "applied.html", 409, issue=issue, made=made, is_any=len(refused) < len(made))
    return _back(request, issue, "applied")


@router.post("/issues/{issue_id}/waive")
def waive(
    request: Request,
    issue_id: str,
    at: Seen,
    person: Steward,
    because: Because = "",
    until: Annotated[str, Form()] = "",
) -> Response:
    """Accept the issue as it is, or every one of the same kind that is open."""
    desk = desk_of(request)
    issue, meant = _meant(desk, issue_id, at)
    if until and not fullmatch(r"\d{4}-\d\d-\d\d", until):
        raise UsageError(f"The last day of a waiver: found '{until[:20]}'; expected YYYY-MM-DD.")
    try:
        last = date.fromisoformat(until) if until else None
    except ValueError:
        raise UsageError(f"The last day of a waiver: found '{until}'; expected a day that there is.") from None
    issue_acts.waive(
        desk.settings, _standing(desk, meant, at, "open", person), because=because, who=person.name, until=last
    )
    desk.acted()
    return _back(request, issue, "waived")


@router.post("/issues/{issue_id}/reopen")
def reopen(request: Request, issue_id: str, at: Seen, person: Steward, because: Because = "") -> Response:
    """Take the issue's waiver back, or those of every one of the same kind."""
    desk = desk_of(request)
    issue, meant = _meant(desk, issue_id, at, status="waived")
    issue_acts.reopen(desk.settings, _standing(desk, meant, at, "waived", person), because=because, who=person.name)
    desk.acted()
    return _back(request, issue, "reopened")


@router.post("/issues/{issue_id}/comment")
def comment(request: Request, issue_id: str, at: Seen, person: Steward, because: Because = "") -> Response:
    """Say something about the issue."""
    desk = desk_of(request)
    issue, _ = _meant(desk, issue_id, at._replace(scope="one"))
    issue_acts.comment(desk.settings, [issue.seen], text=because, who=person.name)
    desk.acted()
    return _back(request, issue, "commented")


@router.post("/issues/{issue_id}/withdraw")
def withdraw(
    request: Request,
    issue_id: str,
    at: Seen,
    person: Steward,
    correction: Annotated[str, Form()] = "",
    because: Because = "",
) -> Response:
    """Take a correction of the issue's row back: all of it, whatever other rows it lies over."""
    desk = desk_of(request)
    issue = find_issue(desk, issue_id, at.seen, at.delivery)
    feed = feed_named(issue.feed)
    acts.withdraw(desk.settings, feed, issue.delivery, correction, because=because, who=person.name)
    desk.acted()
    return _back(request, issue, "withdrawn")


def _meant(desk: Desk, issue_id: str, at: Looked, status: str = "open") -> tuple[Issue, Sequence[Issue]]:
    """The issue, and those that an act is about; Overtaken where a person looked at others."""
    issue = find_issue(desk, issue_id, at.seen, at.delivery)
    if issue.token != at.token:
        raise Overtaken("The row says otherwise than when you looked at it; look again.")
    if at.scope == "one":
        return issue, [issue]
    if kind_of(desk.reading, issue, status=status).token != at.kind:
        raise Overtaken("There are other issues of this kind by now than when you looked; look again.")
    return issue, same_kind(desk.reading, issue, status=status)


def _standing(desk: Desk, meant: Sequence[Issue], at: Looked, status: str, person: Person) -> list[SeenIssue]:
    """Of all of a kind those that stand so: what somebody decided a moment ago about one of them is left alone.

    Of one alone, Overtaken where another person decided about it since.
    """
    seen = [issue.seen for issue in meant]
    now = issue_acts.stands(desk.settings, seen)
    if at.scope == "one":
        [stand], [issue] = now, meant
        who = stand.by.who if stand.by else issue.waived_by
        if at.stood and stand.status != at.stood and who != person.name:
            told = f"{who} decided about it" if who else "It was decided about"
            raise Overtaken(f"{told} since you looked: it is {stand.status}; look again.")
        return seen
    return [issue for issue, stand in zip(seen, now, strict=True) if stand.status == status]


def _typed(fields: FormData) -> dict[str, str]:
    """What a form says of each column."""
    return {name.removeprefix("field."): str(text) for name, text in fields.items() if name.startswith("field.")}


def _looked_at(desk: Desk, issue: Issue, fields: FormData) -> dict[str, str]:
    """What the row said when the form was opened; Overtaken where nobody can have seen that."""
    laid, row = str(fields.get("laid", "")), issue.row_number or 0
    events = Journal(desk.settings, issue.feed, issue.delivery).events()
    made = {event.corrections for event in events if event.event == "corrected"}
    content = Content(str(fields.get("seen", "")), laid)
    if not made.issuperset(laid.split(",") if laid else ()):
        raise Overtaken("The row says otherwise than when you looked at it; look again.")
    return acts.effective_texts(desk.settings, feed_named(issue.feed), issue.delivery, content, [row]).get(row, {})


def _changed(texts: dict[str, str], was: dict[str, str]) -> dict[str, str]:
    """What was typed over what the row said; a form sends every line end as it likes."""
    return {
        name: text for name, text in texts.items()
        if name in was and text.splitlines() != was[name].splitlines()
    }  # fmt: skip


def _received(desk: Desk, issue: Issue) -> datetime:
    known = {"feed": issue.feed, "delivery": issue.delivery}
    [(received,)] = desk.reading.ask(
        "SELECT received_at FROM memory.main.content WHERE feed = $feed AND delivery = $delivery", known
    )
    return received  # type: ignore[no-any-return]


def _back(request: Request, issue: Issue, saved: str) -> Response:
    held = {} if issue.here_since else {"content": issue.fingerprint, "delivery": f"{issue.feed}/{issue.delivery}"}
    return see_other(address(f"/issues/{issue.issue_id}", held, saved=saved), request)
