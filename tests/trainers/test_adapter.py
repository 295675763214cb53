"""Adapters and float32 copies: what is trained, what stays, and that a run that was stopped ends the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from alftbench.backends.hf.loading import load_model
from alftbench.errors import PluginError, UsageError
from alftbench.training.train import plan_training, run_training
from alftbench.training.trainer import TrainRequest
from alftbench.types import Budget
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.policy import Policy
from tests.trainers.jobs import job

SMALL = "group=4,learning_rate=1e-3,save_every=1"
BATCH = RolloutBatch(((5, 6, 7), (8, 9)), ((3, 4), (5, 6, 7), (8, 9, 3), (4, 4)))
needs_peft = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("peft"), reason="peft is not installed"
)


def policy(tmp_path, dtype="float32", **options) -> Policy:
    plan = plan_training(job())
    request = TrainRequest(
        plan.model, plan.suites, Budget(steps=1), 0, tmp_path, tmp_path / "checkpoint", print, "cpu", dtype
    )
    return Policy(request, GroupOptions(**options))


def moved(ours: Policy, steps: int, rate: float) -> None:
    """Steps on rewards that never change."""
    for _ in range(steps):
        ours.update(ours.options, BATCH, torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.full((4,), 0.5), rate)


@needs_peft
def test_an_adapter_begins_as_no_change_and_switched_off_it_is_the_reference(tmp_path):
    ours, plain = policy(tmp_path, lora_rank=2, group=2), policy(tmp_path, group=2)
    [before], [truth] = ours.score(ours.model, BATCH), plain.score(plain.model, BATCH)
    torch.testing.assert_close(before, truth, rtol=0, atol=1e-5)
    moved(ours, 3, 1e-2)
    [after], [reference] = ours.score(ours.model, BATCH), ours.score_reference(BATCH)
    torch.testing.assert_close(reference, truth, rtol=0, atol=1e-5)
    assert float((after - truth).abs().max()) > 1e-2
    assert all(weight.requires_grad for weight in ours.masters.trained)  # switching off and on changes none


@needs_peft
def test_the_gradient_of_an_adapter_is_that_of_the_weights_through_its_product(tmp_path):
    """dL/dB = (α/r) dL/dW Aᵀ, where W + (α/r) B A is used and B = 0."""
    ours = policy(tmp_path, lora_rank=2, lora_alpha=6.0, lora_targets="q_proj", group=2, beta=0.0)
    plain = policy(tmp_path, group=2, beta=0.0)
    for each in (ours, plain):
        each.log_probs(each.model, BATCH).sum().backward()
    name = "model.layers.0.self_attn.q_proj"
    layer, weight = ours.model.get_submodule(name), plain.model.get_submodule(name).weight
    wanted = 3.0 * weight.grad @ layer.lora_A["default"].weight.T
    torch.testing.assert_close(layer.lora_B["default"].weight.grad, wanted, rtol=1e-4, atol=1e-5)


@needs_peft
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of peft's own loading
def test_the_checkpoint_is_the_merged_model_with_its_adapter_beside(tmp_path):
    from peft import PeftModel

    plan = plan_training(job(f"vanilla-grpo:{SMALL},lora_rank=2,lora_targets=q_proj+v_proj"))
    record = run_training(plan, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint"
    merged = load_model(str(checkpoint), "cpu", "float32").state_dict()
    base = load_model(plan.model, "cpu", "float32")
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    changed = {name.split(".")[-2] for name in merged if not torch.equal(merged[name], before[name])}
    assert changed == {"q_proj", "v_proj"}
    again = PeftModel.from_pretrained(base, checkpoint / "adapter").merge_and_unload().state_dict()
    assert all(torch.allclose(again[name], merged[name], atol=1e-6) for name in merged)
    assert (
        record.cost["flops"]
        < run_training(plan_training(job(f"vanilla-grpo:{SMALL}")), tmp_path / "all").cost["flops"]
    )


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        pytest.param("lora_rank=2", "float32", marks=needs_peft),
        pytest.param("lora_rank=2,beta=0.0", "bfloat16", marks=needs_peft),
        ("master=true", "bfloat16"),
        ("micro_tokens=60", "float32"),
        ("checkpointing=true", "float32"),
    ],
)
def test_a_run_that_was_stopped_ends_with_the_same_checkpoint(tmp_path, options, dtype):
    plan = plan_training(job(f"vanilla-grpo:{SMALL},{options}", budget=Budget(steps=3), dtype=dtype))
    whole = run_training(plan, tmp_path / "whole")

    def listen(progress):
        if progress.doing == "training, step 2":
            raise Stopped

    with pytest.raises(PluginError, match="Stopped"):
        run_training(plan, tmp_path / "cut", listen)
    cut = run_training(plan, tmp_path / "cut")
    assert cut.checkpoint_sha256 == whole.checkpoint_sha256
    assert replace(cut, id="").cost["flops"] == whole.cost["flops"]
    adapters = [
        tmp_path / name / "checkpoint" / "adapter" / "adapter_model.safetensors" for name in ("whole", "cut")
    ]
    if adapters[0].exists():
        one, other = map(load_file, adapters)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_float32_copies_move_weights_that_bfloat16_would_round_away(tmp_path):
    """40 steps of 1e-5 are 4e-4: beyond half a digit of weights below 0.1, which no single step reaches."""
    ours = policy(tmp_path, "bfloat16", master=True, group=2, beta=0.0)
    before = [weight.detach().clone() for weight in ours.masters.trained]
    moved(ours, 1, 1e-5)
    one = sum(int((w != b).sum()) for w, b in zip(ours.masters.trained, before, strict=True))
    moved(ours, 39, 1e-5)
    many = sum(int((w != b).sum()) for w, b in zip(ours.masters.trained, before, strict=True))
    everything = sum(b.numel() for b in before)
    assert ours.model.dtype == torch.bfloat16
    assert one < 0.2 * everything
    assert many > 2 * one
    pairs = zip(ours.masters.trained, ours.masters.stepped, strict=True)
    assert all(copy.dtype == torch.float32 and torch.equal(weight, copy.bfloat16()) for weight, copy in pairs)
    with pytest.raises(UsageError, match="half such a step rounds away"):
        policy(tmp_path, "bfloat16", learning_rate=1e-6)


def test_a_step_of_the_copies_is_adamws_on_the_same_gradient(tmp_path):
    """AdamW's first step is the learning rate times the gradient's sign, whatever its size."""
    ours = policy(tmp_path, "bfloat16", master=True, group=2, beta=0.0)
    before = [weight.detach().clone() for weight in ours.masters.stepped]
    moved(ours, 1, 1e-5)
    for copy, old in zip(ours.masters.stepped, before, strict=True):
        clear = copy.grad.abs() > 1e-3
        wanted = (old - 1e-5 * copy.grad.sign())[clear]
        torch.testing.assert_close(copy.detach()[clear], wanted, rtol=0, atol=2e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("master=true", "option master=true: the weights are in float32 already"),
        pytest.param("lora_rank=2,lora_targets=nothing", "the model has no such layers", marks=needs_peft),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        run_training(plan_training(job(f"vanilla-grpo:{options}")), tmp_path)
    assert not (tmp_path / "train.json").exists()
