"""Where things are. The environment is read here and nowhere else, and only when asked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from claims_lakehouse.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """The landing folder and the lakehouse's own folder, and every path below them."""

    landing: Path
    home: Path

    @classmethod
    def from_environment(cls, landing: Path | str | None = None, home: Path | str | None = None) -> Settings:
        """Read `CLAIMS_LANDING` and `CLAIMS_HOME`; an argument, where given, goes first.

        UsageError where the home is a file.
        """
        settings = cls(
            landing=Path(landing or os.environ.get("CLAIMS_LANDING") or "data/landing").absolute(),
            home=Path(home or os.environ.get("CLAIMS_HOME") or "data/lakehouse").absolute(),
        )
        if settings.home.exists() and not settings.home.is_dir():
            raise UsageError(f"The lakehouse's home {settings.home} is not a folder.")
        return settings

    def without_landing(self) -> Settings:
        """The same lakehouse, with an empty folder for landing: what was taken up stays, whatever lies there now."""
        return replace(self, landing=self.home / "no-landing")

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that the one writer owns: a cache of what lies on disk beside it."""
        return self.home / "warehouse.duckdb"

    @property
    def unfinished_swap(self) -> Path:
        """Says which warehouse is about to take the old one's place: whoever comes next completes the swap."""
        return self.home / "unfinished_swap.json"

    @property
    def unfinished_purge(self) -> Path:
        """Says which delivery is being purged: whoever comes next completes it."""
        return self.home / "unfinished_purge.json"

    @property
    def published(self) -> Path:
        """The DuckDB file that readers open."""
        return self.home / "published" / "claims.duckdb"

    @property
    def publication(self) -> Path:
        """Says what was published last, and how its file looked; may be deleted at any time."""
        return self.home / "publication.json"

    @property
    def temporary(self) -> Path:
        """Where spilled and half-written data lies; swept by the next run."""
        return self.home / "tmp"

    @property
    def dagster_home(self) -> Path:
        """`DAGSTER_HOME`, by default a folder of the lakehouse."""
        return Path(os.environ.get("DAGSTER_HOME") or self.home / "dagster").absolute()

    def delivery_folder(self, feed: str, delivery: str) -> Path:
        """The folder of a delivery's raw contents and its journal."""
        return self.home.joinpath("raw", feed, delivery)

    def decisions(self, feed: str, delivery: str) -> Path:
        """What people decided about a delivery's issues, one JSON line a decision."""
        return self.home / "decisions" / feed / f"{delivery}.jsonl"

    def claim_acts(self, delivery: str) -> Path:
        """What people said to lines of claims that came with a delivery, one JSON line an act."""
        return self.home / "claim_acts" / f"{delivery}.jsonl"

    def payments(self, day: date) -> Path:
        """The files of a payment day, and what it told once they were sent."""
        return self.home / "payments" / day.isoformat()

    @property
    def settled(self) -> Path:
        """Says what decisions were settled for: warehouse, acts and rule sets; may be deleted at any time."""
        return self.home / "settled.json"

    @property
    def paid(self) -> Path:
        """Says what payments were made for: warehouse, settings, days that were sent; may be deleted at any time."""
        return self.home / "paid.json"

    def raw(self, feed: str, delivery: str, fingerprint: str) -> Path:
        """A delivery's content as text, one row a landed record."""
        return self.delivery_folder(feed, delivery) / f"{fingerprint}.parquet"

    def validated(self, feed: str, delivery: str, fingerprint: str) -> Path:
        """The typed rows of a content that passed verification."""
        return self.home / "validated" / feed / delivery / f"{fingerprint}.parquet"

    def issues(self, feed: str, delivery: str, fingerprint: str) -> Path:
        """The findings of a content's verification."""
        return self.home / "issues" / feed / delivery / f"{fingerprint}.parquet"


#: Names where Dagster keeps its runs and events, if not in SQLite files: `postgresql+psycopg2://…`.
POSTGRES_URL = "CLAIMS_POSTGRES_URL"


def has_postgres() -> bool:
    """Whether the Dagster instance lives in PostgreSQL: `CLAIMS_POSTGRES_URL` is set."""
    return bool(os.environ.get(POSTGRES_URL))


def has_landing() -> bool:
    """Whether `CLAIMS_LANDING` is set."""
    return bool(os.environ.get("CLAIMS_LANDING"))


def has_home() -> bool:
    """Whether `CLAIMS_HOME` is set."""
    return bool(os.environ.get("CLAIMS_HOME"))


def memory_limit() -> str:
    """How much memory DuckDB may use before it spills: `CLAIMS_MEMORY_LIMIT`."""
    return os.environ.get("CLAIMS_MEMORY_LIMIT") or "2GB"


def catch_up_from() -> int:
    """From how many pending deliveries on one run takes them all: `CLAIMS_CATCH_UP_FROM`."""
    return int(os.environ.get("CLAIMS_CATCH_UP_FROM") or "20")


def small_areas() -> Path | None:
    """A list of one's own of the three-digit zip code areas of few people: `CLAIMS_SMALL_ZIPCODES`, one a line."""
    path = os.environ.get("CLAIMS_SMALL_ZIPCODES")
    return Path(path).absolute() if path else None


def payer_settings() -> Path | None:
    """The file that says who pays and from which bank, and where payees have theirs: `CLAIMS_PAYER_SETTINGS`."""
    path = os.environ.get("CLAIMS_PAYER_SETTINGS")
    return Path(path).absolute() if path else None


def readers_group() -> str | None:
    """The group whose members may open the published file: `CLAIMS_READERS_GROUP`; without it, the owner's own."""
    return os.environ.get("CLAIMS_READERS_GROUP") or None


def alert_webhook() -> str | None:
    """Where failed runs are told, if anywhere: `CLAIMS_ALERT_WEBHOOK`."""
    return os.environ.get("CLAIMS_ALERT_WEBHOOK") or None


@dataclass(frozen=True)
class DeskSettings:
    """How the verification desk is reached, and who may use it. What may not be told does not show in its repr.

    Attributes:
        sign_in: `CLAIMS_DESK_SIGN_IN`: none, proxy or oidc.
        url: `CLAIMS_DESK_URL`: the address that people open, as `https://desk.example.org`.
        roles: `CLAIMS_DESK_ROLES`: the file that says who has which role.
        max_body: `CLAIMS_DESK_MAX_BODY`: how many bytes a request may send.
        proxy_header: `CLAIMS_DESK_PROXY_HEADER`: the header in which the proxy gives a person's name.
        proxy_groups_header: `CLAIMS_DESK_PROXY_GROUPS_HEADER`: that of the person's groups, joined by commas.
        trusted_proxies: `CLAIMS_DESK_TRUSTED_PROXIES`: addresses and networks, joined by commas.
        proxy_secret: `CLAIMS_DESK_PROXY_SECRET`: what the proxy says to be believed.
        oidc_issuer: `CLAIMS_DESK_OIDC_ISSUER`: the provider, exactly as its tokens name it.
        oidc_client_id: `CLAIMS_DESK_OIDC_CLIENT_ID`.
        oidc_client_secret: `CLAIMS_DESK_OIDC_CLIENT_SECRET`.
        oidc_name_claim: `CLAIMS_DESK_OIDC_NAME_CLAIM`: the claim that names a person.
        oidc_groups_claim: `CLAIMS_DESK_OIDC_GROUPS_CLAIM`: that of the person's groups.
    """

    sign_in: str = "none"
    url: str | None = None
    roles: Path | None = None
    max_body: int = 50 * 1024 * 1024
    proxy_header: str = "X-Forwarded-User"
    proxy_groups_header: str | None = None
    trusted_proxies: str = ""
    proxy_secret: str | None = field(default=None, repr=False)
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_name_claim: str = "email"
    oidc_groups_claim: str = "groups"

    @classmethod
    def from_environment(cls) -> DeskSettings:
        """Read `CLAIMS_DESK_…`; what is unset or empty stays as it is by default.

        UsageError where the most that a request may send is not a number of bytes.
        """
        told: dict[str, Any] = {
            name: value for name in cls.__dataclass_fields__ if (value := os.environ.get(f"CLAIMS_DESK_{name.upper()}"))
        }
        if "roles" in told:
            told["roles"] = Path(told["roles"]).absolute()
        if "max_body" in told:
            if not re.fullmatch("[1-9][0-9]{0,17}", told["max_body"]):
                raise UsageError(f"CLAIMS_DESK_MAX_BODY: found {told['max_body']!r}; expected a number of bytes.")
            told["max_body"] = int(told["max_body"])
        return cls(**told)


def dagster_url() -> str:
    """Where the Dagster UI is, for links to runs: `CLAIMS_DAGSTER_URL`."""
    return (os.environ.get("CLAIMS_DAGSTER_URL") or "http://127.0.0.1:3000").rstrip("/")
