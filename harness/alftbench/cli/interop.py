"""Commands that work on samples there are already: regrade a run, export it to lm-eval's files, import those."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alftbench.cli.app import app, echo_json, say
from alftbench.cli.evaluate import default_folder, print_evaluation
from alftbench.cli.options import Data, Format, FormatOption, Output

if TYPE_CHECKING:
    from alftbench.evaluation.regrade import Regraded

EXAMPLES = 5  # changed answers that are shown


@app.command("regrade")
def regrade_command(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    suite: Annotated[
        str | None, typer.Option("--suite", help="The same problems by another name, such as another filter.")
    ] = None,
    data: Data = None,
    output_dir: Output = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Recompute a run's answers and metrics with today's code into another folder, and say what changed."""
    from alftbench.evaluation.regrade import plan_regrade, regrade

    run_plan = plan_regrade(run, suite, data)
    folder = output_dir or default_folder(run_plan)
    regraded = regrade(run_plan, folder)
    if output_format is Format.JSON:
        echo_json({"folder": str(folder), **regraded.to_json()})
        return
    print_changes(regraded)
    say(f"run: {folder}")


def print_changes(regraded: Regraded) -> None:
    """Every metric before and after, and the first answers that changed."""
    from alftbench.base.tables import Table, columns
    from alftbench.base.wording import interval, signed
    from alftbench.cli.console import show

    before = {metric.name: metric for metric in regraded.before}
    rows = []
    for metric in regraded.after:
        old = before.get(metric.name)
        difference = metric.value - old.value if old else float("nan")
        rows.append((metric.name, interval(old), interval(metric), signed(difference)))
    show(Table("", columns("metric", "before", "after", "difference"), tuple(rows)))
    if regraded.changes is None:
        say("the old run did not record its answers, so which changed is unknown")
        return
    say(f"{len(regraded.changes)} of {regraded.n_samples} answers changed")
    for change in regraded.changes[:EXAMPLES]:
        problem, variant, draw = change.key
        say(f"  {problem} {variant} {draw}: {change.before!r} → {change.after!r} in …{change.end_of_text!r}")


@app.command("export")
def export_command(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="The run's suite, where its name does not say which file it is in."),
    ] = None,
    data: Data = None,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", help="Where the model's folder goes; RUN/lm_eval if not given.")
    ] = None,
) -> None:
    """Write a run's results and samples as lm-eval writes its own."""
    from alftbench.lm_eval.exporting import export

    for path in export(run, output_dir, suite, data):
        say(str(path))


@app.command("import")
def import_command(
    samples: Annotated[Path, typer.Argument(help="samples_<task>_<date>.jsonl as lm-eval writes it.")],
    results: Annotated[
        Path | None, typer.Option("--results", help="Its results file; the one of the same date if not given.")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", help="Grade like this suite, or as the task lm-eval:NAME; else as the file says."),
    ] = None,
    filter_name: Annotated[
        str | None, typer.Option("--filter", help="Which of the file's filters; its first if not given.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Which of lm-eval's metrics says right or wrong.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What tables call the model.")] = None,
    output_dir: Output = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Turn samples of lm-eval into a run with this harness's metrics."""
    from alftbench.evaluation.evaluate import evaluate
    from alftbench.lm_eval.importing import ImportRequest, plan_import

    run_plan = plan_import(ImportRequest(samples, results, suite, filter_name, metric, name))
    folder = output_dir or default_folder(run_plan)
    evaluate(run_plan, folder)
    print_evaluation(folder, output_format)
