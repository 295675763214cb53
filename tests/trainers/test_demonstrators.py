"""The demonstrators that the embedded model learns from: what they say is what they are said to say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from alftbench.answers.find.extract import extract
from alftbench.answers.partition import reference_keys
from alftbench.suites.arithmetic import SPLIT_PHRASINGS, SPLITS, SUM_PHRASINGS, split_totals, sum_pairs
from alftbench_trainers.tiny import demonstrators
from alftbench_trainers.tiny.demonstrators import SHARE_IN_COMMON, solve_split, solve_sum, sum_answers


def answer(worked: str) -> str:
    return worked.rpartition("Answer: ")[2]


def likeliest(a: int, b: int, phrasing: str) -> int:
    chances = sum_answers(a, b, phrasing)
    return int(max(chances, key=chances.__getitem__))


@pytest.mark.parametrize("phrasing", SUM_PHRASINGS)
def test_sums_come_out_as_often_as_is_said(phrasing):
    rng = np.random.default_rng(1)
    for a, b in [(38, 47), (20, 31)]:
        chances = sum_answers(a, b, phrasing, 0.3)
        assert sum(chances.values()) == pytest.approx(1)
        n = 4000
        counts = Counter(answer(solve_sum(a, b, phrasing, rng, 0.3)) for _ in range(n))
        assert counts.keys() <= chances.keys()
        test = stats.chisquare([counts[name] for name in chances], [n * p for p in chances.values()])
        assert test.pvalue > 1e-4


def test_half_of_the_phrasings_say_a_mistake_of_their_own_most_often():
    for a, b in sum_pairs("test"):
        wrong = {name: z for name in SUM_PHRASINGS if (z := likeliest(a, b, name)) != a + b}
        assert wrong.keys() == {"reversed", "box", "train"}
        assert len(set(wrong.values())) == 3


def test_mistakes_in_common_are_the_same_in_all_phrasings():
    for a, b in sum_pairs("test")[:20]:
        carried = str(a + b - 10 if a % 10 + b % 10 > 9 else a + b + 10)
        for name, rate in demonstrators.MISTAKE_RATE.items():
            assert sum_answers(a, b, name, 1.0)[carried] == pytest.approx(rate)
            assert sum_answers(a, b, name, 0.0)[carried] == 0
            assert sum_answers(a, b, name, 0.3)[str(a + b)] == pytest.approx(1 - rate)
    assert 0 < SHARE_IN_COMMON < 0.5


@pytest.mark.parametrize("phrasing", SPLIT_PHRASINGS)
def test_splits_are_mostly_right_with_habits_of_the_phrasing(phrasing):
    rng = np.random.default_rng(2)
    first = demonstrators.FAVOURITE_ORDER[demonstrators.FIRST_FAVOURITE[phrasing]]
    said = [(n, answer(solve_split(n, phrasing, rng))) for n in split_totals("test") for _ in range(25)]
    right = np.mean([sum(map(int, text.split("+"))) == n for n, text in said])
    assert 0.7 < right < 0.95
    assert np.mean([int(text[1]) == first for _, text in said]) == pytest.approx(0.55, abs=0.06)


def test_without_mistakes_everything_is_right(monkeypatch):
    for name in ("MISTAKE_RATE", "SPLIT_MISTAKE_RATE"):
        monkeypatch.setattr(demonstrators, name, dict.fromkeys(getattr(demonstrators, name), 0.0))
    rng = np.random.default_rng(0)
    for a, b in sum_pairs("test")[:30]:
        assert answer(solve_sum(a, b, "plain", rng, SHARE_IN_COMMON)) == str(a + b)
    for orbit in SPLITS.orbits("test"):
        n = int(orbit.problem.id.removeprefix("splits-"))
        read = extract(solve_split(n, "find", rng), "addends", ("marker",))
        assert read.canonical in reference_keys(orbit.problem)
