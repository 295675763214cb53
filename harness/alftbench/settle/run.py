"""The whole experiment: every arm once, one line on disk per finished arm."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.base.jsonio import digest, write_json
from alftbench.errors import AlftbenchError
from alftbench.games import solve, total_variation
from alftbench.games.rewards.fixed_point import FixedPoint
from alftbench.settle.descent import Played, play_exact, play_sampled
from alftbench.settle.language import Language, TraceTree, make_language
from alftbench.settle.measure import Distance, Settled, settled
from alftbench.settle.population import fixed_point
from alftbench.settle.report import SettleReport
from alftbench.settle.runner import Row, play_all
from alftbench.settle.settings import Arm, SettleSettings, arms
from alftbench.settle.sweep import sweep
from alftbench.types import Listener, nobody

SCHEMA = 1
LEAST_SKEW = 5.0


def run(settings: SettleSettings, folder: Path, listen: Listener = nobody) -> SettleReport:
    """Run every arm that the folder does not hold yet, then report on all of them.

    Killing it loses at most one arm; the same settings in the same folder continue, and more seeds or the full
    grid extend what is there.

    Args:
        settings: what to run.
        folder: gets arms.jsonl (one line per arm), and from `SettleReport.write` the table and the plot.
        listen: hears how many arms are done, and the next one's name.

    Raises:
        RunConflict: the folder holds arms of other settings.
    """
    wanted = list(arms(settings))
    rows = play_all(folder / "arms.jsonl", wanted, comparable(settings), lambda arm: _row(arm, settings), listen)
    report = SettleReport(settings, tuple(rows), tuple(sweep(settings)))
    write_json(folder / "settings.json", settings.to_json())
    return report


def comparable(settings: SettleSettings) -> str:
    """Digest of the settings that an arm's figures depend on: all but which arms are run."""
    chosen = {k: v for k, v in settings.to_json().items() if k not in ("seed", "seeds", "full")}
    return digest({"schema": SCHEMA, **chosen})


def _row(arm: Arm, settings: SettleSettings) -> Row:
    """What is known of one arm."""
    language = language_of(arm.seed, settings)
    result = play(arm, settled(arm.game, language, settings), settings)
    return {"variant": arm.variant, **asdict(arm), **result, "skew": language.skew}


@lru_cache(maxsize=16)
def language_of(seed: int, settings: SettleSettings) -> Language:
    """The seed's language.

    Raises:
        AlftbenchError: its reference is not skewed enough to settle anything.
    """
    tree = TraceTree(settings.vocabulary, settings.length, settings.answers)
    language = make_language(tree, settings.prompts, settings.width, settings.skew, seed)
    if language.skew < LEAST_SKEW:
        raise AlftbenchError(
            f"seed {seed}: max p0 / min p0 of the reference is {language.skew:.1f}, below {LEAST_SKEW:g}; raise it"
        )
    return language


def play(arm: Arm, game: Settled, settings: SettleSettings) -> dict[str, Any]:
    """Play one arm; plain data."""
    if arm.method == "exact":
        return _outcome(play_exact(game, settings), None, game)
    if arm.method == "sampled":
        return _outcome(play_sampled(game, arm, settings), fixed_point(arm, game.game, settings), game)
    return _tabular(arm.method, game)


def _tabular(method: str, game: Settled) -> dict[str, Any]:
    """A solver of `alftbench.games` from the reference, measured on the enumerated traces."""
    solution = solve(game.game, method, tolerance=1e-22, max_iterations=5000)
    distance = game.distance(np.stack(solution.policy))
    return {"status": str(solution.status), "iterations": solution.iterations, "final": distance.to_json()}


def _outcome(played: Played, predicted: FixedPoint | None, game: Settled) -> dict[str, Any]:
    return {
        "final": played.final.to_json(),
        "averaged": played.averaged.to_json(),
        "history": [_mark(tokens, distance) for tokens, distance in played.history],
        "predicted": None if predicted is None else _prediction(played, predicted, game),
        "p_averaged": np.exp(played.log_averaged_PZ).round(6).tolist(),
    }


def _mark(tokens: int, distance: Distance) -> dict[str, float]:
    shown = distance.to_json()
    return {"tokens": tokens, **{key: float(f"{shown[key]:.4g}") for key in ("tv", "excess", "gap", "drift")}}


def _prediction(played: Played, predicted: FixedPoint, game: Settled) -> dict[str, Any]:
    """The fixed point's distance to p* (bias) and the run's distance to the fixed point (noise and network)."""
    if not predicted.settled:
        return {"tv": None, "from_prediction": None, "residual": predicted.residual}
    return {
        "tv": float(total_variation(predicted.log_p_PZ, game.log_star_PZ).mean()),
        "from_prediction": float(total_variation(played.log_averaged_PZ, predicted.log_p_PZ).mean()),
        "residual": predicted.residual,
    }
