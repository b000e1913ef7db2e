"""A second implementation of validation and history, in plain Python: slow, obvious, and sharing no code.

It is written from the specification and never imports `claims_lakehouse`: where the two differ, one of them
is wrong. Gzip, Parquet, messages, suggestions, held deliveries, journals and surrogate keys stay out.
"""

from .history import Tables, as_known, as_of, received_by, tables
from .reading import COLUMNS, KEY, SEQUENCE, Correction, Delivery, Unreadable, read_delivery, received_at

__all__ = [
    "COLUMNS",
    "KEY",
    "SEQUENCE",
    "Correction",
    "Delivery",
    "Tables",
    "Unreadable",
    "as_known",
    "as_of",
    "read_delivery",
    "received_at",
    "received_by",
    "tables",
]
