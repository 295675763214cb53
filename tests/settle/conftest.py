import numpy as np
import pytest

from alftbench.settle.language import TraceTree, make_language
from alftbench.settle.settings import SettleSettings

SMALL = SettleSettings(
    seeds=1,
    vocabulary=3,
    length=2,
    answers=3,
    prompts=2,
    width=8,
    rollouts=16,
    steps=4,
    exact_steps=6,
    checkpoints=2,
)


@pytest.fixture(scope="session")
def settings():
    """Nine traces, three answers, two prompts."""
    return SMALL


@pytest.fixture(scope="session")
def language(settings):
    tree = TraceTree(settings.vocabulary, settings.length, settings.answers)
    return make_language(tree, settings.prompts, settings.width, settings.skew, seed=1, steps=150)


@pytest.fixture
def moved_PY(language):
    """A policy other than the reference, normalised."""
    from alftbench.games.numerics import log_normalise

    shift = np.random.default_rng(5).standard_normal(language.log_pi0_PY.shape)
    return log_normalise(language.log_pi0_PY + 0.4 * shift)
