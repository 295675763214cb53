"""Seconds and peak memory of sealing and measuring a run of a million samples.

    python benchmarks/partition.py                 1,000 problems × 8 phrasings × 128 samples
    python benchmarks/partition.py --quick         100 problems × 8 phrasings × 32 samples

Samples are written in a shuffled order of prompts, as an interrupted run leaves them. Answers are numbers drawn
from a skewed distribution, about a dozen classes per problem. Peak memory is the resident maximum so far.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alftbench.evaluation.evaluate import measure
from alftbench.evaluation.plan import EvalRequest, Plan
from alftbench.evaluation.run_folder import RunFolder
from alftbench.evaluation.verify import verify_samples
from alftbench.suites.base import SuiteInfo
from alftbench.types import Orbit, Problem, SamplingParams, Variant

WORDS = (
    "so",
    "we",
    "take",
    "the",
    "apples",
    "and",
    "add",
    "what",
    "she",
    "bought",
    "on",
    "Monday",
    "which",
    "gives",
)


class Numbers:
    """A suite of problems with whole numbers as answers."""

    def __init__(self, problems: int, phrasings: int, samples: int) -> None:
        self.info = SuiteInfo(
            "numbers", "1", "", "", "", SamplingParams(n=samples), ("test",), ("hashes", "marker", "last-number")
        )
        self._shape = (problems, phrasings)

    def orbits(self, split: str = "test", data: str | None = None) -> list[Orbit]:
        """Every problem in every phrasing."""
        problems, phrasings = self._shape
        return [
            Orbit(
                Problem(f"problem-{p}", "?", (str(p),), "number"),
                tuple(Variant(f"problem-{p}", f"phrasing-{v}", ()) for v in range(phrasings)),
            )
            for p in range(problems)
        ]


def write_samples(plan: Plan, path: Path) -> None:
    """What sampling leaves behind: one line per sample, prompts in a shuffled order."""
    draw, variants = random.Random(0), plan.variants
    draw.shuffle(variants)
    with path.open("w", encoding="utf-8") as file:
        for variant in variants:
            right = int(variant.problem_id.partition("-")[2])
            for number in range(plan.params.n):
                answer = right + int(draw.expovariate(0.7))
                text = " ".join(draw.choices(WORDS, k=40)) + f"\n#### {answer:,}"
                row = {
                    "problem_id": variant.problem_id, "variant": variant.name, "draw": number, "text": text,
                    "finish_reason": "stop", "n_tokens": 50,
                }  # fmt: skip
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def timed(name: str, work: Callable[[], Any]) -> None:
    """Do it, and print what it took."""
    started = time.perf_counter()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:8} {time.perf_counter() - started:7.1f} s   peak {peak:6.0f} MiB", flush=True)


def main(problems: int, phrasings: int, samples: int) -> None:
    """Write, seal, verify and measure one run."""
    suite = Numbers(problems, phrasings, samples)
    sampling = suite.info.sampling
    config = {
        "model": "none", "suite": "numbers", "suite_version": "1", "n_problems": problems,
        "sampling": asdict(sampling),
    }  # fmt: skip
    plan = Plan(EvalRequest("none", "numbers"), "none", suite, suite.orbits(), sampling, config)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        run = RunFolder.open(folder, "none", plan.config)
        timed("write", lambda: write_samples(plan, folder / "samples.jsonl"))
        timed("seal", run.seal)
        timed("verify", lambda: verify_samples(folder))
        timed("metrics", lambda: measure(plan, run))
        size = (folder / "samples.jsonl.gz").stat().st_size / 2**20
        print(f"{run.record.n_samples} samples, {size:.0f} MiB compressed")


if __name__ == "__main__":
    main(*((100, 8, 32) if "--quick" in sys.argv else (1000, 8, 128)))
