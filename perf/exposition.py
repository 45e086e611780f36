"""`/metrics/network`: the devices' series in the Prometheus text format and OpenMetrics, encoded from columns.

Counters are served as their raw totals, gauges as their values, no timestamps; what was not heard of lately is
absent. The labels of a series are encoded once and kept until the topology changes.
"""

import json
from dataclasses import dataclass

import numpy as np

from inventory.topology import Topology
from perf.labels import labels_of
from perf.last import LastColumns
from perf.metrics import SERIES_LEFT_OUT
from perf.names import Names
from station.catalogue import Metric, metrics_by_code
from station.series import entity_keys, metrics_of

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MODULES = ("interface", "device", "sensor", "session")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One scrape: format, names, and which part of the network."""

    openmetrics: bool = False
    snmp_names: bool = False
    site: str = ""
    module: str = ""


class Exposition:
    """Encodes last values; keeps the label text of each entity."""

    def __init__(self, names: Names, *, series_limit: int) -> None:
        self._names = names
        self._limit = series_limit
        self._version = -1
        self._labels: dict[tuple[int, bool], str] = {}

    def encode(self, last: LastColumns, wanted: Wanted) -> bytes:
        """One answer, its families in order of metric code, at most `series_limit` series."""
        self._follow(self._names.topology())
        codes = metrics_of(last.series)
        room = self._limit
        parts: list[str] = []
        for code, metric in sorted(metrics_by_code().items()):
            if _left_aside(metric, wanted):
                continue
            rows = np.flatnonzero(codes == code)
            lines = self._lines(metric, last, rows, wanted)
            SERIES_LEFT_OUT.inc(max(0, len(lines) - room))
            lines = lines[:room]
            room -= len(lines)
            if lines:
                parts += [_head(metric, wanted), *lines]
        if wanted.openmetrics:
            parts.append("# EOF\n")
        return "".join(parts).encode()

    def _lines(self, metric: Metric, last: LastColumns, rows: np.ndarray[tuple[int], np.dtype[np.intp]], wanted: Wanted) -> list[str]:
        name = sample_name(metric, wanted)
        keys = entity_keys(last.series[rows]).tolist()
        values = map(str, last.raw[rows].tolist()) if metric.kind == "counter" else map(_number, last.value[rows].tolist())
        found = []
        for key, value in zip(keys, values, strict=True):
            labels = self._label(key, wanted)
            if labels:
                found.append(f"{name}{labels} {value}\n")
        return found

    def _label(self, key: int, wanted: Wanted) -> str:
        """The label text of an entity; empty when it is unknown or of another site."""
        topology = self._names.topology()
        device = topology.devices.get(key >> 16)
        site = topology.sites.get(device.site_id) if device else None
        if wanted.site and (site is None or site.name != wanted.site):
            return ""
        known = self._labels.get((key, wanted.snmp_names))
        if known is None:
            known = self._labels[key, wanted.snmp_names] = _labels(topology, key, snmp=wanted.snmp_names)
        return known

    def _follow(self, topology: Topology) -> None:
        if topology.version != self._version:
            self._version = topology.version
            self._labels.clear()


def targets(topology: Topology, address: str) -> bytes:
    """`/sd/prometheus`: a target per site at `address` (host:port), as HTTP SD wants it; `[]` when there is none."""
    found = []
    for site in sorted(topology.sites.values(), key=lambda site: site.name):
        devices = [device for device in topology.devices.values() if device.site_id == site.id]
        if devices:
            labels = {
                "instance": f"{address} {site.name}",  # one address, many targets: without it they would share `up`
                "__meta_trunkline_site": site.name,
                "__meta_trunkline_role": ",".join(sorted({device.role for device in devices})),
                "__meta_trunkline_vendor": ",".join(sorted({device.vendor for device in devices})),
                "__metrics_path__": "/metrics/network",
                "__param_site": site.name,
                "__param_target": site.name,
            }
            found.append({"targets": [address], "labels": labels})
    return json.dumps(found, ensure_ascii=False).encode()


def sample_name(metric: Metric, wanted: Wanted) -> str:
    return metric.snmp if wanted.snmp_names else f"trunkline_{metric.prometheus}"


def escaped(text: str) -> str:
    """A label value: backslash, quote and line feed escaped, other control characters made visible."""
    plain = "".join(character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _left_aside(metric: Metric, wanted: Wanted) -> bool:
    if wanted.module and metric.entity != wanted.module:
        return True
    return wanted.snmp_names and not metric.snmp


def _head(metric: Metric, wanted: Wanted) -> str:
    name = sample_name(metric, wanted)
    family = name.removesuffix("_total") if wanted.openmetrics else name
    kind = "counter" if metric.kind == "counter" else "gauge"
    if wanted.snmp_names and kind == "counter" and wanted.openmetrics:
        kind = "unknown"  # OpenMetrics wants counters to end in _total; the MIB's own name does not
    return f"# HELP {family} {metric.help}\n# TYPE {family} {kind}\n"


def _labels(topology: Topology, key: int, *, snmp: bool) -> str:
    pairs = labels_of(topology, key, snmp=snmp)
    return "" if pairs is None else "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in pairs.items()) + "}"


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
