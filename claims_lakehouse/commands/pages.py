"""The two web pages: Dagster's, and the verification desk.

What needs an import of its own imports it when called: `--help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from claims_lakehouse.commands.options import HomeOption, LandingOption
from claims_lakehouse.commands.report import progress, short
from claims_lakehouse.settings import Settings


def ui(
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to bind. There is no sign-in: think first.")] = "127.0.0.1",
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Open the Dagster UI on this lakehouse, with its sensors; Ctrl-C ends it."""
    from claims_lakehouse.orchestration.serve import serve

    settings = Settings.from_environment(landing, home)
    progress.print(
        f"Dagster UI at http://{host}:{port} on {short(settings.home)}; files land in {short(settings.landing)}"
    )
    raise typer.Exit(serve(settings, host, port))


def desk(
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 8020,
    host: Annotated[str, typer.Option(help="Address to bind. Beyond this machine a sign-in is needed.")] = "127.0.0.1",
    landing: LandingOption = None,
    home: HomeOption = None,
) -> None:
    """Open the verification desk: see what failed, correct it, waive it; Ctrl-C ends it.

    On this machine whoever opens it needs no sign-in. For others CLAIMS_DESK_SIGN_IN names how people sign in: proxy or
    oidc (docs/desk.md).
    """
    from claims_lakehouse.desk.web.serve import serve

    settings = Settings.from_environment(landing, home)
    told = f"Verification desk at http://{host}:{port} on {short(settings.home)}; Ctrl-C ends it."
    serve(settings, host, port, lambda: progress.print(told, soft_wrap=True))
