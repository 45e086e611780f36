"""From flows to rows of the telemetry store's table `flow`: traffic by minute, interfaces, prefixes, AS, protocol and port.

What a sampled flow stands for is its octets and packets times its sampling. The port is the application's: the smaller
of the two, as clients take theirs from above (RFC 6056). Addresses are cut to prefixes, so that a scan of many hosts is
few rows.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from collectors.codecs.flow import MAPPED_IPV4
from inventory.topology import Topology
from station.clock import NS_PER_S
from station.metrics import counter
from station.series import Array
from station.telemetry.client import seconds

FLOW_UNBELIEVABLE = counter("flow_unbelievable", "Flow records left out because they stand for more octets than a line can carry.")

ROWS_MAX: Final = 50_000  # per write; the smallest beyond that are one row per interface pair and protocol
IPV4_PREFIX: Final = 24
IPV6_PREFIX: Final = 48
WHOLE_MAX: Final = np.uint64(1 << 52)  # octets that one record may stand for: 100 Gbit/s for four days
_MINUTE_NS: Final = 60 * NS_PER_S
KEY: Final = np.dtype(
    [
        ("time", np.int64),
        ("exporter", np.uint32),
        ("in_if", np.uint32),
        ("out_if", np.uint32),
        ("source_high", np.uint64),
        ("source_low", np.uint64),
        ("destination_high", np.uint64),
        ("destination_low", np.uint64),
        ("source_as", np.uint32),
        ("destination_as", np.uint32),
        ("port", np.uint16),
        ("protocol", np.uint8),
        ("direction", np.uint8),
    ]
)
TOTAL: Final = np.dtype(
    [*((name, KEY[name]) for name in KEY.names or ()), ("octets", np.uint64), ("packets", np.uint64), ("flows", np.uint64)]
)
_SAME: Final = ("exporter", "in_if", "out_if", "source_as", "destination_as", "protocol", "direction")


def totals(flows: Array) -> Array:
    """The flows as rows of TOTAL, one a key, at most ROWS_MAX and what the rest folds into."""
    keys = np.zeros(len(flows), KEY)
    keys["time"] = flows["time_ns"] // _MINUTE_NS * _MINUTE_NS
    for name in _SAME:
        keys[name] = flows[name]
    keys["port"] = np.minimum(flows["source_port"], flows["destination_port"])
    for end in ("source", "destination"):
        keys[f"{end}_high"], keys[f"{end}_low"] = prefixes(flows[f"{end}_high"], flows[f"{end}_low"])
    scale = flows["sampling"].astype(np.uint64)
    believable = (flows["octets"] <= WHOLE_MAX // scale) & (flows["packets"] <= WHOLE_MAX // scale)
    if not believable.all():
        FLOW_UNBELIEVABLE.inc(int((~believable).sum()))
        flows, keys, scale = flows[believable], keys[believable], scale[believable]
    rows = _summed(keys, flows["octets"] * scale, flows["packets"] * scale, 1 - flows["backward"].astype(np.uint64))
    return rows if len(rows) <= ROWS_MAX else _folded(rows)


def prefixes(high: Array, low: Array) -> tuple[Array, Array]:
    """Addresses cut to /24 (IPv4) or /48."""
    is_v4 = (high == 0) & (low >> np.uint64(32) == 0xFFFF)
    v4 = low & ~np.uint64((1 << (32 - IPV4_PREFIX)) - 1)
    return np.where(is_v4, 0, high & ~np.uint64((1 << (64 - IPV6_PREFIX)) - 1)), np.where(is_v4, v4 | MAPPED_IPV4, 0)


def _summed(keys: Array, octets: Array, packets: Array, flows: Array) -> Array:
    """One row a key with exact sums."""
    opaque = np.ascontiguousarray(keys).view(np.dtype((np.void, KEY.itemsize)))
    _, first, group = np.unique(opaque, return_index=True, return_inverse=True)
    out = np.zeros(len(first), TOTAL)
    for name in KEY.names or ():
        out[name] = keys[name][first]
    for name, values in (("octets", octets), ("packets", packets), ("flows", flows)):
        np.add.at(out[name], group.ravel(), values)
    return out


def _folded(rows: Array) -> Array:
    """The largest ROWS_MAX rows; the others without prefix, AS and port."""
    order = np.argsort(rows["octets"])[::-1]
    large, small = rows[order[:ROWS_MAX]], rows[order[ROWS_MAX:]]
    keys = np.zeros(len(small), KEY)
    for name in ("time", "exporter", "in_if", "out_if", "protocol", "direction"):
        keys[name] = small[name]
    return np.concatenate((large, _summed(keys, small["octets"], small["packets"], small["flows"])))


def stored(rows: Array, device_of: Mapping[int, int], topology: Topology, block: int) -> dict[str, Any]:
    """The rows as columns of the table `flow`; `device_of` gives an exporter's device, interfaces become entity keys where known.

    `block` is this write's own number: with it a row that is written again is the same row, and another write's is not.
    """
    devices = _mapped(rows["exporter"], device_of)
    columns: dict[str, Any] = {"time": seconds(rows["time"]), "device": devices.astype(np.uint32)}
    for way in ("in", "out"):
        pairs = devices.astype(np.uint64) << np.uint64(32) | rows[f"{way}_if"]
        known = {int(pair): _entity(int(pair), topology) for pair in np.unique(pairs)}
        columns[f"{way}_if"] = np.ascontiguousarray(rows[f"{way}_if"])
        columns[f"{way}_entity"] = _mapped(pairs, known)
    rest = [name for name in TOTAL.names or () if name not in ("time", "exporter", "in_if", "out_if")]
    columns["block"] = np.full(len(rows), block, np.uint64)
    return columns | {name: np.ascontiguousarray(rows[name]) for name in rest}


def _entity(pair: int, topology: Topology) -> int:
    found = topology.interface_by_index.get((pair >> 32, pair & 0xFFFF_FFFF))
    return found.key if found else 0


def _mapped(values: Array, known: Mapping[int, int]) -> Array:
    different, where = np.unique(values, return_inverse=True)
    return np.array([known.get(int(value), 0) for value in different], np.uint64)[where.ravel()]
