"""Fixtures for every test: a lakehouse of its own, and an environment without ours in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claims_lakehouse_tests.builders import FLEXION, Lakehouse


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLAIMS_LANDING", "CLAIMS_HOME", "CLAIMS_PAYER_SETTINGS", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")  # so that what a test sets itself is gone after it, too
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what all workers of a run share."""
    base = tmp_path_factory.getbasetemp()  # of a worker; those of a run are beside each other
    Lakehouse.shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    Lakehouse.shared.mkdir(exist_ok=True)
    return Lakehouse.shared


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(tmp_path).with_tables()


@pytest.fixture
def flexion() -> Path:
    if not FLEXION.is_dir():
        pytest.skip("the sample deliveries (shared/data/flexion) are not beside the repository")
    return FLEXION
