"""The Dagster instance of a lakehouse: its home, and the dagster.yaml that the project provides."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from claims_lakehouse.files import make_folder, replacing
from claims_lakehouse.settings import Settings

DAGSTER_YAML = """\
# Written by claims when there was none; change what you like.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1
    granularity: op
  runs:
    max_concurrent_runs: 2
run_monitoring:
  enabled: true
"""


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the Dagster home if it is not there, and name it in the environment."""
    home = make_folder(settings.dagster_home)
    if not (home / "dagster.yaml").exists():
        with replacing(home / "dagster.yaml") as temporary:
            temporary.write_text(DAGSTER_YAML, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def lakehouse_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance that the UI shows, so that what a command did is there."""
    prepare_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        yield instance
