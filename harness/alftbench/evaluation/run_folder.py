"""A run folder: written while sampling, continued after a kill, sealed with a digest, verified when read.

run.json           RunRecord; status is "running" until every sample is on disk and hashed
samples.jsonl      while running: one line per sample, appended batch by batch
samples.jsonl.gz   when complete: the same lines in (problem, variant, draw) order, compressed
answers.jsonl.gz   what was found in them, a line per sample in the same order (see answers.py)
metrics.json       every metric with its interval, and its value per problem
"""

from __future__ import annotations

import hashlib
import heapq
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO

from alftbench.answers.confirm import drawn_secret
from alftbench.base.bounds import Unpacked
from alftbench.base.jsonio import (
    append_jsonl,
    differences,
    digest,
    drop_torn_line,
    read_jsonl,
    well_formed,
    write_json,
    writing_gzip,
)
from alftbench.base.provenance import provenance
from alftbench.base.validate import read, read_dataclass
from alftbench.errors import BadInput, RunConflict
from alftbench.types import RunRecord, Sample

SCHEMA_VERSION = 1
ANSWERS = "answers.jsonl.gz"
SAMPLE_ORDER = attrgetter("key")
SORTED_AT_ONCE = 50_000  # samples in memory while a run is sealed


class RunFolder:
    """One evaluation on disk; `record` is always what run.json says."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path, self.record = path, record
        self._open_samples = path / "samples.jsonl"
        self._sealed_samples = path / "samples.jsonl.gz"

    @classmethod
    def open(
        cls, path: Path, name: str, config: Mapping[str, Any], where: Mapping[str, Any] | None = None
    ) -> RunFolder:
        """Create the folder, or continue the same run in it.

        Args:
            path: the folder.
            name: what tables call the model.
            config: what identifies the run.
            where: what a new run's provenance says beside the usual: engine, launcher.

        Raises:
            RunConflict: the folder holds a run of another configuration; nothing is changed.
        """
        record = existing(path, config)
        if record is not None:
            drop_torn_line(path / "samples.jsonl")
            return cls(path, record)
        about = {**provenance(), **(where or {})}
        run_id = digest(config)[:12]
        record = RunRecord(SCHEMA_VERSION, run_id, "running", name, dict(config), about, secret=drawn_secret())
        folder = cls(path, record)
        folder._save()
        return folder

    @property
    def complete(self) -> bool:
        """Are all samples on disk and hashed?"""
        return self.record.status == "complete"

    def samples(self) -> Iterator[Sample]:
        """Every sample so far, one at a time; in (problem, variant, draw) order once complete."""
        source = self._sealed_samples if self.complete else self._open_samples
        if source.exists() or self.complete:
            yield from read_lines(source)

    def append(self, samples: Sequence[Sample], seconds: float) -> None:
        """Add finished samples and the time they took; U+FFFD stands for what no file can hold in their texts."""
        append_jsonl(self._open_samples, [well_formed(as_row(sample)) for sample in samples])
        self._save(seconds=self.record.seconds + seconds)

    def seal(self) -> None:
        """Compress, hash and mark as complete; the order of lines no longer depends on interruptions."""
        n_samples, n_tokens = 0, 0
        with writing_lines(self._sealed_samples) as lines:
            for sample, line in in_order(self._open_samples):
                lines.write(line)
                n_samples += 1
                n_tokens += sample.n_tokens
        sha256 = lines.sha256.hexdigest()
        self._save(status="complete", n_samples=n_samples, generated_tokens=n_tokens, samples_sha256=sha256)
        self._open_samples.unlink(missing_ok=True)

    def drop_if_empty(self) -> None:
        """Leave no record of a run that has drawn nothing: the folder is free for another configuration."""
        if not self._open_samples.exists() and not self.complete:
            (self.path / "run.json").unlink(missing_ok=True)

    def save_answers(self, lines: Iterable[str]) -> None:
        """Write the answers, one line at a time, and their digest."""
        with writing_lines(self.path / ANSWERS) as file:
            for line in lines:
                file.write(line)
        sha256 = file.sha256.hexdigest()
        if sha256 != self.record.answers_sha256:
            self._save(answers_sha256=sha256)

    def save_metrics(self, content: Mapping[str, Any]) -> None:
        """Write metrics.json and its digest."""
        path = self.path / "metrics.json"
        write_json(path, content)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 != self.record.metrics_sha256:
            self._save(metrics_sha256=sha256)

    def _save(self, **changes: Any) -> None:
        record = replace(self.record, **changes)
        write_json(self.path / "run.json", asdict(record))
        self.record = record


class HashedLines:
    """Lines on their way into a file, and the digest of those written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, line: str) -> None:
        """Add a line, which ends with its newline."""
        content = line.encode()
        self.sha256.update(content)
        self._file.write(content)


@contextmanager
def writing_lines(path: Path) -> Iterator[HashedLines]:
    """Replace a compressed file of lines in one step when all of them have been written."""
    with writing_gzip(path) as file:
        yield HashedLines(file)


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


def read_lines(path: Path) -> Iterator[Sample]:
    """The samples of a samples file, in its order."""
    for number, row in read_jsonl(path, by_model=True):
        for name in ("problem_id", "variant"):
            if isinstance(row.get(name), str):
                row[name] = intern(row[name])  # a million samples share a few thousand names
        yield read(Sample, row, f"{path}, line {number}: not a sample")


def read_samples(folder: Path) -> list[Sample]:
    """The samples of a complete run."""
    return list(read_sealed(folder))


def read_sealed(folder: Path) -> Iterator[Sample]:
    """The samples of a complete run, one at a time, in (problem, variant, draw) order."""
    return read_lines(folder / "samples.jsonl.gz")


def in_order(path: Path) -> Iterator[tuple[Sample, str]]:
    """The samples of a file in (problem, variant, draw) order, each with its line.

    An external merge sort: sorted parts of the file go to a scratch folder beside it, then are merged, so
    memory holds one part however large the file is.
    """
    with scratch_folder(path.with_name(".sorting")) as scratch:
        parts: list[Path] = []
        samples = read_lines(path)
        while part := sorted(islice(samples, SORTED_AT_ONCE), key=SAMPLE_ORDER):
            parts.append(scratch / f"{len(parts)}.jsonl")
            with parts[-1].open("w", encoding="utf-8") as file:
                file.writelines(map(to_line, part))
        merged = heapq.merge(*map(read_lines, parts), key=SAMPLE_ORDER)
        yield from ((sample, to_line(sample)) for sample in merged)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """An empty folder that is gone afterwards; what a killed process left in it is gone before."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def as_row(sample: Sample) -> dict[str, Any]:
    """A sample as plain data; a log-probability only where it was asked for."""
    row = dict(vars(sample))
    if sample.logprob is None:
        del row["logprob"]
    return row


def to_line(sample: Sample) -> str:
    """A sample as it stands in a samples file."""
    return json.dumps(as_row(sample), ensure_ascii=False) + "\n"


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
    if lines_digest(path / "samples.jsonl.gz") != record.samples_sha256:
        raise BadInput(f"{path / 'samples.jsonl.gz'}: digest differs from run.json; the samples were changed")
    return record


def lines_digest(path: Path) -> str:
    """The digest of a compressed file's lines."""
    try:
        with Unpacked(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None


def verify(path: Path) -> RunRecord:
    """`verify_samples`, and answers, where they are recorded, and metrics.json are what was made of them."""
    record = verify_samples(path)
    if record.answers_sha256 is not None and lines_digest(path / ANSWERS) != record.answers_sha256:
        raise BadInput(f"{path / ANSWERS}: digest differs from run.json; evaluate again to make it anew")
    try:
        metrics_sha256 = hashlib.sha256((path / "metrics.json").read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{path / 'metrics.json'}: cannot be read: {error.strerror}") from None
    if metrics_sha256 != record.metrics_sha256:
        raise BadInput(f"{path / 'metrics.json'}: digest differs from run.json; evaluate again to make it anew")
    return record
