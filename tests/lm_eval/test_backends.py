"""The backends lm-eval, scripted and replay."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from alftbench.backends.base import Backend, BackendOptions
from alftbench.backends.hf.backend import HfBackend
from alftbench.backends.scripted import FunctionBackend, ScriptedBackend
from alftbench.errors import BadInput, UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.evaluation.run_folder import read_record, read_samples
from alftbench.lm_eval.model import PORTION, LmEvalBackend, generation, typed
from alftbench.lm_eval.replay import ReplayBackend
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.types import SamplingParams

DRAWN = SamplingParams(n=3, temperature=1.0, max_tokens=24)
GREEDY = SamplingParams(n=1, temperature=0.0, max_tokens=24)


@pytest.fixture(scope="module")
def variants():
    return [v for orbit in read_orbits(load_suite("sums"), Selection(limit=8)) for v in orbit.variants]


@pytest.fixture(scope="module")
def lm_eval_backend(tiny):
    return LmEvalBackend(tiny, BackendOptions(device="cpu", batch_size=16))


def flat(portions):
    return [sample for portion in portions for sample in portion]


def test_greedy_completions_of_lm_eval_are_those_of_hf(lm_eval_backend, tiny, variants):
    assert isinstance(lm_eval_backend, Backend)
    ours = {s.key: s.text for s in flat(HfBackend(tiny, BackendOptions(device="cpu")).sample(variants, GREEDY))}
    theirs = flat(lm_eval_backend.sample(variants, GREEDY))
    assert {s.key: s.text for s in theirs} == ours
    assert len(theirs) == 48


def test_draws_of_a_portion_depend_on_the_seed_and_on_nothing_that_is_done(lm_eval_backend, variants):
    assert len(variants) > PORTION
    whole = flat(lm_eval_backend.sample(variants, DRAWN))
    assert len({s.key for s in whole}) == 3 * len(variants)
    assert len({s.text for s in whole if s.key[:2] == whole[0].key[:2]}) > 1 or len({s.text for s in whole}) > 40
    done = {s.key for s in whole[: 3 * PORTION]}
    rest = flat(lm_eval_backend.sample(variants, DRAWN, done))
    assert rest == whole[3 * PORTION :]
    assert flat(lm_eval_backend.sample(variants[:4], replace(DRAWN, seed=1))) != flat(
        lm_eval_backend.sample(variants[:4], DRAWN)
    )


def test_a_stop_string_ends_a_completion(lm_eval_backend, variants):
    whole = flat(lm_eval_backend.sample(variants[:3], GREEDY))
    stopped = flat(lm_eval_backend.sample(variants[:3], replace(GREEDY, stop=("\n",))))
    assert [s.text for s in stopped] == [s.text.split("\n")[0] for s in whole]
    assert all("\n" in s.text for s in whole)


def test_an_evaluation_through_lm_eval_is_a_run_like_any_other(cli, tmp_path):
    arguments = ("eval", "--backend", "lm-eval", "--backend-args", "type=hf,batch_size=8", "--limit", "3",
                 "--samples", "2", "--output-dir", "run", "--format", "json")  # fmt: skip
    done = cli(*arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["config"]["backend_args"] == {"type": "hf", "batch_size": "8"}
    assert read_record(tmp_path / "run").n_samples == 36


def test_other_models_of_the_registry_are_driven(tmp_path):
    from lm_eval.api.model import LM
    from lm_eval.api.registry import model_registry, register_model

    class Server(LM):
        """A model with a name of its own kind, without a tokenizer, that takes chats as objects."""

        def __init__(self, model: str, temper: float = 0.0) -> None:
            super().__init__()
            self.said = f"{model} {temper}"

        def apply_chat_template(self, chat_history, add_generation_prompt=True):
            return tuple(message["content"] for message in chat_history)

        def generate_until(self, requests, disable_tqdm=False):
            assert all(isinstance(request.args[0], tuple) for request in requests)
            return [f"{self.said} {request.args[0][0]}" for request in requests]

        # lm-eval's base class has these abstract; an evaluation that generates never asks for them.
        def loglikelihood(self, requests):
            raise NotImplementedError

        def loglikelihood_rolling(self, requests):
            raise NotImplementedError

    if "test-server" not in model_registry:
        register_model("test-server")(Server)
    options = BackendOptions(args={"type": "test-server", "temper": "0.5"})
    made = plan(
        EvalRequest("a-name", "sums", selection=Selection(limit=2), samples=2, backend="lm-eval", options=options)
    )
    evaluate(made, tmp_path)
    asked = {(v.problem_id, v.name): v.messages[0]["content"] for v in made.variants}
    samples = read_samples(tmp_path)
    assert all(s.text == f"a-name 0.5 {asked[s.problem_id, s.variant]}" for s in samples)
    assert {(s.n_tokens, s.finish_reason) for s in samples} == {(0, "stop")}
    assert read_record(tmp_path).config["model_sha256"] is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"type": "no-such"}, "type no-such cannot be made"),
        ({"trust_remote_code": "true"}, "give --trust-remote-code"),
        ({"dtype": "float33"}, "type hf cannot be made"),
    ],
)
def test_a_model_that_cannot_be_made_is_one_line(tiny, args, message):
    with pytest.raises(UsageError, match=message) as error:
        LmEvalBackend(tiny, BackendOptions(device="cpu", args=args))
    assert "\n" not in str(error.value)


def test_log_probabilities_are_refused_not_left_out(tiny):
    with pytest.raises(UsageError, match="--logprobs"):
        LmEvalBackend(tiny, BackendOptions(logprobs=True))


def test_settings_are_typed_and_sampling_is_spelled_out():
    assert [typed(v) for v in ("8", "True", "0.5", "float16")] == [8, True, 0.5, "float16"]
    assert generation(GREEDY) == {"until": [], "max_gen_toks": 24, "do_sample": False}
    assert generation(replace(DRAWN, top_p=0.9))["top_p"] == 0.9


# scripted


def script(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_line_that_names_a_prompt_most_exactly_answers_it(tmp_path, variants):
    first, second = variants[0], variants[6]
    rows = [
        {"text": "all"},
        {"text": "problem", "problem_id": first.problem_id},
        {"text": "exact", "problem_id": first.problem_id, "variant": first.name, "finish_reason": "length"},
        {"text": "more", "problem_id": first.problem_id, "variant": first.name, "n_tokens": 5},
    ]
    backend = ScriptedBackend(script(tmp_path / "s.jsonl", rows), BackendOptions())
    assert isinstance(backend, Backend)
    found = flat(backend.sample([first, variants[1], second], DRAWN, {(first.problem_id, first.name, 1)}))
    assert [s.text for s in found] == ["exact", "exact", *["problem"] * 3, *["all"] * 3]
    assert found[0].finish_reason == "length"


def test_a_script_is_evaluated_without_a_model(warm, tmp_path):
    script(tmp_path / "s.jsonl", [{"text": "Answer: 1"}, {"text": "I do not know"}])
    done = warm("eval", "--backend", "scripted", "--model", "s.jsonl", "--limit", "2", "--samples", "2",
               "--output-dir", "run", "--format", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["metrics"]["rate_abstained"]["value"] == 0.5
    assert len(shown["run"]["config"]["model_sha256"]) == 64


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"answer": "3"}], "answer: unknown key; known: finish_reason, n_tokens, logprob, n_tokens_estimated, t"),
        ([{"text": "3", "problem": "x"}], "problem: unknown key; did you mean 'problem_id'?"),
        ([{"text": "3", "problem_id": "x"}], "no line for the problem"),
        ([{"text": 3}], "text: must be text, is 3"),
        ([{"text": "3"}, {"text": "3", "n_tokens": -1}], "n_tokens: must be a whole number, at least 0, is -1"),
        ([{"text": "3", "n_tokens": True}], "n_tokens: must be a whole number, at least 0, is true"),
        ([{"text": "3", "n_tokens": 2.5}], "n_tokens: must be a whole number, at least 0, is 2.5"),
        ([{"text": "3", "logprob": "x"}], 'logprob: must be a number, at most 0, or null, is "x"'),
        ([{"text": "3", "logprob": 0.5}], "logprob: must be a number, at most 0, is 0.5"),
        ([{"text": "3", "logprob": float("nan")}], "logprob: must be a number, at most 0, is NaN"),
        (
            [{"text": "3", "finish_reason": "weird"}],
            'finish_reason: must be one of stop, length, content_filter, error, unknown, is "weird"',
        ),
        ([{"text": "3", "problem_id": 7}], "problem_id: must be text, or null, is 7"),
        ([{"text": "3", "variant": ["a"]}], "variant: must be text, or null, is"),
    ],
)
def test_a_wrong_script_is_named(tmp_path, variants, rows, message):
    path = script(tmp_path / "s.jsonl", rows)
    with pytest.raises(BadInput, match=message):
        flat(ScriptedBackend(path, BackendOptions()).sample(variants, DRAWN))


def test_half_a_character_costs_no_other_answer(tmp_path):
    path = script(tmp_path / "s.jsonl", [{"text": "Answer: 1"}, {"text": "Answer: \ud800 2"}])
    made = plan(EvalRequest(path, "sums", backend="scripted", selection=Selection(limit=1), samples=2))
    evaluate(made, tmp_path / "run")
    texts = {sample.text for sample in read_samples(tmp_path / "run")}
    assert texts == {"Answer: 1", "Answer: \N{REPLACEMENT CHARACTER} 2"}


def test_a_script_that_is_missing_is_named():
    with pytest.raises(UsageError, match="no such file; the scripted backend"):
        plan(EvalRequest("nowhere.jsonl", "sums", backend="scripted"))


def test_a_function_can_be_the_script(variants):
    found = flat(FunctionBackend(lambda v, d: f"{v.name} {d}").sample(variants[:1], DRAWN))
    assert [s.text for s in found] == [f"{variants[0].name} {d}" for d in range(3)]


# replay


def test_a_run_is_replayed_sample_by_sample(tmp_path):
    request = EvalRequest("tiny-sums", "sums", selection=Selection(limit=3), samples=4)
    evaluate(plan(request), tmp_path / "run")
    again = replace(request, model=str(tmp_path / "run"), backend="replay", samples=2)
    evaluate(plan(again), tmp_path / "again")
    wanted = [s for s in read_samples(tmp_path / "run") if s.draw < 2]
    assert read_samples(tmp_path / "again") == wanted
    with pytest.raises(BadInput, match="holds no draw 4"):
        evaluate(plan(replace(again, samples=5)), tmp_path / "more")


def test_a_changed_run_is_not_replayed(tmp_path):
    evaluate(plan(EvalRequest("tiny-sums", "sums", selection=Selection(limit=2), samples=1)), tmp_path)
    (tmp_path / "samples.jsonl.gz").write_bytes(b"")
    with pytest.raises(BadInput, match=r"samples\.jsonl\.gz"):
        ReplayBackend(str(tmp_path), BackendOptions())


def test_what_cannot_be_replayed_is_named(tmp_path):
    with pytest.raises(UsageError, match="needs a run folder or a samples"):
        plan(EvalRequest(str(tmp_path), "sums", backend="replay"))
