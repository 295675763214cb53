from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

TASK = {
    "dataset_path": "json",
    "output_type": "generate_until",
    "test_split": "test",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer.split('#### ')[-1]}}",
    "generation_kwargs": {"until": ["\n\n", "Question:"], "max_gen_toks": 32, "do_sample": False},
    "filter_list": [
        {
            "name": "strict",
            "filter": [
                {"function": "regex", "regex_pattern": "Answer: (-?[0-9,]+)"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "flexible",
            "filter": [
                {"function": "regex", "group_select": -1, "regex_pattern": "(-?[0-9]+)"},
                {"function": "take_first"},
            ],
        },
    ],
    "metric_list": [
        {
            "metric": "exact_match",
            "aggregation": "mean",
            "higher_is_better": True,
            "ignore_case": True,
            "regexes_to_ignore": [",", "\\$", "\\.$"],
        }
    ],
    "metadata": {"version": 1.0},
}


def write_task(path: Path, name: str, data: Path, **changes) -> Path:
    """A task file of lm-eval over a local JSONL file."""
    content = {**TASK, "task": name, "dataset_kwargs": {"data_files": {"test": str(data)}}, **changes}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def peer_row(number, target, responses, **changes):
    """A line of a samples file as lm-eval writes it."""
    filtered = [responses[0].split()[-1]]
    right = float(filtered[0] == target.split()[-1])
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}", "answer": target},
        "target": target,
        "arguments": {
            "gen_args_0": {
                "arg_0": f"Q: q{number}\nA:",
                "arg_1": {"until": ["Q:"], "do_sample": True, "temperature": 0.7, "max_gen_toks": 64},
            }
        },
        "resps": [responses],
        "filtered_resps": filtered,
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "exact_match": right,
        **changes,
    }


def write_peer(folder, rows, name="samples_gsm8k_cot_2026-01-02T03-04-05.678901.jsonl"):
    """A samples file of such lines."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session", autouse=True)
def datasets_cache(tmp_path_factory):
    """lm-eval's data sets are cached in a folder of the tests' own."""
    import datasets

    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("datasets")
    datasets.disable_progress_bars()


@pytest.fixture(scope="session")
def sums_task(tmp_path_factory) -> Path:
    """A task of 24 sums that the embedded model gets right in part: half are in words that it never saw."""
    folder = tmp_path_factory.mktemp("task")
    pairs = [(17 + 3 * i, 95 - 2 * i) for i in range(24)]
    asked = ("What is {a} + {b}?", "Please work out {a} plus {b}.")
    rows = [
        {"question": asked[i % 2].format(a=a, b=b), "answer": f"{a} and {b} #### {a + b}"}
        for i, (a, b) in enumerate(pairs)
    ]
    data = folder / "sums.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return write_task(folder / "local_sums.yaml", "local_sums", data)
