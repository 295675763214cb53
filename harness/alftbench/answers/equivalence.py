"""Are two keys the same answer? In process where that is certain and quick, else by symbolic algebra.

`verify` may hang or eat memory: it is called in a worker only (see `judge`).
"""

from __future__ import annotations

from alftbench.answers.canonical import SYMBOLIC, is_exact


def decide(a: str, b: str) -> bool | None:
    """Equal keys are the same, two exact keys otherwise differ, and None needs `verify`."""
    if a == b:
        return True
    return False if is_exact(a) and is_exact(b) else None


def accepts(gold: str, prediction: str) -> bool | None:
    """Is the prediction right? None needs `verify_accepts`."""
    return decide(gold, prediction)


def verify(a: str, b: str) -> bool:
    """Does math-verify take either for the other?"""
    from math_verify import verify as same

    left, right = _parse(a), _parse(b)
    return bool(same(left, right, timeout_seconds=None) or same(right, left, timeout_seconds=None))


def verify_accepts(gold: str, prediction: str) -> bool:
    """`verify`: there are no leniencies."""
    return verify(gold, prediction)


def warm() -> None:
    """Import symbolic algebra and use it once."""
    verify("1", SYMBOLIC + "x^2")


def _parse(key: str) -> list[object]:
    from math_verify import LatexExtractionConfig, parse

    text = key.removeprefix(SYMBOLIC)
    return list(parse(f"${text}$", [LatexExtractionConfig()], parsing_timeout=None))
