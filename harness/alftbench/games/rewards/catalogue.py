"""Every rule by name, with what it ascends."""

from __future__ import annotations

from alftbench.errors import UnknownName
from alftbench.games.rewards import (
    ascended,
    consensus,
    correctness,
    diversity,
    frequency,
    likelihood,
    majority,
    success,
)
from alftbench.games.rewards.info import RuleInfo
from alftbench.games.rewards.targets import U_STATISTIC

_FAMILIES = (
    # labels, and controls
    RuleInfo(
        "correctness",
        correctness.correctness,
        "arXiv 2402.03300",
        "the share that is right, Σ c p",
        ascended.right,
        ("vanilla GRPO", "Dr. GRPO"),
    ),
    RuleInfo(
        "w-reinforce",
        correctness.w_reinforce,
        "arXiv 2506.01347",
        "(1 + λ₊) Σ c p: in expectation correctness, whatever λ₊",
        ascended.right_and_punished,
        ("NSR",),
    ),
    RuleInfo(
        "noisy-verifier",
        correctness.noisy_verifier,
        "arXiv 2601.04411",
        "J Σ c p with J = true − false positive rate; descends it where J < 0",
        ascended.passed,
    ),
    RuleInfo(
        "spurious",
        correctness.spurious,
        "arXiv 2506.10947",
        "nothing: every policy is rewarded alike, so the reference stays",
        ascended.rewarded_at_random,
        ("random reward",),
        labels=False,
    ),
    # rare answers
    RuleInfo(
        "entropy",
        diversity.entropy,
        "arXiv 2604.27166",
        "entropy, −Σ p log p",
        ascended.entropy,
        ("Diversity-GRPO",),
        "variance-optimal",
        labels=False,
    ),
    RuleInfo(
        "quadratic",
        diversity.quadratic,
        "arXiv 2605.02435",
        "the Gini index, −½ Σ p²",
        ascended.gini,
        ("Gini", "Tsallis-2"),
        U_STATISTIC,
        labels=False,
    ),
    RuleInfo(
        "tsallis",
        diversity.tsallis,
        "arXiv 2605.02435",
        "Tsallis' entropy, (1 − Σ p^α)/(α − 1)",
        ascended.tsallis,
        (),
        U_STATISTIC,
        labels=False,
    ),
    RuleInfo(
        "ucpo",
        diversity.ucpo,
        "arXiv 2605.00365",
        "Σ c p + λ p_c H(p given right)",
        ascended.right_and_even,
        ("UCPO",),
    ),
    RuleInfo(
        "differential-smoothing",
        diversity.differential_smoothing,
        "arXiv 2511.19942",
        "(1 + λ) Σ c p − λ Σ c p log p",
        ascended.right_and_smooth,
        (),
        "variance-optimal",
    ),
    # frequencies
    RuleInfo(
        "frequency",
        frequency.frequency,
        "arXiv 2504.05812",
        "the chance that two draws agree, ½ Σ p²; it sharpens",
        ascended.concentration,
        ("EMPO", "self-consistency", "OM-GRPO"),
        labels=False,
    ),
    RuleInfo(
        "inverse-propensity",
        frequency.inverse_propensity,
        "arXiv 2601.21669",
        "Σ c log p: without the KL all right answers become equally likely",
        ascended.log_right_each,
        ("IPS-GRPO", "DRA-GRPO", "R/n"),
    ),
    RuleInfo(
        "uniqueness",
        frequency.uniqueness,
        "arXiv 2601.08763",
        "Σ c p^{1−α}/(1−α), between correctness and inverse propensity",
        ascended.escort,
        ("α-IPS",),
    ),
    RuleInfo(
        "batch-penalty",
        frequency.batch_penalty,
        "arXiv 2509.06941",
        "Σ c p − (λ/2) Σ p²",
        ascended.right_less_repeats,
        ("outcome-based exploration",),
    ),
    RuleInfo(
        "gapo",
        frequency.gapo,
        "arXiv 2511.12596",
        "no gradient: what an answer earns falls with the other right answers' shares unequally",
        None,
        ("GAPO",),
    ),
    RuleInfo(
        "darling",
        frequency.darling,
        "arXiv 2509.02534",
        "Σ c (p − p²/2)",
        ascended.right_and_different,
        ("DARLING",),
    ),
    # votes
    RuleInfo(
        "majority",
        majority.majority,
        "arXiv 2504.16084",
        "the largest p, with a jump where two answers tie",
        ascended.largest,
        ("TTRL",),
        labels=False,
    ),
    RuleInfo(
        "majority-elsewhere",
        majority.majority_elsewhere,
        "arXiv 2508.00410",
        "no gradient: each phrasing follows the others, and what it earns does not depend on itself",
        None,
        ("Co-rewarding-I",),
        labels=False,
        phrasings=2,
    ),
    RuleInfo(
        "majority-remembered",
        majority.majority_remembered,
        "arXiv 2508.00410",
        "the largest p, once the memory has caught up with the policy",
        ascended.largest,
        ("Co-rewarding-II",),
        labels=False,
    ),
    RuleInfo(
        "self-harmony",
        majority.self_harmony,
        "arXiv 2511.01191",
        "no gradient: where two answers tie in harmonic mean they do not tie in share",
        None,
        ("Self-Harmony",),
        labels=False,
        phrasings=2,
    ),
    RuleInfo(
        "majority-gain",
        majority.majority_gain,
        "arXiv 2503.19595",
        "the chance that the majority of G is right, over G; as G → ∞ a step, of whose gradient nothing is left",
        ascended.nothing,
        ("maj@k gradient",),
    ),
    RuleInfo(
        "novelty-in-majority",
        majority.novelty_in_majority,
        "arXiv 2509.15194",
        "no gradient: novelty is stretched between the most and the least likely on its side of the vote",
        None,
        ("EVOL-RL",),
        labels=False,
    ),
    # how many are right
    RuleInfo(
        "pass-at-k",
        success.pass_at_k,
        "arXiv 2505.15201",
        "pass@k, (1 − (1 − p_c)^k)/k, at any G ≥ k",
        ascended.one_of_k_right,
        ("PKPO", "pass@k training", "only the best rollout (k = G)"),
    ),
    RuleInfo(
        "maxrl",
        success.maxrl,
        "arXiv 2602.02710",
        "log p_c; at G or with T its first terms, −Σ_{k≤T} (1 − p_c)^k/k",
        ascended.log_right,
        ("MaxRL", "MaxRL-T", "c/C"),
    ),
    RuleInfo(
        "risk-seeking",
        success.risk_seeking,
        "arXiv 2509.24261",
        "(1/β) log E e^{βc}",
        ascended.log_moment,
        ("RS-GRPO",),
    ),
    RuleInfo(
        "focal",
        success.focal,
        "arXiv 2602.06717",
        "−(1 − p_c)^{γ+1}/(γ+1)",
        ascended.focal_right,
        ("F-GRPO",),
    ),
    # orbits
    RuleInfo(
        "consensus",
        consensus.consensus,
        "arXiv 2604.27166",
        "Σ q log q, q the phrasings' mean; it sharpens",
        ascended.sharpness_of_mean,
        ("Coherence-GRPO",),
        "digamma",
        labels=False,
        phrasings=2,
    ),
    RuleInfo(
        "coherence",
        consensus.coherence,
        "arXiv 2604.27166",
        "−JSD of the phrasings' answers; it does not sharpen",
        ascended.agreement,
        ("soft coherence",),
        "digamma",
        labels=False,
        phrasings=2,
    ),
    RuleInfo(
        "pairwise-coherence",
        consensus.pairwise_coherence,
        "arXiv 2511.08440",
        "−Σ_{i≠j} w_i w_j KL(p_i‖p_j)",
        ascended.agreement_by_pairs,
        labels=False,
        phrasings=2,
    ),
    RuleInfo(
        "trace-coherence",
        consensus.trace_coherence,
        "arXiv 2511.08440",
        "no gradient: each phrasing ascends −mean KL(π_v‖π_j) with the others held still",
        None,
        labels=False,
        phrasings=2,
    ),
    # likelihoods
    RuleInfo(
        "rank-bias",
        likelihood.rank_bias,
        "arXiv 2506.02355",
        "no gradient: an answer earns less for what is less likely, and not the other way round",
        None,
        ("unlikeliness reward",),
    ),
    RuleInfo(
        "mara",
        likelihood.mara,
        "arXiv 2510.20817",
        "Σ c p (1 + β log p₀(anchor)/p₀): a fixed reward once the anchor is the likeliest right answer",
        ascended.anchored,
        ("MARA",),
    ),
)
RULES = {info.name: info for info in _FAMILIES}


def rule_info(name: str) -> RuleInfo:
    """The rule of this name.

    Raises:
        UnknownName: there is none.
    """
    if name not in RULES:
        raise UnknownName("rule", name, RULES)
    return RULES[name]
