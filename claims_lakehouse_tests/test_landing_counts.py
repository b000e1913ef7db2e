"""The files that the medical feeds are made for land as docs/medical-claims.md says: each record a row or an issue."""

from __future__ import annotations

import pytest

from claims_lakehouse_tests import landing_counts


def test_every_real_file_lands_as_the_page_says() -> None:
    if len(list(landing_counts.files())) < 50:
        pytest.skip("shared/data is not here, or not all of it: it is not part of the repository")
    page = landing_counts.PAGE.read_text(encoding="utf-8")
    assert page == landing_counts.in_step(page, landing_counts.table())
