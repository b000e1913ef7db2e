"""How DuckDB is configured wherever it works: bounded memory, spilling below CLAIMS_HOME and nowhere else.

Knows nothing of the contracts: whoever only reads what is published waits for no import of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claims_lakehouse.files import make_folder
from claims_lakehouse.settings import Settings, memory_limit

if TYPE_CHECKING:
    import duckdb


def bounds(settings: Settings) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's configuration for a connection that works."""
    return {
        "temp_directory": str(make_folder(settings.temporary)),
        "memory_limit": memory_limit(),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def set_quietly(con: duckdb.DuckDBPyConnection) -> None:
    """Have a connection draw no progress bar, and tell times in UTC.

    In Jupyter without ipywidgets the bar is off already, and DuckDB refuses to hear of it.
    """
    con.execute("SET TimeZone = 'UTC'")
    if con.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        con.execute("SET enable_progress_bar = false")
