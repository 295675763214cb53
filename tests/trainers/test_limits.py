"""Passes of limited size: every completion once, the same update, and what becomes of it when memory runs out."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alftbench.training.train import plan_training, run_training
from alftbench_trainers.loop import policy as policy_module
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.limits import Limits, area, parts
from tests.trainers.jobs import job

LENGTHS = st.lists(st.tuples(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=5)), min_size=1)


@given(LENGTHS, st.integers(1, 8), st.integers(1, 60), st.integers(0, 1))
def test_every_completion_is_in_one_pass_that_holds_it(lengths, rows, tokens, halved):
    prompts = tuple((p,) * n for p, (n, _) in enumerate(lengths))
    completions = [[(p, g) + (0,) * n for g, n in enumerate(each)] for p, (_, each) in enumerate(lengths)]
    flat = tuple(c for of_prompt in completions for c in of_prompt)
    batch = RolloutBatch(prompts, flat, tuple(map(len, completions)))
    passes = parts(batch, Limits(rows, tokens, halved))
    assert tuple(c for part, _ in passes for c in part.completions) == flat
    for part, place in passes:
        assert part.completions == flat[place]
        owners = [p for p, n in zip(part.prompts, part.counts_P, strict=True) for _ in range(n)]
        assert owners == [prompts[c[0]] for c in part.completions]
        fits = len(part.completions) <= rows and area(part.prompts, part.completions) <= tokens
        assert fits or len(part.completions) == 1


def weights(folder) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "checkpoint" / "model.safetensors")


def trained(folder, options, **changes):
    record = run_training(plan_training(job(f"vanilla-grpo:group=4,{options}", **changes)), folder)
    return record, weights(folder)


@pytest.mark.parametrize("beta", ["0.0", "0.2"])
@pytest.mark.parametrize("limit", ["micro_tokens=100", "micro_tokens=1", "checkpointing=true", "rows=4"])
def test_the_update_is_that_of_one_pass_up_to_rounding(tmp_path, beta, limit):
    """Steps of AdamW are about the learning rate, 5e-5 while it warms up; rounding is a thousandth of one."""
    _, whole = trained(tmp_path / "whole", f"beta={beta}")
    _, cut = trained(tmp_path / "cut", f"beta={beta},{limit}")
    far = torch.cat([(whole[name] - cut[name]).abs().flatten() for name in whole])
    assert float((far > 1e-6).float().mean()) < 1e-2


def test_a_limit_that_holds_all_changes_no_bit(tmp_path):
    one, _ = trained(tmp_path / "one", "beta=0.2")
    other, _ = trained(tmp_path / "other", "beta=0.2,micro_tokens=1000000")
    assert one.checkpoint_sha256 == other.checkpoint_sha256


def short_of_memory(monkeypatch, most: int) -> list[int]:
    """A device that holds so many completions in a pass with gradient, and the sizes that were tried."""
    real, tried = policy_module.token_log_probs, []

    def passing(model, prompts, completions, *rest):
        if torch.is_grad_enabled():
            tried.append(len(completions))
            if len(completions) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(model, prompts, completions, *rest)

    monkeypatch.setattr(policy_module, "token_log_probs", passing)
    return tried


def test_out_of_memory_halves_the_passes_says_so_once_and_goes_on(tmp_path, monkeypatch):
    whole, expected = trained(tmp_path / "whole", "beta=0.2,save_every=1")
    tried = short_of_memory(monkeypatch, 3)
    said = []
    plan = plan_training(job("vanilla-grpo:group=4,beta=0.2,save_every=1"))
    record = run_training(plan, tmp_path / "short", lambda p: said.extend(p.notes))
    assert max(tried) > 3 >= tried[-1]
    assert [line for line in said if line.startswith("shortage: memory ran out")] == said[:1] == said
    assert record.warnings["shortage"] == 1
    rows = [json.loads(line) for line in (tmp_path / "short" / "updates.jsonl").read_text().splitlines()]
    assert rows[0]["halved"] == rows[-1]["halved"] > 0
    assert record.cost["generated_tokens"] == whole.cost["generated_tokens"]  # the same rollouts
    got = weights(tmp_path / "short")
    far = torch.cat([(expected[name] - got[name]).abs().flatten() for name in got])
    assert float((far > 1e-6).float().mean()) < 1e-2


def test_what_no_halving_helps_is_the_devices_own_error(tmp_path, monkeypatch):
    short_of_memory(monkeypatch, 0)
    with pytest.raises(Exception, match="out of memory"):
        run_training(plan_training(job("vanilla-grpo:group=4")), tmp_path / "none")
