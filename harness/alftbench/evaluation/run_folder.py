"""A run folder: written while sampling, continued after a kill, sealed with a digest, verified when read.

run.json           RunRecord; status is "running" until every sample is on disk, counted and hashed
samples.jsonl      while running: one line per sample, appended batch by batch
samples.jsonl.gz   when complete: the same lines in (problem, variant, draw) order, compressed
answers.jsonl.gz   what was found in them, a line per sample in the same order (see answers.py)
metrics.json       every metric with its interval, and its value per problem
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any, BinaryIO

from alftbench.answers.confirm import drawn_secret
from alftbench.base.jsonio import (
    append_jsonl,
    differences,
    digest,
    drop_torn_line,
    read_jsonl,
    reporting,
    well_formed,
    write_json,
    writing_gzip,
)
from alftbench.base.provenance import provenance
from alftbench.base.records import load_record, save_record
from alftbench.base.validate import read
from alftbench.errors import BadInput, RunConflict
from alftbench.types import RunRecord, Sample, SampleKey

SCHEMA_VERSION = 2
UNDIGESTED = (1,)  # versions whose records carry no digest of themselves
SEALED = "samples.jsonl.gz"
ANSWERS = "answers.jsonl.gz"
METRICS = "metrics.json"
SCRATCH = ".sorting"
SAMPLE_ORDER = attrgetter("key")
SORTED_AT_ONCE = 50_000  # samples in memory while a run is sealed


class NotAllThere(BadInput):
    """What is on disk is not the samples of the evaluation, each once: from this key on."""

    def __init__(self, path: Path, key: SampleKey) -> None:
        super().__init__(
            f"{path}: a sample is missing or there twice, at {key}; remove its lines, and it is drawn again"
        )


class RunFolder:
    """One evaluation on disk; `record` is always what run.json says."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path, self.record = path, record
        self._open_samples = path / "samples.jsonl"
        self._sealed_samples = path / SEALED

    @classmethod
    def open(
        cls, path: Path, name: str, config: Mapping[str, Any], where: Mapping[str, Any] | None = None
    ) -> RunFolder:
        """Create the folder, or continue the same run in it; a complete one that lost its samples is unfinished.

        Args:
            path: the folder.
            name: what tables call the model.
            config: what identifies the run.
            where: what a new run's provenance says beside the usual: engine, launcher.

        Raises:
            RunConflict: the folder holds a run of another configuration, or samples of nobody knows what; nothing
                is changed.
        """
        record = existing(path, config)
        if record is not None:
            folder = cls(path, record if still_sealed(path, record) else unsealed(record))
            folder._clear()
            return folder
        run_id, secret = digest(config)[:12], drawn_secret()
        folder = cls(path, RunRecord(SCHEMA_VERSION, run_id, "running", name, dict(config), {}, secret=secret))
        for samples in (folder._open_samples, folder._sealed_samples):
            if samples.exists():
                raise RunConflict(
                    f"{path} holds {samples.name} without a run.json; put it back, or remove the folder to "
                    f"evaluate anew"
                )
        folder._save(provenance={**provenance(), **(where or {})})
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

    def keys(self, wanted: Container[SampleKey]) -> set[SampleKey]:
        """Which samples there are so far.

        Raises:
            BadInput: one is none of those wanted.
        """
        seen = set()
        for sample in self.samples():
            if sample.key not in wanted:
                raise BadInput(
                    f"{self._open_samples}: {sample.key} is no sample of this evaluation; remove the line, or the "
                    f"file to draw all samples again"
                )
            seen.add(sample.key)
        return seen

    def append(self, samples: Sequence[Sample], seconds: float) -> None:
        """Add finished samples and the time they took; U+FFFD stands for what no file can hold in their texts."""
        drop_torn_line(self._open_samples)  # cut by somebody else since
        append_jsonl(self._open_samples, [well_formed(as_row(sample)) for sample in samples])
        self._save(seconds=self.record.seconds + seconds)

    def seal(self, wanted: Iterable[SampleKey]) -> None:
        """Compress, count, hash and mark as complete; the order of lines no longer depends on interruptions.

        Args:
            wanted: the key of every sample, in order.

        Raises:
            NotAllThere: the file does not hold just these; the run stays unfinished.
        """
        n_samples, n_tokens, expected = 0, 0, iter(wanted)
        with writing_lines(self._sealed_samples) as lines:
            for sample, line in in_order(self._open_samples):
                if sample.key != next(expected, None):
                    raise NotAllThere(self._open_samples, sample.key)
                lines.write(line)
                n_samples += 1
                n_tokens += sample.n_tokens
            if (missing := next(expected, None)) is not None:
                raise NotAllThere(self._open_samples, missing)
        sha256 = lines.sha256.hexdigest()
        self._save(status="complete", n_samples=n_samples, generated_tokens=n_tokens, samples_sha256=sha256)
        self._clear()

    def _clear(self) -> None:
        """Remove what a killed process left and nothing reads: half a line, samples that are sealed by now."""
        with reporting(self.path):
            shutil.rmtree(self.path / SCRATCH, ignore_errors=True)
            if self.complete:
                self._open_samples.unlink(missing_ok=True)
        drop_torn_line(self._open_samples)

    def drop_if_empty(self) -> None:
        """Leave no record of a run that has drawn nothing: the folder is free for another configuration."""
        if self._open_samples.exists() or self._sealed_samples.exists():
            return
        with suppress(BadInput):  # it is gone already
            if read_record(self.path).status != "complete":  # else that of a run that lost its samples
                (self.path / "run.json").unlink()

    def save_answers(self, lines: Iterable[str]) -> None:
        """Write the answers, one line at a time, and their digest."""
        with writing_lines(self.path / ANSWERS) as file:
            for line in lines:
                file.write(line)
        sha256 = file.sha256.hexdigest()
        if sha256 != self.record.answers_sha256:
            self._save(answers_sha256=sha256, metrics_sha256=None)  # those there are of other answers

    def save_metrics(self, content: Mapping[str, Any]) -> None:
        """Write metrics.json and its digest."""
        path = self.path / METRICS
        write_json(path, content)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 != self.record.metrics_sha256:
            self._save(metrics_sha256=sha256)

    def _save(self, **changes: Any) -> None:
        record = replace(self.record, schema_version=SCHEMA_VERSION, **changes)
        sha256 = save_record(self.path / "run.json", asdict(record))
        self.record = replace(record, record_sha256=sha256)


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


def still_sealed(path: Path, record: RunRecord | None) -> bool:
    """Is a run complete, and are its samples where they were sealed?"""
    return record is not None and record.status == "complete" and (path / SEALED).exists()


def unsealed(record: RunRecord) -> RunRecord:
    """The record of the same run with samples still to come."""
    if record.status == "running":
        return record
    return RunRecord(
        SCHEMA_VERSION, record.id, "running", record.name, record.config, record.provenance, secret=record.secret
    )


def read_record(path: Path) -> RunRecord:
    """The record in a run folder.

    Raises:
        BadInput: it is missing, malformed, or was changed.
    """
    file = path / "run.json"
    record = load_record(file, RunRecord, SCHEMA_VERSION, UNDIGESTED)
    if record.id != digest(record.config)[:12]:
        raise BadInput(f"{file}: the id is not that of its config; the record was changed, so undo the change")
    if record.status == "complete" and record.samples_sha256 is None:
        raise BadInput(f"{file}: complete without samples_sha256; the record was changed, so undo the change")
    return record


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
    """The samples of a complete run, one at a time, in (problem, variant, draw) order.

    Raises:
        BadInput: a line is none, or the texts are not here.
    """
    check_texts(folder)
    return read_lines(folder / SEALED)


def check_texts(folder: Path) -> None:
    """Refuse a run whose samples were left behind.

    Raises:
        BadInput: they were.
    """
    if not os.path.lexists(folder / SEALED):  # a link to nowhere is for its reader to name
        raise BadInput(
            f"{folder / SEALED}: no such file; a packed run leaves the texts of its samples behind: use the run "
            f"that it was packed from, or put the file back"
        )


def in_order(path: Path) -> Iterator[tuple[Sample, str]]:
    """The samples of a file in (problem, variant, draw) order, each with its line; one that is twice there once.

    An external merge sort: sorted parts of the file go to a scratch folder beside it, then are merged, so
    memory holds one part however large the file is.
    """
    with scratch_folder(path.with_name(SCRATCH)) as scratch:
        parts: list[Path] = []
        samples = read_lines(path)
        while part := sorted(islice(samples, SORTED_AT_ONCE), key=SAMPLE_ORDER):
            parts.append(scratch / f"{len(parts)}.jsonl")
            with reporting(parts[-1]), parts[-1].open("w", encoding="utf-8") as file:
                file.writelines(map(to_line, part))
        merged = heapq.merge(*map(read_lines, parts), key=SAMPLE_ORDER)
        yield from ((sample, to_line(sample)) for sample, _ in groupby(merged))


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """An empty folder that is gone afterwards; what a killed process left in it is gone before."""
    shutil.rmtree(path, ignore_errors=True)
    with reporting(path):
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
