from __future__ import annotations

import pytest

from alftbench.suites.load import Selection, load_suite, read_orbits


@pytest.fixture(scope="session")
def word_problems():
    """Every problem of gsm8k and svamp, where the open data lie at hand."""
    from tests.helpers import SHARED

    if not (SHARED / "gsm8k_test.jsonl").exists():
        pytest.skip("the open data are not at ../shared/data")
    return [
        orbit
        for name in ("gsm8k", "svamp")
        for orbit in read_orbits(load_suite(name), Selection(data=str(SHARED)))
    ]
