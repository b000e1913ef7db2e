"""How DuckDB is configured wherever it works: bounded memory, spilling below CLAIMS_HOME and nowhere else."""

from __future__ import annotations

from claims_lakehouse.files import make_folder
from claims_lakehouse.settings import Settings, memory_limit


def bounds(settings: Settings) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's configuration for a connection that works."""
    return {
        "temp_directory": str(make_folder(settings.temporary)),
        "memory_limit": memory_limit(),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
