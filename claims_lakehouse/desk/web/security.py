"""What stands between the network and the desk's routes: `protect` puts all of it around an app.

Every refusal is one JSON line of the logger `claims_lakehouse.desk`. Run uvicorn with `access_log=False`, for its lines
tell the query, and in that of a sign-in are its secrets; and with `proxy_headers=False` (see `TrustedProxy`).
"""

from __future__ import annotations

import hmac
import html
import json
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from claims_lakehouse.desk.web.body import read_body, replaying, token_in_form
from claims_lakehouse.desk.web.guard import Guard
from claims_lakehouse.desk.web.people import Person, Role
from claims_lakehouse.desk.web.session import Session
from claims_lakehouse.desk.web.sign_in import Refused

__all__ = ["CSRF_HEADER", "STATIC", "Guard", "Person", "Protection", "Refused", "needs", "plain_page", "protect"]

LOGGER = logging.getLogger("claims_lakehouse.desk")
STATIC = "/static/"
CSRF_HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def protect(app: FastAPI, guard: Guard) -> None:
    """Put all of the protection around an app. What is added to the app as middleware later stands outside of it.

    From then on every route but those below `/static/` and the sign-in's own finds in `request.state`:

    - `person`: the `Person` who asks;
    - `session`: a random name under which the server may remember something of their session;
    - `csrf`: the token that every form must send in the field `csrf`, or every request in `X-CSRF-Token`.
    """
    guard.sign_in.install(app)
    app.add_middleware(Protection, guard=guard)


def needs(role: Role) -> Callable[[Request], Awaitable[Person]]:
    """A dependency of routes: the person, where they have the role; Refused (403) where they do not."""

    async def person_who_may(request: Request) -> Person:
        person: Person = request.state.person
        if not person.may(role):
            raise Refused(
                403, f"needs {role}", f"This needs the role {role}; you are {person.name}, with the role {person.role}."
            )
        return person

    return person_who_may


class Protection:
    """ASGI middleware: lets a request through to the app, or answers it with a plain page."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a route may raise Refused too. The desk has no websockets, so none is let in."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, scope["path"])
        try:
            await self._judge(scope, receive, answer)
        except Refused as refused:
            _log(scope, refused.status, refused.why)
            if answer.is_started:
                raise
            await self._page(refused, HTTPConnection(scope))(scope, receive, answer)
        except Exception:
            if not answer.is_started:  # else starlette would answer, without our headers
                page = plain_page(500, "Something went wrong", "The desk could not do this. Its log says why.")
                await page(scope, receive, answer)
            raise

    async def _judge(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Let a request through; Refused where it may not pass."""
        guard, connection, method = self._guard, HTTPConnection(scope), scope["method"]
        hosts = connection.headers.getlist("Host")
        port = (scope.get("server") or (None, None))[1]
        origin = guard.own_origin(scope["scheme"], hosts[0], port) if len(hosts) == 1 else None
        if origin is None:
            raise Refused(400, "not the desk's host", "The desk is not at this address.")
        is_safe = method in _SAFE_METHODS
        if is_safe and (scope["path"].startswith(STATIC) or scope["path"] in guard.sign_in.open_paths):
            await self._app(scope, receive, answer)
            return
        is_foreign = not _OWN_SITES.issuperset(connection.headers.getlist("Sec-Fetch-Site"))
        is_followed = is_safe and connection.headers.get("Sec-Fetch-Mode") == "navigate"
        if is_foreign and not is_followed:
            raise Refused(403, "another site", "This request comes from another site.")
        session = guard.sessions.read(connection)
        person = guard.sign_in.identify(connection, session)
        if session is not None and session.name != person.name:
            session = None  # somebody else sits at this browser now
        if not is_safe:
            if session is None:
                raise Refused(403, "no session", "This page is too old. Load it again, then repeat what you did.")
            receive = await self._checked(scope, receive, session, origin)
        elif session is None and is_foreign:
            await _step_inside(scope, receive, answer)
            return
        if session is None:
            session = guard.sessions.start(person.name)
            answer.cookie = guard.sessions.cookie(session)
        known = {"person": person, "session": session.id, "csrf": guard.sessions.csrf(session)}
        await self._app({**scope, "state": {**scope.get("state", {}), **known}}, receive, answer)

    async def _checked(self, scope: Scope, receive: Receive, session: Session, origin: str) -> Receive:
        """What the route receives of a request that changes something; Refused where no page of ours sent it."""
        headers = HTTPConnection(scope).headers
        if any(told != origin for told in headers.getlist("Origin")):
            raise Refused(403, "another origin", "This request comes from another site.")
        body = await read_body(receive, self._guard.max_body)
        tokens = headers.getlist(CSRF_HEADER) or [await token_in_form(scope, body, receive) or ""]
        expected = self._guard.sessions.csrf(session).encode()
        if len(tokens) != 1 or not hmac.compare_digest(tokens[0].encode(), expected):
            raise Refused(403, "no token of this session", "This page is too old. Load it again, then repeat it.")
        return replaying(body, receive)

    def _page(self, refused: Refused, connection: HTTPConnection) -> Response:
        """The answer to a refused request; who is not signed in is sent to do so."""
        if refused.status != 401 or self._guard.sign_in.way != "oidc":
            return plain_page(refused.status, "Refused", refused.message)
        if "HX-Request" in connection.headers:
            return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
        if connection.scope["method"] not in ("GET", "HEAD"):
            return plain_page(401, "Refused", refused.message)
        query = connection.scope["query_string"].decode("latin-1")
        asked = quote(connection.scope["path"]) + (f"?{query}" if query else "")
        return RedirectResponse(f"/sign-in?next={quote(asked, safe='')}", status_code=303)


class _Answer:
    """Sends an answer with the headers that every answer has, and the cookie of a session that is new."""

    def __init__(self, send: Send, path: str) -> None:
        self._send, self._path = send, path
        self.cookie: str | None = None
        self.is_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_started = True
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            is_kept = self._path.startswith(STATIC) and message["status"] < 400
            cache = "max-age=86400" if is_kept else "no-store"
            for name, value in {**_HEADERS, "Cache-Control": cache}.items():
                headers[name] = value
            if self.cookie is not None:
                headers.append("Set-Cookie", self.cookie)
        await self._send(message)


def plain_page(status: int, title: str, message: str) -> HTMLResponse:
    """A page that needs no template, for whoever may not see any other."""
    title, message = html.escape(title), html.escape(message)
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="stylesheet" href="/static/desk.css"><main><h1>{title}</h1><p>{message}</p>'
        '<p><a href="/">To the overview</a></p></main></html>',
        status,
    )


async def _step_inside(scope: Scope, receive: Receive, answer: Send) -> None:
    """Have the browser ask again, from a page of ours.

    It keeps a strict cookie back where somebody followed a link of another site: a new session would replace the one
    that it has, and the pages that are open would be refused.
    """
    page = HTMLResponse(
        '<!doctype html><html lang="en"><title>Claims desk</title><meta http-equiv="refresh" content="0">'
        '<p><a href="">Open the desk</a></p></html>'
    )
    await page(scope, receive, answer)


def _log(scope: Scope, status: int, why: str) -> None:
    """Write down that a request was refused: never its query, headers or body."""
    told = {"event": "refused", "status": status, "why": why, "method": scope["method"], "path": scope["path"][:200]}
    LOGGER.warning(json.dumps(told))
