"""Real judgements, real responses and real gold answers; skipped where the shared data is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction

import pytest

from alftbench.answers.canonical import canonical
from alftbench.answers.equivalence import accepts
from alftbench.answers.find.extract import extract, read_answer
from alftbench.answers.symbolic import verify

RULES = ("boxed", "hashes", "marker", "last-number")


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def equivalent(gold: str, prediction: str) -> bool:
    """The judgement of `alftbench grade`, with the slow check in this process."""
    one, other = read_answer(gold, "math"), read_answer(prediction, "math")
    if one.canonical is None or other.canonical is None:
        return False
    verdict = accepts(one.canonical, other.canonical)
    return verify(one.raw or "", other.raw or "") if verdict is None else verdict


def test_judgements_of_17_projects(shared_data):
    """The bars are 95% of the uncontested rows and 92% of all; docs/answers.md lists what is left."""
    pairs = rows(shared_data("grading_pairs_open.jsonl"))
    agree = [(equivalent(row["gold"], row["prediction"]) == row["equivalent"], row["contested"]) for row in pairs]
    uncontested = [same for same, contested in agree if not contested]
    assert sum(uncontested) / len(uncontested) >= 0.985
    assert sum(same for same, _ in agree) / len(agree) >= 0.94


def test_labels_of_real_responses(shared_data):
    data = rows(shared_data("model_responses_gsm8k_open.jsonl"))
    for kind in ("number", "math"):
        keys = [extract(row["response"], kind, RULES).canonical for row in data]
        right = [key is not None and bool(accepts(canonical(kind, row["gold"]), key))
                 for key, row in zip(keys, data, strict=True)]  # fmt: skip
        assert sum(r == row["is_correct"] for r, row in zip(right, data, strict=True)) / len(data) >= 0.999


def near_misses(gold: str) -> Iterator[str]:
    """Wrong answers close to a number: ±1, the sign, two digits swapped, the fraction upside down."""
    value = Fraction(canonical("number", gold) or "0")
    wrong = [value + 1, value - 1, -value]
    digits = str(abs(value.numerator))
    for i in range(len(digits) - 1):
        swapped = digits[:i] + digits[i + 1] + digits[i] + digits[i + 2 :]
        wrong.append(Fraction(int(swapped), value.denominator) * (1 if value > 0 else -1))
    if value:
        wrong.append(1 / value)
    yield from {str(miss) for miss in wrong if miss != value}


@pytest.mark.parametrize("name", ["gsm8k_test", "svamp", "orbits_mathcheck_gsm", "orbits_mgsm"])
@pytest.mark.parametrize("kind", ["number", "math"])
def test_gold_numbers_and_near_misses(shared_data, name, kind):
    for gold in {row["answer"] for row in rows(shared_data(f"{name}.jsonl"))}:
        key = canonical(kind, gold)
        for written in (gold, f"\\boxed{{{gold}}}", f"The answer is ${gold}$."):
            assert accepts(key, read_answer(written, kind).canonical) is True
        for miss in near_misses(gold):
            assert accepts(key, read_answer(miss, kind).canonical) is False, (gold, miss)


def test_gsm8k_solutions(shared_data):
    for row in rows(shared_data("gsm8k_test.jsonl")):
        assert extract(row["solution"], "number", RULES).canonical == canonical("number", row["answer"])


def test_math500_solutions_give_their_answers_without_the_slow_check(shared_data):
    for row in rows(shared_data("math500.jsonl")):
        gold = canonical("math", row["answer"])
        assert accepts(gold, extract(row["solution"], "math", ("boxed",)).canonical) is True, row["answer"]


def changed(answer: str) -> Iterator[str]:
    """An answer with its sign, its first number or its fraction changed."""
    if answer != "0":
        yield answer.replace("\\frac", "-\\frac", 1) if answer.startswith("\\frac") else f"-({answer})"
    yield f"{answer} + 1"
    for i, character in enumerate(answer):
        if character.isdigit():
            yield answer[:i] + str((int(character) + 1) % 10 or 1) + answer[i + 1 :]
            break


def test_near_misses_of_math500(shared_data):
    """Words have no near misses, and what a change made unreadable is no answer."""
    checked = 0
    for row in rows(shared_data("math500.jsonl")):
        gold = canonical("math", row["answer"])
        for miss in changed(row["answer"]):
            key = canonical("math", miss)
            if key is None or key.startswith("tex:"):
                continue
            checked += 1
            assert accepts(gold, key) is not True, (row["answer"], miss, gold, key)
    assert checked > 1000
