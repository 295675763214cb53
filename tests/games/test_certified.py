"""What `solve` may claim: no NaN, no false policy, no lost digits, no exit status 0 without a certificate."""

import json
import re

import mpmath
import numpy as np
import pytest

from alftbench.errors import BadInput, UsageError
from alftbench.games import (
    Consensus,
    Constraint,
    Correctness,
    Diversity,
    Game,
    PairwiseCoherence,
    QuadraticDiversity,
    Status,
    best_response,
    load_game,
    solve,
)
from tests.games.random_games import overlapping_marginals, random_marginals

P0 = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])


@pytest.mark.parametrize("lambda_", [0.4, 0.6, 1.0, 3.0, 100.0])
def test_pairwise_stops_where_its_target_is_infinite(lambda_):
    """Best responses overshoot until a ratio leaves float64: said in a few rounds, with the last real policy."""
    solution = solve(Game.from_marginals(P0, PairwiseCoherence(lambda_), 1.0), "alternating")
    assert solution.status is Status.DIVERGES
    assert solution.iterations < 20
    assert "is infinite" in solution.message
    assert np.allclose(solution.p_PZ.sum(axis=1), 1.0)
    assert not np.isnan([solution.gap, solution.value]).any()


CAPS = {
    "the sum": (np.array([[1.0, 1.0, 1.0]]), np.array([1.0])),
    "two bounds": (np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]), np.array([0.4, -0.4])),
    "a partition": (np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0.5, 0.5])),
}


@pytest.mark.parametrize("kind", CAPS)
@pytest.mark.parametrize("excess", [1e-2, 1e-6, 1e-8, 1e-10, 1e-12])
def test_infeasible_by_a_little_is_infeasible(kind, excess):
    """At 0 it is solved, below it is refused: nothing returns a policy that sums to three."""
    A, b = CAPS[kind]
    solution = solve(Game.from_marginals(P0, Constraint(A, b), 1.0))
    assert solution.certified
    assert np.allclose(solution.p_PZ.sum(axis=1), 1.0)
    with pytest.raises(BadInput, match=r"prompts\[0\]: no distribution"):
        solve(Game.from_marginals(P0, Constraint(A, b - excess * np.eye(len(b))[0]), 1.0))


@pytest.mark.parametrize("seed", range(40))
def test_a_constraint_that_is_just_met_is_solved(seed):
    """Rows through a point of the simplex, as equalities in both directions: feasible, and never refused."""
    rng = np.random.default_rng(seed)
    Z = int(rng.integers(2, 12))
    A = rng.normal(size=(int(rng.integers(1, 4)), Z)) * 10 ** rng.uniform(-3, 3)
    b = A @ random_marginals(rng, 1, Z)[0]
    game = Game.from_marginals(rng.dirichlet(np.ones(Z), 2), Constraint(np.vstack([A, -A]), np.r_[b, -b]), 1.0)
    assert (
        np.abs(game.objective.A_CZ @ solve(game).p_PZ.T - game.objective.b_C[:, None]).max() < 1e-7 * abs(A).max()
    )


def precise(log_p0, x_PZ, share=1):
    """The normalised (p0 e^x)^share per prompt in fifty digits."""
    powers = np.frompyfunc(mpmath.exp, 1, 1)(share * (log_p0 + x_PZ))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(float)


@pytest.mark.parametrize("ratio", [1e6, 1e9, 1e12])
@pytest.mark.parametrize("seed", range(5))
def test_no_digit_is_lost_to_a_strong_objective(ratio, seed):
    """η/β or λ/β up to 1e12: against fifty digits, every probability within 1e-12 of itself."""
    rng = np.random.default_rng(seed)
    p0, beta = overlapping_marginals(rng, 2, 6), 0.7
    bonus = ratio * (rng.random(6) < 0.5)
    bonus[0] = ratio
    tied = np.log(np.array([4, 4, 4, 2, 1, 1]) / 16)
    with mpmath.workdps(50):
        exact = np.frompyfunc(mpmath.mpf, 1, 1)
        log_p0 = np.frompyfunc(mpmath.log, 1, 1)(exact(p0))
        anchor = mpmath.mpf(beta)
        right, drawn = exact(bonus) / anchor, exact(tied) * mpmath.mpf(ratio) / anchor
        most = precise(log_p0, right)
        wanted = [
            (Correctness(bonus), most),
            (QuadraticDiversity(0.0, bonus), most),
            (Diversity(3.0, bonus), precise(log_p0, right, anchor / (anchor + 3))),
            (Diversity(ratio, np.zeros(6)), precise(log_p0, 0 * right, anchor / (anchor + ratio))),
            (Consensus(ratio, tied), precise(log_p0, drawn)),
        ]
    for objective, p in wanted:
        found = solve(Game.from_marginals(p0, objective, beta)).p_PZ
        assert np.allclose(found, p, rtol=1e-12, atol=1e-300), objective.name
    answer = best_response(np.log(p0), -np.tile(bonus, (2, 1)), beta)
    assert np.allclose(np.exp(answer), most, rtol=1e-12, atol=1e-300)


def written(tmp_path, objective):
    """A game of two prompts with that objective."""
    rows = [[{"answer": a, "logprob": float(np.log(p))} for a, p in zip("abc", row, strict=True)] for row in P0]
    game = {"beta": 1.0, "objective": objective, "prompts": [{"traces": row} for row in rows]}
    (tmp_path / "game.json").write_text(json.dumps(game), encoding="utf-8")


PAIRWISE, DIVERSITY = {"name": "pairwise_coherence", "lambda": 1.0}, {"name": "diversity", "lambda": 1.0}
COHERENCE, COLLAPSE = {"name": "coherence", "lambda": 1.0}, {"name": "consensus", "lambda": 2.0}
UNCERTIFIED = [
    (PAIRWISE, ["--method", "alternating"], "diverges"),
    (DIVERSITY, ["--method", "alternating"], "cycles"),
    (COHERENCE, ["--method", "no-regret", "--max-iterations", "5"], "iteration limit"),
    (COHERENCE, ["--method", "mirror", "--max-iterations", "2"], "iteration limit"),
    (COHERENCE, ["--method", "two-step"], "approximate"),
    (COHERENCE, ["--method", "mirror", "--tolerance", "1e-60"], "stalled"),
    (COHERENCE, ["--tolerance", "1e-60"], "stalled"),
    (COLLAPSE, [], "local solution"),
    ({"name": "consensus", "lambda": 0.5}, ["--method", "alternating"], "local solution"),
]


@pytest.mark.parametrize(("objective", "options", "status"), UNCERTIFIED)
def test_exit_1_without_a_certificate_and_advice_that_helps(cli, tmp_path, objective, options, status):
    """The result is printed, one line on stderr says why not; the options it names exist and end in 0."""
    written(tmp_path, objective)
    done = cli("solve", "game.json", *options, "--format", "json")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    shown = json.loads(done.stdout)
    assert (shown["status"], shown["certified"]) == (status, False)
    assert [sum(p.values()) for p in shown["answer_marginals"]] == pytest.approx([1.0, 1.0])
    game = load_game(tmp_path / "game.json")
    methods = re.search(r"--method ([a-z-]+)(?: or ([a-z-]+))?", done.stderr)
    for method in filter(None, methods.groups() if methods else ()):
        assert solve(game, method).certified
    tolerance = re.search(r"--tolerance (\S+)", done.stderr)
    if tolerance:
        method = options[1] if options[0] == "--method" else "exact"
        assert solve(game, method, float(tolerance[1])).certified
    if '"target": ' in done.stderr:
        written(tmp_path, objective | {"target": "reference"})
        assert solve(load_game(tmp_path / "game.json")).certified
    assert methods or tolerance or '"target": ' in done.stderr


def test_the_table_is_shown_without_a_certificate_too(cli, tmp_path):
    """On stdout, beside the line on stderr."""
    written(tmp_path, DIVERSITY)
    done = cli("solve", "game.json", "--method", "alternating")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "prompt 1" in done.stdout
    assert "Not certified: cycles." in done.stdout


def test_more_iterations_are_allowed_where_they_help(cli, tmp_path):
    """The option that the limit's message names, and a line where the method has none."""
    written(tmp_path, COHERENCE)
    done = cli("solve", "game.json", "--method", "mirror", "--max-iterations", "2")
    assert "--max-iterations" in done.stderr
    assert cli("solve", "game.json", "--method", "mirror", "--max-iterations", "2000").returncode == 0
    done = cli("solve", "game.json", "--max-iterations", "5")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "leave --max-iterations out" in done.stderr


def test_limits_are_checked():
    """By name, before anything is solved."""
    game = Game.from_marginals(P0, Diversity(0.5, np.zeros(3)), 1.0)
    with pytest.raises(BadInput, match="max_iterations is 0"):
        solve(game, "mirror", max_iterations=0)
    with pytest.raises(UsageError, match="two-step has no iterations"):
        solve(game, "two-step", max_iterations=3)
