"""Who people are at the desk and what they may do. Knows nothing of how they signed in."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from claims_lakehouse.errors import UsageError

Role = Literal["viewer", "steward", "engineer"]
#: From the one who may do least to the one who may do most; each may do what those before it may.
ROLES: tuple[Role, ...] = get_args(Role)


class Person(NamedTuple):
    """Somebody who uses the desk."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the person may do what needs `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Roles:
    """Who has which role, as the file says that `CLAIMS_DESK_ROLES` names.

    ```toml
    default = "viewer"            # of everybody who signed in; without it, nobody else gets in
    [people]
    "ann@example.org" = "steward"
    [groups]
    data-engineering = "engineer"
    ```

    Names are compared as they are, in capitals and small letters. The file is read when the desk starts.
    """

    people: Mapping[str, Role] = field(default_factory=dict)
    groups: Mapping[str, Role] = field(default_factory=dict)
    default: Role | None = None

    @classmethod
    def read(cls, path: Path | None) -> Roles:
        """Read the file; UsageError where there is none, or it says something else than roles."""
        if path is None:
            raise UsageError("CLAIMS_DESK_ROLES is not set; expected a TOML file that says who has which role.")
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"The file of roles {path} cannot be read: {error.strerror}.") from error
        except ValueError as error:  # neither TOML nor UTF-8
            raise UsageError(f"The file of roles {path} is not TOML: {error}.") from error
        if unknown := sorted(told.keys() - cls.__dataclass_fields__.keys()):
            raise UsageError(f"{path}: found {', '.join(map(repr, unknown))}; expected people, groups and default.")
        default = None if "default" not in told else _role(told["default"], f"{path}: default")
        return cls(_table(told, "people", path), _table(told, "groups", path), default)

    def person(self, name: str, groups: Iterable[str] = ()) -> Person | None:
        """The person, with the highest role that they or their groups have; None where they have none."""
        found = [self.people.get(name), self.default, *map(self.groups.get, groups)]
        roles = [role for role in found if role is not None]
        return Person(name, max(roles, key=ROLES.index)) if roles else None


def _table(told: Mapping[str, Any], name: str, path: Path) -> dict[str, Role]:
    """A table of names and roles."""
    table = told.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name} is no table; expected [{name}] and lines of a name and a role.")
    return {key: _role(role, f"{path}: [{name}] {key}") for key, role in table.items()}


def _role(told: object, place: str) -> Role:
    """The role that a word of the file means."""
    for role in ROLES:
        if told == role:
            return role
    raise UsageError(f"{place}: found {told!r}; expected one of {', '.join(ROLES)}.")
