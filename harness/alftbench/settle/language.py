"""A neural language model so small that every trace can be written down.

Traces are all sequences of `length` tokens over a small vocabulary, and a trace's answer is the sum of its tokens
modulo the number of answers. A causal network scores the next token after every prefix; because the prefixes form
a tree, one pass over its nodes gives the log-probability of every trace of every prompt, with gradients.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from alftbench.base.arrays import FloatArray, IntArray
from alftbench.base.seeds import stream
from alftbench.games.game import Prompt
from alftbench.games.numerics import log_normalise
from alftbench.games.traces import lift, marginalise

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class TraceTree:
    """All traces of one length, in lexicographic order, and the prefixes that lead to them.

    Args:
        vocabulary: number of tokens V.
        length: tokens per trace T.
        answers: number of answer classes Z; the answer of y is Σ_t y_t mod Z.
    """

    vocabulary: int = 6
    length: int = 4
    answers: int = 8

    @property
    def n_traces(self) -> int:
        """Y = V^T."""
        return int(self.vocabulary**self.length)

    @cached_property
    def tokens_YT(self) -> IntArray:
        """The tokens of every trace."""
        return np.array(list(itertools.product(range(self.vocabulary), repeat=self.length)), dtype=np.int64)

    @cached_property
    def answer_Y(self) -> IntArray:
        """E(y) = Σ_t y_t mod Z."""
        return np.asarray(self.tokens_YT.sum(axis=1) % self.answers)

    @cached_property
    def features_NF(self) -> FloatArray:
        """What the network sees at each prefix: its length and, for every position, its token, one-hot.

        N = 1 + V + … + V^{T−1} prefixes, the shortest first, each length in lexicographic order.
        """
        V, T = self.vocabulary, self.length
        rows = []
        for depth in range(T):
            for prefix in itertools.product(range(V), repeat=depth):
                row = np.zeros(T + (T - 1) * V)
                row[depth] = 1.0
                for position, token in enumerate(prefix):
                    row[T + position * V + token] = 1.0
                rows.append(row)
        return np.stack(rows)


class CausalPolicy(nn.Module):
    """π(y_t | x, y_<t): a two-layer perceptron over the prompt and the prefix.

    Args:
        tree: the traces.
        prompts: number of prompts P; each has a learned embedding, all else is shared.
        width: hidden units.
        seed: of the initial parameters.
    """

    features_NF: Tensor

    def __init__(self, tree: TraceTree, prompts: int, width: int, seed: int) -> None:
        super().__init__()
        self.tree = tree
        rng = stream(seed, "policy")
        features = tree.features_NF
        self.register_buffer("features_NF", torch.from_numpy(features), persistent=False)

        def drawn(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.from_numpy(scale * rng.standard_normal(shape)))

        self.embed_PH = drawn(prompts, width, scale=1.0)
        self.read_FH = drawn(features.shape[1], width, scale=0.7)
        self.mix_HH = drawn(width, width, scale=1.5 / width**0.5)
        self.mix_H = drawn(width, scale=0.1)
        self.write_HV = drawn(width, tree.vocabulary, scale=1.0 / width**0.5)
        self.write_V = drawn(tree.vocabulary, scale=0.1)

    def next_token_log_probs(self, features_NF: Tensor) -> Tensor:
        """Log π(token | prompt, prefix) for every prompt and the given prefixes, shape (P, N, V)."""
        hidden = torch.tanh(self.embed_PH[:, None] + features_NF @ self.read_FH)
        hidden = torch.tanh(hidden @ self.mix_HH + self.mix_H)
        return torch.log_softmax(hidden @ self.write_HV + self.write_V, dim=-1)

    def forward(self) -> Tensor:
        """Log π(y | x) of every trace of every prompt, shape (P, Y): log π(y) = Σ_t log π(y_t | y_<t)."""
        steps_PNV = self.next_token_log_probs(self.features_NF)
        prompts, V = steps_PNV.shape[0], self.tree.vocabulary
        total, first = steps_PNV[:, 0], 1
        for depth in range(1, self.tree.length):
            level = steps_PNV[:, first : first + V**depth]
            total = (total[:, :, None] + level).reshape(prompts, -1)
            first += V**depth
        return total


@dataclass(frozen=True, eq=False)
class Language:
    """A reference policy with everything about it known.

    Args:
        tree: its traces.
        parameters: of the reference policy π0.
        log_pi0_PY: log π0(y | x) of every trace.
        width: hidden units of the network.
    """

    tree: TraceTree
    parameters: Parameters
    log_pi0_PY: FloatArray
    width: int

    def policy(self, parameters: Parameters | None = None) -> CausalPolicy:
        """A trainable policy in float64 with the given parameters; the reference if none are given."""
        policy = CausalPolicy(self.tree, self.log_pi0_PY.shape[0], self.width, seed=0)
        policy.load_state_dict(self.parameters if parameters is None else parameters)
        return policy

    def log_probs(self, parameters: Parameters) -> FloatArray:
        """Log π_PY of the policy with these parameters, in float64."""
        with torch.no_grad():
            scored: FloatArray = self.policy(parameters)().numpy()
        return scored

    @cached_property
    def log_p0_PZ(self) -> FloatArray:
        """The reference's log answer marginals, by direct marginalisation."""
        return marginals(self.tree, self.log_pi0_PY)

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The reference's traces as the prompts of a game."""
        return tuple(Prompt(self.tree.answer_Y, row) for row in self.log_pi0_PY)

    @property
    def skew(self) -> float:
        """The least over prompts of max p0 / min p0."""
        return float(np.exp(np.ptp(self.log_p0_PZ, axis=1).min()))


def marginals(tree: TraceTree, log_pi_PY: FloatArray) -> FloatArray:
    """Log answer marginals log p_i(z) = log Σ_{y: E(y)=z} π_i(y) of every prompt, shape (P, Z)."""
    return np.stack([marginalise(tree.answer_Y, row, tree.answers) for row in log_pi_PY])


def skewed_marginals(prompts: int, answers: int, skew: float, seed: int) -> FloatArray:
    """Random answer marginals with max/min = skew in every prompt, alike but not equal across prompts.

    Half of the spread of log p0 is shared by the prompts, as phrasings of one question would share it.
    """
    rng = stream(seed, "marginals")
    shared = rng.permutation(answers) / (answers - 1)
    own = np.stack([rng.permutation(answers) / (answers - 1) for _ in range(prompts)])
    raw = shared + own
    low, high = raw.min(axis=1, keepdims=True), raw.max(axis=1, keepdims=True)
    return log_normalise(np.log(skew) * (raw - low) / (high - low))


def make_language(tree: TraceTree, prompts: int, width: int, skew: float, seed: int, steps: int = 400) -> Language:
    """A reference policy whose answer marginals are skewed: fitted, then taken as it is.

    The wanted distribution keeps the random network's traces given the answer and gives each prompt skewed
    answer marginals. The network is fitted to it by exact cross-entropy. The reference is what the network
    reached, so no error of the fit enters any later figure.

    Args:
        tree: the traces.
        prompts: number of prompts P.
        width: hidden units.
        skew: wanted max/min of every prompt's answer marginals.
        seed: of parameters and marginals.
        steps: of the fit.
    """
    policy = CausalPolicy(tree, prompts, width, seed)
    with torch.no_grad():
        start_PY = policy().numpy()
    wanted_PZ = skewed_marginals(prompts, tree.answers, skew, seed)
    rows = zip(start_PY, marginals(tree, start_PY), wanted_PZ, strict=True)
    wanted_PY = torch.from_numpy(np.exp([lift(tree.answer_Y, row, old, new) for row, old, new in rows]))
    optimiser = torch.optim.Adam(policy.parameters(), lr=1e-2)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        optimiser.zero_grad()
        loss = -(wanted_PY * policy()).sum() / prompts
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        log_pi0_PY = policy().numpy()
    parameters = {name: value.detach().clone() for name, value in policy.state_dict().items()}
    return Language(tree, parameters, log_pi0_PY, width)
