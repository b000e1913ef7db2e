"""The real deliveries, applied in some of their 720 orders, give the same tables."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from claims_lakehouse_tests.builders import Lakehouse, patient
from claims_lakehouse_tests.torture.orders import digest_of, every_order, flexion, orders, some_orders
from claims_lakehouse_tests.torture.tally import Tally


def test_the_order_in_which_deliveries_are_applied_does_not_matter(tmp_path: Path) -> None:
    landed = flexion(tmp_path)
    if landed is None:
        pytest.skip("the sample deliveries (shared/data/flexion) are not beside the repository")
    lakehouse, names = landed
    tally = Tally()
    for one in orders(tmp_path, lakehouse, some_orders(names, seed=1, count=3)):
        tally += one
    assert tally.orders_tried == 3
    assert tally.differences == []


def test_every_order_is_walked_and_neighbours_share_their_beginning() -> None:
    names = [("claims", f"{number}") for number in range(6)]
    walked = every_order(names)
    assert len(set(walked)) == 720
    assert len({order[:depth] for order in walked for depth in range(1, 7)}) == 1956
    changes = sum(order[:2] != before[:2] for before, order in pairwise(walked))
    assert changes == 6 * 5 - 1


def test_another_version_is_another_digest(lakehouse: Lakehouse) -> None:
    found = set()
    for city in ("Here", "There"):
        lakehouse.land("patients", "2024-01-01", [patient(city=city)])
        lakehouse.ingest()
        found.add(digest_of(lakehouse.settings.warehouse))
    assert len(found) == 2
