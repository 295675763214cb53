from __future__ import annotations

import json

import pytest

from alftbench.answers.canonical import KINDS, canonical
from alftbench.answers.find.extract import extract
from alftbench.answers.partition import reference_keys
from alftbench.errors import BadInput
from alftbench.suites.arithmetic import SPLITS, SUMS
from alftbench.suites.base import Suite
from alftbench.suites.catalogue import registered
from alftbench.suites.load import Selection, load_suite, read_orbits

NEED_MATH = {"math500", "minerva", "olympiadbench"}  # the answer kind comes with another part of the harness


def test_every_registered_suite_keeps_the_contract():
    for name in registered()[0]:
        if name in NEED_MATH and "math" not in KINDS:
            continue
        suite = load_suite(name)
        assert isinstance(suite, Suite)
        assert suite.info.name == name
        for text in (suite.info.version, suite.info.description, suite.info.licence, suite.info.citation):
            assert text


@pytest.mark.parametrize("suite", [SUMS, SPLITS], ids=["sums", "splits"])
def test_embedded_suites_are_sound(suite):
    train, test = suite.orbits("train"), suite.orbits("test")
    questions = [frozenset(map(int, o.problem.question.split(" + "))) if suite is SUMS else o.problem.question
                 for o in (*train, *test)]  # fmt: skip
    assert len(set(questions)) == len(train) + len(test)  # disjoint, and a + b is not b + a again
    for orbit in (*train, *test):
        prompts = [variant.messages[0]["content"] for variant in orbit.variants]
        assert len(set(prompts)) == len(prompts) >= (6 if suite is SUMS else 4)
        assert len(reference_keys(orbit.problem)) == len(orbit.problem.reference)


def test_references_are_exactly_the_right_answers():
    for orbit in (*SUMS.orbits("test"), *SUMS.orbits("train")):
        a, b = map(int, orbit.problem.question.split(" + "))
        assert reference_keys(orbit.problem) == {str(a + b)}
    for orbit in (*SPLITS.orbits("test"), *SPLITS.orbits("train")):
        n = int(orbit.problem.id.removeprefix("splits-"))
        pairs = {f"{a}+{n - a}" for a in range(10, 100) if a <= n - a <= 99}
        assert reference_keys(orbit.problem) == pairs
        assert len(pairs) >= 11


def test_near_misses_are_wrong():
    for orbit in SUMS.orbits("test"):
        right = reference_keys(orbit.problem)
        total = int(orbit.problem.reference[0])
        for miss in (total + 1, total - 1, -total, total * 10):
            assert canonical("number", str(miss)) not in right


def test_gsm8k_reads_the_real_file_and_grades_its_own_solutions(shared_data):
    path = shared_data("gsm8k_test.jsonl")
    orbits = read_orbits(load_suite("gsm8k"), Selection(data=str(path)))
    solutions = [json.loads(line)["solution"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(orbits) == 1319
    rules = load_suite("gsm8k").info.answer_rules
    for orbit, solution in zip(orbits, solutions, strict=True):
        key = extract(solution, "number", rules).canonical
        assert {key} == reference_keys(orbit.problem)
        assert canonical("number", str(int(key) + 1)) not in reference_keys(orbit.problem)


def test_real_model_answers_are_graded_as_their_authors_did(shared_data):
    """2,652 responses of real models, which end in a number, against the published labels."""
    path = shared_data("model_responses_gsm8k_open.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    agree = 0
    for row in rows:
        key = extract(row["response"], "number", ("last-number",)).canonical
        agree += (key is not None and key == canonical("number", row["gold"])) == row["is_correct"]
    assert agree / len(rows) >= 0.999


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "line 2: not JSON"),
        ('["a"]', "line 2: expected an object"),
        ('{"id": "x", "question": "?"}', "line 2: the field 'answer' is missing"),
        ('{"id": "x", "question": "?", "answer": "plenty"}', "reference 'plenty'"),
        ('{"id": "a", "question": "?", "answer": "3"}', "problem id 'a' occurs twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "data.jsonl"
    path.write_text('{"id": "a", "question": "1+1?", "answer": "2"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_orbits(load_suite("gsm8k"), Selection(data=str(path), data_unchecked=True))
    assert message in str(caught.value)
