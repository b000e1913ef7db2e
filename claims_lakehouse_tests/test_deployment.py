"""The files for running it as services name commands, options and ports that exist; Docker itself runs elsewhere."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from claims_lakehouse_tests.builders import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
DOCUMENT = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
OURS = ("prepare", "code", "webserver", "daemon")
BIN = Path(sys.executable).parent


def in_container() -> list[str]:
    """Every command that the files have run in the project's image."""
    commands = [shlex.join(SERVICES[name]["command"]) for name in ("code", "webserver", "daemon")]
    commands.append(shlex.join(SERVICES["code"]["healthcheck"]["test"][1:]))
    return commands


def on_machine() -> list[str]:
    """Every command of the project's environment that the document's units run."""
    return [
        line.removeprefix("ExecStart=/opt/claims-lakehouse/.venv/bin/")
        for line in DOCUMENT.splitlines()
        if line.startswith("ExecStart=")
    ]


def help_of(*command: str) -> str:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:], "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def helps() -> dict[tuple[str, ...], str]:
    return {}


@pytest.mark.parametrize("command", [*in_container(), *on_machine()])
def test_every_command_and_option_exists(command: str, helps: dict[tuple[str, ...], str]) -> None:
    words = shlex.split(command)
    options = [word for word in words if word.startswith("-")]
    named = tuple(words[: words.index(options[0])])
    if named not in helps:
        helps[named] = help_of(*named)
    for option in options:
        assert re.search(rf"(^|[\s,]){re.escape(option)}[\s,]", helps[named]), f"{named} has no option {option}"
    for word, value in itertools.pairwise(words):
        if word == "-m":
            importlib.import_module(value)


def test_the_units_run_what_the_containers_run() -> None:
    def shape(command: str) -> str:
        return re.sub(
            r"-h \S+|\S*/workspace", lambda found: "-h" if found[0].startswith("-h") else "workspace", command
        )

    services = [command for command in on_machine() if not command.startswith("claims desk")]  # not a container yet
    assert [shape(command) for command in services] == [shape(command) for command in in_container()[:3]]


@pytest.mark.parametrize("image", [*re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE),
                                   *(service["image"] for service in SERVICES.values())])  # fmt: skip
def test_no_image_names_a_registry(image: str) -> None:
    first, _, rest = image.partition("/")
    assert not rest or not re.search(r"[.:]|^localhost$", first)


def test_the_page_is_bound_to_loopback_and_nothing_else_is_reachable() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports == {"webserver": ["127.0.0.1:3000:3000"]}


def test_every_service_sees_the_same_folders_and_environment() -> None:
    for name in OURS:
        assert SERVICES[name]["environment"] == SERVICES["code"]["environment"]
        assert SERVICES[name]["volumes"] == SERVICES["code"]["volumes"]
    mounted = {volume.rsplit(":", 1)[1] for volume in SERVICES["code"]["volumes"]}
    environment = SERVICES["code"]["environment"]
    assert {environment["CLAIMS_LANDING"], environment["CLAIMS_HOME"]} == mounted
    named = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) == {name for name in named if not name.startswith(("$", ".", "/"))}


def test_there_is_one_daemon_and_it_starts_after_the_code_answers() -> None:
    assert "deploy" not in SERVICES["daemon"]
    for name in ("webserver", "daemon"):
        assert SERVICES[name]["depends_on"]["code"]["condition"] == "service_healthy"
    workspace = yaml.safe_load((REPOSITORY / "deploy" / "workspace.services.yaml").read_text(encoding="utf-8"))
    (server,) = workspace["load_from"]
    words = SERVICES["code"]["command"]
    assert (server["grpc_server"]["host"], str(server["grpc_server"]["port"])) == ("code", words[words.index("-p") + 1])


def test_what_prepares_the_home_does_so(tmp_path: Path) -> None:
    environment = os.environ | {
        "CLAIMS_HOME": str(tmp_path / "home"),
        "CLAIMS_POSTGRES_URL": SERVICES["code"]["environment"]["CLAIMS_POSTGRES_URL"],
        "PYTHONPATH": str(REPOSITORY),
    }
    environment.pop("DAGSTER_HOME", None)
    _, *arguments = SERVICES["prepare"]["command"]
    subprocess.run([sys.executable, *arguments], env=environment, check=True, timeout=60)
    written = yaml.safe_load((tmp_path / "home" / "dagster" / "dagster.yaml").read_text(encoding="utf-8"))
    assert written["storage"] == {"postgres": {"postgres_url": {"env": "CLAIMS_POSTGRES_URL"}}}


def test_every_variable_that_the_code_reads_is_explained() -> None:
    sources = (REPOSITORY / "claims_lakehouse").rglob("*.py")
    read = {name for source in sources for name in re.findall(r'"(CLAIMS_[A-Z_]+|DAGSTER_HOME)"', source.read_text())}
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT, re.MULTILINE))
    assert read <= table
    assert table <= read | {"DAGSTER_HOME"}


def test_every_file_that_the_image_is_made_of_is_there_and_not_kept_from_it() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (REPOSITORY / source).exists()
            assert f"!{source.removeprefix('./').split('/')[0]}" in ignored
