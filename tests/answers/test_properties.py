"""Equivalence is reflexive, symmetric and transitive, and does not see how an answer is wrapped."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from alftbench.answers.canonical import canonical
from alftbench.answers.equivalence import accepts, decide

PIECES = [
    "1", "2", "10", "x", "y", "e", "i", "+", "-", "*", "/", "^", "=", "<", "(", ")", "[", "]", ",", ";", " ",
    "{", "}", "%", "!", ":",
    "\\frac", "\\sqrt", "\\pi", "\\{", "\\}", "\\pm", "\\cup", "\\in", "\\infty", "\\text{cm}", "\\text{ and }",
    "\\le ", "0.5", "odd",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=20)
numbers = st.fractions(max_denominator=50)
atoms = st.one_of(
    numbers.map(str),
    st.integers(-9, 9).map(lambda n: rf"{n}\sqrt{{3}}"),
    st.sampled_from(["x", "2x+1", r"\pi", "y^2", "-x"]),
)
answers = st.one_of(
    atoms,
    st.builds("{}, {}".format, atoms, atoms),
    st.builds("({}, {})".format, atoms, atoms),
    st.builds(r"\frac{{{}}}{{7}}".format, atoms),
    st.builds("x={}".format, numbers),
    st.builds("{}%".format, numbers),
    st.builds("y={}x+{}".format, st.integers(1, 9), st.integers(1, 9)),
)


def keys(*raws):
    return [key for key in (canonical("math", raw) for raw in raws) if key is not None]


@given(texts)
def test_reflexive(raw):
    for key in keys(raw):
        assert decide(key, key) is True
        assert accepts(key, key) is True


@given(texts, texts)
def test_symmetric(a, b):
    for first, second in permutations(keys(a, b), 2):
        assert decide(first, second) is decide(second, first)


@given(st.lists(st.one_of(answers, texts), min_size=3, max_size=6))
def test_transitive(raws):
    for a, b, c in permutations(keys(*raws), 3):
        if decide(a, b) and decide(b, c):
            assert decide(a, c) is True


@given(
    answers,
    st.sampled_from(["${}$", r"\({}\)", r"\[{}\]", "$$ {} $$", "  {}\n", "{}.", "**{}**", r"\displaystyle {}"]),
)
def test_wrapping_does_not_show(raw, wrapper):
    assert canonical("math", wrapper.format(raw)) == canonical("math", raw)


@given(answers)
def test_a_box_does_not_show(raw):
    from alftbench.answers.find.extract import read_answer

    assert read_answer(rf"\boxed{{{raw}}}", "math").canonical == canonical("math", raw)


@given(atoms, atoms)
def test_sizes_and_kinds_of_fractions_do_not_show(a, b):
    plain = canonical("math", rf"(\frac{{{a}}}{{2}}, {b})")
    for frac in ("dfrac", "tfrac", "cfrac"):
        assert canonical("math", rf"\left( \{frac}{{{a}}}{{2}},\, {b} \right)") == plain


@given(numbers, numbers)
def test_fractions_are_compared_exactly(a, b):
    first, second = keys(str(a), rf"\frac{{{b.numerator}}}{{{b.denominator}}}")
    assert decide(first, second) is (a == b)


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5), st.randoms())
def test_a_list_has_no_order_and_a_tuple_has(values, random):
    shuffled = random.sample(values, len(values))
    listed, again = (canonical("math", ", ".join(map(str, v))) for v in (values, shuffled))
    assert listed == again
    first, second = (canonical("math", f"({', '.join(map(str, v))})") for v in (values, shuffled))
    assert decide(first, second) is (values == shuffled)
