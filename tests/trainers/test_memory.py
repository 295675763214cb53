"""A target that remembers: against sums written out, across saving and loading, and as rules see it."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from alftbench.errors import BadInput, UsageError
from alftbench.games.rewards import (
    FromCounts,
    FromMemory,
    GroupRecord,
    baselines,
    coherence,
    consensus,
    entropy,
)
from alftbench_trainers.loop.memory import FILE, AnswerMemory
from alftbench_trainers.loop.rollouts import OrbitRollouts
from alftbench_trainers.recipes.coherence_grpo import COHERENCE_GRPO
from alftbench_trainers.recipes.diversity_game import DIVERSITY_GAME

STEPS = [  # the names of a step's classes, and the class of every rollout
    (("a", "b"), [[0, 0, 1, -1], [1, 1, 1, 1]]),
    (("b", "c"), [[0, 0, 0, 1], [1, 0, 0, -1]]),
    (("a", "b", "c"), [[2, 2, 1, 0], [0, 1, 2, 2]]),
]


def rollouts(answers, class_VG, problem="p"):
    record = GroupRecord(np.array(class_VG), np.zeros(len(answers), dtype=bool))
    return OrbitRollouts("s", problem, answers, ((), ()), ((), ()), record)


def running_shares(steps, decay, v, answer):
    """Σ_k ρ^{t−k} (1−ρ) n_k/G ÷ (1 − ρ^t), written out."""
    t = len(steps)
    drawn = [sum(z >= 0 and names[z] == answer for z in class_VG[v]) / 4 for names, class_VG in steps]
    return sum(decay ** (t - 1 - k) * (1 - decay) * share for k, share in enumerate(drawn)) / (1 - decay**t)


def test_what_is_remembered_is_the_running_mean_of_all_steps():
    memory = AnswerMemory(0.7)
    for t, (names, class_VG) in enumerate(STEPS, start=1):
        memory.recall(rollouts(("x",), [[0] * 4, [0] * 4], problem="another"))
        record = memory.recall(rollouts(names, class_VG)).record
        ours = record.remembered.shares(record.counts_VZ, 4)
        truth = [[running_shares(STEPS[:t], 0.7, v, name) for name in names] for v in range(2)]
        np.testing.assert_allclose(ours, truth, atol=1e-12)


def test_rules_read_the_memory():
    memory, target = AnswerMemory(0.5), FromMemory()
    for names, class_VG in STEPS:
        record = memory.recall(rollouts(names, class_VG)).record
    p = {(v, name): running_shares(STEPS, 0.5, v, name) for v in range(2) for name in "abc"}
    q = {name: (p[0, name] + p[1, name]) / 2 for name in "abc"}
    drawn = [[names[z] for z in row] for row in class_VG]
    np.testing.assert_allclose(
        entropy(record, target), [[-log(p[v, z]) for z in row] for v, row in enumerate(drawn)]
    )
    np.testing.assert_allclose(consensus(record, target), [[log(q[z]) for z in row] for row in drawn])
    difference = consensus(record, target) + entropy(record, target)
    np.testing.assert_allclose(coherence(record, target), difference)


def test_the_first_meeting_is_the_plug_in_and_silence_never_pays():
    class_VG = [[0, 0, 1, -1], [1, 1, 1, 1]]
    record = AnswerMemory(0.9).recall(rollouts(("a", "b"), class_VG)).record
    answered = record.answered_VG
    for rule in (entropy, consensus, coherence):
        remembered, counted = (rule(record, target) for target in (FromMemory(), FromCounts("plug-in")))
        np.testing.assert_allclose(remembered[answered], counted[answered])
        assert remembered[0][3] <= remembered[0][:3].min() + 1e-12


def test_a_memory_comes_back_exactly(tmp_path):
    memory, again = AnswerMemory(0.9), None
    for names, class_VG in STEPS[:2]:
        memory.recall(rollouts(names, class_VG))
    memory.save(tmp_path)
    again = AnswerMemory.load(tmp_path, 0.9)
    assert again.problems == memory.problems
    first, second = (m.recall(rollouts(*STEPS[2])).record for m in (memory, again))
    np.testing.assert_array_equal(consensus(first, FromMemory()), consensus(second, FromMemory()))
    (tmp_path / FILE).write_text("[1]", encoding="utf-8")
    with pytest.raises(BadInput, match=r"memory\.json"):
        AnswerMemory.load(tmp_path, 0.9)


def test_without_a_memory_nothing_is_kept(tmp_path):
    memory = AnswerMemory(0.0)
    seen = rollouts(*STEPS[0])
    assert memory.recall(seen) is seen
    memory.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert AnswerMemory.load(tmp_path, 0.0).problems == {}


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (DIVERSITY_GAME, {"memory": "0.9", "estimator": "minimax"}, "a memory estimates log p itself"),
        (COHERENCE_GRPO, {"memory": "1"}, "memory"),
        (COHERENCE_GRPO, {"estimator": "minimax", "objective": "consensus"}, "draws of one distribution"),
        (COHERENCE_GRPO, {"pooled": "minimax"}, "plug-in"),
        (DIVERSITY_GAME, {"baseline": "jackknife", "group": "2"}, "at least 3"),
        (DIVERSITY_GAME, {"baseline": "median"}, "jackknife"),
    ],
)
def test_what_an_option_cannot_do_is_refused_with_the_reason(recipe, options, message):
    with pytest.raises(UsageError, match=message):
        recipe(options)


def test_a_jackknife_with_a_memory_does_not_know_the_rollouts_answer():
    """Whatever it answered, also something new: columns of the record are the answers of this step alone."""
    rule = lambda record: entropy(record, FromMemory())  # noqa: E731
    values = []
    for names, first in ((("a", "b"), 0), (("a", "b"), 1), (("a", "b", "c"), 2)):
        memory = AnswerMemory(0.9)
        for _ in range(5):
            memory.recall(rollouts(("a", "b"), [[0] * 9 + [1]] * 2))
        record = memory.recall(rollouts(names, [[first, 1, -1, 1], [1, 1, 0, 0]])).record
        values.append(baselines(rule, record, rule(record), "jackknife")[0, 0])
    assert values == pytest.approx([values[0]] * 3)
