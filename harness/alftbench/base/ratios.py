"""Ratios of means over seeds and problems, such as how often two phrasings agree relative to one with itself.

A mean of ratios is biased and undefined where a problem's denominator is 0; the ratio of means is neither. To
first order it is a mean again, of

    R + (x_sp − R y_sp) / mean(y),   R = Σ x_sp / Σ y_sp,

so intervals and paired tests of means serve it as they stand (the delta method).
"""

from __future__ import annotations

import numpy as np

from alftbench.base.arrays import FloatArray


def linearised(numerator_SP: FloatArray, denominator_SP: FloatArray) -> FloatArray:
    """Values whose mean is the ratio of two means and whose spread is, to first order, that of the ratio.

    Args:
        numerator_SP: per seed and problem; NaN where undefined.
        denominator_SP: likewise.

    Returns:
        Shape (S, P), NaN in every row of a problem for which either is undefined in any; all NaN where the
        denominators sum to 0.
    """
    undefined_P = np.isnan(numerator_SP + denominator_SP).any(axis=0)
    x_SP, y_SP = numerator_SP[:, ~undefined_P], denominator_SP[:, ~undefined_P]
    values_SP = np.full(numerator_SP.shape, np.nan)
    if y_SP.sum() > 0:
        ratio = x_SP.sum() / y_SP.sum()
        values_SP[:, ~undefined_P] = ratio + (x_SP - ratio * y_SP) / y_SP.mean()
    return values_SP
