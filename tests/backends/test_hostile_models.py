"""Model folders that want more than to be loaded: each ends the command with one line, nothing of theirs runs."""

from __future__ import annotations

import json
import os
import pickle
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from alftbench.backends.hf.folder import check_model
from alftbench.backends.model_files import locate
from alftbench.errors import ModelRefused
from tests.forks import Done

SECONDS = 40.0  # on a busy machine; the limits themselves are of 2 s
CODE = """
from pathlib import Path
Path({canary!r}).write_text("ran")
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class OwnConfig(LlamaConfig):
    model_type = "own-kind"
class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
class OwnTokenizer(PreTrainedTokenizerFast):
    pass
def generate(model, **options):
    return None
"""
OWN = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}


class Folder:
    """A copy of the embedded model, to be spoilt; `canary` is the file that its code would write."""

    def __init__(self, path: Path, canary: Path) -> None:
        self.path, self.canary = path, canary

    def change(self, name: str, **changes) -> None:
        file = self.path / name
        content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**content, **changes}), encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def add_code(self, name: str = "own.py") -> None:
        self.write(name, CODE.format(canary=str(self.canary)))


def own_config(folder: Folder) -> None:
    folder.add_code()
    folder.change("config.json", model_type="own-kind", auto_map=OWN)


def own_tokenizer(folder: Folder) -> None:
    folder.add_code()
    own_config(folder)
    auto_map = {"AutoTokenizer": [None, "own.OwnTokenizer"]}
    folder.change("tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=auto_map)


def own_tokenizer_alone(folder: Folder) -> None:
    """The tokenizer's code is asked for although transformers knows the model but no tokenizer for it."""
    folder.add_code()
    folder.change("config.json", model_type="ctrl-free", tokenizer_class=None)
    auto_map = {"AutoTokenizer": ["own.OwnTokenizer", None], "AutoProcessor": "own.OwnTokenizer"}
    folder.change("tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=auto_map)


def own_code_elsewhere(folder: Folder) -> None:
    folder.change("config.json", model_type="own-kind", auto_map={"AutoConfig": "somebody/else--own.OwnConfig"})


def kernel(folder: Folder) -> None:
    folder.change("config.json", attn_implementation="somebody/kernel")


class Canary:
    """What unpickles by running a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def pickled_weights(folder: Folder) -> None:
    (folder.path / "model.safetensors").unlink()
    (folder.path / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(folder.canary)))


def pickled_shards(folder: Folder) -> None:
    """An index of safetensors that names a pickle."""
    names = load_file(folder.path / "model.safetensors")
    pickled_weights(folder)
    folder.change("model.safetensors.index.json", weight_map=dict.fromkeys(names, "pytorch_model.bin"))


def pickled_by_name(folder: Folder) -> None:
    """A config that says which file to load."""
    pickled_weights(folder)
    (folder.path / "pytorch_model.bin").rename(folder.path / "adapter_model.bin")
    folder.change("config.json", transformers_weights="adapter_model.bin")


def adapter(folder: Folder) -> None:
    folder.change("adapter_config.json", peft_type="LORA", base_model_name_or_path="somebody/else")
    (folder.path / "adapter_model.bin").write_bytes(pickle.dumps(Canary(folder.canary)))


def link_to_a_secret(folder: Folder) -> None:
    secret = folder.path.parent / "secret"
    secret.write_text("my key", encoding="utf-8")
    (folder.path / "chat_template.jinja").unlink(missing_ok=True)
    (folder.path / "chat_template.jinja").symlink_to(secret)


def endless_file(folder: Folder) -> None:
    (folder.path / "model.safetensors").unlink()
    (folder.path / "model.safetensors").symlink_to("/dev/zero")


def pipe_without_end(folder: Folder) -> None:
    (folder.path / "generation_config.json").unlink()
    os.mkfifo(folder.path / "generation_config.json")


def deep_config(folder: Folder) -> None:
    folder.write("config.json", '{"model_type": "llama", "x": ' + "[" * 200_000 + "]" * 200_000 + "}")


def deep_tokenizer(folder: Folder) -> None:
    folder.write("tokenizer.json", '{"model": ' + '{"a":' * 200_000 + "1" + "}" * 200_001)


def huge_tokenizer(folder: Folder) -> None:
    with (folder.path / "tokenizer.json").open("wb") as file:
        file.truncate(4 << 30)


def no_tokenizer(folder: Folder) -> None:
    folder.write("tokenizer.json", "\x00\x1b]0;title\x07 not JSON\nat all")


def slow_pattern(folder: Folder) -> None:
    """A tokenizer that splits by a pattern with an exponential number of ways to fail."""
    content = json.loads((folder.path / "tokenizer.json").read_text(encoding="utf-8"))
    content["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated",
                                "invert": False}  # fmt: skip
    folder.write("tokenizer.json", json.dumps(content))


def sizes(**changes):
    def spoil(folder: Folder) -> None:
        folder.change("config.json", **changes)

    return spoil


def template(text: str):
    def spoil(folder: Folder) -> None:
        folder.write("chat_template.jinja", text)

    return spoil


LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a %}{% endfor %}{% endfor %}"
REACHES = "{{ ''.__class__.__mro__[1].__subclasses__() }}"

TABLE = {
    "code of its own": (own_config, "needs Python code that came with it"),
    "code of its own for the tokenizer too": (own_tokenizer, "needs Python code that came with it"),
    "a type that nobody knows": (own_tokenizer_alone, "does not know its model_type 'ctrl-free'"),
    "code of another repository": (own_code_elsewhere, "add --trust-remote-code"),
    "a kernel": (kernel, "asks for the kernel 'somebody/kernel'"),
    "a pickle": (pickled_weights, "holds weights as pytorch_model.bin, which may run code"),
    "a pickle among the shards": (pickled_shards, "names 'pytorch_model.bin', which is no safetensors"),
    "a pickle by name": (pickled_by_name, "names weights 'adapter_model.bin', no safetensors"),
    "an adapter": (adapter, "holds an adapter"),
    "a link to a secret": (link_to_a_secret, "chat_template.jinja is a link to a file outside"),
    "a file without end": (endless_file, "model.safetensors is no regular file"),
    "a pipe": (pipe_without_end, "generation_config.json is no regular file"),
    "a deep config": (deep_config, "config.json is nested too deeply"),
    "a deep tokenizer": (deep_tokenizer, "cannot read the tokenizer"),
    "a huge tokenizer": (huge_tokenizer, "tokenizer.json has 4096 MB"),
    "a tokenizer of noise": (no_tokenizer, "cannot read the tokenizer"),
    "a slow pattern": (slow_pattern, "cannot read the tokenizer"),
    "a billion layers": (sizes(num_hidden_layers=10**9), "num_hidden_layers 1000000000"),
    "a billion wide": (sizes(hidden_size=10**9, head_dim=10**9), "1000000000, which its weights"),
    "too wide": (sizes(hidden_size=40_000, intermediate_size=40_000), "are they of another model?"),
    "a billion labels": (sizes(num_labels=10**9), "num_labels 1000000000"),
    "no width": (sizes(hidden_size=0), "cannot read the model"),
    "a width that is no number": (sizes(hidden_size=["a"], num_attention_heads=None), "cannot read"),
    "a template without end": (template(LOOPS), "takes more than 2 s for one prompt"),
    "a template of a huge text": (template("{{ 'a' * 10**12 }}"), "takes more than 512 MB for one prompt"),
    "a template of a long text": (template("{{ 'a' * 5 * 10**6 }}"), "more than a million characters"),
    "a template that reaches out": (template(REACHES), "'__class__' of 'str' object is unsafe"),
    "no template": (template("{% for %}"), "chat template refuses the prompt"),
}  # fmt: skip


@pytest.fixture
def spoilt(tiny, tmp_path):
    """A function from a way to spoil a model to its folder."""

    def make(spoil) -> Folder:
        folder = Folder(tmp_path / "model", tmp_path / "canary")
        shutil.copytree(tiny, folder.path)
        spoil(folder)
        return folder

    return make


def environment(folder: Folder) -> dict[str, str]:
    """Without the network, with a cache of the hub's modules of its own."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder.path.parent / "cache"), "COLUMNS": "100"}


YES = "y\n" * 100  # somebody at a pipe who says yes to everything


def run(folder: Folder, name: str, *arguments: str) -> Done:
    """The command in a new process."""
    words = [sys.executable, "-m", "alftbench.cli", *name.split(), "--model", str(folder.path), *arguments]
    done = subprocess.run(
        words, input=YES, capture_output=True, text=True, timeout=300, env=environment(folder),
        cwd=folder.path.parent,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr, 0)


@pytest.fixture
def forked(fork):
    """A function as `run`, in a fork of a process that has everything imported."""

    def run_fork(folder: Folder, name: str, *arguments: str) -> Done:
        words = (*name.split(), "--model", str(folder.path), *arguments)
        return fork(folder.path.parent, *words, typed=YES)

    return run_fork


def assert_refused(folder: Folder, done: Done, message: str) -> None:
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert lines[0].isprintable()
    assert done.code == 1
    assert done.out == ""
    assert not folder.canary.exists()
    assert not (folder.path.parent / "runs").exists()


EVAL = ("eval", "--suite", "sums", "--limit", "1", "--samples", "1", "--max-tokens", "4")


@pytest.mark.parametrize("name", TABLE)
def test_an_evaluation_ends_with_one_line(spoilt, forked, name):
    spoil, message = TABLE[name]
    folder = spoilt(spoil)
    started = time.monotonic()
    assert_refused(folder, forked(folder, *EVAL), message)
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("name", ["code of its own for the tokenizer too", "a deep tokenizer"])
def test_a_new_process_ends_the_same(spoilt, name):
    spoil, message = TABLE[name]
    folder = spoilt(spoil)
    assert_refused(folder, run(folder, *EVAL), message)


def at_a_terminal(folder: Folder, *arguments: str) -> tuple[int, str]:
    """The real command at a terminal where somebody types y; its exit code and all that the terminal showed."""
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n" * 20)
    words = [sys.executable, "-m", "alftbench.cli", *arguments, "--model", str(folder.path)]
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(folder), cwd=folder.path.parent,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the last one at the other side is gone
            break
    os.close(ours)
    return process.wait(timeout=60), shown.decode()


@pytest.mark.parametrize("name", ["code of its own", "code of its own for the tokenizer too"])
def test_nobody_is_asked_at_a_terminal(spoilt, name):
    spoil, message = TABLE[name]
    folder = spoilt(spoil)
    code, shown = at_a_terminal(folder, *EVAL)
    assert code == 1
    assert message in " ".join(shown.split())
    assert "[y/N]" not in shown
    assert not folder.canary.exists()


OTHERS = {
    "train": ("train vanilla-grpo", "--steps", "1", "--suite", "sums", "--limit", "4"),
    "compare": ("compare vanilla-grpo", "--seeds", "1", "--suite", "sums", "--limit", "2", "--workers", "1"),
    "lm-eval": ("eval", *EVAL[1:], "--backend", "lm-eval"),
}


@pytest.mark.parametrize("command", OTHERS)
@pytest.mark.parametrize("name", ["code of its own for the tokenizer too", "a pickle", "a template without end"])
def test_other_commands_end_as_evaluations_do(spoilt, forked, command, name):
    """A comparison once with workers in processes of their own."""
    spoil, message = TABLE[name]
    folder = spoilt(spoil)
    done = (run if (command, name) == ("compare", "a pickle") else forked)(folder, *OTHERS[command])
    assert message in done.err.splitlines()[-1]
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 1
    assert "Traceback" not in done.err
    assert done.code == 1
    assert not folder.canary.exists()
    assert not [path for path in folder.path.parent.rglob("*.json") if folder.path not in path.parents]


def test_code_runs_where_it_is_trusted_and_the_record_says_so(spoilt, forked):
    folder = spoilt(own_tokenizer)
    done = run(folder, *EVAL, "--output-dir", "trusted", "--trust-remote-code")
    assert done.code == 0, done.err
    assert folder.canary.exists()
    record = json.loads((folder.path.parent / "trusted" / "run.json").read_text(encoding="utf-8"))
    assert record["config"]["trust_remote_code"] is True
    assert record["provenance"]["trust_remote_code"] is True
    folder.write("own.py", (folder.path / "own.py").read_text(encoding="utf-8") + "# other code")
    again = forked(folder, *EVAL, "--output-dir", "trusted", "--trust-remote-code")
    assert again.code == 2
    assert "code_sha256" in again.err


def test_training_on_trusted_code_says_so(spoilt, forked):
    folder = spoilt(own_config)
    done = forked(folder, *OTHERS["train"], "--output-dir", "trained", "--trust-remote-code")
    assert done.code == 0, done.err
    assert folder.canary.exists()
    record = json.loads((folder.path.parent / "trained" / "train.json").read_text(encoding="utf-8"))
    assert record["config"]["trust_remote_code"] is record["provenance"]["trust_remote_code"] is True


def test_a_run_without_the_flag_is_known_by_what_it_was(tiny):
    from alftbench.backends.base import BackendOptions
    from alftbench.evaluation.plan import EvalRequest, plan

    config = plan(EvalRequest(tiny, "sums")).config
    trusted = plan(EvalRequest(tiny, "sums", options=BackendOptions(trust_remote_code=True))).config
    assert {*trusted} - {*config} == {"trust_remote_code", "code_sha256"}
    assert "trust" not in json.dumps(config)


def test_a_map_to_code_that_is_not_needed_is_not_looked_at(spoilt, forked):
    def spoil(folder: Folder) -> None:
        folder.add_code()
        folder.add_code("custom_generate/generate.py")
        folder.change(
            "config.json", auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
        )

    folder = spoilt(spoil)
    done = forked(folder, *EVAL)
    assert done.code == 0, done.err
    assert not folder.canary.exists()


def test_weights_and_caches_of_the_hub_may_be_links(tiny, tmp_path):
    weights = Path(shutil.move(shutil.copytree(tiny, tmp_path / "linked") / "model.safetensors", tmp_path / "w"))
    (tmp_path / "linked" / "model.safetensors").symlink_to(weights)
    check_model(locate(str(tmp_path / "linked")))
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "1"
    shutil.copytree(tiny, blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    check_model(locate(str(snapshot)))
    (snapshot / "vocab.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelRefused, match=r"vocab\.txt cannot be read"):
        locate(str(snapshot))
