"""The fault table's row "hostile YAML": each file is refused with one line, within 2 s and 512 MB."""

from __future__ import annotations

import pytest
import yaml

from alftbench.suites.load import load_suite
from tests.helpers import MINE, changed

GOOD = yaml.safe_dump(MINE, sort_keys=False)


def laughs(first, kind):
    """Nine names, each ten times the one before."""
    lines = [f"a0: &a0 {first}"]
    for n in range(9):
        below = ", ".join([f"*a{n}"] * 10)
        lines.append(f"a{n + 1}: &a{n + 1} {kind.format(below)}")
    return "\n".join(lines) + "\n"


def spec(path, value):
    return yaml.safe_dump(changed(path, value), sort_keys=False)


def version(text):
    return GOOD.replace("version: 1\n", f"version: {text}\n")


HOSTILE = {
    "billion laughs": (laughs("[lol]", "[{}]"), "more than 20000 entries"),
    "merge keys": (laughs("{x: 1}", "{{<<: [{}]}}"), "more than 20000 entries"),
    "a long text, often": (
        f"a: &a '{'x' * 400_000}'\nb: [{', '.join(['*a'] * 9000)}]\n",
        "more than 20000 entries",
    ),
    "an alias of itself": (GOOD + "me: &me [*me]\n", "an alias stands inside what it names"),
    "a chain of aliases": (
        "".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 1}]\n" for n in range(900)),
        "nested more",
    ),
    "nested in brackets": ("a: " + "[" * 100_000, "nested more than 50 deep"),
    "nested in braces": ("a: " + "{a: " * 50_000, "nested more than 50 deep"),
    "nested by indents": ("".join(" " * n + "a:\n" for n in range(400)), "nested more than 50 deep"),
    "nested by dashes": ("- " * 100_000 + "a", "nested more than 50 deep"),
    "too large": (GOOD + "# " + "x" * 10_000_000, "larger than 0.5 MiB"),
    "too many entries": (f"a: [{'1,' * 100_000}1]\n", "more than 20000 entries"),
    "many unknown keys": (GOOD + "".join(f"promt{n}: 1\n" for n in range(9000)), "more characters"),
    "a key twice": (GOOD + "name: other\n", "written twice"),
    "a whole number without end": (
        version(f"{'9' * 5000}"),
        "more than 100",
    ),
    "the same in base 16": (
        version(f"0x{'f' * 50_000}"),
        "more than 100",
    ),
    "the same in base 60": (
        version(f"1{':59' * 50_000}"),
        "more than 100",
    ),
    "a float without end": (spec("sampling.temperature", 7).replace(": 7", f": 1{':59' * 50_000}.5"), "not YAML"),
    "an object of Python": (
        "!!python/object/apply:os.system ['touch canary']",
        "could not determine a constructor",
    ),
    "a module of Python": (GOOD + "x: !!python/module:os {}\n", "could not determine a constructor"),
    "a date that is none": (GOOD + "x: !!timestamp soon\n", "not YAML"),
    "a whole number that is none": (GOOD + "x: !!int ''\n", "not YAML"),
    "NUL": (GOOD + 'x: "\0"\n', "special characters are not allowed"),
    "Latin-1": ((GOOD + "x: \xe9\n").encode("latin-1"), "cannot be read"),
    "UTF-16": (GOOD.encode("utf-16"), "cannot be read"),
    "a key that is a list": (GOOD + "? [a, b]\n: 1\n", "keys are texts"),
    "a key of ten thousand letters": (GOOD + f"{'k' * 1000}: 1\n" + f"? {'k' * 10_000}\n: 1\n", "unknown key"),
    "a wide layout": (spec("file.fields.id", {"format": "{key:>1000000000}"}), "at most 999 wide"),
    "a precise layout": (spec("file.fields.id", {"format": "{key:.1000000000}"}), "at most 999 wide"),
    "a layout of a layout": (spec("file.fields.id", {"format": "{key:{how}}"}), "plain names in braces"),
    "an attribute": (spec("file.fields.id", {"format": "{key.__class__.__mro__}"}), "plain names in braces"),
    "an index": (spec("file.fields.id", {"format": "{key[0]}"}), "plain names in braces"),
    "a place": (spec("file.fields.id", {"format": "{0} {}"}), "plain names in braces"),
    "an attribute in the prompt": (spec("prompt.plain", "${question.__class__}"), "no other placeholder"),
    "a name that climbs": (spec("name", "../../etc"), "name: must be a name of letters"),
    "a name of two dots": (spec("name", ".."), "name: must be a name of letters"),
    "a name of two lines": (spec("name", "a\nb"), "name: must be a name of letters"),
    "a name with NUL": (spec("name", "a\0b"), "name: must be a name of letters"),
    "a name that turns round": (spec("name", "a\u202eb"), "name: must be a name of letters"),
    "a name too long": (spec("name", "a" * 300), "name: must be a name of letters"),
    "a device of Windows": (spec("name", "nul.txt"), "name: must be a name of letters"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_is_refused_with_one_line(refusal, tmp_path, kind):
    content, why = HOSTILE[kind]
    (tmp_path / "mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refusal("suites", "show", "mine.yaml", "--data", "mine.jsonl", code=2)
    assert said.startswith("error: mine.yaml: ")
    assert why in said
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml"}


def test_aliases_within_bounds_are_read(mine, tmp_path):
    path, _ = mine()
    file = tmp_path / "mine.yaml"
    text = file.read_text(encoding="utf-8").replace("licence: CC0-1.0", "licence: &free CC0-1.0")
    file.write_text(text.replace("citation: nobody", "citation: *free"), encoding="utf-8")
    assert load_suite(path).info.citation == "CC0-1.0"


@pytest.mark.parametrize("samples", ["1000000000000", "100001"])
def test_samples_without_end_are_refused(new_refusal, samples):
    said = new_refusal("eval", "--samples", samples, "--backend", "openai", "--model", "m", code=2)
    assert "--samples" in said
