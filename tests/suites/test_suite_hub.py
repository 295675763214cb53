"""Suites of the hub: the real libraries, on a folder, a cache and downloads in place of the network."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest
import yaml

from alftbench.errors import BadInput, UsageError
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.validate import validate
from tests.helpers import ROWS, on_hub


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
    spec["hub"]["sha256"] = {"de": "0" * 64}
    (tmp_path / "hub.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    done = cli(*arguments, env={"HF_HUB_CACHE": str(tmp_path / "cache")})
    assert "has recorded sha256 000000000000… for it" in done.stderr


AIME = [{"ID": f"2024-I-{i}", "Problem": f"What is {i} + 1?", "Answer": i + 1} for i in range(30)]
TRIVIA = [
    {"question_id": f"t{i}", "question": f"Who is {i}?", "answer": {"aliases": [f"N{i}", f"M{i}"], "value": "x"}}
    for i in range(3)
]


def write_rows(path, rows):
    """Rows as JSONL, CSV or parquet, by the path's ending."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        table = pytest.importorskip("pyarrow").Table.from_pylist(rows)
        parquet.write_table(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_suite_of_the_hub_reads_what_was_downloaded(tmp_path, ending, caplog):
    suite, path = load_suite("aime24"), write_rows(tmp_path / f"aime24{ending}", AIME)
    orbits = read_orbits(suite, Selection(data=path))
    assert [(o.problem.id, o.problem.question, o.problem.reference) for o in orbits[:2]] == [
        ("aime-2024-I-0", "What is 0 + 1?", ("1",)),
        ("aime-2024-I-1", "What is 1 + 1?", ("2",)),
    ]
    assert orbits == read_orbits(suite, Selection(data=str(tmp_path)))
    assert validate(suite, Selection(data=path)).fine
    said = [record.getMessage() for record in caplog.records if str(path) in record.getMessage()]
    assert said == [f"note: {path}: suite aime24 records no sha256 of it, so only its number of rows was checked"]


def test_a_download_that_is_not_the_suites_is_refused(tmp_path):
    suite = load_suite("aime24")
    short = write_rows(tmp_path / "short.jsonl", AIME[:29])
    with pytest.raises(
        BadInput, match="suite aime24 has 30 rows in its test split, this has 29; give the recorded"
    ):
        read_orbits(suite, Selection(data=short))
    assert len(read_orbits(suite, Selection(data=short, data_unchecked=True))) == 29
    other = write_rows(tmp_path / "other.csv", [{"id": 1, "problem": "?", "answer": 2}] * 30)
    with pytest.raises(BadInput, match=r"other\.csv, row 0: the field 'Problem' is missing"):
        read_orbits(suite, Selection(data=other))
    (tmp_path / "bad.csv").write_text('ID,Problem,Answer\n1,"x\n', encoding="utf-8")
    (tmp_path / "bad.parquet").write_text("no parquet", encoding="utf-8")
    (tmp_path / "bad.json").write_text("[1]", encoding="utf-8")
    for name in ("bad.csv", "bad.parquet", "bad.json"):
        with pytest.raises(BadInput, match=f"{name}: cannot be read as {name[4:]}: ") as caught:
            read_orbits(suite, Selection(data=str(tmp_path / name)))
        assert "\n" not in str(caught.value)
    for data in ("nowhere.jsonl", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=r"no such file; download split train of https://huggingface\.co"):
            read_orbits(suite, Selection(data=str(tmp_path / data)))


def test_columns_inside_columns_and_several_phrasings_come_from_a_download(tmp_path):
    path = write_rows(tmp_path / "t.jsonl", TRIVIA)
    orbits = read_orbits(load_suite("triviaqa"), Selection(data=path, data_unchecked=True))
    assert orbits[2].problem.reference == ("N2", "M2")
    rows = [
        {"seed_question": f"{i}?", "question": f"So {i}?", "answer": "3.0", "perturbation_type": kind}
        for i, kind in enumerate(("problem understanding", "distraction insertion") * 2)
    ]
    path = write_rows(tmp_path / "p.csv", rows)
    orbits = read_orbits(load_suite("gsm8k-paraphrase"), Selection(data=path, data_unchecked=True))
    assert [(o.problem.id, [v.name for v in o.variants], o.problem.reference) for o in orbits] == [
        (f"gsm-plus-0000{i}", ["seed", "paraphrase"], ("3",)) for i in (0, 2)
    ]
    path = write_rows(tmp_path / "q.csv", [{k: v for k, v in row.items() if k[0] != "p"} for row in rows])
    with pytest.raises(BadInput, match="'keep' wants the column 'perturbation_type', which no row has"):
        read_orbits(load_suite("gsm8k-paraphrase"), Selection(data=path, data_unchecked=True))


def test_files_of_the_hub_are_held_to_their_digests(tmp_path):
    folder = tmp_path / "got"
    folder.mkdir()
    (folder / "en.tsv").write_text("1 + 1?\t2\n", encoding="utf-8")
    digest = hashlib.sha256((folder / "en.tsv").read_bytes()).hexdigest()
    layout = {"files": {"en": "data/en.tsv"}, "columns": ["ask", "right"]}
    suite = on_hub(tmp_path, **layout, sha256={"en": digest})
    for data in (folder, folder / "en.tsv"):
        assert len(read_orbits(suite, Selection(data=str(data)))) == 1
    changed = on_hub(tmp_path, **layout, sha256={"en": "0" * 64})
    with pytest.raises(BadInput, match="has recorded sha256 000000000000… for it, this file has"):
        read_orbits(changed, Selection(data=str(folder)))
    with pytest.raises(BadInput, match=r"hub.sha256.de: is the digest of a file that 'files' does not name"):
        on_hub(tmp_path, **layout, sha256={"de": digest})
    with pytest.raises(BadInput, match=r"hub.sha256.en: must be 64 hexadecimal digits, is \"x\""):
        on_hub(tmp_path, **layout, sha256={"en": "x"})


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
    done = cli("suites", "show", "triviaqa", "--offline", env=env)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    for part in (
        "suite triviaqa needs --data: download config rc.nocontext, split validation of "
        "https://huggingface.co/datasets/mandarjoshi/trivia_qa, revision 0f7faf33a390, with the columns question_",
        "and 17944 rows, as .jsonl, .csv, .parquet for --data FILE, or as triviaqa.jsonl in a folder for --data",
    ):
        assert part in done.stderr


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs --data FILE.jsonl .* run: pip install 'alftbench\[hub\]'"):
        read_orbits(load_suite("gsm8k"), Selection())
