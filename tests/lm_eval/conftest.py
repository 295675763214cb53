from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import write_task


@pytest.fixture(scope="session", autouse=True)
def datasets_cache(tmp_path_factory):
    """lm-eval's data sets are cached in a folder of the tests' own."""
    import datasets

    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("datasets")
    datasets.disable_progress_bars()


@pytest.fixture(scope="session")
def sums_task(tmp_path_factory) -> Path:
    """A task of 24 sums that the embedded model gets right in part: half are in words that it never saw."""
    folder = tmp_path_factory.mktemp("task")
    pairs = [(17 + 3 * i, 95 - 2 * i) for i in range(24)]
    asked = ("What is {a} + {b}?", "Please work out {a} plus {b}.")
    rows = [
        {"question": asked[i % 2].format(a=a, b=b), "answer": f"{a} and {b} #### {a + b}"}
        for i, (a, b) in enumerate(pairs)
    ]
    data = folder / "sums.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return write_task(folder / "local_sums.yaml", "local_sums", data)
