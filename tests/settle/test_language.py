import itertools

import numpy as np
import pytest
import torch

from alftbench.settle.language import CausalPolicy, TraceTree, make_language, marginals, skewed_marginals


@pytest.fixture
def tree():
    return TraceTree(vocabulary=4, length=3, answers=5)


def test_the_probabilities_of_all_traces_sum_to_one(tree):
    log_pi_PY = CausalPolicy(tree, prompts=3, width=16, seed=2)().detach().numpy()
    assert log_pi_PY.shape == (3, 64)
    np.testing.assert_allclose(np.exp(log_pi_PY).sum(axis=1), 1, rtol=0, atol=1e-14)


def test_one_pass_over_the_tree_equals_scoring_token_by_token(tree):
    policy = CausalPolicy(tree, prompts=2, width=16, seed=3)
    whole_PY = policy().detach().numpy()
    prefixes = [p for depth in range(3) for p in itertools.product(range(4), repeat=depth)]
    row_of = {prefix: policy.features_NF[i : i + 1] for i, prefix in enumerate(prefixes)}
    for y in (0, 17, 38, 63):
        tokens = tuple(int(t) for t in tree.tokens_YT[y])
        steps = [policy.next_token_log_probs(row_of[tokens[:t]])[:, 0, tokens[t]] for t in range(3)]
        np.testing.assert_allclose(whole_PY[:, y], torch.stack(steps).sum(0).detach().numpy(), atol=1e-13)


def test_prefix_features_tell_every_prefix_from_every_other(tree):
    assert len(np.unique(tree.features_NF, axis=0)) == 1 + 4 + 16


def test_marginals_equal_brute_force(tree):
    log_pi_PY = CausalPolicy(tree, prompts=2, width=16, seed=4)().detach().numpy()
    by_hand = np.zeros((2, 5))
    for y, tokens in enumerate(itertools.product(range(4), repeat=3)):
        by_hand[:, sum(tokens) % 5] += np.exp(log_pi_PY[:, y])
    np.testing.assert_allclose(np.exp(marginals(tree, log_pi_PY)), by_hand, atol=1e-14)


def test_wanted_marginals_have_the_wanted_skew():
    p_PZ = np.exp(skewed_marginals(prompts=4, answers=8, skew=12.0, seed=0))
    np.testing.assert_allclose(p_PZ.max(axis=1) / p_PZ.min(axis=1), 12)
    assert len(np.unique(p_PZ.round(6), axis=0)) == 4


def test_the_reference_is_what_its_parameters_give_and_is_skewed(language):
    np.testing.assert_array_equal(language.log_probs(language.parameters), language.log_pi0_PY)
    np.testing.assert_array_equal(language.policy()().detach().numpy(), language.log_pi0_PY)
    assert language.skew >= 5


def test_the_same_seed_gives_the_same_language(language):
    again = make_language(language.tree, 2, 8, 12.0, seed=1, steps=150)
    np.testing.assert_array_equal(again.log_pi0_PY, language.log_pi0_PY)
