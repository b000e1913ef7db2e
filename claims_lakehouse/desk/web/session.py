"""Sessions: what a browser was told to remember, signed, so that the desk need not; and the tokens bound to them."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from itsdangerous import BadData, URLSafeSerializer
from starlette.requests import HTTPConnection

from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import FILE_MODE, make_folder, sync

SameSite = Literal["strict", "lax"]
Clock = Callable[[], float]

_SECRET_LENGTH = 64
#: How far a clock that was set back may make a session seem to come from the future, in seconds.
_CLOCK_STEP = 60


class Session(NamedTuple):
    """What a session's cookie says.

    Attributes:
        id: A random name; what the server remembers of a session, it remembers under it.
        name: Whose session it is.
        groups: Those of the person's groups that have a role.
        at: When the session began, in seconds since 1970. It is never prolonged.
    """

    id: str
    name: str
    groups: tuple[str, ...]
    at: float


class Sessions:
    """Makes sessions, and knows its own.

    A session that was signed out is remembered until it would have ended anyway, by this process only: who stole a
    cookie before could use it again after a restart, but no longer than the lifetime.
    """

    def __init__(
        self, secret: bytes, *, is_https: bool, same_site: SameSite, lifetime: float, clock: Clock = time.time
    ) -> None:
        """A browser takes a cookie named `__Host-…` from https only, and never from another host of the domain."""
        self.cookie_name = "__Host-claims_desk" if is_https else "claims_desk"
        self.is_https, self.lifetime = is_https, lifetime
        self._attributes = f"Path=/; HttpOnly; SameSite={same_site.title()}" + ("; Secure" if is_https else "")
        self._secret = secret
        self._clock = clock
        self._serializer = URLSafeSerializer(
            secret,
            salt="claims_desk.session",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._signed_out: dict[str, float] = {}

    def start(self, name: str, groups: tuple[str, ...] = ()) -> Session:
        """A new session, under a name that nobody can guess."""
        return Session(secrets.token_urlsafe(24), name, groups, self._clock())

    def read(self, connection: HTTPConnection) -> Session | None:
        """The session of a request; None where its cookie is not there, not ours, too old or signed out."""
        try:
            told = self._serializer.loads(connection.cookies.get(self.cookie_name, ""))
            session = Session(told["id"], told["name"], tuple(told["groups"]), told["at"])
        except (BadData, KeyError, TypeError):
            return None
        age = self._clock() - session.at
        return session if -_CLOCK_STEP <= age < self.lifetime and session.id not in self._signed_out else None

    def cookie(self, session: Session) -> str:
        """The Set-Cookie header that gives a browser its session."""
        seconds = max(0, int(session.at + self.lifetime - self._clock()))
        signed = self._serializer.dumps(session._asdict())
        return f"{self.cookie_name}={signed}; Max-Age={seconds}; {self._attributes}"

    def end(self, session: Session) -> str:
        """Forget a session; returns the Set-Cookie header that has the browser forget it as well."""
        now = self._clock()
        self._signed_out = {name: until for name, until in self._signed_out.items() if until > now}
        self._signed_out[session.id] = session.at + self.lifetime
        return f"{self.cookie_name}=; Max-Age=0; {self._attributes}"

    def csrf(self, session: Session) -> str:
        """The token that a page of this session sends along, and that no other site can know."""
        return self.key(f"claims_desk.csrf:{session.id}")

    def key(self, purpose: str) -> str:
        """What nobody can know who does not know the secret, and that is good for one purpose only."""
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).hexdigest()


def desk_secret(home: Path) -> bytes:
    """What sessions are signed with: made at the first start, kept in `desk/secret` of the lakehouse's home.

    The file is locked while it is looked at, so that two desks that start at once agree.

    UsageError where others may read it, or it is not what was written.
    """
    path = make_folder(home / "desk") / "secret"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_mode & 0o077:
            raise UsageError(f"{path}: others than its owner may open it; delete it, and a new one is made.")
        secret = os.read(handle, _SECRET_LENGTH + 1)
        if not secret:
            secret = secrets.token_hex(_SECRET_LENGTH // 2).encode()
            os.write(handle, secret)
            os.fsync(handle)
            sync(path.parent)
        if len(secret) != _SECRET_LENGTH:
            raise UsageError(f"{path}: found another length than {_SECRET_LENGTH}; delete it, and a new one is made.")
        return secret
    finally:
        os.close(handle)
