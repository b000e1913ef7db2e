"""Have steps fail, disks fill up, files break, vanish and be fought over; then let a normal run put it right.

While a fault lasts, the work ends with an error that says what was wrong, or gets by; what is visible is whole at
every instant; once it is over, one normal run gives the undisturbed result.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import duckdb

from claims_lakehouse.landing.fingerprint import Fingerprints
from claims_lakehouse.settings import Settings
from claims_lakehouse_tests.builders import Lakehouse
from claims_lakehouse_tests.torture import children, states
from claims_lakehouse_tests.torture.children import Outcome, Trouble
from claims_lakehouse_tests.torture.kills import Ground, act
from claims_lakehouse_tests.torture.points import ERRORS
from claims_lakehouse_tests.torture.scenarios import SCENARIOS, correct, ingest
from claims_lakehouse_tests.torture.tally import Tally

#: What a full or broken disk makes a step raise; the command tells it in a line.
_OF_THE_SYSTEM = (
    "OSError",
    "PermissionError",
    "FileNotFoundError",
    "IsADirectoryError",
    "IOException",
    "FatalException",
)

Damage = Callable[[Settings, random.Random], str]


def injected(ground: Ground, trouble: Trouble) -> Tally:
    """One run of a scenario in which a step fails, or files cannot grow."""
    lakehouse = ground.copy()
    outcome = ground.run(lakehouse, trouble)
    return _judged(ground, lakehouse, f"{trouble} ({outcome.point})", outcome)


def full_disk(ground: Ground, room: int) -> Tally:
    """One run on a file system of its own with `room` bytes left; then it is given more."""
    lakehouse = ground.copy()
    folder = lakehouse.settings.home.parent
    shutil.rmtree(folder)
    folder.mkdir()
    used = sum(path.stat().st_blocks * 512 + 4096 for path in ground.base.rglob("*"))
    if not _mounted("-t", "tmpfs", "-o", f"size={used + room}", "none", str(folder)):
        return Tally(skipped=["a full disk: nothing may be mounted here"])
    try:
        shutil.copytree(ground.base, folder, symlinks=True, dirs_exist_ok=True)
        outcome = ground.run(lakehouse)
        _mounted("-o", f"remount,size={used + (256 << 20)}", str(folder))
        return _judged(ground, lakehouse, f"a disk with {room} bytes left", outcome)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def damaged(ground: Ground, damage: Damage, seed: str, *, finished: bool) -> Tally:
    """One run over a broken file, in the base or in what a finished run left."""
    lakehouse = ground.copy()
    if finished:
        ground.run(lakehouse)
    what = damage(lakehouse.settings, random.Random(seed))
    outcome = ground.run(lakehouse)
    told = f"{what} ({damage.__name__}, {seed}, {'after' if finished else 'before'} the act)"
    return _judged(ground, lakehouse, told, outcome, is_whole=False)


def landing_trouble(ground: Ground, trouble: str, at: int) -> Tally:
    """One run in which a landed file turns into something else just as it is to be read; then it is back."""
    lakehouse = ground.copy()
    aside = ground.work.with_name("aside")
    shutil.copytree(lakehouse.settings.landing, aside, dirs_exist_ok=True)
    outcome = children.run(partial(_act_with_landing_trouble, ground.scenario.name, ground.work, trouble, at))
    shutil.rmtree(lakehouse.settings.landing)
    shutil.move(aside, lakehouse.settings.landing)
    told = f"{trouble} in place of landed file {at}"
    return _judged(ground, lakehouse, told, outcome, is_whole=False, but=("main.delivery_log",))


def stale_lock(ground: Ground) -> Tally:
    """One run after a process died that held the lock, and left its name in it."""
    lakehouse = ground.copy()
    dead = children.run(partial(_hold_and_die, lakehouse.settings.home))
    assert dead.is_killed
    return _judged(ground, lakehouse, "a stale lock", ground.run(lakehouse), may_fail=False)


def at_once(ground: Ground, workers: int) -> Tally:
    """The same act by several processes at the same time."""
    lakehouse = ground.copy()
    work = partial(act, ground.scenario.name, ground.work)
    running = [children.Child(work) for _ in range(workers)]
    outcomes = [child.outcome() for child in running]
    tally = Tally(faults_injected=0)
    for outcome in outcomes:
        tally += _judged(
            ground, lakehouse, f"{workers} processes at once", outcome, may_fail=False, but=("main.delivery_log",)
        )
    return tally


def faults(folder: Path, seed: int, count: int) -> Iterator[Tally]:
    """Every kind of fault in every scenario, and of those at seeded points about `count`; one tally each."""
    rng = random.Random(f"{seed} faults")
    grounds = [Ground.prepare(scenario, folder, seed) for scenario in SCENARIOS]
    for ground in grounds:
        yield from _every_kind(ground, rng, max(1, count // len(grounds)))


def _every_kind(ground: Ground, rng: random.Random, count: int) -> Iterator[Tally]:
    numbers = rng.sample(range(1, len(ground.points) + 1), min(count // 2, len(ground.points)))
    for number in numbers:
        yield injected(ground, Trouble(at=number, error=rng.choice(ERRORS)))
    for _ in range(count // 10 + 1):
        yield injected(ground, Trouble(file_size=rng.randrange(1, ground.largest)))
        yield full_disk(ground, rng.randrange(1 << 14, 2 * ground.largest))
    for number in range(count // 40 + 1):
        for damage in DAMAGES:
            yield damaged(ground, damage, f"{rng.random()}", finished=number % 2 == 0)
        for trouble in _LANDING_TROUBLES if ground.scenario.act is ingest else ():
            yield landing_trouble(ground, trouble, rng.randrange(1, 12))
    yield stale_lock(ground)
    if ground.scenario.act is not correct:  # two people who correct at once make two corrections
        yield at_once(ground, 2)


def _judged(
    ground: Ground,
    lakehouse: Lakehouse,
    fault: str,
    outcome: Outcome,
    *,
    may_fail: bool = True,
    is_whole: bool = True,
    but: tuple[str, ...] = (),
) -> Tally:
    """One fault: how the run ended, what is visible, what the next run gives; tables `but` those named are compared.

    Where one delivery may fail alone, or what was visible was damaged on purpose, it need not be whole before that.
    """
    wrong = []
    if outcome.is_killed:
        wrong.append(f"it {'hung' if outcome.hung else f'died of signal {outcome.signal}'}")
    elif outcome.error is not None and not (may_fail and (outcome.is_ours or outcome.error_type in _OF_THE_SYSTEM)):
        wrong.append(f"the error is not a clear one: {outcome.error_type}: {outcome.error}\n{outcome.trace}")
    if is_whole:
        wrong += ground.aftermath(lakehouse, but)
    wrong += ground.convergence(lakehouse, but)
    return Tally(
        faults_injected=1,
        differences=[f"fault: {ground.scenario.name}, {fault}: {each}" for each in wrong],
    )


def _mounted(*arguments: str) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0


def _hold_and_die(home: Path) -> None:
    handle = os.open(home / "warehouse.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, b"1\n")
    os.kill(os.getpid(), 9)


def _one_of(folder: Path, pattern: str, rng: random.Random) -> Path:
    return rng.choice(sorted(folder.rglob(pattern)))


def _truncated(path: Path, rng: random.Random) -> str:
    size = path.stat().st_size
    os.truncate(path, rng.choice((0, 4, size // 2, max(0, size - 1), rng.randrange(size))))
    return f"{path.name[:12]} in {path.parts[-4]} truncated from {size} to {path.stat().st_size}"


def a_truncated_raw_file(settings: Settings, rng: random.Random) -> str:
    """And no warehouse, so that it is needed."""
    settings.warehouse.unlink()
    return _truncated(_one_of(settings.home / "raw", "*.parquet", rng), rng)


def a_truncated_validated_file(settings: Settings, rng: random.Random) -> str:
    settings.warehouse.unlink()
    return _truncated(_one_of(settings.home / "validated", "*.parquet", rng), rng)


def a_truncated_issues_file(settings: Settings, rng: random.Random) -> str:
    settings.warehouse.unlink()
    return _truncated(_one_of(settings.home / "issues", "*.parquet", rng), rng)


def a_garbled_raw_file(settings: Settings, rng: random.Random) -> str:
    settings.warehouse.unlink()
    return _garbled(_one_of(settings.home / "raw", "*.parquet", rng), rng)


def a_garbled_page_of_the_warehouse(settings: Settings, rng: random.Random) -> str:
    return _garbled_page(settings.warehouse, rng)


def a_garbled_head_of_the_warehouse(settings: Settings, rng: random.Random) -> str:
    return _overwritten(settings.warehouse, rng.choice((0, 8, 4096, 8192)), rng.randbytes(64))


def a_truncated_warehouse(settings: Settings, rng: random.Random) -> str:
    size = settings.warehouse.stat().st_size
    os.truncate(settings.warehouse, rng.choice((1, 4096, 12 << 10, size // 2, size - 1)))
    return f"the warehouse truncated from {size} to {settings.warehouse.stat().st_size}"


def an_empty_warehouse(settings: Settings, _: random.Random) -> str:
    os.truncate(settings.warehouse, 0)
    return "an empty warehouse"


def a_stray_log_of_the_warehouse(settings: Settings, rng: random.Random) -> str:
    settings.warehouse.with_name(settings.warehouse.name + ".wal").write_bytes(
        rng.randbytes(rng.choice((0, 1, 100, 5000)))
    )
    return "a stray write-ahead log of garbage"


def a_truncated_published_file(settings: Settings, rng: random.Random) -> str:
    size = settings.published.stat().st_size
    os.truncate(settings.published, rng.choice((0, 4096, size // 2, size - 1)))
    return f"the published file truncated from {size} to {settings.published.stat().st_size}"


def a_garbled_page_of_the_published_file(settings: Settings, rng: random.Random) -> str:
    return _garbled_page(settings.published, rng)


def _garbled(path: Path, rng: random.Random) -> str:
    return _overwritten(path, rng.randrange(path.stat().st_size), rng.randbytes(64))


def _garbled_page(path: Path, rng: random.Random) -> str:
    """One block after the other until one was in use. They are 256 KiB, behind three headers of 4 KiB."""
    offsets = list(range(12 << 10, path.stat().st_size, 256 << 10))
    for offset in rng.sample(offsets, len(offsets)):
        told = _overwritten(path, offset, rng.randbytes(64))
        try:
            with duckdb.connect(str(path), read_only=True) as con:
                states.export(con)
        except duckdb.Error:
            return told
    raise AssertionError("no block of the file is in use")


def _overwritten(path: Path, offset: int, by: bytes) -> str:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(by[: path.stat().st_size - offset])
    return f"{path.name} overwritten at {offset} of {path.stat().st_size}"


DAMAGES: tuple[Damage, ...] = (
    a_truncated_raw_file,
    a_truncated_validated_file,
    a_truncated_issues_file,
    a_garbled_raw_file,
    a_garbled_page_of_the_warehouse,
    a_garbled_head_of_the_warehouse,
    a_truncated_warehouse,
    an_empty_warehouse,
    a_stray_log_of_the_warehouse,
    a_truncated_published_file,
    a_garbled_page_of_the_published_file,
)


def _vanish(path: Path) -> None:
    path.unlink()


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


_LANDING_TROUBLES = {"nothing": _vanish, "a folder": _become_a_folder, "a dangling link": _dangle, "half": _shrink}


def _act_with_landing_trouble(scenario: str, base: Path, trouble: str, at: int) -> None:
    """The act, in this process, in which the `at`-th fingerprint taken is the last thing that a file was good for."""
    of, seen = Fingerprints.of, []

    def then_trouble(self: Fingerprints, parts: tuple[Path, ...]) -> str:
        found = of(self, parts)
        seen.append(found)
        if len(seen) == at:
            _LANDING_TROUBLES[trouble](parts[0])
        return found

    Fingerprints.of = then_trouble  # type: ignore[method-assign]
    act(scenario, base)
