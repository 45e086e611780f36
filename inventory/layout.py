"""Where things stand on the topology screen: the same picture each time, in a space of 1000 x 1000 (pure).

Sites by their coordinates, those without in the middle of their region or on a circle; inside a site devices on
concentric rings by tier, in the order of their names.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inventory.roles import TIERS, tier_of
from inventory.topology import Device, Site, Topology

SIZE: Final = 1000.0
MARGIN: Final = 80.0
ROUNDS: Final = 60  # of pushing sites apart
NO_SITE: Final = ""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of sites by id ("" for devices without one) and of devices by number; y grows downwards."""

    sites: Mapping[str, Point]
    devices: Mapping[int, Point]


def layout(topology: Topology) -> Layout:
    """The positions of everything in a topology."""
    at_site: dict[str, list[Device]] = defaultdict(list)
    for device in topology.devices.values():
        at_site[device.site_id if device.site_id in topology.sites else NO_SITE].append(device)
    shown = sorted(
        (topology.sites.get(site_id, Site(NO_SITE, "")) for site_id in at_site), key=lambda site: (site.region, site.name, site.id)
    )
    apart = 0.7 * (SIZE - 2 * MARGIN) / math.sqrt(max(len(shown), 1))
    places = _spread(_start(shown), apart)
    sites = {site.id: (float(x), float(y)) for site, (x, y) in zip(shown, places, strict=True)}
    radius = min(0.42 * apart, MARGIN)
    devices: dict[int, Point] = {}
    for site_id, members in at_site.items():
        devices |= _rings(topology, members, sites[site_id], radius)
    return Layout({key: _rounded(point) for key, point in sites.items()}, {no: _rounded(point) for no, point in devices.items()})


def _start(sites: Sequence[Site]) -> npt.NDArray[np.float64]:
    """First guesses: the map for sites with coordinates (equirectangular), their region's middle or a circle for others."""
    known = {site.id: _projected(site) for site in sites if site.latitude is not None}
    regions = sorted({site.region for site in sites})
    points = []
    for n, site in enumerate(sites):
        turn = 2 * math.pi * n / len(sites)
        near = [known[other.id] for other in sites if other.region == site.region and other.id in known]
        if site.id in known:
            points.append(known[site.id])
        elif near:
            points.append(
                (sum(x for x, _ in near) / len(near) + 1e-3 * math.cos(turn), sum(y for _, y in near) / len(near) + 1e-3 * math.sin(turn))
            )
        else:
            points.append(_on_circle(known, regions.index(site.region) / len(regions), turn))
    return _fitted(np.array(points, np.float64).reshape(-1, 2))


def _on_circle(known: Mapping[str, Point], share: float, turn: float) -> Point:
    """A place on a circle around everything known, one arc per region."""
    xs, ys = ([point[axis] for point in known.values()] or [0.0] for axis in (0, 1))
    reach = max(max(xs) - min(xs), max(ys) - min(ys), 1.0) * 0.6
    angle = 2 * math.pi * share
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return x + reach * math.cos(angle) + 0.05 * reach * math.cos(turn), y + reach * math.sin(angle) + 0.05 * reach * math.sin(turn)


def _projected(site: Site) -> Point:
    latitude, longitude = site.latitude or 0.0, site.longitude or 0.0
    return longitude * 0.62, -latitude  # a degree of longitude is 0.62 of one of latitude at 52 degrees


def _fitted(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale into the square, keeping proportions; a single point stands in the middle."""
    if not len(points):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max())
    scale = (SIZE - 2 * MARGIN) / span if span > 0 else 0.0
    fitted: npt.NDArray[np.float64] = (points - (low + high) / 2) * scale + SIZE / 2
    return fitted


def _spread(points: npt.NDArray[np.float64], apart: float) -> npt.NDArray[np.float64]:
    """Push sites that are closer than `apart` away from each other, a bounded number of rounds."""
    from scipy.spatial import cKDTree  # half a second and 40 MB that a start without a map does not need

    for _ in range(ROUNDS):
        pairs = cKDTree(points).query_pairs(apart, output_type="ndarray") if len(points) > 1 else np.zeros((0, 2), np.intp)
        if not len(pairs):
            break
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        away = points[pairs[:, 1]] - points[pairs[:, 0]]
        distance = np.hypot(away[:, 0], away[:, 1])
        angle = np.arange(len(pairs)) * 2.4  # equal points part in fixed directions
        same = distance < 1e-6
        away[same] = np.column_stack((np.cos(angle[same]), np.sin(angle[same])))
        push = away / np.where(same, 1.0, distance)[:, None] * ((apart - distance) / 3)[:, None]
        np.add.at(points, pairs[:, 1], push)
        np.add.at(points, pairs[:, 0], -push)
        points = np.clip(points, MARGIN, SIZE - MARGIN)
    return points


def _rings(topology: Topology, members: Sequence[Device], centre: Point, radius: float) -> dict[int, Point]:
    degree = {device.no: len(topology.neighbours.get(device.no, ())) for device in members}
    most = max(degree.values())
    rings: dict[int, list[Device]] = defaultdict(list)
    for device in sorted(members, key=lambda one: (one.name, one.no)):
        rings[tier_of(device.role, degree[device.no], most)].append(device)
    placed: dict[int, Point] = {}
    for rank, (tier, ring) in enumerate(sorted(rings.items())):
        reach = 0.0 if rank == 0 and len(ring) == 1 else radius * (tier + 1) / len(TIERS)
        for n, device in enumerate(ring):
            angle = 2 * math.pi * n / len(ring) + 0.5 * tier - math.pi / 2
            placed[device.no] = (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
    return placed


def _rounded(point: Point) -> Point:
    return round(min(max(point[0], 0.0), SIZE), 2), round(min(max(point[1], 0.0), SIZE), 2)
