"""Whoever tries to get past the desk's protection does not."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from itsdangerous import URLSafeSerializer

from claims_lakehouse.desk.web.security import Protection
from claims_lakehouse.desk.web.session import desk_secret
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import DeskSettings
from claims_lakehouse_tests.desk.browser import LOCAL, PROXY, Browser, Clock, desk_app, roles_file

ROLES = """
[people]
Ann = "steward"
Vic = "viewer"
"""
HTTPS = "https://desk.example.org"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """A desk at which nobody has to sign in."""
    return desk_app(DeskSettings(max_body=1000), tmp_path)


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(app)


@pytest.fixture
def behind_proxy(tmp_path: Path) -> FastAPI:
    """A desk behind a proxy that people reach by https."""
    desk = DeskSettings("proxy", HTTPS, roles_file(tmp_path, ROLES), trusted_proxies=PROXY)
    return desk_app(desk, tmp_path)


def by_way_of_proxy(app: FastAPI, name: str, **headers: str) -> Browser:
    return Browser(app, HTTPS, PROXY, **{"X-Forwarded-User": name}, **headers)


# A request that changes something must come from a page of this session.


def test_a_post_with_the_pages_token_is_let_through_and_without_it_is_not(app: FastAPI, browser: Browser) -> None:
    token = browser.token()
    assert browser.post("/waive", data={"reason": "known", "csrf": token}).status_code == 200
    answer = browser.post("/waive", data={"reason": "cross-site"})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert [act[2] for act in app.state.acts] == ["known"]


def test_the_token_may_come_in_a_header_as_htmx_sends_it(browser: Browser) -> None:
    token = browser.token()
    sent = {"data": {"reason": "known"}, "headers": {"X-CSRF-Token": token}}
    assert browser.post("/waive", **sent).json() == {"reason": "known"}


def test_the_route_finds_the_whole_upload_although_its_token_was_looked_for(browser: Browser) -> None:
    files = {"file": ("fixed.csv", b"x" * 500)}
    answer = browser.post("/import", data={"csrf": browser.token()}, files=files)
    assert answer.json() == {"bytes": 500}
    assert browser.post("/import", files=files).status_code == 403
    assert browser.post("/import", files=files, headers={"X-CSRF-Token": browser.token()}).status_code == 200


def test_a_token_that_is_a_file_or_there_twice_is_none(app: FastAPI, browser: Browser) -> None:
    token = browser.token()
    as_file = browser.post("/import", files={"csrf": ("csrf", token.encode()), "file": ("a", b"x")})
    twice = browser.post("/waive", data={"reason": "twice", "csrf": [token, token]})
    two_headers = browser.post(
        "/waive", data={"reason": "two", "csrf": token}, headers=[("X-CSRF-Token", token), ("X-CSRF-Token", "other")]
    )
    wrong_header = browser.post("/waive", data={"reason": "two", "csrf": token}, headers={"X-CSRF-Token": b"\xe9"})
    assert [one.status_code for one in (as_file, twice, two_headers, wrong_header)] == [403] * 4
    assert app.state.acts == []


def test_the_token_of_another_session_is_refused(app: FastAPI, browser: Browser) -> None:
    browser.token()
    stranger = Browser(app).token()
    assert browser.post("/waive", data={"reason": "no", "csrf": stranger}).status_code == 403


def test_a_token_in_the_query_or_in_json_is_ignored(browser: Browser) -> None:
    token = browser.token()
    assert browser.post(f"/waive?csrf={token}", data={"reason": "no"}).status_code == 403
    assert browser.post("/release", json={"csrf": token}).status_code == 403


def test_a_token_without_its_session_is_refused(app: FastAPI, browser: Browser) -> None:
    token = browser.token()
    assert Browser(app).post("/waive", data={"reason": "no", "csrf": token}).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_every_method_that_may_change_something_needs_the_token(browser: Browser, method: str) -> None:
    token = browser.token()
    assert browser.ask(method, "/").status_code == 403
    assert browser.ask(method, "/static/desk.css").status_code == 403
    assert browser.ask(method, "/", headers={"X-CSRF-Token": token}).status_code == 405


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "https://127.0.0.1:8000",
        "http://sub.127.0.0.1:8000",
        "http://127.0.0.1:8000.evil.example",
        "http://localhost:8000",
        "",
    ],
)
def test_another_origin_is_refused_even_with_the_token(browser: Browser, origin: str) -> None:
    sent = {"data": {"reason": "no", "csrf": browser.token()}, "headers": {"Origin": origin}}
    assert browser.post("/waive", **sent).status_code == 403


def test_an_origin_that_is_there_twice_must_be_ours_twice(browser: Browser) -> None:
    headers = [("Origin", LOCAL), ("Origin", "https://evil.example")]
    assert browser.post("/waive", data={"reason": "no", "csrf": browser.token()}, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Origin": LOCAL}, {"Origin": LOCAL, "Sec-Fetch-Site": "same-origin"}])
def test_our_own_origin_or_none_is_let_through(browser: Browser, headers: dict[str, str]) -> None:
    assert browser.post("/waive", data={"reason": "y", "csrf": browser.token()}, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unheard-of"])
def test_another_site_is_refused_even_with_the_token(browser: Browser, site: str) -> None:
    data = {"reason": "no", "csrf": browser.token()}
    for headers in ({"Sec-Fetch-Site": site}, {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}):
        assert browser.post("/waive", data=data, headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["http://desk.example.org", "https://sub.desk.example.org", "https://example.org"])
def test_behind_a_proxy_only_the_origin_that_people_open_is_ours(behind_proxy: FastAPI, origin: str) -> None:
    ann = by_way_of_proxy(behind_proxy, "Ann")
    data = {"reason": "y", "csrf": ann.token()}
    assert ann.post("/waive", data=data, headers={"Origin": HTTPS}).status_code == 200
    assert ann.post("/waive", data=data, headers={"Origin": origin}).status_code == 403


def test_a_form_that_is_broken_is_refused_as_such(browser: Browser) -> None:
    browser.token()
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert browser.post("/import", content=b"--b\r\nno header\r\n\r\n", headers=kind).status_code == 400
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert browser.post("/import", content=b"x", headers=no_boundary).status_code == 400


def asked_directly(
    app: Any, path: str, sent: list[Any], host: bytes = b"127.0.0.1:8000", peer: str = "127.0.0.1"
) -> None:
    """Ask past httpx, which would tidy the path up and hide what is sent twice."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", host)], "client": (peer, 1), "server": ("127.0.0.1", 8000), "scheme": "http",
        "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))


# What is sent is bounded by its bytes.


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


def test_a_chunked_body_is_counted_as_it_comes(app: FastAPI, browser: Browser) -> None:
    headers = {"X-CSRF-Token": browser.token(), "Content-Type": "text/plain"}
    assert browser.post("/release", content=chunks(10), headers=headers).status_code == 200
    answer = browser.post("/release", content=chunks(11), headers=headers)
    assert answer.status_code == 413
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert len(app.state.acts) == 1


def test_a_body_that_lies_about_its_length_is_counted_all_the_same(browser: Browser) -> None:
    headers = {"X-CSRF-Token": browser.token(), "Content-Length": "10"}
    assert browser.post("/release", content=chunks(11), headers=headers).status_code == 413


def test_no_more_is_read_than_may_be_sent(browser: Browser) -> None:
    token, read = browser.token(), []

    async def endless() -> AsyncIterator[bytes]:
        while len(read) < 1000:
            read.append(1)
            yield b"x" * 100

    assert browser.post("/release", content=endless(), headers={"X-CSRF-Token": token}).status_code == 413
    assert len(read) <= 12


# The desk answers under its own name only.


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "localhost.evil.example:8000", ""]
)
def test_a_name_that_resolves_to_this_machine_finds_nobody(browser: Browser, host: str) -> None:
    answer = browser.get(headers={"Host": host})
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers
    assert browser.get("/static/desk.css", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000", "[::1]:8000"])
def test_every_name_of_this_machine_is_ours(browser: Browser, host: str) -> None:
    assert browser.get(headers={"Host": host}).status_code == 200


def test_two_hosts_are_none(browser: Browser) -> None:
    assert browser.get(headers=[("Host", "127.0.0.1:8000"), ("Host", "evil.example")]).status_code == 400


def test_with_an_address_of_its_own_the_desk_has_no_other(behind_proxy: FastAPI) -> None:
    ann = by_way_of_proxy(behind_proxy, "Ann")
    assert ann.get(headers={"Host": "desk.example.org:443"}).status_code == 200
    for host in ("127.0.0.1:8000", "desk.example.org:444", "desk.example.org.evil.example"):
        assert ann.get(headers={"Host": host}).status_code == 400


# Every answer carries the headers.


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/nowhere", 404), ("/broken", 500), ("/static/desk.css", 200), ("/static/no", 404)],
)
def test_every_answer_carries_the_headers(browser: Browser, path: str, status: int) -> None:
    answer = browser.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Cache-Control"] == ("max-age=86400" if path == "/static/desk.css" else "no-store")
    assert "Ann Ward" not in answer.text


def test_a_refusal_carries_the_headers_too(browser: Browser) -> None:
    answer = browser.post("/waive", data={"reason": "no"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_what_is_static_has_no_session_and_needs_no_person(behind_proxy: FastAPI) -> None:
    answer = Browser(behind_proxy, HTTPS, "192.0.2.1").get("/static/desk.css")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/static/../", "/static/%2e%2e/", "/static%2f../", "//static/desk.css", "/STATIC/"])
def test_nothing_but_what_is_static_hides_below_static(behind_proxy: FastAPI, path: str) -> None:
    sent: list[Any] = []
    asked_directly(behind_proxy, path, sent, host=b"desk.example.org", peer="192.0.2.1")
    assert sent[0]["status"] in (403, 404)


def test_a_websocket_is_not_let_in(app: FastAPI) -> None:
    sent: list[Any] = []

    async def through(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it was let in")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Protection(through, app.user_middleware[0].kwargs["guard"])({"type": "websocket"}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


# The session's cookie.


def test_without_sign_in_the_cookie_is_strict_and_stays_on_this_machine(browser: Browser) -> None:
    cookie = browser.get().headers["set-cookie"]
    assert cookie.startswith("claims_desk=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert "set-cookie" not in browser.get().headers


def test_by_https_the_cookie_is_bound_to_the_host(behind_proxy: FastAPI) -> None:
    cookie = by_way_of_proxy(behind_proxy, "Ann").get().headers["set-cookie"]
    assert cookie.startswith("__Host-claims_desk=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert "Domain" not in cookie


def test_a_forged_cookie_is_no_session(browser: Browser) -> None:
    session = browser.get().json()["session"]
    told = {"id": session, "name": browser.get().json()["name"], "groups": [], "at": 1_800_000_000.0}
    for forged in (
        "",
        "x",
        URLSafeSerializer("another secret", salt="claims_desk.session").dumps(told),
        browser.client.cookies["claims_desk"][:-2],
        "e30." + browser.client.cookies["claims_desk"].split(".")[1],
    ):
        browser.client.cookies.clear()
        assert browser.get(headers={"Cookie": f"claims_desk={forged}"}).json()["session"] != session
        browser.get()


def test_a_session_ends_though_it_is_used(tmp_path: Path) -> None:
    clock = Clock()
    browser = Browser(desk_app(DeskSettings(), tmp_path, clock=clock))
    first = browser.get().json()["session"]
    cookie = f"claims_desk={browser.client.cookies['claims_desk']}"
    browser.client.cookies.clear()
    for days, same in ((29, True), (2, False)):
        clock.now += days * 86400
        assert (browser.get(headers={"Cookie": cookie}).json()["session"] == first) is same
        browser.client.cookies.clear()


def test_somebody_else_at_the_same_browser_gets_another_session(behind_proxy: FastAPI) -> None:
    ann = by_way_of_proxy(behind_proxy, "Ann")
    before = ann.get().json()
    ann.client.headers["X-Forwarded-User"] = "Vic"
    assert ann.post("/waive", data={"reason": "no", "csrf": before["csrf"]}).status_code == 403
    after = ann.get().json()
    assert after["name"] == "Vic"
    assert after["session"] != before["session"]


def test_a_link_of_another_site_does_not_replace_the_session_that_the_browser_keeps_back(app: FastAPI) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = Browser(app).get(headers=headers)
    assert "set-cookie" not in answer.headers
    assert 'http-equiv="refresh"' in answer.text
    assert Browser(app).get(headers={"Sec-Fetch-Site": "same-origin"}).json()["session"]


@pytest.mark.parametrize("mode", ["no-cors", "cors", "websocket", None])
def test_a_page_of_another_site_cannot_even_look(browser: Browser, mode: str | None) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", **({"Sec-Fetch-Mode": mode} if mode else {})}
    browser.get()
    assert browser.get(headers=headers).status_code == 403


# The secret.


def test_desks_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _: desk_secret(tmp_path / "home"), range(64)))
    assert len(secrets) == 1
    path = tmp_path / "home" / "desk" / "secret"
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"
    assert desk_secret(tmp_path / "other") not in secrets


def test_a_desk_that_makes_the_secret_has_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def made(length: int) -> str:
        with (tmp_path / "desk" / "secret").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tried.append(length)
        return "0" * 2 * length

    monkeypatch.setattr("secrets.token_hex", made)
    assert desk_secret(tmp_path) == b"0" * 64
    assert tried == [32]


def test_a_secret_that_others_may_read_or_that_is_cut_short_is_none(tmp_path: Path) -> None:
    path = tmp_path / "desk" / "secret"
    desk_secret(tmp_path)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="others than its owner"):
        desk_secret(tmp_path)
    path.chmod(0o600)
    os.truncate(path, 10)
    with pytest.raises(UsageError, match="another length"):
        desk_secret(tmp_path)


# Roles, and the log.


def test_a_viewer_may_look_and_a_steward_may_not_do_an_engineers_act(behind_proxy: FastAPI) -> None:
    vic, ann = by_way_of_proxy(behind_proxy, "Vic"), by_way_of_proxy(behind_proxy, "Ann")
    assert vic.get().json()["role"] == "viewer"
    answer = vic.post("/waive", data={"reason": "no", "csrf": vic.token()})
    assert answer.status_code == 403
    assert "needs the role steward; you are Vic, with the role viewer" in answer.text
    assert ann.post("/waive", data={"reason": "y", "csrf": ann.token()}).status_code == 200
    assert ann.post("/release", data={"csrf": ann.token()}).status_code == 403
    assert behind_proxy.state.acts == [("waive", "Ann", "y")]


def test_who_has_no_role_sees_a_page_that_says_so_and_nothing_runs(behind_proxy: FastAPI) -> None:
    answer = by_way_of_proxy(behind_proxy, "<b>Eve</b>").get("/broken")
    assert answer.status_code == 403
    assert "&lt;b&gt;Eve&lt;/b&gt;, who has no role" in answer.text


def refusals(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "claims_lakehouse.desk"]


def test_a_refusal_is_one_line_that_tells_nothing_of_what_was_sent(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    browser.token()
    with caplog.at_level(logging.DEBUG):
        browser.post("/waive?name=Ward", data={"reason": "Ward", "csrf": "Ward"}, headers={"Origin": "Ward"})
    assert refusals(caplog) == [
        {"event": "refused", "status": 403, "why": "another origin", "method": "POST", "path": "/waive"}
    ]
    assert "Ward" not in "".join(record.getMessage() for record in caplog.records if record.name != "httpx")


def test_a_line_break_in_the_path_does_not_break_the_line(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    browser.post("/a%0a%7b%7d")
    [line] = [record.getMessage() for record in caplog.records if record.name == "claims_lakehouse.desk"]
    assert json.loads(line)["path"] == "/a\n{}"
    assert "\n" not in line


def test_an_answer_that_broke_off_is_not_begun_again(app: FastAPI) -> None:
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    sent: list[Any] = []
    with pytest.raises(RuntimeError):
        asked_directly(Protection(half, app.user_middleware[0].kwargs["guard"]), "/", sent)
    assert [message["type"] for message in sent] == ["http.response.start"]
