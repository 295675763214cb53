"""Make a run of a samples file of lm-eval: responses become draws, documents problems; then our metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from alftbench.backends.base import UNKNOWN, BackendOptions
from alftbench.base.jsonio import digest, read_json
from alftbench.base.names import unfit
from alftbench.base.validate import Key, read
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.plan import EvalRequest, Plan
from alftbench.lm_eval.layout import Task
from alftbench.lm_eval.prompts import compare_prompts
from alftbench.lm_eval.rows import OURS, SampleRow, read_rows, task_of
from alftbench.suites.base import Suite
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.types import Orbit, SamplingParams, plain_prompt


@dataclass(frozen=True)
class ImportRequest:
    """What to import. results: lm-eval's results file; the one beside the samples with the same date if None.

    suite: whose answer rules to use, or the `lm-eval:` task that the samples are of; None takes the file's word.
    """

    samples: Path
    results: Path | None = None
    suite: str | None = None
    filter: str | None = None
    metric: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class OurConfig:
    """What the configuration of a run of ours must say."""

    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OurResults:
    """What this harness adds to a results file."""

    config: OurConfig = OurConfig()


@dataclass(frozen=True)
class ResultsFile:
    """What a results file of lm-eval must hold, as far as it is read."""

    results: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    fewshot: Annotated[Mapping[str, Any] | None, Key("n-shot")] = None
    task_hashes: Mapping[str, Any] | None = None
    alftbench: OurResults = OurResults()


def plan_import(request: ImportRequest) -> Plan:
    """The evaluation that replays a samples file; `evaluate` runs it like any other.

    Raises:
        BadInput: the file is none of lm-eval's generate_until samples, or not of the suite that was named.
        UsageError: the file does not say how to grade its answers.
    """
    path = request.samples
    rows = read_rows(path, request.filter)
    results = read_results(path, request.results)
    suite = load_suite(suite_name(request))
    task = is_task(request)
    orbits = task_orbits(path, suite, rows) if task else read_orbits(suite, Selection(data=str(path)))
    compared = {"prompts": compared_prompts(path, suite, orbits, rows, results)} if task else {}
    name = request.name or str(results.get("model_name") or UNKNOWN)
    if why := unfit(name):
        raise UsageError(f"the model's name {name!r} {why}; choose another with --name")
    known = known_sampling(path, rows, results)
    config = {
        "model": name,
        "model_sha256": None,
        "suite": suite.info.name,
        "suite_version": suite.info.version,
        "suite_sha256": digest([asdict(orbit) for orbit in orbits]),
        "split": "test",
        "n_problems": len(orbits),
        "sampling": known,
        "backend": "imported",
        "dtype": results.get("config", {}).get("model_dtype"),
        "batch_size": None,
        "imported": origin(path, rows, results) | compared,
    }
    options = BackendOptions(args={"filter": request.filter} if request.filter else {})
    replayed = EvalRequest(
        str(path), suite.info.name, Selection(data=str(path)), name, backend="replay", options=options
    )
    return Plan(replayed, str(path), suite, orbits, SamplingParams(n=known["n"]), config)


def is_task(request: ImportRequest) -> bool:
    """Are the samples to be graded as a task of lm-eval, by its own code?"""
    return (request.suite or "").startswith("lm-eval:")


def suite_name(request: ImportRequest) -> str:
    """The suite by its name: a task of lm-eval itself, else the file as a suite."""
    if is_task(request):
        return str(request.suite)
    chosen = {"filter": request.filter, "metric": request.metric, "like": request.suite}
    options = ",".join(f"{key}={value}" for key, value in chosen.items() if value is not None)
    return f"imported:{task_of(request.samples)}" + (f":{options}" if options else "")


def task_orbits(path: Path, suite: Suite, rows: Sequence[SampleRow]) -> Sequence[Orbit]:
    """The problems of a task that the samples are of.

    Raises:
        BadInput: a document in the file is not the task's, or stands there twice.
    """
    orbits = {orbit.problem.id: orbit for orbit in read_orbits(suite, Selection())}
    for row in rows:
        orbit = orbits.get(row.problem_id)
        if orbit is None or orbit.problem.metadata["doc"] != row.doc:
            raise BadInput(f"{path}, line {row.number}: document {row.doc_id} is not that of {suite.info.name}")
    asked = {row.problem_id: row for row in rows}
    if len(asked) < len(rows):
        twice = next(row for row in rows if asked[row.problem_id] is not row)
        raise BadInput(f"{path}, line {twice.number}: document {twice.doc_id} stands on another line too")
    return [orbit for name, orbit in orbits.items() if name in asked]


def compared_prompts(
    path: Path, suite: Suite, orbits: Sequence[Orbit], rows: Sequence[SampleRow], results: Mapping[str, Any]
) -> str:
    """How the prompts of a file were found to be the task's, or that it holds none.

    Raises:
        BadInput: they are others.
    """
    messages = {orbit.problem.id: orbit.variants[0].messages for orbit in orbits}
    described = suite.config() if isinstance(suite, Task) else {}
    stated = {
        "num_fewshot": described.get("num_fewshot") or 0,
        "chat": plain_prompt(next(iter(messages.values()))) is None,
        "results": results,
        "task": task_of(path),
    }
    try:
        return compare_prompts(rows, [messages[row.problem_id] for row in rows], stated)
    except ValueError as error:
        raise BadInput(f"{path}: not of {suite.info.name}: {error}") from None


def read_results(samples: Path, results: Path | None) -> Mapping[str, Any]:
    """lm-eval's results file: the one named, or the one of the same date; empty where there is none."""
    if results is None:
        results = samples.with_name(f"results_{samples.stem.rpartition('_')[2]}.json")
        if not results.is_file():
            return {}
    content = read_json(results)
    if not isinstance(content, dict) or "results" not in content:
        raise BadInput(f"{results}: not a results file of lm-eval")
    read(ResultsFile, content, f"{results}: not a results file of lm-eval", closed=False)
    return content


def known_sampling(path: Path, rows: Sequence[SampleRow], results: Mapping[str, Any]) -> dict[str, Any]:
    """How the responses were drawn as far as the files say; None for what they do not.

    Raises:
        BadInput: prompts have different numbers of responses.
    """
    numbers = {len(row.texts) for row in rows}
    if len(numbers) > 1:
        raise BadInput(f"{path}: {min(numbers)} to {max(numbers)} responses a prompt; they must be equally many")
    n = numbers.pop()
    ours = results.get(OURS, {}).get("config", {}).get("sampling")
    if ours is not None:
        return {**ours, "n": n}
    said = rows[0].generation
    temperature = said.get("temperature", 1.0) if said.get("do_sample", "temperature" in said) else 0.0
    return {
        "n": n,
        "temperature": temperature,
        "top_p": said.get("top_p", 1.0 if temperature == 0 else None),
        "max_tokens": said.get("max_gen_toks"),
        "seed": results.get("config", {}).get("torch_seed"),
        **({"stop": said["until"]} if said.get("until") else {}),
    }


def origin(path: Path, rows: Sequence[SampleRow], results: Mapping[str, Any]) -> dict[str, Any]:
    """Where the samples come from, and what nobody recorded."""
    unknown = [] if rows[0].extra else ["finish_reason", "n_tokens"]
    return {
        "samples_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "filter": rows[0].filter,
        "lm_eval": results.get("lm_eval_version"),
        "date": results.get("date"),
        "task_hash": (results.get("task_hashes") or {}).get(task_of(path)),
        "unknown": unknown,
    }
