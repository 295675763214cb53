"""Group an orbit's answers into classes: the one place, used by evaluation and by rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from alftbench.answers.canonical import canonical
from alftbench.errors import BadInput
from alftbench.types import NO_ANSWER, Answer, AnswerPartition, Problem


def reference_keys(problem: Problem) -> frozenset[str]:
    """The canonical keys of the right answers; a reference that its own kind cannot read is an error."""
    keys = {raw: canonical(problem.answer_kind, raw) for raw in problem.reference}
    for raw, key in keys.items():
        if key is None:
            raise BadInput(
                f"problem {problem.id}: reference {raw!r} is no answer of kind {problem.answer_kind!r}; "
                f"correct the data file"
            )
    return frozenset(key for key in keys.values() if key is not None)


def partition(problem: Problem, answers_VN: Sequence[Sequence[Answer]]) -> AnswerPartition:
    """The classes of an orbit's answers, with the class of every sample."""
    right = reference_keys(problem)
    answers = [answer for row in answers_VN for answer in row]
    classes = sorted({answer.canonical for answer in answers if answer.canonical is not None})
    index = {key: z for z, key in enumerate(classes)}
    return AnswerPartition(
        problem_id=problem.id,
        classes_Z=tuple(classes),
        correct_Z=tuple(key in right for key in classes),
        class_VN=tuple(
            tuple(NO_ANSWER if a.canonical is None else index[a.canonical] for a in row) for row in answers_VN
        ),
        outcomes=Counter(str(answer.outcome) for answer in answers),
    )
