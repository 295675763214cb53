"""Any generate_until task of lm-eval as a suite: `lm-eval:<task or task.yaml>[@filter][:key=value,...]`.

Prompt, few-shot examples, stop strings, token limit, filters and metric are the task's own, read by lm-eval. An
answer is what the filter leaves of a completion; it is right where the task's metric is 1. Keys: see TaskSettings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from alftbench.answers.partition import grouped
from alftbench.base.provenance import installed
from alftbench.base.settings import parse_pairs, read_settings
from alftbench.errors import BadInput, UnknownName, UsageError
from alftbench.lm_eval import loading
from alftbench.lm_eval.rows import INVALID
from alftbench.suites.base import SuiteInfo
from alftbench.types import PLAIN, Answer, GradedOrbit, Orbit, Outcome, Problem, Sample, Variant

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask

FAMILY = "lm-eval"
KIND = "lm-eval"  # the answer kind: only the task's own grading can read it


@dataclass(frozen=True)
class Choice:
    """What stands behind `lm-eval:`."""

    task: str
    filter: str = ""
    settings: loading.TaskSettings = field(default_factory=loading.TaskSettings)
    given: Mapping[str, str] = field(default_factory=dict)  # the settings as they were written

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read `<task>[@filter][:key=value,...]`."""
        named, _, options = text.partition(":")
        task, _, chosen = named.partition("@")
        owner = f"suite {FAMILY}:{text}:"
        given = parse_pairs(owner, options)
        if not task:
            raise UsageError(f"{owner} name a task, such as {FAMILY}:gsm8k")
        return cls(task, chosen, read_settings(loading.TaskSettings, given, owner), given)


def family(text: str) -> LmEvalSuite:
    """The suite of `<task>[@filter][:key=value,...]`.

    Raises:
        MissingExtra: lm-eval is not installed.
        UsageError: no such task, filter or metric, or a task that cannot be one of our suites.
    """
    choice = Choice.parse(text)
    task = loading.load_task(choice.task, choice.settings)
    chosen = choose_filter(task, choice)
    metric = choose_metric(task, choice)
    return LmEvalSuite(describe(task, choice, chosen), task, chosen, metric, choice)


def choose_filter(task: ConfigurableTask, choice: Choice) -> str:
    """The filter asked for, else the task's first, which lm-eval shows first."""
    names = [ensemble.name for ensemble in task._filters]
    if choice.filter and choice.filter not in names:
        raise UnknownName(f"filter of the task {choice.task}", choice.filter, names)
    return choice.filter or names[0]


def choose_metric(task: ConfigurableTask, choice: Choice) -> str:
    """The metric that decides what is right."""
    names = list(task.aggregation())
    wanted = choice.settings.metric or ("exact_match" if "exact_match" in names else "")
    if not wanted and len(names) == 1:
        return str(names[0])
    if wanted not in names:
        raise UsageError(
            f"suite {FAMILY}:{choice.task}: choose the metric that says right or wrong with metric=NAME; "
            f"the task has {', '.join(names)}"
        )
    return wanted


def describe(task: ConfigurableTask, choice: Choice, chosen: str) -> SuiteInfo:
    """What the task says of itself; its version holds only together with lm-eval's."""
    shown = {k: v for k, v in sorted(choice.given.items()) if k != "include_path"}
    options = ":" + ",".join(f"{k}={v}" for k, v in shown.items()) if shown else ""
    return SuiteInfo(
        name=f"{FAMILY}:{task.task_name}@{chosen}{options}",
        version=f"{task.VERSION} of lm-eval {installed('lm-eval')}",
        description=f"lm-eval's task {task.task_name}, filter {chosen}",
        licence="see the task's source",
        citation="see the task's README in lm-eval",
        sampling=loading.sampling(task),
        splits=("test",),
        answer_rules=(),
    )


@dataclass(frozen=True)
class LmEvalSuite:
    """A task with one of its filters; `metric` says which samples are right."""

    info: SuiteInfo
    task: ConfigurableTask
    filter: str
    metric: str
    choice: Choice

    @cached_property
    def docs(self) -> list[Mapping[str, Any]]:
        """The documents that lm-eval evaluates, in its order."""
        return [doc for _, doc in self.task.doc_iterator()]

    @property
    def filters(self) -> tuple[str, ...]:
        """Every filter of the task."""
        return tuple(ensemble.name for ensemble in self.task._filters)

    def orbits(self, split: str = "test", data: str | None = None) -> Sequence[Orbit]:
        """One problem and one prompt per document.

        Raises:
            UsageError: a file is given, which would be ignored.
        """
        if data is not None:
            raise UsageError(f"suite {self.info.name}: the task names its own data; put the file into its YAML")
        self.task.set_fewshot_seed(seed=loading.FEWSHOT_SEED)
        return [self._orbit(number, doc) for number, doc in enumerate(self.docs)]

    def _orbit(self, number: int, doc: Mapping[str, Any]) -> Orbit:
        target = self.target(doc)
        references = tuple(map(str, target)) if isinstance(target, list) else (str(target),)
        content = json.loads(json.dumps(doc, default=str))
        question = str(self.task.doc_to_text(doc))
        problem = Problem(str(number), question, references, KIND, {"doc": content})
        return Orbit(problem, (Variant(problem.id, "original", self._messages(doc)),))

    def _messages(self, doc: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
        """The task's prompt: messages with chat=true, else one text."""
        if not self.choice.settings.chat:
            return ({"role": PLAIN, "content": loading.context(self.task, doc)},)
        return loading.chat_context(self.task, doc, self.choice.settings.multiturn)

    def target(self, doc: Mapping[str, Any]) -> Any:
        """The reference as the metric sees it."""
        target = self.task.doc_to_target(doc)
        return self.task.doc_to_choice(doc)[target] if self.task.config.doc_to_choice is not None else target

    def score(self, doc: Mapping[str, Any], texts: Sequence[str], name: str) -> tuple[Any, dict[str, Any]]:
        """What a filter leaves of the responses to a document, and every metric of that, by lm-eval's own code."""
        from lm_eval.api.instance import Instance

        instance = Instance("generate_until", dict(doc), ("", {}), 0, resps=[self._until(text) for text in texts])
        try:
            next(ensemble for ensemble in self.task._filters if ensemble.name == name).apply([instance])
        except AssertionError as error:
            raise UsageError(
                f"suite {self.info.name}: the filter {name} wants more responses at once; choose another: "
                f"votes over draws are among our metrics"
            ) from error
        left = instance.filtered_resps[name]
        return left, dict(self.task.process_results(doc, [left]))

    def _until(self, text: str) -> str:
        """The text before the first stop string, for engines that could not stop there."""
        for stop in self.info.sampling.stop:
            text = text.split(stop)[0]
        return text

    def document(self, orbit: Orbit) -> Mapping[str, Any]:
        """The document behind a problem."""
        return self.docs[int(orbit.problem.id)]

    def config(self) -> dict[str, Any]:
        """The task's configuration as lm-eval records it, less where files lie on this machine."""
        content: dict[str, Any] = json.loads(json.dumps(self.task.dump_config(), default=str))
        content.pop("dataset_kwargs", None)
        (content.get("metadata") or {}).pop("config_source", None)
        return content

    def grade(self, orbit: Orbit, samples_VN: Sequence[Sequence[Sample]]) -> GradedOrbit:
        """Classes of equal filtered answers; right are those whose metric is 1."""
        doc = self.document(orbit)
        judged_VN = [[self._judge(doc, sample) for sample in row] for row in samples_VN]
        right = {str(answer.canonical) for row in judged_VN for answer, fine in row if fine}
        answers_VN = tuple(tuple(answer for answer, _ in row) for row in judged_VN)
        return GradedOrbit(grouped(orbit.problem.id, answers_VN, right), answers_VN)

    @property
    def grading(self) -> str:
        """How an answer is found and judged, in a few words."""
        return f"filter {self.filter}; right where {self.metric} is 1"

    def accepts(self, orbit: Orbit, reference: str) -> bool:
        """Is the task's metric 1 for a reference, as what the filter leaves or else as a whole response?

        A filter may look for words that a reference does not have, so what it would leave is tried first.
        """
        doc = self.document(orbit)
        if self.task.process_results(doc, [reference]).get(self.metric) == 1:
            return True
        return self._judge(doc, Sample(orbit.problem.id, "reference", 0, reference, "stop", 0))[1]

    def _judge(self, doc: Mapping[str, Any], sample: Sample) -> tuple[Answer, bool]:
        """The filtered answer of one completion, and whether it is right."""
        left, metrics = self.score(doc, [sample.text], self.filter)
        if isinstance(left, list) and len(left) == 1:
            left = left[0]
        verdict = metrics.get(self.metric)
        if verdict not in (0, 1):
            raise BadInput(
                f"suite {self.info.name}: {self.metric} of document {sample.problem_id} is {verdict!r}, "
                f"not 0 or 1; choose another with metric=NAME"
            )
        key = self._key(str(left))
        if not verdict and (not key.strip() or str(left) in self._fallbacks):
            return Answer(Outcome.TRUNCATED if sample.finish_reason == "length" else Outcome.UNPARSED), False
        return Answer(Outcome.ANSWERED, str(left), key, self.filter), bool(verdict)

    @cached_property
    def _fallbacks(self) -> frozenset[str]:
        """What the filter writes where it finds no answer."""
        filters = self.task.config.filter_list or []
        steps = [step for one in filters if one["name"] == self.filter for step in one["filter"]]
        return frozenset({INVALID, *(str(step["fallback"]) for step in steps if "fallback" in step)})

    def _key(self, left: str) -> str:
        """The answer as exact_match compares it; a task that processes results itself may tell any two apart."""
        if self.metric != "exact_match" or callable(self.task.config.process_results):
            return left
        return loading.normalised(left, self.task._metric_fn_kwargs["exact_match"])

    def aggregate(self, metric: str, values: Sequence[Any]) -> tuple[float, float | None]:
        """A metric over documents and its standard error, as lm-eval computes them; None where it has none."""
        from lm_eval.api.metrics import mean, stderr_for_metric

        how = self.task.aggregation().get(metric, mean)
        error = stderr_for_metric(how, loading.BOOTSTRAP_ITERATIONS) if len(values) > 1 else None
        return float(how(values)), float(error(values)) if error else None
