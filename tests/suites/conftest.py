from __future__ import annotations

import json

import pytest
import yaml

from tests.helpers import MINE, ROWS


@pytest.fixture
def mine(tmp_path):
    """A function from spec and rows to (suite's path, data's path)."""

    def write(spec=MINE, rows=ROWS):
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
        (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(tmp_path / "mine.yaml"), str(tmp_path / "mine.jsonl")

    return write
