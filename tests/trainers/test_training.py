"""Training against truth: the update is the game's exact gradient; budgets, kills and seeds hold."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from alftbench.backends.hf.scoring import token_log_probs
from alftbench.errors import Diverged, PluginError, RunConflict, UsageError
from alftbench.suites.arithmetic import SUMS
from alftbench.training.train import plan_training, run_training
from alftbench.training.trainer import TrainerSpec, parse_spec
from alftbench.types import Budget, Cost
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.cost import flops_per_token
from alftbench_trainers.loop.limits import Limits, parts
from alftbench_trainers.loop.losses import group_advantages, policy_gradient_loss
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.schedule import schedule
from alftbench_trainers.recipe import Recipe
from tests.helpers import register
from tests.trainers.jobs import job

END, PAD = 3, 0


def small_model(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, pad_token_id=PAD, eos_token_id=END, bos_token_id=None,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def test_the_expected_update_is_the_exact_gradient_of_the_game():
    """J = E[r] − β KL(π‖π₀) over all traces of an enumerated model, by autograd and by policy gradient."""
    model, reference, beta = small_model(1), small_model(2), 0.3
    traces = [(END,), *((a, b) for a, b in product((0, 1, 2), range(4)))]
    reward = torch.linspace(-1, 2, len(traces))
    log_p = token_log_probs(model, [(1, 2)], traces, PAD).sum(-1)
    with torch.no_grad():
        log_p0 = token_log_probs(reference, [(1, 2)], traces, PAD).sum(-1)
    assert float(log_p.detach().exp().sum()) == pytest.approx(1.0, abs=1e-5)

    exact = (log_p.exp() * (reward - beta * (log_p - log_p0))).sum()
    gradient = torch.autograd.grad(exact, list(model.parameters()))

    log_probs = token_log_probs(model, [(1, 2)], traces, PAD)
    weights = log_probs.sum(-1).detach().exp()
    objective = reward - beta * (log_probs.sum(-1).detach() - log_p0)
    advantages = weights * (objective - (weights * objective).sum())  # a baseline leaves the mean unchanged
    loss = policy_gradient_loss(log_probs, advantages, 1)
    for ours, truth in zip(torch.autograd.grad(loss, list(model.parameters())), gradient, strict=True):
        torch.testing.assert_close(-ours, truth, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(("group", "own"), [(2, True), (3, True), (2, False), (3, False)])
def test_group_advantages_give_the_games_gradient(group, own):
    """The expected update over all groups of a three-armed policy; less where a mean holds the rollout."""
    logits = torch.tensor([0.3, -0.5, 0.1], requires_grad=True)
    reward, log_p0, beta = torch.tensor([1.0, 0.0, 2.0]), torch.log(torch.tensor([0.5, 0.3, 0.2])), 0.4
    log_p = torch.log_softmax(logits, -1)
    exact = torch.autograd.grad((log_p.exp() * (reward - beta * (log_p - log_p0))).sum(), logits)[0]
    expected = torch.zeros(3)
    for arms in product(range(3), repeat=group):
        picked = torch.log_softmax(logits, -1)[list(arms)]
        rewards, penalties = reward[list(arms)], beta * (picked.detach() - log_p0[list(arms)])
        baselines = rewards.mean() if own else (rewards.sum() - rewards) / (group - 1)
        advantages = group_advantages(rewards[None], baselines[None], penalties[None], "none", own)[0]
        loss = policy_gradient_loss(picked[:, None], advantages, group)
        chance = float(picked.detach().sum().exp())
        expected -= chance * torch.autograd.grad(loss, logits)[0]
    torch.testing.assert_close(expected, (1 - 1 / group if own else 1) * exact, atol=1e-6, rtol=1e-4)


def test_a_tempered_policy_is_scored_as_it_was_sampled():
    model = small_model(4)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[1, 2]])).logits[0, -1]
        scored = token_log_probs(model, [(1, 2)], [(0,), (1,), (2,), (3,)], PAD, temperature=0.5).sum(-1)
    torch.testing.assert_close(scored, torch.log_softmax(logits / 0.5, -1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("trainer", "budget", "message"),
    [
        ("vanilla-grpo", Budget(tokens=1000), "one step may take 2560"),
        ("vanilla-grpo:orbits=1", Budget(steps=1), "2 suites need one problem each"),
    ],
)
def test_what_cannot_train_is_refused_and_leaves_nothing(tmp_path, trainer, budget, message):
    with pytest.raises(UsageError, match=message):
        run_training(plan_training(job(trainer, budget=budget)), tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_checkpoint_is_not_taken_for_a_new_result(tmp_path):
    run_training(plan_training(job()), tmp_path)
    (tmp_path / "train.json").unlink()
    with pytest.raises(RunConflict, match=r"checkpoint without a train\.json"):
        run_training(plan_training(job(seed=9)), tmp_path)


def test_group_advantages():
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    terms = (rewards, rewards.mean(-1, keepdim=True), torch.zeros(2, 4))
    assert group_advantages(*terms, "none", own=True).tolist() == [[0.5, -0.5, -0.5, 0.5], [0.0] * 4]
    assert group_advantages(*terms, "std", own=True)[0].tolist() == pytest.approx([1.0, -1.0, -1.0, 1.0], abs=1e-3)


def test_chunks_keep_groups_whole_and_cover_everything():
    batch = RolloutBatch(tuple((i,) for i in range(7)), ((0,),) * 28)
    chunks = parts(batch, Limits(10))
    assert [prompt for part, _ in chunks for (prompt,) in part.prompts] == list(range(7))
    assert all(rows == slice(4 * part.prompts[0][0], 4 * part.prompts[-1][0] + 4) for part, rows in chunks)
    assert len(chunks) == 4
    assert parts(batch, Limits(1)) == parts(batch, Limits(4))


def test_a_step_takes_the_same_number_of_problems_from_every_suite():
    suites = plan_training(job()).suites
    seen = [item.orbit.problem.id for step in range(33) for item in schedule(suites, 6, 0, step)]
    splits = [name for name in seen if name.startswith("splits")]
    assert len(splits) == len(seen) / 2
    assert len(set(splits)) == len(suites[1].orbits) == 99  # one whole pass in 33 steps, nothing twice
    assert schedule(suites, 6, 0, 5) == schedule(suites, 6, 0, 5) != schedule(suites, 6, 1, 5)


def test_flops_are_twice_the_weights_and_the_attention_products():
    model = small_model(0)
    weights = sum(p.numel() for p in model.parameters()) - 4 * 8  # the input embedding is looked up
    assert flops_per_token(model, context=10) == 2 * weights + 4 * 1 * 8 * 10


@pytest.mark.parametrize(
    "trainer", ["vanilla-grpo:scale=std,beta=0", "coherence-grpo", "diversity-game:estimator=digamma"]
)
def test_every_reference_trainer_trains_and_repeats_itself(tmp_path, trainer):
    plan = plan_training(job(trainer))
    first, second = (run_training(plan, tmp_path / name) for name in "ab")
    assert first.checkpoint_sha256 == second.checkpoint_sha256
    assert first.steps == 2
    if "beta=0" not in trainer:  # else what has nothing to teach is left out
        assert 2 * 10 < first.cost["backward_passes"] < 2 * 80  # of texts that were drawn twice, one
        assert first.cost["generated_tokens"] > first.cost["trained_tokens"] > 0
    other = run_training(plan_training(job(trainer, seed=1)), tmp_path / "c")
    assert other.checkpoint_sha256 != first.checkpoint_sha256


def test_a_token_budget_is_never_exceeded_and_nearly_used(tmp_path):
    record = run_training(plan_training(job(budget=Budget(tokens=14_000))), tmp_path / "t")
    assert 14_000 - 120 * 32 <= record.cost["generated_tokens"] <= 14_000


def test_specs_have_one_spelling():
    assert parse_spec("a:y=2,x=1") == TrainerSpec("a", (("x", "1"), ("y", "2"))) == parse_spec("a:x=1,y=2")
    assert str(parse_spec("a:y=2,x=1")) == "a:x=1,y=2"
    for wrong in ("a:x", "a:=1", "a:x=1,x=2"):
        with pytest.raises(UsageError):
            parse_spec(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": Budget()}, "give a budget"),
        ({"budget": Budget(tokens=0)}, "--budget-tokens 0"),
        ({"seed": -1}, "--seed -1"),
        ({"suites": ("nothing",)}, "no suite named"),
    ],
)
def test_wrong_jobs_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        plan_training(job(**changes))


class Liar:
    """A trainer that breaks its contract in the way it is told."""

    needs_orbits = False

    def __init__(self, lie):
        self.lie = lie

    def config(self):
        return {}

    def train(self, request):
        from alftbench.training.trainer import TrainResult
        from alftbench.types import Checkpoint

        if self.lie == "crash":
            raise KeyError("oops")
        tokens = 10**9 if self.lie == "tokens" else 1
        flops = float("nan") if self.lie == "nan" else 1.0
        return TrainResult(Checkpoint("nowhere", 1, "0"), Cost(generated_tokens=tokens, flops=flops))


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ("crash", "'vanilla-grpo' failed: KeyError: 'oops'"),
        ("tokens", "generated 1000000000 tokens with a budget of 100000"),
        ("nan", "reports a cost that cannot be: flops: must be a number, is NaN"),
        ("checkpoint", "did not leave the checkpoint"),
    ],
)
def test_a_trainer_that_breaks_its_contract_is_named(tmp_path, lie, message):
    plan = replace(plan_training(job(budget=Budget(tokens=100_000))), trainer=Liar(lie))
    with pytest.raises(PluginError, match=message):
        run_training(plan, tmp_path)
    assert list(tmp_path.iterdir()) == []


GRADER = """
from dataclasses import replace
from alftbench.suites.arithmetic import SUMS
from alftbench.types import Answer, AnswerPartition, GradedOrbit, Outcome

class EvenDraws:
    info = replace(SUMS.info, name="even-draws")
    texts = []

    def orbits(self, split="test", data=None):
        return SUMS.orbits(split, data)

    def grade(self, orbit, samples_VN):
        self.texts += [sample.text for row in samples_VN for sample in row]
        class_VN = tuple(tuple(sample.draw % 2 for sample in row) for row in samples_VN)
        partition = AnswerPartition(orbit.problem.id, ("even", "odd"), (True, False), class_VN, {})
        answers = tuple(tuple(Answer(Outcome.ANSWERED) for _ in row) for row in samples_VN)
        return GradedOrbit(partition, answers)

SUITE = EvenDraws()

class Silent(EvenDraws):
    info = replace(SUMS.info, name="silent")

    def grade(self, orbit, samples_VN):
        return GradedOrbit(AnswerPartition(orbit.problem.id, (), (), ((),) * len(samples_VN), {}), ((),))

SILENT = Silent()
"""


@pytest.fixture
def grading_suites(tmp_path, monkeypatch):
    """A package from outside with two suites that grade by rules of their own."""
    site = tmp_path / "site"
    suites = "[alftbench.suites]\neven-draws = grading_plugin:SUITE\nsilent = grading_plugin:SILENT\n"
    register(site, "grading-plugin", suites)
    (site / "grading_plugin.py").write_text(GRADER, encoding="utf-8")
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("grading_suites")
def test_training_goes_by_the_suites_own_verdicts(tmp_path):
    """Every second draw is right, whatever it says: the default rules find other shares."""
    rewards = {}
    for suite in ("even-draws", "sums"):
        run_training(plan_training(job(suites=(suite,), budget=Budget(steps=1))), tmp_path / suite)
        [update] = map(json.loads, (tmp_path / suite / "updates.jsonl").read_text(encoding="utf-8").splitlines())
        assert update["reward"] == update["accuracy"]
        rewards[suite] = update["reward"]
    assert rewards["even-draws"] == 0.5 != rewards["sums"]
    texts = sys.modules["grading_plugin"].SUITE.texts
    assert len(texts) == 2 * 6 * 8
    assert all(texts)


@pytest.mark.usefixtures("grading_suites")
def test_a_suite_that_leaves_samples_without_a_verdict_is_named(tmp_path):
    plan = plan_training(job(suites=("silent",), budget=Budget(steps=1)))
    with pytest.raises(
        PluginError, match=r"suite 'silent', problem .*: grade.. does not give every sample an answer and a class"
    ):
        run_training(plan, tmp_path / "run")


def test_answers_end_where_the_suites_stop_string_begins(tmp_path):
    """As in an evaluation: nothing after the first stop string is read."""
    plan = plan_training(job(suites=("sums",), budget=Budget(steps=1)))
    info = replace(SUMS.info, sampling=replace(SUMS.info.sampling, stop=("Answer",)))
    stopped = replace(plan, suites=(replace(plan.suites[0], suite=replace(SUMS, info=info)),))
    rewards = []
    for name, each in (("whole", plan), ("stopped", stopped)):
        run_training(each, tmp_path / name)
        rewards.append(json.loads((tmp_path / name / "updates.jsonl").read_text(encoding="utf-8"))["reward"])
    assert rewards[0] > 0.3
    assert rewards[1] == 0


def of_rule(rule, **changes):
    """A plan that trains by a rule."""
    recipe = Recipe("mine", "A rule of one's own.", GroupOptions, rule)
    return replace(plan_training(job(budget=Budget(steps=1), **changes)), trainer=recipe({}))


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (
            lambda record, options: np.log(record.class_VG * 0.0 - 1),
            Diverged,
            "the reward of mine is NaN for a rollout",
        ),
        (
            lambda record, options: 1 / (record.class_VG * 0.0),
            Diverged,
            "the reward of mine is infinite for a rollout",
        ),
        (
            lambda record, options: record.class_VG[0],
            PluginError,
            r"has the shape \(8,\), not \(V, G\) = \(6, 8\)",
        ),
        (lambda record, options: None, PluginError, r"the reward of mine has the shape \(\), not \(V, G\)"),
        (lambda record, options: record.colour, PluginError, "the reward of mine failed: AttributeError"),
        (lambda record, options: ["a"], PluginError, "the reward of mine failed: ValueError"),
    ],
)
@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero):RuntimeWarning")
def test_a_rule_that_breaks_its_contract_is_named(tmp_path, rule, error, message):
    with pytest.raises(error, match=message):
        run_training(of_rule(rule, suites=("sums",)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_rule_sees_what_was_sampled(tmp_path):
    seen = []

    def rule(record, options):
        seen.append(record)
        return record.tokens_VG

    record = run_training(of_rule(rule, suites=("sums",)), tmp_path)
    drawn = {
        id(orbit.text_VG): int(orbit.tokens_VG.sum()) for orbit in seen
    }  # asked again with labels turned round
    assert sum(drawn.values()) == record.cost["generated_tokens"]
    for orbit in seen:
        assert orbit.class_VG.shape == orbit.tokens_VG.shape == (6, 8)
        assert np.array(orbit.text_VG).shape == np.array(orbit.finish_reason_VG).shape == (6, 8)
        assert {reason for row in orbit.finish_reason_VG for reason in row} <= {"stop", "length"}
        assert orbit.class_VG.max() < orbit.correct_Z.size
