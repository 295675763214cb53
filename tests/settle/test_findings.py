"""The experiments end to end at a tiny size, their formulas by slow definitions, and the committed records."""

import itertools
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from alftbench.base.jsonio import read_jsonl
from alftbench.errors import RunConflict
from alftbench.games import Diversity, Game, solve
from alftbench.games.dynamics import toward
from alftbench.games.rewards import U_STATISTIC
from alftbench.settle.experiments import (
    EXPERIMENTS,
    Choice,
    Finding,
    alternating,
    baselines,
    group_size,
    incoherence,
    prompts,
    run_experiment,
    target_cost,
)
from alftbench.settle.experiments.embedded import BaseAnswers
from tests.helpers import ROOT

P0_PZ = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])

TINY = {
    "alternating": [
        *(alternating.Arm(alternating.TABULAR, ratio, 0) for ratio in (1.0, 4.0)),
        *(alternating.Arm("adam", 4.0, 0, steps, rounds=4) for steps in (1, 2)),
    ],
    "target-cost": [
        target_cost.Arm(player, own, share, 64, 0, visits=2)
        for player in target_cost.PLAYERS
        for own in (0.0, 1.0)
        for share in (0.1, 0.0)
    ],
    "baselines": [
        baselines.Arm(alpha, estimator, way, 4, 0, steps=20)
        for alpha, estimator in ((1.0, "plug-in"), (2.0, U_STATISTIC))
        for way in ("mean", "corrected", "jackknife")
    ],
    "prompts": [prompts.Arm(method, 4, 4000, 1, 0) for method in prompts.METHODS],
    "group-size": [group_size.Arm(group, "mean", 0.1, 1, (0.5, 1.0, 3.0)) for group in (4, 8)],
    "incoherence": [incoherence.Arm(method, 1.0, 1) for method in (*incoherence.METHODS, incoherence.TEMPERED)],
}


def tiny(name):
    return replace(EXPERIMENTS[name], arms=lambda choice: TINY[name])


def without_seconds(rows):
    timed = ("seconds", "milliseconds")
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]


def test_every_experiment_is_tried():
    assert set(TINY) == set(EXPERIMENTS)


@pytest.mark.parametrize("name", TINY)
def test_an_experiment_writes_its_record_and_figure_and_continues_after_a_kill(name, tmp_path):
    pytest.importorskip("matplotlib")
    whole = run_experiment(tiny(name), Choice(), tmp_path)
    whole.write(tmp_path)
    whole.draw(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "report.json").read_text())["answer"] == whole.answer
    assert all(table.title in (tmp_path / "table.md").read_text() for table in whole.tables())
    arms = tmp_path / "arms.jsonl"
    first, *rest = arms.read_bytes().splitlines(keepends=True)
    arms.write_bytes(first + rest[-1][:40])  # the second arm was being written
    again = run_experiment(tiny(name), Choice(), tmp_path)
    assert without_seconds(again.rows) == without_seconds(whole.rows)
    with pytest.raises(RunConflict, match="other settings"):
        run_experiment(replace(tiny(name), version=99), Choice(), tmp_path)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_arms_have_names_of_their_own(name):
    for full in (False, True):
        names = [arm.name for arm in EXPERIMENTS[name].arms(Choice(full))]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(("ratio", "share"), [(0.5, 1.0), (2.0, 0.3), (4.0, 0.7)])
def test_a_round_multiplies_the_deviation_as_derived(ratio, share):
    game = Game.from_marginals(P0_PZ, Diversity(ratio * 0.5, np.zeros(4)), 0.5)
    star, before = solve(game).log_p_PZ, np.log(P0_PZ[::-1])
    after = toward(before, game.best_response(game.objective.gradient(before, game.weights_P)), share)

    def deviation(log_p_PZ):
        return (log_p_PZ - star) - (log_p_PZ - star).mean(axis=1, keepdims=True)

    np.testing.assert_allclose(deviation(after), (1 - share * (1 + ratio)) * deviation(before), atol=1e-8)
    reply = game.best_response(game.objective.gradient(before, game.weights_P))
    assert alternating.share_taken(before, after, reply) == pytest.approx(share)


@pytest.mark.parametrize("ratio", [1.5, 4.0])
def test_tables_change_sides_where_theory_says(ratio):
    share = alternating.play(alternating.Arm(alternating.TABULAR, ratio, 3))["share"]
    assert share == pytest.approx(alternating.critical_share(ratio), abs=2 * alternating.PRECISION)


@pytest.mark.parametrize("alpha", [2.0, 3.0])
@pytest.mark.parametrize("way", ["mean", "leave-one-out", "jackknife"])
def test_what_a_baseline_leaves_of_a_power_is_the_mean_over_all_groups(alpha, way):
    G, p_Z = 5, np.array([0.6, 0.3, 0.1])
    rule = partial(baselines.reward, alpha, U_STATISTIC, 1.0)
    groups = np.array(list(itertools.product(range(3), repeat=G)))
    credit = baselines.advantages(rule, way, groups[:, None])[:, 0, 0]
    chance = p_Z[groups[:, 1:]].prod(axis=1)  # of the others, given the first
    found = np.array([(chance * credit)[groups[:, 0] == z].sum() for z in range(3)])
    kept = 1.0 if way == "jackknife" else baselines.share_kept(alpha, G)
    kept *= 1 - 1 / G if way == "mean" else 1.0
    wanted = -kept * p_Z ** (alpha - 1) / (alpha - 1)
    np.testing.assert_allclose(found - found[0], wanted - wanted[0], atol=1e-12)


def test_the_declared_equilibrium_of_a_power_is_the_games():
    from alftbench.games import QuadraticDiversity

    game = Game.from_marginals(P0_PZ, QuadraticDiversity(baselines.LAMBDA, np.zeros(4)), baselines.BETA)
    np.testing.assert_allclose(baselines.declared(2.0, np.log(P0_PZ)), solve(game).log_p_PZ, atol=1e-7)


def test_a_target_that_never_looks_regrets_what_entropy_lacks_and_the_true_one_nothing():
    def first(player):
        return target_cost.play(target_cost.Arm(player, 0.5, 0.1, 16, 0, visits=1))["marks"][0]

    _, log_p_PZ = target_cost.references(target_cost.Arm("nothing", 0.5, 0.1, 16, 0))
    lacking = np.log(target_cost.ANSWERS) + (np.exp(log_p_PZ) * log_p_PZ).sum(axis=1).mean()
    assert first("nothing")["gap"] == pytest.approx(target_cost.LAMBDA * lacking)
    assert first("oracle")["target_regret"] == pytest.approx(0, abs=1e-12)


def test_a_memory_adds_counts_up_and_a_table_forgets():
    counts = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), size=(3, 2))
    memory, table = target_cost.Counting(1.0, 2), target_cost.Counting(0.0, 2)
    for each in counts:
        kept, last = memory.see(each), table.see(each)
    np.testing.assert_allclose(np.exp(kept), (counts.sum(axis=0) + 0.5) / (24 + 4))
    np.testing.assert_allclose(np.exp(last), (counts[-1] + 0.5) / (8 + 4))


def test_an_answer_given_once_earns_the_cap():
    from alftbench.games.rewards import GroupRecord

    record = GroupRecord(np.array([[0, 1, 1, 1]]), np.array([False, True]))
    rewards = group_size.rule(group_size.weight_of(0.7, 4), record)
    assert rewards[0, 0] == pytest.approx(0.7 * group_size.ETA)


def test_half_way_is_read_between_the_points_of_the_grid():
    row = {"caps": (0.0, 1.0, 2.0), "predicted": [1.0, 0.8, 0.0]}
    assert group_size.half_way(row) == pytest.approx(1.375)
    assert group_size.cliff(row) == 1.5


def test_measures_are_those_of_pairs_and_scaling_multiplies_odds():
    right_Z = np.array([True, False, False, False])
    got = incoherence.measures(P0_PZ, right_Z)
    apart = sum((P0_PZ[0, z] - P0_PZ[1, z]) ** 2 for z in range(4)) / 2
    assert got["disagreement"] == pytest.approx(apart)
    assert got["coherence"] == pytest.approx((P0_PZ[0] @ P0_PZ[1]) / (0.5 * (P0_PZ**2).sum()))
    p_VZ = np.exp(incoherence.scaled(BaseAnswers(np.log(P0_PZ), right_Z), 3.0).log_p0_VZ)
    np.testing.assert_allclose((1 - p_VZ[:, 0]) / p_VZ[:, 0], 3 * (1 - P0_PZ[:, 0]) / P0_PZ[:, 0])


def test_the_control_is_as_sure_as_asked():
    p_VZ = incoherence.tempered(np.log(P0_PZ), 0.7)
    assert (p_VZ**2).sum(axis=1).mean() == pytest.approx(0.7)
    np.testing.assert_allclose(incoherence.tempered(np.log(P0_PZ), 2.0), P0_PZ)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_committed_record_gives_the_committed_answer_and_is_told_in_the_docs(name):
    folder = ROOT / "results" / "findings" / name
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    rows = tuple(row for _, row in read_jsonl(folder / "arms.jsonl"))
    finding = Finding(EXPERIMENTS[name], Choice(**report["choice"]), rows)
    assert {row["settings"] for row in rows} == {EXPERIMENTS[name].identity}
    assert [row["name"] for row in rows] == [arm.name for arm in EXPERIMENTS[name].arms(finding.choice)]
    assert finding.markdown() == (folder / "table.md").read_text(encoding="utf-8")
    assert finding.answer in " ".join((ROOT / "docs" / "findings.md").read_text(encoding="utf-8").split())
