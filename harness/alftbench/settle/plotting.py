"""Pictures of a report; matplotlib is imported only here and only when asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alftbench.games.plotting import new_figure
from alftbench.settle.report import SettleReport
from alftbench.settle.settings import TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MEASURES = {"tv": "TV to $p^*$", "gap": "Nash gap (reward)", "drift": "trace drift (nats)"}
_GROUP = 8
_SWEPT = {
    "reference": "0.6",
    "hard coherence (geometric)": "C0",
    "two-step, arithmetic": "C1",
    "soft coherence, λ = 2β": "C2",
    "soft coherence, λ = 20β": "C3",
    "frozen arithmetic consensus, λ = β": "C4",
    "free consensus, λ = 0.8β": "C5",
}


def draw_report(report: SettleReport, path: Path) -> None:
    """Distance, gap and drift against sampled tokens; predicted against found; the heterogeneity sweep.

    Args:
        report: what to draw.
        path: the image file; its suffix picks the format.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(13.0, 7.5)
    axes = figure.subplots(2, 3)
    for place, measure in zip(axes[0], _MEASURES, strict=True):
        _draw_history(place, report, measure)
    _draw_prediction(axes[1, 0], report)
    _draw_sweep(axes[1, 1], report, "right", "probability of the right answer")
    _draw_sweep(axes[1, 2], report, "disagreement", "disagreement (nats)")
    axes[0, 0].legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
    axes[1, 2].legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=90)


def _draw_history(axes: Axes, report: SettleReport, measure: str) -> None:
    """One line per target player, the mean over seeds with their range."""
    for i, target in enumerate(TARGETS):
        variant = f"diversity/sampled/{target}/G{_GROUP}"
        runs = [arm["history"] for arm in report.arms if arm["variant"] == variant]
        if not runs:
            continue
        tokens = [mark["tokens"] / 1e6 for mark in runs[0]]
        values = np.maximum([[mark[measure] for mark in run] for run in runs], 1e-7)
        axes.plot(tokens, values.mean(axis=0), color=f"C{i}", label=target)
        axes.fill_between(tokens, values.min(axis=0), values.max(axis=0), color=f"C{i}", alpha=0.15, lw=0)
    axes.set_yscale("log")
    axes.set_xlabel("sampled tokens (millions)")
    axes.set_ylabel(_MEASURES[measure])
    axes.set_title(f"diversity, group size {_GROUP}", fontsize=10)


def _draw_prediction(axes: Axes, report: SettleReport) -> None:
    """Predicted bias against what was found, one point per variant."""
    for i, game in enumerate(("diversity", "coherence", "correctness")):
        chosen = [r for r in report.rows() if r.variant.startswith(f"{game}/sampled") and r.bias.n]
        across = [max(r.bias.mean, 1e-4) for r in chosen]
        axes.loglog(across, [r.averaged.mean for r in chosen], "os^"[i], color=f"C{i}", label=game, ms=5)
    ends = np.array([1e-4, 1.0])
    axes.loglog(ends, ends, color="0.7", lw=1)
    axes.set_xlabel("predicted TV (bias; below 1e-4 drawn there)")
    axes.set_ylabel("found TV, averaged parameters")
    axes.set_title("population fixed point", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _draw_sweep(axes: Axes, report: SettleReport, measure: str, label: str) -> None:
    """One line per method against heterogeneity."""
    for method, color in _SWEPT.items():
        points = [p for p in report.sweep if p.method == method and not np.isnan(p.right)]
        axes.plot([p.heterogeneity for p in points], [getattr(p, measure) for p in points], ".-", color=color,
                  label=method)  # fmt: skip
    axes.set_xlabel("heterogeneity h")
    axes.set_ylabel(label)
    axes.set_title("phrasings grow apart (tabular)", fontsize=10)
