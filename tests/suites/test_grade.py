"""A suite that grades by rules of its own is held to their contract, in evaluation as in training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alftbench.errors import PluginError
from alftbench.suites.arithmetic import SUMS
from alftbench.suites.grade import grade
from alftbench.types import Answer, AnswerPartition, GradedOrbit, Outcome, Sample

ORBIT = SUMS.orbits()[0]
SAMPLES_VN = [
    [Sample(ORBIT.problem.id, v.name, draw, "?", "stop", 1) for draw in range(2)] for v in ORBIT.variants
]
V = len(SAMPLES_VN)
SAID = ((Answer(Outcome.ANSWERED),) * 2,) * V


def partition(class_VN=((0, 1),) * V, classes=("a", "b"), correct=(True, False)) -> AnswerPartition:
    return AnswerPartition(ORBIT.problem.id, classes, correct, class_VN, {})


class Own:
    """A suite whose rules say what a test wants them to."""

    info = replace(SUMS.info, name="own")

    def __init__(self, says):
        self.says = says

    def orbits(self, split: str = "test", data: str | None = None):
        """Never asked here."""
        return [ORBIT]

    def grade(self, orbit, samples_VN):
        """What was wanted."""
        return self.says()


def raises():
    raise KeyError("no such rule")


def test_what_keeps_the_contract_is_taken_as_it_is():
    graded = GradedOrbit(partition(), SAID)
    assert grade(Own(lambda: graded), ORBIT, SAMPLES_VN) is graded


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (raises, "failed: KeyError: 'no such rule'"),
        (partition, "gave AnswerPartition, not a GradedOrbit"),
        (lambda: GradedOrbit(partition(((0,),) * V), SAID), "does not give every sample an answer and a class"),
        (lambda: GradedOrbit(partition(), SAID[1:]), "does not give every sample an answer and a class"),
        (lambda: GradedOrbit(partition(classes=("a", "a")), SAID), "names a class twice"),
        (lambda: GradedOrbit(partition(correct=(True,)), SAID), "does not say of each whether it is right"),
        (lambda: GradedOrbit(partition(((0, 2),) * V), SAID), "a class that it does not name"),
    ],
)
def test_what_breaks_it_is_one_line_that_names_the_suite(says, message):
    with pytest.raises(PluginError, match=rf"suite 'own', problem {ORBIT.problem.id}: grade\(\) .*{message}"):
        grade(Own(says), ORBIT, SAMPLES_VN)
