"""Procedural suites: the same problems each time, judged by their own verifier, no answer run as code."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import pytest

from alftbench.answers import verifiers
from alftbench.answers.find.extract import extract
from alftbench.answers.partition import partition
from alftbench.errors import AlftbenchError, BadInput, MissingExtra, UnknownName, UsageError
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.reasoning import READ
from alftbench.suites.validate import validate

pytest.importorskip("reasoning_gym")
SUITE = "reasoning-gym:chain_sum:min_terms=2,max_terms=3,size=20,seed=4"


def test_problems_are_seeded_distinct_and_apart_from_training():
    orbits = read_orbits(load_suite(SUITE), Selection())
    assert orbits == read_orbits(load_suite(SUITE), Selection())
    training = read_orbits(load_suite(SUITE), Selection("train"))
    questions = [orbit.problem.question for orbit in (*orbits, *training)]
    assert len(set(questions)) == len(questions) == 40
    other = read_orbits(load_suite(SUITE.replace("seed=4", "seed=5")), Selection())
    assert {o.problem.question for o in other} != {o.problem.question for o in orbits}
    assert all(orbit.problem.metadata["options"] == (("max_terms", 3), ("min_terms", 2)) for orbit in orbits)


def test_small_datasets_give_each_question_once():
    narrow = "reasoning-gym:chain_sum:min_terms=2,max_terms=2,min_digits=1,max_digits=1,size={}"
    assert len(read_orbits(load_suite(narrow.format(50)), Selection("train"))) == 50
    with pytest.raises(BadInput, match=r"only .* different problems in .* draws; ask for a smaller size="):
        read_orbits(load_suite(narrow.format(2000)), Selection())


@pytest.mark.parametrize(
    "name",
    [
        "chain_sum",
        "basic_arithmetic",
        "gcd",
        "leg_counting",
        "letter_counting",
        "knights_knaves",
        "mini_sudoku",
        "zebra_puzzles",
    ],
)
def test_references_are_right_by_the_verifier_and_near_misses_wrong(name):
    report = validate(load_suite(f"reasoning-gym:{name}:size=10"), Selection())
    assert [(check.name, check.findings) for check in report.checks if check.findings] == []
    assert next(check.n for check in report.checks if check.name == "references") == 10


def test_a_verifier_that_takes_the_wrong_sign_is_found():
    report = validate(load_suite("reasoning-gym:gsm_symbolic:size=5"), Selection())
    (found,) = [check for check in report.checks if check.findings]
    assert (found.name, found.n, len(found.findings)) == ("near misses", 30, 5)
    assert all(finding.what.startswith("'-") for finding in found.findings)


def test_a_class_is_right_if_the_verifier_says_so_and_not_by_its_text():
    orbit = read_orbits(load_suite("reasoning-gym:chain_sum:size=3"), Selection())[1]
    right = orbit.problem.reference[0]
    texts = [f"\\boxed{{{right}}}", f"\\boxed{{{int(right) + 1}}}", "\\boxed{none}", "no box"]
    grades = partition(orbit.problem, [[extract(text, "text", ("boxed",)) for text in texts]])
    correct = dict(zip(grades.classes_Z, grades.correct_Z, strict=True))
    assert correct == {f'"{right}"': True, f'"{int(right) + 1}"': False, '"none"': False}
    assert grades.class_VN[0][3] == -1


def test_without_its_verifier_grading_stops_and_does_not_say_wrong(monkeypatch):
    problem = read_orbits(load_suite(SUITE), Selection())[0].problem
    lost = replace(problem, metadata={**problem.metadata, "verifier": "nobody"})
    with pytest.raises(BadInput, match="no verifier 'nobody'"):
        partition(lost, [[extract("\\boxed{3}", "text", ("boxed",))]])
    monkeypatch.setattr(verifiers, "_verifiers", {})
    with pytest.raises(BadInput, match="no verifier 'reasoning-gym'"):
        partition(problem, [[extract("\\boxed{3}", "text", ("boxed",))]])


RUNS_CODE = re.compile(r"(?<!literal_)\b(?:eval|exec|parse_expr|sympify|S)\(")  # sympy's parser evaluates
CALLED = re.compile(r"\b(\w+)\(")


def reachable_source(kind: type) -> str:
    """The source of score_answer and of everything in its class and module that it calls, directly or not."""
    module = inspect.getmodule(kind.score_answer)  # type: ignore[attr-defined]
    todo, seen, text = ["score_answer"], set[str](), ""
    while todo:
        name = todo.pop()
        target = getattr(kind, name, None) or getattr(module, name, None)
        if name in seen or not (inspect.isfunction(target) or inspect.ismethod(target)):
            continue
        seen.add(name)
        source = inspect.getsource(target)
        text += source
        todo += CALLED.findall(source)
    return text


def test_the_datasets_taken_are_those_whose_verifier_runs_no_answer_as_code():
    from reasoning_gym.factory import DATASETS

    assert {name for name, (kind, _) in DATASETS.items() if not RUNS_CODE.search(reachable_source(kind))} == READ


@pytest.mark.parametrize(
    "name", ["countdown", "n_queens", "spiral_matrix", "simple_integration", "string_insertion"]
)
def test_a_verifier_that_runs_answers_as_code_is_refused(name):
    with pytest.raises(UsageError, match="runs answers as code"):
        load_suite(f"reasoning-gym:{name}")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("reasoning-gym:chainsum", UnknownName, "did you mean 'chain_sum'?"),
        (
            "reasoning-gym:chain_sum:terms=3",
            UsageError,
            "terms: there is no such setting; did you mean",
        ),
        ("reasoning-gym:chain_sum:min_terms=x", UsageError, "min_terms=x: must be a whole number"),
        ("reasoning-gym:chain_sum:min_terms", UsageError, "'min_terms' is not of the form key=value"),
        ("reasoning-gym:chain_sum:min_terms=9,max_terms=2", UsageError, "max_terms must be"),
        ("reasoning-gym:chain_sum:size=0", UsageError, "size=0: must be a whole number, at least 1"),
        ("reasoning-gim:chain_sum", UnknownName, "no suite family named 'reasoning-gim'; did you mean"),
    ],
)
def test_a_wrong_name_or_option_is_one_clear_line(name, kind, message):
    with pytest.raises(kind) as caught:
        load_suite(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "reasoning_gym.factory", None)
    with pytest.raises(AlftbenchError, match=r"pip install 'alftbench\[reasoning-gym\]'") as caught:
        load_suite("reasoning-gym:chain_sum")
    assert isinstance(caught.value, MissingExtra) or isinstance(caught.value.__cause__, MissingExtra)


def test_a_procedural_suite_is_evaluated_from_the_command_line(warm, tmp_path):
    done = warm(
        "eval", "--suite", "reasoning-gym:chain_sum:size=3", "--samples", "2", "--max-tokens", "4",
        "--orbit", "formatting",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "formatting: 3 of 3 phrasings" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tiny-sums-reasoning-gym_chain_sum_size=3-")
