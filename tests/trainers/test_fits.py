"""Trainers that fit samples of the reference: weights against definitions, averages against enumeration."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from alftbench.errors import PluginError, UsageError
from alftbench.games import Game, solve
from alftbench.games.rewards import GroupRecord
from alftbench.suites.load import Selection
from alftbench.training.train import TrainJob, make_trainer, plan_training, run_training
from alftbench.training.trainer import parse_spec
from alftbench.types import Budget
from alftbench_trainers.loop import fitting
from alftbench_trainers.recipes.alternating import ALTERNATING
from alftbench_trainers.recipes.supervised import BEST_OF_N, WEIGHTED_SFT

P0 = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
RIGHT = np.array([True, False, True])


def everything(fit, group):
    """Σ over all groups of their chance times a sample's weight: what is fitted on average."""
    trainer = fit({"group": str(group)})
    average = np.zeros_like(P0)
    for answers in product(range(3), repeat=group):
        weight_G = trainer.fit.weights(GroupRecord(np.array([answers]), RIGHT), None, trainer.options)[0]
        for v, p_Z in enumerate(P0):
            np.add.at(average[v], list(answers), p_Z[list(answers)].prod() * weight_G / weight_G.sum())
    return average


@pytest.mark.parametrize("fit", [WEIGHTED_SFT, BEST_OF_N])
@pytest.mark.parametrize("group", [2, 3, 5])
def test_what_is_fitted_on_average_is_predicted(fit, group):
    predicted = np.exp(fit({"group": str(group)}).predicted(np.log(P0), RIGHT, None))
    assert predicted == pytest.approx(everything(fit, group), abs=1e-12)


def test_best_of_n_is_as_often_right_as_one_of_n_samples():
    p_VZ = np.exp(BEST_OF_N({"group": "7"}).predicted(np.log(P0), RIGHT, None))
    assert p_VZ @ RIGHT == pytest.approx(1 - (1 - P0 @ RIGHT) ** 7)
    assert p_VZ[:, 0] / p_VZ[:, 2] == pytest.approx(P0[:, 0] / P0[:, 2])  # the reference's odds among right ones


def test_weighted_samples_lead_to_the_declared_equilibrium_as_they_get_many():
    errors = []
    for group in (4, 64, 1024):
        trainer = WEIGHTED_SFT({"group": str(group), "beta": "0.5"})
        objective, beta = trainer.game(RIGHT)
        star = solve(Game.from_marginals(P0, objective, beta)).p_PZ
        errors.append(np.abs(np.exp(trainer.predicted(np.log(P0), RIGHT, None)) - star).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3


def in_proportion(p_VZ, size):
    middles = (np.arange(size) + 0.5) / size
    return GroupRecord(np.array([np.searchsorted(np.cumsum(p_Z), middles) for p_Z in p_VZ]), RIGHT)


def fitted_by(trainer, p_VZ, p0_VZ, size=2000):
    """The best response that exact shares lead to."""
    samples, rollouts = in_proportion(p0_VZ, size), in_proportion(p_VZ, size)
    weight_VN = trainer.fit.weights(samples, rollouts, trainer.options)
    fitted = np.array([np.bincount(z, w, 3) for z, w in zip(samples.class_VG, weight_VN, strict=True)])
    return fitted / fitted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "options",
    [
        {"strength": "0.6", "beta": "0.2"},
        {"objective": "diversity", "strength": "0.1", "correctness": "1", "beta": "0.4"},
    ],
)
def test_rounds_of_exact_fits_end_at_the_declared_equilibrium(options):
    trainer = ALTERNATING(options)
    objective, beta = trainer.game(RIGHT)
    star = solve(Game.from_marginals(P0, objective, beta)).p_PZ
    p_VZ = P0
    for _ in range(60):
        p_VZ = fitted_by(trainer, p_VZ, P0)
    assert p_VZ == pytest.approx(star, abs=3e-3)  # shares are of 2,000 rollouts


def test_what_the_consensus_never_said_does_not_count():
    trainer = ALTERNATING({})
    samples = GroupRecord(np.array([[0, 1], [0, 2]]), RIGHT)
    rollouts = GroupRecord(np.array([[0, 0], [0, 1]]), RIGHT)
    weights = trainer.fit.weights(samples, rollouts, trainer.options)
    assert weights == pytest.approx(np.array([[(0.75 / 0.5) ** 0.75, 0.5**0.75], [1.5**0.75, 0.0]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "diversity", "strength": "0.2"}, "cycle or diverge from λ = β on"),
        ({"beta": "0"}, "needs a KL"),
        ({"correctness": "1"}, "without labels"),
    ],
)
def test_games_that_rounds_do_not_solve_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        ALTERNATING(options)


def test_the_gradient_is_that_of_the_divergence_from_the_weighted_answers():
    """−(1/N) Σ w log π over all answers in proportion is the cross entropy with p₀ w."""
    logits = torch.tensor([0.3, -0.2, 0.1], requires_grad=True)
    weight_Z = torch.tensor([1.6, 0.2, 0.9])
    p0_Z = torch.tensor([0.5, 0.3, 0.2])
    answers = torch.repeat_interleave(torch.arange(3), torch.tensor([5, 3, 2]))
    log_p_Z = logits.log_softmax(0)
    (sampled,) = torch.autograd.grad(-(weight_Z[answers] * log_p_Z[answers]).sum() / 10, logits, retain_graph=True)
    target_Z = p0_Z * weight_Z
    (exact,) = torch.autograd.grad(-(target_Z * log_p_Z).sum(), logits)
    assert torch.allclose(sampled, exact, atol=1e-6)


def test_weights_are_scaled_in_each_prompt_and_checked():
    record = GroupRecord(np.array([[0, 1], [1, 1]]), RIGHT)
    orbit = fitting.Drawn(fitting.OrbitRollouts("s", "p", ("a", "b", "c"), (), (), record), None)
    half = fitting.checked("x", lambda samples, rollouts: samples.correct_VG.astype(float), orbit)
    assert half.tolist() == [[2.0, 0.0], [0.0, 0.0]]
    for wrong in (-1.0, np.nan):
        with pytest.raises(PluginError, match="the weights of x"):
            fitting.checked("x", lambda samples, rollouts, value=wrong: np.full((2, 2), value), orbit)
    assert fitting.effective(np.array([1.0, 1.0, 0.0, 0.0])) == 0.5
    assert fitting.effective(np.zeros(4)) == 0.0


def trained(folder, spec, steps=2):
    job = TrainJob(
        parse_spec(spec), "tiny-sums", ("sums",), Budget(steps=steps), Selection("train", limit=4), device="cpu"
    )
    return run_training(plan_training(job), folder)


@pytest.mark.parametrize("spec", ["alternating:group=3,orbits=1", "weighted-sft:group=4,orbits=1"])
def test_a_short_run_counts_what_it_drew_and_trained_on(spec, tmp_path):
    record = trained(tmp_path / "run", spec)
    lines = (tmp_path / "run" / "updates.jsonl").read_text(encoding="utf-8").splitlines()
    updates = [json.loads(line) for line in lines]
    both = 2 if spec.startswith("alternating") else 1
    rows = 6 * int(spec.split("group=")[1][0])  # six phrasings
    assert 0 < record.cost["backward_passes"] <= sum(rows - update["skipped"] for update in updates)
    assert record.cost["forward_passes"] == 2 * both * rows + record.cost["backward_passes"]
    assert record.cost["generated_tokens"] == updates[-1]["generated_tokens"]
    assert (updates[0]["accuracy"] is None) == (both == 1)
    assert updates[0]["kl"] is None
    assert 0 < updates[0]["effective"] <= 1


def test_options_go_with_the_name():
    trainer = make_trainer(parse_spec("best-of-n:group=4"))
    assert trainer.game(RIGHT) is None
    assert replace(trainer.options, group=5).group == 5
