"""Serve the Dagster UI with its daemon on one lakehouse."""

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import suppress

from claims_lakehouse.errors import UsageError
from claims_lakehouse.files import FILE_MODE, make_folder
from claims_lakehouse.orchestration.instance import prepare_dagster_home
from claims_lakehouse.settings import Settings


def serve(settings: Settings, host: str, port: int) -> int:
    """Run `dagster dev` until it ends or is interrupted; returns its exit status.

    Raises:
        UsageError: Another one runs on the same Dagster home: two daemons would start everything twice.
    """
    home = prepare_dagster_home(settings)
    make_folder(settings.landing)
    guard = os.open(home / ".serving", os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(guard)
        raise UsageError(f"Another `claims ui` already runs on {home}.") from None
    environment = os.environ | {"CLAIMS_LANDING": str(settings.landing), "CLAIMS_HOME": str(settings.home)}
    command = [sys.executable, "-m", "dagster", "dev", "-m", "claims_lakehouse.definitions"]
    # Set before the child starts: a signal that is caught here is not ignored there, whoever started us.
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, signal.default_int_handler)
    process = subprocess.Popen([*command, "-h", host, "-p", str(port)], env=environment, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()
    finally:
        # Whatever of its servers it did not end itself: they share its process group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        os.close(guard)
