from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alftbench.answers import classes
from alftbench.answers.canonical import canonical
from alftbench.answers.classes import classify
from alftbench.answers.equivalence import accepts, decide
from alftbench.answers.judge.judge import Verdict
from alftbench.answers.mathematics.forms import TEX
from alftbench.answers.partition import partition
from alftbench.types import NO_ANSWER, Answer, Outcome, Problem

A, B, C, D = (TEX + name for name in "abcd")
BAD = TEX + "bad"


class Table:
    """A judge whose verdicts stand in a table; it counts what it is asked."""

    def __init__(self, *same: tuple[str, str], bad: tuple[str, ...] = (), hard: tuple[tuple[str, str], ...] = ()):
        self.same_pairs, self.bad, self.hard = set(map(frozenset, same)), bad, set(map(frozenset, hard))
        self.asked: list[frozenset[str]] = []

    def same(self, pairs):
        return [self.verdict(*pair) for pair in pairs]

    accepts = same

    def confirms(self, gold, key):
        return True

    def verdict(self, a: str, b: str) -> Verdict:
        found, pair = decide(a, b), frozenset((a, b))
        if found is not None:
            return Verdict.SAME if found else Verdict.DIFFERENT
        self.asked.append(pair)
        if pair & set(self.bad) or pair in self.hard:
            return Verdict.TIMEOUT
        return Verdict.SAME if pair in self.same_pairs else Verdict.DIFFERENT


def test_exact_keys_ask_nobody():
    table = Table()
    found = classify([str(n) for n in range(100)], ["7"], table)
    assert table.asked == []
    assert found.right == {"7"}
    assert len(set(found.of.values())) == 100


def test_a_chain_is_one_class_and_its_open_end_a_conflict():
    for order in permutations([A, B, C]):
        found = classify(order, ["0"], Table((A, B), (B, C)))
        assert found.of == dict.fromkeys([A, B, C], A)
        assert found.conflicts == 1


def test_an_exact_key_names_its_class():
    found = classify([A, "5", B], ["5"], Table((A, "5"), (A, B), (B, "5")))
    assert found.of == dict.fromkeys([A, B, "5"], "5")
    assert found.right == {"5"}
    assert found.conflicts == found.unresolved == 0


def test_a_timeout_never_merges_and_is_counted():
    found = classify([A, B, C], ["0"], Table((A, C), hard=((A, B), (B, C))))
    assert found.of == {A: A, B: B, C: A}
    assert found.unresolved == 2


def test_a_key_that_nothing_can_be_compared_with_has_no_class():
    table = Table((A, B), bad=(BAD,))
    found = classify([A, B, BAD, "3"], ["3"], table)
    assert found.of == {"3": "3", A: A, B: A}
    assert sum(BAD in pair for pair in table.asked) == 1  # one time limit is all that it costs


def test_a_bad_key_that_equals_the_gold_answer_is_right():
    found = classify([BAD], [BAD], Table(bad=(BAD,)))
    assert found.right == {BAD}


def test_comparisons_are_bounded(monkeypatch):
    monkeypatch.setattr(classes, "MAX_CHECKS", 50)
    keys = [f"{TEX}{n}" for n in range(40)]
    table = Table()
    found = classify(keys, ["0"], table)
    assert len(table.asked) <= 50 + 2 * len(keys)  # a probe and the gold answer for every key
    assert found.unresolved == 40 * 39 // 2 - 50


def test_a_key_that_is_hard_everywhere_is_left_alone_after_a_few_tries(monkeypatch):
    monkeypatch.setattr(classes, "AT_ONCE", 1)
    keys = [f"{TEX}{n:02}" for n in range(30)]
    hard = tuple((keys[0], other) for other in keys[1:])
    table = Table(hard=hard)
    classify(keys, ["0"], table)
    assert sum(pair in table.hard for pair in table.asked) == classes.MAX_FAILED


KEYS = [A, B, C, D, "5", "6"]
PAIRS = st.sampled_from([p for p in combinations(KEYS, 2) if p != ("5", "6")])


@given(st.permutations(KEYS), st.sets(PAIRS), st.sets(PAIRS, max_size=classes.MAX_FAILED - 1))
@settings(max_examples=200)
def test_classes_are_the_components_in_any_order(order, same, hard):
    """Against the slow definition: merge until nothing changes."""
    table = Table(*same, hard=tuple(hard))
    found = classify(order, ["5"], table)
    slow = {key: {key} for key in KEYS}
    for _ in KEYS:
        for a, b in same - hard:
            union = slow[a] | slow[b]
            for key in union:
                slow[key] = union
    assert {k: frozenset(j for j in KEYS if found.of[j] == found.of[k]) for k in KEYS} == slow
    assert found == classify(sorted(order), ["5"], Table(*same, hard=tuple(hard)))
    assert all(name in slow[name] and found.of[name] == name for name in found.of.values())


@pytest.mark.parametrize("order", [1, -1])
def test_real_answers_group_by_value_and_hostile_ones_time_out(judge, order):
    raws = ["$x+1$", "$1+x$", "$x+2$", "9^{9^{9^9}}", "0.5", "1/2"][::order]
    answers = [Answer(Outcome.ANSWERED, raw, canonical("math", raw.strip("$"))) for raw in raws]
    made = partition(Problem("p", "?", ("x+1",), "math"), [[*answers, Answer(Outcome.UNPARSED)]], judge)
    rows = dict(zip(raws, made.class_VN[0], strict=False))
    assert rows["$x+1$"] == rows["$1+x$"] != rows["$x+2$"] != NO_ANSWER
    assert rows["0.5"] == rows["1/2"] != NO_ANSWER
    assert rows["9^{9^{9^9}}"] == NO_ANSWER
    assert made.outcomes == {"answered": 5, "timeout": 1, "unparsed": 1}
    assert [z for z, right in enumerate(made.correct_Z) if right] == [rows["$x+1$"]]


class Rules(Table):
    """A judge by the rules in process alone."""

    def accepts(self, pairs):
        return [Verdict.SAME if accepts(*pair) else Verdict.DIFFERENT for pair in pairs]


MARKED = [
    "20", r"20\%", "0.2", "1/5", r"2000\%", "50", r"50\%", "0.5", "1/3", "0.333", "0.3333", r"33.3\%", "y=2x+1",
    "2x+1", "y-2x=1", "f(x)=2x+1", "x=(y-1)/2", "x=1,y=2", "(1,2)", "1,2", r"\begin{pmatrix}1\\2\end{pmatrix}",
    "3:4", "3/4", "0.75", r"75\%", "(20, 1)", r"(20\%, 1)", r"\{20, 1\}", r"\{20\%, 1\}", "C", "c", r"\pi",
    "3.14", r"\pi\%",
]  # fmt: skip


@given(st.sampled_from(MARKED), st.lists(st.sampled_from(MARKED), unique=True))
@example("0.2", ["20", r"20\%"])
@example("1/2", ["50", r"50\%"])
@example("2x+1", ["y=2x+1", "y-2x=1"])
@settings(max_examples=500)
def test_whether_an_answer_is_right_does_not_depend_on_the_others(gold, raws):
    gold_key, keys = canonical("math", gold), {canonical("math", raw) for raw in raws}
    found = classify(keys, [gold_key], Rules())
    assert {key: found.of[key] in found.right for key in keys} == {
        key: accepts(gold_key, key) is True for key in keys
    }


def test_a_percent_is_a_class_of_its_own():
    percent, number, part = (canonical("math", raw) for raw in (r"20\%", "20", "0.2"))
    assert not any(decide(a, b) for a, b in combinations([percent, number, part], 2))
    for other in (number, part):
        assert accepts(percent, other) is accepts(other, percent) is True
    assert accepts(part, number) is False
