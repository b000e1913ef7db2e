"""Tables on a terminal: what fits stands in columns, what does not stands below; nothing that is looked for is broken."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from claims_lakehouse.commands import tables
from claims_lakehouse.commands.decision_report import print_table
from claims_lakehouse.commands.layout import Column, are_numbers, moments, print_columns
from claims_lakehouse.commands.report import print_rows
from claims_lakehouse.contracts import feed_named
from claims_lakehouse.history import acts
from claims_lakehouse.serving.connect import Answer
from claims_lakehouse_tests.builders import Lakehouse, claim, patient, provider

WIDTHS = (40, 50, 60, 80, 100, 140)
LONG = "The charge is above what the plan's fee schedule allows. The patient does not owe the difference."
RECORD = {
    "claim": "MC100046", "day": "2024-02-01", "received at": "2024-03-09 17:21:13", "payee": "1864201599",
    "trace number": "202402011864201599", "paid": "49,237.49", "why": LONG,
}  # fmt: skip


def columns(*rows: dict[str, str]) -> list[Column]:
    return [Column(name, [row[name] for row in rows], name == "paid") for name in rows[0]]


def told(width: int, found: Sequence[Column], title: str = "", **more: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_columns(console, title, found, **more)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "more", [{}, {"below": ("received at", "why")}, {"last": "why"}], ids=["plain", "below", "last"]
)
def test_ids_days_and_amounts_are_never_broken_and_no_line_is_too_long(width: int, more: dict[str, Any]) -> None:
    printed = told(width, columns(RECORD, RECORD | {"claim": "MC100047"}), **more)
    for name, text in RECORD.items():
        if name not in ("why", "claim"):
            assert len(re.findall(rf"\b{re.escape(text)}\b", printed)) == 2, name
    assert "MC100046" in printed
    assert "MC100047" in printed
    assert max(map(len, printed.splitlines())) <= width


def test_what_fits_is_a_table_with_lines_what_nearly_does_one_without_and_else_records_stand_one_under_the_other() -> (
    None
):
    found = columns({"claim": "MC100046", "paid": "49,237.49"}, {"claim": "MC100047", "paid": "0.00"})
    assert told(24, found).startswith("┏━")
    assert [line.split() for line in told(19, found).splitlines()] == [
        ["claim", "paid"], ["MC100046", "49,237.49"], ["MC100047", "0.00"],
    ]  # fmt: skip
    assert [line.split() for line in told(16, found).splitlines()] == [
        ["───", "1", "──────────"], ["claim", "MC100046"], ["paid", "49,237.49"],
        ["───", "2", "──────────"], ["claim", "MC100047"], ["paid", "0.00"],
    ]  # fmt: skip


def test_one_record_needs_no_number_and_says_nothing_of_what_it_does_not_say() -> None:
    assert told(18, columns({"claim": "MC100046", "place": "", "payee": "1864201599"})).split() == [
        "claim", "MC100046", "payee", "1864201599",
    ]  # fmt: skip


def test_what_may_stand_below_its_row_is_in_the_table_where_there_is_room_and_the_last_never_is() -> None:
    found = columns({"issue": "7de23c51", "value": "x\ny", "column": "zipcode", "message": "It is no zip code."})
    below = ("value", "column")
    narrow = told(22, found, below=below, last="message").splitlines()
    assert [line.rstrip() for line in narrow] == [
        "issue     value", "7de23c51  x", "          y", "    column: zipcode", "    It is no zip code.",
    ]  # fmt: skip
    narrower = told(14, found, below=below, last="message").splitlines()
    assert [line.rstrip() for line in narrower][2:4] == ["    value: x,", "    y; column:"]
    wide = told(80, found, below=below, last="message").splitlines()
    assert [line.rstrip() for line in wide] == [
        "issue     value  column", "7de23c51  x      zipcode", "          y", "    It is no zip code.",
    ]  # fmt: skip


def test_where_not_even_those_fit_that_have_to_be_in_the_table_records_stand_one_under_the_other() -> None:
    printed = told(30, columns(RECORD), below=("why",))
    assert [line.split("  ")[0] for line in printed.splitlines()][:3] == ["claim", "day", "received at"]


def test_a_long_text_is_broken_between_its_words_into_a_few_lines() -> None:
    lines = told(60, columns({"step": "above_fee_schedule", "why": LONG})).splitlines()[3:-1]
    assert " ".join(line.split("│")[2].strip() for line in lines) == LONG
    assert len(lines) <= 5


def test_moments_are_told_to_the_second_and_as_days_where_none_is_within_a_day() -> None:
    midnight, later = datetime(2024, 2, 1), datetime(2024, 2, 1, 17, 21, 13, 181253)  # noqa: DTZ001
    assert moments([midnight, None]) == ["2024-02-01", None]
    assert moments([midnight, later]) == ["2024-02-01 00:00:00", "2024-02-01 17:21:13"]
    assert moments([later.replace(tzinfo=UTC)]) == ["2024-02-01 17:21:13+00:00"]
    assert moments([date(2024, 2, 1), "x", 1]) == [date(2024, 2, 1), "x", 1]


def test_a_column_of_numbers_has_nothing_else() -> None:
    assert are_numbers([1, None, Decimal("0.50")])
    assert not are_numbers([1, "x"])
    assert not are_numbers([True])
    assert not are_numbers([None])


class Terminal(io.StringIO):
    """What sys.stdout is at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], str]:
    """Does something at a terminal of 60 columns; what it printed."""

    def printed_by(act: Callable[[], None]) -> str:
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", "60")
            patch.setattr(sys, "stdout", stdout := Terminal())
            act()
        return re.sub(r"\x1b\[[0-9;]*m", "", stdout.getvalue())

    return printed_by


ANSWER = Answer(["at", "nothing", "name"], [(datetime(2024, 2, 1, 17, 21, 13, 5), None, "[b]a\x1b")])  # noqa: DTZ001


def test_on_a_terminal_columns_that_say_nothing_are_left_out(terminal: Callable[[Callable[[], None]], str]) -> None:
    printed = terminal(lambda: print_rows(ANSWER, as_json=False, title="T"))
    assert "nothing" not in printed
    assert "2024-02-01 17:21:13 │ [b]a\N{REPLACEMENT CHARACTER}" in printed
    row = (date(2024, 2, 1), None, Decimal("1234.50"))
    printed = terminal(lambda: print_table("T", ("day", "nothing", "paid"), [row]))
    assert "nothing" not in printed
    assert "2024-02-01 │ 1,234.50" in printed


def test_what_was_asked_for_in_sql_is_printed_as_asked(terminal: Callable[[Callable[[], None]], str]) -> None:
    printed = terminal(lambda: print_rows(ANSWER, as_json=False, as_asked=True))
    assert "nothing" in printed
    assert "17:21:13.000005" in printed


def test_an_iteration_tells_of_its_feeds_in_a_word_and_names_those_that_are_not_applied(
    lakehouse: Lakehouse, terminal: Callable[[Callable[[], None]], str]
) -> None:
    lakehouse.land("patients", "2024-02-01", [patient()])
    lakehouse.land("providers", "2024-02-01", [provider()])
    lakehouse.land("claims", "2024-02-01", [claim()])
    lakehouse.ingest()
    acts.retract(lakehouse.settings, feed_named("claims"), "2024-02-01", because="sent by mistake", who="we")
    lakehouse.ingest()
    printed = terminal(lambda: tables.status(by_iteration=True, home=lakehouse.settings.home))
    assert "feeds: 2 applied; 1 retracted (claims)" in " ".join(printed.split())
    assert "│" not in printed


def test_on_a_terminal_it_is_said_that_there_is_nothing(terminal: Callable[[Callable[[], None]], str]) -> None:
    nothing = Answer(["at", "name"], [])
    assert terminal(lambda: print_rows(nothing, as_json=False, title="Issues")) == "Issues: none.\n"
    assert terminal(lambda: print_rows(nothing, as_json=False, as_asked=True)) == "No row.\n"
    assert "name" in terminal(lambda: print_rows(Answer(["name"], [(None,)]), as_json=False))


def test_into_a_pipe_everything_is_printed_as_it_always_was(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ANSWER, as_json=False, title="T", below=("name",), last="at")
    printed = capsys.readouterr().out
    assert "┃ nothing ┃" in printed
    assert "│ 2024-02-01 17:21:13.000005 │" in printed


def test_into_a_pipe_a_table_is_as_wide_as_its_words_need(capsys: pytest.CaptureFixture[str]) -> None:
    for places in (3, 30):
        names = [f"column_{place:02}" for place in range(places)]
        print_rows(Answer(names, [("MC100046",) * places]), as_json=False)
        assert capsys.readouterr().out.count("│ MC100046 ") == places
        print_table("", names, [("MC100046",) * places])
        assert capsys.readouterr().out.count("│ MC100046 ") == places


@pytest.mark.parametrize("length", [60, 120, 170, 190, 250])
def test_into_a_pipe_nothing_is_cut_however_long_a_word_is(length: int, capsys: pytest.CaptureFixture[str]) -> None:
    headings = ("payee", "balance taken", "balance forwarded", "reversals told", "net", "835 file")
    row = ("1234567893", "0.00", "0.00", "0", "80.00", "x" * length)
    for show in (lambda: print_table("T", headings, [row]),
                 lambda: print_rows(Answer([*headings], [row]), as_json=False)):  # fmt: skip
        show()
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
        cells = [[cell.strip() for cell in line.split("│")] for line in lines]
        assert all(len(one) == len(row) + 2 for one in cells)
        assert tuple("".join(one[place] for one in cells) for place in range(1, len(row) + 1)) == row
