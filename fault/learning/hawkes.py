"""The intensity of a class at a device: its own rate, plus what earlier events near by excite, exponentially fading.

lambda_v(n, t) = mu_v + sum over classes u and hops h of a[u, h, v] * sum over events j of u, h links from n, before t,
of b exp(-b (t - t_j)). The log-likelihood of a class is concave in its rates, which are fitted by expectation maximisation.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from fault.learning.events import Floats, History, rings

ROUNDS: Final = 60
TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Features:
    """`excited[i, u, h]` what fades at event i of earlier events of class u at h links; `due[u, h]` its integral over all devices."""

    excited: Floats
    due: Floats
    exposure_s: float  # devices times seconds
    decay_per_s: float


def features(it: History, decay_per_s: float, hops: int) -> Features:
    """What each event had before it. Events of one instant do not excite each other."""
    near = rings(it, hops)
    level = np.zeros((len(it.devices), len(it.kinds)))
    last = np.zeros(len(it.devices))
    excited = np.zeros((len(it.time_s), len(it.kinds), hops + 1))
    edges = [*np.flatnonzero(np.diff(it.time_s, prepend=-np.inf)).tolist(), len(it.time_s)]
    for start, end in pairwise(edges):
        now = it.time_s[start]
        for i in range(start, end):
            for hop, ring in enumerate(near[it.device[i]]):
                if len(ring):
                    fade = np.exp(-decay_per_s * (now - last[ring]))
                    excited[i, :, hop] = fade @ level[ring]
        for i in range(start, end):
            device = it.device[i]
            level[device] *= np.exp(-decay_per_s * (now - last[device]))
            last[device] = now
            level[device, it.kind[i]] += decay_per_s
    return Features(excited, _due(it, near, decay_per_s, hops), max(it.span_s, 1.0) * max(1, len(it.devices)), decay_per_s)


def _due(it: History, near: list[list[np.ndarray[tuple[int], np.dtype[np.int64]]]], decay_per_s: float, hops: int) -> Floats:
    end_s = it.time_s[-1] if len(it.time_s) else 0.0
    weight = 1.0 - np.exp(-decay_per_s * (end_s - it.time_s))
    sizes = np.array([[len(ring) for ring in each] for each in near], np.float64).reshape(-1, hops + 1)
    found = np.zeros((len(it.kinds), hops + 1))
    np.add.at(found, it.kind, weight[:, None] * sizes[it.device])
    return found


@dataclass(frozen=True, slots=True)
class Fit:
    """Of one class: the log-likelihood, its own rate and its excitations by (parent, hop), and how many events each explains."""

    likelihood: float
    rate: float
    strength: Floats
    explained: Floats


def fit(excited: Floats, due: Floats, exposure_s: float, rounds: int = ROUNDS) -> Fit:
    """Rates of the events whose features these are: `excited[i, k]` over parents and hops k, `due[k]`."""
    n = len(excited)
    basis = np.concatenate([np.ones((n, 1)), excited], axis=1)
    integral = np.concatenate([[exposure_s], due])
    usable = integral > TINY
    rates = np.where(usable, 0.5 * n / np.maximum(integral, TINY) / max(1, usable.sum()), 0.0)
    for _ in range(rounds):
        share = basis * rates
        total = np.maximum(share.sum(axis=1), TINY)
        rates = np.where(usable, (share / total[:, None]).sum(axis=0) / np.maximum(integral, TINY), 0.0)
    share = basis * rates
    total = np.maximum(share.sum(axis=1), TINY)
    explained = (share / total[:, None]).sum(axis=0)
    return Fit(float(np.log(total).sum() - rates @ integral), float(rates[0]), rates[1:], explained[1:])
