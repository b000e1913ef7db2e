"""The desk's web application: its pages, what protects them, and how errors are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from threading import Event, Thread

import duckdb
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from claims_lakehouse.desk.claims import ClaimNames
from claims_lakehouse.desk.payments import PaymentNames
from claims_lakehouse.desk.web import (
    act_pages,
    claim_pages,
    delivery_pages,
    exchange_pages,
    issue_pages,
    overview_pages,
    payment_pages,
)
from claims_lakehouse.desk.web.carrier import Carrier
from claims_lakehouse.desk.web.desk import HERE, Desk, desk_of
from claims_lakehouse.desk.web.guard import Guard
from claims_lakehouse.desk.web.security import protect
from claims_lakehouse.errors import (
    ClaimsLakehouseError,
    NoSuchClaim,
    NoSuchDelivery,
    NoSuchIssue,
    NoSuchPayment,
    Overtaken,
    UsageError,
)
from claims_lakehouse.settings import Settings

#: After how many seconds a desk that nobody uses looks for a newer publication.
_LOOK_AGAIN = 5.0
_PAGES = (overview_pages, issue_pages, act_pages, delivery_pages, exchange_pages, claim_pages, payment_pages)


def create_app(settings: Settings, guard: Guard, carrier: Carrier | None = None) -> FastAPI:
    """The desk on one lakehouse.

    Args:
        settings: Where the lakehouse is.
        guard: Who may use it.
        carrier: Carries acts out; without one that is left to whoever runs the pipeline.
    """

    @asynccontextmanager
    async def carrying(_: FastAPI) -> AsyncIterator[None]:
        ended = Event()
        Thread(target=_keep_up, args=(app.state.desk, ended), name="keep-up", daemon=True).start()
        if carrier:
            carrier.start()
        yield
        ended.set()
        if carrier:
            carrier.close()

    app = FastAPI(title="Verification desk", docs_url=None, redoc_url=None, openapi_url=None, lifespan=carrying)
    desk = app.state.desk = Desk(settings, carrier, can_sign_out=guard.sign_in.way == "oidc")
    app.state.claim_names = ClaimNames(guard.sessions.key("claims_desk.claim"))
    app.state.payment_names = PaymentNames(guard.sessions.key("claims_desk.payment"))
    if carrier:
        carrier.after = desk.renew
    for pages in _PAGES:
        app.include_router(pages.router)
    # htmx comes from a package that is nothing but its files; its __init__ is for a framework that we have not.
    app.mount("/static/htmx", StaticFiles(directory=Path(str(files("js_lib_htmx"))) / "static" / "htmx"))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(ClaimsLakehouseError, _tell)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(HTTPException, _tell_unknown)
    protect(app, guard)
    return app


def _keep_up(desk: Desk, ended: Event) -> None:
    """Read what is published before the first person asks, and again when something newer is, though nobody asks.

    An old publication that is held open stays on the disk: it may have what was purged since.
    """
    while True:
        with suppress(ClaimsLakehouseError, duckdb.Error):
            _ = desk.reading
        if ended.wait(_LOOK_AGAIN):
            return


def _tell(request: Request, error: Exception) -> HTMLResponse:
    """Say what went wrong, on a page that leads back."""
    if isinstance(error, NoSuchDelivery):
        return _page(request, 404, "There is no such delivery", str(error))
    if isinstance(error, NoSuchClaim):
        told = f"{error} It may have been there: where its delivery was purged, nothing is known of it any more."
        return _page(request, 404, "There is no such claim", told)
    if isinstance(error, NoSuchPayment):
        told = f"{error} It may have been there: until a day is sent, what is paid on it follows what is decided."
        return _page(request, 404, "There is no such payment", told)
    if isinstance(error, NoSuchIssue):
        told = (
            f"{error} It may have been there: where a row says otherwise than before, or its delivery was replaced or "
            "purged, there are other issues or none."
        )
        return _page(request, 404, "There is no such issue", told)
    status = 409 if isinstance(error, Overtaken) else 400 if isinstance(error, UsageError) else 500
    return _page(
        request, status, "That was not done" if request.method == "POST" else "That cannot be shown", str(error)
    )


def _tell_invalid(request: Request, error: Exception) -> HTMLResponse:
    """Say which field of a request is not as expected; never what it said."""
    assert isinstance(error, RequestValidationError)
    fields = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
    return _page(request, 400, "That cannot be shown", f"The request is not as expected: {fields}.")


def _tell_unknown(request: Request, error: Exception) -> HTMLResponse:
    """Say that there is no such page."""
    assert isinstance(error, HTTPException)
    return _page(request, error.status_code, "There is no such page", "The address leads nowhere.")


def _page(request: Request, status: int, title: str, message: str) -> HTMLResponse:
    is_act = request.method == "POST"
    return desk_of(request).page(request, "message.html", status, title=title, message=message, is_act=is_act)
