"""What measures: whole processes with what they start, in turn."""

from __future__ import annotations

import sys

import pytest

from benchmarks.measure import Contender, Failed, Run, in_turn, measured, ratio
from benchmarks.scale.many import pace

MIB = 1 << 20


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_memory_of_what_a_process_starts_counts() -> None:
    child = (
        f"held = b'x' * {200 * MIB}; import time; began = time.monotonic()\nwhile time.monotonic() < began + 0.5: pass"
    )
    alone = measured(command("pass"))
    parent = measured(command(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True)"))
    assert alone.peak < 100
    assert 200 < parent.anonymous <= parent.peak < 400
    assert parent.processor > alone.processor


def test_a_process_tells_of_itself_in_its_last_line() -> None:
    run = measured(command("print('RESULT {\"seconds\": 9}'); print('RESULT {\"seconds\": 0.25}'); print('done')"))
    assert run.own == 0.25
    assert measured(command("pass")).own is None


def test_what_ends_badly_is_told_with_what_it_said() -> None:
    with pytest.raises(Failed, match=r"ended with 3:\n[^$]*it broke"):
        measured(command("import sys; print('it broke', file=sys.stderr); sys.exit(3)"))


def test_settings_of_another_lakehouse_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMS_HOME", "elsewhere")
    code = "import json, os; print('RESULT', json.dumps([os.environ.get('CLAIMS_HOME'), os.environ.get('ASKED')]))"
    assert measured(command(code), {"ASKED": "yes"}).told == [None, "yes"]


def test_every_round_begins_with_another_contender() -> None:
    order: list[str] = []
    contenders = [
        Contender(name, lambda _: command("pass"), before=lambda _, name=name: order.append(name)) for name in "abc"
    ]
    found = in_turn(contenders, 2)
    assert "".join(order) == "abcbca"
    assert {name: len(runs) for name, runs in found.items()} == {"a": 2, "b": 2, "c": 2}


def test_one_that_ends_badly_is_left_out_where_that_is_wanted() -> None:
    bad = Contender("bad", lambda _: command("raise SystemExit(1)"))
    good = Contender("good", lambda _: command("pass"))
    dropped: list[str] = []
    found = in_turn([bad, good], 2, dropped=lambda contender, _: dropped.append(contender.name))
    assert dropped == ["bad"]
    assert {name: len(runs) for name, runs in found.items()} == {"good": 2}
    with pytest.raises(Failed):
        in_turn([bad, good], 1)


def test_ratios_are_to_the_floor_of_the_same_round() -> None:
    ours = [Run(seconds, 0, 0, 0, {"seconds": seconds / 2}) for seconds in (4.0, 30.0, 6.0)]
    floor = [Run(seconds, 0, 0, 0, {"seconds": seconds}) for seconds in (2.0, 10.0, 2.0)]
    assert ratio(ours, floor, whole=True) == 3.0
    assert ratio(ours, floor) == 1.5
    assert ratio([Run(1, 0, 0, 0)], [Run(1, 0, 0, 0)]) is None


def test_the_pace_of_the_first_and_the_last_deliveries() -> None:
    one_by_one = [float(number) for number in range(10)] + [9 + 2.0 * number for number in range(1, 11)]
    assert pace(one_by_one, 5) == (1.0, 2.0)
    in_fours = [10.0] * 4 + [14.0] * 4 + [22.0] * 4
    assert pace(in_fours, 4) == (1.0, 2.0)
    assert pace(in_fours, 6) == (1.5, 1.5)
    assert pace([1.0] * 8, 4) == (None, None)
