"""By what a request is judged: made once, from the settings, when the desk starts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from claims_lakehouse.desk.web.people import Roles
from claims_lakehouse.desk.web.session import Clock, Sessions, desk_secret
from claims_lakehouse.desk.web.sign_in import OnePerson, SignIn, TrustedProxy, Way, chosen_way, is_loopback
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import DeskSettings

if TYPE_CHECKING:
    import httpx

#: A sign-in by oidc lasts a working day; otherwise every request says anew who sends it, and a session is but a memory.
_LIFETIMES: dict[Way, float] = {"none": 30 * 86400.0, "proxy": 30 * 86400.0, "oidc": 8 * 3600.0}
_PORTS = {"http": ":80", "https": ":443"}
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Guard:
    """Everything by which a request is judged.

    Attributes:
        sign_in: Knows who sends a request; its `way` says how.
        sessions: Makes and knows sessions.
        url: The address that people open, without a slash at its end; None where nobody has to sign in.
        max_body: How many bytes a request may send.
    """

    sign_in: SignIn
    sessions: Sessions
    url: str | None
    max_body: int

    @classmethod
    def made(
        cls,
        desk: DeskSettings,
        home: Path,
        clock: Clock = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> Guard:
        """The guard that the settings ask for; `transport` stands for the network to a provider, in tests.

        The cookie of a session is sent with no request that another site causes (SameSite=Strict), but by oidc it must
        be: the provider sends the browser back to the desk, and what follows must find the session (Lax).

        UsageError where a setting is missing or wrong.
        """
        way = chosen_way(desk)
        desk = replace(desk, url=_own_url(desk, way))
        sessions = Sessions(
            desk_secret(home),
            is_https=(desk.url or "").startswith("https://"),
            same_site="lax" if way == "oidc" else "strict",
            lifetime=_LIFETIMES[way],
            clock=clock,
        )
        sign_in: SignIn
        if way == "none":
            sign_in = OnePerson()
        elif way == "proxy":
            sign_in = TrustedProxy(desk, Roles.read(desk.roles))
        else:
            from claims_lakehouse.desk.web.oidc import OpenIdConnect

            sign_in = OpenIdConnect(desk, Roles.read(desk.roles), sessions, clock, transport)
        return cls(sign_in, sessions, desk.url, desk.max_body)

    def own_origin(self, scheme: str, host: str, port: int | None) -> str | None:
        """Where the Host header says that the desk is; None where that is not where it is.

        A page of another host may have its name resolve to this machine, and would then be of one origin with the desk
        (DNS rebinding). `scheme` and `port` are those of the connection.
        """
        if self.url is not None:
            told, own = _origin(urlsplit(self.url).scheme, host), {self.url}
        else:
            told, own = _origin(scheme, host), {_origin(scheme, f"{name}:{port}" if port else name) for name in _LOCAL}
        return told if told in own else None


def _own_url(desk: DeskSettings, way: Way) -> str | None:
    """The origin that people open, as a browser writes it; UsageError where it is none, or one that must not be."""
    if desk.url is None:
        if way == "none":
            return None
        raise UsageError(
            "CLAIMS_DESK_URL is not set; expected the address that people open, as https://desk.example.org."
        )
    url = urlsplit(desk.url)
    if url.scheme not in _PORTS or not url.hostname or url.path not in ("", "/") or "@" in url.netloc or url.query:
        raise UsageError(f"CLAIMS_DESK_URL: found {desk.url!r}; expected an address as https://desk.example.org.")
    if way == "none" and not is_loopback(url.hostname):
        raise UsageError(
            f"CLAIMS_DESK_URL says that others reach the desk at {desk.url}, and nobody has to sign in. "
            "Set CLAIMS_DESK_SIGN_IN to proxy or oidc."
        )
    return _origin(url.scheme, url.netloc)


def _origin(scheme: str, host: str) -> str:
    """An origin as browsers write it: in small letters, and without the port that the scheme has anyway."""
    return f"{scheme}://{host.lower().removesuffix(_PORTS[scheme])}"
