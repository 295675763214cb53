"""Do coherence and diversity mean what their names say: simulated phrasings with known answer distributions.

    python benchmarks/coherence.py [--quick]

Identical phrasings must read coherence 1 and disjoint ones 0, whatever the entropy and the number of draws;
`disagreement` must be unbiased; the interval of the ratio must cover; a base that is only tempered must gain
nothing.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import brentq

from alftbench.base.ratios import linearised
from alftbench.base.stats import mean_interval
from alftbench.metrics.coherence import agreements, within_across
from alftbench.metrics.diversity import entropy, rarefied
from alftbench.publish.tempered import ACCURACY, ACROSS, WITHIN, Line, compared
from alftbench.types import AnswerPartition

V, Z = 6, 120
ENTROPIES = (0.1, 0.5, 1.0, 2.0, 3.0, 4.0)
DRAWS = (4, 8, 16)
AT_ONCE = 1000  # problems, so that memory stays small


def with_entropy(nats: float) -> np.ndarray:
    """A distribution over Z answers of this entropy, each a constant factor less likely than the one before."""

    def powers(rate: float) -> np.ndarray:
        p = np.exp(-rate * np.arange(Z))
        return p / p.sum()

    def of(rate: float) -> float:
        p = powers(rate)
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    return powers(brentq(lambda rate: of(rate) - nats, 1e-4, 20))


def phrasings(p_Z: np.ndarray, own: float) -> np.ndarray:
    """V phrasings that give a share `own` of their answers to nobody else's, shape (V, Z + V Z)."""
    shared = np.tile((1 - own) * p_Z, (V, 1))
    apart = np.zeros((V, V * Z))
    for v in range(V):
        apart[v, v * Z : (v + 1) * Z] = own * p_Z
    return np.hstack([shared, apart])


def coherence_of(p_VZ: np.ndarray, n: int, problems: int, rng: np.random.Generator) -> float:
    """What `coherence` reads of so many problems."""
    used = p_VZ.sum(axis=0) > 0
    p_VZ = p_VZ[:, used] / p_VZ.sum(axis=1, keepdims=True)
    sums = np.zeros(2)
    for start in range(0, problems, AT_ONCE):
        size = min(AT_ONCE, problems - start)
        counts = np.stack([rng.multinomial(n, p, size=size) for p in p_VZ], axis=1).astype(float)
        within, across = within_across(agreements(counts, np.full(V, float(n))))
        sums += across.sum(), within.sum()
    return float(sums[0] / sums[1])


def truth(p_VZ: np.ndarray) -> float:
    """Coherence of known distributions."""
    within, across = known(p_VZ)
    return float(across / within)


def known(p_VZ: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Agreement within and across phrasings of known distributions, shape (…, V, Z)."""
    together = p_VZ @ np.swapaxes(p_VZ, -1, -2)
    return within_across(together)


def ends(problems: int, rng: np.random.Generator) -> None:
    """What coherence reads beside the truth, by entropy, draws and the share of answers that are only one's."""
    print(f"coherence over {problems:,} problems, {V} phrasings: read (true)")
    print("share of its own, entropy | " + " | ".join(f"n = {n}" for n in DRAWS))
    for own in (0.0, 0.3, 0.7, 1.0):
        for nats in ENTROPIES:
            p_VZ = phrasings(with_entropy(nats), own)
            read = [coherence_of(p_VZ, n, problems, rng) for n in DRAWS]
            cells = " | ".join(f"{value:.3f} ({truth(p_VZ):.3f})" for value in read)
            print(f"{own:.1f}, {nats:.1f} | {cells}")


def unbiased(repetitions: int, rng: np.random.Generator) -> None:
    """`disagreement` over repetitions: its mean less the truth, in standard errors."""
    print(f"\ndisagreement, {repetitions:,} repetitions: (mean − truth) in standard errors")
    for n in (2, *DRAWS):
        errors = []
        for _ in range(10):
            p_VZ = rng.dirichlet(np.full(8, 0.5), size=V)
            counts = np.stack([rng.multinomial(n, p, size=repetitions) for p in p_VZ], axis=1).astype(float)
            within, across = within_across(agreements(counts, np.full(V, float(n))))
            values, (true_within, true_across) = within - across, known(p_VZ)
            error = values.std(ddof=1) / np.sqrt(repetitions)
            errors.append((values.mean() - (true_within - true_across)) / error)
        print(f"n = {n}: " + " ".join(f"{error:+.1f}" for error in errors))


class World:
    """Problems whose phrasings have logits of their own; answer 0 is right. Temperature sharpens all of them."""

    def __init__(self, problems: int, rng: np.random.Generator) -> None:
        own = rng.gumbel(size=(problems, V, 10)) * 0.8
        self.logits = own + rng.gumbel(size=(problems, 1, 10)) * 1.2
        self.logits[:, :, 0] += rng.normal(1.5, 1.2, size=(problems, V))

    def at(self, temperature: float) -> np.ndarray:
        """Answer distributions, shape (P, V, Z)."""
        scaled = self.logits / temperature
        p = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return p / p.sum(axis=-1, keepdims=True)

    def drawn(self, temperature: float, n: int, seeds: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Metrics per seed and problem of n draws a phrasing."""
        p = self.at(temperature)
        counts = rng.multinomial(n, np.broadcast_to(p, (seeds, *p.shape))).astype(float)
        within, across = within_across(agreements(counts, np.full(V, float(n))))
        return {WITHIN: within, ACROSS: across, ACCURACY: counts[..., 0].mean(axis=-1) / n}


def coverage(repetitions: int, rng: np.random.Generator) -> None:
    """How often the interval of coherence holds the ratio of the means over all problems there could be."""
    within, across = known(World(200_000, rng).at(1.0))
    target = across.sum() / within.sum()
    print(f"\ncoverage of the interval of coherence, true {target:.3f}, {repetitions:,} repetitions")
    for seeds in (1, 3):
        for problems in (30, 100):
            for n in DRAWS:
                held = 0
                for _ in range(repetitions):
                    drawn = World(problems, rng).drawn(1.0, n, seeds, rng)
                    estimate = mean_interval(linearised(drawn[ACROSS], drawn[WITHIN]), (0.0, 1.0))
                    held += estimate.low <= target <= estimate.high
                print(f"S = {seeds}, P = {problems}, n = {n}: {held / repetitions:.3f}")


def tempered(repetitions: int, rng: np.random.Generator) -> None:
    """A method that is the base at a lower temperature: gains beyond sharpening, and how often p < 0.05."""
    shares = (1.0, 0.7, 0.45, 0.2)
    print(
        f"\na base that is only tempered, beside the base at {shares}: 100 problems, {repetitions:,} repetitions"
    )
    print("temperature, S, n | gain in coherence, p < 0.05 | in accuracy, p < 0.05 | unadjusted for sharpness")
    for temperature in (0.85, 0.57, 0.32):
        for seeds, n in ((1, 8), (3, 8), (3, 16)):
            gains, calls, plain = np.zeros(2), np.zeros(2), np.zeros(2)
            for _ in range(repetitions):
                world = World(100, rng)
                rows = [world.drawn(share, n, seeds, rng) for share in shares]
                line = Line(shares, {name: np.array([row[name] for row in rows]) for name in rows[0]})
                method = world.drawn(temperature, n, seeds, rng)
                gain = compared("s", "m", method, line, seeds)
                both = (gain.coherence, gain.accuracy)
                gains += [c.difference for c in both]
                calls += [c.p_value < 0.05 for c in both]
                plain += [
                    linearised(method[ACROSS], method[WITHIN]).mean()
                    - linearised(rows[0][ACROSS], rows[0][WITHIN]).mean(),
                    (method[ACCURACY] - rows[0][ACCURACY]).mean(),
                ]
            of = " | ".join(
                f"{g:+.4f}, {c:.3f}" for g, c in zip(gains / repetitions, calls / repetitions, strict=True)
            )
            without = ", ".join(f"{g:+.3f}" for g in plain / repetitions)
            print(f"{temperature}, {seeds}, {n} | {of} | {without}")


def diversity(repetitions: int, rng: np.random.Generator) -> None:
    """What entropy reads at n, and that rarefied counts of different answers mean the same at any n."""
    print(f"\nentropy and distinct@4 read at n, {repetitions:,} prompts")
    print("entropy | " + " | ".join(f"n = {n}" for n in DRAWS) + " | distinct@4 true | " + " | ".join(
        f"n = {n}" for n in DRAWS))  # fmt: skip
    nobody = AnswerPartition("", (), (), (), {})
    for nats in ENTROPIES:
        p_Z = with_entropy(nats)
        draws = {n: rng.choice(Z, size=(repetitions, n), p=p_Z) for n in DRAWS}
        read = [np.mean([entropy(row.tolist(), nobody) for row in draws[n]]) for n in DRAWS]
        different = [np.mean([rarefied(list(np.bincount(row)), n, 4) for row in draws[n]]) for n in DRAWS]
        print(f"{nats:.1f} | " + " | ".join(f"{h:.2f}" for h in read)
              + f" | {(1 - (1 - p_Z) ** 4).sum():.3f} | " + " | ".join(f"{d:.3f}" for d in different))  # fmt: skip


def main() -> None:
    """All of it; `--quick` with fewer repetitions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rng = np.random.default_rng(0)
    ends(5_000 if quick else 100_000, rng)
    unbiased(10_000, rng)
    coverage(200 if quick else 2_000, rng)
    tempered(100 if quick else 1_000, rng)
    diversity(500 if quick else 5_000, rng)


if __name__ == "__main__":
    main()
