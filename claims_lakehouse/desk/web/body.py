"""The body of a request: read whole within bounds, looked at for its token, and given to the route as if unread."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from claims_lakehouse.desk.web.sign_in import Refused

FIELD = "csrf"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_MOST_FIELDS = 10_000


async def read_body(receive: Receive, most: int) -> bytes:
    """Read a body, by its bytes as they come: how long it says to be is not believed, and chunks do not say it.

    Refused where it has more than `most` bytes, or ends before it is whole.
    """
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "the body broke off", "The request ended before it was whole.")
        body += message.get("body", b"")
        if len(body) > most:
            raise Refused(413, "the body is too large", f"The desk takes at most {most:,} bytes at a time.")
        more = message.get("more_body", False)
    return bytes(body)


def replaying(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, and then whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def token_in_form(scope: Scope, body: bytes, receive: Receive) -> str | None:
    """The token in the one field `csrf` of a form; None where there is none, or no form. Refused where it is broken."""
    request = Request(scope, replaying(body, receive))
    if request.headers.get("Content-Type", "").split(";")[0].strip().lower() not in _FORMS:
        return None
    try:
        async with request.form(max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS, max_part_size=len(body) + 1) as form:
            tokens = form.getlist(FIELD)
    except (HTTPException, MultiPartException, ValueError) as error:
        raise Refused(400, "the form is broken", "The form that was sent cannot be read.") from error
    return tokens[0] if len(tokens) == 1 and isinstance(tokens[0], str) else None
