"""What part a device plays, guessed from its name when nobody said it."""

import re
from typing import Final

TIERS: Final = ("core", "aggregation", "access", "customer")  # from the middle of the network outwards
_WORDS: Final = {
    "core": "core",
    "backbone": "core",
    "bb": "core",
    "p": "core",
    "spine": "core",
    "cr": "core",
    "agg": "aggregation",
    "aggr": "aggregation",
    "aggregation": "aggregation",
    "dist": "aggregation",
    "distribution": "aggregation",
    "pe": "aggregation",
    "metro": "aggregation",
    "leaf": "aggregation",
    "acc": "access",
    "access": "access",
    "edge": "access",
    "olt": "access",
    "dslam": "access",
    "msan": "access",
    "sw": "access",
    "switch": "access",
    "tor": "access",
    "cpe": "customer",
    "ce": "customer",
    "ont": "customer",
}


def role_by_name(name: str) -> str:
    """The role that a word of the host name tells (`ham-core-1`, `agg2.ber.example`), or "" when none does."""
    host = name.split(".", 1)
    for word in re.findall(r"[a-z]+", " ".join(host).lower()):
        if word in _WORDS:
            return _WORDS[word]
    return ""


def tier_of(role: str, degree: int, most: int) -> int:
    """The ring a device stands on, 0 in the middle: by its role, else by how many links it has of the most at its site."""
    if role in TIERS:
        return TIERS.index(role)
    return 0 if degree >= max(most, 2) else 1 if degree > 1 else 2
