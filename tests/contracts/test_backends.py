"""Every registered backend: its record is true, every draw comes once and depends on none that is done already."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from alftbench.backends.base import Backend, BackendInfo, BackendOptions
from alftbench.backends.load import backend_class, backend_info, find_model, open_backend
from alftbench.backends.ray.backend import RayBackend
from alftbench.base import entry_points
from alftbench.errors import UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.suites.arithmetic import SUMS
from alftbench.suites.load import Selection
from alftbench.types import SamplingParams
from tests.helpers import serving

BACKENDS = list(entry_points.available("backend"))
EXTRAS = {"lm-eval": "lm_eval", "openai": "httpx2", "vllm": "vllm"}
PARAMS = SamplingParams(n=3, max_tokens=8)
VARIANTS = [variant for orbit in SUMS.orbits()[:3] for variant in orbit.variants]
MANY = {"scores": "log_probs", "enumerates": "traces", "divides": "units"}


@dataclass(frozen=True)
class Case:
    """A backend with a model that it can load."""

    backend: str
    model: str
    options: BackendOptions

    def open(self, **args: str) -> Backend:
        options = replace(self.options, args={**self.options.args, **args})
        return open_backend(self.backend, find_model(self.model, backend_info(self.backend)), options)


def script(folder: Path) -> Path:
    path = folder / "script.jsonl"
    path.write_text("".join(json.dumps({"text": f"Answer: {i}"}) + "\n" for i in range(5)), encoding="utf-8")
    return path


@pytest.fixture(params=BACKENDS)
def case(request, tmp_path) -> Iterator[Case]:
    """A backend at work; a model for one that is registered later has to be named here."""
    name, cpu = request.param, BackendOptions(device="cpu")
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None:
        pytest.skip(f"the engine {EXTRAS[name]} is not installed")
    with ExitStack() as stack:
        if name == "openai":
            server = stack.enter_context(serving())
            yield Case(name, "any", BackendOptions(args={"base_url": server.url, "backoff": "0.01"}))
        elif name == "scripted":
            yield Case(name, str(script(tmp_path)), BackendOptions())
        elif name == "replay":
            asked = EvalRequest(
                str(script(tmp_path)), "sums", selection=Selection(limit=3), samples=PARAMS.n, backend="scripted"
            )
            evaluate(plan(asked), tmp_path / "run")
            yield Case(name, str(tmp_path / "run"), BackendOptions())
        elif name in ("hf", "lm-eval", "vllm"):
            yield Case(name, "tiny-sums", cpu)
        elif backend_info(name).locate is None:
            yield Case(name, "any", BackendOptions())
        else:
            pytest.skip(f"no model for the backend {name} is named here")


def drawn(backend: Backend, done=frozenset()) -> dict:
    """Samples by key; none comes twice."""
    samples = [sample for portion in backend.sample(VARIANTS, PARAMS, done) for sample in portion]
    keys = {sample.key: sample for sample in samples}
    assert len(keys) == len(samples)
    return keys


@pytest.mark.parametrize("name", BACKENDS)
def test_its_record_says_what_its_class_has(name):
    kind = backend_class(name)
    assert isinstance(kind.info, BackendInfo)
    assert kind.info == backend_info(name)
    for flag, method in MANY.items():
        assert getattr(kind.info, flag) == hasattr(kind, method), flag
    assert (kind.__doc__ or "").strip()


def test_the_way_to_sample_on_a_cluster_has_a_record_too():
    assert RayBackend.info == BackendInfo()


def test_every_draw_comes_once_whatever_is_done_already(case):
    backend = case.open()
    assert json.dumps(dict(backend.about)) is not None
    whole = drawn(backend)
    assert set(whole) == {(v.problem_id, v.name, draw) for v in VARIANTS for draw in range(PARAMS.n)}
    done = frozenset(sorted(whole)[::2])
    rest = drawn(backend, done)
    assert set(whole) - done <= set(rest)
    assert rest.items() <= whole.items()
    assert drawn(backend, frozenset(whole)) == {}


def test_a_setting_that_it_does_not_know_is_refused(case):
    with pytest.raises(UsageError, match="no_such_setting"):
        case.open(no_such_setting="1")


def test_a_model_that_is_not_there_is_refused_before_anything_is_loaded(case):
    info = backend_info(case.backend)
    if info.locate is None or case.backend == "lm-eval":
        pytest.skip("names of models are a server's own")
    with pytest.raises(UsageError):
        find_model("no-such-model", info)
