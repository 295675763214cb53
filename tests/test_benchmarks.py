"""The benchmarks use what the packages have: they run by hand, long after a move."""

import ast
from pathlib import Path

import pytest

BENCHMARKS = sorted(Path(__file__).parents[1].joinpath("benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_every_import_from_the_harness_exists(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("alftbench"):
            for alias in node.names:
                exec(f"from {node.module} import {alias.name}", {})
