"""The benchmarks use what the packages have: they run by hand, long after a move."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from alftbench.publish.board import Board

BENCHMARKS = sorted(Path(__file__).parents[1].joinpath("benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_every_import_from_the_harness_exists(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("alftbench"):
            for alias in node.names:
                exec(f"from {node.module} import {alias.name}", {})


def benchmark(name):
    """A benchmark as a module."""
    path = BENCHMARKS[0].with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def phrasings():
    """The benchmark of what phrasings cost."""
    return benchmark("phrasings")


def test_the_rate_nearest_to_where_a_recipe_leads_is_taken():
    """By hand: means over the two suites of the distance to the predicted answers, else to the declared."""
    tuning = benchmark("tuning")

    def line(recipe, multiple, *suites):
        return {"recipe": recipe, "multiple": multiple, "learning_rate": multiple / 100, **dict(suites)}

    def both(predicted, declared=0.9):
        values = {"reached_to_predicted": predicted, "reached_to_declared": declared}
        return (("sums", values), ("splits", values))

    nan = float("nan")
    lines = [line("a", 0.5, *both(0.2)), line("a", 1.0, *both(0.3)), line("a", 2.0, *both(0.1, 0.05))]
    lines += [line("b", 0.5, *both(nan, 0.3)), line("b", 1.0, *both(nan, 0.2))]
    lines += [line("c", 0.5, ("sums", {}), ("splits", {})), line("c", 1.0, ("sums", {}), ("splits", {}))]
    assert [tuning.distance(each) for each in lines[:5]] == pytest.approx([0.2, 0.3, 0.1, 0.3, 0.2])
    assert [tuning.chosen(name, lines) for name in "abc"] == ["a:learning_rate=0.02", "b", "c"]


def test_the_board_zoo_has_the_rates_that_tuning_chose(monkeypatch):
    tuning = benchmark("tuning")
    monkeypatch.chdir(BENCHMARKS[0].parents[1])
    lines = list(tuning.recorded())
    names = sorted({line["recipe"] for line in lines})
    chosen = [tuning.chosen(name, lines) for name in names]
    assert list(Board.read(Path("leaderboards/zoo")).methods) == chosen
    assert len(lines) == len(names) * len(tuning.MULTIPLES) == 108


def test_the_exponent_of_a_power_is_that_power(phrasings):
    fit = phrasings.exponent([2, 4, 8, 16], [3 * M**2 for M in (2, 4, 8, 16)])
    assert fit["k"] == pytest.approx(2)
    assert fit["low"] <= fit["k"] <= fit["high"]
    assert phrasings.exponent([2, 4], [0, 0]) is None


def test_phrasings_are_different_and_equal_in_length(phrasings):
    texts = [variant.messages[0]["content"] for variant in phrasings.phrased(12, 34, 16).variants]
    assert len(set(texts)) == 16
    assert len({len(text) for text in texts}) == 1


@pytest.mark.parametrize("count", [2, 3])
def test_trace_coherence_scores_every_rollout_under_every_phrasing(phrasings, tmp_path, count):
    group = 3
    beside = phrasings.step_cost("consensus-grpo", count, 0, group, tmp_path)
    trace = phrasings.step_cost("trace-coherence", count, 0, group, tmp_path)
    assert beside["generated_tokens"] == trace["generated_tokens"]
    own = beside["backward_passes"]  # texts, each phrasing's apart
    assert beside["forward_passes"] == count * group + 2 * own  # drawn, under the reference, with gradient
    texts, rest = divmod(trace["forward_passes"] - beside["forward_passes"], count)  # of all phrasings together
    assert rest == 0
    assert own / count <= texts <= own <= count * group
    assert trace["backward_passes"] == own
