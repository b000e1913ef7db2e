"""A real `claims ui`: files land, the tables follow without a hand, and the web page shows how it went."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import duckdb
import pytest

from claims_lakehouse_tests.builders import BILLING, FLEXION, REPOSITORY
from claims_lakehouse_tests.chromium import ARTEFACTS, chromium

pytestmark = [pytest.mark.server]

#: Current records and versions after priming and update, as the first issue has them.
EXPECTED = {"patient": (110, 112), "provider": (110, 113), "claim": (1009, 1013)}
#: Of all assets those of the first feeds, which fit a page at a size that can be read.
SELECTION = " or ".join(f'tag:"feed"="{feed.name}"' for feed in BILLING) + ' or key:"published" or key:"landing_folder"'
DELIVERIES = [f"{feed}_{key}" for key in ("priming", "update") for feed in ("patients", "providers", "claims")]


class Served(NamedTuple):
    """A server on its own lakehouse: its address, folders and process."""

    url: str
    landing: Path
    home: Path
    process: subprocess.Popen[bytes]
    log: Path


def until(done: Callable[[], Any], seconds: float, told: Callable[[], str], every: float = 0.5) -> Any:
    """Ask again and again until the answer is true; fails, telling how it stands, after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := done()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {told()}")
        time.sleep(every)
    return answer


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def processes_of(home: Path) -> list[int]:
    """The processes that work on a lakehouse, by their environment."""
    mark = f"CLAIMS_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return [one for one in found if one != os.getpid()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not FLEXION.is_dir():
        pytest.skip("the sample deliveries (shared/data/flexion) are not beside the repository")
    base = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME",)}
    environment |= {
        "CLAIMS_LANDING": str(base / "landing"),
        "CLAIMS_HOME": str(base / "home"),
        "PYTHONPATH": str(REPOSITORY),
        "no_proxy": "127.0.0.1",
    }
    log = base / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "claims_lakehouse.cli", "ui", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=base,
            start_new_session=True,
            # As nohup and a script's `&` start it: it has to end on SIGTERM all the same.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    server = Served(f"http://127.0.0.1:{port}", base / "landing", base / "home", process, log)
    try:
        until(lambda: answers(server.url) or process.poll() is not None, 90, lambda: tail(log))
        assert process.poll() is None, tail(log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            for left in processes_of(server.home) if process.poll() is None else []:
                os.kill(left, signal.SIGKILL)


def counts(home: Path) -> dict[str, tuple[int, int]]:
    """Current records and versions by entity, as readers see them now."""
    published = home / "published" / "claims.duckdb"
    if not published.exists():
        return {}
    tables = {"patient": "dim_patient", "provider": "dim_provider", "claim": "fact_claim"}
    with duckdb.connect(str(published), read_only=True) as con:
        return {
            entity: con.execute(f"SELECT (SELECT count(*) FROM {entity}), (SELECT count(*) FROM {table})").fetchall()[0]
            for entity, table in tables.items()
        }


@pytest.fixture(scope="module")
def followed(served: Served) -> Served:
    """The server after the sample files were dropped, one after the other, and the tables followed."""
    for name in DELIVERIES:
        partial = served.landing / f"{name}.csv.part"
        shutil.copyfile(FLEXION / f"{name}.csv", partial)
        partial.rename(served.landing / f"{name}.csv")
    until(
        lambda: counts(served.home) == EXPECTED,
        180,
        lambda: f"{counts(served.home)} instead of {EXPECTED}\n{tail(served.log)}",
    )
    return served


def test_files_that_land_lead_to_the_published_tables_without_a_hand(followed: Served) -> None:
    assert counts(followed.home) == EXPECTED
    with duckdb.connect(str(followed.home / "published" / "claims.duckdb"), read_only=True) as con:
        rows = con.execute("SELECT feed, delivery, status, run_id IS NOT NULL FROM delivery").fetchall()
    assert sorted(rows) == sorted((*name.split("_"), "applied", True) for name in DELIVERIES)


def test_a_second_server_on_the_same_lakehouse_is_refused(followed: Served) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "claims_lakehouse.cli", "ui", "--port", "0"],
        env=os.environ | {"CLAIMS_HOME": str(followed.home), "CLAIMS_LANDING": str(followed.landing),
                          "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "already runs" in done.stderr


def test_the_web_page_listens_on_loopback_only(followed: Served) -> None:
    port = int(followed.url.rsplit(":", 1)[1])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {
        fields[1].split(":")[0] for fields in listening if fields[1].endswith(f":{port:04X}") and fields[3] == "0A"
    }
    assert addresses == {"0100007F"}


@pytest.fixture(scope="module")
def page(followed: Served) -> Iterator[Any]:
    """A page of a real browser, at the size of the pictures in the documentation."""
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1900, "height": 950})
        opened.set_default_timeout(30_000)
        yield opened


def shown(page: Any, *texts: str | re.Pattern[str], within: float = 30) -> None:
    """Wait until the page shows the texts, whole where they are given as such."""
    for text in texts:
        found = page.get_by_text(text, exact=isinstance(text, str)).locator("visible=true").first
        found.wait_for(timeout=within * 1000)


def keep(page: Any, name: str) -> None:
    """Keep a picture of a page, which is to show nobody's data: no patient's id, name with street, or claim."""
    text = page.locator("body").inner_text()
    for file, columns in (("patients", ("patient_id", "address")), ("claims", ("claim_id",))):
        with (FLEXION / f"{file}_priming.csv").open(newline="", encoding="utf-8") as rows:
            values = {row[column] for row in csv.DictReader(rows) for column in columns if len(row[column] or "") > 4}
        assert len(values) > 90
        assert {value for value in values if value in text} == set()
    page.screenshot(path=str(ARTEFACTS / f"{name}.png"), animations="disabled")


@pytest.mark.browser
def test_the_asset_graph_shows_every_stage_and_where_each_stands(followed: Served, page: Any) -> None:
    page.goto(f"{followed.url}/asset-groups~{quote(SELECTION, safe='')}/")
    shown(page, "landing", "validation", "history", "serving")
    page.get_by_text("Hide navigation").click()
    page.get_by_placeholder("Jump to").locator("xpath=following::button[1]").click()
    page.keyboard.press("Alt+E")
    shown(page, "raw_patients", "validated_claims", "dim_patient", "fact_claim", "published")
    shown(page, "2 partitions", "100% filled", re.compile("4 / 4 Passed"), re.compile("2 / 3 Passed"))
    keep(page, "asset-graph")


@pytest.mark.browser
def test_the_partitions_of_dim_patient_are_its_deliveries(followed: Served, page: Any) -> None:
    page.goto(f"{followed.url}/assets/dim_patient?view=partitions&partition=update")
    shown(page, "priming", "update", "Materialized (2)", "versions_added", "rows_landed", "14")
    keep(page, "partitions")


@pytest.mark.browser
def test_the_checks_of_a_delivery_with_defects_say_which_rules_and_how_many(followed: Served, page: Any) -> None:
    page.goto(f"{followed.url}/assets/validated_claims?view=checks&checkDetail=contract")
    shown(page, "contract", "conservation", "quarantine_rate", re.compile("rows have an error"))
    page.get_by_role("tab", name="Partitions").last.click()
    page.get_by_text("priming", exact=True).locator("visible=true").last.click()
    shown(page, "6 of 1,004 rows have an error.")
    page.get_by_text("[Show Markdown]").click()
    shown(page, "malformed_row", "swapped_ids", "unknown_visit_type", "bad_amount")
    keep(page, "checks")


@pytest.mark.browser
def test_the_runs_are_listed_with_their_jobs(followed: Served, page: Any) -> None:
    page.goto(f"{followed.url}/runs")
    shown(page, re.compile("ingest_claims"), re.compile("publish"))
    keep(page, "runs")


def test_the_server_ends_with_everything_it_started_when_told_to(followed: Served) -> None:
    """The last test here: it ends the server."""
    assert len(processes_of(followed.home)) > 3
    followed.process.send_signal(signal.SIGTERM)
    followed.process.wait(60)
    until(lambda: not processes_of(followed.home), 30, lambda: f"left: {processes_of(followed.home)}")
    assert not answers(followed.url)
