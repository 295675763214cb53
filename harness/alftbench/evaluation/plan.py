"""What an evaluation is asked, and every choice made: checked before anything is written."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alftbench.backends.base import DEFAULT_OPTIONS, BackendOptions
from alftbench.backends.hf.folder import stated_trust
from alftbench.backends.load import backend_info, find_model
from alftbench.backends.model_files import model_digest
from alftbench.base.jsonio import digest
from alftbench.base.names import unfit, unfit_path
from alftbench.errors import UsageError
from alftbench.launch.cluster import RayCluster
from alftbench.suites.base import Suite
from alftbench.suites.load import TEST, Reader, Selection, read_problems
from alftbench.types import Orbit, SampleKey, SamplingParams, Variant

MOST_SAMPLES, MOST_TOKENS = 100_000, 10_000_000  # of a prompt and of a completion: more is a slip or an attack


@dataclass(frozen=True)
class EvalRequest:
    """What to evaluate; None takes the suite's own value. `name` is what tables call the model.

    ray: the cluster to sample on, which changes no sample; None for this process.
    """

    model: str
    suite: str
    selection: Selection = TEST
    name: str | None = None
    samples: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    backend: str = "hf"
    options: BackendOptions = DEFAULT_OPTIONS
    ray: RayCluster | None = None


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

    def keys(self) -> Iterator[SampleKey]:
        """The key of every sample that the evaluation will hold, in the order of a complete run."""
        prompts = sorted({(variant.problem_id, variant.name) for variant in self.variants})
        return ((*prompt, draw) for prompt in prompts for draw in range(self.params.n))

    @property
    def n_samples(self) -> int:
        """Samples that the evaluation will hold."""
        return self.params.n * len(self.variants)


def plan(request: EvalRequest, read: Reader = read_problems) -> Plan:
    """Check a request and settle its choices; reads the suite with `read`, writes nothing, loads no model.

    Raises:
        UsageError: an option is out of range, or a name or file does not exist.
        ModelRefused: the model needs code that came with it, or its files are not those of a model.
    """
    check_name(request)
    problems = read(request.suite, request.selection)
    suite, orbits = problems.suite, problems.orbits
    params = sampling(request, suite.info.sampling)
    info = backend_info(request.backend)
    model = find_model(request.model, info)
    if info.check:
        info.check(model, request.options.trust_remote_code)
    config = {
        "model": display_name(request, model),
        "model_sha256": model_digest(model) if info.locate else None,
        "suite": suite.info.name,
        "suite_version": suite.info.version,
        "suite_sha256": digest([asdict(orbit) for orbit in orbits]),
        "split": request.selection.split,
        "n_problems": len(orbits),
        "sampling": stated_sampling(params),
        "backend": request.backend,
        "dtype": request.options.dtype,
        "batch_size": request.options.batch_size,
        **backend_settings(request.options, info.pace),
        **stated_trust(model, request.options.trust_remote_code),
        **request.selection.stated,
    }
    return Plan(request, model, suite, orbits, params, config)


def stated_sampling(params: SamplingParams) -> dict[str, Any]:
    """Sampling as it stands in a configuration: stop strings only where there are any."""
    return {name: value for name, value in asdict(params).items() if value != ()}


def backend_settings(options: BackendOptions, pace: Container[str]) -> dict[str, Any]:
    """Settings of one backend as they stand in a configuration: those given, less those of pace alone."""
    args = {name: text for name, text in options.args.items() if name not in pace}
    given = {"logprobs": options.logprobs, "backend_args": args}
    return {name: value for name, value in given.items() if value}


def check_name(request: EvalRequest) -> None:
    """See that tables and files can have the name that is asked for, or that of the model.

    Raises:
        UsageError: they cannot.
    """
    if request.name is not None and (why := unfit_path(request.name)):
        raise UsageError(f"--name {request.name!r}: {why}")
    if request.name is None and (name := display_name(request, request.model)) and (why := unfit(name)):
        raise UsageError(f"--model {request.model!r}: as a name {name!r} {why}; choose another with --name")


def display_name(request: EvalRequest, model: str) -> str:
    """The name asked for, else the last part of the folder or hub id; a `checkpoint` is called by its run."""
    path = Path(model)
    return request.name or (path.parent.name if path.name == "checkpoint" else path.name)


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
        (params.n <= MOST_SAMPLES, f"--samples {params.n}: must be at most {MOST_SAMPLES}"),
        (params.max_tokens >= 1, f"--max-tokens {params.max_tokens}: must be at least 1"),
        (params.max_tokens <= MOST_TOKENS, f"--max-tokens {params.max_tokens}: must be at most {MOST_TOKENS}"),
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
