"""Sampling a batch of orbits from the policy and grading it: rollouts with the record that rewards see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alftbench.backends.hf.generation import Completion, Decoding, generate
from alftbench.backends.hf.loading import end_token_ids, prompt_ids
from alftbench.backends.stops import until
from alftbench.base.seeds import stream
from alftbench.games.rewards import GroupRecord
from alftbench.suites.grade import grade
from alftbench.types import AnswerPartition, Sample, Variant
from alftbench_trainers.loop.batch import TokenIds
from alftbench_trainers.loop.schedule import OrbitItem

Group = tuple[TokenIds, list[Completion]]  # a prompt and its G completions


@dataclass(frozen=True)
class OrbitRollouts:
    """G rollouts of every phrasing of a problem: token ids, and the record of what they are worth.

    answers_Z: the answer classes of the record by name; one answer has one name in all steps.
    """

    suite: str
    problem_id: str
    answers_Z: tuple[str, ...]
    prompts_V: tuple[TokenIds, ...]
    completions_VG: tuple[tuple[TokenIds, ...], ...]
    record: GroupRecord

    @property
    def key(self) -> str:
        """The problem, among those of all suites."""
        return f"{self.suite}/{self.problem_id}"


def sample_orbits(
    model: Any, tokenizer: Any, items: Sequence[OrbitItem], group: int, temperature: float, seed: int, step: int
) -> list[tuple[OrbitItem, list[Group]]]:
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
    return [(item, [next(groups) for _ in item.orbit.variants]) for item in items]


def collect(tokenizer: Any, item: OrbitItem, groups: Sequence[Group], secret: str | None) -> OrbitRollouts:
    """One orbit's rollouts, graded as an evaluation of its suite grades them, with the secret of the run.

    Raises:
        PluginError: the suite's own rules break their contract.
    """
    samples_VG = [
        [rollout_sample(tokenizer, item, variant, draw, done) for draw, done in enumerate(completions)]
        for variant, (_, completions) in zip(item.orbit.variants, groups, strict=True)
    ]
    partition = grade(item.suite.suite, item.orbit, samples_VG, secret).partition
    return OrbitRollouts(
        suite=item.suite.name,
        problem_id=item.orbit.problem.id,
        answers_Z=tuple(partition.classes_Z),
        prompts_V=tuple(prompt for prompt, _ in groups),
        completions_VG=tuple(tuple(done.token_ids for done in completions) for _, completions in groups),
        record=record_of(partition, samples_VG),
    )


def rollout_sample(tokenizer: Any, item: OrbitItem, variant: Variant, draw: int, done: Completion) -> Sample:
    """A completion as an evaluation holds it: its text ends before the suite's first stop string.

    It was drawn without them: a step may mix suites whose stop strings differ.
    """
    whole = str(tokenizer.decode(done.token_ids, skip_special_tokens=True))
    text = until(whole, item.suite.suite.info.sampling.stop)
    reason = done.finish_reason if text == whole else "stop"
    return Sample(item.orbit.problem.id, variant.name, draw, text, reason, len(done.token_ids))


def record_of(partition: AnswerPartition, samples_VG: Sequence[Sequence[Sample]]) -> GroupRecord:
    """The samples of an orbit with the verdicts of its suite.

    Log-probabilities are left out: what a rule needs of them is filled in afterwards (`needs.filled`).
    """
    return GroupRecord(
        class_VG=np.array(partition.class_VN, dtype=np.int64),
        correct_Z=np.array(partition.correct_Z, dtype=bool),
        tokens_VG=np.array([[sample.n_tokens for sample in row] for row in samples_VG]),
        finish_reason_VG=tuple(tuple(sample.finish_reason for sample in row) for row in samples_VG),
        text_VG=tuple(tuple(sample.text for sample in row) for row in samples_VG),
    )
