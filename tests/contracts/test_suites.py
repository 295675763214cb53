"""Every registered suite and a sample of every family: sound where data is at hand, with ids and references."""

from __future__ import annotations

import importlib.util
import json

import pytest

from alftbench.answers.partition import reference_keys
from alftbench.base import entry_points
from alftbench.errors import UsageError
from alftbench.suites.base import Grader, Suite
from alftbench.suites.catalogue import about, load_every, load_registered, registered
from alftbench.suites.load import Selection, load_suite, read_orbits
from alftbench.suites.validate import selection_for, validate
from tests.helpers import SHARED, peer_row, write_peer, write_task

SUITES = list(registered()[0])
FAMILIES = list(entry_points.available("suite family"))
EXTRAS = {"reasoning-gym": "reasoning_gym", "lm-eval": "lm_eval"}
SOME = 40  # problems that are looked at


@pytest.mark.parametrize("name", SUITES)
def test_it_says_what_it_is(name):
    suite = load_registered(name)
    assert isinstance(suite, Suite)
    assert suite.info.name == name
    assert all((suite.info.version, suite.info.description, suite.info.licence, suite.info.citation))
    assert "test" in suite.info.splits
    assert json.loads(json.dumps(about(suite)))["name"] == name


@pytest.mark.parametrize("name", SUITES)
def test_it_is_sound(name):
    suite = load_registered(name)
    try:
        report = validate(suite, selection_for(suite, Selection(data=str(SHARED), limit=SOME)))
    except UsageError as error:
        pytest.skip(str(error))
    assert [(check.name, check.findings) for check in report.checks if check.findings] == []


@pytest.fixture(params=FAMILIES)
def member(request, tmp_path) -> tuple[str, str | None]:
    """A suite of each family, and its data; a sample of one that is registered later has to be named here."""
    name = request.param
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None:
        pytest.skip(f"{EXTRAS[name]} is not installed")
    if name == "reasoning-gym":
        return "reasoning-gym:chain_sum:size=5", None
    if name == "lm-eval":
        data = tmp_path / "rows.jsonl"
        data.write_text('{"question": "1 + 1?", "answer": "#### 2"}\n', encoding="utf-8")
        return f"lm-eval:{write_task(tmp_path / 'task.yaml', 'one_sum', data)}@strict", None
    if name == "imported":
        return "imported:cot:like=gsm8k", str(write_peer(tmp_path, [peer_row(0, "so #### 4", ["it is 4"])]))
    pytest.skip(f"no sample of the family {name} is named here")


def test_a_member_of_a_family_keeps_the_contract(member):
    name, data = member
    suite = load_suite(name)
    assert isinstance(suite, Suite)
    orbits = read_orbits(suite, Selection(data=data))
    assert len({orbit.problem.id for orbit in orbits}) == len(orbits) > 0
    for orbit in orbits:
        assert orbit.variants
        assert isinstance(suite, Grader) or reference_keys(orbit.problem)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_refuses_nonsense_in_one_line(family):
    with pytest.raises(UsageError) as caught:
        load_suite(f"{family}:no/such/thing:nonsense=1")
    assert "\n" not in str(caught.value)


def test_every_suite_loads():
    loaded, broken = load_every()
    assert (list(loaded), broken) == (SUITES, {})
