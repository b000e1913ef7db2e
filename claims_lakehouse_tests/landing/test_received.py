"""When a delivery was received: its whole key says so, or else its file does."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims_lakehouse.landing.received import received_at
from claims_lakehouse_tests.builders import moment

SEEN = moment("2020-05-05 12:34:56.789012")


@pytest.mark.parametrize(
    ("key", "received"),
    [
        ("priming", "1900-01-01"),
        ("2024-02-29", "2024-02-29"),
        ("20240229", "2024-02-29"),
        ("2024-02-29T2359", "2024-02-29 23:59"),
        ("2024-02-29T0000", "2024-02-29"),
    ],
)
def test_a_key_that_is_a_moment_says_when(key: str, received: str) -> None:
    assert received_at(key, SEEN) == moment(received)


@pytest.mark.parametrize(
    "key",
    [
        "update", "Priming", "priming2", "2024-02", "2024-2-1", "2024-02-01a", "a2024-02-01", "2024-02-01T12", "202402",
        "2024-02-01T12:30", "20240201T1230", "2024-02-01-2", "٢٠٢٤-02-01", "2024-02-01\n",
    ],
)  # fmt: skip
def test_any_other_key_leaves_it_to_the_file(key: str) -> None:
    assert received_at(key, SEEN) == SEEN


@pytest.mark.parametrize("key", ["2023-02-29", "20241301", "2024-02-01T2400", "2024-02-01T1260", "0000-01-01"])
def test_a_key_that_only_looks_like_a_moment_leaves_it_to_the_file(key: str) -> None:
    assert received_at(key, SEEN) == SEEN


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - naive UTC throughout
def test_every_minute_of_every_day_can_be_said(when: datetime) -> None:
    minute = when.replace(second=0, microsecond=0)
    day = when.replace(hour=0, minute=0, second=0, microsecond=0)
    assert received_at(f"{when:%Y-%m-%dT%H%M}", SEEN) == minute
    assert received_at(f"{when:%Y-%m-%d}", SEEN) == received_at(f"{when:%Y%m%d}", SEEN) == day


@given(st.dates())
def test_priming_comes_before_every_day_of_a_feed(day: object) -> None:
    if str(day) > "1900-01-01":
        assert received_at("priming", SEEN) < received_at(str(day), SEEN)
