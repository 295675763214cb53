"""Keys into classes: the connected components of "is the same answer as".

Components are an equivalence relation whatever the comparison of two keys does, and they depend on the set of
keys alone. What a gold answer only forgives makes no other answer right: where keys decide, an answer is right or
wrong whatever the others are. Keys that decide alone are never compared by a judge, so an orbit of such keys
starts no process. A comparison that ends at a limit joins nothing. A key is called incomparable where a judge had
to be asked, could not compare it even with the number 1, and nothing was found the same in process: it has no
class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from alftbench.answers.canonical import is_exact
from alftbench.answers.equivalence import accepts, decide
from alftbench.answers.judge.judge import Judge, Pair, Verdict

PROBE = "1"
MAX_CHECKS = 5000  # comparisons by the judge per orbit; pairs beyond them stay unresolved
MAX_FAILED = 3  # comparisons of one key that may end at a limit before it is left alone
AT_ONCE = 32  # comparisons in flight; afterwards keys that failed too often are left out


@dataclass(frozen=True)
class Classes:
    """of: the class of every key that has one, named by its first member in the order of `rank`.

    right: classes that a reference accepts. conflicts: pairs within a class that were found different.
    unresolved: pairs whose comparison was needed and ended at a limit.
    """

    of: Mapping[str, str]
    right: frozenset[str]
    conflicts: int
    unresolved: int


def rank(key: str) -> tuple[bool, int, str]:
    """The order in which keys stand for a class: exact ones, then short ones, then by text."""
    return (not is_exact(key), len(key), key)


@dataclass(frozen=True)
class KeyJudge:
    """Says of keys what they do not decide alone.

    judge: compares keys that do not decide, by `text_of`, the answers as written, where it has them. confirms: is
    an answer right as written, too? Given a gold key and a key that it accepts.
    """

    judge: Judge
    text_of: Mapping[str, str] = field(default_factory=dict)
    confirms: Callable[[str, str], bool] = lambda gold, key: True

    def same(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Is each pair one answer?"""
        return self.judge.same(pairs, self.text_of)

    def accepts(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Is each prediction right by its gold answer?"""
        return self.judge.accepts(pairs, self.text_of)


def classify(keys: Iterable[str], gold: Iterable[str], judge: KeyJudge) -> Classes:
    """The classes of distinct keys, and which of them are right by one of the gold keys."""
    ordered, golds = sorted(keys, key=rank), sorted(gold)
    checks = Checks(judge, incomparable(ordered, golds, judge))
    union = Union(ordered)
    for place, key in enumerate(ordered):
        if not is_exact(key):
            join(key, ordered[:place], union, checks)
    accepted = checks.accepted(golds, ordered)
    forgiven = frozenset(key for key in accepted if not is_same(key, golds))
    lost = checks.incomparable - accepted - union.joined()
    of, right = set_apart({key: union.find(key) for key in ordered if key not in lost}, accepted, forgiven)
    return Classes(of, right, conflicts(of, checks), checks.unresolved)


def is_same(key: str, golds: Sequence[str]) -> bool:
    """Is an accepted key a gold answer's own class, and not one that is only forgiven?"""
    return any(decide(gold, key) or accepts(gold, key) is None for gold in golds)


def set_apart(
    of: Mapping[str, str], accepted: frozenset[str], forgiven: frozenset[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """The classes and the right ones: what is forgiven in a wrong class is a class of its own.

    So a sample is right or wrong whatever the other samples are.
    """
    right = {of[key] for key in accepted - forgiven}
    firsts: dict[tuple[str, bool], str] = {}
    class_of = {}
    for key, name in of.items():
        class_of[key] = firsts.setdefault((name, key in forgiven and name not in right), key)
    return class_of, frozenset(class_of[key] for key in accepted)


def incomparable(ordered: Sequence[str], golds: Sequence[str], judge: KeyJudge) -> frozenset[str]:
    """The keys that need a judge and that it cannot compare even with the probe."""
    asked = [key for key in ordered if not is_exact(key) and needs_judge(key, ordered, golds)]
    verdicts = judge.same([(key, PROBE) for key in asked])
    return frozenset(key for key, verdict in zip(asked, verdicts, strict=True) if not verdict.decided)


def needs_judge(key: str, ordered: Sequence[str], golds: Sequence[str]) -> bool:
    """Is there a pair with this key that is not decided in process?"""
    return any(accepts(gold, key) is None for gold in golds) or any(decide(key, o) is None for o in ordered)


def join(key: str, earlier: Sequence[str], union: Union, checks: Checks) -> None:
    """Unite a key with the earlier ones that are the same: first what is decided in process, then by the judge.

    The judge is asked about the first members of classes, then about the others of classes still apart.
    """
    open_pairs = []
    for other in earlier:
        same = decide(key, other)
        if same:
            union.unite(key, other)
        elif same is None:
            open_pairs.append(other)
    firsts = [other for other in open_pairs if union.find(other) == other]
    others = [other for other in open_pairs if union.find(other) != other]
    for stage in (firsts, others):
        apart = [(other, key) for other in stage if union.find(other) != union.find(key)]
        for pair in checks.same(apart):
            union.unite(*pair)


def conflicts(of: Mapping[str, str], checks: Checks) -> int:
    """Pairs in one class that were found different: where the comparison was not transitive."""
    members: dict[str, list[str]] = {}
    for key, name in of.items():
        members.setdefault(name, []).append(key)
    count, open_pairs = 0, []
    for keys in members.values():
        for pair in combinations(keys, 2):
            same = decide(*pair)
            count += same is False
            if same is None:
                open_pairs.append(pair)
    return count + checks.different(open_pairs)


class Checks:
    """The judge's comparisons for one orbit, within bounds, and how many were left open."""

    def __init__(self, judge: KeyJudge, incomparable: frozenset[str]) -> None:
        self._judge, self.incomparable = judge, incomparable
        self._left, self._failed = MAX_CHECKS, Counter[str]()
        self.unresolved = 0

    def same(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs found the same."""
        return [pair for pair, verdict in self._ask(pairs) if verdict is Verdict.SAME]

    def different(self, pairs: Sequence[Pair]) -> int:
        """How many pairs are found different."""
        return sum(verdict is Verdict.DIFFERENT for _, verdict in self._ask(pairs))

    def _ask(self, pairs: Sequence[Pair]) -> list[tuple[Pair, Verdict]]:
        verdicts: list[tuple[Pair, Verdict]] = []
        for start in range(0, len(pairs), AT_ONCE):
            asked = [pair for pair in pairs[start : start + AT_ONCE] if self._allowed(pair)]
            answered = list(zip(asked, self._judge.same(asked), strict=True))
            self._note(answered)
            verdicts += answered
        return verdicts

    def _allowed(self, pair: Pair) -> bool:
        """Is there budget for this pair? Pairs with an incomparable key are not even counted as open."""
        if not self.incomparable.isdisjoint(pair):
            return False
        if self._left == 0 or any(self._failed[key] >= MAX_FAILED for key in pair):
            self.unresolved += 1
            return False
        self._left -= 1
        return True

    def _note(self, answered: Iterable[tuple[Pair, Verdict]]) -> None:
        for pair, verdict in answered:
            if not verdict.decided:
                self.unresolved += 1
                self._failed.update(key for key in pair if not is_exact(key))

    def accepted(self, golds: Sequence[str], keys: Sequence[str]) -> frozenset[str]:
        """The keys that one of the gold answers accepts, and is confirmed to."""
        pairs = [
            (gold, key)
            for gold in golds
            for key in keys
            if key not in self.incomparable or accepts(gold, key) is not None
        ]
        verdicts = self._judge.accepts(pairs)
        self.unresolved += sum(not verdict.decided for verdict in verdicts)
        same = [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict is Verdict.SAME]
        return frozenset(
            key for gold, key in same if accepts(gold, key) is None or self._judge.confirms(gold, key)
        )


class Union:
    """Disjoint sets of ranked keys; a set is named by its first key."""

    def __init__(self, ordered: Sequence[str]) -> None:
        self._place = {key: place for place, key in enumerate(ordered)}
        self._parent = {key: key for key in ordered}

    def find(self, key: str) -> str:
        """The first key of the set that holds this one."""
        while self._parent[key] != key:
            self._parent[key] = key = self._parent[self._parent[key]]
        return key

    def unite(self, a: str, b: str) -> None:
        """Make one set of two."""
        first, second = sorted((self.find(a), self.find(b)), key=self._place.__getitem__)
        self._parent[second] = first

    def joined(self) -> frozenset[str]:
        """The keys that share their set with another."""
        sizes = Counter(map(self.find, self._parent))
        return frozenset(key for key in self._parent if sizes[self.find(key)] > 1)
