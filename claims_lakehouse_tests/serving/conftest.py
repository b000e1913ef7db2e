"""Generated deliveries in a lakehouse, and what the oracle makes of them, for every test that only reads."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from claims_lakehouse_tests import oracle
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.oracle.generate import deliveries


class Generated(NamedTuple):
    lakehouse: Lakehouse
    deliveries: list[oracle.Delivery]
    tables: oracle.Tables


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """Only read from."""
    lakehouse = Lakehouse(tmp_path_factory.mktemp("generated"))
    sent = deliveries(205, 12)
    for one in sent:
        lakehouse.land(one.feed, one.key, one.content)
    lakehouse.ingest()
    return Generated(lakehouse, sent, oracle.tables(sent))
