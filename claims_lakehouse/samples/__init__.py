"""Sample deliveries for `claims demo`: realistic, seeded, of any size, with every kind of defect in them.

Derived from the contracts. Reads nothing; what the pipeline makes of a delivery is not known here.
"""

from __future__ import annotations

from claims_lakehouse.samples.plan import Planted
from claims_lakehouse.samples.write import planted, write_deliveries

__all__ = ["Planted", "planted", "write_deliveries"]
