"""Population objectives: what the rules of this package ascend as G → ∞, where their update is a gradient.

Each takes answer marginals p_VZ, correct_Z and the rule's settings; over phrasings it is the mean (weights 1/V),
and V ∂J/∂p_v(z) is the rule's reward but for a constant per phrasing. In units of reward.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr, xlogy

from alftbench.base.arrays import FloatArray
from alftbench.games.rewards.group import BoolArray


def nothing(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """0."""
    return 0.0


def right(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """Σ c p."""
    return float(_right(p_VZ, correct_Z).mean())


def right_and_punished(p_VZ: FloatArray, correct_Z: BoolArray, positive: float) -> float:
    """(1 + λ₊) Σ c p."""
    return (1 + positive) * right(p_VZ, correct_Z)


def passed(p_VZ: FloatArray, correct_Z: BoolArray, true_positive: float, false_positive: float) -> float:
    """Youden's J times Σ c p."""
    return (true_positive - false_positive) * right(p_VZ, correct_Z)


def rewarded_at_random(p_VZ: FloatArray, correct_Z: BoolArray, rate: float) -> float:
    """The rate, whatever the policy does."""
    return rate


def entropy(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """−Σ p log p."""
    return -_mean(xlogy(p_VZ, p_VZ))


def gini(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """−½ Σ p²."""
    return -_mean(p_VZ**2) / 2


def tsallis(p_VZ: FloatArray, correct_Z: BoolArray, alpha: float) -> float:
    """(1 − Σ p^α)/(α − 1)."""
    return (1 - _mean(p_VZ**alpha)) / (alpha - 1)


def right_and_even(p_VZ: FloatArray, correct_Z: BoolArray, weight: float) -> float:
    """Σ c p + λ p_c H(p given right)."""
    given_right = p_VZ / _right(p_VZ, correct_Z)[:, None]
    return right(p_VZ, correct_Z) - weight * _mean(correct_Z * xlogy(p_VZ, given_right))


def right_and_smooth(p_VZ: FloatArray, correct_Z: BoolArray, weight: float) -> float:
    """(1 + λ) Σ c p − λ Σ c p log p."""
    return (1 + weight) * right(p_VZ, correct_Z) - weight * _mean(correct_Z * xlogy(p_VZ, p_VZ))


def concentration(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """½ Σ p²."""
    return _mean(p_VZ**2) / 2


def log_right_each(p_VZ: FloatArray, correct_Z: BoolArray, floor: float) -> float:
    """Σ c log p, below ε its tangent p/ε − 1 + log ε."""
    above = np.maximum(p_VZ, max(floor, np.finfo(float).tiny))
    below = np.minimum(p_VZ / floor - 1, 0.0) if floor else 0.0
    return _mean(correct_Z * (np.log(above) + below))


def escort(p_VZ: FloatArray, correct_Z: BoolArray, power: float) -> float:
    """Σ c p^{1−α}/(1−α); Σ c log p at α = 1."""
    if power == 1:
        return log_right_each(p_VZ, correct_Z, 0.0)
    return _mean(correct_Z * p_VZ ** (1 - power)) / (1 - power)


def right_less_repeats(p_VZ: FloatArray, correct_Z: BoolArray, weight: float) -> float:
    """Σ c p − (λ/2) Σ p²."""
    return right(p_VZ, correct_Z) - weight / 2 * _mean(p_VZ**2)


def right_and_different(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """Σ c (p − p²/2)."""
    return _mean(correct_Z * (p_VZ - p_VZ**2 / 2))


def largest(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """The largest p."""
    return float(p_VZ.max(axis=-1).mean())


def one_of_k_right(p_VZ: FloatArray, correct_Z: BoolArray, k: int | None) -> float:
    """pass@k over k; nothing of it is left where k grows with the group."""
    return 0.0 if k is None else float((1 - (1 - _right(p_VZ, correct_Z)) ** k).mean()) / k


def log_right(p_VZ: FloatArray, correct_Z: BoolArray, order: int | None) -> float:
    """Log p_c, or the first terms of its series: −Σ_{k≤T} (1 − p_c)^k/k."""
    right_V = _right(p_VZ, correct_Z)
    if order is None:
        return float(np.log(right_V).mean())
    return -sum(float(((1 - right_V) ** k).mean()) / k for k in range(1, order + 1))


def log_moment(p_VZ: FloatArray, correct_Z: BoolArray, risk: float) -> float:
    """Log E e^{βc}."""
    return float(np.log1p(np.expm1(risk) * _right(p_VZ, correct_Z)).mean()) / risk


def focal_right(p_VZ: FloatArray, correct_Z: BoolArray, gamma: float) -> float:
    """−(1 − p_c)^{γ+1}/(γ+1)."""
    return -float(((1 - _right(p_VZ, correct_Z)) ** (gamma + 1)).mean()) / (gamma + 1)


def sharpness_of_mean(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """Σ q log q, q the phrasings' mean."""
    mean_Z = p_VZ.mean(axis=0)
    return float(xlogy(mean_Z, mean_Z).sum())


def agreement(p_VZ: FloatArray, correct_Z: BoolArray) -> float:
    """−JSD of the phrasings."""
    return -_mean(rel_entr(p_VZ, p_VZ.mean(axis=0)))


def agreement_by_pairs(p_VZ: FloatArray, correct_Z: BoolArray, smoothing: float) -> float:
    """−Σ_{i≠j} w_i w_j KL(p_i‖p_j); as G → ∞ smoothing is nothing."""
    pairs = rel_entr(p_VZ[:, None], p_VZ[None, :]).sum(axis=-1)
    return -float(pairs.mean())


def anchored(p_VZ: FloatArray, correct_Z: BoolArray, log_p0_VZ: FloatArray, kl: float) -> float:
    """Σ c p (1 + β (log p₀(anchor) − log p₀)), the anchor the likeliest right answer."""
    anchor = np.where(correct_Z, log_p0_VZ, -np.inf).max(axis=-1, keepdims=True)
    return _mean(np.where(correct_Z, p_VZ * (1 + kl * (anchor - log_p0_VZ)), 0.0))


def _right(p_VZ: FloatArray, correct_Z: BoolArray) -> FloatArray:
    return np.asarray((p_VZ * correct_Z).sum(axis=-1))


def _mean(terms_VZ: NDArray[Any]) -> float:
    """The mean over phrasings of a sum over answers."""
    return float(terms_VZ.sum(axis=-1).mean())
