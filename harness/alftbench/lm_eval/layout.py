"""Write a run as lm-eval writes its own: results_<date>.json, samples_<task>_<date>.jsonl, in the model's folder.

A task of lm-eval is scored by its own filters and metrics, so those keys mean what they mean there. What this
harness measures has the filter name `alftbench`, and whatever lm-eval has no word for lies under that one key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from alftbench.answers.partition import by_orbit
from alftbench.base.jsonio import with_nan, without_nan, write_json, writing
from alftbench.errors import UsageError
from alftbench.lm_eval.rows import INVALID, OURS
from alftbench.metrics.summary import values_of
from alftbench.types import NO_ANSWER, AnswerPartition, Orbit, RunRecord, Sample, Variant, plain_prompt

UNDATED = "1970-01-01T00:00:00+00:00"  # records from before they had a date
EXACT_MATCH = "exact_match"
SUMMARISED = ("doc_id", "doc_hash", "prompt_hash", "target_hash", "filter", "metrics")


@runtime_checkable
class Task(Protocol):
    """A suite that is a task of lm-eval: its own filters, metrics and configuration."""

    @property
    def filters(self) -> Sequence[str]:
        """Every filter of the task."""
        ...

    def score(self, doc: Mapping[str, Any], texts: Sequence[str], name: str) -> tuple[Any, dict[str, Any]]:
        """What a filter leaves of the responses to a document, and the metrics of that."""
        ...

    def aggregate(self, metric: str, values: Sequence[Any]) -> tuple[float, float | None]:
        """A metric over documents, and its standard error."""
        ...

    def config(self) -> dict[str, Any]:
        """The task's configuration as lm-eval records it."""
        ...

    def document(self, orbit: Orbit) -> Mapping[str, Any]:
        """The document behind a problem."""
        ...


@dataclass(frozen=True)
class Evaluated:
    """A complete run.

    samples: reads them anew in (problem, phrasing, draw) order. partitions: reads those of the problems anew, in
    that order. measured: the content of metrics.json. rules: the suite's answer rules.
    """

    record: RunRecord
    orbits: Sequence[Orbit]
    samples: Callable[[], Iterable[Sample]]
    partitions: Callable[[], Iterable[AnswerPartition]]
    measured: Mapping[str, Any]
    rules: Sequence[str]

    @property
    def task(self) -> str:
        """The task's name as it can stand in a file's name: a task of lm-eval has its own."""
        name = re.sub(r"^lm-eval:|[@:].*$", "", str(self.record.config["suite"]).removeprefix("imported:"))
        return re.sub(r"[^\w.-]+", "_", name)

    @property
    def model(self) -> str:
        """The model's name as it can stand in a folder's name."""
        return re.sub(r"[\"<>:/|\\?*\[\]]+", "__", str(self.record.config["model"]))

    @property
    def started(self) -> datetime:
        """When the run began."""
        return datetime.fromisoformat(self.record.provenance.get("started", UNDATED))


def write_layout(folder: Path, run: Evaluated, task: Task | None) -> tuple[Path, Path]:
    """Write both files into the model's folder in `folder`; the same run has the same names and the same content.

    Args:
        folder: where lm-eval's `--output_path` would point.
        run: the complete run.
        task: the suite, where it is a task of lm-eval.

    Returns:
        The results and the samples file.
    """
    date = run.started.replace(tzinfo=None).isoformat().replace(":", "-")
    home = folder / run.model
    written = (home / f"results_{date}.json", home / f"samples_{run.task}_{date}.jsonl")
    rows: list[dict[str, Any]] = []  # without texts, so that memory does not hold the run
    with writing(written[1]) as file:
        for row in native_rows(run, task) if task else own_rows(run):
            line = json.dumps(without_nan(row), ensure_ascii=False, default=plain_number)
            file.write(f"{line}\n".encode())
            rows.append({name: row[name] for name in (*SUMMARISED, *row["metrics"])})
    write_json(written[0], results(run, rows, task))
    return written


def plain_number(value: Any) -> Any:
    """A numpy number or truth value as Python's own; anything else as text, like lm-eval."""
    return value.item() if isinstance(value, np.generic) else str(value)


@dataclass(frozen=True)
class SampledPrompt:
    """A prompt with its number, its samples, and of each of them the key of its answer's class and the verdict."""

    number: int
    orbit: Orbit
    variant: Variant
    samples: Sequence[Sample]
    keys: Sequence[str | None]
    verdicts: Sequence[bool]


def prompts(run: Evaluated) -> Iterator[SampledPrompt]:
    """Every prompt of a run, numbered as its suite lists them."""
    ids = [orbit.problem.id for orbit in run.orbits]
    first = dict(zip(ids, accumulate([len(orbit.variants) for orbit in run.orbits], initial=0), strict=False))
    for partition, (orbit, samples_VN) in zip(run.partitions(), by_orbit(run.orbits, run.samples()), strict=True):
        rows = zip(orbit.variants, samples_VN, partition.class_VN, strict=True)
        for number, (variant, samples, classes) in enumerate(rows, first[orbit.problem.id]):
            keys = [partition.classes_Z[z] if z != NO_ANSWER else None for z in classes]
            verdicts = [z != NO_ANSWER and partition.correct_Z[z] for z in classes]
            yield SampledPrompt(number, orbit, variant, samples, keys, verdicts)


def own_rows(run: Evaluated) -> Iterator[dict[str, Any]]:
    """A line per prompt of one of our suites; exact_match is the share of right draws."""
    for prompt in prompts(run):
        problem = prompt.orbit.problem
        doc = {"id": problem.id, "variant": prompt.variant.name, "question": problem.question}
        filtered = [INVALID if key is None else key for key in prompt.keys]
        yield {
            **common(prompt, doc, run),
            "filtered_resps": filtered if len(filtered) == 1 else [filtered],
            "filter": OURS,
            "metrics": [EXACT_MATCH],
            EXACT_MATCH: float(np.mean(prompt.verdicts)),
            OURS: extra(prompt, run),
        }


def native_rows(run: Evaluated, task: Task) -> Iterator[dict[str, Any]]:
    """A line per document and filter of a task of lm-eval, scored by the task."""
    for name in task.filters:
        for prompt in prompts(run):
            problem = prompt.orbit.problem
            doc = task.document(prompt.orbit)
            try:
                left, metrics = task.score(doc, [sample.text for sample in prompt.samples], name)
            except UsageError:  # a filter that wants more responses than were drawn
                break
            yield {
                **common(prompt, problem.metadata["doc"], run),
                "doc_id": int(problem.id),
                "filtered_resps": [left],
                "filter": name,
                "metrics": list(metrics),
                **metrics,
                OURS: extra(prompt, run),
            }


def common(prompt: SampledPrompt, doc: Any, run: Evaluated) -> dict[str, Any]:
    """What every line says of a document, with lm-eval's hashes."""
    references = list(prompt.orbit.problem.reference)
    target = str(references[0] if len(references) == 1 else references)
    messages = prompt.variant.messages
    text = plain_prompt(messages)
    if text is None:  # as lm-eval writes the chats it sends to a server
        text = json.dumps([dict(message) for message in messages], ensure_ascii=False)
    return {
        "doc_id": prompt.number,
        "doc": doc,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": text, "arg_1": generation(run.record.config["sampling"])}},
        "resps": [[sample.text for sample in prompt.samples]],
        "doc_hash": hashed(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": hashed(text),
        "target_hash": hashed(target),
    }


def extra(prompt: SampledPrompt, run: Evaluated) -> dict[str, Any]:
    """What lm-eval has no word for: enough to make the same run of the file again."""
    return {
        "suite": run.record.config["suite"],
        "answer_rules": list(run.rules),
        "problem": asdict(prompt.orbit.problem),
        "variant": prompt.variant.name,
        "draws": [drawn(sample) for sample in prompt.samples],
        "answers": list(prompt.keys),
        "right": list(prompt.verdicts),
    }


def drawn(sample: Sample) -> dict[str, Any]:
    """What is known of a draw beside its text."""
    said = {"finish_reason": sample.finish_reason, "n_tokens": sample.n_tokens, "logprob": sample.logprob}
    return said | ({"n_tokens_estimated": True} if sample.n_tokens_estimated else {})


def generation(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Sampling in lm-eval's words; what is unknown is left out."""
    known = {name: value for name, value in sampling.items() if value is not None}
    how: dict[str, Any] = {"until": list(known.get("stop", ()))}
    if "max_tokens" in known:
        how["max_gen_toks"] = known["max_tokens"]
    if "temperature" in known:
        drawn = known["temperature"] > 0
        how |= {"do_sample": drawn, "temperature": known["temperature"]}
        how |= {"top_p": known["top_p"]} if drawn and "top_p" in known else {}
    return how


def hashed(text: str) -> str:
    """SHA-256, as lm-eval's hash_string."""
    return sha256(text.encode()).hexdigest()


def results(run: Evaluated, rows: Sequence[Mapping[str, Any]], task: Task | None) -> dict[str, Any]:
    """The content of results_<date>.json."""
    record, name = run.record, run.task
    config = record.config
    described = task.config() if task else own_config(run)
    metrics = {**(native_metrics(rows, task) if task else {}), **own_metrics(run)}
    n_docs = len({row["doc_id"] for row in rows})
    hashes = [row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in rows]
    better = {m["name"]: m["higher_is_better"] for m in run.measured["metrics"]} | {EXACT_MATCH: True}
    return {
        "results": {name: {"name": name, "alias": name, "sample_len": n_docs, **metrics}},
        "group_subtasks": {},
        "configs": {name: described},
        "versions": {name: (described.get("metadata") or {}).get("version")},
        "n-shot": {name: described.get("num_fewshot") or 0},
        "higher_is_better": {name: better},
        "n-samples": {name: {"original": config["n_problems"], "effective": n_docs}},
        "config": model_config(config),
        "git_hash": record.provenance.get("commit"),
        "date": run.started.timestamp(),
        "transformers_version": record.provenance.get("packages", {}).get("transformers"),
        "lm_eval_version": record.provenance.get("packages", {}).get("lm-eval") if task else None,
        "task_hashes": {name: hashed("".join(hashes))},
        "model_source": OURS,
        "model_name": config["model"],
        "model_name_sanitized": run.model,
        "total_evaluation_time_seconds": str(record.seconds),
        OURS: {
            "run": record.id,
            "config": config,
            "samples_sha256": record.samples_sha256,
            "metrics_sha256": record.metrics_sha256,
            "metrics": run.measured["metrics"],
        },
    }


def model_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What lm-eval says of the model and its sampling, as far as it is known."""
    sampling = config["sampling"]
    seeds = dict.fromkeys(("random_seed", "numpy_seed", "torch_seed"), sampling.get("seed"))
    return {
        "model": config["model"],
        "model_args": None,
        "model_sha": config.get("model_sha256"),
        "model_dtype": config.get("dtype"),
        "batch_size": config.get("batch_size"),
        "limit": None,
        "gen_kwargs": generation(sampling),
        **seeds,
    }


def own_metrics(run: Evaluated) -> dict[str, Any]:
    """Our metrics under lm-eval's kind of key, accuracy as exact_match too; an undefined one is left out."""
    columns: dict[str, Any] = {}
    measured = {name: np.array(with_nan(values)) for name, values in run.measured["per_problem"].items()}
    for metric in run.measured["metrics"]:
        values = values_of(metric["name"], metric.get("ratio_of"), measured)
        if values is None or np.isnan(values).all():
            continue
        values = values[~np.isnan(values)]
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else "N/A"
        for name in (metric["name"], EXACT_MATCH) if metric["name"] == "accuracy" else (metric["name"],):
            columns |= {f"{name},{OURS}": float(metric["value"]), f"{name}_stderr,{OURS}": error}
    return columns


def native_metrics(rows: Sequence[Mapping[str, Any]], task: Task) -> dict[str, Any]:
    """The task's metrics over its documents by filter, and their standard errors."""
    values: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        for metric in row["metrics"]:
            values.setdefault((metric, row["filter"]), []).append(row[metric])
    columns: dict[str, Any] = {}
    for (metric, name), of_documents in values.items():
        value, error = task.aggregate(metric, of_documents)
        columns |= {f"{metric},{name}": value, f"{metric}_stderr,{name}": "N/A" if error is None else error}
    return columns


def own_config(run: Evaluated) -> dict[str, Any]:
    """One of our suites in the words of a task file."""
    return {
        "task": run.task,
        "output_type": "generate_until",
        "num_fewshot": 0,
        "repeats": run.record.config["sampling"]["n"],
        "generation_kwargs": generation(run.record.config["sampling"]),
        "filter_list": [{"name": OURS, "filter": [{"function": rule} for rule in run.rules]}],
        "metric_list": [{"metric": EXACT_MATCH, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": run.record.config["suite_version"]},
    }
