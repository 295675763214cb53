"""What a suite must hold before figures from it mean anything: checks, each with its count and findings."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from alftbench.answers.canonical import canonical
from alftbench.answers.find.extract import GUESS
from alftbench.errors import AlftbenchError, UsageError
from alftbench.suites.base import Flaw, Grader, Recorded, ReferenceGrader, Suite
from alftbench.suites.grade import grade_by_rules
from alftbench.suites.load import TRAIN, Selection, read_orbits
from alftbench.suites.orbits import count
from alftbench.suites.orbits.asked import QUESTIONS
from alftbench.suites.orbits.spec import prompt_key
from alftbench.types import Orbit, Problem, Sample, Variant

FORMS = {"boxed": "\\boxed{$answer}", "hashes": "#### $answer", "marker": "Answer: $answer"}

OWN_RULES = "the suite grades by rules of its own"  # they alone say which answers are the same


@dataclass(frozen=True)
class Finding:
    """What is wrong, and with which problem."""

    problem: str
    what: str


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, how many, what was found, and which findings the suite declares as known.

    skipped: why nothing was looked at; empty where something was.
    """

    name: str
    looked_at: str
    n: int
    findings: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    skipped: str = ""


@dataclass(frozen=True)
class SuiteReport:
    """Every check of one suite, and the flaws that it declares."""

    suite: str
    version: str
    checks: tuple[Check, ...]
    flaws: tuple[Flaw, ...] = ()

    @property
    def fine(self) -> bool:
        """Was nothing found that the suite does not declare?"""
        return not any(check.findings for check in self.checks)


def validate(suite: Suite, selection: Selection, train_data: str | None = None) -> SuiteReport:
    """Check a split of a suite, and that its training problems are others.

    Raises:
        UsageError: the data cannot be had, so that nothing can be checked.
    """
    orbits = read_orbits(suite, selection)
    checks = [
        source(suite, selection),
        references(suite, orbits),
        near_misses(suite, orbits),
        prompts(orbits),
        whole(suite, orbits),
        disjoint(suite, selection, train_data, orbits),
        *transformed(selection, orbits),
        *declared(suite, selection, orbits),
    ]
    apart = tuple(set_known_apart(suite, check) for check in checks)
    return SuiteReport(suite.info.name, suite.info.version, apart, suite.info.flaws)


def set_known_apart(suite: Suite, check: Check) -> Check:
    """Move findings that the suite declares from found to known: they are shown, and no reason to fail."""
    declared = {flaw.problem for flaw in suite.info.flaws if flaw.check == check.name}
    known = tuple(finding for finding in check.findings if finding.problem in declared)
    new = tuple(finding for finding in check.findings if finding.problem not in declared)
    return Check(check.name, check.looked_at, check.n, new, known, check.skipped)


def source(suite: Suite, selection: Selection) -> Check:
    """Rows and digest are the recorded ones; `read_orbits` has refused them otherwise."""
    if not isinstance(suite, Recorded):
        return Check("source", "rows", 0, skipped="it brings its own problems")
    if selection.data_unchecked:
        return Check("source", "rows", 0, skipped="--data-unchecked")
    return Check("source", "rows", suite.check_source(selection.split, selection.data))


def references(suite: Suite, orbits: Sequence[Orbit]) -> Check:
    """Every right answer, written as the prompt asks and in every form the rules read, is graded as right."""
    if isinstance(suite, Grader) and not isinstance(suite, ReferenceGrader):
        return Check("references", "right answers", 0, skipped=OWN_RULES)
    n, findings = 0, []
    for orbit in orbits:
        graded = list(graded_references(suite, orbit))
        n += len(graded)
        findings += [
            Finding(orbit.problem.id, f"{text!r} is not graded as right") for text, fine in graded if not fine
        ]
        if not any(reference.strip() for reference in orbit.problem.reference):
            findings.append(Finding(orbit.problem.id, "has no right answer"))
    return Check("references", "right answers", n, tuple(findings))


def graded_references(suite: Suite, orbit: Orbit) -> Iterator[tuple[str, bool]]:
    """Each right answer in each of its forms, and whether it is graded as right."""
    if isinstance(suite, ReferenceGrader):
        yield from ((text, suite.accepts(orbit, text)) for text in orbit.problem.reference)
        return
    forms = {form for variant in orbit.variants for form in answer_forms(suite, variant)}
    for text in (fill(form, reference) for reference in orbit.problem.reference for form in sorted(forms)):
        yield text, is_right(suite, orbit.problem, text)


def near_misses(suite: Suite, orbits: Sequence[Orbit]) -> Check:
    """Answers that are nearly right are graded as wrong."""
    if isinstance(suite, Grader):
        return Check("near misses", "wrong answers", 0, skipped=OWN_RULES)
    n, findings = 0, []
    for place, orbit in enumerate(orbits):
        other = orbits[place - 1].problem
        text = answer_forms(suite, orbit.variants[0])[0]
        for miss in misses(orbit.problem, other):
            n += 1
            if is_right(suite, orbit.problem, fill(text, miss)):
                findings.append(Finding(orbit.problem.id, f"{miss!r} is graded as right"))
    return Check("near misses", "wrong answers", n, tuple(findings))


def misses(problem: Problem, other: Problem) -> list[str]:
    """Wrong answers close to the right one: a number or an addend off by one, another problem's answer.

    They are wrong by how they are made, whatever the grader says; another problem's answer is one unless both
    problems have the same.
    """
    kind, reference = problem.answer_kind, problem.reference[0]
    near = off_by_one(kind, reference)
    right = {canonical(kind, text) for text in problem.reference}
    near += [text for text in other.reference[:1] if canonical(kind, text) not in right]
    return [miss for miss in dict.fromkeys(near) if miss not in problem.reference]


def off_by_one(kind: str, reference: str) -> list[str]:
    """Other numbers, or sums with another total, close to a right answer; none for other texts.

    A text is taken as a number only where it is nothing else: 007 and 1.50 may be codes and prices.
    """
    if kind == "addends":
        first, _, rest = reference.partition("+")
        return [f"{int(first) + 1}+{rest}", f"{reference}+1"]
    key = canonical("number", reference)
    if key is None or "/" in key or (kind == "text" and key != reference):
        return []
    value = int(key)
    scaled = [str(-value), f"{value}0"] if value else []
    return [str(value + 1), str(value - 1), f"{value}.5", *scaled]


def prompts(orbits: Sequence[Orbit]) -> Check:
    """Every phrasing asks something, and no prompt occurs twice, in an orbit or between them."""
    asked = [(orbit.problem, variant, sameness(variant)) for orbit in orbits for variant in orbit.variants]
    times = Counter(same for _, _, same in asked)
    findings = []
    for problem, variant, same in asked:
        if not question_of(problem, variant).strip() or not variant.messages:
            findings.append(Finding(problem.id, f"phrasing {variant.name!r} asks nothing"))
        elif times[same] > 1:
            what = f"phrasing {variant.name!r} has a prompt that occurs more than once"
            findings.append(Finding(problem.id, what))
    return Check("prompts", "prompts", len(asked), tuple(findings))


def question_of(problem: Problem, variant: Variant) -> str:
    """What a phrasing asks, without the instruction around it."""
    asked = problem.metadata.get(QUESTIONS, {})
    return str(asked.get(variant.name.partition("+")[0], problem.question))


def sameness(variant: Variant) -> str:
    """What equal prompts share: all but case and spacing, which are all that some transformations change."""
    key = prompt_key(variant.messages)
    return key if "+" in variant.name else plain(key)


def whole(suite: Suite, orbits: Sequence[Orbit]) -> Check:
    """Every orbit has all the phrasings that the suite says, and no other."""
    findings = []
    for orbit in orbits:
        given = [variant.name for variant in orbit.variants if "+" not in variant.name]
        listed = suite.info.variants or given
        lacks, odd = sorted(set(listed) - set(given)), sorted(set(given) - set(listed))
        findings += [Finding(orbit.problem.id, f"lacks the phrasing {name!r}") for name in lacks]
        findings += [Finding(orbit.problem.id, f"has an unlisted phrasing {name!r}") for name in odd]
        if not given:
            findings.append(Finding(orbit.problem.id, "has no phrasing"))
    return Check("orbits", "orbits", len(orbits), tuple(findings))


def disjoint(suite: Suite, selection: Selection, train_data: str | None, orbits: Sequence[Orbit]) -> Check:
    """No training problem asks what a test problem asks."""
    if "train" not in suite.info.splits or selection.split == "train":
        return Check("train/test", "training problems", 0, skipped="no training split")
    if isinstance(suite, Recorded) and selection.data is not None and train_data is None:
        return Check("train/test", "training problems", 0, skipped="no --train-data given")
    chosen = replace(TRAIN, data=train_data, data_unchecked=selection.data_unchecked)
    try:
        training = read_orbits(suite, chosen)
    except UsageError as error:
        return Check("train/test", "training problems", 0, skipped=str(error))
    tested = {plain(orbit.problem.question) for orbit in orbits}
    shared = [orbit.problem.id for orbit in training if plain(orbit.problem.question) in tested]
    findings = tuple(Finding(problem, "is asked in training and in the test") for problem in shared)
    return Check("train/test", "training problems", len(training), findings)


def plain(question: str) -> str:
    """A question without case and spacing."""
    return " ".join(question.casefold().split())


def transformed(selection: Selection, orbits: Sequence[Orbit]) -> Iterator[Check]:
    """How often each transformation asked for found something to say; declining is no finding."""
    for added in count(orbits, selection.orbit) if selection.orbit else ():
        yield Check(f"+{added.name}", f"of {added.wanted} phrasings wanted", added.phrasings)


def declared(suite: Suite, selection: Selection, orbits: Sequence[Orbit]) -> Iterator[Check]:
    """The flaws that a suite declares are flaws of problems that there are; told of whole suites of one split."""
    if suite.info.flaws and selection.limit is None and len(suite.info.splits) == 1:
        ids = {orbit.problem.id for orbit in orbits}
        odd = [flaw.problem for flaw in suite.info.flaws if flaw.problem not in ids]
        findings = tuple(
            Finding(problem, "is declared under 'known', but there is no such problem") for problem in odd
        )
        yield Check("known flaws", "declared flaws", len(suite.info.flaws), findings)


def answer_forms(suite: Suite, variant: Variant) -> list[str]:
    """How an answer may be written: as this phrasing's prompt asks, and as each rule but the guess reads."""
    asked = suite.info.answer_form
    own = asked.get(variant.name.partition("+")[0], "") if isinstance(asked, Mapping) else asked
    forms = [own, *(FORMS[rule] for rule in suite.info.answer_rules if rule in FORMS)]
    return [form for form in dict.fromkeys(forms) if form] or ["$answer"]


def fill(form: str, answer: str) -> str:
    """An answer in its form."""
    return string.Template(form).substitute(answer=answer)


def is_right(suite: Suite, problem: Problem, text: str) -> bool:
    """Is a completion that ends in this text graded as right, by the code that grades models?"""
    rules = [rule for rule in suite.info.answer_rules if rule != GUESS] or suite.info.answer_rules
    completion = Sample(problem.id, "", 0, f"So this is it.\n{text}", "stop", 0)
    return any(grade_by_rules(problem, [[completion]], rules).partition.correct_Z)


def validate_all(suites: Iterable[Suite], selection: Selection) -> Iterator[SuiteReport]:
    """Every suite whose data can be had; the others say why they were not checked."""
    for suite in suites:
        try:
            yield validate(suite, selection_for(suite, selection))
        except AlftbenchError as error:
            yield SuiteReport(
                suite.info.name, suite.info.version, (Check("source", "rows", 0, skipped=str(error)),)
            )


def selection_for(suite: Suite, selection: Selection) -> Selection:
    """The folder with data goes to those that read files."""
    if isinstance(suite, Recorded):
        return selection
    return replace(selection, data=None, data_unchecked=False)
