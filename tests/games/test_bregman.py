"""Power objectives and Bregman projections: special cases, generic Newton, scans, the ends of the range."""

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from alftbench.errors import BadInput, UsageError
from alftbench.games import (
    BetaDivergence,
    Coherence,
    Diversity,
    Game,
    HardCoherence,
    Prompt,
    QuadraticDiversity,
    Status,
    TargetMatching,
    TracePolicy,
    TsallisDiversity,
    conjugate,
    load_game,
    solve,
)
from alftbench.games.newton import newton
from alftbench.games.numerics import log_normalise, log_of
from alftbench.games.twostep import barycentre
from tests.games import convex
from tests.games.random_games import random_marginals

P0 = np.array([[0.6, 0.3, 0.1, 0.0], [0.1, 0.2, 0.3, 0.4]])
BONUS = np.array([0.0, 1.0, 0.0, 0.0])
LOG_Q = np.log([0.1, 0.2, 0.3, 0.4])
POWERS = [TsallisDiversity(0.7, a, BONUS) for a in (0.3, 1.0, 1.5, 2.0, 4.0)]
POWERS += [BetaDivergence(0.7, b, LOG_Q) for b in (-0.7, 0.0, 0.5, 1.0, 3.0)]


def of(objective, beta=0.4):
    return Game.from_marginals(P0, objective, beta, [1.0, 3.0])


@pytest.mark.parametrize(
    ("ours", "known"),
    [
        (TsallisDiversity(0.7, 1.0, BONUS), Diversity(0.7, BONUS)),
        (TsallisDiversity(0.7, 1 + 1e-9, BONUS), Diversity(0.7, BONUS)),
        (TsallisDiversity(0.7, 1 - 1e-9, BONUS), Diversity(0.7, BONUS)),
        (TsallisDiversity(0.35, 2.0, BONUS), QuadraticDiversity(0.7, BONUS)),
        (BetaDivergence(0.7, 0.0, LOG_Q), TargetMatching(0.7, LOG_Q)),
        (BetaDivergence(0.7, -1e-9, LOG_Q), TargetMatching(0.7, LOG_Q)),
        (TsallisDiversity(0.0, 3.0, BONUS), Diversity(0.0, BONUS)),
        (BetaDivergence(0.0, 3.0, LOG_Q), TargetMatching(0.0, LOG_Q)),
    ],
)
def test_the_ends_of_the_families_are_the_objectives_known(ours, known):
    """Equilibrium, value up to a constant, reward up to a constant, conjugate up to the same constant."""
    game, other, weights = of(ours), of(known), of(ours).weights_P
    assert np.allclose(solve(game).p_PZ, solve(other).p_PZ, atol=1e-8)
    log_p = np.log(np.random.default_rng(0).dirichlet(np.ones(4), size=2))
    shift = ours.value(log_p, weights) - known.value(log_p, weights)
    flat = np.full((2, 4), np.log(0.25))
    assert ours.value(flat, weights) - known.value(flat, weights) == pytest.approx(shift, abs=1e-8)
    reward = ours.gradient(log_p, weights) - known.gradient(log_p, weights)
    assert np.ptp(reward, axis=1).max() <= 1e-7
    u = np.array([[0.3, -1.0, 0.2, 5.0], [0.0, 0.5, 0.1, -2.0]])
    assert conjugate(game, u) == pytest.approx(conjugate(other, u) - shift, abs=1e-8)


def test_order_one_is_half_the_squared_distance():
    """The definition, and p* against a scan of two answers."""
    p, q = np.array([0.7, 0.3]), np.array([0.2, 0.8])
    F = BetaDivergence(2.0, 1.0, np.log(q))
    assert F.value(np.log(p)[None], np.ones(1)) == pytest.approx(((p - q) ** 2).sum())
    game = Game.from_marginals(p[None], F, 0.5)
    grid = np.linspace(1e-6, 1 - 1e-6, 400_001)
    J = 0.5 * (grid * np.log(grid / 0.7) + (1 - grid) * np.log((1 - grid) / 0.3)) + 2 * (grid - 0.2) ** 2
    assert solve(game).p_PZ[0, 0] == pytest.approx(grid[J.argmin()], abs=5e-6)


@pytest.mark.parametrize("F", POWERS)
def test_the_generic_newton_method_finds_the_same(F):
    """Hessian and gradient drive it from the reference; Wright's function knows neither."""
    game = of(F)
    log_p, history = newton(game, 1e-12, log_normalise(game.log_admissible_PZ))
    assert history.gap_T[-1] <= 1e-12
    assert np.allclose(np.exp(log_p), solve(game).p_PZ, atol=1e-7)
    for method in ("mirror", "no-regret", "ascent", "direct"):
        rival = solve(game, method, 1e-4)
        assert rival.certified, (method, rival.message)
        assert rival.value - solve(game).value <= 1e-4


@pytest.mark.parametrize("F", POWERS)
def test_hessian_and_curvature(F):
    """The diagonal in dp/√(p/w) by central differences of the gradient; for b ≥ 0 never above the curvature."""
    p, w, h = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]]), np.array([0.3, 0.7]), 1e-5
    slope = (F.gradient(np.log(p + h), w) - F.gradient(np.log(p - h), w)) / (2 * h)
    blocks = F.fisher_hessian(np.log(p), w)
    assert np.allclose(np.einsum("zpp->pz", blocks), p * slope, rtol=1e-6)
    assert np.all(blocks[:, 0, 1] == 0)
    if F.power[1] >= 0:
        assert blocks.max() <= F.curvature


@pytest.mark.parametrize("F", POWERS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_given_that_some_answers_have_a_share(F, share):
    """F(share · p)/share, from the definitions with p that do not sum to one, up to a constant."""

    def plain(p):
        k, b = F.power
        phi = p * (np.log(p) - 1) if b == 0.0 else (p ** (1 + b) / (1 + b) - p) / b
        return k * phi.sum() - p @ F.bonus

    rng, w = np.random.default_rng(1), np.ones(1)
    rows = rng.dirichlet(np.ones(4), size=6)
    apart = [F.given(share).value(np.log(p)[None], w) - plain(share * p) / share for p in rows]
    assert np.ptp(apart) <= 1e-12


@pytest.mark.parametrize("index", [0.01, 0.5, 1 - 1e-7, 1.5, 3.0, 100.0])
@pytest.mark.parametrize("kind", ["tsallis", "beta"])
def test_twelve_orders_of_magnitude_and_zeros(kind, index):
    """λ/β from 1e-6 to 1e6, 200 answers, references down to 1e-300 or half zero: certified, and a distribution."""
    rng = np.random.default_rng(8)
    for k, ratio in enumerate(10.0 ** np.arange(-6, 7, 1.5)):
        p0 = random_marginals(rng, 2, 200) if k % 2 else 10 ** rng.uniform(-300, 0, size=(2, 200))
        q = random_marginals(rng, 1, 200)[0] + 1e-9
        F = TsallisDiversity(ratio, index, np.zeros(200)) if kind == "tsallis" else None
        game = Game.from_marginals(p0, F or BetaDivergence(ratio, index - 1, log_of(q)), 1.0)
        found = solve(game, "exact", 1e-9 * max(1.0, ratio))
        assert found.certified, (ratio, found.gap)
        assert np.isfinite([found.value, found.pair.gap]).all()
        assert np.allclose(found.p_PZ.sum(axis=1), 1.0, atol=1e-12)
        assert found.pair.gap <= 1e-9 * max(1.0, ratio)
        assert np.array_equal(found.p_PZ == 0, np.exp(found.log_p_PZ) == 0)


@pytest.mark.parametrize("seed", range(30))
def test_no_method_claims_what_is_no_number(seed):
    """Any λ/β, index, zeros and probabilities of 1e-300: a distribution, numbers, and success only with a gap."""
    rng = np.random.default_rng(seed)
    P, Z, lambda_ = int(rng.integers(1, 4)), int(rng.integers(2, 12)), float(10 ** rng.uniform(-6, 6))
    rarest, possible = ((-300, 1.0), (-3, 1.0), (-30, 0.5))[seed % 3]
    p0 = 10 ** rng.uniform(rarest, 0, size=(P, Z)) * (rng.random((P, Z)) < possible)
    p0[:, 0] += 0.1
    index = float(rng.choice([0.01, 0.3, 0.7, 1.5, 4.0, 100.0]))
    q = rng.dirichlet(np.ones(Z)) * (rng.random(Z) < 0.7)
    q[0] += 0.01
    bonus = (rng.random(Z) < 0.3).astype(float)
    for F in (TsallisDiversity(lambda_, index, bonus), BetaDivergence(lambda_, index - 1, log_of(q / q.sum()))):
        game, tolerance = Game.from_marginals(p0, F, 1.0), 1e-9 * max(1.0, lambda_)
        for method in ("mirror", "no-regret", "ascent", "alternating", "direct"):
            found = solve(game, method, tolerance, max_iterations=40)
            assert np.allclose(found.p_PZ.sum(axis=1), 1.0, atol=1e-9)
            assert not np.isnan([found.gap, found.value]).any()
            assert found.converged <= (np.isfinite(found.value) and 0 <= found.gap <= tolerance)


def test_small_alpha_raises_rare_answers_most():
    """At equal λ a rare answer gains more the smaller α is: p^{α−1} is what it is paid."""
    p0 = np.array([[0.9, 0.099, 0.001]])
    rare = [
        solve(Game.from_marginals(p0, TsallisDiversity(0.2, a, np.zeros(3)), 1.0)).p_PZ[0, 2]
        for a in (0.3, 0.7, 1.0, 1.5, 3.0)
    ]
    assert np.all(np.diff(rare) < 0)


def test_below_order_zero_q_forbids_and_above_it_only_costs():
    """q = 0 on one answer; and a reference that has no other is refused."""
    log_q = log_of(np.array([0.5, 0.5, 0.0]))
    p0 = np.array([[0.3, 0.3, 0.4]])
    assert solve(Game.from_marginals(p0, BetaDivergence(1.0, -0.5, log_q), 1.0)).p_PZ[0, 2] == 0.0
    assert 0.0 < solve(Game.from_marginals(p0, BetaDivergence(1.0, 0.5, log_q), 1.0)).p_PZ[0, 2] < 0.4
    with pytest.raises(BadInput, match="probability 0 to every answer"):
        solve(Game.from_marginals(np.array([[0.0, 0.0, 1.0]]), BetaDivergence(1.0, 0.0, log_q), 1.0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TsallisDiversity(1.0, 0.0, BONUS), "alpha is 0; it must be from 0.01 to 100"),
        (lambda: TsallisDiversity(1.0, float("nan"), BONUS), "alpha is nan"),
        (lambda: BetaDivergence(1.0, -1.0, LOG_Q), "order is -1; it must be from -0.99 to 99"),
        (lambda: solve(of(Coherence(1.0)), "two-step", order=-2.0), "order is -2"),
        (lambda: solve(of(Coherence(1.0)), "two-step", features=[np.ones((4, 1))]), "features"),
    ],
)
def test_indices_out_of_range_are_refused(build, message):
    """In one line that says the range."""
    with pytest.raises(BadInput, match=message):
        build()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ('{"name": "tsallis_diversity", "lambda": 1}', "objective.alpha: is missing"),
        ('{"name": "tsallis_diversity", "lambda": 1, "alpha": 0}', "alpha: must be a number, at least 0.01"),
        ('{"name": "beta_divergence", "lambda": 1, "order": -1, "target": {"a": 1}}', "order: must be a number"),
        ('{"name": "beta_divergence", "lambda": 1, "order": 1}', "objective.target: is missing"),
    ],
)
def test_a_file_that_describes_none_is_refused(tmp_path, objective, message):
    """By the entry's name."""
    path = tmp_path / "game.json"
    traces = '[{"traces": [{"answer": "a", "logprob": 0}]}]'
    path.write_text(f'{{"beta": 1, "objective": {objective}, "prompts": {traces}}}', encoding="utf-8")
    with pytest.raises(BadInput, match=message):
        load_game(path)


def orbit(rng, F, P, Z):
    """An orbit of a few traces an answer; answer 0 is common, others may be impossible."""
    answers = [np.r_[np.arange(Z), rng.integers(0, Z, size=rng.integers(0, 5))] for _ in range(P)]
    rows = [2 * rng.normal(size=a.size) for a in answers]
    for row in rows:
        row[1:][rng.random(row.size - 1) < 0.15] = -np.inf
    prompts = tuple(Prompt(a, r, float(rng.uniform(0.3, 1))) for a, r in zip(answers, rows, strict=True))
    return Game(float(10 ** rng.uniform(-1, 1)), F, tuple("abcdef"[:Z]), prompts)


@pytest.mark.parametrize("order", [-0.5, 0.5, 1.0, 2.0])
def test_bregman_projections_against_a_convex_solver(order):
    """Six orbits an order: the consensus, then every prompt's traces, each no higher than Clarabel's minimum."""
    rng = np.random.default_rng(int(10 * order) + 50)
    for _ in range(6):
        game = orbit(rng, HardCoherence(), int(rng.integers(2, 5)), int(rng.integers(2, 6)))
        log_q, found = barycentre(game, "geometric", order), solve(game, "two-step", order=order)
        assert np.abs(found.p_PZ - np.exp(log_q)).max() <= 1e-12
        p0 = np.exp(game.log_reference_PZ)
        shared = np.flatnonzero((p0 > 0).all(axis=0))
        q = cp.Variable(shared.size, nonneg=True)
        pairs = zip(game.weights_P, p0[:, shared], strict=True)
        cost = sum(w * convex.density_power(q, row, order) for w, row in pairs)
        convex.assert_minimum(cost, [cp.sum(q) == 1], q, np.exp(log_q[shared]))
        for x, log_pi in zip(game.prompts, found.policy, strict=True):
            kept = np.flatnonzero((x.log_prob_Y > -np.inf) & (log_q[x.answer_Y] > -np.inf))
            told, row = np.unique(x.answer_Y[kept], return_inverse=True)
            pi = cp.Variable(kept.size, nonneg=True)
            rules = [np.eye(told.size)[:, row] @ pi == np.exp(log_q[told])]
            cost = convex.density_power(pi, np.exp(x.log_prob_Y[kept]), order)
            convex.assert_minimum(cost, rules, pi, np.exp(log_pi[kept]))
            inside = kept[log_pi[kept] > -np.inf]  # Within an answer π^b − π0^b is one number.
            shift = np.exp(order * log_pi[inside]) - np.exp(order * x.log_prob_Y[inside])
            spread = max(np.ptp(shift[x.answer_Y[inside] == z]) for z in np.unique(x.answer_Y[inside]))
            assert spread <= 1e-12 * np.exp(order * x.log_prob_Y[inside]).max()


def test_consensus_by_hand():
    """Order 0 geometric, order 1 the mean, which spreads evenly what is not common."""
    p0 = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    hard = Game.from_marginals(p0, HardCoherence(), 1.0)
    geometric = np.sqrt(p0[0] * p0[1])
    assert np.allclose(np.exp(barycentre(hard, "geometric", 0.0)), geometric / geometric.sum())
    assert np.allclose(np.exp(barycentre(hard, "geometric", 1.0)), p0.mean(axis=0))
    missing = Game.from_marginals(np.array([[0.7, 0.3, 0.0], [0.1, 0.3, 0.6]]), HardCoherence(), 1.0)
    assert np.allclose(np.exp(barycentre(missing, "geometric", 1.0)), [0.4 + 0.15, 0.3 + 0.15, 0.0])
    assert np.allclose(np.exp(barycentre(missing, "arithmetic", 0.0)), [0.4 / 0.7, 0.3 / 0.7, 0.0])


def test_only_kl_keeps_the_traces_given_the_answer():
    """The Euclidean projection adds the same to every trace of an answer: that drift is in value and gap."""
    prompts = (Prompt(np.array([0, 0, 1]), np.log([0.5, 0.3, 0.2])), Prompt(np.array([0, 1]), np.log([0.4, 0.6])))
    game = Game(1.0, HardCoherence(), ("a", "b"), prompts)
    plain, euclid = solve(game, "two-step", mean="arithmetic"), solve(game, "two-step", order=1.0)
    assert np.allclose(plain.p_PZ, [[0.6, 0.4]] * 2)
    assert np.allclose(euclid.p_PZ, plain.p_PZ)
    assert np.allclose(np.exp(euclid.policy[0]), [0.4, 0.2, 0.4])
    drift = TracePolicy(game, euclid.policy).drift
    assert drift > 0
    assert euclid.value == pytest.approx(plain.value + drift)
    assert euclid.gap == pytest.approx(plain.gap + drift)
    assert euclid.status is Status.APPROXIMATE


def test_in_a_class_the_fit_is_the_nearest_member():
    """Twenty-five classes: the KL from the projected policies against BFGS; J never below that of `direct`."""
    rng = np.random.default_rng(4)
    for _ in range(25):
        game = orbit(rng, Coherence(1.0), 3, 3)
        features = [rng.normal(size=(x.log_prob_Y.size, 2)) for x in game.prompts]
        order = float(rng.choice([0.0, 1.0]))
        taus = [np.exp(row) for row in solve(game, "two-step", order=order).policy]
        found = solve(game, "two-step", order=order, features=features)

        def loss(theta, game=game, features=features, taus=taus):
            rows = zip(game.weights_P, game.prompts, features, taus, strict=True)
            log_pis = ((w, t, log_normalise(x.log_prob_Y + phi @ theta)) for w, x, phi, t in rows)
            return -sum(w * float(t[t > 0] @ row[t > 0]) for w, t, row in log_pis)

        least = minimize(loss, np.zeros(2), tol=1e-10).fun
        rows = zip(game.weights_P, taus, found.policy, strict=True)
        assert -sum(w * float(t[t > 0] @ row[t > 0]) for w, t, row in rows) == pytest.approx(least, abs=1e-8)
        assert found.status is Status.APPROXIMATE
        within = solve(game, "direct", features=features, max_iterations=300)
        assert found.value >= TracePolicy(game, within.policy).value - 1e-6 * game.beta


def test_in_a_class_of_every_policy_two_step_is_two_step():
    """One feature a trace and prompt: for hard coherence certified, for soft as without a class."""
    rng = np.random.default_rng(5)
    prompts = tuple(Prompt(np.arange(3), rng.normal(size=3)) for _ in range(2))
    features = np.split(np.eye(6), 2)
    for F in (HardCoherence(), Coherence(2.0)):
        game = Game(0.7, F, ("a", "b", "c"), prompts)
        inside, whole = solve(game, "two-step", 1e-9, features=features), solve(game, "two-step")
        assert np.allclose(inside.p_PZ, whole.p_PZ, atol=1e-7)
        assert inside.certified == whole.certified == isinstance(F, HardCoherence)


def test_in_a_class_hard_coherence_costs_two_step_no_less_than_direct():
    """Three parameters for two conditions at a given q, one condition at a free q."""
    rng, dearer = np.random.default_rng(6), 0
    for _ in range(6):
        prompts = tuple(Prompt(np.array([0, 1, rng.integers(2)]), rng.normal(size=3)) for _ in range(2))
        game = Game(1.0, HardCoherence(), ("a", "b"), prompts)
        features = [rng.normal(size=(3, 3)) for _ in range(2)]
        two, one = (solve(game, method, features=features) for method in ("two-step", "direct"))
        assert np.isfinite([one.value, two.value]).all()
        assert two.value >= one.value - 1e-9
        assert np.allclose(two.p_PZ, np.exp(barycentre(game, "geometric", 0.0)), atol=1e-10)
        dearer += two.value > one.value + 1e-4
    assert dearer >= 2


def test_a_class_without_the_consensus_says_so():
    """One feature that does nothing."""
    game = Game.from_marginals(np.array([[0.9, 0.1], [0.2, 0.8]]), HardCoherence(), 1.0)
    found = solve(game, "two-step", features=[np.zeros((2, 1))] * 2)
    assert found.status is Status.STALLED
    assert "has the consensus: it is off by up to 0.4" in found.message


def test_two_step_asks_for_an_orbit():
    """A power objective ties nothing together."""
    with pytest.raises(UsageError, match="coherence or consensus"):
        solve(of(POWERS[0]), "two-step")
