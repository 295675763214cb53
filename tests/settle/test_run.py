import json
from dataclasses import replace

import numpy as np
import pytest

from alftbench.base.jsonio import read_jsonl
from alftbench.errors import RunConflict, UsageError
from alftbench.settle import SettleReport, SettleSettings, arms, run
from alftbench.settle.plotting import draw_report
from alftbench.settle.run import comparable
from alftbench.settle.sweep import sweep
from alftbench.types import Progress
from tests.helpers import ROOT


def test_every_arm_has_its_own_name_and_the_full_grid_holds_the_default():
    default = [arm.name for arm in arms(SettleSettings())]
    full = [arm.name for arm in arms(SettleSettings().whole_grid())]
    assert len(set(default)) == len(default)
    assert len(set(full)) == len(full)
    assert set(default) < set(full)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings):
    folder = tmp_path_factory.mktemp("settle") / "whole"
    return run(settings, folder), folder


def test_a_cut_file_is_continued_to_the_same_report(finished, settings, tmp_path):
    report, folder = finished
    content = (folder / "arms.jsonl").read_bytes()
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "arms.jsonl").write_bytes(content[: int(len(content) * 0.7)])
    seen: list[Progress] = []
    again = run(settings, cut, seen.append)
    assert again.to_json() == report.to_json()
    assert again.markdown() == report.markdown()
    assert len((cut / "arms.jsonl").read_text().splitlines()) == len(report.arms)
    assert (seen[-1].done, seen[-1].total) == (len(report.arms), len(report.arms))


def test_the_report_is_written_and_holds_bars_bias_and_sweep(finished):
    report, folder = finished
    report.write(folder)
    table = (folder / "table.md").read_text()
    assert "diversity/sampled/memory/G8" in table
    assert "two-step, arithmetic" in table
    plain = json.loads((folder / "report.json").read_text())
    assert [bar["met"] for bar in plain["bars"]][:2] == [True, True]
    oracle = next(row for row in plain["variants"] if row["variant"] == "diversity/sampled/oracle/G8")
    assert oracle["bias"]["mean"] < 1e-8
    assert set(plain["closed"]) >= {"diversity/memory/G4", "diversity/digamma/G8", "coherence/memory/G8"}
    assert len((folder / "sweep.jsonl").read_text().splitlines()) == len(report.sweep)


def test_the_report_can_be_drawn(finished, tmp_path):
    pytest.importorskip("matplotlib")
    report, _ = finished
    draw_report(report, tmp_path / "settle.png")
    assert (tmp_path / "settle.png").read_bytes().startswith(b"\x89PNG")


def test_another_setting_in_the_same_folder_is_refused(finished, settings):
    with pytest.raises(RunConflict, match="other settings"):
        run(replace(settings, steps=5), finished[1])


def test_the_share_closed_is_between_the_plug_ins_error_and_the_oracles():
    def arm(target, tv):
        kept = {
            "method": "sampled",
            "game": "diversity",
            "group": 8,
            "scale": "none",
            "anchor": "reward",
            "seed": 0,
        }
        variant = f"diversity/sampled/{target}/G8"
        return {**kept, "target": target, "variant": variant, "final": {"tv": tv}}

    report = SettleReport(SettleSettings(), (arm("plug-in", 0.06), arm("memory", 0.01), arm("oracle", 0.004)), ())
    [(name, share)] = report.closed()
    assert name == "diversity/memory/G8"
    assert share.mean == pytest.approx(0.05 / 0.056)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1"),
        ({"beta": 0.0}, "beta is 0.0; it must be positive"),
        ({"lambda_": float("nan")}, "lambda is nan; it must be positive"),
        ({"decay": 1.0}, r"decay is 1.0; it must be in \[0, 1\)"),
        ({"rollouts": 12}, "multiple of the group size 8"),
        ({"vocabulary": 30}, "make 810000 traces"),
        ({"vocabulary": 1}, "must be at least 2"),
        ({"answers": 30}, "do not reach 30 answers"),
        ({"skew": 2.0}, "settles nothing"),
        ({"prompts": 20}, "tables end"),
    ],
)
def test_settings_that_make_no_experiment_are_refused_in_a_line(change, message):
    with pytest.raises(UsageError, match=message):
        SettleSettings(**change)


def test_seeds_differ(settings, tmp_path):
    report = run(replace(settings, seeds=2), tmp_path)
    tvs = [arm["final"]["tv"] for arm in report.arms if arm["variant"] == "diversity/sampled/oracle/G8"]
    assert len(np.unique(tvs)) == 2


def test_the_committed_results_are_those_of_the_defaults_and_give_the_committed_table():
    folder = ROOT / "results" / "settle"
    settings = SettleSettings(**json.loads((folder / "settings.json").read_text()))
    assert comparable(settings) == comparable(SettleSettings())
    rows = {row["name"]: row for _, row in read_jsonl(folder / "arms.jsonl")}
    assert {row["settings"] for row in rows.values()} == {comparable(settings)}
    report = SettleReport(settings, tuple(rows[arm.name] for arm in arms(settings)), tuple(sweep(settings)))
    assert report.markdown() == (folder / "table.md").read_text(encoding="utf-8")
    missed = [what for what, _, _, met in report.bars() if not met]
    assert missed == ["neural, sampled, correctness, G = 8"]  # docs/settle.md says why
