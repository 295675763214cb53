"""The openai backend: what is asked of a server, and what is made of its answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from alftbench.backends.base import BackendOptions
from alftbench.backends.openai.backend import OpenAIBackend, can_be_count
from alftbench.errors import AlftbenchError, UsageError
from alftbench.evaluation.evaluate import evaluate
from alftbench.evaluation.plan import EvalRequest, plan
from alftbench.suites.load import Selection
from tests.helpers import PARAMS, REPLIES, VARIANTS, Server, answer, drawn, openai_backend, serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.mark.parametrize("fault", [None, "fewer"])
def test_one_request_for_all_draws_of_a_prompt(server, fault):
    server.fault = lambda number, body: fault
    whole = drawn(openai_backend(server, requests="prompt"))
    assert len(whole) == len(VARIANTS) * 3
    assert all(s.n_tokens_estimated == (fault is None) for s in whole.values() if s.draw < 2)
    assert max(body["n"] for body in server.bodies) == 3
    done = [key for key in whole if key[2] == 1]
    again = drawn(openai_backend(server, requests="prompt"), done=done)
    assert {key: again[key] for key in whole} == whole


def test_plain_completions_stop_strings_and_greedy(server):
    params = replace(PARAMS, n=1, temperature=0.0, stop=("\n\n",))
    drawn(openai_backend(server, endpoint="completions", token_limit="max_completion_tokens"), params)
    body = server.bodies[0]
    assert body["prompt"] in {variant.messages[0]["content"] for variant in VARIANTS}  # whichever came first
    assert body["stop"] == ["\n\n"]
    assert body["max_completion_tokens"] == 16
    assert not {"messages", "seed", "max_tokens"} & set(body)


def test_log_probabilities_and_finish_reasons(server):
    content = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.25}]
    chat = {"message": {"content": None}, "finish_reason": "length", "logprobs": {"content": content}}
    REPLIES["chat"] = lambda handler, body: handler.send(200, json.dumps({"choices": [chat]}).encode())
    plain = {"text": "ab", "finish_reason": "content_filter", "logprobs": {"token_logprobs": [-0.5, -2.0, -1.0]}}
    REPLIES["plain"] = lambda handler, body: handler.send(200, json.dumps({"choices": [plain]}).encode())
    server.fault = lambda number, body: "plain" if "prompt" in body else "chat"
    sample = next(iter(drawn(openai_backend(server, logprobs=True)).values()))
    assert (sample.text, sample.finish_reason, sample.logprob, sample.n_tokens) == ("", "length", -1.75, 2)
    sample = next(iter(drawn(openai_backend(server, logprobs=True, endpoint="completions")).values()))
    assert (sample.finish_reason, sample.logprob, sample.n_tokens) == ("content_filter", -3.5, 3)
    assert not sample.n_tokens_estimated


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"concurency": "3"}, "no such setting"),
        ({"concurrency": "0"}, "must be a whole number, at least 1"),
        ({"timeout": "inf"}, "must be a number, above 0"),
        ({"endpoint": "chats"}, "must be one of chat, completions"),
        ({"base_url": "localhost:8000"}, "must be an address like"),
        ({"base_url": "http://me:secret@localhost/v1"}, "must hold no key"),
        ({"base_url": "http://me:secret@localhost:99999/v1"}, "must hold no key"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, "must be an address like"),
        ({"base_url": "http://127.0.0.1:0/v1"}, "must be an address like"),
        ({"base_url": "http://localhost:http/v1"}, "must be an address like"),
        ({"base_url": "http://[::1/v1"}, "must be an address like"),
        ({"base_url": "http://two words/v1"}, "must be an address like"),
        ({"base_url": "http://a..b/v1"}, "must be an address like"),
        ({"base_url": "http://host\n/v1"}, "must be an address like"),
        ({"api_key_env": "ALFTBENCH_TEST_UNSET"}, "not set"),
    ],
)
def test_wrong_settings_are_refused(args, message):
    with pytest.raises(UsageError, match=message) as raised:
        OpenAIBackend("any", BackendOptions(args=args))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="the server"):
        OpenAIBackend("any", BackendOptions(dtype="float32"))


def test_a_key_that_cannot_be_sent_is_refused(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-secret\n")
    with pytest.raises(UsageError, match="A_KEY holds no key") as raised:
        OpenAIBackend("any", BackendOptions(args={"api_key_env": "A_KEY"}))
    assert "secret" not in str(raised.value)


def test_half_a_character_is_replaced_and_the_other_answers_are_kept(server):
    server.fault = lambda number, body: "half a character" if number == 3 else None
    found = drawn(openai_backend(server, concurrency="1"))
    assert len(found) == len(VARIANTS) * 3
    assert [s.text for s in found.values() if "\N{REPLACEMENT CHARACTER}" in s.text] == [
        "Answer: \N{REPLACEMENT CHARACTER} 5"
    ]
    assert len(server.bodies) == len(found)


@pytest.mark.parametrize("said", [-5, True, 0, 10**30, 170, "many", 3.7, None, [1]])
def test_a_count_that_can_be_none_is_estimated(server, said):
    REPLIES["odd count"] = lambda handler, body: answer(handler, body, text="Answer: 5", tokens=said)
    server.fault = lambda number, body: "odd count"
    sample = next(iter(drawn(openai_backend(server), variants=VARIANTS[:1]).values()))
    assert (sample.n_tokens, sample.n_tokens_estimated) == (3, True)


def test_counts_that_may_be_true_are_the_servers():
    assert can_be_count(160, "Answer: 5", 16)  # reasoning that is not shown
    assert can_be_count(0, "", 16)
    assert not can_be_count(170, "Answer: 5", 16)


@pytest.mark.parametrize("given", [[], [float("nan"), -1.0]])
def test_log_probabilities_that_are_none_are_not_recorded(server, given):
    content = [{"token": "a", "logprob": value} for value in given]
    chat = {"message": {"content": "text"}, "logprobs": {"content": content}}
    REPLIES["no logprobs"] = lambda handler, body: handler.send(200, json.dumps({"choices": [chat]}).encode())
    server.fault = lambda number, body: "no logprobs"
    sample = next(iter(drawn(openai_backend(server, logprobs=True), variants=VARIANTS[:1]).values()))
    assert (sample.logprob, sample.n_tokens, sample.n_tokens_estimated) == (None, 1, True)


def test_what_draws_nothing_leaves_the_folder_to_another_configuration(server, tmp_path):
    with Server() as gone:
        pass
    requests = [
        EvalRequest(
            "a-model", "sums", selection=Selection(limit=1), samples=1, backend="openai",
            options=BackendOptions(args={"base_url": url, "tries": "1", "backoff": "0.01"}),
        )
        for url in (gone.url, server.url)
    ]  # fmt: skip
    with pytest.raises(AlftbenchError, match="ConnectError"):
        evaluate(plan(requests[0]), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert evaluate(plan(requests[1]), tmp_path).status == "complete"
