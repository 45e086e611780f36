"""Learnt causes as data: what an edge says, how far and how long it reaches, and that accepted ones never make a loop. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fault.learning.graph import Edge, Learnt

HOP_SHARE_LEAST: Final = 0.1  # of what an edge explains must be as far away as this for it to reach there
LAG_MARGIN: Final = 1.5  # over the 90 % quantile
WITHIN_S: Final = (5.0, 1_800.0)


@dataclass(frozen=True, slots=True)
class Cause:
    """An accepted edge: `cause` brings `effect` on a device at most `hops` links away, within `within_s`, and explains `share` of all."""

    cause: str
    effect: str
    hops: int
    within_s: float
    share: float
    decided_by: str = ""


def evidence(edge: Edge, learnt: Learnt, days: int) -> dict[str, Any]:
    """What an engineer looks at: counts, gain of BIC, explained effects by distance, quantiles of the delay (s), of which history."""
    return {
        "score": edge.score,
        "causes": edge.causes,
        "effects": edge.effects,
        "explained": list(edge.explained),
        "lags_s": list(edge.lags_s),
        "lag_s": learnt.lag_s,
        "events": learnt.events,
        "days": days,
    }


def cause_of(row: Mapping[str, Any]) -> Cause:
    """How far and how long an edge reaches by its evidence."""
    says = row["evidence"]
    explained: Sequence[float] = says["explained"]
    whole = sum(explained)
    hops = max((hop for hop, part in enumerate(explained) if part >= HOP_SHARE_LEAST * whole), default=0)
    lag_s = says["lags_s"][-1] if says["lags_s"] else 2.0 * says["lag_s"]
    within_s = min(max(LAG_MARGIN * lag_s, WITHIN_S[0]), WITHIN_S[1])
    share = min(1.0, whole / max(1, says["effects"]))
    return Cause(row["cause"], row["effect"], hops, round(within_s, 3), round(share, 3), row.get("decided_by", ""))


def loop(edges: Iterable[tuple[str, str]], cause: str, effect: str) -> tuple[str, ...]:
    """The loop that `cause` -> `effect` would close, from `cause` back to it; () for none."""
    follow: dict[str, list[str]] = {}
    for one, other in edges:
        follow.setdefault(one, []).append(other)
    came: dict[str, str] = {effect: cause}
    open_ = [effect]
    while open_:
        at = open_.pop()
        if at == cause:
            return (cause, *reversed(_back(came, cause, effect)))
        for each in sorted(follow.get(at, ())):
            if each not in came:
                came[each] = at
                open_.append(each)
    return ()


def _back(came: Mapping[str, str], cause: str, effect: str) -> list[str]:
    """The way by which the search came, from `cause` back to `effect`."""
    way = [cause]
    while way[-1] != effect:
        way.append(came[way[-1]])
    return way
