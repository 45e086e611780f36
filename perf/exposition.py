"""`/metrics/network`: the devices' series in the Prometheus text format and OpenMetrics, encoded from columns.

Counters are served as their raw totals, gauges as their values, no timestamps; what was not heard of lately is
absent. The labels of a series are encoded once and kept until the topology changes.
"""

import json
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt

from inventory.topology import Topology
from perf.exposition_lines import Numbers, Texts, lines
from perf.labels import labels_of
from perf.last import LastColumns
from perf.metrics import SERIES_LEFT_OUT
from perf.names import Names
from perf.slots import U64, SlotIndex, Slots
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


class Known:
    """The label text and the site of each entity that was asked for, by slot; empty for an entity that the inventory has not."""

    def __init__(self, topology: Topology, *, snmp: bool) -> None:
        self._topology, self._snmp = topology, snmp
        self._index = SlotIndex()
        self._texts: list[bytes] = []
        self._sites: list[str] = []
        self.labels = Texts.of([])

    def slots_of(self, keys: U64) -> Slots:
        """The slot of each entity in `labels` (u64[n] -> i64[n])."""
        slots = self._index.slots_of(keys)
        fresh = self._index.keys[len(self._texts) :].tolist()
        for key in fresh:
            device = self._topology.devices.get(key >> 16)
            site = self._topology.sites.get(device.site_id) if device else None
            self._texts.append(_labels(self._topology, key, snmp=self._snmp).encode())
            self._sites.append(site.name if site else "")
        if fresh:
            self.labels = Texts.of(self._texts)
        return slots

    def of_site(self, slots: Slots, name: str) -> npt.NDArray[np.bool_]:
        """Which of them belong to a site, bool[n]."""
        return np.array([site == name for site in self._sites], np.bool_)[slots]


class Exposition:
    """Encodes last values; keeps the label text of each entity while the topology stays."""

    def __init__(self, names: Names, *, series_limit: int) -> None:
        self._names = names
        self._limit = series_limit
        self._version = -1
        self._known: dict[bool, Known] = {}
        self._one_at_a_time = Lock()  # scrapes come in threads

    def encode(self, last: LastColumns, wanted: Wanted) -> bytes:
        """One answer, its families in order of metric code, at most `series_limit` series."""
        with self._one_at_a_time:
            return self._encoded(last, wanted, self._known_of(wanted))

    def _encoded(self, last: LastColumns, wanted: Wanted, known: Known) -> bytes:
        codes = metrics_of(last.series)
        room = self._limit
        parts: list[bytes] = []
        for code, metric in sorted(metrics_by_code().items()):
            if _left_aside(metric, wanted):
                continue
            rows = np.flatnonzero(codes == code)
            slots = known.slots_of(entity_keys(last.series[rows]))
            there = known.labels.lengths(slots) > 0
            if wanted.site:
                there &= known.of_site(slots, wanted.site)
            chosen = np.flatnonzero(there)
            SERIES_LEFT_OUT.inc(max(0, len(chosen) - room))
            chosen = chosen[:room]
            room -= len(chosen)
            if len(chosen):
                at = rows[chosen]
                numbers = Numbers.of_counters(last.raw[at]) if metric.kind == "counter" else Numbers.of_gauges(last.value[at])
                parts += [_head(metric, wanted).encode(), lines(sample_name(metric, wanted).encode(), known.labels, slots[chosen], numbers)]
        if wanted.openmetrics:
            parts.append(b"# EOF\n")
        return b"".join(parts)

    def _known_of(self, wanted: Wanted) -> Known:
        topology = self._names.topology()
        if topology.version != self._version:
            self._version = topology.version
            self._known.clear()
        if wanted.snmp_names not in self._known:
            self._known[wanted.snmp_names] = Known(topology, snmp=wanted.snmp_names)
        return self._known[wanted.snmp_names]


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
