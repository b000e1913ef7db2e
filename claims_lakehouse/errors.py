"""The exception tree.

```
ClaimsLakehouseError
├── ContractError          a feed is declared wrongly: a defect of the code, found at import
├── UsageError             somebody named something that does not exist
│   ├── NoSuchIssue        an issue that there is not, or no longer
│   ├── NoSuchDelivery     a delivery that no publication has
│   ├── NoSuchClaim        a claim that no publication has
│   ├── NoSuchPayment      a remittance or payment day that no publication has
│   └── Overtaken          what a person looked at is no longer so; look again
├── DeliveryError          one delivery cannot be processed; the others go on
│   ├── UnplaceableFile    a landed file that belongs to no delivery
│   ├── UnreadableFile     a landed file that cannot be read
│   └── AuditFailed        what a delivery would write breaks a law; it was rolled back
├── DecisionsUnsound       what would be decided of claims breaks a law; it was rolled back
├── PaymentsUnsound        what would be paid is not what was decided; it was rolled back
├── WarehouseBusy          another process holds the warehouse
└── WarehouseUnsound       the warehouse is damaged or of other contracts; the next who opens it makes it anew
```

Every message names the place, what was found and what was expected, and never a value of a row.
"""

from __future__ import annotations

import traceback
from pathlib import Path


class ClaimsLakehouseError(Exception):
    """Base of every error that the lakehouse raises on purpose."""


class ContractError(ClaimsLakehouseError, ValueError):
    """A feed is declared wrongly."""


class UsageError(ClaimsLakehouseError):
    """Somebody named a feed, delivery or option that does not exist."""


class NoSuchIssue(UsageError):
    """An issue that there is not, or no longer: a row that says otherwise has other issues."""


class NoSuchDelivery(UsageError):
    """A delivery that no publication has."""


class NoSuchClaim(UsageError):
    """A claim that no publication has."""


class NoSuchPayment(UsageError):
    """A remittance or payment day that no publication has."""


class Overtaken(UsageError):
    """What a person looked at and decided about is no longer so: nothing was written, look again."""


class DeliveryError(ClaimsLakehouseError):
    """One delivery cannot be processed; the others go on."""


class UnplaceableFile(DeliveryError):
    """A landed file that belongs to no delivery."""


class UnreadableFile(DeliveryError):
    """A landed file that cannot be read.

    `place` is the file (and line, where one is known), relative to the landing folder.
    """

    def __init__(self, place: str, found: str, expected: str) -> None:
        super().__init__(f"{place}: found {found}; expected {expected}.")
        self.place, self.found, self.expected = place, found, expected


class AuditFailed(DeliveryError):
    """What a delivery would write breaks a law; it was rolled back."""


class DecisionsUnsound(ClaimsLakehouseError):
    """What would be decided of claims breaks a law; it was rolled back, and stays due."""


class PaymentsUnsound(ClaimsLakehouseError):
    """What would be paid is not what was decided; it was rolled back, and no file was written."""


class WarehouseBusy(ClaimsLakehouseError):
    """Another process holds the warehouse."""


class WarehouseUnsound(ClaimsLakehouseError):
    """The warehouse is damaged, or was made for other contracts; the next who opens it makes it anew from disk."""


def told_by_kind(error: BaseException) -> str:
    """An error that nobody foresaw, by its kind and place alone: its text may quote somebody's data."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}; its text is withheld"
