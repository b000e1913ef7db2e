"""What every page needs: the publication, the templates, what the session remembers, who carries acts out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from claims_lakehouse.desk.issues import Filters, choices
from claims_lakehouse.desk.overview import overview
from claims_lakehouse.desk.reading import Reading, Readings
from claims_lakehouse.desk.web.carrier import Carrier, Carrying
from claims_lakehouse.desk.web.memory import Memory
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.veil import Veil
from claims_lakehouse.settings import Settings, dagster_url

HERE = Path(__file__).parent
#: The number of a page in an address.
Page = Annotated[int, Query(ge=1, le=10**9)]


class Desk:
    """The desk on one lakehouse."""

    def __init__(self, settings: Settings, carrier: Carrier | None = None, *, can_sign_out: bool = False) -> None:
        self.settings, self.carrier = settings, carrier
        self.readings, self.memory = Readings(settings, _prepare), Memory()
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"count": _count, "share": _share, "moment": _moment}
        self._templates.globals |= {"address": address, "dagster_url": dagster_url(), "can_sign_out": can_sign_out}

    @property
    def reading(self) -> Reading:
        """The publication to answer from; UsageError where there is none yet."""
        return self.readings.now(datetime.now(UTC).date())

    @property
    def carrying(self) -> Carrying:
        """How it stands with acts that are being carried out."""
        return self.carrier.state if self.carrier else Carrying()

    def renew(self) -> None:
        """See what was published last, now."""
        _ = self.reading
        self.readings.settle()

    def acted(self) -> None:
        """Have what was just decided carried out."""
        if self.carrier:
            self.carrier.wake()

    def page(self, request: Request, template: str, http_status: int = 200, **values: Any) -> HTMLResponse:
        """A page, or a part of one."""
        person: Person = request.state.person
        known = {
            "person": person,
            "csrf": request.state.csrf,
            "veil": Veil(person),
            "carrying": self.carrying,
            "path": request.url.path,
            "now": utc_now(),
        }
        return HTMLResponse(self._templates.get_template(template).render(**known, **values), http_status)


def _prepare(reading: Reading) -> None:
    """Have the first page and the filters of the list ready."""
    overview(reading, utc_now())
    choices(reading)


def desk_of(request: Request) -> Desk:
    """The desk that answers a request."""
    desk: Desk = request.app.state.desk
    return desk


def utc_now() -> datetime:
    """Now, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def see_other(path: str, request: Request) -> Response:
    """Send the browser on to a page after an act; htmx is told in its own way."""
    if "HX-Request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


def address(path: str, given: Mapping[str, object] | None = None, **changed: object) -> str:
    """An address with parameters, those that are empty left out."""
    told = {name: value for name, value in {**(given or {}), **changed}.items() if value not in (None, "")}
    return quote(path) + (f"?{urlencode(told)}" if told else "")


def listing(filters: Filters, **more: object) -> str:
    """The address of a list of issues: what names nobody."""
    return address("/issues", {**filters.plain, "status": filters.status or "any"}, **more)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _share(part: float | None) -> str:
    return "" if part is None else f"{part:.1%}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M")
