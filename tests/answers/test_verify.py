"""The slow check: math-verify, asked both ways, on what the keys do not decide."""

from __future__ import annotations

import pytest

from alftbench.answers.symbolic import verify

PAIRS = [
    (r"\sum_{k=1}^{3} k", "6", True),
    (r"\int_0^1 x\,dx", r"\frac{1}{2}", True),
    (r"\int_0^1 x\,dx", r"\frac{1}{3}", False),
    (r"F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}", r"F_n = \sum_{k=0}^{n-1} F_{n-k-1} F_k", True),
    (r"F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}", r"F_n = \sum_{k=0}^{n-2} F_k F_{n-k-2}", False),
    ("$6$", r"tex:\sum_{k=1}^{3}k", True),
    ("", "", False),
]


@pytest.mark.parametrize(("a", "b", "same"), PAIRS)
def test_verify_is_right_both_ways(a, b, same):
    assert verify(a, b) is same
    assert verify(b, a) is same


@pytest.mark.parametrize(
    "code", ["__import__('os').mkdir({!r})", "().__class__.__base__", "open({!r}, 'w')", "os.mkdir({!r})"]
)
def test_a_program_is_never_run(code, tmp_path):
    target = tmp_path / "made"
    assert verify(code.format(str(target)), "1") is False
    assert not target.exists()


@pytest.mark.parametrize("one_way", [True, False])
def test_what_holds_one_way_only_is_not_the_same(monkeypatch, one_way):
    monkeypatch.setattr("math_verify.verify", lambda a, b, **_: (str(a) < str(b)) is one_way)
    assert verify("x+1", "x+2") is verify("x+2", "x+1") is False
