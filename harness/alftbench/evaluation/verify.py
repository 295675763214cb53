"""Is a run on disk what it was when it was written? Its record, samples, answers and metrics, by their digests."""

from __future__ import annotations

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from alftbench.base.bounds import JSON_BYTES, Unpacked, read_bytes
from alftbench.base.jsonio import BLOCK
from alftbench.base.validate import Count, Text, Whole, read
from alftbench.errors import BadInput
from alftbench.evaluation.run_folder import ANSWERS, METRICS, SEALED, check_texts, read_record
from alftbench.types import RunRecord


@dataclass(frozen=True)
class StatedSampling:
    """What readers need of a configuration's sampling; the seed of an imported run may be unknown."""

    n: Whole
    seed: Count | None


@dataclass(frozen=True)
class StatedConfig:
    """What readers need of a configuration."""

    suite: Text
    suite_version: str
    suite_sha256: str
    split: str
    n_problems: Count
    sampling: StatedSampling
    backend: str
    dtype: str | None


def verify_samples(path: Path) -> RunRecord:
    """The record of a complete run whose samples are what was counted and hashed.

    Raises:
        BadInput: the run is unfinished, or its record or samples were changed after it was sealed.
    """
    record = complete_record(path)
    check_texts(path)
    sealed = path / SEALED
    if lines_digest(sealed) != (record.samples_sha256, record.n_samples):
        raise BadInput(
            f"{sealed}: digest differs from run.json; the samples were changed: put the file back, or remove it, "
            f"and the same command draws them again"
        )
    return record


def complete_record(path: Path) -> RunRecord:
    """The record of a complete run.

    Raises:
        BadInput: the run is unfinished, or its record was changed.
    """
    record = read_record(path)
    if record.status != "complete":
        raise BadInput(f"{path}: the run is unfinished; run the same command again to complete it")
    return record


def has_texts(path: Path) -> bool:
    """Are a run's samples here, or were they left out when it was packed?"""
    return os.path.lexists(path / SEALED)  # a link to nowhere is no reason to ask for less


def lines_digest(path: Path) -> tuple[str, int]:
    """The digest and the number of a compressed file's lines."""
    sha256, n_lines = hashlib.sha256(), 0
    try:
        with Unpacked(path) as file:
            while block := file.read(BLOCK):
                sha256.update(block)
                n_lines += block.count(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(
            f"{path}: cannot be read: {error}; put the file back, or remove it, and the same "
            f"command makes it again"
        ) from None
    return sha256.hexdigest(), n_lines


def verify(path: Path) -> RunRecord:
    """The record of a complete run whose samples, answers and metrics are what was made of them.

    Answers are held against the record where they were recorded; samples need not be there then, see `pack`.

    Raises:
        BadInput: the run is unfinished, or something was changed.
    """
    answered = (path / ANSWERS).exists()
    record = verify_samples(path) if has_texts(path) or not answered else complete_record(path)
    read(StatedConfig, record.config, f"{path / 'run.json'}: config", closed=False)
    stated = (record.answers_sha256, record.n_samples)
    if record.answers_sha256 is not None and lines_digest(path / ANSWERS) != stated:
        raise BadInput(f"{path / ANSWERS}: digest differs from run.json; evaluate again to make it anew")
    try:
        metrics_sha256 = hashlib.sha256(read_bytes(path / METRICS, JSON_BYTES)).hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path / METRICS}: cannot be read: {getattr(error, 'strerror', error)}") from None
    if metrics_sha256 != record.metrics_sha256:
        raise BadInput(f"{path / METRICS}: digest differs from run.json; evaluate again to make it anew")
    return record
