"""Pack a board's runs as evidence that can be published: small, and every table can be made again from it.

Kept are records, the answer of every sample, metrics and equilibrium figures, training's updates. Left out are
checkpoints, listed completions and log-probabilities, and the texts of samples but for some seeds; what is left
out is named by its digest in the records, and the command that a record states makes it again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from alftbench.base.bounds import JSON_BYTES, is_there, packed_name, read_bytes
from alftbench.base.jsonio import write_bytes, write_gzip
from alftbench.base.locks import sole_writer
from alftbench.equilibrium.quality import QUALITY
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.run_folder import ANSWERS, METRICS, SEALED
from alftbench.publish.evidence import read_evidence
from alftbench.training.updates import UPDATES

TRAIN = "train.json"


@dataclass(frozen=True)
class Packed:
    """What was packed: trials, runs, how many of these with the texts of their samples, bytes."""

    trials: int
    runs: int
    with_texts: int
    bytes: int


def pack(trials: Sequence[Path], into: Path, texts_of: Collection[int]) -> Packed:
    """Write verified trials to a folder of evidence; what is there of the same trials is replaced file by file.

    Args:
        trials: folders results/<board>/<trial>.
        into: the folder that gets <trial>/ each.
        texts_of: seeds whose samples keep their texts.

    Raises:
        BadInput: a run is unfinished or was changed, or a run's answers are not recorded.
        UsageError: there is nothing to pack, or it would go where it comes from.
    """
    if not trials:
        raise UsageError("there is no trial to pack there; give a folder results/<board>")
    if into.resolve() == trials[0].parent.resolve():
        raise UsageError(f"{into}: the runs lie there; give another folder")
    runs = [(trial, path.parent) for trial in trials for path in sorted(trial.glob("*/run.json"))]
    files, with_texts = [], 0
    with sole_writer(into):
        for trial, run in runs:
            keeps = read_evidence(run).seed in texts_of and (run / SEALED).exists()
            with_texts += keeps
            files += pack_run(run, into / trial.name / run.name, keeps)
        for trial in trials:
            files += pack_training(trial, into / trial.name)
    return Packed(len(trials), len(runs), with_texts, sum(path.stat().st_size for path in files))


def pack_run(run: Path, into: Path, texts: bool) -> list[Path]:
    """Write a verified run's evidence; the files."""
    if not (run / ANSWERS).exists():
        raise BadInput(f"{run}: its answers are not recorded; evaluate again, and they are")
    written = [copied(run / name, into / name) for name in ("run.json", ANSWERS, *([SEALED] if texts else []))]
    written += [squeezed(run / name, into / name) for name in (METRICS, QUALITY) if is_there(run / name)]
    if not texts:
        (into / SEALED).unlink(missing_ok=True)
    return written


def pack_training(trial: Path, into: Path) -> list[Path]:
    """Write how a checkpoint came about, if it was trained; the files."""
    written = [copied(trial / TRAIN, into / TRAIN)] if (trial / TRAIN).exists() else []
    return written + ([squeezed(trial / UPDATES, into / UPDATES)] if is_there(trial / UPDATES) else [])


def copied(source: Path, target: Path) -> Path:
    """Write a file as it is."""
    write_bytes(target, source.read_bytes())
    return target


def squeezed(source: Path, target: Path) -> Path:
    """Write a file packed."""
    write_gzip(packed_name(target), read_bytes(source, JSON_BYTES))
    return packed_name(target)
