"""Take rows out as CSV for their sender to fix, and the fixed file back in as corrections."""

from __future__ import annotations

import io
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Annotated

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from claims_lakehouse.contracts import feed_named
from claims_lakehouse.desk.exchange import export_rows, feed_of, read_fixed, take_back
from claims_lakehouse.desk.fixed_rows import Fixed
from claims_lakehouse.desk.issues import Filters
from claims_lakehouse.desk.web.desk import desk_of, utc_now
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.security import needs
from claims_lakehouse.errors import Overtaken, UsageError

router = APIRouter(default_response_class=HTMLResponse)

Steward = Annotated[Person, Depends(needs("steward"))]
#: How many changed rows, and how many refused lines, a preview shows.
_SHOWN = 50


@router.post("/export")
def export(
    request: Request,
    _: Steward,
    feed: Annotated[str, Form()],
    delivery: Annotated[str, Form()] = "",
    rule: Annotated[str, Form()] = "",
    severity: Annotated[str, Form()] = "",
    status: Annotated[str, Form()] = "",
    search: Annotated[str, Form()] = "",
) -> Response:
    """The rows of the issues that a list shows, as a file."""
    desk = desk_of(request)
    sought = desk.memory.recall(request.state.session, search, Filters) if search else Filters()
    if sought is None:
        raise Overtaken("What you searched for is no longer remembered; search again.")
    filters = Filters(
        feed, delivery or None, rule or None, severity or None, None if status in ("", "any") else status,
        sought.key, sought.text,
    )  # fmt: skip
    written = TemporaryFile()  # noqa: SIM115 - it has no name, and is gone when it was sent
    text = io.TextIOWrapper(written, encoding="utf-8-sig", newline="")
    export_rows(desk.reading, desk.settings, feed_named(feed), filters, text)
    text.flush()
    text.detach()
    name = f"{feed}-to-fix-{utc_now():%Y-%m-%dT%H%M}.csv"
    return StreamingResponse(
        _sent(written),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/import")
def show_import(request: Request, _: Steward) -> HTMLResponse:
    """Where a fixed file is handed in."""
    return desk_of(request).page(request, "import.html", fixed=None, name="", token="", shown=_SHOWN)


@router.post("/import")
def preview_import(request: Request, _: Steward, file: Annotated[UploadFile, File()]) -> HTMLResponse:
    """What a fixed file changes, before anybody lets it."""
    desk = desk_of(request)
    content = file.file.read()
    fixed = read_fixed(desk.settings, feed_of(content), content)
    name = desk.memory.keep(request.state.session, fixed)
    return desk.page(request, "import.html", fixed=fixed, name=(file.filename or "")[:100], token=name, shown=_SHOWN)


@router.post("/import/confirm")
def confirm_import(
    request: Request, person: Steward, token: Annotated[str, Form()], because: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """Lay the previewed file over the rows."""
    desk = desk_of(request)
    fixed = desk.memory.recall(request.state.session, token, Fixed)
    if fixed is None:
        raise Overtaken("The file is no longer remembered; hand it in again.")
    if not fixed.deliveries:
        raise UsageError("The file changes nothing, so there is nothing to save.")
    taken = take_back(desk.settings, fixed, because, person.name)
    desk.memory.forget(request.state.session, token)
    desk.acted()
    return desk.page(request, "imported.html", taken=taken)


def _sent(written: IO[bytes]) -> Iterator[bytes]:
    with written:
        written.seek(0)
        while block := written.read(1 << 16):
            yield block
