"""Text and paths as SQL has them, where no parameter can stand: in ATTACH, COPY, COMMENT and views."""

from __future__ import annotations

from pathlib import Path


def literal(text: str | Path) -> str:
    """A text or path as an SQL literal, quotes included."""
    return "'" + str(text).replace("'", "''") + "'"
