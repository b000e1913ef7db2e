"""The Dagster instance of a lakehouse: its home, and the dagster.yaml that the project provides."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from claims_lakehouse.files import make_folder, replacing
from claims_lakehouse.settings import POSTGRES_URL, Settings, has_postgres

_YAML = """\
# Written by `claims`. Change it and it is yours: it is then never written again.
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
freshness:
  enabled: true
run_monitoring:
  enabled: true
"""
_YAML_POSTGRES = f"""\
storage:
  postgres:
    postgres_url:
      env: {POSTGRES_URL}
"""


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the Dagster home if it is not there, and name it in the environment.

    Its dagster.yaml is the project's, with PostgreSQL as storage where `CLAIMS_POSTGRES_URL` is set, unless somebody
    has changed it.
    """
    home = make_folder(settings.dagster_home)
    file = home / "dagster.yaml"
    wanted = _YAML + (_YAML_POSTGRES if has_postgres() else "")
    there = file.read_text(encoding="utf-8") if file.exists() else None
    if there != wanted and there in (None, _YAML, _YAML + _YAML_POSTGRES):
        with replacing(file) as temporary:
            temporary.write_text(wanted, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def lakehouse_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance that the UI shows, so that what a command did is there."""
    prepare_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        yield instance
