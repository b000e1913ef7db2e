"""The ways to know who somebody is: nobody else is here (none), a proxy says so, or a provider does (oidc.py).

What protects the requests themselves is security.py's; what people may do, people.py's.
"""

from __future__ import annotations

import getpass
import hmac
import ipaddress
from abc import ABC, abstractmethod
from typing import Literal, get_args

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from claims_lakehouse.desk.web.people import Person, Roles
from claims_lakehouse.desk.web.session import Session
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import DeskSettings

Way = Literal["none", "proxy", "oidc"]
WAYS: tuple[Way, ...] = get_args(Way)

SECRET_HEADER = "X-Claims-Desk-Secret"
_LONGEST_NAME = 200


class Refused(Exception):
    """A request is not answered. No error of the lakehouse: who tells those must leave it to `Protection`.

    Attributes:
        status: The HTTP status.
        why: What the log says: a few fixed words, never what was sent.
        message: What the page says.
    """

    def __init__(self, status: int, why: str, message: str) -> None:
        super().__init__(message)
        self.status, self.why, self.message = status, why, message


class SignIn(ABC):
    """Knows who sends a request.

    Attributes:
        way: How.
        open_paths: What may be asked before anybody is known.
    """

    way: Way
    open_paths: frozenset[str] = frozenset()

    @abstractmethod
    def identify(self, connection: HTTPConnection, session: Session | None) -> Person:
        """The person who sends a request; Refused where nobody is known, or they have no role."""

    def install(self, app: FastAPI) -> None:  # noqa: B027 - most ways need nothing
        """Add what the way needs to an app."""


class OnePerson(SignIn):
    """Nobody signs in: whoever reaches the desk from this machine is the one who started it, and may do everything.

    So may every other user of the machine: where there are any, choose another way.
    """

    way = "none"

    def __init__(self) -> None:
        self._person = Person(getpass.getuser(), "engineer")

    def identify(self, connection: HTTPConnection, session: Session | None) -> Person:
        """The person who started the desk; Refused where the request comes from another machine."""
        if connection.client is None or not is_loopback(connection.client.host):
            raise Refused(403, "not from this machine", "Nobody can sign in here, so only this machine may ask.")
        return self._person


class TrustedProxy(SignIn):
    """A reverse proxy signs people in and gives their name in a header, which it must never pass on from outside.

    It is known by its address, so the server must not believe `X-Forwarded-For`: run uvicorn with
    `proxy_headers=False`, or whoever can send that header can say that they are the proxy.
    """

    way = "proxy"

    def __init__(self, desk: DeskSettings, roles: Roles) -> None:
        """UsageError where the settings trust nobody, everybody, or what is no address."""
        self._roles = roles
        self._header, self._groups_header = desk.proxy_header, desk.proxy_groups_header
        self._secret = desk.proxy_secret
        self._trusted = [_network(text.strip()) for text in desk.trusted_proxies.split(",") if text.strip()]
        if not self._trusted:
            raise UsageError("CLAIMS_DESK_TRUSTED_PROXIES is not set; expected the proxy's addresses, as 10.0.0.5.")
        if self._secret is None and any(network.prefixlen == 0 for network in self._trusted):
            raise UsageError("CLAIMS_DESK_TRUSTED_PROXIES trusts every address; expected CLAIMS_DESK_PROXY_SECRET too.")

    def identify(self, connection: HTTPConnection, session: Session | None) -> Person:
        """The person whom the proxy names."""
        address = None if connection.client is None else _address(connection.client.host)
        if address is None or not any(address in network for network in self._trusted):
            raise Refused(403, "not from a trusted proxy", "The desk answers only what comes through its proxy.")
        if self._secret is not None:
            told = _only_value(connection, SECRET_HEADER) or ""
            if not hmac.compare_digest(told.encode(), self._secret.encode()):
                raise Refused(403, "wrong proxy secret", "The desk answers only what comes through its proxy.")
        name = _only_value(connection, self._header)
        if not name:
            raise Refused(401, "no name from the proxy", "The proxy did not say who you are.")
        groups = _only_value(connection, self._groups_header) if self._groups_header else None
        return known_person(self._roles, name, tuple(group.strip() for group in (groups or "").split(",")))


def known_person(roles: Roles, name: str, groups: tuple[str, ...]) -> Person:
    """A person who signed in; Refused where the name cannot be one, or they have no role."""
    if not name.isprintable() or len(name) > _LONGEST_NAME or name != name.strip():
        raise Refused(403, "not a name", "The name under which you signed in cannot be used here.")
    person = roles.person(name, groups)
    if person is None:
        raise Refused(403, "no role", f"You are signed in as {name}, who has no role at this desk.")
    return person


def chosen_way(desk: DeskSettings) -> Way:
    """How people sign in; UsageError where the word means nothing."""
    for way in WAYS:
        if desk.sign_in == way:
            return way
    raise UsageError(f"CLAIMS_DESK_SIGN_IN: found {desk.sign_in!r}; expected one of {', '.join(WAYS)}.")


def require_sign_in(host: str, way: Way) -> None:
    """UsageError where the desk would listen beyond this machine, and nobody has to sign in."""
    if way == "none" and not is_loopback(host):
        raise UsageError(
            f"The desk would be open to everybody who reaches {host or 'any address'}: nobody has to sign in. "
            "Set CLAIMS_DESK_SIGN_IN to proxy or oidc, or listen on 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether a host means this machine only."""
    address = _address(host.removeprefix("[").removesuffix("]"))
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, of IPv4 where it is one in the clothes of IPv6; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A trusted address or network."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(f"CLAIMS_DESK_TRUSTED_PROXIES: {error}; expected 10.0.0.5 or 10.0.0.0/24.") from error


def _only_value(connection: HTTPConnection, header: str) -> str | None:
    """A header's value; None where it is not there. Refused where it is there twice: one of them came from outside."""
    values = connection.headers.getlist(header)
    if len(values) > 1:
        raise Refused(403, "repeated header of the proxy", "The proxy said twice who you are.")
    try:
        return values[0].encode("latin-1").decode() if values else None
    except ValueError:
        raise Refused(403, "not a name", "The name under which you signed in cannot be used here.") from None
