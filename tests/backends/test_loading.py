"""What a model folder may lack, devices that are not there, and how messages become prompts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alftbench.backends.hf.loading import (
    check_template,
    load_model,
    load_tokenizer,
    pick_device,
    pick_dtype,
    prompt_ids,
)
from alftbench.backends.rendering import TemplateRefusal
from alftbench.errors import UsageError

SYSTEM = {"role": "system", "content": "1 + 2"}
USER = {"role": "user", "content": "3 + 4"}


@pytest.fixture
def folder(tiny, tmp_path):
    """A copy of the embedded model, to break."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def change(file: Path, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_folder_without_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="no weights"):
        load_model(str(folder), "cpu")
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UsageError, match="save it again as safetensors"):
        load_model(str(folder), "cpu")


def test_weights_that_are_cut_off(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UsageError, match="cannot read the model"):
        load_model(str(folder), "cpu")


def test_missing_tensors_are_never_made_up(folder):
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "layers.1.mlp" not in k}, folder / "model.safetensors")
    with pytest.raises(UsageError, match=r"lack 3 tensors .*layers\.1\.mlp\.down_proj"):
        load_model(str(folder), "cpu")


@pytest.mark.parametrize("kind", ["t5", "no-such-architecture"])
def test_an_architecture_that_generates_no_text(folder, kind):
    change(folder / "config.json", model_type=kind, architectures=["Other"])
    with pytest.raises(UsageError, match="cannot read the model"):
        load_model(str(folder), "cpu")


def test_no_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(UsageError, match="cannot read the tokenizer"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize("tokens", [{"pad_token": None}, {"pad_token": None, "eos_token": None}])
def test_any_token_pads_where_none_is_named(folder, tokens):
    change(folder / "tokenizer_config.json", **tokens)
    assert load_tokenizer(str(folder)).pad_token_id is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a device that is not there")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "nonsense"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(UsageError, match=f"--device {device}: "):
        pick_device(device)


def test_auto_takes_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto").type == "mps"
    assert pick_dtype("auto", pick_device("auto")) == torch.float32
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"


def test_templates(tiny):
    tokenizer = load_tokenizer(tiny)
    plain = prompt_ids(tokenizer, [USER], "none")
    assert plain == tokenizer.encode("3 + 4")
    chat = prompt_ids(tokenizer, [USER], "chat")
    assert chat == prompt_ids(tokenizer, [USER]) != plain
    tokenizer.chat_template = None
    assert prompt_ids(tokenizer, [USER]) == plain
    assert prompt_ids(tokenizer, [SYSTEM, USER]) == tokenizer.encode("1 + 2\n\n3 + 4")
    with pytest.raises(UsageError, match="no chat template; use template=none"):
        check_template(tokenizer, "chat")


def test_a_template_without_a_system_prompt_gets_it_with_the_first_question(tiny):
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    assert prompt_ids(tokenizer, [SYSTEM, USER]) == tokenizer.encode("1 + 2\n\n3 + 4")
    with pytest.raises(TemplateRefusal, match="no system"):
        prompt_ids(tokenizer, [USER, SYSTEM])


@pytest.mark.parametrize("backend", ["openai", "scripted", "replay"])
def test_backends_that_load_no_model_take_no_such_flag(backend):
    from alftbench.backends.base import BackendOptions, refuse_engine_options

    with pytest.raises(UsageError, match="loads no model"):
        refuse_engine_options(BackendOptions(trust_remote_code=True), backend)
