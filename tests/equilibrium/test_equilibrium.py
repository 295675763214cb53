"""Equilibrium quality against truth: enumerated models, synthetic policies at and off the equilibrium."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from alftbench.backends.base import BackendOptions
from alftbench.backends.hf import scoring
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.hf.loading import prompt_ids
from alftbench.backends.hf.scoring import token_log_probs
from alftbench.base.jsonio import write_json
from alftbench.equilibrium.from_samples import (
    FIGURES,
    OrbitDraws,
    blind_share,
    divergence_at,
    estimate,
    marginal_error,
)
from alftbench.equilibrium.quality import Quality, orbit_draws, read_quality, read_quality_file
from alftbench.errors import BadInput
from alftbench.games import Coherence, Consensus, Correctness, Diversity, Game, Prompt, solve, trace_drift
from alftbench.games.numerics import log_normalise, total_variation
from alftbench.publish.comparison import Drawn, quality_value
from alftbench.suites.arithmetic import SUMS
from alftbench.training.trainer import PlaysGame
from alftbench.types import AnswerPartition, QualityValue, RunRecord, SamplingParams
from alftbench_trainers.recipes.coherence_grpo import COHERENCE_GRPO
from alftbench_trainers.recipes.diversity_game import DIVERSITY_GAME
from alftbench_trainers.recipes.vanilla_grpo import VANILLA_GRPO

END, PAD = 3, 0
TRACES = [(END,), *product((0, 1, 2), range(4))]
ANSWER_Y = np.array([0, *(1 + (a + b) % 3 for a, b in product((0, 1, 2), range(4)))])
CORRECT_Z = np.array([False, True, False, False])
PROMPTS = [(1, 2), (2, 0)]


def log_traces(seed: int) -> np.ndarray:
    """Log π of every trace of a random Llama for both prompts, shape (V, Y)."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, pad_token_id=PAD, eos_token_id=END, bos_token_id=None, initializer_range=0.4,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        log_probs = token_log_probs(model, PROMPTS, TRACES * 2, PAD).sum(-1).double().numpy()
    return log_normalise(log_probs.reshape(2, -1))


def sample(log_p_VY, n, rng) -> np.ndarray:
    """n draws of every phrasing, shape (V, n)."""
    return np.stack([rng.choice(log_p_Y.size, size=n, p=np.exp(log_normalise(log_p_Y))) for log_p_Y in log_p_VY])


def drawn(log_pi_VY, log_pi0_VY, n, rng, answer_Y=ANSWER_Y, correct_Z=CORRECT_Z) -> OrbitDraws:
    """n samples of each phrasing from the policy and from the reference."""
    policy_VN = sample(log_pi_VY, n, rng)
    ratio_VN = np.take_along_axis(log_pi_VY - log_pi0_VY, policy_VN, axis=1)
    return OrbitDraws(answer_Y[policy_VN], answer_Y[sample(log_pi0_VY, n, rng)], ratio_VN, correct_Z)


GAMES = {
    "correctness": (Correctness(CORRECT_Z * 1.0), 0.5),
    "diversity": (Diversity(0.3, CORRECT_Z * 0.5), 0.5),
    "coherence": (Coherence(0.3), 0.5),
    "consensus": (Consensus(0.3), 0.5),
    "frozen consensus": (Consensus(0.3, np.log([0.1, 0.2, 0.3, 0.4])), 0.5),
}
FIXED = ("correctness", "frozen consensus")


@pytest.mark.parametrize("name", GAMES)
def test_with_many_samples_the_figures_are_the_exact_ones(name):
    """A game whose target depends on the policy has neither error nor gap from samples."""
    log_pi_VY, log_pi0_VY = log_traces(1), log_traces(2)
    objective, beta = GAMES[name]
    policy, reference = (
        Game(beta, objective, tuple("abcd"), tuple(Prompt(ANSWER_Y, row) for row in log_VY))
        for log_VY in (log_pi_VY, log_pi0_VY)
    )
    drifts = [trace_drift(ANSWER_Y, pi, pi0, 4) for pi, pi0 in zip(log_pi_VY, log_pi0_VY, strict=True)]
    truth = {
        "kl": (np.exp(log_pi_VY) * (log_pi_VY - log_pi0_VY)).sum() / 2,
        "trace_drift": np.mean(drifts),
        "marginal_error": total_variation(policy.log_reference_PZ, solve(reference).log_p_PZ).mean(),
        "nash_gap": reference.gap(policy.log_reference_PZ) + beta * np.mean(drifts),
    }
    assert truth["trace_drift"] > 0.01 < truth["marginal_error"]
    rng = np.random.default_rng(0)
    repeats = 25
    found = [estimate(drawn(log_pi_VY, log_pi0_VY, 4000, rng), (objective, beta)) for _ in range(repeats)]
    for figure, exact in truth.items():
        values = np.array([getattr(f, figure) for f in found])
        if figure in ("marginal_error", "nash_gap") and name not in FIXED:
            assert np.isnan(values).all()
            continue
        error = values.std(ddof=1) / np.sqrt(repeats)
        assert values.mean() == pytest.approx(exact, abs=4 * error + 2e-3), figure
    assert {bool(np.isnan(f.blind)) for f in found} == {name not in FIXED}


def test_where_the_target_is_fixed_the_gap_is_exact_at_the_equilibrium_whatever_was_drawn():
    log_p0_VZ = np.log(np.array([[0.7, 0.2, 0.1]]))
    objective = Correctness(np.array([0.0, 1.0, 0.0]))
    log_p_VZ = solve(Game.from_log_marginals(log_p0_VZ, objective, 0.5)).log_p_PZ
    for class_N in ([0], [0, 1], [2, 2, 1, 0]):
        ratio_VN = (log_p_VZ - log_p0_VZ)[:, class_N]
        draws = OrbitDraws(np.array([class_N]), np.array([[0, 1]]), ratio_VN, np.array([False, True, False]))
        assert divergence_at(draws, -objective.bonus_Z[None] / 0.5) == pytest.approx(0, abs=1e-12)
        assert marginal_error(draws, -objective.bonus_Z[None] / 0.5) == pytest.approx(0, abs=1e-12)


def test_drift_from_few_samples_claims_no_more_than_there_is():
    log_pi_VY, log_pi0_VY = log_traces(1), log_traces(2)
    drifts = [trace_drift(ANSWER_Y, pi, pi0, 4) for pi, pi0 in zip(log_pi_VY, log_pi0_VY, strict=True)]
    rng = np.random.default_rng(1)
    found = np.array([estimate(drawn(log_pi_VY, log_pi0_VY, 8, rng), None).trace_drift for _ in range(400)])
    assert 0.1 * np.mean(drifts) < found.mean() <= np.mean(drifts) + 3 * found.std() / 20
    assert found.min() >= 0


def judged(samples: list[OrbitDraws], declared) -> dict[str, QualityValue]:
    """Every figure over problems, as a table has it."""
    figures = [estimate(draws, declared(draws.correct_Z)) for draws in samples]
    blind = float(np.mean([f.blind for f in figures]))
    drawn = Drawn(samples[0].policy_VN.shape[1], True, blind)
    return {name: quality_value(name, np.array([[getattr(f, name) for f in figures]]), drawn) for name in FIGURES}


def few_answers(rng) -> np.ndarray:
    """Log p0 of 10 answers in 3 phrasings."""
    return np.log(0.7 * rng.dirichlet(np.full(10, 0.3)) + 0.3 * rng.dirichlet(np.full(10, 0.3), size=3))


def problems(declared, moved: bool, n: int) -> list[OrbitDraws]:
    """60 problems with a policy at the equilibrium, or one that did not move."""
    rng = np.random.default_rng(3)
    samples = []
    for _ in range(60):
        log_p0_VZ = few_answers(rng)
        Z = log_p0_VZ.shape[1]
        correct_Z = np.arange(Z) == log_p0_VZ.mean(0).argmax()
        game = Game.from_log_marginals(log_p0_VZ, *declared(correct_Z))
        log_p_VZ = solve(game).log_p_PZ if moved else log_p0_VZ
        samples.append(seen(drawn(log_p_VZ, log_p0_VZ, n, rng, np.arange(Z), correct_Z)))
    return samples


def seen(draws: OrbitDraws) -> OrbitDraws:
    """The same over the classes that were drawn, and one right and one wrong: what an evaluation knows."""
    right, wrong = np.flatnonzero(draws.correct_Z)[:1], np.flatnonzero(~draws.correct_Z)[:1]
    classes = np.unique(np.concatenate([draws.policy_VN.ravel(), draws.reference_VN.ravel(), right, wrong]))
    renamed = (np.searchsorted(classes, x) for x in (draws.policy_VN, draws.reference_VN))
    return OrbitDraws(*renamed, draws.log_ratio_VN, draws.correct_Z[classes])


WITHOUT_POWER = {
    "diversity": lambda c: (Diversity(0.1, c * 0.3), 0.1),
    "coherence": lambda c: (Coherence(1.0), 0.1),
    "consensus": lambda c: (Consensus(0.05), 0.1),
}


@pytest.mark.parametrize("n", [8, 64])
@pytest.mark.parametrize("name", WITHOUT_POWER)
def test_of_a_target_that_depends_on_the_policy_samples_say_that_they_say_nothing(name, n):
    for moved in (True, False):
        table = judged(problems(WITHOUT_POWER[name], moved, n), WITHOUT_POWER[name])
        assert table["kl"].no_power == ""
        for figure in ("trace_drift", "marginal_error", "nash_gap"):
            assert table[figure].no_power == f"at n = {n}"


def law_of_accuracy(a: float, b: float):
    """Log p0 of a right answer, the last, whose share is Beta(a, b), and 11 wrong ones in 6 phrasings."""

    def law(rng) -> np.ndarray:
        right_V = rng.beta(a, b, size=6)[:, None]
        wrong_VZ = rng.dirichlet(np.full(11, 0.3), size=6)
        return log_normalise(np.log(np.maximum(np.hstack([(1 - right_V) * wrong_VZ, right_V]), 1e-12)))

    return law


def correctness_board(law, moved: float, beta: float, seed: int, n: int = 8, P: int = 100):
    """A table's figures of correctness, a share `moved` of the way to the equilibrium, and the true error."""
    rng = np.random.default_rng(seed)
    samples, errors = [], []
    for _ in range(P):
        log_p0_VZ = law(rng)
        correct_Z = np.arange(log_p0_VZ.shape[1]) == log_p0_VZ.shape[1] - 1
        log_star_VZ = log_normalise(log_p0_VZ + correct_Z / beta)
        log_p_VZ = log_normalise((1 - moved) * log_p0_VZ + moved * log_star_VZ)
        errors.append(total_variation(log_p_VZ, log_star_VZ).mean())
        samples.append(seen(drawn(log_p_VZ, log_p0_VZ, n, rng, np.arange(correct_Z.size), correct_Z)))
    return judged(samples, lambda c: (Correctness(c * 1.0), beta)), float(np.mean(errors))


@pytest.mark.parametrize("moved", [0.0, 0.15, 0.3, 1.0])
@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_the_error_of_correctness_from_eight_samples_is_the_true_one(moved, beta):
    table, truth = correctness_board(law_of_accuracy(6, 4), moved, beta, seed=1)
    error = table["marginal_error"]
    assert error.no_power == ""
    assert not error.bound
    assert error.value == pytest.approx(truth, abs=0.03 if moved < 1 else 1e-9)


@pytest.mark.parametrize(("a", "b"), [(1, 9), (0.1, 0.9), (3.3, 6.7), (0.33, 0.67)])
def test_where_right_answers_were_never_drawn_the_table_says_no_power(a, b):
    """There the estimate reads a half of the truth and less."""
    table, truth = correctness_board(law_of_accuracy(a, b), 0.0, 0.1, seed=2)
    for figure in ("marginal_error", "nash_gap"):
        assert table[figure].no_power.endswith("of the target unseen")
    assert table["marginal_error"].value < truth - 0.05
    assert table["kl"].no_power == ""


def test_a_model_that_is_always_right_is_not_blind_to_wrong_answers_that_nobody_wants():
    draws = OrbitDraws(np.zeros((1, 8), int), np.array([[0, 0, 0, 0, 0, 1, 1, 1]]), np.full((1, 8), np.log(8 / 5)),
                       np.array([True, False]))  # fmt: skip
    assert blind_share(draws, np.array([[-10.0, 0.0]])) < 1e-4
    assert blind_share(draws, np.array([[-0.5, 0.0]])) == pytest.approx(3.5 / (3.5 + 5.5 * np.exp(0.5)))
    wrong = replace(draws, policy_VN=np.ones((1, 8), int))
    assert blind_share(wrong, np.array([[-10.0, 0.0]])) > 0.999


def test_drift_within_answers_that_are_drawn_often_is_no_error_of_answers():
    rng = np.random.default_rng(4)
    correct_Z, samples = np.array([True, False]), []
    for _ in range(100):
        p0_VZ = rng.beta(6, 4, size=(6, 1)) * np.array([1, -1]) + np.array([0, 1])
        star_VZ = p0_VZ * np.exp(correct_Z / 0.1)
        star_VZ /= star_VZ.sum(1, keepdims=True)
        within_2VZW = rng.dirichlet(np.full(4, 2.0), size=(2, 6, 2))
        log_pi0, log_pi = (
            np.log(p_VZ[:, :, None] * within).reshape(6, -1)
            for p_VZ, within in zip((p0_VZ, star_VZ), within_2VZW, strict=True)
        )
        samples.append(drawn(log_pi, log_pi0, 8, rng, np.repeat([0, 1], 4), correct_Z))
    table = judged(samples, lambda c: (Correctness(c * 1.0), 0.1))
    assert table["trace_drift"].low > 0.1
    assert table["marginal_error"].value < 0.01


def test_traces_that_drift_under_the_same_answers_show_drift_alone():
    rng = np.random.default_rng(2)
    indifferent = lambda c: (Correctness(c * 0.0), 0.1)  # noqa: E731
    made = []
    for _ in range(60):
        p0_VZ = rng.dirichlet(np.ones(4), size=2)
        within_VZW = rng.dirichlet(np.ones(5), size=(2, 2, 4))  # five traces an answer, reference and policy
        log_pi0, log_pi = (np.log(p0_VZ[:, :, None] * within_VZW[i]).reshape(2, -1) for i in range(2))
        made.append(drawn(log_pi, log_pi0, 32, rng, np.repeat(np.arange(4), 5), np.zeros(4, bool)))
    found = judged(made, indifferent)
    assert found["trace_drift"].no_power == ""
    assert found["trace_drift"].low > 0.3
    assert found["kl"].low > 0.3


def test_a_policy_that_did_not_move_has_no_divergence():
    draws = OrbitDraws(np.array([[0, 1]]), np.array([[0, 0]]), np.zeros((1, 2)), np.array([True, False]))
    figures = estimate(draws, None)
    assert (figures.kl, figures.trace_drift) == (0, 0)
    assert np.isnan([figures.marginal_error, figures.nash_gap, figures.blind]).all()


def test_classes_of_policy_and_reference_are_matched_by_their_answers():
    policy = AnswerPartition("p", ("12", "7"), (True, False), ((0, 1, -1),), {})
    reference = AnswerPartition("p", ("12", "3"), (True, False), ((1, 1, 0),), {})
    draws = orbit_draws(policy, reference, np.zeros((1, 3)))
    assert draws.policy_VN.tolist() == [[0, 2, 3]]  # answers 12, 3, 7, none
    assert draws.reference_VN.tolist() == [[1, 1, 0]]
    assert draws.correct_Z.tolist() == [True, False, False, False]
    answered = replace(policy, class_VN=((0, 1, 1),))
    assert orbit_draws(answered, reference, np.zeros((1, 3))).correct_Z.tolist() == [True, False, False, False]
    wrong = [replace(part, correct_Z=(False, False)) for part in (policy, reference)]
    draws = orbit_draws(*wrong, np.zeros((1, 3)))
    assert draws.correct_Z.tolist() == [False, False, False, True, False]  # a right answer that nobody gave
    assert draws.policy_VN.tolist() == [[0, 2, 4]]


@pytest.mark.parametrize("logit_bytes", [scoring.LOGIT_BYTES, 30_000])
def test_scores_equal_a_plain_forward_pass(tiny, monkeypatch, logit_bytes):
    monkeypatch.setattr(scoring, "LOGIT_BYTES", logit_bytes)
    backend = HfBackend(tiny, BackendOptions("cpu", "float32"))
    variants = [variant for orbit in list(SUMS.orbits("test", None))[:3] for variant in orbit.variants]
    samples = [s for part in backend.sample(variants, SamplingParams(n=5, max_tokens=21, seed=1)) for s in part]
    assert {s.finish_reason for s in samples} == {"stop", "length"}
    np.random.default_rng(0).shuffle(samples)
    found = backend.log_probs(variants, samples)
    prompts = {(v.problem_id, v.name): prompt_ids(backend.tokenizer, v.messages) for v in variants}
    for place in range(0, len(samples), 4):
        one = samples[place]
        prompt = prompts[one.problem_id, one.variant]
        ids = backend.tokenizer.encode(one.text) + [backend.tokenizer.eos_token_id] * (one.finish_reason == "stop")
        assert len(ids) == one.n_tokens
        with torch.inference_mode():
            logits = backend.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        plain = torch.log_softmax(logits.double(), -1).gather(-1, torch.tensor(ids)[:, None]).sum()
        assert found[place] == pytest.approx(float(plain), abs=1e-4)


def equilibrium_of(trainer, p0_VZ, correct_Z) -> np.ndarray:
    objective, beta = trainer.game(correct_Z)
    return solve(Game.from_marginals(p0_VZ, objective, beta)).p_PZ


def test_the_games_that_trainers_declare_have_the_known_equilibria():
    p0_VZ, correct_Z = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), np.array([True, False, False])
    normalised = lambda x: x / x.sum(axis=1, keepdims=True)  # noqa: E731
    assert equilibrium_of(VANILLA_GRPO({"beta": "0.5"}), p0_VZ, correct_Z) == pytest.approx(
        normalised(p0_VZ * np.exp(correct_Z / 0.5))
    )
    diversity = DIVERSITY_GAME({"beta": "0.5", "diversity": "0.3", "correctness": "0.7"})
    assert equilibrium_of(diversity, p0_VZ, correct_Z) == pytest.approx(
        normalised((p0_VZ * np.exp(0.7 * correct_Z / 0.5)) ** (0.5 / 0.8))
    )
    coherence = COHERENCE_GRPO({"beta": "0.5", "coherence": "0.3", "objective": "coherence"})
    p_VZ = equilibrium_of(coherence, p0_VZ, correct_Z)
    assert p_VZ == pytest.approx(normalised(p0_VZ ** (0.5 / 0.8) * p_VZ.mean(0) ** (0.3 / 0.8)))
    consensus = COHERENCE_GRPO({"beta": "0.5", "coherence": "0.3", "objective": "consensus"})
    p_VZ = equilibrium_of(consensus, p0_VZ, correct_Z)
    assert p_VZ == pytest.approx(normalised(p0_VZ * p_VZ.mean(0) ** (0.3 / 0.5)))


def test_a_trainer_whose_game_is_not_known_declares_none():
    correct_Z = np.array([True, False])
    for trainer in (
        VANILLA_GRPO({"scale": "std"}),
        VANILLA_GRPO({"beta": "0"}),
        DIVERSITY_GAME({"temperature": "0.7"}),
        COHERENCE_GRPO({"correctness": "1"}),
    ):
        assert isinstance(trainer, PlaysGame)
        assert trainer.game(correct_Z) is None


def test_a_file_of_quality_with_a_text_for_a_number_is_one_line(tmp_path):
    quality = Quality(2, {}, None, ["p"], {name: ["x"] for name in FIGURES})
    write_json(tmp_path / "equilibrium.json", vars(quality))
    with pytest.raises(BadInput, match=r"equilibrium\.json: per_problem: must be a table with the numbers"):
        read_quality_file(tmp_path)
    write_json(
        tmp_path / "equilibrium.json", vars(quality) | {"per_problem": {name: [None, 0.5] for name in FIGURES}}
    )
    assert np.isnan(read_quality_file(tmp_path).per_problem[FIGURES[0]][0])


def test_figures_of_other_answers_are_refused(tmp_path):
    """A run that was graded anew has other verdicts than those that its figures were made of."""
    per_problem = {name: [0.0] for name in FIGURES}
    inputs = {"samples_sha256": "s", "answers_sha256": "a"}
    content = {"schema_version": 2, "inputs": inputs, "game": None, "problems": ["p"], "per_problem": per_problem}
    (tmp_path / "equilibrium.json").write_text(json.dumps(content), encoding="utf-8")
    record = RunRecord(1, "", "complete", "m", {}, {}, samples_sha256="s", answers_sha256="a")
    assert read_quality(tmp_path, record) is not None
    with pytest.raises(BadInput, match="made from other answers than the run's; run compare again"):
        read_quality(tmp_path, replace(record, answers_sha256="b"))
    del inputs["answers_sha256"]  # as earlier code wrote it
    (tmp_path / "equilibrium.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_quality(tmp_path, replace(record, answers_sha256="b")) is not None
