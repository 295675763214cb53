"""What a type says of a value from outside, from JSON and from `key=value`."""

import json
import multiprocessing
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from alftbench.base.jsonio import JsonObject, read_jsonl
from alftbench.base.locks import sole_writer
from alftbench.base.records import load_record
from alftbench.base.settings import Usual, options_of, parse_pairs, read_settings
from alftbench.base.validate import Key, Text, Together, Whole, above, at_most, examine, read
from alftbench.errors import BadInput, RunConflict, UsageError
from alftbench.types import RunRecord


@dataclass(frozen=True)
class Inner:
    n: Whole
    ways: tuple[Literal["a", "b"], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outer(Together):
    name: Text
    share: Annotated[float, above(0), at_most(1)] = 0.5
    inner: Inner | str | None = None
    table: Mapping[str, Inner] = field(default_factory=dict)
    start: Annotated[int | None, Key("from")] = None
    rest: Any = None

    @classmethod
    def together(cls, given):
        if given.get("start") == 7 and given.get("name"):
            yield "from", "must not be 7 where there is a name"


def test_a_value_is_read_as_its_type():
    outer = read(
        Outer,
        {
            "name": "x",
            "share": 1,
            "inner": {"n": 2, "ways": ["a"]},
            "table": {"k": {"n": 1}},
            "from": 3,
            "rest": [{}],
        },
        "f",
    )
    assert outer == Outer(name="x", share=1.0, inner=Inner(2, ("a",)), table={"k": Inner(1)}, start=3, rest=[{}])
    assert isinstance(outer.share, float)
    assert read(Outer, {"name": "x", "inner": "y", "more": 1}, "f", closed=False).inner == "y"


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ([], ["must be a table of keys, is []"]),
        ({}, ["name: is missing"]),
        ({"name": " "}, ['name: must be text, not blank, is " "']),
        ({"name": "x", "nam": 1}, ["nam: unknown key; did you mean 'name'?"]),
        ({"name": "x", "share": True}, ["share: must be a number, above 0, at most 1, is true"]),
        ({"name": "x", "share": float("nan")}, ["share: must be a number, above 0, at most 1, is NaN"]),
        ({"name": "x", "share": 10**400}, ["share: must be a number, above 0, at most 1, is 1000"]),
        ({"name": "x", "inner": 5}, ["inner: must be a table of keys, or text, or null, is 5"]),
        ({"name": "x", "inner": {"n": 1.0}}, ["inner.n: must be a whole number, at least 1, is 1.0"]),
        ({"name": "x", "inner": {"n": 1, "ways": ["a", "c"]}}, ['inner.ways[1]: must be one of a, b, is "c"']),
        ({"name": "x", "table": {"k": {}}}, ["table.k.n: is missing"]),
        ({"name": "x", "from": 7}, ["from: must not be 7 where there is a name"]),
        ({"name": 3, "from": 7, "share": 0}, ["name: must be text", "share: must be"]),
    ],
)
def test_every_mistake_has_a_line_with_its_place(value, lines):
    found = examine(Outer, value)[1]
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True)), found


def test_a_key_given_twice_is_a_mistake_where_it_stands():
    raw = json.loads('{"name": "x", "inner": {"n": 1, "n": 2}}', object_pairs_hook=JsonObject)
    assert examine(Outer, raw)[1] == ["inner.n: stands there twice; leave one"]


def test_a_record_with_a_text_for_a_number_is_one_line(tmp_path):
    record = {"schema_version": 1, "id": "a", "status": "complete", "name": "m", "config": {}, "provenance": {}}
    (tmp_path / "run.json").write_text(json.dumps(record | {"n_samples": "three"}), encoding="utf-8")
    said = 'run.json: n_samples: must be a whole number, is "three"'
    with pytest.raises(BadInput, match=re.escape(said)):
        load_record(tmp_path / "run.json", RunRecord, 2, (1,))


@dataclass(frozen=True)
class Settings:
    rate: Annotated[float, above(0), Usual(1e-7, 1e-2), "step size"] = 1e-3
    count: Annotated[Whole | None, "how many"] = None
    fast: bool = False
    kind: Literal["x", "y"] = "x"
    name: str | None = None


def test_settings_are_read_by_their_types(caplog):
    given = parse_pairs("here", "rate=1e3, count=4,fast=True,kind=y")
    assert read_settings(Settings, given, "--args") == Settings(1000.0, 4, True, "y")
    assert "--args rate=1e3: far from 1e-07 to 0.01" in caplog.text
    assert read_settings(Settings, {"count": "none"}, "--args") == Settings()
    assert read_settings(Settings, {"name": "none"}, "--args").name == "none"  # a text like any other
    assert [(o.name, o.kind, o.default, o.meaning) for o in options_of(Settings)][:2] == [
        ("rate", "a number, above 0", 1e-3, "step size"),
        ("count", "a whole number, at least 1, or null", None, "how many"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rat=1", "--args rat: there is no such setting; did you mean 'rate'?"),
        ("rate=x", "--args rate=x: must be a number, above 0"),
        ("rate=nan", "--args rate=nan: must be a number, above 0"),
        ("count=0", "--args count=0: must be a whole number, at least 1, or null"),
        ("count=1.5", "--args count=1.5: must be a whole number"),
        ("fast=yes", "--args fast=yes: must be true or false"),
        ("kind=z", "--args kind=z: must be one of x, y"),
        ("rate", "'rate' is not of the form key=value"),
        ("rate=1,rate=2", "rate is given twice"),
    ],
)
def test_a_wrong_setting_is_one_line(text, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        read_settings(Settings, parse_pairs("--args", text), "--args")


def test_a_line_that_was_cut_off_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n{"a": \n', encoding="utf-8")
    with pytest.raises(BadInput, match=r"line 2: not JSON \(it ends too early\)"):
        list(read_jsonl(tmp_path / "rows.jsonl"))


def test_a_lock_leaves_nothing_and_no_folder_that_was_made_for_it(tmp_path):
    with sole_writer(tmp_path / "a" / "b"):
        with pytest.raises(RunConflict, match="another process"), sole_writer(tmp_path / "a" / "b"):
            pass
        assert (tmp_path / "a" / "b" / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    with sole_writer(tmp_path / "c"):
        (tmp_path / "c" / "kept").touch()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["kept"]


def hold_often(folder, counter, done):
    for _ in range(200):
        try:
            with sole_writer(folder):
                here = int(counter.read_text()) + 1 if counter.exists() else 1
                counter.write_text(str(here))
                done.put(here)
        except RunConflict:
            continue


def test_two_processes_never_hold_one_folder_at_once(tmp_path):
    """Each reads and raises a number while it holds the folder: no number is ever reached twice."""
    context = multiprocessing.get_context("fork")
    done = context.Queue()
    workers = [context.Process(target=hold_often, args=(tmp_path / "run", tmp_path / "n", done)) for _ in range(2)]
    for worker in workers:
        worker.start()
    reached = []
    while any(worker.is_alive() for worker in workers) or not done.empty():
        if not done.empty():
            reached.append(done.get())
    assert len(reached) > 20
    assert len(set(reached)) == len(reached)
