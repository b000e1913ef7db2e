"""Somebody who uses the real desk, without a browser: asks for pages, and posts forms as the pages have them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from claims_lakehouse.desk.web.app import create_app
from claims_lakehouse.desk.web.guard import Guard
from claims_lakehouse.settings import DeskSettings, Settings
from claims_lakehouse_tests.desk.browser import LOCAL, PROXY, Browser, roles_file

HTTPS = "https://desk.example.org"
ROLES = """
[people]
Vic = "viewer"
Ann = "steward"
Eve = "engineer"
"""


def app_of(settings: Settings) -> FastAPI:
    """A desk for one person on this machine; acts wait until a test ingests."""
    return create_app(settings, Guard.made(DeskSettings(), settings.home))


def shared_app_of(settings: Settings, folder: Path) -> FastAPI:
    """A desk behind a proxy, for people of every role."""
    desk = DeskSettings("proxy", HTTPS, roles_file(folder, ROLES), trusted_proxies=PROXY)
    return create_app(settings, Guard.made(desk, settings.home))


class Visitor(Browser):
    """One person at the desk; with a name they come by way of the proxy."""

    def __init__(self, app: FastAPI, name: str | None = None) -> None:
        if name is None:
            super().__init__(app, LOCAL)
        else:
            super().__init__(app, HTTPS, PROXY, **{"X-Forwarded-User": name})

    def token(self) -> str:
        found = re.search(r'"X-CSRF-Token": "([0-9a-f]+)"', self.get("/deliveries").text)
        assert found
        return found[1]

    def send(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form as a page of this session does."""
        return self.post(path, data={"csrf": self.token(), **fields})
