"""What a steward does about issues: correct, apply what was suggested, waive, reopen, comment, withdraw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.desk.form import problems
from claims_lakehouse.desk.issues import Issue, issue_named
from claims_lakehouse.desk.kinds import apply_suggestions, count_same_kind, same_kind, suggested_texts
from claims_lakehouse.desk.rows import sent_rows
from claims_lakehouse.desk.web.desk import Desk, address, desk_of, see_other
from claims_lakehouse.desk.web.issue_pages import issue_page
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.security import needs
from claims_lakehouse.errors import Overtaken, UsageError
from claims_lakehouse.history import acts, issue_acts

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


@router.post("/issues/{issue_id}/check")
def check(request: Request, issue_id: str, fields: Fields, _: Steward) -> HTMLResponse:
    """What verification says of the row as it is typed; saves nothing."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    feed, texts = feed_named(issue.feed), _typed(fields, "field")
    received = _received(desk, issue)
    return desk.page(
        request,
        "_problems.html",
        feed=feed,
        problems=problems(feed, texts, issue.delivery, received),
        changed=[name for name, text in texts.items() if text != _typed(fields, "was").get(name, "")],
    )


@router.post("/issues/{issue_id}/correct")
def correct(request: Request, issue_id: str, fields: Fields, person: Steward) -> Response:
    """Lay what was typed over the row, as far as it differs from what the row says."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    texts, was = _typed(fields, "field"), _typed(fields, "was")
    changed = {name: text for name, text in texts.items() if text != was.get(name, "")}
    if issue.row_number is None or not changed:
        told = "Nothing was changed" if issue.row_number else "This is about the whole file"
        return issue_page(request, desk, issue, error=f"{told}: there is nothing to save.", typed=texts, status=400)
    try:
        acts.correct(
            desk.settings, feed_named(issue.feed), issue.delivery, {issue.row_number: changed},
            because=str(fields.get("because", "")), who=person.name, seen=str(fields.get("seen", "")),
            expected={issue.row_number: {name: was.get(name, "") for name in changed}},
        )  # fmt: skip
    except UsageError as error:
        status = 409 if isinstance(error, Overtaken) else 400
        return issue_page(request, desk, issue, error=str(error), typed=texts, status=status)
    desk.acted()
    return _back(request, issue, "corrected")


@router.get("/issues/{issue_id}/apply")
def preview_suggestion(request: Request, issue_id: str, _: Steward) -> HTMLResponse:
    """What would change if the suggestion were applied: to this row, and to every row of the same kind."""
    desk = desk_of(request)
    reading = desk.reading
    issue = issue_named(reading, issue_id)
    suggested_texts(issue)
    deliveries = count_same_kind(reading, issue)
    changes = []
    for one in same_kind(reading, issue, limit=_SHOWN):
        [row] = sent_rows(desk.settings, feed_named(one.feed), one.delivery, one.fingerprint, one.row_number or 0)
        changes.append((one, row.effective, suggested_texts(one)))
    return desk.page(
        request, "apply.html", issue=issue, alike=sum(deliveries.values()), changes=changes, deliveries=deliveries
    )


@router.post("/issues/{issue_id}/apply")
def apply_suggestion(
    request: Request,
    issue_id: str,
    person: Steward,
    because: Because = "",
    scope: Annotated[Scope, Form()] = "one",
    count: Annotated[int, Form()] = 1,
) -> Response:
    """Apply the suggestion to one row, or to as many as the preview spoke of."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    meant = _meant(desk, issue, scope, count)
    apply_suggestions(desk.settings, meant, because=because, who=person.name)
    desk.acted()
    return _back(request, issue, "applied")


@router.post("/issues/{issue_id}/waive")
def waive(
    request: Request,
    issue_id: str,
    person: Steward,
    because: Because = "",
    until: Annotated[str, Form()] = "",
    scope: Annotated[Scope, Form()] = "one",
    count: Annotated[int, Form()] = 1,
) -> Response:
    """Accept the issue as it is, or every one of the same kind."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    try:
        last = date.fromisoformat(until) if until else None
    except ValueError:
        raise UsageError(f"The last day of a waiver: found '{until[:20]}'; expected YYYY-MM-DD.") from None
    meant = [one.seen for one in _meant(desk, issue, scope, count)]
    issue_acts.waive(desk.settings, meant, because=because, who=person.name, until=last)
    desk.acted()
    return _back(request, issue, "waived")


@router.post("/issues/{issue_id}/reopen")
def reopen(request: Request, issue_id: str, person: Steward, because: Because = "") -> Response:
    """Take the issue's waiver back."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    issue_acts.reopen(desk.settings, [issue.seen], because=because, who=person.name)
    desk.acted()
    return _back(request, issue, "reopened")


@router.post("/issues/{issue_id}/comment")
def comment(request: Request, issue_id: str, person: Steward, because: Because = "") -> Response:
    """Say something about the issue."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    issue_acts.comment(desk.settings, [issue.seen], text=because, who=person.name)
    desk.acted()
    return _back(request, issue, "commented")


@router.post("/issues/{issue_id}/withdraw")
def withdraw(
    request: Request,
    issue_id: str,
    person: Steward,
    correction: Annotated[str, Form()] = "",
    because: Because = "",
) -> Response:
    """Take a correction of the issue's row back: all of it, whatever other rows it lies over."""
    desk = desk_of(request)
    issue = issue_named(desk.reading, issue_id)
    feed = feed_named(issue.feed)
    acts.withdraw(desk.settings, feed, issue.delivery, correction, because=because, who=person.name)
    desk.acted()
    return _back(request, issue, "withdrawn")


def _meant(desk: Desk, issue: Issue, scope: Scope, count: int) -> Sequence[Issue]:
    """The issues that an act is about; Overtaken where there are others than the person was told of."""
    if scope == "one":
        return [issue]
    alike = same_kind(desk.reading, issue)
    if len(alike) != count:
        raise Overtaken(f"There are {len(alike):,} issues of this kind by now, not {count:,}; look again.")
    return alike


def _typed(fields: FormData, kind: str) -> dict[str, str]:
    """What a form says of each column: of its fields `field.<column>`, or `was.<column>`."""
    return {
        name.removeprefix(f"{kind}."): str(text).replace("\r\n", "\n")
        for name, text in fields.items()
        if name.startswith(f"{kind}.")
    }


def _received(desk: Desk, issue: Issue) -> datetime:
    known = {"feed": issue.feed, "delivery": issue.delivery}
    [(received,)] = desk.reading.ask(
        "SELECT received_at FROM memory.main.content WHERE feed = $feed AND delivery = $delivery", known
    )
    return received  # type: ignore[no-any-return]


def _back(request: Request, issue: Issue, saved: str) -> Response:
    return see_other(address(f"/issues/{issue.issue_id}", saved=saved), request)
