"""Equilibrium quality of a trained model on a suite, in its run folder: from its scored samples, or enumerated.

log_ratios.jsonl.gz   which models and samples, then a line per sample with its log-probability under the policy
                      and under the reference, the model that training started from; written whole
equilibrium.json      every figure of `from_samples` or of `from_traces`, per problem
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from alftbench.base.arrays import FloatArray
from alftbench.base.bounds import is_there
from alftbench.base.jsonio import digest, read_jsonl, with_nan
from alftbench.base.records import load_record, save_record
from alftbench.base.validate import Made
from alftbench.equilibrium.from_samples import BLIND, FIGURES, Declared, Figures, OrbitDraws, estimate
from alftbench.equilibrium.from_traces import OrbitTraces, exact_figures
from alftbench.equilibrium.scores import RATIOS, read_header
from alftbench.equilibrium.stages import NAMES, UNKNOWN, StageValues, stage_values
from alftbench.equilibrium.traces import LISTED, OrbitListing, read_listing
from alftbench.errors import AlftbenchError, BadInput, PluginError
from alftbench.evaluation.answers import read_partitions
from alftbench.evaluation.run_folder import read_record
from alftbench.suites.grade import graded
from alftbench.suites.load import Problems
from alftbench.training.trainer import PlaysGame, Trainer
from alftbench.types import NO_ANSWER, AnswerPartition, Orbit, RunRecord

QUALITY_VERSION = 5
# Versions that are read too: until 3 the sampled marginal error was a lower bound, in 4 the answers that are told
# in `stages` differed from method to method.
UNDIGESTED, EARLIER = (2,), (3, 4)
QUALITY = "equilibrium.json"
NOT_LISTED = Figures(np.nan, np.nan)


@dataclass(frozen=True)
class Quality:
    """The content of equilibrium.json; `inputs` says what it was made from.

    game: objective and beta, None where the trainer declares none. per_problem: per figure, null where it has
    no meaning. enumerated: mass, prefixes, and how many problems were listed within them with how many
    completions per phrasing; None where the figures are estimates from samples. stages: per name of `stages.NAMES`
    the values of the problems that were listed, None for estimates from samples or without a declared game.
    """

    schema_version: int
    inputs: Mapping[str, Any]
    game: Mapping[str, Any] | None
    problems: Sequence[str]
    per_problem: Annotated[Mapping[str, FloatArray], Made("a table with the numbers of every figure", revived)]
    enumerated: Mapping[str, float] | None = None
    stages: Annotated[Mapping[str, FloatArray] | None, Made("a table with the numbers of stages", stage_table)] = (
        None
    )
    record_sha256: str | None = None


def stage_table(values: Mapping[str, Any] | None) -> dict[str, FloatArray] | None:
    """Arrays with NaN for null."""
    return None if values is None else {name: np.array(with_nan(values[name]), dtype=float) for name in NAMES}


def measure_sampled(problems: Problems, folder: Path, base: Path, trainer: Trainer) -> None:
    """Write equilibrium.json for a scored run, from it and the base's run with the same seed.

    Raises:
        PluginError: the trainer's `game` raised.
    """
    if not (folder / RATIOS).exists():
        return
    header, log_ratios = read_ratios(folder / RATIOS)
    ours, theirs = read_record(folder), read_record(base)
    inputs = {
        **header,
        "answers_sha256": ours.answers_sha256,
        "reference_samples_sha256": theirs.samples_sha256,
        "reference_answers_sha256": theirs.answers_sha256,
        "trainer": trainer_digest(trainer),
    }
    if measured(folder, inputs):
        return
    policy, reference = (
        {partition.problem_id: partition for partition in read_partitions(run, problems.suite, problems.orbits)}
        for run in (folder, base)
    )
    figures, game = [], None
    for orbit in problems.orbits:
        log_ratio_VN = ratios_of(orbit, log_ratios, folder / RATIOS)
        draws = orbit_draws(policy[orbit.problem.id], reference[orbit.problem.id], log_ratio_VN)
        declared = declared_game(trainer, draws.correct_Z)
        game = named(declared) or game
        figures.append(estimate(draws, declared))
    ids = [orbit.problem.id for orbit in problems.orbits]
    write_quality(folder, inputs, game, ids, figures)


def measure_listed(problems: Problems, folder: Path, trainer: Trainer) -> None:
    """Write equilibrium.json for a run whose completions are listed, without a look at its samples.

    Raises:
        PluginError: the trainer's `game` raised.
    """
    path = folder / LISTED
    header = read_header(path)
    record = read_record(folder)
    graded_by = {"samples_sha256": record.samples_sha256, "answers_sha256": record.answers_sha256}
    inputs = {**header, **graded_by, "trainer": trainer_digest(trainer)}
    if measured(folder, inputs):
        return
    ids = [orbit.problem.id for orbit in problems.orbits]
    figures, stages, sizes, game = dict.fromkeys(ids, NOT_LISTED), dict.fromkeys(ids, UNKNOWN), [], None
    for orbit, listing in read_listing(path, problems.orbits):
        if not listing.samples:
            continue
        partition = graded(problems.suite, orbit, listing.samples, record.secret)
        traces = orbit_traces(partition, listing, header["mass"])
        declared = declared_game(trainer, traces.correct_Z)
        figures[orbit.problem.id] = exact_figures(traces, declared)
        sizes.append(listing.n_traces)
        if declared is not None:
            stages[orbit.problem.id] = stage_values(traces, declared, trainer)
            game = named(declared)
    bounds = {name: header[name] for name in ("mass", "prefixes")}
    listed = {**bounds, "problems": len(sizes), "traces": float(np.mean(sizes)) if sizes else 0.0}
    write_quality(
        folder, inputs, game, ids, list(figures.values()), listed, list(stages.values()) if game else None
    )


def write_quality(
    folder: Path,
    inputs: Mapping[str, Any],
    game: Mapping[str, Any] | None,
    problems: Sequence[str],
    figures: Sequence[Figures],
    enumerated: Mapping[str, Any] | None = None,
    stages: Sequence[StageValues] | None = None,
) -> None:
    """Write equilibrium.json, whose keys are the fields of `Quality`; `figures` belong to `problems`."""
    content = {
        "schema_version": QUALITY_VERSION,
        "inputs": inputs,
        "game": game,
        "problems": problems,
        "per_problem": {name: [float(getattr(figure, name)) for figure in figures] for name in (*FIGURES, BLIND)},
        "enumerated": enumerated,
        "stages": {name: [values[name] for values in stages] for name in NAMES} if stages else None,
    }
    save_record(folder / QUALITY, content)


def orbit_traces(partition: AnswerPartition, listing: OrbitListing, mass: float) -> OrbitTraces:
    """The traces of an orbit over the answers that they give; no answer is the last class."""
    Z = len(partition.classes_Z)
    answers = tuple(np.where(np.array(row) == NO_ANSWER, Z, row) for row in partition.class_VN)
    return OrbitTraces(answers, listing.log_prob_V, np.array([*partition.correct_Z, False]), mass)


def trainer_digest(trainer: Trainer) -> str:
    """What says which game a trainer plays."""
    return digest([type(trainer).__name__, dict(trainer.config())])


def named(declared: Declared | None) -> dict[str, Any] | None:
    """A declared game as the record names it."""
    return {"objective": declared[0].name, "beta": declared[1]} if declared else None


def measured(folder: Path, inputs: Mapping[str, Any]) -> bool:
    """Does the folder hold the quality made from these inputs, by these estimators, as it was written?"""
    try:
        quality = read_quality_file(folder)
    except BadInput:
        return False
    return quality.schema_version == QUALITY_VERSION and quality.inputs == inputs


def read_ratios(path: Path) -> tuple[dict[str, Any], dict[tuple[str, str], list[float]]]:
    """The header, and log π/π₀ of every prompt's samples in order of draws."""
    rows = [row for _, row in read_jsonl(path)]
    ratios: dict[tuple[str, str], list[float]] = {}
    try:
        for row in rows[1:]:
            ratio = row["log_policy"] - row["log_reference"]
            ratios.setdefault((row["problem_id"], row["variant"]), []).append(ratio)
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path}: not a file of log-probabilities ({error!r}); remove it to score again") from None
    return rows[0], ratios


def ratios_of(orbit: Orbit, ratios: Mapping[tuple[str, str], list[float]], path: Path) -> FloatArray:
    """The ratios of a problem's samples, shape (V, N).

    Raises:
        BadInput: some are missing.
    """
    ratios_VN = [ratios.get((orbit.problem.id, variant.name), []) for variant in orbit.variants]
    if len(set(map(len, ratios_VN))) > 1 or not ratios_VN[0]:
        raise BadInput(f"{path}: lacks samples of problem {orbit.problem.id}; remove it to score again")
    return np.array(ratios_VN)


def orbit_draws(policy: AnswerPartition, reference: AnswerPartition, log_ratio_VN: FloatArray) -> OrbitDraws:
    """The samples of an orbit over the answers that either model gave, a right one in any case.

    The last class is no answer; where neither model is ever right the one before is the right answer.
    """
    right = {
        name: correct
        for part in (policy, reference)
        for name, correct in zip(part.classes_Z, part.correct_Z, strict=True)
    }
    place = {name: z for z, name in enumerate(sorted(right))}
    correct_Z = np.array([*(right[name] for name in place), *([] if any(right.values()) else [True]), False])

    def places(part: AnswerPartition) -> NDArray[np.int64]:
        own = [place[name] for name in part.classes_Z]
        return np.array([[correct_Z.size - 1 if z == NO_ANSWER else own[z] for z in row] for row in part.class_VN])

    return OrbitDraws(places(policy), places(reference), log_ratio_VN, correct_Z)


def declared_game(trainer: Trainer, correct_Z: NDArray[np.bool_]) -> Declared | None:
    """The game that the trainer says it plays, None where it says nothing."""
    if not isinstance(trainer, PlaysGame):
        return None
    try:
        return trainer.game(correct_Z)
    except AlftbenchError:
        raise
    except Exception as error:
        raise PluginError(f"game() of {type(trainer).__name__} failed: {type(error).__name__}: {error}") from error


def read_quality(folder: Path, record: RunRecord) -> Quality | None:
    """The equilibrium quality of a run, None where it was not measured.

    Raises:
        BadInput: it was made from other samples or answers.
    """
    if not is_there(folder / QUALITY):
        return None
    quality = read_quality_file(folder)
    if quality.inputs.get("samples_sha256") != record.samples_sha256:
        raise BadInput(f"{folder / QUALITY}: made from other samples than the run's; remove it")
    P = len(quality.problems)
    listed = quality.enumerated
    if any(len(values) != P for values in quality.per_problem.values()) or (
        listed is not None and "mass" not in listed
    ):
        raise BadInput(
            f"{folder / QUALITY}: lacks figures of some problems; remove it, and compare makes it again"
        )
    answers = quality.inputs.get("answers_sha256")  # None of a run from before answers were recorded
    if answers is not None and answers != record.answers_sha256:
        raise BadInput(f"{folder / QUALITY}: made from other answers than the run's; run compare again")
    return quality


def read_quality_file(folder: Path) -> Quality:
    """The content of a folder's equilibrium.json."""
    return load_record(folder / QUALITY, Quality, QUALITY_VERSION, UNDIGESTED, EARLIER)


def revived(values: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Arrays with NaN for null; `blind` only where it was measured."""
    names = (*FIGURES, *(name for name in (BLIND,) if name in values))
    return {name: np.array(with_nan(values[name]), dtype=float) for name in names}
