"""The long run: `python -m claims_lakehouse_tests.torture`, or `make torture`. Exit status 1 where anything is lost or differs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from claims_lakehouse_tests.torture.faults import faults
from claims_lakehouse_tests.torture.fuzz import fuzz
from claims_lakehouse_tests.torture.kills import command_kills, kills
from claims_lakehouse_tests.torture.orders import every_order, flexion, orders, some_orders
from claims_lakehouse_tests.torture.readers import readers
from claims_lakehouse_tests.torture.tally import Tally
from claims_lakehouse_tests.torture.zones import zones

Part = Callable[[Path], Iterator[Tally]]


def parts(asked: argparse.Namespace) -> dict[str, Part]:
    """What there is to run, by name."""

    def in_every_order(folder: Path) -> Iterator[Tally]:
        landed = flexion(folder)
        if landed is None:
            yield Tally(skipped=["orders: the sample deliveries (shared/data/flexion) are not beside the repository"])
            return
        lakehouse, names = landed
        tried = every_order(names) if asked.orders >= 720 else some_orders(names, asked.seed, asked.orders)
        yield from orders(folder, lakehouse, tried)

    return {
        "kills": lambda folder: kills(folder, asked.seed, asked.kills),
        "commands": lambda folder: command_kills(folder, asked.seed, asked.commands),
        "faults": lambda folder: faults(folder, asked.seed, asked.faults),
        "fuzz": lambda _: fuzz(asked.seed, range(asked.inputs)),
        "orders": in_every_order,
        "readers": lambda folder: readers(folder, asked.seed, asked.readers, asked.deliveries),
        "zones": lambda folder: zones(folder, asked.seed),
    }


def main(arguments: list[str]) -> int:
    """Run what was asked for, and say what it came to."""
    parser = argparse.ArgumentParser(prog="python -m claims_lakehouse_tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    for name, default in (
        *(("kills", 200), ("commands", 10), ("faults", 150), ("inputs", 10_000), ("orders", 720)),
        *(("readers", 8), ("deliveries", 50)),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--only", nargs="+", metavar="PART", help="kills, commands, faults, fuzz, orders, readers, zones"
    )
    asked = parser.parse_args(arguments)
    tally = Tally()
    for name, part in parts(asked).items():
        if asked.only and name not in asked.only:
            continue
        started = last = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="torture") as folder:
            for number, one in enumerate(part(Path(folder)), start=1):
                tally += one
                for told in one.differences:
                    print(told, file=sys.stderr)
                if time.monotonic() - last > 5:
                    last = time.monotonic()
                    print(f"{name}: {number} after {last - started:.0f} s", file=sys.stderr)
        print(f"{name}: done in {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(tally.report())
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
