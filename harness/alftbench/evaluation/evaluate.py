"""One evaluation, from suite to metrics: orbits → samples → answers → classes → metrics → record."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

from alftbench.backends.base import Backend
from alftbench.backends.ray.backend import RayBackend
from alftbench.backends.ray.sampler import Engine
from alftbench.base import plugins
from alftbench.base.locks import sole_writer
from alftbench.base.provenance import versions
from alftbench.errors import PluginError
from alftbench.evaluation.plan import Plan
from alftbench.evaluation.run_folder import RunFolder, existing, verify_samples
from alftbench.lm_eval.layout import Evaluated, Task, write_layout
from alftbench.metrics.base import Metric
from alftbench.metrics.phrasings import measure_phrasings
from alftbench.metrics.summary import metrics_for, per_problem, recorded
from alftbench.suites.grade import partitions
from alftbench.types import (
    AnswerPartition,
    RunRecord,
    Sample,
    SampleKey,
)

Progress = Callable[[int, int, int], None]  # samples done, samples in all, tokens just generated


def evaluate(plan: Plan, folder: Path, progress: Progress = lambda *_: None) -> RunRecord:
    """Run or continue an evaluation in a folder; a complete one is only read.

    The model is loaded before anything is written, so a model that does not load leaves nothing behind; nor does
    one that fails before its first sample.
    """
    found = existing(folder, plan.config)
    metrics = metrics_for(plan.params.n)  # plugins at odds are named before anything is drawn
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
        measure(plan, run, metrics)
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


def measure(plan: Plan, run: RunFolder, metrics: Sequence[Metric]) -> None:
    """Measure a complete run, reading its samples problem by problem; write metrics.json and lm-eval's layout."""
    made = list(partitions(plan.suite, plan.orbits, run.samples()))
    content = metrics_content(plan, made, metrics, run.record.n_samples)
    run.save_metrics(content)
    evaluated = Evaluated(run.record, plan.orbits, run.samples, made, content, plan.suite.info.answer_rules)
    write_layout(run.path, evaluated, plan.suite if isinstance(plan.suite, Task) else None)


def metrics_content(
    plan: Plan, made: Sequence[AnswerPartition], metrics: Sequence[Metric], n_samples: int
) -> dict[str, Any]:
    """The content of metrics.json: every metric with its interval, its value per problem, and phrasings apart."""
    ids = [orbit.problem.id for orbit in plan.orbits]
    values = per_problem(made, metrics, ids)
    phrasings = measure_phrasings(made, plan.orbits, plan.params.n)
    return {
        "metrics": recorded(values, metrics, n_samples),
        "bounds": {metric.name: metric.bounds for metric in metrics if metric.name in values},
        "problems": ids,
        "per_problem": {name: list(map(float, v)) for name, v in values.items()},
        "phrasings": phrasings.to_json() if phrasings else None,
    }
