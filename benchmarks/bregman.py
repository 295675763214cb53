"""Power objectives and Bregman projections against a general convex solver and against scans.

Random games with half of their answers impossible, β and λ over four orders of magnitude: J beside the solver's,
Nash gaps, conjugates; barycentres and projections on traces; two-step within a class beside the direct projection
and a scan of the class; and, without a peer, λ/β from 1e-6 to 1e6 on 200 answers. The general solver is CVXPY with
Clarabel. Run `python benchmarks/bregman.py` with OMP_NUM_THREADS=1, twenty minutes; `--quick` takes a tenth.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import cvxpy as cp
import numpy as np

from alftbench.base.arrays import FloatArray
from alftbench.games import (
    BetaDivergence,
    Coherence,
    Game,
    HardCoherence,
    Prompt,
    Solution,
    TracePolicy,
    TsallisDiversity,
    conjugate,
    solve,
)
from alftbench.games.numerics import log_normalise, log_of
from alftbench.games.objectives.bregman import PowerObjective
from alftbench.games.twostep import barycentre

GAMES = 300
ALPHAS = (0.5, 1.5, 2.0, 3.0)
ORDERS = (-0.5, 0.5, 1.0, 2.0)
WIDE = (0.01, 0.5, 0.999999, 1.5, 3.0, 100.0)
"""Indices of the games without a peer."""


def marginals(rng: np.random.Generator, P: int, Z: int) -> FloatArray:
    """Over two orders of magnitude, half of them zero."""
    p = 10 ** rng.uniform(-2, 0, size=(P, Z))
    p[rng.random((P, Z)) < 0.5] = 0.0
    p[np.arange(P), rng.integers(Z, size=P)] += 0.1
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def objective(
    kind: str, number: float, lambda_: float, p0_PZ: FloatArray, rng: np.random.Generator
) -> PowerObjective:
    Z = p0_PZ.shape[1]
    if kind == "tsallis":
        return TsallisDiversity(lambda_, number, (rng.random(Z) < 0.3).astype(float))
    q = marginals(rng, 1, Z)[0]
    q[p0_PZ.argmax(axis=1)] += 1e-3
    return BetaDivergence(lambda_, number, log_normalise(log_of(q)))


def random_game(kind: str, number: float, rng: np.random.Generator) -> Game:
    p0 = marginals(rng, int(rng.integers(1, 5)), int(rng.integers(2, 51)))
    beta, lambda_ = 10 ** rng.uniform(-2, 2, size=2)
    return Game.from_marginals(p0, objective(kind, number, lambda_, p0, rng), beta, rng.uniform(0.2, 1, len(p0)))


def divergence(p: cp.Expression, q: FloatArray, b: float) -> cp.Expression:
    """D_b(p‖q) from its definition, b ≠ 0."""
    fixed = float((q ** (1 + b)).sum()) / (1 + b)
    return cp.sum(cp.power(p, 1 + b)) / (b * (1 + b)) - p @ q**b / b + fixed


def cost(F: PowerObjective, p: cp.Expression, at: FloatArray) -> cp.Expression:
    """F of one prompt on the answers `at`."""
    if isinstance(F, BetaDivergence):
        q = np.exp(F.log_q_Z)
        rest = float(np.delete(q, at).__pow__(1 + F.order).sum()) / (1 + F.order)
        return F.lambda_ * (divergence(p, q[at], F.order) + rest)
    assert isinstance(F, TsallisDiversity)
    return F.lambda_ / (F.alpha - 1) * (cp.sum(cp.power(p, F.alpha)) - 1) - p @ F.bonus_Z[at]


def run(problem: cp.Problem) -> float:
    """Its optimum, by the solver's own account."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")
        problem.solve(solver=cp.CLARABEL)
    return float(problem.solution.opt_val)


def problems(game: Game) -> tuple[cp.Problem, list[cp.Variable], list[FloatArray]]:
    """The game as a convex problem in units of max(β, λ); a variable and its answers for each prompt."""
    at = [np.flatnonzero(row > -np.inf) for row in game.log_admissible_PZ]
    ps = [cp.Variable(each.size, nonneg=True) for each in at]
    F = game.objective
    assert isinstance(F, PowerObjective)
    total = cp.Constant(0.0)
    for w, p, z, log_p0_Z in zip(game.weights_P, ps, at, game.log_reference_PZ, strict=True):
        total += w * (game.beta * cp.sum(cp.rel_entr(p, np.exp(log_p0_Z[z]))) + cost(F, p, z))
    return cp.Problem(cp.Minimize(total / unit(game)), [cp.sum(p) == 1 for p in ps]), ps, at


def unit(game: Game) -> float:
    return max(game.beta, float(game.objective.lambda_))  # type: ignore[attr-defined]


def theirs(game: Game) -> tuple[float, float]:
    """J at Clarabel's policies by this package's formula, and the processor time of the call."""
    problem, ps, at = problems(game)
    start = time.process_time()
    run(problem)
    took = time.process_time() - start
    p_PZ = np.zeros_like(game.log_admissible_PZ)
    for row, p, z in zip(p_PZ, ps, at, strict=True):
        row[z] = np.maximum(p.value, 0.0)
    return game.value(log_of(p_PZ / p_PZ.sum(axis=1, keepdims=True))), took


def their_conjugate(game: Game, u_PZ: FloatArray) -> float:
    """F*(u), the maximum by Clarabel."""
    at = [np.flatnonzero(row > -np.inf) for row in game.log_admissible_PZ]
    ps = [cp.Variable(each.size, nonneg=True) for each in at]
    F = game.objective
    assert isinstance(F, PowerObjective)
    rows = zip(game.weights_P, ps, at, u_PZ, strict=True)
    scale = max(1.0, unit(game), float(np.abs(u_PZ).max()))
    gain = sum(w * (p @ u_Z[z] - cost(F, p, z)) for w, p, z, u_Z in rows)
    return scale * run(cp.Problem(cp.Maximize(gain / scale), [cp.sum(p) == 1 for p in ps]))


def conjugates_apart(game: Game, rng: np.random.Generator) -> float:
    """How far the two F*(u) are apart at a random target, in units of the largest of β, λ, |u| and 1."""
    noise = game.beta * rng.normal(size=game.log_admissible_PZ.shape)
    u = np.where(game.log_admissible_PZ > -np.inf, noise, 0.0)
    scale = max(1.0, unit(game), float(np.abs(u).max()))
    return abs(conjugate(game, u) - their_conjugate(game, u)) / scale


def equilibria(kind: str, number: float, count: int) -> None:
    rng = np.random.default_rng([17, int(100 * (number + 1))])
    gaps, excess, apart, ours_s, theirs_s, failed = [], [], [], [], [], 0
    for _ in range(count):
        game = random_game(kind, number, rng)
        start = time.process_time()
        found = solve(game, "exact", 1e-9 * unit(game))
        ours_s.append(time.process_time() - start)
        value, took = theirs(game)
        failed += not found.certified
        theirs_s.append(took)
        gaps.append(found.gap / unit(game))
        excess.append((value - found.value) / unit(game))
        apart.append(conjugates_apart(game, rng))
    ratio = np.median(np.array(theirs_s) / np.array(ours_s))
    print(
        f"  {kind:8s} {number:5g}  {count} games, {failed} not certified; worst gap {max(gaps):.0e};"
        f" Clarabel's J less ours {min(excess):+.0e} to {max(excess):+.0e}; F* apart {max(apart):.0e};"
        f" x{ratio:.0f}",
        flush=True,
    )


def wide(count: int) -> None:
    """λ/β from 1e-6 to 1e6, 200 answers, references down to 1e-300."""
    rng = np.random.default_rng(5)
    for kind in ("tsallis", "beta"):
        for index in WIDE:
            gaps, silent = [], 0
            for k in range(count):
                p0 = marginals(rng, 2, 200) if k % 2 else 10 ** rng.uniform(-300, 0, size=(2, 200))
                lambda_ = 10 ** rng.uniform(-6, 6)
                F = objective(kind, index if kind == "tsallis" else index - 1, lambda_, p0, rng)
                found = solve(Game.from_marginals(p0, F, 1.0), "exact", 1e-9 * max(1.0, lambda_))
                numbers = np.r_[found.value, found.gap, found.p_PZ.sum(axis=1) - 1]
                fine = np.isfinite(numbers).all() and abs(numbers[2:]).max() < 1e-12
                silent += found.converged and not fine
                gaps.append(found.gap / max(1.0, lambda_) if found.converged else np.inf)
            missed = int(np.isinf(gaps).sum())
            print(
                f"  {kind:8s} index {index:8g}  {count} games, {missed} not certified,"
                f" {silent} successes that are none; worst gap {max(gaps):.0e}",
                flush=True,
            )


def orbit(rng: np.random.Generator, F: Coherence | HardCoherence, P: int, Z: int) -> Game:
    """A few traces an answer, some of them impossible; answer 0 is common."""
    answers = [np.r_[np.arange(Z), rng.integers(0, Z, size=rng.integers(0, 6))] for _ in range(P)]
    prompts = []
    for a in answers:
        log_prob = 2 * rng.normal(size=a.size)
        log_prob[1:][rng.random(a.size - 1) < 0.15] = -np.inf
        prompts.append(Prompt(a, log_prob, float(rng.uniform(0.3, 1))))
    return Game(float(10 ** rng.uniform(-1, 1)), F, tuple(map(str, range(Z))), tuple(prompts))


def excess_of_consensus(game: Game, log_q_Z: FloatArray, b: float) -> float:
    """How far Σ w D_b(q‖p0) lies above Clarabel's minimum."""
    shared = np.flatnonzero(game.log_admissible_PZ[0] > -np.inf)
    q = cp.Variable(shared.size, nonneg=True)
    rows = list(zip(game.weights_P, np.exp(game.log_reference_PZ[:, shared]), strict=True))
    least = run(cp.Problem(cp.Minimize(sum(w * divergence(q, p0, b) for w, p0 in rows)), [cp.sum(q) == 1]))
    return sum(w * divergence(np.exp(log_q_Z[shared]), p0, b).value for w, p0 in rows) - least


def excess_of_traces(game: Game, found: Solution, b: float) -> float:
    """The largest by which D_b(π‖π0) lies above Clarabel's minimum over policies with the same answers."""
    worst = -np.inf
    for x, log_pi, p_Z in zip(game.prompts, found.policy, found.p_PZ, strict=True):
        kept = np.flatnonzero((x.log_prob_Y > -np.inf) & (p_Z[x.answer_Y] > 0))
        told, row = np.unique(x.answer_Y[kept], return_inverse=True)
        pi, reference = cp.Variable(kept.size, nonneg=True), np.exp(x.log_prob_Y[kept])
        rules = [np.eye(told.size)[:, row] @ pi == p_Z[told]]
        least = run(cp.Problem(cp.Minimize(divergence(pi, reference, b)), rules))
        worst = max(worst, float(divergence(np.exp(log_pi[kept]), reference, b).value) - least)
    return worst


def projections(count: int) -> None:
    for b in ORDERS:
        rng = np.random.default_rng([23, int(100 * (b + 1))])
        consensus, traces, off = [], [], []
        for _ in range(count):
            game = orbit(rng, HardCoherence(), int(rng.integers(2, 5)), int(rng.integers(2, 7)))
            log_q_Z = barycentre(game, "geometric", b)
            found = solve(game, "two-step", order=b)
            consensus.append(excess_of_consensus(game, log_q_Z, b))
            traces.append(excess_of_traces(game, found, b))
            off.append(np.abs(found.p_PZ - np.exp(log_q_Z)).max())
        print(
            f"  order {b:5g}  {count} orbits; above Clarabel's minimum: consensus {min(consensus):+.0e} to"
            f" {max(consensus):+.0e}, traces {min(traces):+.0e} to {max(traces):+.0e}; p off q by {max(off):.0e}",
            flush=True,
        )


def scan_of_fit(
    log_references: list[FloatArray], taus: list[FloatArray], features: list[FloatArray], w: FloatArray
) -> float:
    """The least Σ w KL(τ‖π_θ) on a grid of two parameters, refined four times around its best."""
    centre, reach = np.zeros(2), 8.0
    for _ in range(5):
        line = np.linspace(-reach, reach, 81)
        theta = centre + np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
        loss = np.zeros(len(theta))
        for weight, log_prob, tau, phi in zip(w, log_references, taus, features, strict=True):
            log_pi = log_normalise(log_prob + theta @ phi.T)
            loss += weight * (tau * (log_of(np.maximum(tau, 1e-300)) - log_pi)).sum(axis=1)
        centre, reach = theta[loss.argmin()], reach / 20
    return float(loss.min())


def classes(count: int) -> None:
    """Two parameters: the fit against a scan; and what two-step costs beside direct, soft and hard."""
    rng = np.random.default_rng(29)
    fit, soft, hard, reached = [], [], [], 0
    for _ in range(count):
        game = orbit(rng, Coherence(float(10 ** rng.uniform(-1, 1))), 2, 2)
        prompts = tuple(Prompt(x.answer_Y, np.maximum(x.log_prob_Y, -3.0), x.weight) for x in game.prompts)
        game = Game(game.beta, game.objective, game.answers, prompts)
        features = [rng.normal(size=(x.log_prob_Y.size, 2)) for x in game.prompts]
        whole, inside = solve(game, "two-step"), solve(game, "two-step", features=features)
        taus = [np.exp(row) for row in whole.policy]
        rows = zip(game.weights_P, taus, whole.policy, inside.policy, strict=True)
        reached_kl = sum(w * float(tau @ (log_tau - log_pi)) for w, tau, log_tau, log_pi in rows)
        fit.append(reached_kl - scan_of_fit([x.log_prob_Y for x in prompts], taus, features, game.weights_P))
        within = solve(game, "direct", features=features, max_iterations=2000)
        soft.append((TracePolicy(game, inside.policy).value - within.value) / game.beta)
        agreed = Game(game.beta, HardCoherence(), game.answers, prompts)
        two, one = (solve(agreed, method, features=features) for method in ("two-step", "direct"))
        if np.isfinite(two.value) and np.isfinite(one.value):
            reached += 1
            hard.append((two.value - one.value) / game.beta)
    print(f"  {count} classes of two parameters: KL to the projected policies above a scan {max(fit):+.0e}")
    print(f"  soft coherence, J of two-step less direct, in β: {min(soft):+.1e}, median {np.median(soft):.2g}")
    print(
        f"  hard coherence, {reached} classes with both: cost of two-step less direct {min(hard):+.1e},"
        f" median {np.median(hard):.2g}, largest {max(hard):.2g}"
    )


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def speed(turns: int) -> None:
    """Fifty answers, eight prompts, β = 0.5, λ = 1: the two take turns."""
    rng = np.random.default_rng(0)
    p0 = rng.dirichlet(np.ones(50), size=8)
    log_q = np.log(rng.dirichlet(np.ones(50)))
    games = {f"tsallis, α = {a:g}": TsallisDiversity(1.0, a, np.zeros(50)) for a in ALPHAS}
    for name, F in {**games, **{f"beta, b = {b:g}": BetaDivergence(1.0, b, log_q) for b in ORDERS}}.items():
        ours, others = [], []
        for _ in range(turns):
            problem, *_ = problems(Game.from_marginals(p0, F, 0.5))
            others.append(seconds(lambda: run(problem)))  # noqa: B023
            ours += [seconds(lambda: solve(Game.from_marginals(p0, F, 0.5))) for _ in range(20)]  # noqa: B023
        mine, other = np.median(ours), np.median(others)
        print(f"  {name:18s} exact {1e3 * mine:.3f} ms   cvxpy+Clarabel {1e3 * other:.1f} ms  x{other / mine:.0f}")


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    n = GAMES // 10 if quick else GAMES
    print("equilibria, in units of the larger of β and λ")
    for alpha in ALPHAS:
        equilibria("tsallis", alpha, n)
    for order in ORDERS:
        equilibria("beta", order, n)
    print("without a peer: λ/β from 1e-6 to 1e6, 200 answers, references down to 1e-300, β = 1")
    wide(n)
    print("two-step: consensus and projection on traces")
    projections(n)
    print("two-step within a class")
    classes(n)
    print("speed, 50 answers x 8 prompts, processor time")
    speed(3 if quick else 9)
