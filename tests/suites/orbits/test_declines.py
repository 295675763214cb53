"""Transformations decline where the answer could change: what was once got wrong, and what is like it."""

from __future__ import annotations

import re

import pytest

from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.orbits import TRANSFORMS, expand, parse_orbit
from alftbench.suites.orbits.names import FAMILIES, alike
from alftbench.suites.reasoning import WORD_PROBLEMS
from tests.helpers import RULES, ask, only

TOUCHING = ",".join(name for name in TRANSFORMS if name not in ("wording", "shots"))


def touched(text, reference="4", kind="number", **metadata):
    """Every phrasing that changes a problem's text."""
    grown = expand(ask(text, reference, kind, **metadata), parse_orbit(TOUCHING), RULES)
    return [variant.messages[-1]["content"] for variant in grown.variants[1:]]


@pytest.mark.parametrize(
    "text",
    [
        'How many times is the letter "t" in the text: "our two great friends of 5"?',
        "How many times is the letter i in the gain of 5000 or 600 for Peter?",
        "How many of the letters are in the word seven, if 2 of them are vowels?",
        "How many of the characters are in “Saint Peter of which France means two or three”?",
        "Sort these words for Anna, 2 or 3 at a time: two, federal, ambassador, thought",
        "Is 'seven' or 'two' the longer one for Anna and the 3 of you?",
        "How long is *seven* if it is written by the 3 of you 2 times?",
        "How many e's are in seven, and are there more than 2 or 3 of them?",
        "How many times does t occur in two great, if there are 9 or 10 of them in all?",
        "How many keystrokes are there in two hundred, 8 or 11 of them?",
        "Spell the two of them backward for the 3 of you.",
        "Which of the palindromes, 2 or 3 of them, is the one that Anna has?",
        "What is the sum of the digits of 1234, and is it more than 5?",
        "Reverse the 3 items for Peter: [two, six, seven]",
        "What will be shown to Anna by 2 of the calls: for (int i=0; i<3; ++i) draw(i);",
        "[asy] draw((0,0)--(3,4)); [/asy] How many of the 2 or 3 lines are in it?",
        "What is the output of ```n = 3``` if it is run 2 times by Peter?",
        "How many of the 3 or 4 are in {1, 2, 3} for Anna?",
    ],
)
def test_nothing_touches_a_text_that_is_meant_as_text(text):
    assert touched(text) == []


@pytest.mark.parametrize(
    "dataset", ["letter_counting", "word_sorting", "word_sequence_reversal", "spell_backward"]
)
def test_nothing_touches_a_procedural_problem_that_is_no_story(dataset):
    pytest.importorskip("reasoning_gym")
    suite = load_suite(f"reasoning-gym:{dataset}:size=40")
    spec = parse_orbit(TOUCHING)
    for orbit in read_orbits(suite, Selection(orbit=spec)):
        assert [variant.name for variant in orbit.variants] == ["original"]


def test_procedural_stories_are_declared_and_transformed():
    gym = pytest.importorskip("reasoning_gym.factory")
    assert set(gym.DATASETS) >= WORD_PROBLEMS
    suite = load_suite("reasoning-gym:gsm_symbolic:size=40")
    made = [
        variant.name.partition("+")[2]
        for orbit in read_orbits(suite, Selection(orbit=parse_orbit("names,number-words")))
        for variant in orbit.variants
    ]
    assert made.count("names-1") > 20
    assert made.count("number-words-1") > 20


@pytest.mark.parametrize(
    ("text", "reference", "kind"),
    [
        ("Who was it that composed the opera Carmen?", "Bizet", "text"),
        ("Who is the author of the novel Emma?", "Jane Austen", "text"),
        ("In which year was Elizabeth the one to be crowned?", "1953", "number"),
        ("In 1953, in which of the 2 houses was Elizabeth?", "3", "text"),
        ("How many of the wives that Henry had were there?", "6", "number"),
        ("How many letters are there in the name Elizabeth, 8 or 9?", "9", "number"),
        ("How many chapters has the novel Emma, if 3 volumes have 18 each and 1 has 19?", "55", "number"),
        ("Of the 3 with Ben and the 5 with Ann, who is the one that has more?", "Dora", "number"),
        ("There were 2 or 3 wives of King Henry. How many were there in all?", "5", "number"),
        ("Lake Henry is 5 miles long. How long is half of it?", "5", "number"),
        ("Oscar's Oyster House had 5 guests and 4 more. How many is that?", "9", "number"),
    ],
)
def test_names_decline_where_the_question_is_about_the_one_named(text, reference, kind):
    assert only("names", text, reference, kind=kind) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Joseph", "Joe"), ("Elizabeth", "Beth"), ("Christina", "Tina"), ("Isabella", "Bella"),
        ("Amanda", "Mandy"), ("Anthony", "Tony"), ("Robert", "Bob"), ("Richard", "Dick"), ("Margaret", "Peggy"),
        ("Theodore", "Ted"), ("Katherine", "Kitty"), ("William", "Bill"), ("Henry", "Hank"), ("Sarah", "Sally"),
        ("Samantha", "Sam"), ("Annabelle", "Belle"), ("James", "Jimmy"), ("Gabriella", "Ella"),
        ("Daniel", "Danny"), ("Edward", "Ed"),
    ],
)  # fmt: skip
def test_names_decline_where_two_names_may_be_one_person(one, other):
    for name, short in ((one, other), (other, one)):
        text = f"{name} has 5 pens and gives 1 of them away. How many pens does {short} have left?"
        assert only("names", text) is None


def test_families_hold_no_name_twice_and_people_apart_stay_apart():
    for family in FAMILIES:
        assert len(set(family)) == len(family) > 1
        assert all(name.isalpha() and name.istitle() for name in family)
    for one, other in (("Tom", "Mary"), ("Peter", "Paul"), ("Alice", "Karen"), ("John", "Mike"), ("Joe", "Tim")):
        assert not alike(one, other)


@pytest.mark.parametrize(
    "text",
    [
        "Elizabeth, Queenie for short, has 5 pens and 2 books. How many does Queenie have?",
        "Oscar (O) has 5 and Dana (D) has 2. What is O and D together if that is all?",
        "Oscar has 5 pens and Mary-Oscar has 2. How many are there in all?",
        "OSCAR has 5 pens and is in it with 2. How many has Oscar?",
    ],
)
def test_names_decline_where_one_is_told_in_another_way(text):
    assert only("names", text) is None


def test_new_names_are_like_no_word_of_the_text():
    text = "Joe Biden has 5 pens. Beth Smith has 4 and Oscar has 3 of them. How many has Oscar?"
    grown = expand(ask(text), parse_orbit("names:64"), RULES)
    assert len(grown.variants) > 30
    for variant in grown.variants[1:]:
        name = variant.messages[-1]["content"].rpartition(" ")[2].rstrip("?")
        assert not any(alike(name, other) for other in ("Joe", "Beth", "Biden", "Smith", "Oscar"))


@pytest.mark.parametrize(
    "question",
    [
        "How many pens does the second person have?",
        "How many pens has the first one named above?",
        "How many pens does the last person have?",
        "How many pens does the 2nd person have?",
        "How many pens has the one in the third place of the order of people?",
        "How many pens does the previous person have?",
        "How many pens does person 2 have?",
        "How many pens has the one after Ann?",
        "How many pens does the former have if the next has 2?",
        "How many pens has each of the following, who are later than Ben?",
    ],
)
def test_sentences_decline_where_the_question_counts_them(question):
    facts = "Ann has 5 pens. Ben has 4 pens. Carl has 3 pens."
    assert only("sentences:8", f"{facts} {question}") is None
    assert only("sentences:8", f"{facts} How many pens does Ben have more than Carl?") is not None


def both(marked):
    """The text before and after, of one in which {2|two} marks what changes."""
    return re.sub(r"{(.*?)\|.*?}", r"\1", marked), re.sub(r"{.*?\|(.*?)}", r"\1", marked)


@pytest.mark.parametrize(
    "marked",
    [
        'If it is 64" tall and the {2|two} of them are 3" tall, how tall are they?',
        "How many of the 20€ and 5¢ are in the {4|four}?",
        "Of the 20 € and 5 ¢ and 7 %, how many are in the {4|four}?",
        "Is the one that is 4' long with the {2|two} that are 5′ long?",
        "Of {6|six} of them, is it from 1 to 4 PM that you are in?",
        "Of {6|six} of them, is it from 9 am to 4 that you are in?",
        "He has 65, 94, 81.5, and 7 of the {3|three}. How many is that?",
        "She has these: {65|sixty-five}, {94|ninety-four} and {8|eight}. How many is it?",
        "In the family of 5, three are in the {2|two} cars. How many?",
        "If it is 5:30 pm and $16.50. Is it in the {3|three} of them?",
    ],
)
def test_number_words_leave_units_in_one_mark_and_ranges(marked):
    before, after = both(marked)
    assert only("number-words", before) == after


@pytest.mark.parametrize(
    "text",
    [
        "1. Ann has 5 pens. 2. Bob has 4 of them. How many is it?",
        "(1) Ann has 5 pens, (2) Bob has 4 of them. How many is it?",
        "If 4 daps = 7 yaps, how many of the 8 are it?",
        "What is the remainder of 54 (mod 6), if it is 2 or more?",
    ],
)
def test_number_words_decline_for_numbered_parts_and_formulas(text):
    assert only("number-words", text) is None


@pytest.mark.parametrize(
    "marked",
    [
        "He has {two|2}, {three|3} or {five|5} of them, and {four|4} of the others. How many is it?",
        "He has two, three or one of them, and {four|4} of the others. How many is it?",
    ],
)
def test_digits_change_all_of_an_enumeration_or_none(marked):
    before, after = both(marked)
    assert only("digits", before) == after
