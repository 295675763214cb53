"""The command about rules: its list, one rule's figures and points, and one line for what is wrong."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict

import numpy as np
import pytest

from alftbench.base.jsonio import digest
from alftbench.base.records import save_record
from alftbench.games.rewards import RULES
from alftbench.types import RunRecord
from tests.helpers import ROOT

GAME = {
    "beta": 0.5,
    "objective": {"name": "diversity", "lambda": 0.1, "correct": ["b", "never"]},
    "prompts": [
        {"traces": [{"answer": answer, "logprob": logprob} for answer, logprob in pairs]}
        for pairs in ([("a", -0.5), ("a", -2.0), ("b", -1.5)], [("a", -0.2), ("b", -1.7)])
    ],
}


PROBLEM = "p1"
SAID = {"again": ["7", "8", None, "8"], "plain": ["7", "7", "7", "9"]}
"""What the phrasings of a problem were answered: 7 is right."""


@pytest.fixture
def rules(light, tmp_path):
    """Run the command in a fork of a process without torch."""

    def run(*arguments: str, columns: int = 100):
        return light(tmp_path, "rules", *arguments, environment={"COLUMNS": str(columns)})

    return run


def finished(folder, status="complete"):
    """A run folder whose answers are SAID."""
    folder.mkdir()
    config = {"suite": "sums"}
    record = RunRecord(2, digest(config)[:12], status, "tiny", config, {}, samples_sha256="0" * 64)
    save_record(folder / "run.json", asdict(record))
    with gzip.open(folder / "answers.jsonl.gz", "wt", encoding="utf-8") as file:
        for problem in ("p0", PROBLEM):
            for variant, said in SAID.items():
                for draw, answer in enumerate(said):
                    row = {"problem_id": problem, "variant": variant, "draw": draw, "outcome": "answered"}
                    row |= {"answer": answer, "start": 0, "end": 1, "key": answer, "class": answer}
                    file.write(json.dumps(row | {"right": answer == "7", "guess": False}) + "\n")


def test_the_rules_are_listed(rules):
    shown = rules(columns=160).out
    for info in RULES.values():
        assert f" {info.name} " in shown
        assert info.paper in shown
    listed = json.loads(rules("--format", "json").out)
    assert [entry["name"] for entry in listed] == list(RULES)
    assert {entry["name"] for entry in listed if not entry["gradient"]} >= {"gapo", "self-harmony"}


def test_one_rule_with_its_points_and_picture(rules, tmp_path):
    """p_c of the limit: p ∝ p₀ e^{c/β}, whatever the group and its baseline."""
    arguments = ["correctness", "--p0", "0.5,0.3,0.2", "--right", "1,2", "--beta", "0.5", "--plot", "rule.png"]
    told = json.loads(rules(*arguments, "--format", "json").out)
    truth = np.array([0.5, 0.3, 0.2]) * np.exp(np.array([0, 2, 2]))
    for which in ("group", "limit"):
        assert told["fixed_points"][which]["settled"]
        np.testing.assert_allclose(told["fixed_points"][which]["marginals"], [truth / truth.sum()], atol=1e-6)
    np.testing.assert_allclose(told["objective"], told["p"])
    np.testing.assert_allclose(np.array(told["update"])[:, 0], 7 / 8 * (1 - np.array(told["p"])), atol=1e-12)
    assert (tmp_path / "rule.png").read_bytes().startswith(b"\x89PNG")
    shown = rules(*arguments).out
    assert "0.7869" not in shown
    assert f"{truth[1] / truth.sum():.4f}" in shown
    assert "expectation at G by own counts, exact" in shown


def test_the_references_of_a_game(rules, tmp_path):
    """β, the right answers and the prompts are the game's; an answer that no prompt can give is left out."""
    (tmp_path / "game.json").write_text(json.dumps(GAME), encoding="utf-8")
    told = json.loads(rules("majority-elsewhere", "--game", "game.json", "--format", "json").out)
    assert told["answers"] == ["a", "b"]
    assert told["right"] == [False, True]
    assert np.array(told["reference"]).shape == (2, 2)
    assert told["way"] == "enumeration"
    shown = rules("gapo", "--game", "game.json", "--right", "a", "--group", "4").out
    assert "β = 0.5" in shown
    assert "no gradient" in shown


def test_the_references_of_a_run(rules, tmp_path):
    """Shares of its answers, half a draw for what only the other phrasing gave; no answer is a class too."""
    finished(tmp_path / "run")
    asked = ("--run", "run", "--problem", PROBLEM, "--format", "json")
    told = json.loads(rules("frequency", *asked).out)
    assert told["answers"] == ["7", "8", "9", "no answer"]
    assert told["right"] == [True, False, False, False]
    assert told["silent"] == "no answer"
    shares = np.array([[1, 2, 0.5, 1], [3, 0.5, 1, 0.5]])
    np.testing.assert_allclose(told["reference"], shares / shares.sum(axis=1, keepdims=True))
    assert json.loads(rules("frequency", *asked, "--right", "8,9").out)["right"] == [False, True, True, False]


def test_an_answer_that_is_none(rules):
    """A verifier never lets it pass: p ∝ p₀ e^{rate/β} with the rates 0.9, 0.1 and 0."""
    arguments = ("--p0", "0.5,0.3,0.2", "--right", "1", "--silent", "2", "--beta", "0.5")
    told = json.loads(rules("noisy-verifier", *arguments, "--format", "json").out)
    truth = np.array([0.5, 0.3, 0.2]) * np.exp(np.array([0.1, 0.9, 0]) / 0.5)
    for which in ("group", "limit"):
        marginals = told["fixed_points"][which]["marginals"]
        np.testing.assert_allclose(marginals, [truth / truth.sum()], atol=1e-6)
    rows = rules("noisy-verifier", *arguments).out.splitlines()
    assert any(row.split()[:3] == ["2", "silent", "0.2000"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["maxrI"], "no rule named 'maxrI'; did you mean 'maxrl'?"),
        (["maxrl:order=9"], "a group of 8 rollouts says nothing of 9 at once"),
        (["maxrl:ordr=2"], "rule maxrl ordr: there is no such setting; did you mean 'order'?"),
        (["tsallis:alpha=1"], "rule tsallis alpha=1: must be a number, above 0, not 1"),
        (["tsallis:alpha=2.5"], "use another estimator"),
        (["entropy:estimator=best"], "rule entropy estimator=best: must be one of plug-in"),
        (["entropy", "--group", "200"], "no table of 'variance-optimal' for K = 200"),
        (["maxrl", "--baseline", "median"], "no baseline named 'median'; did you mean 'mean'?"),
        (["maxrl", "--group", "1"], "--group: must be at least 2; try: alftbench rules --help"),
        (["majority", "--group", "2", "--baseline", "jackknife"], "group=2 must be at least 3"),
        (["maxrl", "--p0", "0.5,x"], "--p0 0.5,x: must be numbers"),
        (["maxrl", "--p0", "0,1"], "a reference probability is not above 0"),
        (["maxrl", "--p0", "0.5,0.5", "--p0", "1"], "give each as many"),
        (["maxrl", "--p0", "0.5,0.5", "--right", "3"], "the right answer '3' is none of the answers 0, 1"),
        (["maxrl", "--right", "0"], "--right names answers of --game, --p0 or --run"),
        (["maxrl", "--beta", "0"], "--beta 0: must be above 0"),
        (["maxrl", "--game", "nowhere.json"], "nowhere.json: cannot be read"),
        (["maxrl", "--game", "game.json", "--p0", "0.5,0.5"], "give one"),
        (["maxrl", "--run", "run", "--problem", "p1", "--p0", "0.5,0.5"], "--p0 and --run all say where"),
        (["maxrl", "--run", "run"], "--run and --problem belong together"),
        (["maxrl", "--problem", "p1"], "--run and --problem belong together"),
        (["maxrl", "--run", "run", "--problem", "p3"], "no problem named 'p3'; known: p0, p1"),
        (["maxrl", "--run", "run", "--problem", "p1", "--right", "6"], "none of the answers 7, 8, 9"),
        (["maxrl", "--run", "run", "--problem", "p1", "--silent", "8"], "of a run it is recorded"),
        (["maxrl", "--run", "going", "--problem", "p1"], "the run is not complete"),
        (["maxrl", "--run", "bare", "--problem", "p1"], "bare: has no answers.jsonl.gz"),
        (["maxrl", "--run", "nowhere", "--problem", "p1"], "nowhere/run.json"),
        (["maxrl", "--p0", "0.5,0.5", "--silent", "2"], "the silent answer '2' is none of the answers 0, 1"),
        (["maxrl", "--p0", "0.5,0.5", "--silent", "1", "--right", "1"], "said to be right and to be none"),
        (["maxrl", "--silent", "1"], "--silent names an answer of --game or --p0"),
        (["maxrl", "--game", "apart.json"], "answer 'b' is impossible in prompts[0] and possible elsewhere"),
        (["self-harmony", "--p0", "0.5,0.5"], "at least two"),
        (["maxrl", "--plot", "nowhere/rule.png"], "there is no folder nowhere"),
        (["maxrl", "--plot", "rule.doc"], "no format of pictures"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line(rules, tmp_path, arguments, message):
    apart = {**GAME, "prompts": [{"traces": [{"answer": "a", "logprob": 0.0}]}, GAME["prompts"][1]]}
    for name, content in (("game.json", GAME), ("apart.json", apart)):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    for name, status in (("run", "complete"), ("going", "running"), ("bare", "complete")):
        finished(tmp_path / name, status)
    (tmp_path / "bare" / "answers.jsonl.gz").unlink()
    before = sorted(tmp_path.iterdir())
    done = rules(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert message in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_the_example_of_the_page_says_what_it_does():
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    *setting, update, point = code.strip().splitlines()
    names = {}
    exec("\n".join(setting), names)
    for line in (update, point):
        said, _, shown = line.partition("  # ")
        np.testing.assert_allclose(eval(said, names), json.loads(shown), atol=6e-4)


def test_the_fixed_points_of_the_page_are_those_of_the_command(rules):
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for rule in ("inverse-propensity", "maxrl"):
        block = page.partition(f"$ alftbench rules {rule} ")[2].partition("\n\n")[0].partition("```")[0]
        arguments, *lines = block.splitlines()
        shown = {" ".join(line.split()) for line in rules(rule, *arguments.split()).out.splitlines()}
        rows = [" ".join(line.split()) for line in lines if line.strip()[:1].isdigit()]
        assert len(rows) == 3
        assert shown >= set(rows)


def test_every_rule_stands_in_the_page():
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for info in RULES.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{info.name}` |"))
        assert info.paper.removeprefix("arXiv ") in row
        assert info.ascends in row
        assert all(f"`{name}` ({value})" in row for name, value in info.read({}).items())
