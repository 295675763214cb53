"""GAME.json: what is read, what is written, and what is refused in one clear line."""

import json
import re
import sys

import numpy as np
import pytest

from alftbench.errors import BadInput, MissingExtra
from alftbench.games import Consensus, Correctness, Game, HardCoherence, load_game, plot, plotting, solve
from alftbench.games.loading import OBJECTIVES


def game_json(objective=None, **changes):
    traces = [[("12", -0.2), ("7", -1.5), ("7", -3.0)], [("12", -1.0), ("8", -2.0)]]
    prompts = [{"traces": [{"answer": a, "logprob": p} for a, p in row]} for row in traces]
    prompts[0]["weight"] = 3
    return {
        "beta": 0.5,
        "objective": objective or {"name": "diversity", "lambda": 0.3},
        "prompts": prompts,
    } | changes


@pytest.fixture
def write(tmp_path):
    def to_file(content):
        path = tmp_path / "game.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return to_file


SPECS = {
    "correctness": {"correct": ["12"]},
    "diversity": {"lambda": 0.3, "correct": ["12"], "eta": 2},
    "quadratic_diversity": {"lambda": 0.3},
    "tsallis_diversity": {"lambda": 0.3, "alpha": 1.5, "correct": ["12"]},
    "beta_divergence": {"lambda": 1, "order": 0.5, "target": {"12": 3, "7": 1, "8": 1}},
    "target_matching": {"lambda": 1, "target": {"12": 3, "7": 1, "8": 1}},
    "constraint": {"answers": ["12"], "A": [[1]], "b": [0.4]},
    "coherence": {"lambda": 1},
    "consensus": {"lambda": 1, "target": "reference"},
    "pairwise_coherence": {"lambda": 1},
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_read_and_solved(write, name):
    """A file to a certified solution to plain JSON."""
    solution = solve(load_game(write(game_json({"name": name} | SPECS[name]))))
    out = json.loads(json.dumps(solution.to_json(), allow_nan=False))
    assert out["objective"] == name
    assert out["converged"] is True
    assert out["gap"] <= 1e-9
    assert [sum(p.values()) for p in out["answer_marginals"]] == pytest.approx([1.0, 1.0])
    assert set(out["answer_marginals"][0]) == {"12", "7", "8"}
    assert {"method", "iterations", "value", "target"} <= set(out)


def test_values_are_the_closed_form(write):
    """Weights and log-probabilities are normalised; traces of one answer add up."""
    game = load_game(write(game_json()))
    assert game.weights_P == pytest.approx([0.75, 0.25])
    p = np.array([np.exp(-0.2), np.exp(-1.5) + np.exp(-3.0)])
    p **= 0.5 / 0.8
    assert solve(game).p_PZ[0, :2] == pytest.approx(p / p.sum())
    assert solve(game).p_PZ[0, 2] == 0.0


def test_variants_of_coherence_and_consensus(write):
    """`hard`, a free target, a frozen one."""
    assert isinstance(load_game(write(game_json({"name": "coherence", "hard": True}))).objective, HardCoherence)
    free = load_game(write(game_json({"name": "consensus", "lambda": 1}))).objective
    assert isinstance(free, Consensus)
    assert free.log_q_Z is None
    frozen = load_game(write(game_json({"name": "consensus", "lambda": 1, "target": {"12": 1}})))
    assert solve(frozen).p_PZ[:, 0] == pytest.approx([1, 1])


def test_probability_zero_is_allowed(write):
    """-Infinity for one trace, not for all."""
    text = json.dumps(game_json()).replace("-1.5", "-Infinity")
    assert np.isfinite(solve(load_game(write(text))).value)


def edited(path, value):
    """The game with one entry replaced, or removed where value is None."""
    game = game_json({"name": "diversity", "lambda": 0.3})
    here = game
    for key in path[:-1]:
        here = here[key]
    if value is None:
        del here[path[-1]]
    else:
        here[path[-1]] = value
    return game


BAD = [
    ("{", "not valid JSON"),
    ("[]", "must be a table of keys, is []"),
    (edited(["beta"], 0), "beta: must be a number, at least 1e-100, at most 1e+100 in size, is 0.0"),
    (edited(["beta"], float("nan")), "beta: must be a number, at least 1e-100, at most 1e+100 in size, is NaN"),
    (edited(["beta"], "1"), 'beta: must be a number, at least 1e-100, at most 1e+100 in size, is "1"'),
    (edited(["beta"], True), "beta: must be a number, at least 1e-100, at most 1e+100 in size, is true"),
    (edited(["beta"], 10**400), "beta: must be a number, at least 1e-100, at most 1e+100 in size, is Infinity"),
    ('{"beta": ' + "1" * 5000 + "}", "beta: must be a number, at least 1e-100, at most 1e+100 in size, is Infini"),
    (edited(["beta"], 1e-320), "beta: must be a number, at least 1e-100, at most 1e+100 in size, is 1e-320"),
    (
        edited(["prompts", 0, "weight"], 1e308),
        "prompts[0].weight: must be a number, at most 1e+100 in size, is 1e+308",
    ),
    ('{"beta": 1, "beta": 2}', "beta: stands there twice; leave one; objective: is missing; prompts: is missing"),
    (
        edited(["prompts", 0, "traces", 2, "text"], "x"),
        "prompts[0].traces[2].text: unknown key; known: answer, logprob",
    ),
    (
        edited(["prompts", 0, "traces", 2, "answer"], "\ud800"),
        'prompts[0].traces[2].answer: must be text, without halves of characters, is "\\ud800"',
    ),
    (edited(["objective", "lambda"], 1e308), "objective.lambda: must be a number, at least 0, at most 1e+100 in"),
    (
        edited(["objective", "lambda"], 1e99),
        "objective.lambda: must be at most 1e+12 times beta, is 1e+99 with beta 0.5",
    ),
    (edited(["beta"], None), "beta: is missing"),
    (edited(["extra"], 1), "extra: unknown key; known: beta, objective, prompts"),
    (edited(["prompts"], []), "prompts is empty"),
    (edited(["prompts"], {}), "prompts: must be a list, is {}"),
    (edited(["prompts", 1, "traces"], []), "prompts[1].traces is empty"),
    (edited(["prompts", 1, "traces"], None), "prompts[1].traces: is missing"),
    (edited(["prompts", 1, "weight"], 0), "prompts[1].weight is 0"),
    (edited(["prompts", 1, "weight"], -1), "prompts[1].weight is -1"),
    (
        edited(["prompts", 0, "traces", 2, "logprob"], float("nan")),
        "prompts[0].traces[2].logprob: must be a number below +inf (-Infinity is probability 0), is NaN",
    ),
    (
        edited(["prompts", 0, "traces", 2, "logprob"], float("inf")),
        "prompts[0].traces[2].logprob: must be a number below +inf (-Infinity is probability 0), is Infi",
    ),
    (edited(["prompts", 0, "traces", 2, "logprob"], None), "prompts[0].traces[2].logprob: is missing"),
    (
        edited(["prompts", 0, "traces", 2, "answer"], 7),
        "prompts[0].traces[2].answer: must be text, without halves of characters, is 7.0",
    ),
    (edited(["prompts", 0, "traces", 2], "7"), 'prompts[0].traces[2]: must be a table of keys, is "7"'),
    (edited(["objective", "lambda"], -0.1), "objective.lambda: must be a number, at least 0, at most 1e+100 in s"),
    (edited(["objective", "lambda"], None), "objective.lambda: is missing"),
    (edited(["objective", "name"], "diversty"), "objective.name: must be one of correctness, diversity, quadrati"),
    (edited(["objective", "name"], ["x"]), "objective.name: must be one of correctness, diversity, quadratic_div"),
    (edited(["objective", "eta"], 1), "objective.correct: is missing; list the correct answers"),
    (edited(["objective", "hard"], True), "objective.hard: unknown key; known: name, lambda, correct, eta"),
    (edited(["objective", "correct"], "12"), 'objective.correct: must be a list, is "12"'),
    (game_json({"name": "correctness"}), "objective.correct: is missing"),
    (game_json({"name": "coherence", "hard": 1}), "objective.hard: must be true or false, is 1.0; objective.lamb"),
    (
        game_json({"name": "coherence", "hard": True, "lambda": -3}),
        "objective.lambda: must be a number, at least 0, at most 1e+100 in size, is -3.0",
    ),
    (
        game_json({"name": "correctness", "correct": ["12"], "eta": 1e90}),
        "objective.eta: must be at most 1e+12 times beta, is 1e+90 with beta 0.5",
    ),
    (
        game_json({"name": "target_matching", "lambda": 1, "target": {"12": 1e308, "7": 1e308}}),
        "objective.target.12: must be a number, at least 0, at most 1e+100 in size, is 1e+308; objective.target.7",
    ),
    (
        game_json({"name": "target_matching", "lambda": 1, "target": {"\udfff": 1}}),
        'a key of objective.target: must be text, without halves of characters, is "\\udfff"',
    ),
    (
        game_json({"name": "constraint", "answers": ["7"], "A": [[-1e308]], "b": [1]}),
        "objective.A[0][0]: must be a number, at most 1e+100 in size, is -1e+308",
    ),
    (game_json({"name": "target_matching", "lambda": 1}), "objective.target: is missing"),
    (
        game_json({"name": "target_matching", "lambda": 1, "target": [1]}),
        "objective.target: must be a table of keys, is [1.0]",
    ),
    (
        game_json({"name": "target_matching", "lambda": 1, "target": {"12": -1}}),
        "objective.target.12: must be a number, at least 0, at most 1e+100 in size, is -1.0",
    ),
    (game_json({"name": "target_matching", "lambda": 1, "target": {"12": 0}}), "no positive probability"),
    (game_json({"name": "consensus", "lambda": 1, "target": {"7": 1}}), "prompts[1]: the target gives"),
    (game_json({"name": "constraint", "answers": ["12"], "A": [[1]], "b": []}), "must match"),
    (game_json({"name": "constraint", "answers": ["12"], "A": [[1, 2]], "b": [1]}), "objective.A[0] has 2"),
    (game_json({"name": "constraint", "answers": ["7", "7"], "A": [[1, 2]], "b": [1]}), "twice"),
    (
        game_json({"name": "constraint", "answers": ["7"], "A": [[-1]], "b": [-0.5]}),
        "prompts[1]: no distribution over its answers satisfies A p <= b",
    ),
]


@pytest.mark.parametrize(("content", "complaint"), BAD, ids=[text[:40] for _, text in BAD])
def test_bad_games_are_refused_in_one_line(write, content, complaint):
    """BadInput, the file's name first, the entry named."""
    with pytest.raises(BadInput, match=re.escape(complaint)) as caught:
        load_game(write(content))
    assert "game.json: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_given_twice_are_named_where_they_stand(write):
    """Not the last one taken."""
    text = json.dumps(game_json()).replace('"logprob": -3.0', '"logprob": -3.0, "logprob": 0')
    with pytest.raises(BadInput, match=r"prompts\[0\].traces\[2\].logprob: stands there twice"):
        load_game(write(text))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("size", [1e-100, 1e-30, 1e-12, 1e12, 1e30, 1e100])
def test_numbers_of_any_size_are_refused_or_solved_without_nan(write, name, size):
    """No warning (they are errors here), no NaN, and `converged` only with a gap below the tolerance."""
    for entry in ("lambda", "eta", "beta", "weight", "logprob"):
        game = game_json({"name": name} | SPECS[name])
        trace = game["prompts"][0]["traces"][0]
        homes = {"beta": game, "weight": game["prompts"][0], "logprob": trace}
        homes.get(entry, game["objective"])[entry] = -size if entry == "logprob" else size
        try:
            solution = solve(load_game(write(game)))
        except BadInput:
            continue
        assert not np.isnan([solution.gap, solution.value]).any()
        assert np.allclose(solution.p_PZ.sum(axis=1), 1.0)
        assert solution.converged == (solution.gap <= 1e-9)


def test_a_gap_that_is_no_number_is_no_success():
    """Whatever made it."""
    game = Game.from_marginals(np.array([[0.5, 0.5]]), Correctness(np.array([1e308, 0.0])), 1e-10)
    with np.errstate(all="ignore"):
        solution = solve(game)
    assert np.isnan(solution.gap)
    assert not solution.converged


def test_all_traces_impossible(write):
    """At least one trace must be possible."""
    text = json.dumps(game_json()).replace("-1.0", "-Infinity").replace("-2.0", "-Infinity")
    with pytest.raises(BadInput, match=r"prompts\[1\]: every trace has logprob -inf"):
        load_game(write(text))


def test_a_file_that_is_not_there(tmp_path):
    """The path and the reason."""
    with pytest.raises(BadInput, match="cannot be read"):
        load_game(tmp_path / "none.json")


def test_numbers_that_are_not_finite_become_null(write):
    """A diverging method still writes valid JSON."""
    out = solve(load_game(write(game_json({"name": "diversity", "lambda": 5}))), "alternating").to_json()
    assert out["converged"] is False
    assert out["status"] == "diverges"
    json.dumps(out, allow_nan=False)


@pytest.mark.parametrize("method", ["exact", "alternating"])
def test_plot_writes_an_image(write, tmp_path, method):
    """A PNG, whether or not there was a way to it."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "game.png"
    plot(solve(load_game(write(game_json({"name": "coherence", "lambda": 1}))), method), path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figure that `plot` makes of a solution."""
    pytest.importorskip("matplotlib")

    def draw(solution):
        figures = []
        make = plotting.new_figure
        monkeypatch.setattr(plotting, "new_figure", lambda *size: figures.append(make(*size)) or figures[-1])
        plot(solution, tmp_path / "game.png")
        return figures[-1]

    return draw


def test_plot_shows_the_solution(write, drawn):
    """Bars of reference and equilibrium, the target's marks, and every gap of the history."""
    solution = solve(load_game(write(game_json({"name": "coherence", "lambda": 1}))), "alternating")
    answers, gaps = drawn(solution).axes
    before, after = ([bar.get_height() for bar in bars] for bars in answers.containers)
    weights, names = solution.game.weights_P, [label.get_text() for label in answers.get_xticklabels()]
    order = [solution.game.answers.index(name) for name in names]
    assert before == pytest.approx((weights @ np.exp(solution.game.log_reference_PZ))[order])
    assert after == pytest.approx((weights @ solution.p_PZ)[order])
    assert answers.lines[0].get_ydata() == pytest.approx(solution.target_Z[order])
    assert gaps.lines[0].get_ydata() == pytest.approx(np.maximum(solution.history.gap_T, 1e-18))


def test_plot_draws_any_answer_as_it_stands(write, drawn):
    """Half a formula, a lone dollar sign, an underscore."""
    text = json.dumps(game_json()).replace('"12"', json.dumps(r"$\frac{1}{2$")).replace('"8"', '"$_"')
    figure = drawn(solve(load_game(write(text))))
    assert {label.get_text() for label in figure.axes[0].get_xticklabels()} == {r"$\frac{1}{2$", "7", "$_"}


@pytest.mark.parametrize(
    ("name", "complaint"), [("p.xyz", "suffix"), ("p", "suffix"), ("none/p.png", "no folder")]
)
def test_a_picture_that_cannot_be_written_is_refused_before_solving(warm, write, name, complaint):
    """Exit 2, one line, nothing solved."""
    pytest.importorskip("matplotlib")
    done = warm("solve", str(write(game_json())), "--plot", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_solve_prints_its_result_before_it_draws(cli, write, tmp_path):
    """A picture that fails late (a folder in its place) loses no result."""
    pytest.importorskip("matplotlib")
    (tmp_path / "taken.png").mkdir()
    done = cli("solve", str(write(game_json())), "--plot", "taken.png", "--format", "json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["converged"] is True
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("width", ["60", "80", "120", "200"])
def test_tables_of_many_prompts_lose_nothing(warm, write, width):
    """Eight prompts: every number once and whole, whatever the terminal."""
    game = game_json({"name": "coherence", "lambda": 1})
    game["prompts"] = [game["prompts"][0] | {"weight": 1 + i} for i in range(8)]
    done = warm("solve", str(write(game)), env={"COLUMNS": width})
    solution = solve(load_game(write(game)))
    for i in range(8):
        assert re.search(rf"prompt {i}\b", done.stdout)
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] in (["12"], ["7"])]
    numbers = [number for row in rows for number in row[1:]]
    assert all(re.fullmatch(r"\d\.\d{6}", number) for number in numbers)
    assert len(numbers) == 2 * (2 * 8 + 1)  # the target once, in the last block
    assert f"{solution.p_PZ[7, 0]:.6f}" in numbers


def test_plot_without_matplotlib_names_the_extra(write, tmp_path, monkeypatch):
    """One line to install it."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="plot"):
        plot(solve(load_game(write(game_json()))), tmp_path / "game.png")
