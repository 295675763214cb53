"""A run folder: written while sampling, continued after a kill, sealed with a digest, verified when read.

run.json           RunRecord; status is "running" until every sample is on disk and hashed
samples.jsonl      while running: one line per sample, appended batch by batch
samples.jsonl.gz   when complete: the same lines in (problem, variant, draw) order, compressed
metrics.json       every metric with its interval, and its value per problem
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from alftbench.errors import BadInput, RunConflict
from alftbench.jsonio import (
    append_jsonl,
    digest,
    drop_torn_line,
    read_dataclass,
    read_jsonl,
    write_gzip,
    write_json,
)
from alftbench.provenance import provenance
from alftbench.types import RunRecord, Sample

SCHEMA_VERSION = 1


class RunFolder:
    """One evaluation on disk; `record` is always what run.json says."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path, self.record = path, record
        self._open_samples = path / "samples.jsonl"
        self._sealed_samples = path / "samples.jsonl.gz"

    @classmethod
    def open(cls, path: Path, name: str, config: Mapping[str, Any]) -> RunFolder:
        """Create the folder, or continue the same run in it.

        Raises:
            RunConflict: the folder holds a run of another configuration; nothing is changed.
        """
        found = existing(path, config)
        if found is not None:
            drop_torn_line(path / "samples.jsonl")
            return cls(path, found)
        run_id = digest(config)[:12]
        record = RunRecord(SCHEMA_VERSION, run_id, "running", name, dict(config), provenance())
        folder = cls(path, record)
        folder._save(record)
        return folder

    @property
    def complete(self) -> bool:
        """Are all samples on disk and hashed?"""
        return self.record.status == "complete"

    def samples(self) -> list[Sample]:
        """Every sample so far."""
        source = self._sealed_samples if self.complete else self._open_samples
        if not source.exists() and not self.complete:
            return []
        return read_lines(source)

    def append(self, samples: Sequence[Sample], seconds: float) -> None:
        """Add finished samples and the time they took."""
        append_jsonl(self._open_samples, [asdict(sample) for sample in samples])
        self._save(replace(self.record, seconds=self.record.seconds + seconds))

    def seal(self) -> None:
        """Compress, hash and mark as complete; the order of lines no longer depends on interruptions."""
        samples = sorted(self.samples(), key=lambda sample: sample.key)
        lines = "".join(json.dumps(asdict(s), ensure_ascii=False) + "\n" for s in samples).encode()
        write_gzip(self._sealed_samples, lines)
        self._save(
            replace(
                self.record,
                status="complete",
                n_samples=len(samples),
                generated_tokens=sum(sample.n_tokens for sample in samples),
                samples_sha256=hashlib.sha256(lines).hexdigest(),
            )
        )
        self._open_samples.unlink(missing_ok=True)

    def save_metrics(self, content: Mapping[str, Any]) -> None:
        """Write metrics.json and its digest."""
        path = self.path / "metrics.json"
        write_json(path, content)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 != self.record.metrics_sha256:
            self._save(replace(self.record, metrics_sha256=sha256))

    def _save(self, record: RunRecord) -> None:
        write_json(self.path / "run.json", asdict(record))
        self.record = record


def existing(path: Path, config: Mapping[str, Any]) -> RunRecord | None:
    """The record of this very run in a folder, None where there is none yet.

    Raises:
        RunConflict: the folder holds a run of another configuration.
    """
    if not (path / "run.json").exists():
        return None
    record = read_record(path)
    if record.id != digest(config)[:12]:
        raise RunConflict(
            f"{path} holds another run ({differences(record.config, config)}); "
            f"choose another --output-dir or remove the folder"
        )
    return record


def read_record(path: Path) -> RunRecord:
    """The record in a run folder."""
    return read_dataclass(path / "run.json", RunRecord, SCHEMA_VERSION)


def read_sample(path: Path, number: int, row: Mapping[str, Any]) -> Sample:
    """One line of a samples file."""
    try:
        return Sample(**row)
    except TypeError as error:
        raise BadInput(f"{path}, line {number}: not a sample: {error}") from None


def read_lines(path: Path) -> list[Sample]:
    """The samples of a samples file, in its order."""
    return [read_sample(path, number, row) for number, row in read_jsonl(path)]


def read_samples(folder: Path) -> list[Sample]:
    """The samples of a complete run."""
    return read_lines(folder / "samples.jsonl.gz")


def verify_samples(path: Path) -> RunRecord:
    """The record of a complete run whose samples are what was hashed.

    Raises:
        BadInput: the run is unfinished, or its record or samples were changed after it was sealed.
    """
    record = read_record(path)
    if record.status != "complete":
        raise BadInput(f"{path}: the run is unfinished; run the same command again to complete it")
    if not isinstance(record.config, dict) or record.id != digest(record.config)[:12]:
        raise BadInput(f"{path / 'run.json'}: the id is not that of its config; the record was changed")
    try:
        content = gzip.decompress((path / "samples.jsonl.gz").read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path / 'samples.jsonl.gz'}: cannot be read: {error}") from None
    if hashlib.sha256(content).hexdigest() != record.samples_sha256:
        raise BadInput(f"{path / 'samples.jsonl.gz'}: digest differs from run.json; the samples were changed")
    return record


def verify(path: Path) -> RunRecord:
    """`verify_samples`, and metrics.json is what was made of them."""
    record = verify_samples(path)
    try:
        found = hashlib.sha256((path / "metrics.json").read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{path / 'metrics.json'}: cannot be read: {error.strerror}") from None
    if found != record.metrics_sha256:
        raise BadInput(f"{path / 'metrics.json'}: digest differs from run.json; evaluate again to make it anew")
    return record


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The settings in which two configurations differ, in words."""
    changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
    return "; ".join(f"{k}: {old.get(k)!r} there, {new.get(k)!r} asked for" for k in changed)
