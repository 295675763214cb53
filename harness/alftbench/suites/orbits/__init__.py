"""More phrasings of a problem: seeded transformations of its prompt that keep the answer, or decline."""

from alftbench.suites.orbits.spec import (
    TRANSFORMS,
    OrbitCount,
    OrbitSpec,
    count,
    expand,
    parse_orbit,
    why_declined,
)

__all__ = ["TRANSFORMS", "OrbitCount", "OrbitSpec", "count", "expand", "parse_orbit", "why_declined"]
