"""REINFORCE in plain torch and transformers, for `alftbench train "external:command=python THIS FILE"`.

It knows nothing of alftbench but the files that docs/plugins/external.md describes. One problem a step, all its
phrasings, a group of completions of each; the reward is 1 where the last number is the answer.
"""

import json
import os
import random
import re
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

GROUP, LEARNING_RATE, SAVE_EVERY = 4, 2e-4, 5
asked = json.loads(Path(sys.argv[1]).read_text())
suite, budget, state = asked["suites"][0], asked["budget"], Path(asked["state"]) / "state.pt"
problems = [json.loads(line) for line in Path(suite["problems"]).read_text().splitlines()]
device = "cpu" if asked["device"] == "auto" else asked["device"]
tokenizer = AutoTokenizer.from_pretrained(asked["model"])
model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32).to(device).eval()
optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
step, spent = 0, {"generated_tokens": 0, "trained_tokens": 0, "steps": 0}


def save():
    """What the next attempt goes on from, written in one step."""
    saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "spent": spent}
    torch.save(saved, state.with_suffix(".partial"))
    os.replace(state.with_suffix(".partial"), state)


def sample(phrasing):
    """A prompt's tokens, and GROUP completions of it, padded behind their end."""
    prompt = tokenizer.apply_chat_template(
        phrasing["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).to(device)
    drawn = model.generate(
        **prompt, do_sample=True, temperature=suite["temperature"], top_k=0, top_p=1.0,
        num_return_sequences=GROUP, max_new_tokens=suite["max_tokens"], pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return prompt["input_ids"].shape[1], drawn


def reward(text, answers):
    """1 where the last number of a text is an answer."""
    return float(re.findall(r"-?\d+", text)[-1:] == answers[:1])


def learn(problem):
    """One step on a problem; its mean reward and the gradient's norm."""
    rewards = []
    for phrasing in problem["phrasings"]:
        start, drawn = sample(phrasing)
        written = drawn[:, start:]
        is_end = written == tokenizer.eos_token_id
        real = (is_end.cumsum(-1) - is_end.long()) == 0  # up to the first end token, that one included
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        r = torch.tensor([reward(text, problem["answers"]) for text in texts], device=device)
        logits = model(drawn).logits[:, start - 1 : -1] / suite["temperature"]
        log_p = logits.log_softmax(-1).gather(-1, written[..., None])[..., 0]
        advantages = (r - r.mean()) / (len(problem["phrasings"]) * GROUP)
        (-(advantages * (log_p * real).sum(-1)).sum()).backward()
        for name in ("generated_tokens", "trained_tokens"):
            spent[name] += int(real.sum())
        rewards.append(float(r.mean()))
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0))
    optimizer.step()
    optimizer.zero_grad()
    return sum(rewards) / len(rewards), norm


if state.exists():
    saved = torch.load(state)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    step, spent = saved["step"], saved["spent"]
while budget["steps"] is None or step < budget["steps"]:
    problem = problems[random.Random(f"{asked['seed']} {step}").randrange(len(problems))]
    longest = GROUP * suite["max_tokens"] * len(problem["phrasings"])
    if budget["tokens"] is not None and spent["generated_tokens"] + longest > budget["tokens"]:
        break
    torch.manual_seed(asked["seed"] * 1_000_003 + step)
    mean, norm = learn(problem)
    step += 1
    spent["steps"] = step
    line = {"step": step, "generated_tokens": spent["generated_tokens"], "reward": mean, "grad_norm": norm}
    with open(asked["updates"], "a") as updates:
        updates.write(json.dumps(line) + "\n")
    if step % SAVE_EVERY == 0:
        save()
model.save_pretrained(asked["checkpoint"])
tokenizer.save_pretrained(asked["checkpoint"])
Path(asked["cost"]).write_text(json.dumps(spent))
