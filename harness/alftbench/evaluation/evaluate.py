"""One evaluation, from suite to metrics: orbits → samples → answers → classes → metrics → record."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from alftbench.backends.base import Backend
from alftbench.backends.load import open_backend
from alftbench.backends.ray.backend import RayBackend
from alftbench.backends.ray.sampler import Engine
from alftbench.base.locks import sole_writer
from alftbench.base.provenance import versions
from alftbench.errors import PluginError
from alftbench.evaluation.answers import read_partitions, record_answers
from alftbench.evaluation.measure import metrics_content
from alftbench.evaluation.plan import Plan
from alftbench.evaluation.run_folder import NotAllThere, RunFolder, existing, still_sealed
from alftbench.evaluation.verify import verify_samples
from alftbench.metrics.base import Metric
from alftbench.metrics.summary import metrics_for
from alftbench.types import Listener, Progress, RunRecord, Sample, SampleKey, nobody

TRIES = 3  # at drawing what is removed from the folder under way


def evaluate(plan: Plan, folder: Path, listen: Listener = nobody) -> RunRecord:
    """Run or continue an evaluation in a folder; a complete one is only graded again.

    The model is loaded before anything is written, so a model that does not load leaves nothing behind; nor does
    one that fails before its first sample. What is done already is looked up under the folder's lock: another
    command may have been at work until now.
    """
    metrics = metrics_for(plan.params.n)  # plugins at odds are named before anything is drawn
    with sole_writer(folder):
        backend = None if still_sealed(folder, existing(folder, plan.config)) else make_backend(plan)
        run = RunFolder.open(folder, plan.name, plan.config, engine_of(plan, backend) if backend else {})
        if backend:
            try:
                draw_all(plan, run, backend, listen)
            except BaseException:
                run.drop_if_empty()
                raise
        verify_samples(folder)
        measure(plan, run, metrics)
    return run.record


def engine_of(plan: Plan, backend: Backend) -> dict[str, Any]:
    """What provenance says of the engine; that it may run the model's own code, only where it may."""
    trust = {"trust_remote_code": True} if plan.request.options.trust_remote_code else {}
    return {**backend.about, **trust}


def draw_all(plan: Plan, run: RunFolder, backend: Backend, listen: Listener) -> None:
    """Draw what is missing and seal the run; what was removed from the folder meanwhile is drawn once more.

    Raises:
        NotAllThere: samples go missing time and again.
    """
    for tries_left in reversed(range(TRIES)):
        draw_samples(plan, run, backend, listen)
        try:
            run.seal(plan.keys())
            return
        except NotAllThere:
            if not tries_left:
                raise


def make_backend(plan: Plan) -> Backend:
    """The engine with the model loaded, here or on a Ray cluster."""
    request = plan.request
    if request.ray:
        model = str(Path(plan.model).resolve()) if Path(plan.model).exists() else plan.model
        engine = Engine(request.backend, model, plan.config["model_sha256"], request.options, {}, versions())
        return RayBackend(engine, request.ray)
    return open_backend(request.backend, plan.model, request.options)


def draw_samples(plan: Plan, run: RunFolder, backend: Backend, listen: Listener) -> None:
    """Sample what is missing and keep every portion as it comes.

    Raises:
        PluginError: the backend leaves draws out, or returns some that were not asked for.
        BadInput: the run holds samples that are none of the evaluation's.
    """
    wanted = set(plan.keys())
    done = run.keys(wanted)
    tokens, doing = 0, f"evaluating on {plan.suite.info.name}"
    listen(Progress(doing, len(done), plan.n_samples))
    started = time.perf_counter()
    for portion in backend.sample(plan.variants, plan.params, frozenset(done)):
        missing = [sample for sample in portion if sample.key not in done]
        check_portion(plan, missing, wanted)
        run.append(missing, time.perf_counter() - started)
        done.update(sample.key for sample in missing)
        tokens += sum(sample.n_tokens for sample in missing)
        listen(Progress(doing, len(done), plan.n_samples, {"tokens": tokens}))
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
    """Record the answers of a complete run, then measure them; memory holds one problem of either."""
    record_answers(run, plan.suite, plan.orbits)
    partitions = partial(read_partitions, run.path, plan.suite, plan.orbits)
    most = plan.suite.info.right_answers
    run.save_metrics(metrics_content(partitions, plan.orbits, metrics, plan.params.n, run.record.n_samples, most))
