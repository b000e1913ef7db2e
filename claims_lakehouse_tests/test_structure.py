"""The shape of the house: who may import whom, what modules may be called, and what an import may do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims_lakehouse_tests.builders import REPOSITORY

PACKAGE = REPOSITORY / "claims_lakehouse"
#: The way of the data: a stage imports those before it.
STAGES = ("landing", "validation", "history", "serving")
#: Stages beside these that came later, and the stages that each may import.
SIBLINGS = {"adjudication": ("landing", "history"), "payments": ("adjudication", "history")}
#: What stands beside the stages, and what it may import in its turn.
SHARED = {
    "contracts": {"errors"},
    "codes": {"contracts", "errors", "files", "settings"},
    "warehouse": {"contracts", "errors", "files", "settings"},
}
#: What every stage may import.
GROUND = {"errors", "files", "settings", "contracts", "warehouse"}
#: Who holds lines to the releases of codes, or makes the table of them.
JUDGES = {"validation", "desk", "orchestration"}
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "misc"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    """The package or top-level module that a module belongs to: `landing`, `cli`."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    """Every module that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(module: Path) -> set[str]:
    """The rooms of the package that a module imports."""
    names = (name.split(".") for name in imported(module))
    rooms = {name[1] for name in names if name[0] == "claims_lakehouse" and len(name) > 1}
    return {name for name in rooms if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()}


def named(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def test_the_rooms_are_those_that_these_tests_know() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert {*STAGES, *SIBLINGS, *SHARED, "orchestration", "desk", "commands"} <= folders


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_only_orchestration_imports_dagster(module: Path) -> None:
    if room(module) not in ("orchestration", "definitions"):
        assert not [name for name in imported(module) if name.split(".")[0].startswith("dagster")]


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) in STAGES], ids=named)
def test_a_stage_imports_only_the_stages_before_it(module: Path) -> None:
    stage = room(module)
    before = set(STAGES[: STAGES.index(stage)])
    beside = GROUND | {"codes"} if stage in JUDGES else GROUND
    assert rooms_imported(module) <= {stage} | before | beside


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) in SIBLINGS], ids=named)
def test_a_sibling_imports_only_the_stages_that_it_builds_on(module: Path) -> None:
    assert rooms_imported(module) <= {room(module), *SIBLINGS[room(module)]} | GROUND


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) == "desk"], ids=named)
def test_the_desk_stands_on_the_stages_and_only_its_page_knows_the_web(module: Path) -> None:
    assert rooms_imported(module) <= {"desk", "codes", *SIBLINGS, *STAGES} | GROUND
    if module.parent.name != "web":
        web = ("fastapi", "starlette", "jinja2", "uvicorn", "claims_lakehouse.desk.web")
        assert [name for name in imported(module) if name.startswith(web)] == []


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) in SHARED], ids=named)
def test_contracts_codes_and_warehouse_know_no_stage(module: Path) -> None:
    assert rooms_imported(module) <= {room(module)} | SHARED[room(module)]


def test_codes_are_read_by_those_who_judge_them_or_make_samples_of_them_and_nobody_else() -> None:
    assert {room(module) for module in MODULES if "codes" in rooms_imported(module)} <= {"codes", "samples"} | JUDGES


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) in ("errors", "files", "settings")], ids=named)
def test_the_ground_floor_imports_nothing_of_the_house(module: Path) -> None:
    assert rooms_imported(module) <= {"errors"}


@pytest.mark.parametrize("module", [one for one in MODULES if room(one) != "definitions"], ids=named)
def test_nobody_imports_the_tests_or_the_command(module: Path) -> None:
    nobodys = ["claims_lakehouse_tests", "claims_lakehouse.cli"]
    if room(module) not in ("cli", "commands"):
        nobodys.append("claims_lakehouse.commands")
    assert not [name for name in imported(module) if name.startswith(tuple(nobodys))]


def test_no_module_has_a_name_that_says_nothing() -> None:
    named_so = [path for path in [*PACKAGE.rglob("*"), *(REPOSITORY / "claims_lakehouse_tests").rglob("*")]
                if path.stem in SHAPELESS]  # fmt: skip
    assert named_so == []


def test_contracts_do_no_input_or_output() -> None:
    reaching = {"os", "pathlib", "io", "shutil", "tempfile", "socket", "subprocess", "duckdb", "open"}
    for module in (one for one in MODULES if room(one) == "contracts"):
        assert not reaching & set(imported(module)), module
        called = {node.func.id for node in ast.walk(ast.parse(module.read_text()))
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
        assert "open" not in called, module


def imports_in_a_process_of_its_own(module: str, cwd: Path, **environment: str) -> str:
    """Import a module in an empty folder, watching what of the environment it reads and which files it writes."""
    watching = f"""
import os, sys, warnings
warnings.simplefilter("ignore")
import dagster, dagster._utils, pandera.polars, polars, pyarrow.parquet, duckdb  # what they do is theirs
def watch(event, args):
    if event == "open" and len(args) > 2 and isinstance(args[0], (str, bytes)) and args[2] is not None:
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and not str(args[0]).endswith((".pyc", "null")):
            if "__pycache__" not in str(args[0]):
                print("wrote", args[0])
    elif event in ("os.mkdir", "socket.connect", "subprocess.Popen"):
        if "__pycache__" not in str(args[0]):
            print(event, args[0])
class Watched(dict):
    def __getitem__(self, name): return note(name, lambda: dict.__getitem__(self, name))
    def get(self, name, default=None): return note(name, lambda: dict.get(self, name, default))
    def __contains__(self, name): return note(name, lambda: dict.__contains__(self, name))
def note(name, then):
    if os.fsdecode(name).startswith(("CLAIMS_", "DAGSTER_HOME")):
        print("read", os.fsdecode(name))
    return then()
os.environ._data = Watched(os.environ._data)
sys.addaudithook(watch)
import {module}
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", watching],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["claims_lakehouse.definitions", "claims_lakehouse.cli"])
def test_an_import_neither_writes_nor_reads_the_environment(module: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "not there"
    told = imports_in_a_process_of_its_own(module, tmp_path, CLAIMS_HOME=str(nowhere), CLAIMS_LANDING=str(nowhere))
    assert told == ""
    assert list(tmp_path.iterdir()) == []


def test_the_watch_over_imports_sees_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(
        "import os, pathlib\nos.environ.get('CLAIMS_HOME')\npathlib.Path('made').mkdir()\nopen('file', 'w').close()\n"
    )
    told = imports_in_a_process_of_its_own("careless", tmp_path, PYTHONPATH=str(tmp_path))
    assert told.splitlines() == ["read CLAIMS_HOME", "os.mkdir made", "wrote file"]
