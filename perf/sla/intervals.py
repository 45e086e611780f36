"""Sets of instants as spans: [begin, end) in nanoseconds, in order, apart. Pure.

Every operation takes spans in any order that may touch or overlap, and gives them in order and apart, so that no
instant ever counts twice.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain

Span = tuple[int, int]
Spans = list[Span]


def union(*sets: Iterable[Span]) -> Spans:
    """The instants that lie in any of the sets."""
    found: Spans = []
    for low, high in sorted(span for span in chain.from_iterable(sets) if span[0] < span[1]):
        if found and low <= found[-1][1]:
            if high > found[-1][1]:
                found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def common(*sets: Iterable[Span]) -> Spans:
    """The instants that lie in all of the sets."""
    return at_least(len(sets), sets)


def at_least(k: int, sets: Sequence[Iterable[Span]]) -> Spans:
    """The instants that lie in at least `k` of the sets, k > 0."""
    assert k > 0, k
    steps = sorted(chain.from_iterable(_steps(spans) for spans in sets))
    found: Spans = []
    depths = list(accumulate(step for _, step in steps))
    begin = None
    for n, ((at, _), depth) in enumerate(zip(steps, depths, strict=True)):
        if n + 1 < len(steps) and steps[n + 1][0] == at:
            continue  # the depth at an instant is what holds after all that happens there
        if depth >= k and begin is None:
            begin = at
        elif depth < k and begin is not None:
            found.append((begin, at))
            begin = None
    return found


def _steps(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """+1 where a set begins, -1 where it ends; spans of one set that overlap count once."""
    return [step for low, high in union(spans) for step in ((low, 1), (high, -1))]


def without(spans: Iterable[Span], taken: Iterable[Span]) -> Spans:
    """The instants of `spans` that do not lie in `taken`."""
    kept = union(spans)
    away = union(taken)
    if not kept or not away:
        return kept
    low, high = kept[0][0], kept[-1][1]
    borders = [low, *chain.from_iterable(away), high]
    free = [(a, b) for a, b in zip(borders[::2], borders[1::2], strict=True) if a < b]
    return common(kept, free)


def length(spans: Iterable[Span]) -> int:
    """Nanoseconds of spans that are apart."""
    return sum(high - low for low, high in spans)
