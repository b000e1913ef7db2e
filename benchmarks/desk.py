"""How long a steward waits: pages of the verification desk over 1,000,000 issues, asked of a real `claims desk`.

Fifty deliveries of patients, ingested from files: about 20,000 issues each, an unknown state a row. The server is a
process of its own; its seconds are those from the request to the last byte. Prints, and writes as JSON, the median and
the longest of each page.

    python -m benchmarks.desk [--issues 1000000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import duckdb

from claims_lakehouse.commands.ingestion import ingest_due
from claims_lakehouse.settings import Settings

_DELIVERIES = 50
_ROWS = """
COPY (
    SELECT {n} * {each} + i || 'U' AS patient_id, 'Ann' || i % 5000 AS fname, 'Ward' || i % 90000 AS lname,
           '1948-09-19' AS date_of_birth, i || ' Main St' AS address, 'City' || i % 20000 AS city,
           'Conneticut' || i % 1000 AS state, CASE WHEN i % 10 = 0 THEN 'x' ELSE '06103' END AS zipcode,
           '2007-04-19' AS date_of_residence, '2019-09-17' AS last_modified_date
    FROM range({each}) t(i)
) TO '{path}'
"""


def main() -> None:
    """Measure, and print a line a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--issues", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=Path("build/bench"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder, "landing"), Path(folder, "home"))
        _land(settings, asked.issues)
        ingest_due(settings)
        with _served(settings) as port:
            found = _measure(port, asked.rounds)
    for page, (median, longest) in found.items():
        print(f"{page:<55} median {median * 1000:6.0f} ms, longest {longest * 1000:6.0f} ms")
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / "desk.json").write_text(json.dumps({"issues": asked.issues, "seconds": found}, indent=1) + "\n")


def _land(settings: Settings, issues: int) -> None:
    """Deliveries with about so many issues: a state of each row, and a zip code of every tenth."""
    folder = settings.landing / "patients"
    folder.mkdir(parents=True)
    each = round(issues / _DELIVERIES / 1.1)
    for n in range(_DELIVERIES):
        path = folder / f"{2020 + n // 12}-{1 + n % 12:02}-01.parquet"
        duckdb.execute(_ROWS.format(n=n, each=each, path=path))


@contextmanager
def _served(settings: Settings) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "claims_lakehouse.cli", "desk", "--port", str(port)]
    environment = os.environ | {"CLAIMS_LANDING": str(settings.landing), "CLAIMS_HOME": str(settings.home)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def _measure(port: int, rounds: int) -> dict[str, tuple[float, float]]:
    """The median and the longest seconds of each page; the very first one, which makes the index, by itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers: dict[str, str] = {}

    def ask(path: str, fields: dict[str, str] | None = None) -> tuple[float, str]:
        began = time.perf_counter()
        body = urlencode(fields) if fields is not None else None
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers | form)
        answer = connection.getresponse()
        text = answer.read().decode()
        seconds = time.perf_counter() - began
        if answer.status not in (200, 303):
            raise SystemExit(f"{path}: status {answer.status}")
        if cookie := answer.headers.get("Set-Cookie"):
            headers["Cookie"] = cookie.partition(";")[0]
        return seconds, text if answer.status == 200 else str(answer.headers["Location"])

    first, text = ask("/")
    token = re.search(r'"X-CSRF-Token": "([0-9a-f]+)"', text)
    _, listed = ask("/issues?rule=bad_zipcode")
    issue = re.search(r"/issues/[0-9a-f]{32}", listed)
    if not token or not issue:
        raise SystemExit("The pages are not what they were.")
    search = {"csrf": token[1], "text": "conneticut77", "status": "open"}
    pages = {
        "overview": "/",
        "list, first page": "/issues",
        "list, page 15,000": "/issues?page=15000",
        "list, newest first, page 15,000": "/issues?order=newest&page=15000",
        "list, by rule and delivery": "/issues?rule=bad_zipcode&delivery=2023-02-01",
        "list, errors by rule, page 1,000": "/issues?severity=error&order=rule&page=1000",
        "list, text searched": ask("/issues/search", search)[1],
        "one issue": issue[0],
        "the record of one issue": f"{issue[0]}/record",
        "one delivery": "/deliveries/patients/2023-02-01",
        "what retracting it changes": "/deliveries/patients/2023-02-01/retract",
    }
    found = {"the very first page, which makes the index": (first, first)}
    for name, path in pages.items():
        seconds = [ask(path)[0] for _ in range(rounds)]
        found[name] = (statistics.median(seconds), max(seconds))
    return found


if __name__ == "__main__":
    main()
