"""When a delivery was received: what its key says, or else what its file said when first seen."""

from __future__ import annotations

import re
from datetime import datetime

PRIMING = "priming"
_PRIMED = datetime(1900, 1, 1)  # noqa: DTZ001 - every time in the lakehouse is naive UTC, as DuckDB's TIMESTAMP
_FORMS = (
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "%Y-%m-%d"),
    (re.compile(r"[0-9]{8}"), "%Y%m%d"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{4}"), "%Y-%m-%dT%H%M"),
)


def received_at(delivery: str, modified: datetime) -> datetime:
    """When the delivery was received, naive UTC: by its whole key, else `modified` (naive UTC)."""
    if delivery == PRIMING:
        return _PRIMED
    for shape, form in _FORMS:
        if shape.fullmatch(delivery):
            try:
                return datetime.strptime(delivery, form)  # noqa: DTZ007
            except ValueError:
                break
    return modified
