"""Pages that show issues: the list, one issue with its row, and what is known of its record."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from claims_lakehouse.contracts import RULES, feed_named
from claims_lakehouse.desk.held import held_back
from claims_lakehouse.desk.issues import (
    ORDERS,
    SEVERITIES,
    STATUSES,
    Filters,
    Issue,
    choices,
    issue_named,
    issues_of_row,
    list_issues,
)
from claims_lakehouse.desk.kinds import kind_of
from claims_lakehouse.desk.pending import is_pending
from claims_lakehouse.desk.rows import SentRow, sent_rows
from claims_lakehouse.desk.web.desk import Desk, Page, address, desk_of, listing, see_other
from claims_lakehouse.desk.web.sign_in import Refused
from claims_lakehouse.errors import DeliveryError, NoSuchIssue, UsageError
from claims_lakehouse.history.issue_acts import stands
from claims_lakehouse.landing.discovery import check_delivery_key
from claims_lakehouse.landing.journal import Journal
from claims_lakehouse.serving.trace import trace, trace_row

router = APIRouter(default_response_class=HTMLResponse)

#: How many rows of the delivery are shown on either side of the issue's.
_AROUND = 2


@router.get("/issues")
def show_issues(
    request: Request,
    feed: str = "",
    delivery: str = "",
    rule: str = "",
    severity: str = "",
    status: str = "open",
    order: str = "place",
    page: Page = 1,
    search: str = "",
) -> HTMLResponse:
    """One page of issues; `search` is the name under which the session remembers a text and a key."""
    desk = desk_of(request)
    remembered = desk.memory.recall(request.state.session, search, Filters) if search else None
    filters = Filters(
        feed=feed or None,
        delivery=delivery or None,
        rule=rule or None,
        severity=severity or None,
        status=None if status in ("", "any") else status,
        key=remembered.key if remembered else None,
        text=remembered.text if remembered else None,
    )
    reading = desk.reading
    found = list_issues(reading, filters, page=page, order=order)
    standing = stands(desk.settings, [issue.seen for issue in found.issues])
    return desk.page(
        request,
        "issues.html",
        filters=filters,
        found=found,
        standing=standing,
        choices=choices(reading),
        severities=SEVERITIES,
        statuses=STATUSES,
        orders=ORDERS,
        order=order,
        search=search if remembered else "",
        is_forgotten=bool(search) and remembered is None,
        here=listing(filters, order=order if order != "place" else "", search=search if remembered else ""),
        shown={**filters.plain, "status": filters.status or "any"},
    )


@router.post("/issues/search")
def search_issues(
    request: Request,
    text: Annotated[str, Form()] = "",
    key: Annotated[str, Form()] = "",
    feed: Annotated[str, Form()] = "",
    delivery: Annotated[str, Form()] = "",
    rule: Annotated[str, Form()] = "",
    severity: Annotated[str, Form()] = "",
    status: Annotated[str, Form()] = "",
    order: Annotated[str, Form()] = "",
) -> Response:
    """Remember what is searched for, and go to the list of what was found: the address names nobody."""
    desk = desk_of(request)
    sought = Filters(text=text.strip() or None, key=key.strip() or None)
    name = ""
    if sought != Filters():
        if not request.state.person.may("steward"):
            raise Refused(403, "search by a viewer", "To search values needs the role steward: you see them masked.")
        name = desk.memory.keep(request.state.session, sought)
    filters = Filters(feed or None, delivery or None, rule or None, severity or None, None)
    return see_other(listing(filters, status=status or "any", order=order, search=name), request)


@router.get("/issues/{issue_id}")
def show_issue(request: Request, issue_id: str, saved: str = "", content: str = "", delivery: str = "") -> HTMLResponse:
    """One issue: the row as sent, what is wrong with it, and what can be done.

    `content` and `delivery` name what the issue was found in where that is held, and so in no publication yet.
    """
    desk = desk_of(request)
    return issue_page(request, desk, find_issue(desk, issue_id, content, delivery), saved=saved)


def find_issue(desk: Desk, issue_id: str, content: str = "", delivery: str = "") -> Issue:
    """An issue of what is published, or of the held content of a delivery (`<feed>/<delivery>`); NoSuchIssue."""
    feed, _, key = delivery.partition("/")
    if content and key:
        held = held_back(desk.settings, feed_named(feed).name, check_delivery_key(key), issue_id=issue_id)
        if held and held.fingerprint == content and held.issues:
            return held.issues[0]
    return issue_named(desk.reading, issue_id)


def issue_page(
    request: Request,
    desk: Desk,
    issue: Issue,
    *,
    saved: str = "",
    error: str = "",
    changed: dict[str, str] | None = None,
    lost: dict[str, str] | None = None,
    because: str = "",
    status: int = 200,
) -> HTMLResponse:
    """The page of an issue, with what was changed in the form and why it could not be saved, where that is so.

    What was typed over another row than the one that stands there now is `lost`: told, and not in the form.
    """
    reading, feed = desk.reading, feed_named(issue.feed)
    rows: list[SentRow] = []
    missing = ""
    if issue.row_number is not None:
        try:
            rows = sent_rows(desk.settings, feed, issue.delivery, issue.fingerprint, issue.row_number, _AROUND)
        except DeliveryError as damaged:
            missing = str(damaged)
    row = next((one for one in rows if one.row_number == issue.row_number), None)
    place = {"feed": issue.feed, "delivery": issue.delivery}
    [ledger] = reading.records("SELECT * FROM internal.ledger WHERE feed = $feed AND delivery = $delivery", place)
    log = reading.records("SELECT * FROM issue_log WHERE issue_id = $id ORDER BY happened_at", {"id": issue.issue_id})
    corrections = reading.records(
        "SELECT correction_id, list(column_name ORDER BY column_name) AS columns, any_value(who) AS who,"
        " any_value(why) AS why, any_value(corrected_at) AS corrected_at FROM correction"
        " WHERE feed = $feed AND delivery = $delivery AND fingerprint = $fingerprint AND row_number = $row"
        " AND withdrawn_at IS NULL GROUP BY correction_id ORDER BY corrected_at",
        {**place, "fingerprint": issue.fingerprint, "row": issue.row_number},
    )
    state = Journal(desk.settings, issue.feed, issue.delivery).state()
    others = issues_of_row(reading, issue.feed, issue.delivery, issue.row_number)
    [stand] = stands(desk.settings, [issue.seen])
    is_published = issue.fingerprint == ledger["fingerprint"]
    is_latest = state is not None and state.content == issue.fingerprint
    kind = None
    if is_published and is_latest and stand.status in ("open", "waived"):
        kind = kind_of(reading, issue, status=stand.status)
    return desk.page(
        request,
        "issue.html",
        status,
        issue=issue,
        stand=stand,
        feed=feed,
        rule=next((one for one in RULES if (one.name, one.severity) == (issue.rule, issue.severity)), None),
        row=row,
        rows=rows,
        missing=missing,
        ledger=ledger,
        log=log,
        others=[one for one in others if one.issue_id != issue.issue_id and one.fingerprint == issue.fingerprint],
        kind=kind,
        is_published=is_published,
        is_latest=is_latest,
        is_held=state is not None and state.is_held,
        laid=state.laid_over(issue.fingerprint) if state else "",
        pending=is_pending(reading, desk.settings, issue.feed, issue.delivery),
        saved=saved,
        error=error,
        changed=changed,
        lost=lost,
        because=because,
        typed={**(row.effective if row else {}), **(changed or {})},
        corrections=corrections,
    )


@router.get("/issues/{issue_id}/standing")
def show_standing(request: Request, issue_id: str, delivery: str = "") -> Response:
    """Nothing as long as acts about the issue's delivery are not published; then the page is to be loaded again.

    Where the issue is gone by that, the row saying otherwise now, the delivery's page tells so.
    """
    desk = desk_of(request)
    reading = desk.reading
    feed, _, key = delivery.partition("/")
    if is_pending(reading, desk.settings, feed_named(feed).name, check_delivery_key(key)) or reading.is_stale:
        return Response(status_code=204)
    try:
        issue_named(reading, issue_id)
    except NoSuchIssue:
        if held_back(desk.settings, feed, key) is None:
            return Response(status_code=200, headers={"HX-Redirect": address(f"/deliveries/{delivery}", saved="gone")})
    return Response(status_code=200, headers={"HX-Refresh": "true"})


@router.get("/issues/{issue_id}/record")
def show_record(request: Request, issue_id: str, content: str = "", delivery: str = "") -> HTMLResponse:
    """What is known of the issue's record, and in which file and line its row stands: loaded after the page."""
    desk = desk_of(request)
    reading = desk.reading
    issue = find_issue(desk, issue_id, content, delivery)
    feed = feed_named(issue.feed)
    place = known = None
    with reading.cursor() as cursor:
        if issue.row_number and not content:
            place = trace_row(cursor, desk.settings, feed, issue.delivery, issue.row_number)
        key = issue.record_key or (place.record_key if place else None)
        with suppress(UsageError):
            known = trace(cursor, desk.settings, feed, key) if key else None
    return desk.page(request, "_record.html", issue=issue, feed=feed, place=place, known=known)
