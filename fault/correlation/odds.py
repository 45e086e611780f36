"""How sure: the odds of a root beside its rivals, from their scores, calibrated on generated scenarios."""

from math import exp

from fault.correlation.incident import Incident
from fault.correlation.model import Hypothesis

TEMPERATURE = 2.0  # scores overstate evidence that comes from one source; fitted
ODDS_KEPT = 0.005


def odds(incident: Incident) -> list[tuple[Hypothesis, float]]:
    """The root and its rivals with their odds, best first; they sum to at most 1. Every score is a log-likelihood."""
    if not incident.strong:
        return [(incident.hypothesis, 0.5)]
    scores = [(incident.hypothesis, 0.0)]
    scores += [(rival, min(0.0, worth - incident.accepted)) for rival, worth in incident.rivals if rival != incident.hypothesis]
    weights = [exp(score / TEMPERATURE) for _, score in scores]
    total = sum(weights)
    shares = [(hypothesis, weight / total) for (hypothesis, _), weight in zip(scores, weights, strict=True)]
    return [shares[0], *(share for share in shares[1:] if share[1] >= ODDS_KEPT)]
