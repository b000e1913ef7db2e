"""Somebody who uses the real desk, without a browser: asks for pages, and posts forms as the pages have them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
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
        """Post fields with this session's token, whatever forms there are."""
        return self.post(path, data={"csrf": self.token(), **fields})

    def form(self, page: str, action: str) -> dict[str, str]:
        """What a form on a page sends if nothing is typed into it; empty where it is not there."""
        return visitor_forms(self.get(page).text).get(action, {})

    def act(self, issue: str, act: str, **fields: Any) -> httpx.Response:
        """Fill in the form of an act on an issue's page, and send it."""
        return self.post(f"{issue}/{act}", data=self.filled(issue, act) | fields)

    def filled(self, issue: str, act: str) -> dict[str, str]:
        """What the form of an act on an issue's page sends."""
        page = f"{issue}/apply" if act == "apply" else issue
        found = self.form(page, f"{issue}/{act}")
        assert found, f"{page} has no form to {act}"
        return found


def visitor_forms(text: str) -> dict[str, dict[str, str]]:
    """What each form of a page sends if nothing is typed into it, by where it is sent."""
    forms = _Forms()
    forms.feed(text)
    return forms.fields


class _Forms(HTMLParser):
    """The fields of each form of a page, by where it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] = {}
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.fields.setdefault(told.get("action", ""), {})
        elif tag == "input" and "name" in told and (told.get("type") != "radio" or "checked" in told):
            value = told.get("value", "")
            # As browsers have it: a line of text has no line ends, and all others are sent as CR LF.
            is_line = told.get("type", "text") == "text"
            self._form[told["name"]] = re.sub(r"[\r\n]", "", value) if is_line else re.sub(r"\r?\n|\r", "\r\n", value)
        elif tag == "textarea":
            self._text, self._form[told["name"]] = told["name"], ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self._form[self._text] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text:
            text = self._form[self._text].removeprefix("\n")  # the first line end of its content is not of it
            self._form[self._text], self._text = re.sub(r"\r?\n|\r", "\r\n", text), None
