"""Runs of commands that were killed: nobody else would ever end them, or give back the pool slot that they hold.

A command's runs carry a tag that names its process. Runs that Dagster's daemon started are its own to watch
(`run_monitoring` in dagster.yaml).
"""

import os
from contextlib import suppress
from pathlib import Path

import dagster as dg

PROCESS_TAG = "claims/process"
_UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def this_process() -> str:
    """A name of this process that no other ever bears on this machine, as long as it is up."""
    return f"{os.getpid()}/{_started(os.getpid())}"


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """End what killed commands left unfinished, and free every pool slot that a run without a process holds."""
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        process = run.tags.get(PROCESS_TAG)
        if process is not None and not _is_alive(process):
            instance.report_run_failed(run, "The command that ran it was killed.")
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids():
            claimant = instance.get_run_by_id(run_id)
            if claimant is None or claimant.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def _is_alive(process: str) -> bool:
    pid, _, started = process.partition("/")
    return pid.isdigit() and _started(int(pid)) == started != ""


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where there is none."""
    with suppress(OSError):
        # The name, in brackets, may have spaces in it: what follows the last bracket has none.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return ""
