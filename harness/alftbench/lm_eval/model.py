"""The `lm-eval` backend: any model that lm-eval's registry can drive, through its generate_until requests.

`--backend-args type=hf,...`: the registry's name of the kind of model, and whatever its constructor takes.

Greedy completions are those of lm-eval itself. Drawn ones are seeded per portion of PORTION prompts, since lm-eval
draws from the process's global generators: the same command on the same machine gives the same samples for
models of this process, wherever it was interrupted, but a draw does depend on the prompts of its portion. A server
behind lm-eval may not heed any seed. lm-eval hands back text alone: tokens are counted by its tokenizer, where it
has one, else 0; a completion that reaches the limit counts as cut off.
"""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alftbench.backends import model_files
from alftbench.backends.base import BackendInfo, BackendOptions
from alftbench.backends.hf.folder import check_model, needs_code, no_weights
from alftbench.backends.model_folder import WEIGHTS, check_files
from alftbench.backends.rendering import TemplateRefusal
from alftbench.base.jsonio import well_formed
from alftbench.base.seeds import integer_seed
from alftbench.errors import AlftbenchError, MissingExtra, ModelRefused, UsageError, first_line
from alftbench.types import Sample, SampleKey, SamplingParams, Variant, plain_prompt

if TYPE_CHECKING:
    from lm_eval.api.model import LM

PORTION = 32  # prompts that are asked together, and kept together


def locate(model: str) -> str:
    """A model's files where the name says any, else the name: kinds that ask a server have names of their own."""
    try:
        return model_files.locate(model)
    except ModelRefused:
        raise
    except UsageError:
        return model


class LmEvalBackend:
    """Samples from a model of lm-eval's registry."""

    info = BackendInfo(locate)
    about: Mapping[str, Any] = {}

    def __init__(self, model: str, options: BackendOptions) -> None:
        if options.logprobs:
            raise UsageError("--logprobs: lm-eval returns no log-probabilities of what it draws; leave it out")
        self.model = make_model(model, options)

    def sample(
        self, variants: Sequence[Variant], params: SamplingParams, done: Container[SampleKey] = ()
    ) -> Iterator[list[Sample]]:
        """Portion after portion; one of which anything is missing is drawn whole, so that its seed fits."""
        for start in range(0, len(variants), PORTION):
            portion = variants[start : start + PORTION]
            if any((v.problem_id, v.name, draw) not in done for v in portion for draw in range(params.n)):
                yield self._sample_portion(portion, params)

    def _sample_portion(self, portion: Sequence[Variant], params: SamplingParams) -> list[Sample]:
        from lm_eval.api.instance import Instance

        set_global_seeds(params.seed, *(key for v in portion for key in (v.problem_id, v.name)))
        requests = [
            Instance("generate_until", {}, (self._prompt(variant), generation(params)), draw)
            for variant in portion
            for draw in range(params.n)
        ]
        texts = iter(self.model.generate_until(requests, disable_tqdm=True))
        return [
            self._sample(variant, draw, next(texts), params) for variant in portion for draw in range(params.n)
        ]

    def _prompt(self, variant: Variant) -> Any:
        """A prompt as lm-eval's model takes it: text, or whatever its own chat template makes of messages."""
        plain = plain_prompt(variant.messages)
        if plain is not None:
            return plain
        tokenizer = getattr(self.model, "tokenizer", None)
        if tokenizer is not None and not getattr(tokenizer, "chat_template", None):
            return "\n\n".join(message["content"] for message in variant.messages) + "\n"
        check_template(tokenizer, variant, getattr(self.model, "chat_template_args", None) or {})
        return self.model.apply_chat_template([dict(message) for message in variant.messages])

    def _sample(self, variant: Variant, draw: int, text: str, params: SamplingParams) -> Sample:
        encode = getattr(self.model, "tok_encode", None)
        text = well_formed(text)  # a server behind lm-eval may send anything, a tokenizer takes only characters
        n_tokens = len(encode(text, add_special_tokens=False)) if encode and text else 0
        reason = "length" if n_tokens >= params.max_tokens else "stop"
        return Sample(variant.problem_id, variant.name, draw, text, reason, n_tokens)


def make_model(model: str, options: BackendOptions) -> LM:
    """A model of the registry, built with the options that its constructor knows.

    Raises:
        MissingExtra: lm-eval is not installed.
        UsageError: there is no such kind of model, or it cannot be built.
    """
    try:
        from lm_eval.api.registry import get_model
    except ImportError as error:
        raise MissingExtra("lm-eval", "lm-eval") from error
    settings = dict(options.args)
    kind = settings.pop("type", "hf")
    if "trust_remote_code" in settings:
        raise UsageError("--backend-args trust_remote_code: give --trust-remote-code instead, which is recorded")
    try:
        factory: Any = get_model(kind)
        arguments = constructor_arguments(factory, model, options, settings)
        check_folders(arguments, options.trust_remote_code)
        return factory(**arguments)
    except AlftbenchError:
        raise
    except Exception as error:  # of a hundred models' constructors, each with errors of its own
        if "trust_remote_code" in str(error):
            raise needs_code(model) from error
        raise UsageError(
            f"lm-eval's model of type {kind} cannot be made of {model}: {first_line(error)}"
        ) from error


def constructor_arguments(
    factory: Any, model: str, options: BackendOptions, settings: Mapping[str, str]
) -> dict[str, Any]:
    """The model under the name that the constructor has for it, device, dtype and batch size, then `settings`."""
    known = inspect.signature(factory.__init__).parameters
    name = "pretrained" if "pretrained" in known else "model"
    offered = {
        "device": device(options.device),
        "dtype": None if options.dtype == "auto" else options.dtype,
        "batch_size": options.batch_size,
        "trust_remote_code": options.trust_remote_code,
    }
    if options.trust_remote_code and "trust_remote_code" not in known:
        raise UsageError("--trust-remote-code: this kind of model of lm-eval loads no code; leave it out")
    if is_transformers(factory) and "autogptq" not in settings:  # that says itself which weights it takes
        settings = {"use_safetensors": "true", **settings}
    chosen = {key: value for key, value in offered.items() if key in known and value is not None}
    return {name: model, **chosen, **{key: typed(value) for key, value in settings.items()}}


def is_transformers(factory: type) -> bool:
    """Is it lm-eval's model over transformers, or made of it?"""
    return any(base.__module__ == "lm_eval.models.huggingface" for base in factory.__mro__)


def check_folders(arguments: Mapping[str, Any], trusted: bool) -> None:
    """Every folder that the constructor is given may be read, as in the `hf` backend.

    Raises:
        ModelRefused: it may not.
    """
    for name in {"pretrained", "delta"} & {*arguments}:
        check_model(str(arguments[name]), trusted)
    for name in {"tokenizer", "peft"} & {*arguments}:
        folder = Path(str(arguments[name]))
        if folder.is_dir():
            check_files(folder)
            if name == "peft" and not any(folder.glob(f"*{WEIGHTS}")):
                raise no_weights(folder)


def check_template(tokenizer: Any, variant: Variant, names: Mapping[str, Any]) -> None:
    """Render the chat where it can be stopped, before lm-eval does where it cannot.

    Raises:
        ModelRefused: the template fails or passes a limit.
    """
    if not isinstance(getattr(tokenizer, "chat_template", None), str | dict):
        return
    from alftbench.backends.hf.loading import chat_text

    asked = [message for message in variant.messages if message["role"] != "system"]
    try:
        chat_text(tokenizer, variant.messages, names)
    except TemplateRefusal:  # lm-eval then leaves the system prompt out
        chat_text(tokenizer, asked, names)


def device(wanted: str) -> str:
    """`auto` is CUDA where there is one, else the CPU."""
    import torch

    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def typed(value: str) -> Any:
    """A setting's value as a number or truth value where it reads as one, like lm-eval's own --model_args."""
    try:
        return json.loads(value.lower() if value.lower() in ("true", "false") else value)
    except ValueError:
        return value


def generation(params: SamplingParams) -> dict[str, Any]:
    """Sampling in lm-eval's words."""
    drawn = {"do_sample": True, "temperature": params.temperature, "top_p": params.top_p, "top_k": 0}
    how = drawn if params.temperature > 0 else {"do_sample": False}
    return {"until": list(params.stop), "max_gen_toks": params.max_tokens, **how}


def set_global_seeds(seed: int, *keys: str) -> None:
    """Seed what lm-eval's models draw from: the generators of Python, numpy and torch."""
    import torch

    number = integer_seed(seed, *keys, bits=31)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  lm-eval's models know no other generator
    torch.manual_seed(number)
