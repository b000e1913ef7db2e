"""What assets are given."""

from __future__ import annotations

import dagster as dg

from claims_lakehouse.settings import Settings

#: Whatever writes to the warehouse runs in this pool, one at a time.
WAREHOUSE_POOL = "warehouse"
OWNERS = ["team:data-engineering"]


class Lakehouse(dg.ConfigurableResource[None]):
    """Where the lakehouse lies; an empty field leaves it to `CLAIMS_LANDING` and `CLAIMS_HOME`."""

    landing: str = ""
    home: str = ""

    def settings(self) -> Settings:
        """The paths, read when a run starts."""
        return Settings.from_environment(self.landing or None, self.home or None)
