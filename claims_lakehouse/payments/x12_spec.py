"""What an 835 of ours has beside what oxedi's tables hold: banks, modifiers, days, agreements, remarks."""

from __future__ import annotations

from functools import cache
from typing import Any

import oxedi

#: Modifiers of a procedure, as SVC01 holds them.
MOST_MODIFIERS = 4
#: What oxedi's tables hold beside their own columns, and the guide's order of segments that share a position there.
_PATCH: dict[str, Any] = {
    "segments": {"SVC": {"elements": {"5": {"scale": 3}, "7": {"scale": 3}}}},
    "loops": {
        "2100": {"occurrences": {"coverage_expiration_date": {"pos": 20499}}},
        "2110": {"occurrences": {"service_identification": {"pos": 20999}}},
    },
    "tables": {
        "payments": {
            "columns": {
                **{f"bpr_{place:02}": {"segment": "BPR", "element": place} for place in range(6, 16)},
                "payee_tax_id": {"loop": "1000B", "segment": "REF", "where": {"1": "TJ"}, "element": 2},
            }
        },
        "claims": {
            "columns": {
                "coverage_ended": {"segment": "DTM", "where": {"1": "036"}, "element": 2},
                "received_on": {"segment": "DTM", "where": {"1": "050"}, "element": 2},
            }
        },
        "services": {
            "columns": {
                **{
                    f"modifier_{place}": {"segment": "SVC", "element": 1, "component": place + 2}
                    for place in range(1, MOST_MODIFIERS + 1)
                },
                "service_from": {"segment": "DTM", "where": {"1": "150"}, "element": 2},
                "service_to": {"segment": "DTM", "where": {"1": "151"}, "element": 2},
                "authorization_number": {"segment": "REF", "where": {"1": "G1"}, "element": 2},
            }
        },
        "remarks": {
            "loops": ["2110"],
            "segment": "LQ",
            "columns": {"code_list": {"element": 1}, "remark": {"element": 2}},
        },
    },
}


@cache
def remittance_spec() -> oxedi.Spec:
    """How oxedi writes a remittance of ours."""
    return oxedi.Spec.builtin().patch(_PATCH)
