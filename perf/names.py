"""What perf asks of the inventory, as arrays by entity key: speeds, limits of counters, metering, public ids."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from inventory.topology import Topology
from perf.counters import wide_by_name
from perf.slots import U64, SlotIndex, grown
from station.catalogue import code_of
from station.series import entity_keys, metrics_of, split_key

OCTETS = (code_of("interface.in_octets"), code_of("interface.out_octets"))
PACKETS = (code_of("interface.in_packets"), code_of("interface.out_packets"))
FRAME_BITS_MIN = 672  # 64 octets with preamble and gap (IEEE 802.3)


class Names:
    """Look-ups over the current topology, cached in arrays until its version changes."""

    def __init__(self, topology: Callable[[], Topology]) -> None:
        self.topology = topology
        self.version = -1
        self._index = SlotIndex()
        self._speed_bps = np.zeros(0, np.float64)
        self._metered = np.zeros(0, np.bool_)

    def speeds(self, keys: U64) -> npt.NDArray[np.float64]:
        """Bits per second of each interface, 0 where unknown (u64[n] -> f64[n])."""
        slots = self._slots_of(keys)
        return self._speed_bps[slots]

    def metered(self, keys: U64) -> npt.NDArray[np.bool_]:
        """Whether a service is metered on the interface: its raw samples are kept for billing."""
        slots = self._slots_of(keys)
        return self._metered[slots]

    def limits(self, series: U64) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """The most each counter can count per second (0: unknown) and whether it is 64 bits wide."""
        codes = metrics_of(series)
        speed = self.speeds(entity_keys(series))
        most = np.where(np.isin(codes, OCTETS), speed / 8, np.where(np.isin(codes, PACKETS), speed / FRAME_BITS_MIN, 0))
        return most.astype(np.float32), wide_by_name()[codes]

    def resource_of(self, key: int) -> str | None:
        """The public id of an entity; of the device itself for entity 0."""
        topology = self.topology()
        device_no, entity_no = split_key(key)
        if entity_no == 0:
            device = topology.devices.get(device_no)
            return device.id if device else None
        entity = topology.entities.get(key)
        return entity.id if entity else None

    def key_of(self, resource_id: str) -> int | None:
        """The entity key of a public id; a device's own entity is number 0."""
        topology = self.topology()
        entity = topology.entity_by_id.get(resource_id)
        if entity is not None:
            return entity.key
        device = topology.device_by_id.get(resource_id)
        return device.no << 16 if device else None

    def _slots_of(self, keys: U64) -> npt.NDArray[np.int64]:
        topology = self.topology()
        if topology.version != self.version:
            self.version = topology.version
            self._learn(self._index.keys, 0, topology)
        before = self._index.count
        slots = self._index.slots_of(keys)
        if self._index.count > before:
            self._learn(self._index.keys[before:], before, topology)
        return slots

    def _learn(self, keys: U64, start: int, topology: Topology) -> None:
        self._speed_bps = grown(self._speed_bps, start + len(keys))
        self._metered = grown(self._metered, start + len(keys))
        metered = {key for service in topology.services.values() for key in service.access}
        for slot, key in enumerate(keys.tolist(), start):
            entity = topology.entities.get(key)
            self._speed_bps[slot] = entity.speed_bps if entity else 0
            self._metered[slot] = key in metered
