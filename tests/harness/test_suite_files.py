"""Suites by YAML: the schema's messages, what fields are made of, where rows come from, what validation finds."""

from __future__ import annotations

import json

import pytest
import yaml

from alftbench.answers.canonical import KINDS
from alftbench.errors import BadInput, UsageError
from alftbench.suites.fields import FieldError, FieldRule
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.validate import validate

MINE = {
    "name": "mine",
    "version": 1,
    "description": "two sums in two phrasings",
    "licence": "CC0-1.0",
    "citation": "nobody",
    "homepage": "https://example.org/mine",
    "file": {
        "fields": {"id": "key", "variant": "how", "question": "ask", "reference": "right"},
        "drop": {"how": "broken"},
        "splits": {"test": {"name": "mine.jsonl", "rows": 4}, "train": None},
    },
    "variants": ["plain", "words"],
    "answer_kind": "number",
    "answer_rules": ["boxed", "marker"],
    "system": "You add.",
    "prompt": {"plain": "$question In \\boxed{}.", "words": "Hello! $question In \\boxed{}, for $$5."},
    "examples": [{"question": "1 + 1?", "answer": "\\boxed{2}"}],
    "sampling": {"n": 2, "temperature": 0.7, "max_tokens": 16},
}
ROWS = [
    {"key": "a", "how": "plain", "ask": "1 + 2?", "right": 3},
    {"key": "b", "how": "plain", "ask": "2 + 2?", "right": 4},
    {"key": "a", "how": "words", "ask": "One and two?", "right": 3},
    {"key": "b", "how": "words", "ask": "Two and two?", "right": 4},
]


def changed(path, value):
    """MINE with one entry changed (or removed, for None); path is dotted."""
    spec = json.loads(json.dumps(MINE))
    *outer, last = path.split(".")
    place = spec
    for name in outer:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return spec


@pytest.fixture
def mine(tmp_path):
    """A function from spec and rows to (suite's path, data's path)."""

    def write(spec=MINE, rows=ROWS):
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
        (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(tmp_path / "mine.yaml"), str(tmp_path / "mine.jsonl")

    return write


def test_a_suite_of_ones_own_says_what_its_rows_mean(mine):
    path, data = mine()
    suite = load_suite(path)
    orbits = read_orbits(suite, Selection(data=data))
    assert [orbit.problem.id for orbit in orbits] == ["a", "b"]
    assert [variant.name for variant in orbits[0].variants] == ["plain", "words"]
    assert orbits[0].problem.reference == ("3",)
    assert [(m["role"], m["content"]) for m in orbits[0].variants[1].messages] == [
        ("system", "You add."),
        ("user", "Hello! 1 + 1? In \\boxed{}, for $5."),
        ("assistant", "\\boxed{2}"),
        ("user", "Hello! One and two? In \\boxed{}, for $5."),
    ]
    assert (suite.info.sampling.n, suite.info.sampling.temperature) == (2, 0.7)
    assert validate(suite, Selection(data=data)).fine


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("promt", "$question", "unknown key 'promt'; did you mean 'prompt'?"),
        ("file.fields.ident", "x", "unknown key 'file.fields.ident'"),
        ("name", None, "the key 'name' is missing"),
        ("file.fields.question", None, "the key 'file.fields.question' is missing"),
        ("sampling.n", "four", "'sampling.n' must be a whole number, found 'four'"),
        ("sampling.n", True, "'sampling.n' must be a whole number, found True"),
        ("answer_rules", "boxed", "'answer_rules' must be a list, found 'boxed'"),
        ("answer_rules", [], "'answer_rules' is empty"),
        ("answer_kind", "numbr", "unknown answer_kind 'numbr'; known: number"),
        ("answer_rules", ["boxd"], "unknown answer rule 'boxd'; known: minerva, boxed"),
        ("file", None, "one of the keys 'file' and 'hub' is needed"),
        ("file.splits.test", 5, "'file.splits.test' must be a table of keys, found 5"),
        ("file.splits.test", {"row": 4}, "unknown key 'file.splits.test.row'; did you mean 'rows'?"),
        ("file.fields.reference", {"take": "every"}, "needs exactly one of column, join, format, variants"),
        (
            "file.fields.reference",
            {"column": "x", "take": "evry"},
            "'file.fields.reference.take' is 'evry'; known:",
        ),
        ("file.fields.id", {"format": "{key.__class__}"}, "use plain names in braces"),
        ("file.fields.id", {"variants": {"a": "b"}}, "only the question can differ"),
        ("prompt", "What?", "'prompt' must hold $question and no other placeholder"),
        ("prompt", "$question $answer", "'prompt' must hold $question and no other placeholder"),
        ("prompt", {"plain": "$question"}, "'words' is on one side only"),
        ("answer_form", "42", "'answer_form' must hold $answer"),
        ("examples", ["x"], "entry 1 of 'examples' must be a table of keys"),
        ("known", [{"problem": "a"}], "the key 'known[1].note' is missing"),
        ("variants", ["plain", "plain", "words"], "'variants' must list different names"),
    ],
)
def test_a_mistake_in_the_yaml_is_one_clear_line(mine, path, value, message):
    file, _ = mine(changed(path, value))
    with pytest.raises(BadInput) as caught:
        load_suite(file)
    assert message in str(caught.value)
    assert str(caught.value).startswith(file)
    assert "\n" not in str(caught.value)


def test_every_mistake_has_its_line_and_bad_yaml_has_one(mine, tmp_path):
    file, _ = mine({**changed("name", None), "promt": 1})
    with pytest.raises(BadInput) as caught:
        load_suite(file)
    assert len(str(caught.value).splitlines()) == 2
    for text in ("a: [", "- a\n", ""):
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=r"bad\.yaml: ") as caught:
            load_suite(str(tmp_path / "bad.yaml"))
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:3], {"key": "b", "how": "words", "right": 4}], "line 4: the field 'ask' is missing or empty"),
        ([*ROWS[:3], {**ROWS[3], "right": ""}], "line 4: the field 'right' is missing or empty"),
        ([*ROWS[:3], {**ROWS[3], "right": 5}], "line 4: the phrasings of 'b' have the answers '4' and '5'"),
        ([*ROWS[:3], ROWS[0]], "line 4: problem 'a' has the phrasing 'plain' twice"),
        (
            ROWS[:3],
            "suite mine has 4 rows in its test split, this file has 3; give the recorded file, or --data-un",
        ),
        ([{**row, "how": "broken"} for row in ROWS], "the test split has no problems"),
    ],
)
def test_bad_rows_are_named(mine, rows, message):
    path, data = mine(rows=rows)
    with pytest.raises(BadInput) as caught:
        read_orbits(load_suite(path), Selection(data=data))
    assert message in str(caught.value)


def test_another_digest_is_refused_unless_unchecked(mine):
    path, data = mine(changed("file.splits.test", {"rows": 4, "sha256": "0" * 64}))
    with pytest.raises(BadInput, match="has recorded sha256 000000000000… for its test split, this file has"):
        read_orbits(load_suite(path), Selection(data=data))
    assert len(read_orbits(load_suite(path), Selection(data=data, data_unchecked=True))) == 2


def test_a_folder_stands_for_its_file_by_the_usual_name(mine, tmp_path):
    path, data = mine()
    suite = load_suite(path)
    assert read_orbits(suite, Selection(data=str(tmp_path))) == read_orbits(suite, Selection(data=data))
    with pytest.raises(UsageError, match="the train split has no usual file name"):
        read_orbits(suite, Selection("train", data=str(tmp_path)))
    with pytest.raises(
        UsageError, match=r"needs --data FILE\.jsonl with the fields key, how, ask, right; https://exa"
    ):
        read_orbits(suite, Selection())


@pytest.mark.parametrize(
    ("rule", "row", "wanted"),
    [
        ("a", {"a": 3}, ["3"]),
        ("a.b", {"a": {"b": "x"}}, ["x"]),
        ({"join": ["a", "b"]}, {"a": "One.", "b": "Two?"}, ["One. Two?"]),
        ({"format": "p-{index:0>3}-{a}"}, {"index": 7, "a": "x"}, ["p-007-x"]),
        ({"column": "a", "take": "after-hashes"}, {"a": "1+1=2 #### 1\n#### 1,200 "}, ["1,200"]),
        ({"column": "a", "take": "whole-number"}, {"a": 18.0}, ["18"]),
        ({"column": "a", "take": "whole-number"}, {"a": "18.50"}, ["18.50"]),
        ({"column": "a", "take": "every"}, {"a": ["x", "y", "x"]}, ["x", "y"]),
        ({"column": "a", "take": "parts"}, {"a": ["1", "2"]}, ["1, 2"]),
    ],
)
def test_fields_are_made_as_declared(rule, row, wanted):
    assert FieldRule.read(rule).values(row) == wanted


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        ("a", {}),
        ("a", {"a": None}),
        ("a", {"a": ["x"]}),
        ("a.b", {"a": "x"}),
        ({"column": "a", "take": "after-hashes"}, {"a": "18"}),
        ({"column": "a", "take": "every"}, {"a": []}),
        ({"column": "a", "take": "every"}, {"a": ["x", " "]}),
        ({"format": "{b}"}, {"a": 1}),
    ],
)
def test_what_a_row_does_not_hold_is_an_error(rule, row):
    with pytest.raises(FieldError, match="the field"):
        FieldRule.read(rule).values(row)


# validation finds what is wrong


@pytest.mark.parametrize(
    ("spec", "rows", "check"),
    [
        (MINE, [*ROWS[:3], {**ROWS[3], "ask": "One and two?"}], "prompts"),
        (changed("file.splits.test", {}), ROWS[:3], "orbits"),
        (MINE, [*ROWS[:3], {**ROWS[3], "how": "third"}], "orbits"),
        (changed("answer_form", "It is $answer, I think"), ROWS, "references"),
    ],
)
def test_validation_finds_what_is_wrong(mine, spec, rows, check):
    if isinstance(spec["prompt"], dict):
        spec = {**spec, "prompt": "$question In \\boxed{}."}
    path, data = mine(spec, rows)
    report = validate(load_suite(path), Selection(data=data))
    assert {item.name for item in report.checks if item.findings} == {check}
    assert not report.fine
    declared = [{"problem": p, "check": check, "note": "as upstream"} for p in ("a", "b")]
    path, data = mine({**spec, "known": declared}, rows)
    report = validate(load_suite(path), Selection(data=data))
    assert report.fine
    assert next(item for item in report.checks if item.name == check).known


@pytest.mark.parametrize("lenient", [lambda raw: "same", lambda raw: raw.strip(" -.")[:1]])
def test_validation_finds_a_grader_that_takes_too_much(mine, monkeypatch, lenient):
    path, data = mine(rows=[{**row, "right": row["right"] + 10} for row in ROWS])
    monkeypatch.setitem(KINDS, "number", lenient)
    monkeypatch.setattr(
        "alftbench.suites.validate.canonical", lambda kind, raw: raw
    )  # the misses stay what they are
    report = validate(load_suite(path), Selection(data=data))
    assert [check.name for check in report.checks if check.findings] == ["near misses"]


def test_validation_finds_training_on_the_test(mine):
    path, data = mine()
    report = validate(load_suite(path), Selection(data=data), train_data=data)
    found = next(check for check in report.checks if check.name == "train/test")
    assert (found.n, len(found.findings)) == (2, 2)


# the hub: the real libraries, on a folder and on a cache in place of the network


def on_hub(tmp_path, **hub):
    source = {"id": "x/y", "revision": "main", "fields": {"id": {"format": "p{index}"}, "question": "ask",
              "reference": "right"}, "splits": {"test": {}}} | hub  # fmt: skip
    spec = {**changed("file", None), "hub": source, "prompt": "$question", "variants": []}
    path = tmp_path / "hub.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return load_suite(str(path))


def test_a_split_comes_through_the_datasets_library(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    suite = on_hub(tmp_path, id=str(folder), splits={"test": {"rows": 4}}, keep={"how": ["plain"]})
    orbits = read_orbits(suite, Selection())
    assert [(o.problem.id, o.problem.question, o.problem.reference) for o in orbits] == [
        ("p0", "1 + 2?", ("3",)),
        ("p1", "2 + 2?", ("4",)),
    ]
    wrong = on_hub(tmp_path, id=str(folder), splits={"test": {"rows": 5}})
    with pytest.raises(BadInput, match="has recorded 5 rows, the hub gave 4"):
        read_orbits(wrong, Selection())


def test_files_of_the_hub_come_from_its_cache(tmp_path, cli):
    """The whole path in a fresh process with --offline: nothing but the cache is asked."""
    commit = "a" * 40
    snapshot = tmp_path / "cache" / "datasets--x--y" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "en.tsv").write_text('What is "1 + 1"?\t2\n', encoding="utf-8")
    (snapshot / "de.tsv").write_text("Was ist 1 + 1?\t2.0\n", encoding="utf-8")
    on_hub(
        tmp_path,
        revision=commit,
        files={"en": "en.tsv", "de": "de.tsv"},
        columns=["ask", "right"],
        fields={
            "id": {"format": "p{index}"}, "variant": "file", "question": "ask",
            "reference": {"column": "right", "take": "whole-number"},
        },
    )  # fmt: skip
    spec = yaml.safe_load((tmp_path / "hub.yaml").read_text(encoding="utf-8")) | {"variants": ["en", "de"]}
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    arguments = ("suites", "show", "hub.yaml", "--offline", "--format", "json")
    shown = json.loads(cli(*arguments, env={"HF_HUB_CACHE": str(tmp_path / "cache")}).stdout)
    assert [variant["name"] for variant in shown["variants"]] == ["en", "de"]
    assert shown["variants"][0]["messages"][-1]["content"] == 'What is "1 + 1"?'
    assert shown["keys"] == ["2"]


def test_without_network_and_cache_one_line_says_what_to_fetch(cli, tmp_path):
    env = {"HF_HUB_CACHE": str(tmp_path / "c"), "HF_HOME": str(tmp_path / "h")}
    for suite, dataset in (
        ("gsm8k", "openai/gsm8k (main, test) at revision cc7b047b6e5b"),
        ("mgsm", "juletxara/mgsm"),
    ):
        done = cli("suites", "show", suite, "--offline", env=env)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert f"suite {suite} needs --data FILE.jsonl with the fields" in done.stderr
        assert dataset in done.stderr
        assert "its home is https://github.com/" in done.stderr


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs --data FILE.jsonl .* run: pip install 'alftbench\[hub\]'"):
        read_orbits(load_suite("gsm8k"), Selection())


# the commands


def test_suites_is_a_list_when_called_bare(cli):
    done = cli("suites", "--format", "json")
    names = {row["name"] for row in json.loads(done.stdout)}
    assert {"gsm8k", "mgsm", "mathcheck-gsm", "svamp", "triviaqa", "sums", "splits"} <= names


def test_validate_exits_1_and_names_findings(cli, mine, tmp_path):
    mine(rows=[*ROWS[:3], {**ROWS[3], "how": "third"}], spec={**MINE, "prompt": "$question"})
    done = cli("suites", "validate", "mine.yaml", "--data", "mine.jsonl")
    assert done.returncode == 1
    assert "orbits: b: lacks the phrasing 'words'" in done.stdout
    assert done.stderr == "error: findings in mine\n"
    mine()
    done = cli(
        "suites", "validate", "mine.yaml", "--data", str(tmp_path), "--orbit", "formatting", "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    assert {check["name"] for check in json.loads(done.stdout)[0]["checks"]} >= {
        "references",
        "near misses",
        "orbits",
    }


def test_a_suite_file_is_evaluated_trained_on_and_compared(cli, mine, tmp_path):
    mine()
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps({**row, "ask": "So, " + row["ask"]}) + "\n" for row in ROWS), encoding="utf-8"
    )
    done = cli(
        "compare", "vanilla-grpo", "--suite", "mine.yaml", "--data", "mine.jsonl", "--train-data", "train.jsonl",
        "--seeds", "1", "--budget-tokens", "4000", "--samples", "2", "--workers", "1", "--orbit", "formatting",
        "--format", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = tmp_path / "runs" / "compare" / "results" / "tiny"
    assert {path.parent.name for path in runs.glob("*/mine/run.json")} == {"mine"}
    assert {row["suite"] for row in json.loads(done.stdout)["rows"]} == {"mine"}
