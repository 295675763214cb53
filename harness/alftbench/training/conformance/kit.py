"""The checks of a trainer, by name: each passed, failed with what was expected and found, or not applicable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alftbench.backends.base import BackendOptions
from alftbench.backends.load import open_backend
from alftbench.errors import AlftbenchError, UsageError, first_line
from alftbench.training.conformance import updates
from alftbench.training.conformance.probe import RIGHT, ProbeSuite
from alftbench.training.conformance.runs import STEPS, Laboratory
from alftbench.training.conformance.verdicts import Failed, NotApplicable, expect
from alftbench.training.train import make_trainer
from alftbench.training.trainer import PlaysGame, Trainer, TrainerSpec
from alftbench.types import SamplingParams

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"
UNKNOWN = "no_such_option"
Check = Callable[[Laboratory], str]  # what was seen; raises Failed or NotApplicable


@dataclass(frozen=True)
class Verdict:
    """What a check found; `says` holds what was seen, expected and found, or why it does not apply."""

    name: str
    status: str
    says: str


def options(lab: Laboratory) -> str:
    """Its options are JSON, values that it takes again, and others are refused."""
    shown = dict(lab.trainer.config())
    try:
        same = json.loads(json.dumps(shown)) == shown
    except (TypeError, ValueError):
        same = False
    expect(same, "config() as JSON spells it", repr(shown))
    spelled = {k: str(v) for k, v in shown.items() if v is not None and not isinstance(v, Mapping)}
    again = dict(lab.make(TrainerSpec(lab.spec.name, tuple(sorted(spelled.items())))).config())
    expect(again == shown, f"the options {shown} when given them", str(again))
    try:
        lab.make(TrainerSpec(lab.spec.name, ((UNKNOWN, "1"),)))
    except UsageError:
        return f"{len(shown)} options"
    raise Failed(f"a UsageError for the option {UNKNOWN}", "none")


def checkpoint(lab: Laboratory) -> str:
    """It leaves the checkpoint that it reports, and a backend loads it."""
    run = lab.both
    expect(
        run.result.checkpoint.sha256 == run.sha256, f"the digest {run.sha256[:12]}", run.result.checkpoint.sha256
    )
    backend = open_backend("hf", str(run.checkpoint), BackendOptions(device="cpu"))
    variants = ProbeSuite().orbits()[0].variants
    samples = [s for part in backend.sample(variants, SamplingParams(n=1, max_tokens=4)) for s in part]
    expect(len(samples) == len(variants), f"{len(variants)} samples", str(len(samples)))
    return f"{run.result.checkpoint.step} steps"


def budget(lab: Laboratory) -> str:
    """Neither steps nor tokens beyond what was given, by its own count and by that of what it had graded."""
    steps, most = lab.both.result.checkpoint.step, STEPS.steps or 0
    expect(steps <= most, f"at most {most} steps", str(steps))
    tokens, run = lab.limited
    spent = max(run.tokens, run.result.cost.generated_tokens)
    expect(spent <= tokens, f"at most {tokens} tokens", str(spent))
    return f"{spent} of {tokens} tokens"


def determinism(lab: Laboratory) -> str:
    """The same request gives the same checkpoint."""
    expect(lab.again.sha256 == lab.both.sha256, f"{lab.both.sha256[:12]} again", lab.again.sha256[:12])
    return lab.both.sha256[:12]


def seed(lab: Laboratory) -> str:
    """Another seed gives another checkpoint."""
    expect(lab.reseeded.sha256 != lab.both.sha256, "another checkpoint with seed 1 than with seed 0", "the same")
    return "seeds 0 and 1 differ"


def resume(lab: Laboratory) -> str:
    """Stopped in its last step and asked again it ends as if it had not been stopped."""
    whole, resumed = lab.both, lab.resumed
    expect(resumed.sha256 == whole.sha256, f"the checkpoint {whole.sha256[:12]}", resumed.sha256[:12])
    spent = (resumed.result.cost.generated_tokens, whole.result.cost.generated_tokens)
    expect(spent[0] == spent[1], f"{spent[1]} tokens", str(spent[0]))
    return f"{whole.sha256[:12]}, stopped in its last step"


def counters(lab: Laboratory) -> str:
    """Tokens and steps that it reports are those that were graded and logged."""
    run = lab.both
    logged = [update.step for update in run.updates]
    expect(logged == sorted(set(logged)), "each step logged once, in order", str(logged))
    if logged:
        expect(
            logged[-1] == run.result.checkpoint.step, f"step {run.result.checkpoint.step} last", str(logged[-1])
        )
        last = run.updates[-1].generated_tokens
        expect(last == run.result.cost.generated_tokens, f"{last} tokens, as logged", str(run.result.cost))
    if not run.graded:
        raise NotApplicable("it does not grade by the suite, so its tokens are not seen from here")
    told = run.result.cost.generated_tokens
    expect(told == run.tokens, f"{run.tokens} generated tokens", str(told))
    return f"{told} generated tokens"


def whole_orbits(lab: Laboratory) -> str:
    """Every problem is drawn in all its phrasings, each as often."""
    if not lab.both.graded:
        raise NotApplicable("it does not grade by the suite, so its orbits are not seen from here")
    wanted = len(ProbeSuite().orbits()[0].variants)
    for graded in lab.both.graded:
        sizes = [len(row) for row in graded.samples_VG]
        expect(len(sizes) == wanted, f"{wanted} phrasings of {graded.orbit.problem.id}", str(len(sizes)))
        expect(len(set(sizes)) == 1, "as many rollouts of each phrasing", str(sizes))
    return f"{wanted} phrasings of each problem"


def game(lab: Laboratory) -> str:
    """The game that it declares has its own β; or it declares none."""
    if not isinstance(lab.trainer, PlaysGame):
        raise NotApplicable("it has no method game(correct_Z), so it declares none")
    declared = lab.trainer.game(np.array(RIGHT))
    if declared is None:
        return "declares none"
    objective, beta = declared
    expect(bool(np.isfinite(beta) and beta > 0), "a finite β above 0", str(beta))
    expect(beta == lab.config.get("beta", beta), f"β = {lab.config.get('beta')}, as its option", str(beta))
    return f"{type(objective).__name__}, β = {beta:g}"


CHECKS: Mapping[str, Check] = {
    "options": options,
    "checkpoint": checkpoint,
    "budget": budget,
    "determinism": determinism,
    "seed": seed,
    "resume": resume,
    "counters": counters,
    "whole orbits": whole_orbits,
    "advantages": updates.advantages,
    "gradient": updates.gradient,
    "group order": updates.group_order,
    "whole groups": updates.whole_groups,
    "fresh baseline": updates.fresh_baseline,
    "sequence KL": updates.sequence_kl,
    "declared game": game,
}


def check_trainer(
    spec: TrainerSpec, make: Callable[[TrainerSpec], Trainer] = make_trainer, only: tuple[str, ...] = ()
) -> Iterator[Verdict]:
    """Every check of a trainer, as it is made; runs it on the embedded model for a few steps.

    Args:
        spec: the trainer with options.
        make: how a spec becomes a trainer.
        only: names of checks; all if empty.

    Raises:
        AlftbenchError: there is no such trainer, or it cannot be made.
    """
    with TemporaryDirectory(prefix="alftbench-") as folder:
        lab = Laboratory(spec, Path(folder), make)
        for name, check in CHECKS.items():
            if not only or name in only:
                yield verdict(name, check, lab)


def verdict(name: str, check: Check, lab: Laboratory) -> Verdict:
    """What one check found; an error of the trainer is a failure."""
    try:
        return Verdict(name, PASSED, check(lab))
    except NotApplicable as reason:
        return Verdict(name, NOT_APPLICABLE, str(reason))
    except Failed as failure:
        return Verdict(name, FAILED, str(failure))
    except AlftbenchError as error:
        return Verdict(name, FAILED, f"expected to train; found: {error}")
    except Exception as error:  # noqa: BLE001  whatever a trainer raises is its failure
        return Verdict(name, FAILED, f"expected to train; found {type(error).__name__}: {first_line(error)}")
