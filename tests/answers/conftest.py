from __future__ import annotations

import pytest

from alftbench.answers.judge.judge import Judge
from alftbench.launch.workers import Limits, Workers


@pytest.fixture(scope="session")
def judge():
    """One judge for all tests, so that few processes start."""
    with Judge(workers=2) as shared:
        yield shared


@pytest.fixture(scope="session")
def pool():
    """Two workers with the functions of `tasks` and a short limit."""
    workers = Workers("tests.answers.tasks", 2, Limits(seconds=2.0, megabytes=256))
    yield workers
    workers.close()
