"""The main job, small: a stranger's trainer beside ours, killed midway, published."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from alftbench.base.markdown import literal
from alftbench.base.provenance import in_words
from alftbench.base.stats import holm
from alftbench.errors import BadInput
from alftbench.publish.board import Board, publish, render
from alftbench.publish.comparison import compare_runs
from alftbench.publish.evidence import collect
from tests.helpers import ROOT, wait_until

TRAINERS = ["diversity-game:diversity=0.2", "majority-vote"]
SMALL = [
    "--seeds", "2", "--budget-tokens", "6000", "--limit", "4", "--samples", "4", "--output-dir", "out",
    "--tempered", "0.5",
]  # fmt: skip


@pytest.fixture(scope="session")
def stranger(tmp_path_factory) -> str:
    """The example plugin, installed from its own folder; a PYTHONPATH that has it."""
    target = tmp_path_factory.mktemp("stranger")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
         "--target", str(target), str(ROOT / "tests" / "plugins" / "trainer")],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(target)


@pytest.fixture(scope="session")
def compared(tmp_path_factory, stranger) -> tuple[Path, dict]:
    """One small comparison with a trainer from outside, and its JSON."""
    folder = tmp_path_factory.mktemp("compared")
    done = subprocess.run(
        [sys.executable, "-m", "alftbench.cli", "compare", *TRAINERS, *SMALL, "--format", "json"],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": stranger},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_rows_have_every_method_on_every_suite_with_intervals_and_cost(compared):
    _, table = compared
    methods = ["base", "base@0.5", "diversity-game:diversity=0.2", "majority-vote"]
    assert [(row["suite"], row["method"]) for row in table["rows"]] == [
        (suite, method) for suite in ("sums", "splits") for method in methods
    ]
    for row in table["rows"]:
        for metric in row["metrics"].values():
            low, high = metric["low"], metric["high"]
            if metric["name"] in ("coherence", "disagreement"):  # unbiased: may pass a bound, the interval may not
                assert 0 <= low <= high <= 1
            else:
                assert low <= metric["value"] <= high
            assert metric["n_problems"] == 4
        spent = row["cost"]["generated_tokens"]
        assert spent == 0 if row["method"].startswith("base") else 0 < spent <= 6_000
        assert row["seeds"] == [0, 1]


def test_comparisons_are_paired_differences_of_the_rows(compared):
    _, table = compared
    rows = {(row["suite"], row["method"]): row["metrics"] for row in table["rows"]}
    methods = [m for m in dict.fromkeys(row["method"] for row in table["rows"]) if not m.startswith("base@")]
    assert len(table["comparisons"]) == 2 * 3 * 5
    assert [
        (c["baseline"], c["candidate"]) for c in table["comparisons"] if c["metric"] == "accuracy"
    ] == 2 * list(combinations(methods, 2))
    for found in table["comparisons"]:
        ours, theirs = (
            rows[found["suite"], found[side]][found["metric"]]["value"] for side in ("candidate", "baseline")
        )
        assert found["difference"] == pytest.approx(ours - theirs, abs=1e-9)
        assert found["low"] <= found["difference"] <= found["high"]
        assert found["p_value"] <= found["p_adjusted"] <= 1
        assert (found["n_pairs"], found["n_seeds"]) == (4, 2)
    for suite in ("sums", "splits"):
        tests = [found for found in table["comparisons"] if found["suite"] == suite]
        assert [found["p_adjusted"] for found in tests] == pytest.approx(holm([t["p_value"] for t in tests]))


def test_the_leaderboard_links_to_runs_that_exist(compared):
    folder, table = compared
    board = folder / "out" / "leaderboards" / "tiny"
    page, readme = ((board / name).read_text(encoding="utf-8") for name in ("index.html", "README.md"))
    for run in table["runs"]:
        link = f"../../results/tiny/{run}/run.json"
        assert (board / link).is_file()
        assert f'href="{link}"' in page
        assert f"({link})" in readme
    assert page.count("<table>") == 13  # a suite: metrics, figures, stages, differences, pairs, gains; and cost


def test_rows_have_the_quality_of_their_equilibrium(compared):
    _, table = compared
    for row in table["rows"]:
        found = row["equilibrium"]
        if row["method"].startswith("base"):
            assert found == {}
            continue
        assert list(found) == ["kl", "trace_drift", "marginal_error", "nash_gap"]
        for name, figure in found.items():
            assert list(figure) == ["value", "low", "high", "bound", "no_power"]
            if row["method"] == "majority-vote" and name in ("marginal_error", "nash_gap"):  # declares no game
                assert (figure["value"], figure["no_power"]) == (None, "")
            elif not figure["no_power"]:
                assert figure["low"] <= figure["value"] <= figure["high"]
            assert figure["no_power"] == "" or name != "kl"


def test_a_board_without_measurements_leaves_the_table_out(warm, compared, tmp_path):
    shutil.copytree(compared[0] / "out", tmp_path / "copy")
    page = tmp_path / "copy/leaderboards/tiny/README.md"
    assert "## sums, equilibrium quality" in page.read_text(encoding="utf-8")
    measured = sorted((tmp_path / "copy").rglob("equilibrium.json"))
    shutil.copy(measured[1], measured[0])
    refused = warm("leaderboard", "copy/leaderboards/tiny")
    assert refused.returncode == 2
    assert "made from other samples" in refused.stderr
    for path in measured:
        path.unlink()
    assert warm("leaderboard", "copy/leaderboards/tiny").returncode == 0
    assert "quilibrium" not in page.read_text(encoding="utf-8")


def test_the_csv_holds_every_value(compared):
    import pandas as pd

    folder, table = compared
    csv = pd.read_csv(folder / "out" / "leaderboards" / "tiny" / "table.csv").set_index(
        ["suite", "method", "name"]
    )
    for row in table["rows"]:
        for name, metric in row["metrics"].items():
            found = csv.loc[(row["suite"], row["method"], name)]
            assert (found["value"], found["low"], found["high"]) == (
                metric["value"],
                metric["low"],
                metric["high"],
            )


def test_the_same_command_again_runs_nothing_and_prints_the_same(compared, stranger, warm):
    folder, table = compared
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("samples.jsonl.gz")}
    done = warm("compare", *TRAINERS, *SMALL, "--format", "json", cwd=folder, env={"PYTHONPATH": stranger})
    assert json.loads(done.stdout) == table
    assert stamps == {path: path.stat().st_mtime_ns for path in folder.rglob("samples.jsonl.gz")}


def without_seconds(table: dict) -> dict:
    for row in table["rows"]:
        del row["cost"]["seconds"]
    return table


def rounded(table: dict) -> dict:
    """Numbers to 5 digits: another number of threads adds up log-probabilities in another order."""
    return json.loads(json.dumps(table), parse_float=lambda text: round(float(text), 5))


@contextmanager
def begun(folder: Path, stranger: str) -> Iterator[subprocess.Popen[str]]:
    """The comparison under way in another folder, the second of its trials in the midst of training."""
    with subprocess.Popen(
        [sys.executable, "-m", "alftbench.cli", "compare", *TRAINERS, *SMALL],
        cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": stranger},
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: len(list(folder.glob("out/results/tiny/*/updates.jsonl"))) >= 2)
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_workers_do_not_outlive_a_killed_comparison_which_ends_with_the_same_table(
    compared, stranger, warm, tmp_path
):
    """Only the parent is killed, as an out-of-memory killer would; its workers must not go on writing."""
    _, whole = compared
    with begun(tmp_path, stranger) as process:
        process.kill()
        process.wait()
        wait_until(lambda: not group_is_alive(process.pid), seconds=30)
    done = warm("compare", *TRAINERS, *SMALL, "--format", "json", env={"PYTHONPATH": stranger})
    assert done.returncode == 0, done.stderr
    again, before = (without_seconds(rounded(table)) for table in (json.loads(done.stdout), whole))
    assert again == before


def test_ctrl_c_ends_everything_with_one_line(stranger, tmp_path):
    with begun(tmp_path, stranger) as process:
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said.strip() == "interrupted; nothing is lost, run the same command again"
        wait_until(lambda: not group_is_alive(process.pid), seconds=30)


def group_is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_trainer_that_fails_is_named_and_the_others_are_published(warm, tmp_path):
    plugin = tmp_path / "plugin"
    info = plugin / "failing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[alftbench.trainers]\nfails = failing:Fails\n", encoding="utf-8")
    (plugin / "failing.py").write_text(
        "class Fails:\n"
        "    needs_orbits = False\n"
        "    def __init__(self, options): pass\n"
        "    def config(self): return {}\n"
        "    def train(self, request): raise ArithmeticError('loss is <script>nan</script>')\n",
        encoding="utf-8",
    )
    done = warm("compare", "vanilla-grpo", "fails", "--seeds", "1", *SMALL[2:], env={"PYTHONPATH": str(plugin)})
    assert done.returncode == 1
    assert "'fails' failed: ArithmeticError: loss is <script>" in done.stderr
    assert "Traceback" not in done.stderr
    assert "vanilla-grpo" in done.stdout
    assert "vanilla-grpo" in (tmp_path / "out/leaderboards/tiny/README.md").read_text(encoding="utf-8")


def test_the_tables_fit_the_terminal(compared, stranger, warm):
    folder, _ = compared
    for columns in (80, 100, 120):
        environment = {"PYTHONPATH": stranger, "COLUMNS": str(columns)}
        done = warm("compare", *TRAINERS, *SMALL, cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= columns
        assert "…" not in done.stdout
        assert done.stdout.count("equilibrium quality") == 2


def evidence(compared):
    trials = sorted((compared[0] / "out" / "results" / "tiny").iterdir())
    return collect(trials)


def test_runs_with_other_sampling_are_not_compared(compared):
    runs = evidence(compared)
    changed = {**runs[0].record.config, "sampling": {**runs[0].record.config["sampling"], "temperature": 0.5}}
    runs[0] = replace(runs[0], record=replace(runs[0].record, config=changed))
    with pytest.raises(BadInput, match="not comparable"):
        compare_runs(runs, ["sums", "splits"], [])


def test_a_base_row_of_another_model_than_training_started_from_is_refused(compared):
    """The embedded model was taught anew: its old rows are no baseline of what starts from the new one."""
    runs = evidence(compared)
    place = next(i for i, run in enumerate(runs) if run.training is None)
    changed = {**runs[place].record.config, "model_sha256": "0" * 64}
    runs[place] = replace(runs[place], record=replace(runs[place].record, config=changed))
    with pytest.raises(BadInput, match=r"differ in starting model \(\w{8} and \w{8}\): not comparable"):
        compare_runs(runs, ["sums", "splits"], [])


def test_the_tempered_base_has_its_share_of_the_temperature(compared):
    runs = evidence(compared)
    tempered = next(i for i, run in enumerate(runs) if run.method == "base@0.5")
    sampling = runs[tempered].record.config["sampling"]
    assert sampling["temperature"] == 0.5
    changed = {**runs[tempered].record.config, "sampling": {**sampling, "temperature": 0.4}}
    runs[tempered] = replace(runs[tempered], record=replace(runs[tempered].record, config=changed))
    with pytest.raises(BadInput, match="not comparable"):
        compare_runs(runs, ["sums", "splits"], [])


def test_gains_beyond_sharpening_are_those_over_the_base_as_sharp(compared):
    """Interpolated by hand from the rows of the table."""
    _, table = compared
    rows = {(row["suite"], row["method"]): row["metrics"] for row in table["rows"]}
    assert len(table["beyond_sharpening"]) == 4
    for gain in table["beyond_sharpening"]:
        mine, base, lower = (rows[gain["suite"], name] for name in (gain["method"], "base", "base@0.5"))
        within, low, high = (row["agreement_within"]["value"] for row in (mine, base, lower))
        way = (within - low) / (high - low)
        assert gain["within"] == pytest.approx(within)
        assert gain["unmatched"] == ("" if 0 <= way <= 1 else gain["unmatched"])
        assert (gain["unmatched"] == "") == (0 <= way <= 1)
        way = min(max(way, 0), 1)
        assert gain["beside"] in ("base", f"base@{round(1 - 0.5 * way, 2):g}")
        for name in ("coherence", "accuracy"):
            control = (1 - way) * base[name]["value"] + way * lower[name]["value"]
            assert gain[name]["difference"] == pytest.approx(mine[name]["value"] - control)
            assert gain[name]["low"] <= gain[name]["difference"] <= gain[name]["high"]


def test_the_tempered_base_is_in_no_rank_and_in_no_difference(compared):
    folder, table = compared
    assert {c["candidate"] for c in table["comparisons"]} == {"diversity-game:diversity=0.2", "majority-vote"}
    page = (folder / "out/leaderboards/tiny/README.md").read_text(encoding="utf-8")
    assert page.count("| – | base@0.5 |") == 2


def test_text_from_records_cannot_become_markup(compared, tmp_path):
    from alftbench.publish import board as module

    assert literal("a|b<c>") == "a\\|b\\<c\\>"
    runs = [
        replace(r, record=replace(r.record, name=r.record.name.replace("majority", "<b>x|")))
        for r in evidence(compared)
    ]
    board = Board.ensure(tmp_path / "leaderboards" / "x", ["sums", "splits"], [])
    original = module.collect
    module.collect = lambda trials: runs
    try:
        publish(board, [tmp_path / "results" / "x" / "t"])
    finally:
        module.collect = original
    page = (board.folder / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "&lt;b&gt;x|-vote" in page
    assert "\\<b\\>x\\|-vote" in (board.folder / "README.md").read_text(encoding="utf-8")


def test_a_board_names_every_surrounding_that_its_runs_were_made_in(compared):
    one = evidence(compared)[0].record.provenance
    other = {**one, "engine": {"device": "cuda", "gpu": "H<b>100", "dtype": "bfloat16", "threads": 1}}
    page = (compared[0] / "out/leaderboards/tiny/README.md").read_text(encoding="utf-8")
    assert page.count("Measured with") == 1
    assert f"Measured with {in_words(one)}." in page
    assert in_words(one).endswith(", float32")
    assert in_words(other).endswith(", H<b>100, bfloat16")
    empty = Board(compared[0], title="t", suites=(), methods=(), metrics=(), rank_by="accuracy")
    for escape, template, name in (
        (False, "README.md.jinja", "H\\<b\\>100"),
        (True, "index.html.jinja", "H&lt;b&gt;100"),
    ):
        text = render(
            template,
            {"board": empty, "tables": [], "evidence": "", "made_with": [in_words(one), in_words(other)]},
            escape,
        )
        assert text.count("Measured with") == 2
        assert name in text


def test_a_board_shows_phrasings_apart_where_it_is_asked_to(compared, tmp_path):
    """Their mean over phrasings and methods is what the table above them says."""
    trials = sorted((compared[0] / "out" / "results" / "tiny").iterdir())
    silent = Board(
        tmp_path, title="t", suites=("sums", "splits"), methods=(), metrics=("accuracy",), rank_by="accuracy"
    )
    publish(silent, trials)
    assert "by phrasing" not in (tmp_path / "README.md").read_text(encoding="utf-8")
    table = publish(replace(silent, phrasings=("sums",)), trials)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page.count("## sums by phrasing") == 1
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| reversed | ")]
    rows = [row for row in table.rows if row.suite == "sums"]
    assert [line[1] for line in lines] == [row.method for row in rows]
    for row in rows:
        values = [metrics[0].value for metrics in row.phrasings.values()]
        assert sum(values) / len(values) == pytest.approx(row.metric("accuracy").value)
        per_phrasing = row.phrasings["plain"][0]
        assert per_phrasing.n_samples * len(values) == row.metric("accuracy").n_samples
    assert "<h2>sums by phrasing</h2>" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_leaderboard_refuses_changed_evidence_and_keeps_the_page(warm, compared, tmp_path):
    shutil.copytree(compared[0] / "out", tmp_path / "copy")
    page = tmp_path / "copy/leaderboards/tiny/README.md"
    fine = warm("leaderboard", "copy/leaderboards/tiny")
    assert fine.returncode == 0, fine.stderr
    before = page.read_bytes()
    assert before == (compared[0] / "out/leaderboards/tiny/README.md").read_bytes()
    (tmp_path / "copy/results/tiny/base-seed0/sums/samples.jsonl.gz").write_bytes(b"x")
    done = warm("leaderboard", "copy/leaderboards/tiny")
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert page.read_bytes() == before
