"""Which class causes which: edges added greedily where they lower BIC most, never one that would close a loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fault.learning.events import Floats, History
from fault.learning.hawkes import Features, Fit, features, fit

HOPS: Final = 2
LAGS_S: Final = (1.0, 5.0, 20.0, 60.0, 300.0)  # mean times from cause to effect that are tried
SHARE_LEAST: Final = 0.02  # of the effect's events an edge must explain
LAG_QUANTILES: Final = (0.1, 0.5, 0.9)
PARENTS_MAX: Final = 12
FADED: Final = 5.0  # mean lags after which a cause counts no longer as one


@dataclass(frozen=True, slots=True)
class Edge:
    """One proposal with its evidence. `score` the gain of BIC; `explained` expected events of `effect` it accounts for, by hop;
    `lags_s` the 10, 50 and 90 % quantiles of the time since the nearest earlier cause within reach, where there was one."""

    cause: str
    effect: str
    score: float
    causes: int
    effects: int
    explained: tuple[float, ...]
    lags_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Learnt:
    """The proposals, best first, and the mean lag that explained most."""

    kinds: tuple[str, ...]
    edges: tuple[Edge, ...]
    lag_s: float
    events: int
    cut: int

    def matrix(self) -> Floats:
        """1 where the row's class causes the column's."""
        number = {name: n for n, name in enumerate(self.kinds)}
        found = np.zeros((len(self.kinds), len(self.kinds)))
        for edge in self.edges:
            found[number[edge.cause], number[edge.effect]] = 1
        return found


def learn(it: History, *, hops: int = HOPS, lags_s: Sequence[float] = LAGS_S) -> Learnt:
    """The acyclic graph of causes in a history. Deterministic."""
    if len(it.time_s) < 2 or len(it.kinds) < 2:
        return Learnt(it.kinds, (), 0.0, len(it.time_s), it.cut)
    hops = hops if it.links else 0
    best = _best(it, hops, lags_s)
    best.climb()
    edges = sorted(best.edges(), key=lambda edge: (-edge.score, edge.cause, edge.effect))
    return Learnt(it.kinds, tuple(edges), 1.0 / best.decay_per_s, len(it.time_s), it.cut)


def _best(it: History, hops: int, lags_s: Sequence[float]) -> "_Search":
    """The search over the lag that explains most; one set of features is held beside the best."""
    best: _Search | None = None
    most = -np.inf
    for lag in lags_s:
        tried = _Search(it, features(it, 1.0 / lag, hops))
        likelihood = tried.crude()
        if best is None or likelihood > most:
            best, most = tried, likelihood
    assert best is not None
    return best


class _Search:
    """Hill climbing over one set of features. A class always may excite itself: bursts are no cause of another class."""

    def __init__(self, it: History, known: Features) -> None:
        self._it, self._known = it, known
        self.decay_per_s = known.decay_per_s
        self._events = [np.flatnonzero(it.kind == kind) for kind in range(len(it.kinds))]
        self._parents: list[list[int]] = [[] for _ in it.kinds]
        self._fits: dict[int, Fit] = {}
        self._gains: dict[tuple[int, int], float] = {}

    def crude(self) -> float:
        """The log-likelihood when everything may excite everything, coarsely fitted: what chooses the lag."""
        every = list(range(len(self._it.kinds)))
        return sum(self._fit(kind, every, rounds=12).likelihood for kind in every)

    def _fit(self, kind: int, causes: Sequence[int], rounds: int = 60) -> Fit:
        rows = self._known.excited[self._events[kind]][:, causes].reshape(len(self._events[kind]), -1)
        return fit(rows, self._known.due[causes].reshape(-1), self._known.exposure_s, rounds)

    def _with(self, kind: int, parents: Sequence[int]) -> Fit:
        return self._fit(kind, [kind, *parents])

    def climb(self) -> None:
        kinds = range(len(self._it.kinds))
        for kind in kinds:
            self._fits[kind] = self._with(kind, ())
            self._weigh(kind)
        while True:
            usable = {pair: gain for pair, gain in self._gains.items() if gain > 0 and not self._closes_loop(*pair)}
            if not usable:
                break
            cause, effect = max(usable, key=lambda pair: (usable[pair], pair))
            self._parents[effect].append(cause)
            self._fits[effect] = self._with(effect, self._parents[effect])
            self._weigh(effect)
        for kind in kinds:
            self._prune(kind)

    def _weigh(self, effect: int) -> None:
        """What each further cause of a class would gain."""
        full = len(self._parents[effect]) >= PARENTS_MAX
        for cause in range(len(self._it.kinds)):
            if cause == effect or cause in self._parents[effect] or full:
                self._gains.pop((cause, effect), None)
                continue
            found = self._with(effect, [*self._parents[effect], cause])
            hops = self._known.due.shape[1]
            share = found.explained[-hops:].sum() / max(1, len(self._events[effect]))
            gain = found.likelihood - self._fits[effect].likelihood - self._price()
            self._gains[cause, effect] = gain if share >= SHARE_LEAST else 0.0

    def _price(self) -> float:
        """BIC: half the logarithm of the number of events for each rate of an edge."""
        return float(0.5 * self._known.due.shape[1] * np.log(len(self._it.time_s)))

    def _closes_loop(self, cause: int, effect: int) -> bool:
        """Whether `effect` is among what causes `cause` already."""
        seen, open_ = set(), [cause]
        while open_:
            at = open_.pop()
            if at == effect:
                return True
            if at not in seen:
                seen.add(at)
                open_ += self._parents[at]
        return False

    def _prune(self, effect: int) -> None:
        """Take back edges that later ones made needless."""
        for cause in list(self._parents[effect]):
            rest = [each for each in self._parents[effect] if each != cause]
            without = self._with(effect, rest)
            if self._fits[effect].likelihood - without.likelihood <= self._price():
                self._parents[effect], self._fits[effect] = rest, without

    def edges(self) -> list[Edge]:
        hops = self._known.due.shape[1]
        found = []
        for effect, parents in enumerate(self._parents):
            for n, cause in enumerate(parents, start=1):
                rest = [each for each in parents if each != cause]
                score = self._fits[effect].likelihood - self._with(effect, rest).likelihood - self._price()
                explained = self._fits[effect].explained[n * hops : (n + 1) * hops]
                found.append(self._edge(cause, effect, score, tuple(round(float(each), 1) for each in explained)))
        return found

    def _edge(self, cause: int, effect: int, score: float, explained: tuple[float, ...]) -> Edge:
        kinds = self._it.kinds
        counts = (len(self._events[cause]), len(self._events[effect]))
        return Edge(kinds[cause], kinds[effect], round(score, 1), *counts, explained, self._lags(cause, effect))

    def _lags(self, cause: int, effect: int) -> tuple[float, ...]:
        """How long before an effect its last cause anywhere was, where the process says one excited it."""
        rows = self._events[effect]
        faded = self.decay_per_s * np.exp(-FADED)
        excited = rows[self._known.excited[rows, cause].sum(axis=1) > faded]
        times = self._it.time_s[self._events[cause]]
        at = np.searchsorted(times, self._it.time_s[excited], side="left") - 1
        lags = (self._it.time_s[excited] - times[at])[at >= 0]
        return tuple(round(float(each), 3) for each in np.quantile(lags, LAG_QUANTILES)) if len(lags) else ()
