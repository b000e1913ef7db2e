"""Sign in through an OpenID Connect provider. Only this module imports Authlib, and only who chose oidc imports it."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.starlette_client import OAuth  # type: ignore[import-untyped]
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from claims_lakehouse.desk.web.people import Person, Roles
from claims_lakehouse.desk.web.session import Clock, Session, Sessions
from claims_lakehouse.desk.web.sign_in import Refused, SignIn, is_loopback, known_person
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import DeskSettings

SIGN_IN, CALLBACK, SIGN_OUT = "/sign-in", "/sign-in/callback", "/sign-out"
#: Keys of these cannot be taken for secrets; "none" and the HS… family are refused, whatever the provider announces.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_LEEWAY = 60
_UNFINISHED_FOR = 600
_MOST_UNFINISHED = 10_000


class OpenIdConnect(SignIn):
    """The authorization code flow, with PKCE, state and nonce, all checked by Authlib.

    What a sign-in must remember until the provider sends the browser back lies in this process, once, under its
    `state`; the browser holds only that state in a cookie of its own, so that nobody can be made to finish a sign-in
    that somebody else began. The desk is one process; several would each know only their own.
    """

    way = "oidc"
    open_paths = frozenset({SIGN_IN, CALLBACK})

    def __init__(
        self,
        desk: DeskSettings,
        roles: Roles,
        sessions: Sessions,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`transport` stands for the network; UsageError where a setting is missing or the issuer is not https."""
        for name in ("issuer", "client_id", "client_secret"):
            if not getattr(desk, f"oidc_{name}"):
                raise UsageError(f"CLAIMS_DESK_OIDC_{name.upper()} is not set; expected what the provider gave for it.")
        issuer = urlsplit(desk.oidc_issuer)
        if issuer.scheme != "https" and not is_loopback(issuer.hostname or ""):
            raise UsageError(f"CLAIMS_DESK_OIDC_ISSUER: found {desk.oidc_issuer!r}; expected an https address.")
        self._desk, self._roles, self._sessions = desk, roles, sessions
        logging.getLogger("authlib").setLevel(logging.INFO)  # its debug lines tell the secrets of a sign-in
        self._client: Any = OAuth(cache=_Unfinished(clock)).register(
            "desk",
            client_id=desk.oidc_client_id,
            client_secret=desk.oidc_client_secret,
            server_metadata_url=desk.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "timeout": 10,
                **({} if transport is None else {"transport": transport}),
            },
        )
        self._client.framework.expires_in = _UNFINISHED_FOR

    def install(self, app: FastAPI) -> None:
        """Add the routes of signing in and out, and the cookie that ties a sign-in to the browser that began it."""
        app.add_middleware(
            SessionMiddleware,
            secret_key=self._sessions.key("claims_desk.sign_in"),
            session_cookie=f"{self._sessions.cookie_name}_sign_in",
            max_age=_UNFINISHED_FOR,
            same_site="lax",
            https_only=self._sessions.is_https,
        )
        app.add_api_route(SIGN_IN, self._sign_in, include_in_schema=False)
        app.add_api_route(CALLBACK, self._callback, include_in_schema=False)
        app.add_api_route(SIGN_OUT, self._sign_out, methods=["POST"], include_in_schema=False)

    def identify(self, connection: HTTPConnection, session: Session | None) -> Person:
        """The person who signed in."""
        if session is None:
            raise Refused(401, "not signed in", "You are not signed in.")
        return known_person(self._roles, session.name, session.groups)

    async def _sign_in(self, request: Request) -> Response:
        """Send the browser to the provider."""
        request.session["next"] = local_path(request.query_params.get("next", "/"))
        try:
            await self._discover()
            redirect: Response = await self._client.authorize_redirect(request, f"{self._desk.url}{CALLBACK}")
        except (httpx.HTTPError, AuthlibBaseError, ValueError, RuntimeError) as error:
            raise _unreachable(error) from error
        return redirect

    async def _callback(self, request: Request) -> Response:
        """Take up the person whom the provider sends back, in a session that is new: an older one may be known."""
        target = local_path(request.session.get("next", "/"))
        try:
            await self._discover()
            token = await self._client.authorize_access_token(
                request,
                claims_options={
                    "iss": {"essential": True, "value": self._desk.oidc_issuer},
                    "aud": {"essential": True, "value": self._desk.oidc_client_id},
                },
                leeway=_LEEWAY,
            )
            claims = token["userinfo"]
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError, RuntimeError) as error:
            why = f"sign-in failed: {type(error).__name__}"
            raise Refused(403, why, "You could not be signed in. Open the desk and try again.") from error
        finally:
            request.session.clear()
        groups = claims.get(self._desk.oidc_groups_claim) or ()
        groups = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        known = tuple(group for group in groups if isinstance(group, str) and group in self._roles.groups)
        person = known_person(self._roles, _name(claims, self._desk.oidc_name_claim), known)
        response = RedirectResponse(target, status_code=303)
        response.headers.append("Set-Cookie", self._sessions.cookie(self._sessions.start(person.name, known)))
        return response

    async def _sign_out(self, request: Request) -> Response:
        """End the session here; the provider's own goes on, so the page does not go straight back to it."""
        session = self._sessions.read(request)
        assert session is not None  # without one, the request would not have passed
        response = HTMLResponse(
            '<!doctype html><html lang="en"><title>Signed out</title><h1>Signed out</h1>'
            f'<p>You are signed out of the desk. <a href="{SIGN_IN}">Sign in again</a></p></html>'
        )
        response.headers.append("Set-Cookie", self._sessions.end(session))
        return response

    async def _discover(self) -> None:
        """Know the provider; Refused where it says that it is another one (OpenID Connect Discovery 1.0, 4.3)."""
        metadata = await self._client.load_server_metadata()
        if metadata.get("issuer") != self._desk.oidc_issuer:
            raise Refused(502, "the provider names another issuer", "The sign-in service is set up wrongly.")
        announced = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        metadata["id_token_signing_alg_values_supported"] = [name for name in announced if name in _ALGORITHMS]


class _Unfinished:
    """What unfinished sign-ins must remember; the oldest is forgotten where there are too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def get(self, key: str) -> str | None:
        value, until = self._kept.get(key, (None, 0.0))
        return value if until > self._clock() else None

    async def set(self, key: str, value: str, expires_in: float) -> None:
        self._kept[key] = value, self._clock() + expires_in
        while len(self._kept) > _MOST_UNFINISHED:
            self._kept.popitem(last=False)

    async def delete(self, key: str) -> None:
        self._kept.pop(key, None)


def local_path(told: str) -> str:
    r"""A path of the desk to go on to; the first page where what was told would lead elsewhere, or in circles.

    Browsers take `//host`, `/\host` and `/<tab>/host` for another host.
    """
    is_plain = told.isascii() and told.isprintable() and "\\" not in told and " " not in told and len(told) < 1000
    if not is_plain or not told.startswith("/") or told.startswith(("//", SIGN_IN, SIGN_OUT)):
        return "/"
    return told


def _name(claims: dict[str, Any], claim: str) -> str:
    """The name under which a person is known: what the claim says, else the next best.

    Refused where it is an address that the provider did not verify: anybody could have claimed it.
    """
    for name in (claim, "preferred_username", "sub"):
        found = claims.get(name)
        if isinstance(found, str) and found:
            if name == "email" and claims.get("email_verified") in (False, "false"):
                raise Refused(403, "address not verified", "Your provider has not verified your e-mail address.")
            return found
    raise Refused(403, "no name", "The sign-in service did not say who you are.")


def _unreachable(error: Exception) -> Refused:
    """What is said where the provider does not answer as it should."""
    why = f"the provider does not answer: {type(error).__name__}"
    return Refused(502, why, "The sign-in service does not answer. Try again later.")
