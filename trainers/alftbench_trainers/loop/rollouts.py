"""Sampling a batch of orbits from the policy: rollouts, their answers and the classes of each orbit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alftbench.answers.find.extract import extract
from alftbench.answers.partition import partition
from alftbench.backends.hf.generation import Completion, Decoding, generate
from alftbench.backends.hf.loading import end_token_ids, prompt_ids
from alftbench.base.seeds import stream
from alftbench.training.trainer import TrainSuite
from alftbench.types import AnswerPartition, Orbit


@dataclass(frozen=True)
class OrbitItem:
    """A training orbit with the suite that says how its answers are read."""

    orbit: Orbit
    suite: TrainSuite


@dataclass(frozen=True)
class OrbitRollouts:
    """G completions of every phrasing of a problem, and the classes of their answers.

    prompts_V: token ids of each phrasing. completions_VG: token ids. partition: classes, shape (V, G).
    """

    prompts_V: tuple[tuple[int, ...], ...]
    completions_VG: tuple[tuple[Completion, ...], ...]
    partition: AnswerPartition


def schedule(suites: Sequence[TrainSuite], per_step: int, seed: int, step: int) -> list[OrbitItem]:
    """The orbits of a step: the same number from every suite as far as it divides, in reshuffled passes.

    A function of its arguments alone, so a resumed run meets the same problems.
    """
    share, extra = divmod(per_step, len(suites))
    items = []
    for index, suite in enumerate(suites):
        count = share + (index < extra)
        for position in range(step * count, (step + 1) * count):
            epoch, place = divmod(position, len(suite.orbits))
            order = stream(seed, "schedule", suite.name, epoch).permutation(len(suite.orbits))
            items.append(OrbitItem(suite.orbits[order[place]], suite))
    return items


def sample_orbits(
    model: Any,
    tokenizer: Any,
    items: Sequence[OrbitItem],
    group: int,
    temperature: float,
    seed: int,
    step: int,
) -> list[OrbitRollouts]:
    """G rollouts for every phrasing of every orbit, in one batch; every rollout has its own random stream."""
    variants = [variant for item in items for variant in item.orbit.variants]
    prompts = [tuple(prompt_ids(tokenizer, variant.messages)) for variant in variants]
    max_tokens = max(item.suite.max_tokens for item in items)
    uniforms = np.array(
        [
            [stream(seed, "rollout", step, place, g).random(max_tokens) for g in range(group)]
            for place in range(len(variants))
        ]
    )
    decoding = Decoding(max_tokens, temperature, 1.0, end_token_ids(model, tokenizer), tokenizer.pad_token_id)
    groups = iter(zip(prompts, generate(model, prompts, uniforms, decoding), strict=True))
    return [_collect(tokenizer, item, [next(groups) for _ in item.orbit.variants]) for item in items]


def _collect(
    tokenizer: Any, item: OrbitItem, groups: Sequence[tuple[tuple[int, ...], list[Completion]]]
) -> OrbitRollouts:
    kind, rules = item.orbit.problem.answer_kind, item.suite.answer_rules
    answers_VG = [
        [
            extract(
                tokenizer.decode(completion.token_ids, skip_special_tokens=True),
                kind,
                rules,
                completion.finish_reason,
            )
            for completion in completions
        ]
        for _, completions in groups
    ]
    return OrbitRollouts(
        prompts_V=tuple(prompt for prompt, _ in groups),
        completions_VG=tuple(tuple(completions) for _, completions in groups),
        partition=partition(item.orbit.problem, answers_VG),
    )
