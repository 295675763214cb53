"""Pictures of a solution; matplotlib is imported only here and only when asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alftbench.errors import MissingExtra
from alftbench.games.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN_ANSWERS = 30


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that needs no display.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot(solution: Solution, path: str | Path) -> None:
    """Draw reference, equilibrium and target per answer, and the gap against iteration.

    Args:
        solution: what to draw.
        path: the image file; its suffix picks the format.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_answers(left, solution)
    _draw_gap(right, solution)
    figure.savefig(path, dpi=150)


def _draw_answers(axes: Axes, solution: Solution) -> None:
    """Probability per answer, the most probable first; bars span the prompts of the orbit."""
    weights_P = solution.game.weights_P
    before = weights_P @ np.exp(solution.game.log_reference_PZ)
    after = weights_P @ solution.p_PZ
    shown = np.argsort(-np.maximum(before, after), kind="stable")[:_SHOWN_ANSWERS]
    at = np.arange(shown.size)
    axes.bar(at - 0.2, before[shown], 0.4, color="0.75", label="reference $p_0$")
    axes.bar(at + 0.2, after[shown], 0.4, color="C0", label="equilibrium $p^*$")
    if solution.target_Z is not None:
        axes.plot(at, solution.target_Z[shown], "k_", markersize=10, label="target $q$")
    axes.set_xticks(at, [solution.game.answers[z] for z in shown], rotation=45, ha="right")
    axes.set_ylabel("probability (orbit average)")
    axes.set_title(solution.game.objective.name)
    axes.legend(frameon=False)


def _draw_gap(axes: Axes, solution: Solution) -> None:
    """Nash gap against iteration, on a logarithmic scale; gaps below 1e-18 are drawn there."""
    gaps = np.array(solution.history.gap_T or (solution.gap,))
    kept = np.isfinite(gaps)
    axes.semilogy(np.flatnonzero(kept), np.maximum(gaps[kept], 1e-18), "o-", markersize=3)
    axes.set_xlabel("iteration")
    axes.set_ylabel("Nash gap (reward)")
    axes.set_title(f"{solution.method}: {solution.status}")
