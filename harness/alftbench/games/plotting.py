"""Pictures of a solution; matplotlib is imported only here and only when asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alftbench.errors import MissingExtra, UsageError
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


def check_picture(path: str | Path) -> None:
    """Refuse what `plot` could not write, before there is anything to lose.

    Raises:
        UsageError: a suffix that names no format of pictures, or a folder that does not exist.
        MissingExtra: matplotlib is not installed.
    """
    path = Path(path)
    known = new_figure(1.0, 1.0).canvas.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in known:
        raise UsageError(f"{path}: no format of pictures has this suffix; known: {', '.join(sorted(known))}")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")


def plot(solution: Solution, path: str | Path) -> None:
    """Draw reference, equilibrium and target per answer, and the gap against iteration.

    Args:
        solution: what to draw.
        path: the image file; its suffix picks the format.

    Raises:
        UsageError: the file cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    check_picture(path)
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_answers(left, solution)
    _draw_gap(right, solution)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error


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
    # An answer may hold a dollar sign or half a formula: it is drawn as it stands.
    names = [solution.game.answers[z] for z in shown]
    axes.set_xticks(at, names, rotation=45, ha="right", parse_math=False)
    axes.set_ylabel("probability (orbit average)")
    axes.set_title(solution.game.objective.name)
    axes.legend(frameon=False)


def _draw_gap(axes: Axes, solution: Solution) -> None:
    """Nash gap against iteration, on a logarithmic scale; gaps below 1e-18 are drawn there."""
    gaps = np.array(solution.history.gap_T or (solution.gap,))
    kept = np.isfinite(gaps)
    axes.semilogy(np.flatnonzero(kept), np.maximum(gaps[kept], 1e-18), "o-", markersize=3)
    regrets = (("policies", solution.history.policy_regret_T), ("target", solution.history.target_regret_T))
    for player, regret_T in regrets:
        if regret_T:  # A player that foresees the other can have less than none: left out of a logarithm.
            shown = [regret if regret > 0 else np.nan for regret in regret_T]
            axes.semilogy(np.arange(len(shown)), shown, label=f"regret of the {player}")
            axes.legend(frameon=False)
    axes.set_xlabel("iteration")
    axes.set_ylabel("average regrets, and their sum" if regrets[0][1] else "Nash gap (reward)")
    axes.set_title(f"{solution.method}: {solution.status}")
