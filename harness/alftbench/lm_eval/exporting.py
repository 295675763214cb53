"""Write lm-eval's two files of a finished run, for tools that read those; no model."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from alftbench.errors import UsageError
from alftbench.evaluation.answers import read_partitions
from alftbench.evaluation.measure import current_metrics
from alftbench.evaluation.regrade import same_problems
from alftbench.evaluation.run_folder import read_sealed
from alftbench.evaluation.verify import verify
from alftbench.lm_eval.layout import Evaluated, Task, write_layout
from alftbench.suites.load import load_suite

FOLDER = "lm_eval"  # of a run folder


def export(
    run: Path, folder: Path | None = None, suite_name: str | None = None, data: str | None = None
) -> tuple[Path, Path]:
    """Write results_<date>.json and samples_<task>_<date>.jsonl of a complete run.

    Args:
        run: its folder.
        folder: where the model's folder is made; lm_eval in the run's if None.
        suite_name: what its suite is called here, such as the path of a YAML file; the run's own word if None.
        data: the file with the suite's problems, where it needs one.

    Returns:
        The results and the samples file.

    Raises:
        BadInput: the run was changed or is unfinished, or its problems are not those of the suite now.
        UsageError: the suite is another one than the run's.
    """
    record = verify(run)
    suite = load_suite(suite_name or str(record.config["suite"]))
    if suite.info.name != record.config["suite"]:
        raise UsageError(
            f"--suite {suite_name}: the run is of {record.config['suite']}; "
            f"`alftbench regrade` makes one of {suite.info.name} from its samples"
        )
    orbits = same_problems(run, record, suite, data)
    evaluated = Evaluated(
        record,
        orbits,
        partial(read_sealed, run),
        partial(read_partitions, run, suite, orbits),
        current_metrics(run, record),
        suite.info.answer_rules,
    )
    return write_layout(folder or run / FOLDER, evaluated, suite if isinstance(suite, Task) else None)
