"""The command: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import chart, report
from benchmarks.chart import IMAGES
from benchmarks.measure import Failed
from benchmarks.report import RESULTS


def main(arguments: list[str] | None = None) -> None:
    """Measure what is asked for."""
    asked = _parser().parse_args(arguments)
    try:
        asked.run(asked)
    except Failed as error:
        raise SystemExit(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast, and with how much memory.")
    commands = parser.add_subparsers(required=True)
    bench = commands.add_parser("bench", help="the history step, the whole way, landing, start-up: a few minutes")
    bench.set_defaults(run=_bench)
    peers = commands.add_parser("peers", help="ours beside dlt, SQLMesh and dbt")
    peers.set_defaults(run=_peers)
    peers.add_argument("--only", nargs="+", default=[], help="which peers (default: all)")
    scale = commands.add_parser("scale", help="the large ones: hours at full size")
    scale.set_defaults(run=_scale)
    scale.add_argument("--only", nargs="+", default=[], help="which parts: large, updates, many, tick, growth")
    scale.add_argument("--scale", type=float, default=1.0, help="a factor of every size (default: 1)")
    for one in (bench, peers):
        one.add_argument("--rounds", type=int, default=3, help="how often each is run (default: 3)")
        one.add_argument("--records", type=int, default=2_000_000, help="patients in the priming (default: 2,000,000)")
    for one in (bench, peers, scale):
        one.add_argument("--keep", type=Path, help="a folder to work in and leave behind")
    drawn = commands.add_parser("chart", help="draw cost against size, from what was measured, for docs/benchmarks.md")
    drawn.set_defaults(run=_chart)
    drawn.add_argument("--images", type=Path, default=IMAGES, help="where to draw (default: docs/images)")
    for one in (bench, peers, scale, drawn):
        one.add_argument("--results", type=Path, default=RESULTS, help="where results are (default: build/bench)")
    return parser


def _bench(asked: argparse.Namespace) -> None:
    from benchmarks import quick

    with report.workplace(asked.keep) as base:
        report.write("quick", asked.results, quick.run(base, asked.rounds, asked.records))


def _peers(asked: argparse.Namespace) -> None:
    from benchmarks.peers import compare

    with report.workplace(asked.keep) as base:
        found = compare.run(base, asked.rounds, asked.records, asked.only)
    report.write("peers", asked.results, found)
    if not all(found["agree"].values()):
        raise SystemExit("The results differ: nothing was compared.")


def _scale(asked: argparse.Namespace) -> None:
    from benchmarks import scale

    with report.workplace(asked.keep) as base:
        scale.run(base, asked.results, asked.scale, asked.only)


def _chart(asked: argparse.Namespace) -> None:
    for path in chart.draw(asked.results, asked.images):
        report.console.print(f"drawn {path}", soft_wrap=True)


if __name__ == "__main__":
    main()
