from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alftbench.answers.canonical import KINDS, addends_key, canonical, number_key
from alftbench.answers.find.extract import extract
from alftbench.answers.partition import partition
from alftbench.errors import BadInput
from alftbench.types import NO_ANSWER, Answer, Outcome, Problem

ALL = ("boxed", "hashes", "marker", "last-number")


@pytest.mark.parametrize(
    ("text", "rule", "raw"),
    [
        (r"so \boxed{18}", "boxed", "18"),
        (r"\boxed{3} no, \boxed{\frac{1}{2}} it is", "boxed", r"\frac{1}{2}"),
        (r"\[ \boxed{42} \]", "boxed", "42"),
        ("9 + 9 = 18\n#### 18", "hashes", "18"),
        ("3+8=11\n2+5+1=8\nAnswer: 81", "marker", "81"),
        ("The answer is 7.\nOr rather, the answer is 8.", "marker", "8."),
        ("The final answer: **12**", "marker", "12**"),
        ("She pays 3 dollars and then 4 more, 7 in all", "last-number", "7"),
    ],
)
def test_the_last_match_of_the_most_trusted_rule_wins(text, rule, raw):
    answer = extract(text, "number", ALL)
    assert (answer.outcome, answer.rule, answer.raw) == (Outcome.ANSWERED, rule, raw)


@pytest.mark.parametrize(
    ("text", "finish", "outcome"),
    [
        ("", "stop", Outcome.UNPARSED),
        ("hm", "stop", Outcome.UNPARSED),
        ("There are no answers here.", "stop", Outcome.UNPARSED),
        ("I cannot answer that.", "stop", Outcome.ABSTAINED),
        ("Then we have 12 +", "length", Outcome.TRUNCATED),
        ("Answer: 8", "length", Outcome.TRUNCATED),  # the next digit may have been cut off
        ("Answer: 81\nAnother one: 3+", "length", Outcome.ANSWERED),
        (r"\boxed{8", "length", Outcome.TRUNCATED),
        (r"\boxed{8}", "length", Outcome.ANSWERED),
    ],
)
def test_every_text_has_an_outcome(text, finish, outcome):
    assert extract(text, "number", ALL, finish).outcome is outcome


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("18", "18"),
        ("$1,234.50", "2469/2"),
        ("-3", "-3"),
        ("−3", "-3"),
        ("0.50", "1/2"),
        (".5", "1/2"),
        (r"\frac{1}{2}", "1/2"),
        (r"\dfrac{-6}{4}", "-3/2"),
        ("2/4 of it", "1/2"),
        ("3 * 6 = 18 dollars", "18"),
        ("18 dollars for 7 days", "18"),
        (r"\frac12", "1/2"),
        (r"\frac{ 1 }{ 2 }", "1/2"),
        (r"-\frac{1}{2}", "-1/2"),
        ("- 5", "-5"),
        (r"\text{13}", "13"),
        (r"\(18\)", "18"),
        ("5 km", "5"),
        ("50\\%", "50"),
        ("12**", "12"),
        ("1/0", None),
        (r"2\frac{1}{2}", "5/2"),
        (r"1\,000", "1000"),
        ("3 1/2", "7/2"),
        ("10^6", "1000000"),
        ("1e5", "100000"),
        ("5/-2", None),
        ("3 + 4", None),
        ("121+2", None),
        ("Two25", None),
        (r"96\pi", None),
        (r"\sqrt{16}", None),
        ("none", None),
        ("9" * 400, None),
    ],
)
def test_number_key(raw, key):
    assert canonical("number", raw) == key


def test_the_word_answer_alone_marks_nothing():
    text = "To answer this, take 3 apples.\nSo the total is 7."
    assert extract(text, "number", ALL).raw == "7"
    assert extract("There are 5 answers here. Total 9", "number", ALL).raw == "9"


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_is_its_own_key(value):
    assert number_key(str(value)) == str(value)


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_separators_and_trailing_zeros_do_not_change_a_number(value, zeros):
    written = f"{value:,}" + ("." + "0" * zeros if zeros else "")
    assert number_key(f"\\$ {written} dollars") == str(value)


@given(st.integers(0, 999), st.integers(0, 999))
def test_addends_are_unordered(a, b):
    assert addends_key(f"{a}+{b}") == addends_key(f" {b} + {a}.") is not None


@given(st.text(), st.sampled_from(sorted(KINDS)), st.sampled_from(["stop", "length"]))
def test_no_text_breaks_extraction(text, kind, finish):
    answer = extract(text, kind, ALL, finish)
    assert (answer.canonical is None) == (answer.outcome is not Outcome.ANSWERED)


@pytest.mark.parametrize("bait", ["{" * 10**6, "\\boxed{" * 10**5, "1" * 10**6, "9**9**9**9", "__import__('os')"])
def test_hostile_text_is_answered_quickly_and_never_evaluated(bait, recwarn):
    assert extract(f"Answer: {bait}", "number", ALL).outcome in Outcome


def test_partition_groups_by_key_and_keeps_every_sample():
    problem = Problem("p", "?", ("1/2",), "number")

    def answer(raw):
        return Answer(Outcome.ANSWERED, raw, number_key(raw)) if raw else Answer(Outcome.UNPARSED)

    made = partition(problem, [[answer("0.5"), answer("2")], [answer("2/4"), answer(None)]])
    assert made.classes_Z == ("1/2", "2")
    assert made.correct_Z == (True, False)
    assert made.class_VN == ((0, 1), (0, NO_ANSWER))
    assert made.outcomes == {"answered": 3, "unparsed": 1}


@given(st.lists(st.fractions(max_denominator=9).map(str), min_size=1), st.randoms())
def test_partition_does_not_depend_on_order(raws, random):
    problem = Problem("p", "?", ("0",), "number")
    answers = [Answer(Outcome.ANSWERED, raw, number_key(raw)) for raw in raws]
    shuffled = random.sample(answers, len(answers))
    first, second = partition(problem, [answers]), partition(problem, [shuffled])
    assert first.classes_Z == second.classes_Z
    assert sorted(first.class_VN[0]) == sorted(second.class_VN[0])
    values = [Fraction(first.classes_Z[z]) for z in first.class_VN[0]]
    assert values == [Fraction(raw) for raw in raws]


def test_a_reference_that_cannot_be_read_stops_the_evaluation():
    with pytest.raises(BadInput, match=r"problem p7: reference 'plenty'"):
        partition(Problem("p7", "?", ("plenty",), "number"), [[]])
