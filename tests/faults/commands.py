"""Small commands, and what of their results must be the same whatever befell them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

TRAINER = "vanilla-grpo:save_every=1,orbits=1,group=2"
SMALL = ("--limit", "1", "--samples", "2")
EVAL = ("eval", *SMALL, "--batch-size", "8", "--output-dir", "run")
TRAIN = ("train", TRAINER, "--suite", "sums", "--steps", "3", "--output-dir", "run")
COMPARE = (
    "compare", TRAINER, "--suite", "sums", "--seeds", "1", "--budget-tokens", "900", *SMALL, "--output-dir", "run"
)  # fmt: skip
ENUMERATED = (*COMPARE, "--equilibrium", "enumerated")
COMMANDS = {"eval": EVAL, "train": TRAIN, "compare": COMPARE, "enumerated": ENUMERATED}
OF_THIS_TIME = ("seconds", "provenance", "record_sha256", "secret")  # fields that differ from time to time


def result(folder: Path) -> dict[str, Any]:
    """Everything below a folder by its name, and the content of files but for times."""
    return {str(path.relative_to(folder)): content(path) for path in sorted(folder.rglob("*"))}


def content(path: Path) -> Any:
    """What a file says; nothing for a folder."""
    if path.name in ("run.json", "train.json"):
        return timeless(json.loads(path.read_text(encoding="utf-8")))
    if path.is_dir() or path.name in (
        "README.md",
        "index.html",
    ):  # their tables have the seconds that training took
        return None
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def timeless(value: Any) -> Any:
    """A record without what differs between two runs of one command."""
    if not isinstance(value, dict):
        return value
    return {key: timeless(item) for key, item in value.items() if key not in OF_THIS_TIME}
