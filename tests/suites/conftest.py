"""A suite of one's own: its YAML, its rows, and the same from a hub."""

from __future__ import annotations

import json

import pytest
import yaml

from alftbench.suites.load import load_suite

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


def on_hub(tmp_path, **hub):
    source = {"id": "x/y", "revision": "main", "fields": {"id": {"format": "p{index}"}, "question": "ask",
              "reference": "right"}, "splits": {"test": {}}} | hub  # fmt: skip
    spec = {**changed("file", None), "hub": source, "prompt": "$question", "variants": []}
    path = tmp_path / "hub.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return load_suite(str(path))
