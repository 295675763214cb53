"""Log-probabilities of a run's samples under the trained model and under its reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from alftbench.backends.base import Scorer
from alftbench.backends.load import backend_class
from alftbench.backends.model_files import locate, model_digest
from alftbench.base.arrays import FloatArray
from alftbench.base.jsonio import read_jsonl, write_gzip
from alftbench.errors import BadInput
from alftbench.evaluation.plan import Plan
from alftbench.evaluation.run_folder import read_record, read_samples

RATIOS_VERSION = 1
RATIOS = "log_ratios.jsonl.gz"


def score(runs: Sequence[tuple[Plan, Path]], reference: str) -> None:
    """Write the log-probabilities of complete runs of one model; what is there already is kept.

    Nothing is written where samples are not drawn from the model's own distribution (another temperature, a
    nucleus), or where the backend cannot score.
    """
    missing = [
        (plan, folder)
        for plan, folder in runs
        if plan.params.temperature == plan.params.top_p == 1
        and not is_whole(folder / RATIOS, ratios_header(plan, folder, reference), plan.n_samples)
    ]
    if not missing:
        return
    policy = log_probs(missing[0][0].model, missing)
    start = log_probs(locate(reference), missing)
    if policy is None or start is None:
        return
    for (plan, folder), log_policy_R, log_reference_R in zip(missing, policy, start, strict=True):
        lines = [ratios_header(plan, folder, reference)]
        for sample, ours, theirs in zip(read_samples(folder), log_policy_R, log_reference_R, strict=True):
            place = {"problem_id": sample.problem_id, "variant": sample.variant, "draw": sample.draw}
            lines.append({**place, "log_policy": round(float(ours), 6), "log_reference": round(float(theirs), 6)})
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_gzip(folder / RATIOS, text.encode())


def ratios_header(plan: Plan, folder: Path, reference: str) -> dict[str, Any]:
    """Which policy, reference and samples."""
    return models_header(RATIOS_VERSION, plan, reference) | {"samples_sha256": read_record(folder).samples_sha256}


def models_header(schema_version: int, plan: Plan, reference: str) -> dict[str, Any]:
    """What the first line of a file about a policy and its reference says of them."""
    return {
        "schema_version": schema_version,
        "policy_sha256": model_digest(plan.model) or plan.model,
        "reference_sha256": model_digest(locate(reference)) or reference,
    }


def read_header(path: Path) -> dict[str, Any]:
    """What such a file was made of; empty where there is none that can be read."""
    with suppress(BadInput, StopIteration):
        return next(read_jsonl(path))[1]
    return {}


def is_whole(path: Path, header: Mapping[str, Any], n_lines: int) -> bool:
    """Does a file have this header and so many lines below it?"""
    with suppress(BadInput):
        rows = read_jsonl(path)
        return next(rows, (0, {}))[1] == header and sum(1 for _ in rows) == n_lines
    return False


def log_probs(model: str, runs: Sequence[tuple[Plan, Path]]) -> list[FloatArray] | None:
    """Log-probabilities of the samples of several runs, None where the backend cannot score.

    In float32 whatever the samples were drawn in: a ratio is a small difference of large numbers.
    """
    request = runs[0][0].request
    kind = backend_class(request.backend)
    if not kind.info.scores:
        return None
    backend = cast("Scorer", kind(model, replace(request.options, dtype="float32")))
    return [backend.log_probs(plan.variants, read_samples(folder)) for plan, folder in runs]
