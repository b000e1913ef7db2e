"""A desk of a few routes, and browsers that keep cookies and say nothing else but what a test has them say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Form, Request, UploadFile
from fastapi.responses import PlainTextResponse

from claims_lakehouse.desk.web.guard import Guard
from claims_lakehouse.desk.web.people import Person
from claims_lakehouse.desk.web.security import needs, protect
from claims_lakehouse.errors import ClaimsLakehouseError
from claims_lakehouse.settings import DeskSettings

LOCAL = "http://127.0.0.1:8000"
PROXY = "10.0.0.5"


class Clock:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def roles_file(folder: Path, text: str) -> Path:
    path = folder / "roles.toml"
    path.write_text(text, encoding="utf-8")
    return path


def desk_app(desk: DeskSettings, home: Path, **options: Any) -> FastAPI:
    """A desk of a few routes; `acts` of its state are the acts that got through."""
    app = FastAPI(openapi_url=None)
    acts = app.state.acts = []

    @app.get("/")
    def page(request: Request) -> dict[str, str]:
        state = request.state
        return {"name": state.person.name, "role": state.person.role, "csrf": state.csrf, "session": state.session}

    @app.post("/waive")
    def waive(person: Annotated[Person, Depends(needs("steward"))], reason: Annotated[str, Form()]) -> dict[str, str]:
        acts.append(("waive", person.name, reason))
        return {"reason": reason}

    @app.post("/release")
    def release(person: Annotated[Person, Depends(needs("engineer"))]) -> dict[str, str]:
        acts.append(("release", person.name))
        return {"released": "yes"}

    @app.post("/import")
    def import_file(file: UploadFile) -> dict[str, int]:
        content = file.file.read()
        acts.append(("import", len(content)))
        return {"bytes": len(content)}

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("Ann Ward")

    @app.get("/static/desk.css")
    def style() -> PlainTextResponse:
        return PlainTextResponse("p {}", media_type="text/css")

    @app.exception_handler(ClaimsLakehouseError)
    def tell(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("an error of the lakehouse", 500)

    protect(app, Guard.made(desk, home, **options))
    return app


class Browser:
    """One browser, at an address of the network."""

    def __init__(self, app: FastAPI, address: str = LOCAL, peer: str = "127.0.0.1", **headers: str) -> None:
        transport = httpx.ASGITransport(app, client=(peer, 50000), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=address, headers=headers)

    def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        return asyncio.run(self.client.request(method, path, **sent))

    def get(self, path: str = "/", **sent: Any) -> httpx.Response:
        return self.ask("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return self.ask("POST", path, **sent)

    def token(self) -> str:
        token: str = self.get().json()["csrf"]
        return token
