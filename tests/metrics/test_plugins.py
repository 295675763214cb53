"""Metrics of strangers, through the real command line: shown, tested, or left out with one line."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from alftbench.publish.board import Board
from tests.helpers import register

COMPARE = (
    "compare", "vanilla-grpo", "--suite", "sums", "--seeds", "1", "--budget-tokens", "6000", "--limit", "3",
    "--samples", "2", "--tempered", "none",
)  # fmt: skip
HEAD = "from alftbench.metrics.base import Metric\n"
SILENCE = HEAD + (
    "def silence(p): return sum(z < 0 for row in p.class_VN for z in row) / p.n_samples\n"
    "def metrics(n):\n"
    "    'How [red] a model is silent.'\n"
    "    bounds = (0.0, 1.0)\n"
    "    return [Metric('silence_of_models', 'probability', False, bounds, silence, shown=True, compared=True)]\n"
)
RAISES = HEAD + (
    "def raises(p): raise ArithmeticError('first line\\nsecond line')\n"
    "def metrics(n):\n"
    "    parts = {'fine': lambda p: 0.5, 'bad': raises}\n"
    "    return [Metric(name, 'x', None, (0.0, 1.0), part) for name, part in parts.items()]\n"
)
BEYOND = HEAD + "def metrics(n): return [Metric('bad', 'x', None, (0.0, 1.0), lambda p: 2.0)]\n"
FACTORY = "def metrics(n): raise ArithmeticError('first line\\nsecond line')\n"
STRANGE = "def metrics(n): return ['accuracy']\n"
TWIN = HEAD + "def metrics(n): return [Metric('accuracy', 'x', None, (0.0, 1.0), lambda p: 0.5)]\n"


def install(folder, name: str, code: str) -> str:
    """A package with one metric plugin; the path to put on PYTHONPATH."""
    register(folder / name, f"{name}-package", f"[alftbench.metrics]\n{name} = {name}_code:metrics\n")
    (folder / name / f"{name}_code.py").write_text(code, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (RAISES, "failed at 'bad': ArithmeticError: first line"),
        (BEYOND, "failed at 'bad': ValueError: 2.0 for problem '[^']*' is outside its bounds 0 to 1"),
        (FACTORY, "failed: ArithmeticError: first line"),
        (STRANGE, "failed: TypeError: .*"),
    ],
)
def test_a_plugin_that_fails_is_named_once_and_only_its_columns_are_missing(warm, tmp_path, code, said):
    paths = os.pathsep.join((install(tmp_path, "broken", code), install(tmp_path, "silent", SILENCE)))
    done = warm("eval", "--limit", "2", "--samples", "2", "--format", "json", env={"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)["metrics"]
    assert {"accuracy", "silence_of_models"} <= set(metrics)
    assert not {"fine", "bad"} & set(metrics)
    warnings = [line for line in done.stderr.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert re.fullmatch(
        f"warning: metric plugin 'broken' of broken-package {said}; its metrics are left out", warnings[0]
    )
    assert "second line" not in done.stderr


def test_two_plugins_that_give_one_metric_are_both_named_before_anything_is_drawn(warm, tmp_path):
    done = warm("eval", "--limit", "2", env={"PYTHONPATH": install(tmp_path, "twin", TWIN)})
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the metric 'accuracy' is given by two plugins, 'accuracy' of alftbench and "
    )
    assert "'twin' of twin-package" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_family_that_two_packages_register_is_refused(warm, tmp_path):
    """Left out, it would take accuracy from every table."""
    folder = tmp_path / "again"
    register(folder, "again-package", "[alftbench.metrics]\naccuracy = again_code:metrics\n")
    (folder / "again_code.py").write_text(SILENCE, encoding="utf-8")
    done = warm("eval", "--limit", "2", env={"PYTHONPATH": str(folder)})
    assert done.returncode == 1
    assert "metric 'accuracy' is registered by the packages again-package and alftbench" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_docstring_is_listed_as_it_is(cli, tmp_path):
    assert (
        "How [red] a model is silent."
        in cli("metrics", env={"PYTHONPATH": install(tmp_path, "silent", SILENCE)}).stdout
    )


@pytest.fixture(scope="module")
def compared(fork, tmp_path_factory):
    """A small comparison with a stranger's metric."""
    folder = tmp_path_factory.mktemp("compared")
    environment = {"PYTHONPATH": install(folder, "silent", SILENCE), "COLUMNS": "80"}
    done = fork(folder, *COMPARE, environment=environment)
    assert done.code == 0, done.err
    return folder / "runs/compare", done.out


def test_a_strangers_metric_has_a_column_and_a_paired_test(compared):
    _, said = compared
    assert said.count("silence") == 2
    assert "sums, continued" in said
    assert "p (Holm, 6 tests)" in said


def test_a_board_lists_what_the_runs_show_and_needs_no_plugin_to_be_made_again(warm, compared, tmp_path):
    folder, _ = compared
    board = folder / "leaderboards/tiny"
    usual = ("accuracy", "pass@k", "maj@n", "coherence", "agreement", "agreement_within", "distinct_right@m")
    assert Board.read(board).metrics == (*usual, "silence_of_models")
    page = (board / "README.md").read_text(encoding="utf-8")
    assert "| silence\\_of\\_models |" in page
    done = warm("leaderboard", str(board), "--results", str(folder / "results/tiny"))
    assert done.returncode == 0, done.stderr
    assert (board / "README.md").read_text(encoding="utf-8") == page


def test_records_say_what_is_shown_beside_what_they_always_said(compared):
    folder, _ = compared
    content = json.loads((folder / "results/tiny/base-seed0/sums/metrics.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in content["metrics"]}
    assert [name for name, row in rows.items() if row["shown"]] == [
        "accuracy", "pass@2", "maj@2", "coherence", "agreement", "agreement_within", "distinct_right@2",
        "silence_of_models",
    ]  # fmt: skip
    assert list(rows["accuracy"]) == [
        "name", "value", "low", "high", "level", "n_problems", "n_samples", "unit", "higher_is_better", "shown",
        "compared",
    ]  # fmt: skip


def test_without_the_plugin_a_comparison_goes_on_without_its_column(compared, warm, tmp_path):
    shutil.copytree(compared[0], tmp_path / "runs/compare")
    done = warm(*COMPARE)
    assert done.returncode == 0, done.stderr
    assert "warning: no run has the metric silence_of_models; the board leaves it out" in done.stderr
    assert "silence" not in done.stdout
    assert "silence" not in (tmp_path / "runs/compare/leaderboards/tiny/README.md").read_text(encoding="utf-8")
