"""Fixtures of the graph's tests: a lakehouse and a Dagster instance of its own, in this process."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.orchestration.graph import Graph


@pytest.fixture
def graph(lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setenv("CLAIMS_LANDING", str(lakehouse.settings.landing))
    monkeypatch.setenv("CLAIMS_HOME", str(lakehouse.settings.home))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(lakehouse, instance)
