"""Each transformation keeps the answer: on all of gsm8k and svamp, and on what is known to be tricky."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alftbench.cli.options import select
from alftbench.errors import UnknownName, UsageError
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.orbits import TRANSFORMS, count, expand, parse_orbit, why_declined
from alftbench.suites.orbits.asked import is_english, words
from alftbench.suites.orbits.quantities import read, spell
from alftbench.types import Orbit, Problem, Variant
from tests.helpers import RULES, ask, only

UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
UNITS += ["seventeen", "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def slow_table():
    """Every number below 10,000 in words, written out by other means than the code's."""
    below_100 = [
        UNITS[n] if n < 20 else TENS[n // 10] + (f"-{UNITS[n % 10]}" if n % 10 else "") for n in range(100)
    ]
    below_1000 = [
        below_100[n] if n < 100 else f"{UNITS[n // 100]} hundred" + (f" {below_100[n % 100]}" if n % 100 else "")
        for n in range(1000)
    ]
    return [
        below_1000[n]
        if n < 1000
        else f"{UNITS[n // 1000]} thousand" + (f" {below_1000[n % 1000]}" if n % 1000 else "")
        for n in range(10_000)
    ]


SPELT = slow_table()
BY_WORDS = {text: value for value, text in enumerate(SPELT)}
LONGEST = max(len(re.split("[ -]", text)) for text in SPELT)


def numbers(text):
    """All numbers of a text as values, in digits or words; the longest run of words counts as one."""
    found = Counter(float(item.replace(",", "")) for item in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text))
    tokens = re.findall(r"[a-z]+|[^a-z]+", re.sub(r"\d", "#", text.lower()))
    place = 0
    while place < len(tokens):
        for length in range(2 * LONGEST - 1, 0, -2):
            value = BY_WORDS.get("".join(tokens[place : place + length]))
            if value is not None:
                found[float(value)] += 1
                place += length - 1
                break
        place += 1
    return found


def made(orbits, spec):
    """(question or content before, after) of every phrasing that a specification adds."""
    for orbit in orbits:
        grown = expand(orbit, parse_orbit(spec), RULES)
        assert grown.problem == orbit.problem
        assert grown.variants[: len(orbit.variants)] == orbit.variants
        for variant in grown.variants[len(orbit.variants) :]:
            yield orbit.problem, orbit.variants[0].messages[-1]["content"], variant.messages[-1]["content"]


@pytest.mark.parametrize("spec", ["names:2", "sentences:2", "digits", "number-words"])
def test_numbers_stay_the_same_on_all_word_problems(word_problems, spec):
    pairs = list(made(word_problems, spec))
    least = {"names:2": 2000, "sentences:2": 20, "digits": 250, "number-words": 2000}
    assert len(pairs) >= least[spec]
    for problem, before, after in pairs:
        assert numbers(after) == numbers(before), problem.id
        assert after != before


def test_wording_keeps_the_question_and_asks_for_the_form_that_is_read(word_problems):
    for problem, _, after in made(word_problems, "wording:3"):
        assert problem.question.strip() in after
        assert "\\boxed{}" in after


def test_formatting_keeps_every_word_in_order(word_problems):
    pairs = list(made(word_problems, "formatting:4"))
    assert len(pairs) > 4 * 0.9 * len(word_problems)
    for problem, before, after in pairs:
        bare = re.sub(r"^(?:> |- |## Problem$)", "", after, flags=re.MULTILINE)
        assert bare.split() == before.split(), problem.id


def tokens(text):
    """Words and marks, with James' and Oscar's spelt alike."""
    return re.findall(r"\w+|\W", re.sub(r"\b(\w+s['’])(?!\w)", r"\1s", text))


def test_names_change_one_to_one_within_their_group_and_nothing_else_changes(word_problems):
    groups = [set(words(group)) for group in ("women", "men", "either")]
    for problem, before, after in made(word_problems, "names:2"):
        changed = {}
        for one, other in zip(tokens(before), tokens(after), strict=True):
            if one != other:
                assert changed.setdefault(one, other) == other, problem.id
        assert len(set(changed.values())) == len(changed)
        for one, other in changed.items():
            assert any({one, other} <= group for group in groups)
            assert not re.search(rf"\b{other}\b", before), problem.id
            assert not re.search(rf"\b{one}\b", after), problem.id


def test_sentences_keep_their_words_and_the_question_stays_last(word_problems):
    for _, before, after in made(word_problems, "sentences:2"):
        cut = re.compile(r"(?<=[.?!])\s+")
        assert sorted(cut.split(after)) == sorted(cut.split(before))
        assert cut.split(after)[-1] == cut.split(before)[-1]


def test_number_words_of_all_numbers_read_back():
    for value, text in enumerate(SPELT):
        assert spell(value) == text
        assert read(text) == value


@given(st.integers(0, 999_999))
def test_spelling_reads_back(value):
    assert read(spell(value)) == value


@pytest.mark.parametrize(
    "phrase", ["two three", "ten five", "twenty ten", "hundred", "five fifty", "two twenty hundred"]
)
def test_what_is_not_one_number_is_not_read(phrase):
    assert read(phrase) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Of the 9 are three cats on one another. How many?", "Of the 9 are 3 cats on one another. How many?"),
        ("Is one of 9 here, and which, for the two of us?", "Is one of 9 here, and which, for the 2 of us?"),
        ("If two-thirds of the twelve are in, who is out?", "If two-thirds of the 12 are in, who is out?"),
        ("How much is two and a half of the four?", "How much is two and a half of the 4?"),
        ("The ten-year-old has twenty-five of them. How many?", "The 10-year-old has 25 of them. How many?"),
        ("Is the Seven Seas ship in the bay with two men?", "Is the Seven Seas ship in the bay with 2 men?"),
        ("Who is in the two 5-pound bags of the four men?", "Who is in the two 5-pound bags of the 4 men?"),
        ("How many are in the one hundred twenty boxes?", "How many are in the 120 boxes?"),
        ("How many of the two three-pound bags are there?", None),
        ("How many of the first are in the second?", None),
        ("Wie viele von den drei Katzen sind hier?", None),
    ],
)  # fmt: skip
def test_digits_leave_alone_what_is_no_plain_number(text, wanted):
    assert only("digits", text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("How many of the 3 cats are in the 10-foot box?", "How many of the three cats are in the ten-foot box?"),
        ("16 of the cats are here. How many is half?", "Sixteen of the cats are here. How many is half?"),
        ("How many is half of the 1,200 in it?", "How many is half of the one thousand two hundred in it?"),
        ("He has $18 and 25% of the 4. How much is that?", "He has $18 and 25% of the four. How much is that?"),
        ("How many of the 2.5 and the 1/2 are in the 6?", "How many of the 2.5 and the 1/2 are in the six?"),
        ("On May 4 at 9 am, in 1990, are the 5 of you in?", "On May 4 at 9 am, in 1990, are the five of you in?"),
        ("Is it the 21st or the 250-page one of the 7?", "Is it the 21st or the 250-page one of the seven?"),
        ("How many of the 7 are in Room 12 of the house?", "How many of the seven are in Room 12 of the house?"),
        ("What is 3 + 5 for the 2 of you?", "What is 3 + 5 for the two of you?"),
        ("How many of the 5-10 are in the ratio 2:3?", None),
        ("How many of the 2 5-gallon cans are there?", None),
        ("Wie viele von den 3 Katzen sind hier?", None),
    ],
)  # fmt: skip
def test_number_words_leave_alone_what_is_no_plain_count(text, wanted):
    assert only("number-words", text) == wanted


def test_names_take_possessives_and_pronouns_along():
    after = only("names", "James' 2 cats and Mary’s 3 dogs are in the house. How many pets does James have?")
    him, her = after.split()[0], after.split()[4]
    assert him.endswith("'s")
    assert him[:-2] in words("men")
    assert her[:-2] in words("women")
    assert after == f"{him} 2 cats and {her} 3 dogs are in the house. How many pets does {him[:-2]} have?"


@pytest.mark.parametrize(
    "text",
    [
        "How many of the 3 or 4 fish are in Lake Henry?",  # part of a longer name
        "How much of the 2 or 3 films is about Mary Poppins?",
        "How many more than 5 has Martha if Marta has 3 in the box?",  # may be one person
        "How old is Tim, 4, when Timothy is 9 and in the house?",
        "Adam is in the house. How many of the 3 or 4 cats does adam have?",  # written in two ways
        "How many days, 30 or 31, are in May, and who is it that will mark them?",  # names that are words
        "Wie viele der 3 von 4 Katzen hat Peter in seinem Haus?",
    ],
)
def test_names_decline(text):
    assert only("names", text) is None


def test_names_decline_where_an_answer_holds_one():
    text = "Peter has 3 of the 5 cards and Laura has the others. How many does Laura have?"
    assert only("names", text, "2, so says Laura") is None
    assert only("names", text, "2, so says she") is not None


@pytest.mark.parametrize(
    "text",
    [
        "Tom has 5 apples. He gives 2 of them to the teacher. How many are left?",  # refers back
        "Tom has 5 apples. Then Mary has 3 apples. How many are there in all?",  # order
        "Tom has 5 apples. Mary has 3 more. How many does she have?",  # compares with what it does not name
        "Tom bought 5 apples. Tom ate 3 apples. How many are there in all?",  # one subject, things happen to it
        "Tom has 5 apples. Mary has 3 apples. How many does she have?",  # a pronoun after them
    ],
)
def test_sentences_decline_where_order_could_matter(text):
    assert only("sentences:8", text) is None


def test_sentences_swap_what_is_independent():
    text = "Tom has 5 apples. Mary has 3 more apples than Tom. How many of the apples are there in all?"
    after = "Mary has 3 more apples than Tom. Tom has 5 apples. How many of the apples are there in all?"
    assert only("sentences:1", text) == after


def test_shots_change_their_order_only():
    shots = [{"role": role, "content": f"{role} {n}"} for n in range(4) for role in ("user", "assistant")]
    messages = ({"role": "system", "content": "s"}, *shots, {"role": "user", "content": "How many?"})
    orbit = Orbit(Problem("p", "How many?", ("1",), "text"), (Variant("p", "original", messages),))
    grown = expand(orbit, parse_orbit("shots:5"), RULES)
    assert len(grown.variants) == 6
    for variant in grown.variants[1:]:
        assert (variant.messages[0], variant.messages[-1]) == (messages[0], messages[-1])
        assert [m["content"].replace("user", "assistant") for m in variant.messages[1:-1:2]] == [
            m["content"] for m in variant.messages[2:-1:2]
        ]
        assert sorted(m["content"] for m in variant.messages) == sorted(m["content"] for m in messages)
    assert (
        len(expand(replace(orbit, variants=ask("How many?").variants), parse_orbit("shots"), RULES).variants) == 1
    )


def test_english_is_told_from_the_other_languages_of_mgsm(shared_data):
    path = str(shared_data("orbits_mgsm.jsonl"))
    for orbit in read_orbits(load_suite("mgsm"), Selection(data=path)):
        for name, question in orbit.problem.metadata["questions"].items():
            assert is_english(question) == (name == "en")


@pytest.mark.parametrize("name", TRANSFORMS)
def test_phrasings_depend_on_the_problem_and_the_seed_alone(word_problems, name):
    some = word_problems[5:60]
    once = [expand(orbit, parse_orbit(f"{name}:2"), RULES) for orbit in some]
    again = [expand(orbit, parse_orbit(f"{name}:2"), RULES) for orbit in reversed(some)]
    assert once == again[::-1]
    other = "wording" if name != "wording" else "names"
    among_others = [expand(orbit, parse_orbit(f"{other}:3,{name}:2"), RULES) for orbit in some]
    for alone, beside in zip(once, among_others, strict=True):
        assert set(map(str, alone.variants)) <= set(map(str, beside.variants))
    if name in ("wording", "names", "formatting"):
        assert once != [expand(orbit, parse_orbit(f"{name}:2,seed=1"), RULES) for orbit in some]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.sampled_from(sorted(TRANSFORMS)))
def test_any_text_is_transformed_or_declined_without_error(text, name):
    orbit = ask(text or "?")
    grown = expand(orbit, parse_orbit(f"{name}:2"), RULES)
    prompts = [variant.messages for variant in grown.variants]
    assert all(prompts.count(prompt) == 1 for prompt in prompts)


def test_what_declines_is_counted():
    spec = parse_orbit("names:2,digits")
    orbits = [ask("Peter is 9. How old is he in 3 years?"), ask("How many of the four are in for 2 or more?")]
    grown = [expand(orbit, spec, RULES) for orbit in orbits]
    names, digits = count(grown, spec)
    assert (names.wanted, names.phrasings, names.declined) == (4, 2, 1)
    assert (digits.wanted, digits.phrasings, digits.declined) == (2, 1, 1)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("names", "Ann has 3 apples and the word 'red' on 2 of them. How many?", "word"),
        ("names", "The cat has 3 apples and 2 pears. How many are there?", "no first name"),
        ("names", "Tim and Timothy are 3 and 4. How old are they together?", "may name one person"),
        ("names", "Ann is 3. How old is she?", "1 quantities"),
        ("digits", "There are 3 cats and 2 dogs. How many are there?", "no number that can be spelt otherwise"),
        ("shots", "There are 3 cats and 2 dogs. How many are there?", "two worked examples"),
        ("sentences", "The cat has 3 lives. It has 2 ears. How many is that?", "independent for sure"),
    ],
)
def test_a_transformation_that_declines_says_why(name, text, why):
    assert only(name, text) is None
    assert why in why_declined(ask(text), name, 0, RULES)


@pytest.mark.parametrize("text", ["wording", "names:4,wording", "digits,seed=7"])
def test_a_specification_has_one_spelling(text):
    assert str(parse_orbit(text)) == text
    assert parse_orbit(str(parse_orbit(text))) == parse_orbit(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name:2", "no transformation named 'name'; did you mean 'names'?"),
        ("names:0", "names=0: must be a whole number, at least 1, at most 64"),
        ("names:x", "names=x: must be a whole number"),
        ("names:65", "at most 64"),
        ("names,names", "names is given twice"),
        ("seed=1", "name at least one of: wording"),
        ("", "name at least one of"),
        ("names,seed=-1", "seed=-1: must be a whole number, at least 0"),
        ("names,seed=1,seed=2", "seed is given twice"),
    ],
)
def test_a_bad_specification_is_one_clear_line(text, message):
    with pytest.raises((UsageError, UnknownName)) as caught:
        parse_orbit(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_specification_is_not_none():
    with pytest.raises(UsageError, match="name at least one of"):
        select(orbit="")
    assert select().orbit is None
