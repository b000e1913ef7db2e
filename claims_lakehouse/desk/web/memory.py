"""What the server remembers of a session: searches and files, which may name patients and so stand in no address."""

from __future__ import annotations

from collections import OrderedDict
from secrets import token_urlsafe
from threading import Lock
from typing import Any

#: How many things of one kind are remembered of all sessions together; the oldest go first. Files are large.
ROOM = {"Filters": 500}
FEW = 4


class Memory:
    """Things by random names, each for one session alone; gone when the desk ends."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def keep(self, session: str, thing: Any) -> str:
        """Remember something; returns its name."""
        name = token_urlsafe(9)
        with self._lock:
            self._kept[session, name] = thing
            alike = [key for key, kept in self._kept.items() if type(kept) is type(thing)]
            for key in alike[: -ROOM.get(type(thing).__name__, FEW)]:
                del self._kept[key]
        return name

    def recall(self, session: str, name: str, kind: type[Any]) -> Any:
        """What a session keeps under a name, if it is of that kind; else None."""
        with self._lock:
            thing = self._kept.get((session, name))
        return thing if isinstance(thing, kind) else None

    def forget(self, session: str, name: str) -> None:
        """Let something go."""
        with self._lock:
            self._kept.pop((session, name), None)
