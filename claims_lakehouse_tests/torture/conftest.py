"""Scenarios made ready once for the tests of kills and of faults."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from claims_lakehouse_tests.torture.kills import Ground
from claims_lakehouse_tests.torture.scenarios import SCENARIOS


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ground]:
    """A scenario's ground by its name, with fewer deliveries than in the long run."""
    folder = tmp_path_factory.mktemp("torture")

    @cache
    def prepared(name: str) -> Ground:
        return Ground.prepare(next(one for one in SCENARIOS if one.name == name), folder, seed=1, size=4)

    return prepared
