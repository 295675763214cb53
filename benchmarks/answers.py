"""Speed and verdicts of grading, against math-verify: the same inputs, one process, one core.

Run `python benchmarks/answers.py --data DIR` with OMP_NUM_THREADS=1; `--quick` takes every tenth row. The folder
holds model_responses_gsm8k_open.jsonl and math500.jsonl. Grading is reading the answer out of a response, making
its key and comparing it with the gold answer's; math-verify's is parse and verify, its timeouts off. The gold
answers are prepared beforehand for both, and keys made in one pass are forgotten before the next.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from math_verify import parse, verify

from alftbench.answers.canonical import remembered
from alftbench.answers.equivalence import accepts
from alftbench.answers.find.extract import extract, read_answer
from alftbench.answers.symbolic import verify as slow_check

REPEATS = 5
Row = tuple[str, str]  # text, gold
Grader = Callable[[Row, Any], bool]


def rows(path: Path, text: str, gold: str) -> list[Row]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(row[text], row[gold]) for row in map(json.loads, lines)]


def by_rules(kind: str, rules: Sequence[str]) -> Grader:
    def grade(row: Row, gold: Any) -> bool:
        answer = extract(row[0], kind, rules)
        if answer.canonical is None:
            return False
        verdict = accepts(gold.canonical, answer.canonical)
        return slow_check(gold.raw, answer.raw or "") if verdict is None else verdict

    return grade


def by_math_verify(row: Row, gold: Any) -> bool:
    return bool(verify(gold, parse(row[0], parsing_timeout=None), timeout_seconds=None))


def timed(grader: Grader, data: Sequence[Row], golds: Sequence[Any], repeats: int) -> tuple[float, list[bool]]:
    """The best rate in rows per second, and the verdicts."""
    best = 0.0
    for _ in range(repeats):
        remembered.cache_clear()
        gc.collect()
        start = time.perf_counter()
        verdicts = [grader(row, gold) for row, gold in zip(data, golds, strict=True)]
        best = max(best, len(data) / (time.perf_counter() - start))
    return best, verdicts


def compare(name: str, data: Sequence[Row], kind: str, rules: Sequence[str]) -> None:
    golds = [read_answer(gold, kind) for _, gold in data]
    theirs_gold = [parse(f"${gold}$", parsing_timeout=None) for _, gold in data]
    by_math_verify(data[0], theirs_gold[0])
    ours, verdicts = timed(by_rules(kind, rules), data, golds, REPEATS)
    theirs, their_verdicts = timed(by_math_verify, data, theirs_gold, 2)
    print(f"{name}: {len(data)} rows   ours {ours:9,.0f}/s   math-verify {theirs:7,.0f}/s   x{ours / theirs:.1f}")
    print(f"  judged right: ours {sum(verdicts)}, math-verify {sum(their_verdicts)}")
    for (text, gold), mine, their in zip(data, verdicts, their_verdicts, strict=True):
        if mine != their:
            raw, read = extract(text, kind, rules).raw, parse(text, parsing_timeout=None)
            print(f"  differs: gold {gold!r}, ours {mine} on {raw!r}, math-verify {their} on {read}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="every tenth row")
    options = parser.parse_args()
    folder, every = options.data, 10 if options.quick else 1
    logging.disable(logging.WARNING)  # math-verify says at every call that its timeouts are off
    responses = rows(folder / "model_responses_gsm8k_open.jsonl", "response", "gold")
    compare("GSM8K responses", responses[::every], "number", ("boxed", "hashes", "marker", "last-number"))
    solutions = rows(folder / "math500.jsonl", "solution", "answer")
    compare("MATH-500 solutions", solutions[::every], "math", ("boxed",))
