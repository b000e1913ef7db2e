"""Texts, paths and times as SQL has them, where no parameter can stand: in ATTACH, COPY, COMMENT and views."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path


def literal(text: str | Path) -> str:
    """A text or path as an SQL literal, quotes included."""
    return "'" + str(text).replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Texts as an SQL list of literals, for IN (…)."""
    return ", ".join(literal(text) for text in texts)


def moment(at: datetime) -> str:
    """A naive time as an SQL TIMESTAMP literal."""
    return f"TIMESTAMP {literal(at.isoformat(sep=' '))}"
