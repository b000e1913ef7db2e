"""Serve the desk: one process, over HTTP, on one address."""

from __future__ import annotations

from collections.abc import Callable

import uvicorn

from claims_lakehouse.desk.web.app import create_app
from claims_lakehouse.desk.web.carrier import Carrier
from claims_lakehouse.desk.web.guard import Guard
from claims_lakehouse.desk.web.sign_in import chosen_way, require_sign_in
from claims_lakehouse.settings import DeskSettings, Settings


def serve(settings: Settings, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until interrupted; `ready` is called before. UsageError where a sign-in is needed and none is configured.

    No access log: addresses of a sign-in carry its code. What is refused is logged by the protection itself. Headers of
    proxies are believed by nobody but the sign-in, which knows which proxy to trust.
    """
    desk = DeskSettings.from_environment()
    require_sign_in(host, chosen_way(desk))
    app = create_app(settings, Guard.made(desk, settings.home), Carrier(settings))
    ready()
    uvicorn.run(
        app, host=host, port=port, log_level="warning", access_log=False, proxy_headers=False, server_header=False
    )
