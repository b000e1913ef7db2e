"""Pages about deliveries: the list, one with its log, and releasing, retracting and reinstating it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response

from claims_lakehouse.contracts import FEEDS, feed_named
from claims_lakehouse.desk.held import held_back
from claims_lakehouse.desk.pending import is_pending
from claims_lakehouse.desk.web.desk import Page, address, desk_of, see_other
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.security import needs
from claims_lakehouse.errors import DeliveryError, NoSuchDelivery
from claims_lakehouse.history import acts
from claims_lakehouse.history.issue_acts import stands
from claims_lakehouse.history.preview import Act, preview
from claims_lakehouse.landing.discovery import check_delivery_key
from claims_lakehouse.landing.journal import Journal

router = APIRouter(default_response_class=HTMLResponse)

Engineer = Annotated[Person, Depends(needs("engineer"))]
_ACTS = {"release": acts.release, "retract": acts.retract, "reinstate": acts.reinstate}
#: Which acts are possible, by how a delivery stands.
POSSIBLE: dict[str, tuple[Act, ...]] = {
    "applied": ("retract",),
    "held": ("release", "retract"),
    "retracted": ("reinstate",),
}
#: How many deliveries a page has.
_ROWS = 100


@router.get("/deliveries")
def show_deliveries(request: Request, feed: str = "", status: str = "", page: Page = 1) -> HTMLResponse:
    """The ledger, what was received last first."""
    desk = desk_of(request)
    where = " AND ".join(f"{name} = ${name}" for name, given in (("feed", feed), ("status", status)) if given)
    values = {name: given for name, given in (("feed", feed), ("status", status)) if given}
    deliveries = desk.reading.records(
        f"SELECT * FROM internal.ledger {f'WHERE {where}' if where else ''}"
        " ORDER BY received_at DESC, delivery DESC, feed LIMIT $rows OFFSET $skip",
        {**values, "rows": _ROWS + 1, "skip": (page - 1) * _ROWS},
    )
    return desk.page(
        request, "deliveries.html", deliveries=deliveries[:_ROWS], feed=feed, status=status, at=page,
        feeds=[one.name for one in FEEDS],
        is_last=len(deliveries) <= _ROWS,
    )  # fmt: skip


@router.get("/deliveries/{feed}/{delivery}")
def show_delivery(
    request: Request, feed: str, delivery: str, saved: str = "", rule: str = "", page: Page = 1
) -> HTMLResponse:
    """One delivery: what became of its rows, what happened to it, and what can be done."""
    desk = desk_of(request)
    reading, known = desk.reading, {"feed": feed, "delivery": delivery}
    ledger = reading.records("SELECT * FROM delivery WHERE feed = $feed AND delivery = $delivery", known)
    if not ledger:
        raise NoSuchDelivery(f"There is no delivery '{delivery[:100]}' of a feed '{feed[:100]}' in what is published.")
    log = reading.records(
        "SELECT * FROM delivery_log WHERE feed = $feed AND delivery = $delivery ORDER BY entry", known
    )
    rules = reading.records(
        "SELECT rule, severity, status, count(*) AS n FROM issue WHERE feed = $feed AND delivery = $delivery"
        " GROUP BY ALL ORDER BY severity, rule, status",
        known,
    )
    held = held_back(desk.settings, feed, delivery, rule=rule, page=page)
    standing = []
    if held:
        standing = stands(desk.settings, [issue.seen for issue in held.issues])
    return desk.page(
        request,
        "delivery.html",
        held=held,
        of_rule=rule,
        standing=standing,
        ledger=ledger[0],
        log=log,
        rules=rules,
        possible=POSSIBLE.get(ledger[0]["status"], ()),
        pending=is_pending(reading, desk.settings, feed, delivery),
        saved=saved,
    )


@router.get("/deliveries/{feed}/{delivery}/standing")
def show_standing(request: Request, feed: str, delivery: str) -> Response:
    """Nothing as long as acts about the delivery are not published; then the page is to be loaded again."""
    desk = desk_of(request)
    reading = desk.reading
    if is_pending(reading, desk.settings, feed_named(feed).name, check_delivery_key(delivery)) or reading.is_stale:
        return Response(status_code=204)
    return Response(status_code=200, headers={"HX-Refresh": "true"})


@router.get("/deliveries/{feed}/{delivery}/{act}")
def show_act(request: Request, feed: str, delivery: str, act: Act, _: Engineer) -> HTMLResponse:
    """What an act would change, before anybody does it."""
    desk = desk_of(request)
    outcome, problem = None, ""
    state = Journal(desk.settings, feed_named(feed).name, check_delivery_key(delivery)).state()
    try:
        with desk.reading.cursor() as cursor:
            outcome = preview(cursor, desk.settings, feed_named(feed), delivery, act)
    except DeliveryError as error:
        problem = str(error)
    return desk.page(
        request,
        "delivery_act.html",
        feed=feed,
        delivery=delivery,
        act=act,
        outcome=outcome,
        problem=problem,
        seen=(state.content or "") if state else "",
    )


@router.post("/deliveries/{feed}/{delivery}/{act}")
def do_act(
    request: Request,
    feed: str,
    delivery: str,
    act: Act,
    person: Engineer,
    seen: Annotated[str, Form()],
    because: Annotated[str, Form()] = "",
) -> Response:
    """Release, retract or reinstate a delivery."""
    desk = desk_of(request)
    _ACTS[act](desk.settings, feed_named(feed), delivery, because=because, who=person.name, seen=seen)
    desk.acted()
    return see_other(address(f"/deliveries/{feed}/{delivery}", saved=act), request)
