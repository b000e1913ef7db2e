"""Nobody is taken for somebody else: not without sign-in, not behind a proxy, not by a provider's word."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from claims_lakehouse.desk.web.guard import Guard
from claims_lakehouse.desk.web.oidc import local_path
from claims_lakehouse.desk.web.people import Person, Roles
from claims_lakehouse.desk.web.sign_in import require_sign_in
from claims_lakehouse.errors import UsageError
from claims_lakehouse.settings import DeskSettings
from claims_lakehouse_tests.desk.browser import LOCAL, PROXY, Browser, Clock, desk_app, roles_file

ROLES = """
[people]
"ann@example.org" = "steward"
Ann = "steward"
Vic = "viewer"
"Édith" = "steward"
[groups]
data-engineering = "engineer"
"""
DESK = "https://desk.example.org"
ISSUER = "https://provider.example.org/realm"


# Roles.


def test_the_highest_role_of_a_person_and_their_groups_counts(tmp_path: Path) -> None:
    roles = Roles.read(roles_file(tmp_path, ROLES))
    assert roles.person("Vic") == Person("Vic", "viewer")
    assert roles.person("Vic", ["unknown", "data-engineering"]) == Person("Vic", "engineer")
    assert roles.person("vic") is None
    assert roles.person("data-engineering") is None
    assert roles.person("Eve", ["Ann"]) is None


def test_a_default_role_is_everybodys_and_takes_nothing_away(tmp_path: Path) -> None:
    roles = Roles.read(roles_file(tmp_path, f'default = "viewer"\n{ROLES}'))
    assert roles.person("Eve") == Person("Eve", "viewer")
    assert roles.person("Ann") == Person("Ann", "steward")


@pytest.mark.parametrize("role", ["viewer", "steward", "engineer"])
def test_a_role_may_what_the_lower_roles_may(role: Any) -> None:
    may = [Person("Ann", role).may(needed) for needed in ("viewer", "steward", "engineer")]
    assert sum(may) == ["viewer", "steward", "engineer"].index(role) + 1
    assert may == sorted(may, reverse=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[people]\nAnn = "admin"', r"\[people\] Ann: found 'admin'; expected one of viewer, steward, engineer"),
        ("[groups]\nstaff = 1", r"\[groups\] staff: found 1"),
        ('default = "Viewer"', "default: found 'Viewer'"),
        ('[persons]\nAnn = "viewer"', "found 'persons'; expected people, groups and default"),
        ('people = "Ann"', "people is no table"),
        ("[people", "is not TOML"),
    ],
)
def test_a_file_of_roles_that_says_something_else_is_refused_at_start(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Roles.read(roles_file(tmp_path, text))


def test_a_file_of_roles_must_be_there_and_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        Roles.read(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="CLAIMS_DESK_ROLES is not set"):
        Guard.made(DeskSettings("proxy", DESK, trusted_proxies=PROXY), tmp_path)


# Settings.


def test_the_environment_says_how_people_sign_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert DeskSettings.from_environment() == DeskSettings()
    for name, value in {"SIGN_IN": "proxy", "URL": "", "ROLES": "roles.toml", "MAX_BODY": "5"}.items():
        monkeypatch.setenv(f"CLAIMS_DESK_{name}", value)
    assert DeskSettings.from_environment() == DeskSettings("proxy", None, tmp_path / "roles.toml", 5)
    monkeypatch.setenv("CLAIMS_DESK_MAX_BODY", "5MB")
    with pytest.raises(UsageError, match="CLAIMS_DESK_MAX_BODY: found '5MB'"):
        DeskSettings.from_environment()


def test_secrets_do_not_show_where_settings_are_printed() -> None:
    assert "hush" not in repr(DeskSettings(proxy_secret="hush", oidc_client_secret="hush"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "desk.example.org", "::ffff:192.0.2.7", "127.evil"])
def test_beyond_this_machine_the_desk_does_not_listen_without_sign_in(host: str) -> None:
    with pytest.raises(UsageError, match="Set CLAIMS_DESK_SIGN_IN to proxy or oidc, or listen on 127"):
        require_sign_in(host, "none")
    require_sign_in(host, "proxy")
    require_sign_in(host, "oidc")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"])
def test_on_this_machine_it_does(host: str) -> None:
    require_sign_in(host, "none")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sign_in": "ldap"}, "CLAIMS_DESK_SIGN_IN: found 'ldap'; expected one of none, proxy, oidc"),
        ({"sign_in": "none"}, "Set CLAIMS_DESK_SIGN_IN to proxy or oidc"),
        ({"url": None}, "CLAIMS_DESK_URL is not set"),
        ({"url": "desk.example.org"}, "CLAIMS_DESK_URL: found 'desk.example.org'"),
        ({"url": "https://desk.example.org/claims"}, "CLAIMS_DESK_URL: found"),
        ({"url": "https://ann@desk.example.org"}, "CLAIMS_DESK_URL: found"),
        ({"url": "ftp://desk.example.org"}, "CLAIMS_DESK_URL: found"),
        ({"trusted_proxies": " , "}, "CLAIMS_DESK_TRUSTED_PROXIES is not set"),
        ({"trusted_proxies": "proxy.example.org"}, "CLAIMS_DESK_TRUSTED_PROXIES: 'proxy.example.org'"),
        ({"trusted_proxies": "10.0.0.5/24"}, "CLAIMS_DESK_TRUSTED_PROXIES: 10.0.0.5/24 has host bits set"),
        ({"trusted_proxies": "0.0.0.0/0"}, "trusts every address"),
        ({"sign_in": "oidc"}, "CLAIMS_DESK_OIDC_ISSUER is not set"),
        (
            {
                "sign_in": "oidc",
                "oidc_issuer": "http://p.example.org",
                "oidc_client_id": "d",
                "oidc_client_secret": "s",
            },
            "expected an https address",
        ),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused_at_start(
    tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    settings = {"sign_in": "proxy", "url": DESK, "roles": roles_file(tmp_path, ROLES), "trusted_proxies": PROXY}
    with pytest.raises(UsageError, match=told):
        Guard.made(DeskSettings(**settings | changed), tmp_path)


# Nobody has to sign in.


def test_without_sign_in_there_is_one_person_who_may_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    app = desk_app(DeskSettings(), tmp_path)
    assert {"name": "ann", "role": "engineer"}.items() <= Browser(app).get().json().items()
    assert Browser(app).get("/sign-in").status_code == 404


@pytest.mark.parametrize("peer", ["192.0.2.7", "::ffff:192.0.2.7", "testclient"])
def test_another_machine_that_claims_to_be_this_one_is_refused(tmp_path: Path, peer: str) -> None:
    assert Browser(desk_app(DeskSettings(), tmp_path), peer=peer).get().status_code == 403


# A proxy says who somebody is.


@pytest.fixture
def behind(tmp_path: Path) -> Callable[..., Callable[..., httpx.Response]]:
    """Makes a desk behind a proxy; gives what asks it, with headers, from an address."""

    def desk(*, has_default: bool = False, **changed: Any) -> Callable[..., httpx.Response]:
        roles = roles_file(tmp_path, f'default = "viewer"\n{ROLES}' if has_default else ROLES)
        settings = {"roles": roles, "trusted_proxies": f"{PROXY}, fd00::/8"}
        app = desk_app(DeskSettings("proxy", DESK, **settings | changed), tmp_path)

        def ask(*headers: tuple[str, str | bytes], peer: str = PROXY) -> httpx.Response:
            return Browser(app, DESK, peer).get(headers=list(headers))

        return ask

    return desk


USER = ("X-Forwarded-User", "Ann")


def test_the_name_that_the_proxy_gives_is_believed(behind: Any) -> None:
    ask = behind()
    assert ask(USER).json()["name"] == "Ann"
    assert ask(USER, peer="fd12::1").status_code == 200
    assert ask(USER, peer=f"::ffff:{PROXY}").status_code == 200
    assert ask(("X-Forwarded-User", "Édith".encode())).json()["name"] == "Édith"


@pytest.mark.parametrize("peer", ["10.0.0.6", "127.0.0.1", "fe80::1", "unix", ""])
def test_the_same_header_from_anybody_else_is_not(behind: Any, peer: str) -> None:
    ask = behind()
    assert ask(USER, peer=peer).status_code == 403
    assert ask(USER, ("X-Forwarded-For", PROXY), ("X-Real-IP", PROXY), peer=peer).status_code == 403


def test_without_a_name_nobody_is_signed_in(behind: Any) -> None:
    ask = behind()
    assert ask().status_code == 401
    assert ask(("X-Forwarded-User", "")).status_code == 401


def test_a_name_that_is_said_twice_is_refused(behind: Any) -> None:
    ask = behind()
    assert ask(USER, ("X-Forwarded-User", "Vic")).status_code == 403
    assert ask(USER, USER).status_code == 403
    assert ask(("X-Forwarded-User", "Ann, Vic")).status_code == 403


@pytest.mark.parametrize("header", ["X_Forwarded_User", "X-Forwarded_User", "X-Forwarded-User "])
def test_a_header_that_merely_looks_like_the_proxys_is_ignored(behind: Any, header: str) -> None:
    ask = behind()
    assert ask((header, "Ann")).status_code == 401
    assert ask((header, "Ann"), ("X-Forwarded-User", "Vic")).json()["name"] == "Vic"


@pytest.mark.parametrize("name", [b"\xff", b"Ann\x00", b"A" * 201, b"Ann\xc2\x85", b"\xe2\x80\xaeAnn"])
def test_a_name_that_cannot_be_written_down_is_refused(behind: Any, name: bytes) -> None:
    ask = behind(has_default=True)
    assert ask(("X-Forwarded-User", "Eve")).status_code == 200
    assert ask(("X-Forwarded-User", name)).status_code == 403


def test_groups_count_only_where_their_header_is_named(behind: Any) -> None:
    groups = ("X-Groups", "staff, data-engineering")
    assert behind()(USER, groups).json()["role"] == "steward"
    ask = behind(proxy_groups_header="X-Groups")
    assert ask(USER, groups).json()["role"] == "engineer"
    assert ask(USER, ("X-Groups", "data-engineering-interns")).json()["role"] == "steward"
    assert ask(USER, groups, ("X-Groups", "staff")).status_code == 403
    assert ask(USER, ("X_Groups", "data-engineering")).json()["role"] == "steward"


def test_the_proxys_secret_is_asked_for(behind: Any) -> None:
    ask = behind(proxy_secret="hush", trusted_proxies="0.0.0.0/0")
    secret = ("X-Claims-Desk-Secret", "hush")
    assert ask(USER, secret).status_code == 200
    assert ask(USER).status_code == 403
    assert ask(USER, ("X-Claims-Desk-Secret", "hus")).status_code == 403
    assert ask(USER, ("X-Claims-Desk-Secret", b"hush\xff")).status_code == 403
    assert ask(USER, secret, secret).status_code == 403


# A provider says who somebody is.


class Provider:
    """A provider of OpenID Connect that does what a test has it do; `answers` stands for the network to it."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "1"}, private=True, auto_kid=False)
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] | None = {"alg": "RS256", "kid": "1"}
        self.signing: Any = self.key
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
        }
        self.codes: dict[str, dict[str, str]] = {}
        self.is_down = False
        self.are_codes_good_forever = False

    def send_back(self, address: str) -> str:
        """Sign the person in who was sent to `address`; returns where the browser is sent back to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["response_type"] == "code"
        assert asked["client_id"] == "desk"
        assert asked["redirect_uri"] == f"{DESK}/sign-in/callback"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"/sign-in/callback?code={code}&state={asked['state']}"

    def answers(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("down")
        match request.url.path.removeprefix("/realm"):
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.metadata)
            case "/keys":
                return httpx.Response(200, json={"keys": [self.key.as_dict(private=False)]})
            case "/token":
                return self._token(request)
        return httpx.Response(404)

    def _token(self, request: httpx.Request) -> httpx.Response:
        sent = {name: value for name, [value] in parse_qs(request.content.decode()).items()}
        client = base64.b64encode(b"desk:hush").decode()
        asked = self.codes.get(sent["code"]) if self.are_codes_good_forever else self.codes.pop(sent["code"], None)
        if asked is None or request.headers["authorization"] != f"Basic {client}":
            return httpx.Response(400, json={"error": "invalid_grant"})
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": "desk", "sub": "4711", "email": "ann@example.org", "nonce": asked["nonce"]}
        claims = {"iat": now, "exp": now + 300, **claims, **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        algorithms = ["none", "HS256", "RS256"]
        answer = {"access_token": "a", "token_type": "Bearer"}
        if self.header is not None:
            answer["id_token"] = jwt.encode(self.header, claims, self.signing, algorithms)
        return httpx.Response(200, json=answer)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = time.time()
    return clock


@pytest.fixture
def app(tmp_path: Path, provider: Provider, clock: Clock) -> FastAPI:
    desk = DeskSettings(
        "oidc",
        DESK,
        roles_file(tmp_path, ROLES),
        oidc_issuer=ISSUER,
        oidc_client_id="desk",
        oidc_client_secret="hush",
    )
    return desk_app(desk, tmp_path, clock=clock, transport=httpx.MockTransport(provider.answers))


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(app, DESK)


def sign_in(browser: Browser, provider: Provider, path: str = "/sign-in") -> httpx.Response:
    """Sign in; the answer with which the desk takes the person up, or does not."""
    return browser.get(provider.send_back(browser.get(path).headers["location"]))


def session_of(browser: Browser) -> str | None:
    return browser.client.cookies.get("__Host-claims_desk")


def test_a_person_signs_in_and_comes_back_to_where_they_were(browser: Browser, provider: Provider) -> None:
    asked = browser.get("/nowhere?page=2&sort=a%20b")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?next=%2Fnowhere%3Fpage%3D2%26sort%3Da%2520b"
    answer = sign_in(browser, provider, asked.headers["location"])
    assert answer.status_code == 303
    assert answer.headers["location"] == "/nowhere?page=2&sort=a%20b"
    assert "__Host-claims_desk_sign_in" not in browser.client.cookies
    assert {"name": "ann@example.org", "role": "steward"}.items() <= browser.get().json().items()
    token = browser.token()
    assert browser.post("/waive", data={"reason": "y", "csrf": token}, headers={"Origin": DESK}).status_code == 200
    assert browser.post("/waive", data={"reason": "no"}).status_code == 403


def test_the_sessions_cookie_comes_along_from_the_provider_but_not_with_a_post(
    browser: Browser, provider: Provider
) -> None:
    cookies = sign_in(browser, provider).headers.get_list("set-cookie")
    [cookie] = [one for one in cookies if one.startswith("__Host-claims_desk=")]
    assert cookie.endswith("; Max-Age=28800; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_who_is_not_signed_in_does_nothing(app: FastAPI, browser: Browser) -> None:
    assert browser.post("/waive", data={"reason": "no"}).status_code == 401
    assert browser.get("/broken").status_code == 303
    partial = browser.get("/", headers={"HX-Request": "true"})
    assert (partial.status_code, partial.headers["HX-Redirect"]) == (401, "/sign-in")
    assert browser.post("/sign-in").status_code == 401
    assert browser.get("/sign-in/").headers["location"].startswith("/sign-in?next=")
    assert app.state.acts == []


def test_groups_of_the_token_give_roles(browser: Browser, provider: Provider) -> None:
    provider.claims = {"groups": [7, [], {}, "data-engineering", *(f"group {number}" for number in range(1000))]}
    sign_in(browser, provider)
    assert browser.get().json()["role"] == "engineer"
    assert len(session_of(browser) or "") < 400  # a browser drops cookies of more than 4096 bytes


def test_a_name_that_has_no_role_gets_no_session(browser: Browser, provider: Provider) -> None:
    provider.claims = {"email": "eve@example.org", "groups": "staff"}
    assert sign_in(browser, provider).status_code == 403
    assert session_of(browser) is None


def test_an_address_that_the_provider_did_not_verify_is_nobodys(browser: Browser, provider: Provider) -> None:
    provider.claims = {"email_verified": False, "preferred_username": "Ann"}
    assert sign_in(browser, provider).status_code == 403
    assert session_of(browser) is None


def test_without_an_address_the_next_best_name_counts(browser: Browser, provider: Provider) -> None:
    provider.claims = {"email": None, "preferred_username": "Vic"}
    sign_in(browser, provider)
    assert browser.get().json()["name"] == "Vic"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": "another", "azp": "desk"},
        {"aud": ["desk", "another"], "azp": "another"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
    ],
    ids=json.dumps,
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert sign_in(browser, provider).status_code == 403
    assert session_of(browser) is None
    assert browser.get().status_code == 303


@pytest.mark.filterwarnings("ignore:JWS algorithm")
@pytest.mark.parametrize("forged", ["none", "another key", "the public key as a secret", "no token"])
def test_a_token_that_the_provider_did_not_sign_is_refused(browser: Browser, provider: Provider, forged: str) -> None:
    if forged == "none":
        provider.header = {"alg": "none"}
    elif forged == "another key":
        provider.signing = RSAKey.generate_key(2048, {"kid": "1"}, private=True, auto_kid=False)
    elif forged == "the public key as a secret":
        provider.header = {"alg": "HS256", "kid": "1"}
        provider.signing = OctKey.import_key(base64.b64encode(provider.key.as_der(private=False)))
    else:
        provider.header = None
    assert sign_in(browser, provider).status_code == 403
    assert session_of(browser) is None


def test_a_state_is_good_once_even_if_the_browser_keeps_its_cookie(browser: Browser, provider: Provider) -> None:
    provider.are_codes_good_forever = True
    back = provider.send_back(browser.get("/sign-in").headers["location"])
    kept = {"Cookie": f"__Host-claims_desk_sign_in={browser.client.cookies['__Host-claims_desk_sign_in']}"}
    assert browser.get(back).status_code == 303
    browser.client.cookies.clear()
    assert browser.get(back).status_code == 403
    assert browser.get(back, headers=kept).status_code == 403
    assert session_of(browser) is None


def test_a_state_is_good_in_the_browser_that_asked_for_it_only(
    app: FastAPI, browser: Browser, provider: Provider
) -> None:
    back = provider.send_back(browser.get("/sign-in").headers["location"])
    victim = Browser(app, DESK)
    victim.get("/sign-in")
    assert victim.get(back).status_code == 403
    assert session_of(victim) is None


def test_a_sign_in_that_took_too_long_is_begun_anew(browser: Browser, provider: Provider, clock: Clock) -> None:
    back = provider.send_back(browser.get("/sign-in").headers["location"])
    clock.now += 601
    assert browser.get(back).status_code == 403


@pytest.mark.parametrize("query", ["", "?code=c", "?code=c&state=", "?code=c&state=x", "?error=access_denied&state=x"])
def test_a_way_back_that_nobody_asked_for_is_refused(browser: Browser, query: str) -> None:
    browser.get("/sign-in")
    answer = browser.get(f"/sign-in/callback{query}")
    assert answer.status_code == 403
    assert "access_denied" not in answer.text


def test_a_code_of_somebody_elses_sign_in_does_not_fit(app: FastAPI, browser: Browser, provider: Provider) -> None:
    """Its verifier (PKCE) lies in the desk, under the state of the other sign-in."""
    other = provider.send_back(Browser(app, DESK).get("/sign-in").headers["location"])
    stolen = dict(parse_qsl(urlsplit(other).query))["code"]
    own = dict(parse_qsl(urlsplit(browser.get("/sign-in").headers["location"]).query))["state"]
    assert browser.get(f"/sign-in/callback?code={stolen}&state={own}").status_code == 403


def test_a_provider_that_names_another_issuer_or_is_down_signs_nobody_in(browser: Browser, provider: Provider) -> None:
    provider.is_down = True
    assert browser.get("/sign-in").status_code == 502
    provider.is_down = False
    provider.metadata["issuer"] = "https://evil.example"
    assert browser.get("/sign-in").status_code == 502


def test_a_provider_that_goes_down_midway_signs_nobody_in(browser: Browser, provider: Provider) -> None:
    back = provider.send_back(browser.get("/sign-in").headers["location"])
    provider.is_down = True
    assert browser.get(back).status_code == 502
    assert session_of(browser) is None


EVIL = [
    "//evil",
    "/\\evil",
    "https:evil",
    "https://evil",
    "evil",
    "",
    "\\\\evil",
    "/\t/evil",
    "/\n/evil",
    "javascript:1",
]


@pytest.mark.parametrize(
    "target",
    [*EVIL, " //evil", "/ /evil", "/é", "/sign-in", "/sign-out", "/sign-in/callback?code=c", f"/{'a' * 999}"],
    ids=str,
)
def test_nobody_is_sent_elsewhere_after_signing_in(browser: Browser, provider: Provider, target: str) -> None:
    answer = sign_in(browser, provider, f"/sign-in?next={quote(target, safe='')}")
    assert answer.headers["location"] == "/"


def test_a_path_of_the_desk_is_one() -> None:
    for path in ("/", "/issues/12?page=2#top", "/issues?next=https://evil", "/a//b"):
        assert local_path(path) == path


def test_a_sign_in_lasts_eight_hours_however_much_is_done(browser: Browser, provider: Provider, clock: Clock) -> None:
    sign_in(browser, provider)
    cookie = {"Cookie": f"__Host-claims_desk={session_of(browser)}"}
    browser.client.cookies.clear()
    for _ in range(7):
        clock.now += 3600
        assert browser.get(headers=cookie).status_code == 200
    clock.now += 3600
    assert browser.get(headers=cookie).status_code == 303


def test_signing_in_begins_a_new_session(app: FastAPI, browser: Browser, provider: Provider) -> None:
    sign_in(browser, provider)
    first = browser.get().json()
    sign_in(browser, provider)
    second = browser.get().json()
    assert first["session"] != second["session"]
    assert first["csrf"] != second["csrf"]


def test_signing_out_needs_the_token_and_ends_the_session_for_good(browser: Browser, provider: Provider) -> None:
    sign_in(browser, provider)
    kept = {"Cookie": f"__Host-claims_desk={session_of(browser)}"}
    assert browser.get("/sign-out").status_code == 405
    assert browser.post("/sign-out").status_code == 403
    assert browser.get().status_code == 200
    assert browser.post("/sign-out", data={"csrf": browser.token()}).status_code == 200
    assert session_of(browser) is None
    assert browser.get(headers=kept).status_code == 303


def test_a_session_of_another_desk_is_none(browser: Browser, provider: Provider, tmp_path: Path) -> None:
    sign_in(browser, provider)
    kept = {"Cookie": f"__Host-claims_desk={session_of(browser)}"}
    (tmp_path / "elsewhere").mkdir()
    settings = {"oidc_issuer": ISSUER, "oidc_client_id": "desk", "oidc_client_secret": "hush"}
    desk = DeskSettings("oidc", DESK, roles_file(tmp_path, ROLES), **settings)
    assert Browser(desk_app(desk, tmp_path / "elsewhere"), DESK).get(headers=kept).status_code == 303
    assert Browser(desk_app(desk, tmp_path), DESK).get(headers=kept).status_code == 200


def test_a_role_that_was_taken_away_is_gone_at_the_next_start(
    browser: Browser, provider: Provider, tmp_path: Path
) -> None:
    sign_in(browser, provider)
    kept = {"Cookie": f"__Host-claims_desk={session_of(browser)}"}
    settings = {"oidc_issuer": ISSUER, "oidc_client_id": "desk", "oidc_client_secret": "hush"}
    desk = DeskSettings("oidc", DESK, roles_file(tmp_path, '[people]\nVic = "viewer"'), **settings)
    assert Browser(desk_app(desk, tmp_path), DESK).get(headers=kept).status_code == 403


def test_the_log_tells_no_secret_of_a_sign_in(
    browser: Browser, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        back = provider.send_back(browser.get("/sign-in").headers["location"])
        secrets = [*dict(parse_qsl(urlsplit(back).query)).values(), "hush", "ann@example.org", "code_verifier"]
        provider.claims = {"aud": "another"}
        browser.get(back)
    [refusal] = [record.getMessage() for record in caplog.records if record.name == "claims_lakehouse.desk"]
    assert json.loads(refusal) == {
        "event": "refused",
        "status": 403,
        "why": "sign-in failed: InvalidClaimError",
        "method": "GET",
        "path": "/sign-in/callback",
    }
    told = [
        record.getMessage()
        for record in caplog.records
        if not record.getMessage().startswith(f"HTTP Request: GET {DESK}")
    ]
    assert not [secret for secret in secrets if secret in "".join(told)]


def test_only_a_desk_that_chose_a_provider_imports_what_it_takes(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from claims_lakehouse.desk.web.security import protect;"
        "from claims_lakehouse.desk.web.guard import Guard; from claims_lakehouse.settings import DeskSettings;"
        f"Guard.made(DeskSettings(), Path({str(tmp_path)!r})); print([m for m in sys.modules if 'authlib' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_desk_reached_by_plain_http_on_this_machine_may_have_an_address(tmp_path: Path) -> None:
    app = desk_app(DeskSettings(url="http://localhost:9000/"), tmp_path)
    assert Browser(app, "http://localhost:9000").get().status_code == 200
    assert Browser(app, LOCAL).get().status_code == 400
