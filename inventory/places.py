"""Where a device stands: by the operator's rules on its name, else by its own sysLocation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inventory.facts import DeviceFacts
from inventory.identity import TEXT_MAX, clean
from inventory.settings import SiteRule

_COORDINATES: Final = re.compile(r"[\[(]\s*(-?\d{1,3}(?:\.\d{1,12})?)\s*[,;]\s*(-?\d{1,3}(?:\.\d{1,12})?)\s*[\])]")


@dataclass(frozen=True, slots=True)
class Place:
    """A site by its name; coordinates in degrees where known."""

    site: str
    region: str = ""
    latitude: float | None = None
    longitude: float | None = None


def place_of(facts: DeviceFacts, rules: Sequence[SiteRule]) -> Place | None:
    """The place of a device, None when neither a rule nor its sysLocation names one.

    sysLocation reads `site`, `site, region` or either with coordinates: `Kiel, North [54.3233, 10.1228]`.
    """
    told = _from_location(clean(facts.sys_location, 4 * TEXT_MAX))
    for rule in rules:
        if match := re.match(rule.sys_name, clean(facts.sys_name)):
            site, region = (clean(match.expand(text)) for text in (rule.site, rule.region))
            return Place(site, region, told.latitude if told else None, told.longitude if told else None) if site else None
    return told


def _from_location(text: str) -> Place | None:
    found = _COORDINATES.search(text)
    latitude = longitude = None
    if found:
        latitude, longitude = _on_earth(float(found[1]), float(found[2]))
        text = text.replace(found[0], "")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    site, region = clean(", ".join(parts[:-1]) or "".join(parts)), clean(parts[-1]) if len(parts) > 1 else ""
    return Place(site, region, latitude, longitude) if site else None


def _on_earth(latitude: float, longitude: float) -> tuple[float | None, float | None]:
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)
