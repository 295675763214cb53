"""Suites by YAML: the schema's messages, what fields are made of, where rows come from, what validation finds."""

from __future__ import annotations

import json
import math

import pytest
from rich.cells import cell_len

from alftbench.answers.canonical import KINDS
from alftbench.base.jsonio import read_jsonl
from alftbench.errors import BadInput, UsageError
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.show import orbit_text, pick
from alftbench.suites.tables.fields import FieldError, FieldRule
from alftbench.suites.validate import validate
from tests.helpers import MINE, ROWS, changed


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
        ("promt", "$question", "promt: unknown key; did you mean 'prompt'?"),
        ("file.fields.ident", "x", "file.fields.ident: unknown key; known: id, question, reference, variant"),
        ("name", None, "name: is missing"),
        ("file.fields.question", None, "file.fields.question: is missing"),
        ("sampling.n", "four", 'sampling.n: must be a whole number, at least 1, is "four"'),
        ("sampling.n", True, "sampling.n: must be a whole number, at least 1, is true"),
        ("answer_rules", "boxed", 'answer_rules: must be a list, not empty, is "boxed"'),
        ("answer_rules", [], "answer_rules: must be a list, not empty, is []"),
        ("answer_kind", "numbr", 'answer_kind: must be one of number, math, choice, addends, text, is "numbr"'),
        ("answer_rules", ["boxd"], "answer_rules[0]: must be one of minerva, boxed, hashes, marker, last-math, l"),
        ("file", None, "one of the keys 'file' and 'hub' is needed"),
        ("file.splits.test", 5, "file.splits.test: must be a table of keys, or null, is 5"),
        ("file.splits.test", {"row": 4}, "file.splits.test.row: unknown key; did you mean 'rows'?"),
        ("file.fields.reference", {"take": "every"}, "needs exactly one of column, join, format, variants"),
        (
            "file.fields.reference",
            {"column": "x", "take": "evry"},
            'file.fields.reference.take: must be one of after-hashes, whole-number, every, parts, is "evry"',
        ),
        ("file.fields.id", {"format": "{key.__class__}"}, "must be text with plain names in braces"),
        ("file.fields.id", {"variants": {"a": "b"}}, "only the question can differ"),
        ("prompt", "What?", "prompt: must be text with $question and no other placeholder ($$ is a dollar sign),"),
        ("prompt", "$question $answer", "prompt: must be text with $question and no other placeholder ($$ is a d"),
        ("prompt", {"plain": "$question"}, "'words' is on one side only"),
        ("answer_form", "42", "answer_form: must be text with $answer and no other placeholder ($$ is a dollar s"),
        ("examples", ["x"], 'examples[0]: must be a table of keys, is "x"'),
        ("known", [{"problem": "a"}], "known[0].note: is missing"),
        ("variants", ["plain", "plain", "words"], 'variants: must be a list, without repetition, is ["plain", "p'),
        ("answer_rules", [["boxed"]], "answer_rules[0]: must be one of minerva, boxed, hashes, marker, last-math"),
        ("answer_rules", [{"boxed": 1}], "answer_rules[0]: must be one of minerva, boxed, hashes, marker, last-m"),
        ("file.splits", {1: {}}, "a key of file.splits: must be text, not blank, is 1"),
        ("file.splits", {}, "file.splits: must be a table of keys, not empty, is {}"),
        ("file.splits.test", {"rows": 0}, "file.splits.test.rows: must be a whole number, at least 1, is 0"),
        (
            "file.splits.test",
            {"sha256": "ab"},
            'file.splits.test.sha256: must be 64 hexadecimal digits, is "ab"',
        ),
        ("file.fields.id", {"join": ["a", 2]}, "file.fields.id.join[1]: must be text, not blank, is 2"),
        ("file.fields.id", {"join": []}, "file.fields.id.join: must be a list, not empty, is []"),
        (
            "file.fields.question",
            {"variants": {"a": 5}},
            "file.fields.question.variants.a: must be text, not blank, or a table of keys, is 5",
        ),
        (
            "file.fields.question",
            {"variants": {"a": {"column": "x", "take": "y"}}},
            'file.fields.question.variants.a.take: must be one of after-hashes, whole-number, every, parts, is "y',
        ),
        ("file.rename", {"a": 5}, "file.rename.a: must be text, not blank, is 5"),
        ("file.keep", {"a": {"b": 1}}, "file.keep.a: must be true or false, or a whole number, or a number, or t"),
        ("sampling.n", 0, "sampling.n: must be a whole number, at least 1, is 0"),
        ("sampling.n", -3, "sampling.n: must be a whole number, at least 1, is -3"),
        ("sampling.max_tokens", 0, "sampling.max_tokens: must be a whole number, at least 1, is 0"),
        ("sampling.temperature", math.nan, "sampling.temperature: must be a number, 0 (greedy) or above, is NaN"),
        ("sampling.temperature", math.inf, "sampling.temperature: must be a number, 0 (greedy) or above, is Infi"),
        ("sampling.temperature", -1, "sampling.temperature: must be a number, 0 (greedy) or above, is -1"),
        ("sampling.top_p", 0, "sampling.top_p: must be a number, above 0, at most 1, is 0"),
        ("sampling.top_p", math.nan, "sampling.top_p: must be a number, above 0, at most 1, is NaN"),
        ("prompt", {}, "prompt: must be a table of keys, not empty, is {}"),
        ("prompt", {"plain": 3}, "prompt.plain: must be text with $question and no other placeholder ($$ is a do"),
        ("name", "", 'name: must be a name of letters, digits, dots, dashes and underscores, is ""'),
        ("licence", " ", 'licence: must be text, not blank, is " "'),
        ("version", "", 'version: must be a whole number, or text that begins with one, is ""'),
        (
            "known",
            [{"problem": "a", "check": "nonsense", "note": "x"}],
            'known[0].check: must be one of source, references, near misses, prompts, orbits, train/test, is "non',
        ),
        ("stop", "Q:", 'stop: must be a list, is "Q:"'),
        ("stop", ["Q:", ""], 'stop[1]: must be text, not empty, is ""'),
        ("stop", ["Q:", 5], "stop[1]: must be text, not empty, is 5"),
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
    for text in ("a: [", "- a\n", "", "a: 2026-99-99", "[" * 9999, "n: 2\nn: 4\n", "a: {b: 1, c: 2, b: 1}"):
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match=r"bad\.yaml: ") as caught:
            load_suite(str(tmp_path / "bad.yaml"))
        assert len(str(caught.value).splitlines()) == 1


def test_a_key_that_is_written_twice_is_named(mine, tmp_path):
    file, _ = mine()
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("  n: 2\n", "  n: 2\n  n: 4\n"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"the key 'n' is written twice in one table, again on line \d+") as caught:
        load_suite(file)
    line = int(str(caught.value).split()[-1])
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8").splitlines()[line - 1] == "  n: 4"
    (tmp_path / "mine.yaml").write_text(text.replace("  n: 2\n", "  <<: {n: 2, top_p: 0.5}\n"), encoding="utf-8")
    assert load_suite(file).info.sampling.top_p == 0.5  # what YAML merges may be written over


@pytest.mark.parametrize("key", ["[a, b]", "{a: b}"])
def test_a_key_that_is_no_text_is_named(mine, tmp_path, key):
    file, _ = mine()
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(f"? {key}\n: 1\n{text}", encoding="utf-8")
    with pytest.raises(BadInput, match="the key on line 1 is a list or a table; keys are texts"):
        load_suite(file)


def test_stop_strings_end_completions_and_identify_runs(mine, tmp_path, warm):
    mine({**MINE, "stop": [" so", "\n\n"]})
    script = {"text": "\\boxed{3} so \\boxed{4}", "n_tokens": 9, "finish_reason": "length"}
    (tmp_path / "script.jsonl").write_text(json.dumps(script), encoding="utf-8")
    arguments = (
        "--suite",
        "mine.yaml",
        "--data",
        "mine.jsonl",
        "--backend",
        "scripted",
        "--model",
        "script.jsonl",
    )
    done = warm("eval", *arguments, "--output-dir", "run")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["config"]
    assert config["sampling"]["stop"] == [" so", "\n\n"]
    samples = [row for _, row in read_jsonl(tmp_path / "run" / "samples.jsonl.gz")]
    assert {(row["text"], row["finish_reason"]) for row in samples} == {("\\boxed{3}", "stop")}
    assert "stop     ' so' | '\\n\\n'" in warm("suites", "show", "mine.yaml", "--data", "mine.jsonl").stdout
    mine()
    assert "stop" not in json.loads(warm("eval", *arguments, "--dry-run").stdout)["sampling"]


def test_an_engine_ends_where_the_suite_says(mine, tmp_path, warm):
    texts = {}
    for name, stop in (("free", []), ("ended", ["\n"])):
        mine({**MINE, "stop": stop, "sampling": {"n": 2, "temperature": 0.7, "max_tokens": 24}})
        done = warm("eval", "--suite", "mine.yaml", "--data", "mine.jsonl", "--output-dir", name)
        assert done.returncode == 0, done.stderr
        samples = [row for _, row in read_jsonl(tmp_path / name / "samples.jsonl.gz")]
        texts[name] = {(row["problem_id"], row["variant"], row["draw"]): row["text"] for row in samples}
    assert any("\n" in text for text in texts["free"].values())
    assert texts["ended"] == {key: text.partition("\n")[0] for key, text in texts["free"].items()}


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
    with pytest.raises(BadInput, match="has recorded sha256 000000000000… for it, this file has"):
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
        (MINE, [*ROWS[:3], {**ROWS[3], "ask": " \t"}], "prompts"),
        (MINE, [*ROWS[:3], {**ROWS[3], "ask": "one  AND two? "}], "prompts"),
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


def test_a_declared_flaw_of_no_problem_is_found(mine):
    path, data = mine({**MINE, "known": [{"problem": "zzz", "note": "odd"}]})
    assert validate(load_suite(path), Selection(data=data)).fine  # it may be a problem of the other split
    one = changed("file.splits", {"test": {}})
    path, data = mine({**one, "known": [{"problem": "zzz", "note": "odd"}]})
    report = validate(load_suite(path), Selection(data=data))
    assert [check.name for check in report.checks if check.findings] == ["known flaws"]


def test_validation_finds_training_on_the_test(mine):
    path, data = mine()
    report = validate(load_suite(path), Selection(data=data), train_data=data)
    found = next(check for check in report.checks if check.name == "train/test")
    assert (found.n, len(found.findings)) == (2, 2)


# the commands


def test_suites_are_listed_with_their_terms_and_sources(warm):
    done = warm("suites", "--format", "json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"gsm8k", "mgsm", "mathcheck-gsm", "svamp", "triviaqa", "sums", "splits"} <= rows.keys()
    assert (rows["gsm8k"]["version"], rows["gsm8k"]["licence"]) == ("1", "MIT")
    assert rows["gsm8k"]["source"]["file"]["test"]["sha256"].startswith("cef957d2")
    assert rows["aime24"]["source"]["file"] is None
    assert rows["aime24"]["source"]["hub"]["revision"] == "8d88b2876a82a080e2f172cc9b25d0d9d2cb4792"
    assert rows["sums"]["source"] == {"file": None, "hub": None, "homepage": None}
    assert warm("suites", "list", "--format", "json").stdout == done.stdout
    assert warm("suites", "list").stdout == warm("suites").stdout


@pytest.mark.parametrize("width", [40, 80])
def test_what_is_shown_fits_the_terminal_and_hides_nothing(mine, width):
    asked = (
        "順を追って考えてください。" * 9
        + " \a\x1b[31m\u202etxet\u2028 ক্\u200dষ <|im_start|>[bold]\r\n\n  in columns"
    )
    spec = {**MINE, "prompt": "$question In \\boxed{}.", "examples": [], "citation": "x"}
    path, data = mine(spec, rows=[{**row, "ask": f"{row['ask']} {asked}"} for row in ROWS])
    suite = load_suite(path)
    text = orbit_text(suite, pick(suite, Selection(data=data), "a"), width)
    assert max(map(cell_len, text.split("\n"))) <= width
    assert not {"\a", "\x1b", "\u202e", "\u2028", "\r"} & set(text)
    joined = "".join(text.split())
    for part in (
        r"\x07\x1b[31m\u202etxet\u2028",
        "ক্\u200dষ<|im_start|>[bold]\\r",
        "順を追って考えてください。" * 9,
    ):
        assert part in joined
    assert "\n\n    in columns" in text


def test_validate_exits_1_and_names_findings(warm, mine, tmp_path):
    mine(rows=[*ROWS[:3], {**ROWS[3], "how": "third"}], spec={**MINE, "prompt": "$question"})
    done = warm("suites", "validate", "mine.yaml", "--data", "mine.jsonl")
    assert done.returncode == 1
    assert "orbits: b: lacks the phrasing 'words'" in done.stdout
    assert done.stderr == "error: findings in mine\n"
    mine()
    done = warm(
        "suites", "validate", "mine.yaml", "--data", str(tmp_path), "--orbit", "formatting", "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    assert {check["name"] for check in json.loads(done.stdout)[0]["checks"]} >= {
        "references",
        "near misses",
        "orbits",
    }


def test_a_suite_file_is_evaluated_trained_on_and_compared(warm, mine, tmp_path):
    mine()
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps({**row, "ask": "So, " + row["ask"]}) + "\n" for row in ROWS), encoding="utf-8"
    )
    done = warm(
        "compare", "vanilla-grpo", "--suite", "mine.yaml", "--data", "mine.jsonl", "--train-data", "train.jsonl",
        "--seeds", "1", "--budget-tokens", "4000", "--samples", "2", "--workers", "1", "--orbit", "formatting",
        "--format", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = tmp_path / "runs" / "compare" / "results" / "tiny"
    assert {path.parent.name for path in runs.glob("*/mine/run.json")} == {"mine"}
    assert {row["suite"] for row in json.loads(done.stdout)["rows"]} == {"mine"}
