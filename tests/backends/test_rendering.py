"""Chat templates: the text of transformers' own renderer, in a process that nothing gets out of or holds up."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from alftbench.backends.hf.loading import chat_text, load_tokenizer, prompt_ids
from alftbench.backends.rendering import MOST_ADDED, TemplateRefusal, rendered
from alftbench.errors import ModelRefused

CHAT = [
    {"role": "system", "content": "You add."},
    {"role": "user", "content": "  What is 1 + 2? <b>&é☃\n"},
    {"role": "assistant", "content": "3"},
    {"role": "user", "content": "And 3 + 4?"},
]
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<a>", "<b>"]}
TEMPLATES = {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "blocks and white space": """{%- if tools %}tools{% endif %}
    {%- set ns = namespace(n=0, last='') %}
    {% for m in messages %}
        {%- if m.role == 'system' and not loop.last %}
            {% set ns.last = m.content %}
            {% continue %}
        {%- endif %}
        {%- set ns.n = ns.n + 1 %}
  {{ bos_token }}[{{ ns.n }}] {{ m.content | trim }}{{ eos_token }}
        {% if ns.n > 5 %}{% break %}{% endif %}
    {% endfor %}
    {{ ns.last }}""",
    "JSON": "{{ messages | tojson }}{{ messages | tojson(indent=2, sort_keys=True) }}"
    "{{ additional_special_tokens }}",
    "what the model wrote": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "macros": "{% macro say(m) %}{{ m.role }}: {{ m.content }}{% endmacro %}"
    "{% for m in messages %}{{ say(m) }}\n{% endfor %}",
    "dictionaries": "{% set d = dict(a=1, b='x') %}{{ d.a }}{{ dict.fromkeys(['k'], 3) }}{{ d.items() | list }}",
    "missing names": "{{ undefined_name }}{{ messages[0].no_such | default('none') }}{{ documents is none }}",
    "slices and strings": "{{ messages[1:][0]['content'].split('?')[0].strip() }}{{ 'a' ~ 1 ~ none }}",
    "a date": "{{ strftime_now('%Y') }}",
    "a refusal": "{{ raise_exception('only users') }}",
    "no syntax": "{% for m in %}",
    "an error": "{{ 1 / 0 }}",
    "Python's own": "{{ messages.__class__.__base__.__subclasses__() }}",
    "attributes by format": "{{ '{0.__class__}'.format(1) }}",
    "changing a list": "{{ messages.append(1) }}",
    "a name with underscores": "{% set ns = namespace(__x=1) %}{{ ns }}",
}


def theirs(template: str, chat) -> str | type[Exception]:
    """What transformers makes of it, or the kind of error."""
    try:
        return render_jinja_template([chat], chat_template=template, add_generation_prompt=True, **NAMES)[0][0]
    except TemplateError:
        return TemplateRefusal
    except Exception:  # noqa: BLE001  whatever a template does
        return ModelRefused


def ours(template: str, chat) -> str | type[Exception]:
    try:
        return rendered(template, chat, NAMES)
    except ModelRefused as error:
        return type(error)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_text_is_that_of_transformers(name):
    assert ours(TEMPLATES[name], CHAT) == theirs(TEMPLATES[name], CHAT)


@settings(max_examples=60)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4), st.sampled_from(["chatml", "JSON", "macros"]))
def test_the_text_is_that_of_transformers_for_any_chat(contents, name):
    chat = [{"role": "user", "content": text} for text in contents]
    assert ours(TEMPLATES[name], chat) == theirs(TEMPLATES[name], chat)


def test_token_ids_are_those_of_the_tokenizer(tiny):
    tokenizer = load_tokenizer(tiny)
    chat = [{"role": "system", "content": "Answer: 1"}, {"role": "user", "content": "What is 12 + 34?"}]
    own = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert prompt_ids(tokenizer, chat) == own


def test_a_template_chosen_among_several(tiny):
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = {"default": "d{{ messages[0].content }}", "tool_use": "t"}
    assert chat_text(tokenizer, CHAT[1:2]) == "d" + CHAT[1]["content"]
    tokenizer.chat_template = {"tool_use": "t", "rag": "r"}
    with pytest.raises(ModelRefused, match="no default"):
        chat_text(tokenizer, CHAT)


NESTED = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
HOSTILE = {
    "loops": (NESTED, "takes more than 2 s"),
    "recursion": ("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}", "fails: 'RecursionError"),
    "a power": ("{{ 9 ** (9 ** 9) }}", "takes more than"),
    "a constant": ("{{ 'a' * 10 ** 11 }}", "takes more than 512 MB"),
    "a text that doubles": ("{% set ns = namespace(t='ab') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}"
                            "{% endfor %}{{ ns.t }}", "takes more than 512 MB"),
    "a long text": ("{% for i in range(9999) %}{{ 'a' * 999 }}{% endfor %}", "more than a million characters"),
    "formats": ("{{ '%0999999999d' | format(1) }}", "takes more than|million characters|fails"),
    "sorting": ("{% for i in range(99999) %}{{ (range(99999) | list | sort | list)[0] }}{% endfor %}", "2 s"),
    "a long template": ("{{ '' }}" * MOST_ADDED, "characters; use template=none"),
    "files": ("{% include '/etc/passwd' %}", "fails: |refuses the prompt"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_ends_with_one_line(name):
    template, message = HOSTILE[name]
    rendered("{{ 1 }}", CHAT, {})  # the worker is there
    started = time.monotonic()
    with pytest.raises(ModelRefused, match=message) as caught:
        rendered(template, CHAT, {})
    assert time.monotonic() - started < 12  # 2 s and what a busy machine adds
    assert len(str(caught.value).splitlines()) == 1
    assert rendered("{{ 2 }}", CHAT, {}) == "2"
