"""answers.jsonl.gz: what was found in every sample, recorded once and read by everything that follows."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from alftbench.answers.canonical import canonical
from alftbench.backends import model_files
from alftbench.backends.base import BackendOptions
from alftbench.errors import BadInput
from alftbench.evaluation.answers import (
    ANSWERS,
    answer_lines,
    as_partition,
    as_recorded,
    read_answers,
    read_partitions,
    record_answers,
)
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.regrade import plan_regrade, regrade
from alftbench.evaluation.run_folder import RunFolder, read_record, read_samples
from alftbench.evaluation.verify import verify
from alftbench.suites.base import SuiteInfo
from alftbench.suites.grade import grade, grade_orbits
from alftbench.suites.load import Selection
from alftbench.types import Orbit, Problem, Sample, SamplingParams, Variant

GOLDEN = Path(__file__).parent / "golden"
REQUEST = EvalRequest(
    "tiny-sums", "sums", selection=Selection(limit=3), samples=2, options=BackendOptions(batch_size=8)
)
PHRASES = (
    r"\boxed{0.5}", r"\boxed{\frac{1}{2}}", "Answer: 1/2", "It costs 2,74", r"so \boxed{x+1} and \boxed{2}",
    "it is $x=3$", "perhaps 7", "I cannot answer that.", "", r"\boxed{(\sin x)^2 + (\cos x)^2}", r"\boxed{1}",
)  # fmt: skip


class Phrased:
    """A suite whose phrasings are not in alphabetical order."""

    info = SuiteInfo(
        "phrased", "1", "", "", "", SamplingParams(n=6), ("test",), ("boxed", "marker", "last-math", "last-number")
    )

    def orbits(self, split: str = "test", data: str | None = None) -> list[Orbit]:
        """Three problems."""
        return [
            Orbit(
                Problem(f"p{p}", "?", (reference,), "math"),
                tuple(Variant(f"p{p}", name, ()) for name in ("plain", "words", "again")),
            )
            for p, reference in enumerate(("1/2", "{2; x+1}", "1"))
        ]


def drawn(orbit: Orbit, rng: random.Random) -> list[Sample]:
    return [
        Sample(orbit.problem.id, variant.name, draw, rng.choice(PHRASES), rng.choice(["stop", "length"]), 5)
        for variant in orbit.variants
        for draw in range(6)
    ]


@pytest.fixture
def run(tmp_path):
    """A complete run of that suite, not graded yet."""
    rng, suite = random.Random(1), Phrased()
    run = RunFolder.open(tmp_path / "run", "m", {"suite": "phrased"})
    for orbit in suite.orbits():
        run.append(drawn(orbit, rng), 0.0)
    run.seal(sorted(sample.key for sample in run.samples()))
    return run


def test_partitions_read_back_are_those_that_were_computed(run):
    suite = Phrased()
    record_answers(run, suite, suite.orbits())
    computed = [graded.partition for _, graded in grade_orbits(suite, suite.orbits(), run.samples())]
    assert list(read_partitions(run.path, suite, suite.orbits())) == computed
    assert [partition.problem_id for partition in computed] == ["p0", "p1", "p2"]
    assert any(any(map(any, partition.guessed_VN)) for partition in computed)
    assert {outcome for partition in computed for outcome in partition.outcomes} >= {"answered", "abstained"}


def test_a_line_says_what_was_found_in_its_sample_and_where(run):
    suite = Phrased()
    record_answers(run, suite, suite.orbits())
    answers, samples = list(read_answers(run.path)), list(run.samples())
    assert [(a.problem_id, a.variant, a.draw) for a in answers] == [sample.key for sample in samples]
    for answer, sample in zip(answers, samples, strict=True):
        assert (answer.answer is None) == (answer.key is None) == (answer.outcome != "answered")
        if answer.answer is not None:
            assert sample.text[answer.start : answer.end] == answer.answer
    keys = {answer.answer: answer.key for answer in answers}
    assert keys["2,74"] == "137/50"
    assert keys[r"x+1} and \boxed{2"] == canonical("math", "x+1, 2")
    half = {answer.class_key for answer in answers if answer.key == "1/2"}
    assert half == {"1/2"}
    assert {answer.right for answer in answers if answer.key == "1/2"} == {True, False}  # of p0 and of the others


def test_counts_of_a_partition_are_kept_where_they_are_not_0():
    suite = Phrased()
    orbit = suite.orbits()[0]
    samples = drawn(orbit, random.Random(2))
    samples_VN = [[s for s in samples if s.variant == variant.name] for variant in orbit.variants]
    graded = grade(suite, orbit, samples_VN)
    for conflicts, unresolved in ((0, 0), (0, 2), (3, 1)):
        counted = replace(graded.partition, conflicts=conflicts, unresolved=unresolved)
        rows = [json.loads(line) for line in answer_lines(samples_VN, replace(graded, partition=counted))]
        assert all(("conflicts" in row) == (conflicts + unresolved > 0) for row in rows)
        by_name = {name: list(group) for name, group in groupby(map(as_recorded, rows), key=lambda a: a.variant)}
        assert as_partition(orbit, [by_name[variant.name] for variant in orbit.variants]) == counted


def test_the_digest_is_of_the_lines_and_a_changed_file_is_one_line(tmp_path):
    record = evaluate(plan(REQUEST), tmp_path)
    lines = gzip.decompress((tmp_path / ANSWERS).read_bytes())
    assert hashlib.sha256(lines).hexdigest() == record.answers_sha256
    assert verify(tmp_path) == record
    (tmp_path / ANSWERS).write_bytes(gzip.compress(lines.replace(b'"right": false', b'"right": true')))
    with pytest.raises(
        BadInput, match=r"answers\.jsonl\.gz: digest differs from run\.json; evaluate again"
    ) as error:
        verify(tmp_path)
    assert "\n" not in str(error.value)
    (tmp_path / ANSWERS).unlink()
    with pytest.raises(BadInput, match=r"answers\.jsonl\.gz: cannot be read"):
        verify(tmp_path)
    assert evaluate(plan(REQUEST), tmp_path) == record
    assert gzip.decompress((tmp_path / ANSWERS).read_bytes()) == lines


@pytest.mark.parametrize("line", [{}, {"class": None, "problem_id": "p"}, {"class": "1", "colour": 3}])
def test_a_line_that_is_none_is_named(tmp_path, line):
    (tmp_path / ANSWERS).write_bytes(gzip.compress(json.dumps(line).encode()))
    with pytest.raises(BadInput, match=r"answers\.jsonl\.gz, line 1: not an answer"):
        list(read_answers(tmp_path))


@pytest.mark.parametrize("killed_in", ["save_answers", "save_metrics", "_save"])
def test_a_run_killed_while_it_is_graded_ends_the_same(tmp_path, monkeypatch, killed_in):
    whole = evaluate(plan(REQUEST), tmp_path / "whole")
    original = getattr(RunFolder, killed_in)

    def killed(self, *arguments, **changes):
        if (
            killed_in != "_save" or "answers_sha256" in changes
        ):  # the file is there, the record does not say so yet
            raise KeyboardInterrupt
        original(self, *arguments, **changes)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            evaluate(plan(REQUEST), tmp_path / "killed")
    assert read_record(tmp_path / "killed").status == "complete"
    again = evaluate(plan(REQUEST), tmp_path / "killed")
    assert (again.samples_sha256, again.answers_sha256, again.metrics_sha256) == (
        whole.samples_sha256, whole.answers_sha256, whole.metrics_sha256
    )  # fmt: skip
    verify(tmp_path / "killed")


def test_a_half_written_file_never_stands_under_its_name(tmp_path, run):
    def torn():
        yield "{}\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.save_answers(torn())
    assert not (run.path / ANSWERS).exists()
    assert read_record(run.path).answers_sha256 is None


# Folders of the code before there was the file


REDEFINED = {"coherence", "distinct", "distinct_right"}  # what the code before meant by other figures


@pytest.fixture
def earlier_model(monkeypatch):
    """The embedded model that sampled the folders, in the place of the one that is taught anew."""
    monkeypatch.setattr(model_files, "EMBEDDED", GOLDEN / "embedded")


def measured(folder: Path) -> dict:
    """What metrics that mean what they did then say of problems and in tables; intervals are other ones now."""
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    then = json.loads((GOLDEN / "complete" / "metrics.json").read_text(encoding="utf-8"))
    names = [row["name"] for row in then["metrics"] if row["name"] not in REDEFINED]
    rows = {row["name"]: row for row in content["metrics"]}
    fields = then["metrics"][0].keys() - {"low", "high"}
    shown = {(name, field): rows[name][field] for name in names for field in fields}
    return {"shown": shown, "per_problem": {name: content["per_problem"][name] for name in names}}


@pytest.mark.usefixtures("earlier_model")
def test_a_complete_run_of_earlier_code_is_verified_and_read():
    record = verify(GOLDEN / "complete")
    assert record.answers_sha256 is None
    made = plan(REQUEST)
    assert record.id == "35d0396269ff"
    assert record.config == made.config
    samples = read_samples(GOLDEN / "complete")
    computed = [graded.partition for _, graded in grade_orbits(made.suite, made.orbits, samples)]
    assert list(read_partitions(GOLDEN / "complete", made.suite, made.orbits)) == computed


@pytest.mark.usefixtures("earlier_model")
def test_evaluating_a_run_of_earlier_code_again_records_its_answers(tmp_path):
    shutil.copytree(GOLDEN / "complete", tmp_path / "run")
    before = verify(tmp_path / "run")
    after = evaluate(plan(REQUEST), tmp_path / "run")
    assert after.answers_sha256 is not None
    assert after.samples_sha256 == before.samples_sha256
    assert measured(tmp_path / "run") == measured(GOLDEN / "complete")
    assert after.provenance == before.provenance
    assert verify(tmp_path / "run") == after


@pytest.mark.usefixtures("earlier_model")
def test_an_interrupted_run_of_earlier_code_goes_on_to_the_same_end(tmp_path):
    shutil.copytree(GOLDEN / "unfinished", tmp_path / "run")
    kept = (tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").count("\n")
    assert 0 < kept < 36
    record = evaluate(plan(REQUEST), tmp_path / "run")
    assert record.samples_sha256 == verify(GOLDEN / "complete").samples_sha256
    assert measured(tmp_path / "run") == measured(GOLDEN / "complete")
    assert len(list(read_answers(tmp_path / "run"))) == record.n_samples == 36


@pytest.mark.usefixtures("earlier_model")
def test_regrading_a_run_of_earlier_code_gives_the_file_and_the_same_metrics(tmp_path):
    found = regrade(plan_regrade(GOLDEN / "complete"), tmp_path / "new")
    assert found.changes is None
    assert measured(tmp_path / "new") == measured(GOLDEN / "complete")
    record = evaluate(plan(REQUEST), tmp_path / "evaluated")
    assert verify(tmp_path / "new").answers_sha256 == record.answers_sha256


def test_readers_take_the_recorded_answers_and_grade_nothing(tmp_path, monkeypatch):
    """With rules that find nothing, a run with the file reads as before, one without it as unanswered."""
    from alftbench.answers.find import extract

    evaluate(plan(REQUEST), tmp_path / "run")
    made = plan(REQUEST)
    before = list(read_partitions(tmp_path / "run", made.suite, made.orbits))
    monkeypatch.setitem(extract.RULES, "marker", lambda text: None)
    assert list(read_partitions(tmp_path / "run", made.suite, made.orbits)) == before
    again = read_partitions(GOLDEN / "complete", made.suite, made.orbits)
    assert {partition.classes_Z for partition in again} == {()}
