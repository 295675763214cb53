"""What a training step costs as a problem gets more phrasings: answers compared beside whole texts.

    python benchmarks/phrasings.py [--quick] [--output-dir results/phrasings]

Consensus, soft, pairwise and trace coherence take a step with 2, 4, 8 and 16 phrasings of a problem, on the same
rollouts of the embedded model. Counted are tokens, passes and estimated FLOPs by the trainer's own counters; timed
are the step, its rewards, and rewards with baseline. Every repetition takes another problem and lets all methods
run at one number of phrasings, in an order that rotates, so that ratios of seconds are paired. Exponents k of
cost ∝ M^k are least squares in logs. Without an output folder nothing is written.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

from alftbench.backends.model_files import locate
from alftbench.suites.arithmetic import SUMS, ArithmeticSuite, sum_pairs
from alftbench.training.train import make_trainer
from alftbench.training.trainer import TrainRequest, TrainSuite, parse_spec
from alftbench.types import Budget, Orbit, Problem, Variant
from alftbench_trainers.loop.loop import Judging, as_batch, train_step
from alftbench_trainers.loop.needs import filled
from alftbench_trainers.loop.policy import Policy
from alftbench_trainers.loop.rollouts import collect, sample_orbits
from alftbench_trainers.loop.schedule import schedule
from alftbench_trainers.recipe import RecipeTrainer

METHODS = ("consensus-grpo", "coherence-grpo", "pairwise-coherence", "trace-coherence")
BESIDE = METHODS[0]
PHRASINGS = (2, 4, 8, 16)
VERBS, NOUNS = ("Find", "Tell", "Make", "Take"), ("total", "value", "whole", "count")  # equal in length
COUNTED = ("generated_tokens", "forward_passes", "backward_passes", "flops")
ADDED = ("added_forward_passes", "added_flops")
TIMED = ("seconds", "reward_seconds", "judging_seconds")
CALLS = 5  # of a rule in a row, whose single call is too short to time


@dataclass(frozen=True)
class Work:
    """One problem a step, and how often everything is repeated."""

    phrasings: tuple[int, ...]
    repetitions: int
    group: int


def phrased(a: int, b: int, count: int) -> Orbit:
    """A sum in so many phrasings of one length; what the model answers to them does not matter to their cost."""
    problem = Problem(f"sums-{a}-{b}", f"{a} + {b}", (str(a + b),), "number")
    texts = [f"{verb} the {noun} of {a} and {b}." for noun in NOUNS for verb in VERBS][:count]
    variants = (Variant(problem.id, f"way-{i}", ({"role": "user", "content": t},)) for i, t in enumerate(texts))
    return Orbit(problem, tuple(variants))


def training_suite(count: int) -> TrainSuite:
    """Training problems of `sums` in so many phrasings."""
    orbits = [phrased(a, b, count) for a, b in sum_pairs("train")[:64]]
    suite = ArithmeticSuite(replace(SUMS.info, name=f"sums-{count}"), lambda split: orbits)
    return TrainSuite(suite, tuple(orbits))


def recipe_trainer(method: str, group: int) -> RecipeTrainer:
    """A method at its own defaults, with one problem a step."""
    trainer = make_trainer(parse_spec(f"{method}:orbits=1,group={group}"))
    assert isinstance(trainer, RecipeTrainer)
    return trainer


def fresh(trainer: RecipeTrainer, suite: TrainSuite, repetition: int, folder: Path) -> tuple[TrainRequest, Policy]:
    """The untrained model before the step of this number, which says which problem and which draws come."""
    model, budget = str(locate("tiny-sums")), Budget(steps=10**6)
    request = TrainRequest(model, (suite,), budget, 0, folder, folder / "checkpoint", print, device="cpu")
    policy = Policy(request, trainer.options)
    policy.step = repetition
    return request, policy


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a call, which others on the machine disturb less than the clock on the wall."""
    started = time.process_time()
    work()
    return time.process_time() - started


def step_cost(method: str, count: int, repetition: int, group: int, folder: Path) -> dict[str, float]:
    """Counters and seconds of one training step, and seconds of its rewards alone."""
    trainer, suite = recipe_trainer(method, group), training_suite(count)
    judging = Judging(trainer.reward, trainer.baseline, trainer.recipe.needs)
    request, policy = fresh(trainer, suite, repetition, folder)
    alone = rule_seconds(
        trainer, request, policy
    )  # counts passes too: the step is measured on a policy of its own
    request, policy = fresh(trainer, suite, repetition, folder)
    spent = seconds(lambda: train_step(request, trainer.options, policy, method, judging))
    counters = {name: float(getattr(policy.cost, name)) for name in COUNTED}
    return {**counters, "seconds": spent, **alone}


def rule_seconds(trainer: RecipeTrainer, request: TrainRequest, policy: Policy) -> dict[str, float]:
    """Seconds of the reward, and of reward and baseline, of the rollouts that the step will draw."""
    items = schedule(request.suites, 1, request.seed, policy.step)
    options = trainer.options
    drawn = sample_orbits(policy.model, policy.tokenizer, items, options.group, 1.0, request.seed, policy.step)
    rollouts = [collect(policy.tokenizer, item, groups, None) for item, groups in drawn]
    known = filled(policy, rollouts, as_batch(rollouts), trainer.recipe.needs, request.seed)
    record = known.rollouts[0].record
    rewards_VG = trainer.reward(record)  # the first call also fills tables that all later ones share
    trainer.baseline(record, rewards_VG)
    reward = seconds(lambda: [trainer.reward(record) for _ in range(CALLS)]) / CALLS
    baseline = seconds(lambda: [trainer.baseline(record, rewards_VG) for _ in range(CALLS)]) / CALLS
    return {"reward_seconds": reward, "judging_seconds": reward + baseline}


def measured(work: Work) -> pd.DataFrame:
    """A row per method, phrasings and repetition; the order of methods rotates."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for method in METHODS:  # what only a first call costs
            step_cost(method, work.phrasings[0], 0, work.group, Path(scratch))
        for repetition in range(work.repetitions):
            for count in work.phrasings:
                for method in np.roll(METHODS, -repetition).tolist():
                    cost = step_cost(method, count, repetition, work.group, Path(scratch))
                    rows.append({"method": method, "M": count, "repetition": repetition, **cost})
    return with_added(pd.DataFrame(rows))


def with_added(table: pd.DataFrame) -> pd.DataFrame:
    """What a method spends beyond consensus on the same rollouts, in passes and FLOPs."""
    keys = ["M", "repetition"]
    beside = table[table.method == BESIDE].set_index(keys)
    for name in ("forward_passes", "flops"):
        table[f"added_{name}"] = (
            table[name].to_numpy() - beside[name].loc[pd.MultiIndex.from_frame(table[keys])].to_numpy()
        )
    return table


def exponent(M: Sequence[float], cost: Sequence[float]) -> dict[str, float] | None:
    """K of cost ∝ M^k with its 95% interval; None where there is no cost."""
    if not np.all(np.asarray(cost) > 0):
        return None
    fit = stats.linregress(np.log(M), np.log(cost))
    half = stats.t.isf(0.025, len(M) - 2) * fit.stderr
    return {"k": float(fit.slope), "low": float(fit.slope - half), "high": float(fit.slope + half)}


def median_interval(values: Sequence[float]) -> list[float]:
    """Median, least and greatest: the range of n values holds the true median with 1 − 2^(1 − n), 99% of eight."""
    return [float(np.median(values)), float(np.min(values)), float(np.max(values))]


def summary(table: pd.DataFrame) -> dict[str, object]:
    """Means of the counters, medians of seconds and of their ratios to consensus, exponents."""
    costs, exponents = [], []
    for (method, count), part in table.groupby(["method", "M"], sort=False):
        beside = table[(table.method == BESIDE) & (count == table.M)]
        counters = {name: float(part[name].mean()) for name in COUNTED}
        timed = {name: median_interval(part[name]) for name in TIMED}
        ratios = part.seconds.to_numpy() / beside.seconds.to_numpy()
        row = {"method": method, "M": int(count), **counters, **timed, "ratio": median_interval(ratios)}
        costs.append({**row, "flops_ratio": counters["flops"] / float(beside.flops.mean())})
    for method, part in table.groupby("method", sort=False):
        fits = {name: exponent(part.M, part[name]) for name in (*COUNTED, *ADDED, *TIMED)}
        exponents.append({"method": method, **fits})
    return {"costs": costs, "exponents": exponents}


def printed(record: dict[str, object]) -> None:
    """Both tables on the screen."""
    print(
        "method, M | tokens | forward | backward | MFLOPs (beside consensus) | seconds beside consensus | "
        "reward, ms | with baseline, ms"
    )
    for row in record["costs"]:
        low_high = "{:.2f} [{:.2f}, {:.2f}]".format(*row["ratio"])
        print(
            f"{row['method']}, {row['M']} | {row['generated_tokens']:.0f} | {row['forward_passes']:.0f} | "
            f"{row['backward_passes']:.0f} | {row['flops'] / 1e6:.0f} ({row['flops_ratio']:.2f}) | {low_high} | "
            f"{1e3 * row['reward_seconds'][0]:.2f} | {1e3 * row['judging_seconds'][0]:.2f}"
        )
    print("\nexponents | " + " | ".join(METHODS))
    for name in (*COUNTED, *ADDED, *TIMED):
        fits = [row[name] for row in record["exponents"]]
        cells = ["none" if fit is None else "{k:.2f} [{low:.2f}, {high:.2f}]".format(**fit) for fit in fits]
        print(f"{name} | " + " | ".join(cells))


def drawn(record: dict[str, object], path: Path) -> None:
    """FLOPs of a step and seconds of reward and baseline, over M."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, (name, title) in zip(
        figure.subplots(1, 2),
        (("flops", "estimated FLOPs of a step"), ("judging_seconds", "seconds of reward and baseline")),
        strict=True,
    ):
        for method, marker in zip(METHODS, "os^D", strict=True):
            rows = [row for row in record["costs"] if row["method"] == method]
            values = [row[name] if name == "flops" else row[name][0] for row in rows]
            axes.loglog([row["M"] for row in rows], values, marker=marker, alpha=0.7, label=method)
        axes.set(title=title, xlabel="phrasings M", xticks=PHRASINGS, xticklabels=PHRASINGS)
        axes.minorticks_off()
    axes.set_ylim(1e-4, 1e-2)  # else noise fills the picture
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 and 4 phrasings, two repetitions")
    parser.add_argument("--output-dir", type=Path, help="for phrasings.json and phrasings.png")
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Work((2, 4), 2, 4) if options.quick else Work(PHRASINGS, 8, 8)
    record = {"group": work.group, "repetitions": work.repetitions, **summary(measured(work))}
    printed(record)
    if options.output_dir is not None:
        options.output_dir.mkdir(parents=True, exist_ok=True)
        (options.output_dir / "phrasings.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        drawn(record, options.output_dir / "phrasings.png")


if __name__ == "__main__":
    main()
