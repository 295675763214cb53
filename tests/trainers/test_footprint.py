"""The memory that is announced is that which torch keeps."""

from __future__ import annotations

import random

import pytest
import torch

from alftbench.training.train import plan_training
from alftbench.training.trainer import TrainRequest
from alftbench.types import Budget
from alftbench_trainers.loop.batch import RolloutBatch
from alftbench_trainers.loop.footprint import activations, footprint
from alftbench_trainers.loop.options import GroupOptions
from alftbench_trainers.loop.policy import Policy
from tests.trainers.jobs import job


def opened(tmp_path, dtype="float32", **options):
    plan = plan_training(job())
    request = TrainRequest(
        plan.model, plan.suites, Budget(steps=1), 0, tmp_path, tmp_path / "checkpoint", print, "cpu", dtype
    )
    return Policy(request, GroupOptions(**options)), plan.suites


def random_batch(prompts, group, prompt, completion):
    rng = random.Random(0)
    texts = [tuple(rng.randrange(3, 12) for _ in range(prompt)) for _ in range(prompts)]
    completions = [tuple(rng.randrange(3, 12) for _ in range(completion)) for _ in range(prompts * group)]
    return RolloutBatch(tuple(texts), tuple(completions))


def bytes_kept(policy, batch) -> int:
    """Bytes of everything that autograd keeps of a pass, less the weights."""
    own = {weight.untyped_storage().data_ptr() for weight in policy.model.parameters()}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = policy.log_probs(policy.model, batch)
    assert result.requires_grad
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)


@pytest.mark.parametrize(
    ("prompts", "group", "prompt", "completion"), [(4, 8, 20, 30), (4, 8, 100, 10), (1, 16, 10, 100)]
)
def test_activations_are_those_that_autograd_keeps(tmp_path, prompts, group, prompt, completion):
    policy, _ = opened(tmp_path, group=group, beta=0.0)
    kept = bytes_kept(policy, random_batch(prompts, group, prompt, completion))
    said = activations(policy.model, policy.options, prompts * group, prompt, completion)
    assert 0.8 * kept < said < 1.4 * kept


def test_checkpointing_keeps_less_and_the_estimate_says_so(tmp_path):
    """What is kept is what enters each layer; one layer's own come on top of it in the backward pass."""
    plain, _ = opened(tmp_path, group=8, beta=0.0)
    policy, _ = opened(tmp_path, group=8, beta=0.0, checkpointing=True)
    batch = random_batch(1, 8, 10, 100)
    assert bytes_kept(policy, batch) < 0.3 * bytes_kept(plain, batch)
    said = [activations(each.model, each.options, 8, 10, 100) for each in (plain, policy)]
    assert bytes_kept(policy, batch) < said[1] < said[0]


def test_weights_moments_and_copies_are_counted_exactly(tmp_path):
    policy, suites = opened(tmp_path, "bfloat16", master=True)
    n = sum(weight.numel() for weight in policy.model.parameters())
    said = footprint(policy, suites)
    assert (said.weights, said.reference, said.gradients, said.optimiser) == (2 * n, 2 * n, 4 * n, 12 * n)
    assert str(said).startswith("memory: about ")
    plain, _ = opened(tmp_path, beta=0.0)
    assert footprint(plain, suites).reference == 0


def test_an_adapter_alone_has_gradients_and_moments_and_no_second_copy_is_held(tmp_path):
    pytest.importorskip("peft")
    policy, suites = opened(tmp_path, lora_rank=2)
    n = sum(weight.numel() for weight in policy.model.parameters() if weight.requires_grad)
    said = footprint(policy, suites)
    assert (said.reference, said.gradients, said.optimiser) == (0, 4 * n, 8 * n)


def test_a_limit_on_tokens_bounds_the_activations(tmp_path):
    policy, suites = opened(tmp_path)
    limited, _ = opened(tmp_path, micro_tokens=200)
    assert footprint(limited, suites).activations < 0.2 * footprint(policy, suites).activations


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_needs_no_more_than_is_said(tmp_path):
    plan = plan_training(job())
    request = TrainRequest(
        plan.model, plan.suites, Budget(steps=1), 0, tmp_path, tmp_path / "checkpoint", print, "cuda", "float32"
    )
    policy = Policy(request, GroupOptions(group=8, beta=0.0))
    batch = random_batch(4, 8, 100, 100)
    before = torch.cuda.memory_allocated()
    kept = policy.log_probs(policy.model, batch)
    grown = torch.cuda.memory_allocated() - before
    assert kept.requires_grad
    assert grown < 1.5 * activations(policy.model, policy.options, 32, 100, 100)
