"""The page about games says what the code does."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from alftbench.games import ESTIMATORS, SOLVERS, Diversity, Game, Status, certificate, load_game, solve
from alftbench.games.loading import OBJECTIVES

PAGE = (Path(__file__).parents[2] / "docs" / "games.md").read_text(encoding="utf-8")


def test_the_example_game_is_a_game(tmp_path):
    """Read and solved as printed."""
    path = tmp_path / "game.json"
    path.write_text(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    assert json.dumps(solve(load_game(path)).to_json(), allow_nan=False)


def test_the_python_example_prints_what_it_says():
    """Square roots of the reference."""
    game = Game.from_marginals(np.array([[0.8, 0.2]]), Diversity(1.0, np.zeros(2)), beta=1.0)
    assert np.round(solve(game).p_PZ, 3).tolist() == [[0.667, 0.333]]


def test_the_example_of_both_players_runs():
    """On the game of the page's first example, where all three figures are above zero."""
    names = {"np": np, "game": Game.from_marginals(np.array([[0.8, 0.2]]), Diversity(1.0, np.zeros(2)), beta=1.0)}
    exec(re.search(r"```python\n(from alftbench.games import two_player_gap.*?)```", PAGE, re.DOTALL)[1], names)
    both = names["both"]
    assert 0 < both.policy_regret < both.gap
    assert both.gap == pytest.approx(both.policy_regret + both.target_regret)


@pytest.mark.parametrize("name", [*OBJECTIVES, *SOLVERS])
def test_every_objective_and_solver_has_a_row(name):
    """A table row starts with its name."""
    assert f"| `{name}` |" in PAGE


@pytest.mark.parametrize("word", [*ESTIMATORS, *(str(status) for status in Status)])
def test_every_estimator_and_status_is_named(word):
    """Somewhere on the page."""
    assert word in PAGE


@pytest.mark.parametrize("K", [4, 8, 16, 32, 64, 96, 128])
def test_the_constants_are_those_of_the_certificates(K):
    """Bias times K² to the digits printed."""
    row = re.search(rf"^\| {K} \|(.*)\|$", PAGE, re.MULTILINE)[1].split("|")
    for cell, estimator in zip(row[2:4], ("minimax", "variance-optimal"), strict=True):
        bias, variance = (float(number) for number in cell.split(","))
        shipped = certificate(K, estimator)
        assert shipped["bias"] * K**2 == pytest.approx(bias, rel=0.01)
        assert shipped["variance"] == pytest.approx(variance, rel=0.05)
