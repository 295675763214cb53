"""Where the answer stands in a response."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alftbench.answers.canonical import canonical
from alftbench.answers.find.extract import GRADING_RULES, GUESSES, MAX_SCANNED, extract, read_answer
from alftbench.base.jsonio import read_jsonl
from alftbench.types import Answer, Outcome

MGSM = {
    "bn": "উত্তর হল ৪২।", "de": "Die Antwort ist 42.", "es": "La respuesta es 42.", "fr": "La réponse est 42.",
    "ja": "答えは42です。", "ru": "Ответ — 42.", "sw": "Jibu ni 42.", "te": "సమాధానం 42.", "th": "คำตอบคือ 42",
    "zh": "答案是 42。",
    "en": "The answer is 42.", "bn-colon": "উত্তর: 42", "fr-colon": "Réponse : 42", "th-digits": "คำตอบ: ๔๒",
    "zh-colon": "答案：42",
    "ja-colon": "答え：42", "es-colon": "Respuesta: 42", "te-colon": "సమాధానం: ౪౨", "de-colon": "Antwort: 42",
    "ru-colon": "Ответ: 42",
}  # fmt: skip


@pytest.mark.parametrize("language", MGSM)
@pytest.mark.parametrize("kind", ["number", "math"])
def test_the_marker_of_every_mgsm_language(language, kind):
    answer = extract(f"7 + 35 = 42\n{MGSM[language]}\n", kind, ("marker",))
    assert (answer.canonical, answer.rule) == ("42", "marker")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("how many $? just about 1$", "1"),
        (r"\[ \boxed{\frac{1}{2}} \]", "1/2"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\boxed{12}}", "12"),
        ("### Answer\n12", "12"),
        ("The correct option is (C).", "C"),
        (r"\boxed{1} no, \boxed{\text{odd}}", '"odd"'),
        (r"\boxed{1} and \boxed{2}", "{1; 2}"),
        (r"$\boxed{2}, \boxed{3}, \boxed{5}$", "{2; 3; 5}"),
        (r"\boxed{1} no no no no no \boxed{2}", "2"),
        (r"First \boxed{1}. Then \boxed{2}", "2"),
        (r"<think>\boxed{3}</think> so $x = 4$", "4"),
        (r"the answer is $x = \sqrt{16}$, as said", "4"),
        ("So the final answer is: **72**.", "72"),
        ("42 because geometry proves it", "42"),
        ("Soucis : 2,74 $ a..", "137/50"),
        ("They pay 3 dollars, that is $7/2$ each.", "7/2"),
        ("Final Answer: The final answer is $10,455$. I hope it is correct.", "10455"),
        ("Let $x = 3$. Then 15% of the eggs break.", "15%"),
        (r"\{1, 2\}", "{1; 2}"),
        ("10 square feet per hour", "10"),
    ],
)
def test_an_answer_or_a_response_is_read(text, key):
    assert read_answer(text, "math").canonical == key


def test_guesses_are_told_apart():
    assert extract("so it is $7$, I think", "math", GRADING_RULES).rule in GUESSES
    assert extract("so it is 7", "math", GRADING_RULES).rule in GUESSES
    assert extract("the answer is 7", "math", GRADING_RULES).rule == "marker"


@pytest.mark.parametrize("rule", sorted(GUESSES))
def test_a_text_that_was_cut_off_is_never_guessed_from(rule):
    assert extract("so it is $7$", "math", (rule,), "length").outcome is Outcome.TRUNCATED


BAIT = [
    "{" * 10**6, "\\boxed{" * 10**5, "$" * 10**6, "\\(" * 10**6, "answer is " * 10**5,
    "Answer:" + " " * 10**6 + "\n",
    "1," * 10**5, "\\\\" * 10**5, "final answer is " * 10**4 + "I hope it is correct", "1 " * 10**6, "<|" * 10**5,
]  # fmt: skip


@pytest.mark.parametrize("text", BAIT, ids=lambda text: text[:12])
def test_reading_takes_linear_time(text):
    start = time.process_time()
    assert read_answer(text, "math").outcome in Outcome
    assert time.process_time() - start < 2.0


TANGLED = [
    "9**9**9**9", "9^{9^{9^9}}", "99999!", "((((5!)!)!)!)!",
    "2500!" * 30, "x^{2000}" * 80, "(" * 1900, "-" * 1900 + "1",
    "\\sqrt{" * 300 + "2" + "}" * 300, "1e999999999", "(10^{9999})^{9999}", "(x^{9999})^{9999}",
    "|x" * 300, "\\pm1," * 300,
    "5" + "!" * 300, "(" * 150 + "1" + ",1)" * 150, "\\binom{2500}{1250}" * 20, "1/3 " * 300,
    "gcd(" + "9" * 300 + ",7)",
]  # fmt: skip


@pytest.mark.parametrize("text", TANGLED, ids=lambda text: text[:12])
def test_a_key_takes_bounded_time(text):
    from alftbench.answers.canonical import canonical

    start = time.process_time()
    key = canonical("math", text)
    assert key is None or len(key) < 5 * len(text) + 12_000
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The answer is (B) 5 meters.", "B | 5"),
        ("The correct option is B: 5 meters", "B | 5"),
        ("D) 42", "D | 42"),
        ("at least 5", '"at least 5"'),
        ("The answer is not 5.", '"not 5"'),
        ("The answer is June 20.", '"june 20"'),
    ],
)
def test_words_about_a_number_are_kept(text, key):
    assert read_answer(text, "math").canonical == key


def test_a_value_that_is_denied_is_no_guess():
    for text in (
        "The answer cannot be 5.",
        "So it is not $x$, it isn't 5",
        "It never equals 7, and is not equal to 8",
    ):
        assert extract(text, "math", GRADING_RULES).outcome is Outcome.UNPARSED
    assert extract("It is not 4 but 5.", "math", GRADING_RULES).canonical == "5"


# Where an answer stands

PARTS = (
    "answer is ", "Answer: ", "Final Answer: ", "The final answer is ", ". I hope it is correct", r"\boxed{", "}",
    "{", "$", "$$", r"\(", r"\)", "2,74", "1,234", "3 1/2", " ", "\n", "\n\n", "**", "not ", "so we ",
    r"\frac{1}{2}", "%", "#### ", ". ", "。", "উত্তর ", "答案是", "and", ", ", r"\boxed 3", "x", "=",
    r"\boxed{1} and \boxed{2}", "</think>", "(B) ", "meters", "\r", "\u3000", "x" * 7000,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=14).map("".join)


def stands_in(text: str, answer: Answer, kind: str) -> bool:
    """Is an answer the part of the text at its place, and its key that of what is read there?"""
    if answer.outcome is not Outcome.ANSWERED:
        return answer.span is None and answer.raw is None
    assert answer.span is not None
    start, end = answer.span
    read = answer.raw if answer.read is None else answer.read
    return (
        text[start:end] == answer.raw and canonical(kind, read) == answer.canonical and answer.read != answer.raw
    )


@given(TEXTS, st.sampled_from(["math", "number", "text"]), st.sampled_from(["stop", "length"]))
def test_every_answer_stands_where_it_says(text, kind, finish):
    for rules in (GRADING_RULES, *((rule,) for rule in GRADING_RULES)):
        assert stands_in(text, extract(text, kind, rules, finish), kind)
    assert stands_in(text, read_answer(text, "math"), "math")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("model_responses_gsm8k_open.jsonl", "response"),
        ("math500.jsonl", "solution"),
        ("grading_pairs_open.jsonl", "prediction"),
    ],
)
def test_answers_of_models_stand_where_they_say(name, column, shared_data):
    answered = 0
    for _, row in read_jsonl(shared_data(name)):
        for kind in ("math", "number"):
            answer = extract(row[column], kind, GRADING_RULES)
            assert stands_in(row[column], answer, kind)
            answered += answer.span is not None
        assert stands_in(row[column], read_answer(row[column], "math"), "math")
    assert answered > 100


@pytest.mark.parametrize(
    ("text", "raw", "read"),
    [
        (r"\boxed{1} and \boxed{2}, so", r"1} and \boxed{2", "1, 2"),
        ("The answer is 2,74 euros, as she said it would be", "2,74", "2.74"),
        ("The answer is $x = 4$, as said.", "x = 4", None),
        ("Final Answer: The final answer is $10,455$. I hope it is correct.", "$10,455$.", None),
        ("y" * MAX_SCANNED + " it is 7", "7", None),
    ],
)
def test_what_is_written_and_what_is_read_of_it_are_told_apart(text, raw, read):
    answer = extract(text, "math", GRADING_RULES)
    assert (answer.raw, answer.read) == (raw, read)
    assert stands_in(text, answer, "math")
