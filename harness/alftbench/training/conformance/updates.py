"""Checks of the update: advantages by definition, and the way the weights moved beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from alftbench.backends.model_files import locate
from alftbench.base.arrays import FloatArray
from alftbench.errors import UsageError
from alftbench.games.rewards import GroupRecord, needed
from alftbench.training.conformance.movement import Scored, Step, away_from_mean, mistaken_halves, mistaken_order
from alftbench.training.conformance.probe import RIGHT, Graded
from alftbench.training.conformance.runs import MODEL, Laboratory
from alftbench.training.conformance.verdicts import NotApplicable, expect
from alftbench.training.trainer import ShowsRewards

CLOSE = 1e-9
EXPLAINED = 0.98  # of the signs; what float32 and ties of equal texts leave
KNOWN_CLASS_VG = ((0, 0, 1, 2), (1, 0, 2, 2), (0, 0, 0, 1))
"""Answers of a known orbit: three phrasings, four rollouts of each."""


def shows(lab: Laboratory) -> ShowsRewards:
    """The trainer as one whose rewards can be looked at."""
    if not isinstance(lab.trainer, ShowsRewards):
        raise NotApplicable("it shows no reward(record) and baseline(record, rewards)")
    changed = {"scale": "none", "temperature": 1.0, "memory": 0.0}
    for option, plain in changed.items():
        if lab.config.get(option, plain) != plain:
            raise NotApplicable(f"{option}={lab.config[option]} changes the update")
    return lab.trainer


def rewards_of(trainer: ShowsRewards, record: GroupRecord) -> FloatArray:
    """What its rule gives a record; a rule that asks a coin gives what nobody can know from here."""
    try:
        rewards_VG = np.asarray(trainer.reward(record), dtype=float)
        coins = [np.full(rewards_VG.shape, coin) for coin in (0.0, 1 - 1e-9)]
        tossed = [np.asarray(trainer.reward(replace(record, uniform_VG=coin_VG))) for coin_VG in coins]
    except UsageError as error:
        raise NotApplicable(f"its rule reads what a record alone does not have: {error}") from error
    if any(not np.array_equal(rewards_VG, each) for each in tossed):
        raise NotApplicable("its rule rewards at random")
    return rewards_VG


def advantages(lab: Laboratory) -> str:
    """Rewards less baselines on a known orbit, beside the baseline's definition rollout by rollout."""
    trainer = shows(lab)
    kind = lab.config.get("baseline")
    if kind not in SLOW:
        raise NotApplicable("it has no option baseline that says what is subtracted")
    record = GroupRecord(np.array(KNOWN_CLASS_VG), np.array(RIGHT))
    rewards_VG = rewards_of(trainer, record)
    shown = rewards_VG - trainer.baseline(record, rewards_VG)
    slow = SLOW[kind]
    for v, g in np.ndindex(*rewards_VG.shape):
        wanted = rewards_VG[v, g] - slow(trainer, record, rewards_VG, v, g)
        place = f"phrasing {v}, rollout {g} ({kind})"
        expect(bool(abs(wanted - shown[v, g]) < CLOSE), f"advantage {wanted:.6g} of {place}", f"{shown[v, g]:.6g}")
    return f"{rewards_VG.size} rollouts, baseline {kind}"


Slow = Callable[[ShowsRewards, GroupRecord, FloatArray, int, int], float]
SLOW: dict[object, Slow] = {
    "none": lambda trainer, record, r, v, g: 0.0,
    "mean": lambda trainer, record, r, v, g: sum(r[v]) / len(r[v]),
    "leave-one-out": lambda trainer, record, r, v, g: sum(np.delete(r[v], g)) / (len(r[v]) - 1),
    "jackknife": lambda trainer, record, r, v, g: float(np.mean(trainer.reward(record.without(g))[v])),
}


@cache
def explained(lab: Laboratory) -> dict[str, float]:
    """Share of the signs of each step that rightful advantages explain, and that each mistake would."""
    trainer = shows(lab)
    one, two = steps_of(lab)
    rewards1, rewards2 = rewards_of(trainer, one.record), rewards_of(trainer, two.record)
    base1, base2 = trainer.baseline(one.record, rewards1), trainer.baseline(two.record, rewards2)
    models = [Scored(path) for path in (locate(MODEL), lab.first.checkpoint, lab.both.checkpoint)]
    start, middle, _ = models
    first = Step(models[:2], one)
    second = Step(models[1:], two, before=start.gradient([one], [rewards1 - base1]))
    log_ratio_VG = middle.totals(two) - start.totals(two)

    def with_kl(baseline_VG: FloatArray, log_ratio_VG: FloatArray) -> float:
        penalties_VG = float(lab.config.get("beta", 0.0)) * log_ratio_VG
        return second.share(rewards2 - baseline_VG - away_from_mean(penalties_VG, lab.config))

    return {
        "step 1": first.share(rewards1 - base1),
        "group order": first.share(mistaken_order(rewards1 - base1)),
        "whole groups": first.share(mistaken_halves(rewards1)),
        "step 2": with_kl(base2, log_ratio_VG),
        "fresh baseline": with_kl(base1, log_ratio_VG),
        "sequence KL": with_kl(base2, log_ratio_VG / needed(two.record.tokens_VG, "tokens")),
        "any KL": with_kl(base2, 0 * log_ratio_VG),
    }


def steps_of(lab: Laboratory) -> tuple[Graded, Graded]:
    """The one orbit of each of the two steps."""
    graded = lab.both.graded
    if len(graded) != 2 or len(lab.first.graded) != 1:
        raise NotApplicable(f"two steps of one problem are looked at; it graded {len(graded)} orbits")
    return graded[0], graded[1]


def better(lab: Laboratory, mistake: str, step: str, doing: str) -> str:
    """The rightful advantages explain more of a step than a mistake does."""
    seen = explained(lab)
    rightful, wrong = seen[step], seen[mistake]
    if min(rightful, wrong) >= EXPLAINED:
        raise NotApplicable(f"{doing} would move the weights alike on these rollouts")
    found = f"{rightful:.3f} and {wrong:.3f} of the signs"
    expect(rightful > wrong, f"{step} to follow its gradient, {doing} less", found)
    return f"{rightful:.3f} of the signs explained, {wrong:.3f} by the mistake"


def gradient(lab: Laboratory) -> str:
    """The first step goes the way of the gradient that its own rollouts give by definition."""
    share = explained(lab)["step 1"]
    expect(share >= EXPLAINED, f"{EXPLAINED} of the weights to move along the gradient", f"{share:.3f}")
    return f"{share:.3f} of the weights moved along it"


def group_order(lab: Laboratory) -> str:
    """Each rollout gets its own advantage, not that of the rollout at its place in another order."""
    return better(lab, "group order", "step 1", "advantages in another order")


def whole_groups(lab: Laboratory) -> str:
    """The baseline is that of the whole group, not of the part on a device."""
    if lab.config.get("baseline", "mean") == "none":
        raise NotApplicable("baseline=none")
    return better(lab, "whole groups", "step 1", "baselines of half groups")


def fresh_baseline(lab: Laboratory) -> str:
    """The baseline is that of this step's rewards, not of the step before."""
    if lab.config.get("baseline", "mean") == "none":
        raise NotApplicable("baseline=none")
    return better(lab, "fresh baseline", "step 2", "the last step's baseline")


def sequence_kl(lab: Laboratory) -> str:
    """The KL in the reward is that of the sequence, not a mean over its tokens, and it is there."""
    if not lab.config.get("beta"):
        raise NotApplicable("it has no option beta above 0")
    better(lab, "any KL", "step 2", "no KL at all")
    return better(lab, "sequence KL", "step 2", "a KL per token")
