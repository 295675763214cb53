"""One evaluation, from suite to metrics: orbits → samples → answers → classes → metrics → record."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.answers.find.extract import extract
from alftbench.answers.judge.judge import Judge
from alftbench.answers.partition import by_phrasing, partition
from alftbench.backends.base import DEFAULT_OPTIONS, Backend, BackendOptions
from alftbench.backends.model_files import locate, model_digest
from alftbench.backends.ray.backend import RayBackend
from alftbench.backends.ray.sampler import Engine
from alftbench.base import plugins
from alftbench.base.jsonio import digest
from alftbench.base.locks import sole_writer
from alftbench.base.provenance import versions
from alftbench.errors import BadInput, PluginError, UsageError
from alftbench.evaluation.run_folder import RunFolder, existing, verify_samples
from alftbench.launch.cluster import RayCluster
from alftbench.lm_eval.layout import Evaluated, Task, write_layout
from alftbench.metrics.phrasings import measure_phrasings
from alftbench.metrics.summary import metrics_for, per_problem, summarise
from alftbench.suites.base import Grader, Suite
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.orbits import parse_orbit
from alftbench.types import (
    AnswerPartition,
    Orbit,
    RunRecord,
    Sample,
    SampleKey,
    SamplingParams,
    Variant,
)

Progress = Callable[[int, int, int], None]  # samples done, samples in all, tokens just generated


@dataclass(frozen=True)
class EvalRequest:
    """What to evaluate; None takes the suite's own value. `name` is what tables call the model.

    ray: the cluster to sample on, which changes no sample; None for this process.
    """

    model: str
    suite: str
    name: str | None = None
    data: str | None = None
    split: str = "test"
    limit: int | None = None
    orbit: str | None = None
    data_unchecked: bool = False
    samples: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    backend: str = "hf"
    options: BackendOptions = DEFAULT_OPTIONS
    ray: RayCluster | None = None

    @property
    def selection(self) -> Selection:
        """Which problems, in which phrasings."""
        orbit = parse_orbit(self.orbit) if self.orbit is not None else None
        return Selection(self.split, self.data, self.limit, orbit, self.data_unchecked)


@dataclass(frozen=True)
class Plan:
    """A request with every choice made: what will run, and the configuration that identifies it."""

    request: EvalRequest
    model: str
    suite: Suite
    orbits: Sequence[Orbit]
    params: SamplingParams
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What tables call the model."""
        return display_name(self.request, self.model)

    @property
    def variants(self) -> list[Variant]:
        """Every prompt of the evaluation."""
        return [variant for orbit in self.orbits for variant in orbit.variants]

    @property
    def n_samples(self) -> int:
        """Samples that the evaluation will hold."""
        return self.params.n * len(self.variants)


def plan(request: EvalRequest) -> Plan:
    """Check a request and settle its choices; reads the suite, writes nothing, loads no model.

    Raises:
        UsageError: an option is out of range, or a name or file does not exist.
    """
    suite = load_suite(request.suite)
    params = sampling(request, suite.info.sampling)
    engine = backend_class(request.backend)
    model = find_model(request.model, engine)
    selection = request.selection
    orbits = read_orbits(suite, selection)
    config = {
        "model": display_name(request, model),
        "model_sha256": None if served(engine) else model_digest(model),
        "suite": suite.info.name,
        "suite_version": suite.info.version,
        "suite_sha256": digest([asdict(orbit) for orbit in orbits]),
        "split": request.split,
        "n_problems": len(orbits),
        "sampling": identity(params),
        "backend": request.backend,
        "dtype": request.options.dtype,
        "batch_size": request.options.batch_size,
        **backend_settings(request.options, getattr(engine, "pace", ())),
        **selection.stated,
    }
    return Plan(request, model, suite, orbits, params, config)


def backend_class(name: str) -> Any:
    """The class of a backend that may have names of its own for models; None for the default one.

    The default backend reads model files, and importing it takes seconds.

    Raises:
        UnknownName: there is no such backend.
    """
    plugins.find("backend", name)
    return None if name == EvalRequest.backend else plugins.load("backend", name)


def served(engine: Any) -> bool:
    """Does a server elsewhere hold the model, so that its name is the server's?"""
    return bool(getattr(engine, "served", False))


def find_model(name: str, engine: Any) -> str:
    """The model's folder or hub id; a backend may know other names by a `locate` of its own."""
    if served(engine):
        return name
    try:
        return locate(name)
    except UsageError:
        own = getattr(engine, "locate", None)
        if own is None:
            raise
        return str(own(name))


def identity(params: SamplingParams) -> dict[str, Any]:
    """Sampling as it stands in a configuration: stop strings only where there are any."""
    return {name: value for name, value in asdict(params).items() if value != ()}


def backend_settings(options: BackendOptions, pace: Container[str]) -> dict[str, Any]:
    """Settings of one backend as they stand in a configuration: those given, less those of pace alone."""
    args = {name: text for name, text in options.args.items() if name not in pace}
    given = {"logprobs": options.logprobs, "backend_args": args}
    return {name: value for name, value in given.items() if value}


def display_name(request: EvalRequest, model: str) -> str:
    """The name asked for, else the last part of the folder or hub id; a `checkpoint` is called by its run."""
    path = Path(model)
    return request.name or (path.parent.name if path.name == "checkpoint" else path.name)


def evaluate(plan: Plan, folder: Path, progress: Progress = lambda *_: None) -> RunRecord:
    """Run or continue an evaluation in a folder; a complete one is only read.

    The model is loaded before anything is written, so a model that does not load leaves nothing behind; nor does
    one that fails before its first sample.
    """
    found = existing(folder, plan.config)
    backend = None if found and found.status == "complete" else make_backend(plan)
    with sole_writer(folder):
        run = RunFolder.open(folder, plan.name, plan.config, getattr(backend, "about", {}))
        if backend and not run.complete:
            try:
                draw_samples(plan, run, backend, progress)
            except BaseException:
                run.drop_if_empty()
                raise
            run.seal()
        verify_samples(folder)
        measure(plan, run)
    return run.record


def make_backend(plan: Plan) -> Backend:
    """The engine with the model loaded, here or on a Ray cluster."""
    request = plan.request
    if request.ray:
        model = str(Path(plan.model).resolve()) if Path(plan.model).exists() else plan.model
        engine = Engine(request.backend, model, plan.config["model_sha256"], request.options, {}, versions())
        return RayBackend(engine, request.ray)
    backend: Backend = plugins.load("backend", request.backend)(plan.model, request.options)
    return backend


def draw_samples(plan: Plan, run: RunFolder, backend: Backend, progress: Progress) -> None:
    """Sample what is missing and keep every portion as it comes.

    Raises:
        PluginError: the backend leaves draws out, or returns some that were not asked for.
    """
    done = {sample.key for sample in run.samples()}
    wanted = {(v.problem_id, v.name, draw) for v in plan.variants for draw in range(plan.params.n)}
    progress(len(done), plan.n_samples, 0)
    started = time.perf_counter()
    for portion in backend.sample(plan.variants, plan.params, frozenset(done)):
        missing = [sample for sample in portion if sample.key not in done]
        check_portion(plan, missing, wanted)
        run.append(missing, time.perf_counter() - started)
        done.update(sample.key for sample in missing)
        progress(len(done), plan.n_samples, sum(sample.n_tokens for sample in missing))
        started = time.perf_counter()
    if len(done) < len(wanted):
        raise PluginError(
            f"backend {plan.request.backend!r} left out {len(wanted - done)} of {len(wanted)} draws; "
            f"what it returned is kept"
        )


def check_portion(plan: Plan, samples: Sequence[Sample], wanted: Container[SampleKey]) -> None:
    """Every sample of a portion was asked for and is there once; else a metric would end as a wrong number.

    Raises:
        PluginError: it is not so.
    """
    keys = [sample.key for sample in samples]
    if len(set(keys)) < len(keys) or any(key not in wanted for key in keys):
        raise PluginError(
            f"backend {plan.request.backend!r} returned a draw twice or one that was not asked for; "
            f"that portion was not kept"
        )


def partitions(
    suite: Suite, orbits: Sequence[Orbit], samples: Iterable[Sample], judge: Judge | None = None
) -> Iterator[AnswerPartition]:
    """Extract every sample's answer and group each orbit's answers into classes, problem by problem.

    Args:
        suite: says how answers are read.
        orbits: what was sampled, in any order.
        samples: sorted by problem, phrasing and draw, as a complete run holds them; read as partitions are
            taken, so that memory holds one problem's samples.
        judge: compares answers that need more than their text; the process's own if not given.

    Yields:
        A partition for every problem, in the order of `samples`.

    Raises:
        BadInput: samples of a problem are missing, unknown or out of order.
    """
    open_orbits = {orbit.problem.id: orbit for orbit in orbits}
    for problem_id, group in groupby(samples, key=lambda sample: sample.problem_id):
        orbit = open_orbits.pop(problem_id, None)
        if orbit is None:
            raise BadInput(f"samples of problem {problem_id!r}, which is unknown here or came before")
        yield graded(suite, orbit, group, judge)
    if open_orbits:
        raise BadInput(f"no samples of problem {next(iter(open_orbits))!r}; run the evaluation again")


def graded(suite: Suite, orbit: Orbit, samples: Iterable[Sample], judge: Judge | None) -> AnswerPartition:
    """The classes of one orbit's samples, by the suite's own rules where it has some."""
    samples_VN = by_phrasing(orbit, samples)
    if isinstance(suite, Grader):
        return suite.partition(orbit, samples_VN)
    kind, rules = orbit.problem.answer_kind, suite.info.answer_rules
    answers_VN = [[extract(s.text, kind, rules, s.finish_reason) for s in row] for row in samples_VN]
    return partition(orbit.problem, answers_VN, judge)


def measure(plan: Plan, run: RunFolder) -> None:
    """Measure a complete run, reading its samples problem by problem; write metrics.json and lm-eval's layout."""
    made = list(partitions(plan.suite, plan.orbits, run.samples()))
    content = metrics_content(plan, made, run.record.n_samples)
    run.save_metrics(content)
    evaluated = Evaluated(run.record, plan.orbits, run.samples, made, content, plan.suite.info.answer_rules)
    write_layout(run.path, evaluated, plan.suite if isinstance(plan.suite, Task) else None)


def metrics_content(plan: Plan, made: Sequence[AnswerPartition], n_samples: int) -> dict[str, Any]:
    """The content of metrics.json: every metric with its interval, its value per problem, and phrasings apart."""
    metrics = metrics_for(plan.params.n)
    ids = [orbit.problem.id for orbit in plan.orbits]
    values = per_problem(made, metrics, ids)
    rows = summarise({name: v[None] for name, v in values.items()}, metrics, n_samples)
    phrasings = measure_phrasings(made, plan.orbits, plan.params.n)
    return {
        "metrics": [asdict(row) for row in rows],
        "bounds": {metric.name: metric.bounds for metric in metrics},
        "problems": ids,
        "per_problem": {name: list(map(float, v)) for name, v in values.items()},
        "phrasings": phrasings.to_json() if phrasings else None,
    }


def sampling(request: EvalRequest, default: SamplingParams) -> SamplingParams:
    """The suite's sampling with what the request overrides, checked."""
    chosen: dict[str, Any] = {
        "n": request.samples,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
    }
    params = replace(default, **{name: value for name, value in chosen.items() if value is not None})
    checks = [
        (params.n >= 1, f"--samples {params.n}: must be at least 1"),
        (params.max_tokens >= 1, f"--max-tokens {params.max_tokens}: must be at least 1"),
        (np.isfinite(params.temperature) and params.temperature >= 0,
         f"--temperature {params.temperature}: must be 0 (greedy) or above"),
        (0 < params.top_p <= 1, f"--top-p {params.top_p}: must be above 0 and at most 1"),
        (params.seed >= 0, f"--seed {params.seed}: must not be negative"),
        (params.temperature > 0 or params.n == 1, 
         f"--temperature 0 is greedy, so all {params.n} samples would be the same; use --samples 1"),
    ]  # fmt: skip
    for fine, message in checks:
        if not fine:
            raise UsageError(message)
    return params
