"""What the changing objects of a device read at one instant."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from simulator.chance import between, units
from simulator.network import NS_PER_S, Network
from simulator.traffic import DAY_S, ERRORS_PER_PACKET, IN, OUT, PACKET_OCTETS
from simulator.world import Device

NS_PER_CS = 10_000_000
UP, DOWN = 1, 2
BGP_IDLE, BGP_ESTABLISHED = 1, 6
MAX_U32 = 2**32


class Column(StrEnum):
    """The changing values; those of interfaces by their position on the device."""

    UPTIME = "uptime"
    ENGINE_BOOTS = "engine_boots"
    ENGINE_TIME = "engine_time"
    OPER_STATUS = "oper_status"
    LAST_CHANGE = "last_change"
    DISCONTINUITY = "discontinuity"
    IN_OCTETS = "in_octets"
    OUT_OCTETS = "out_octets"
    IN_PACKETS = "in_packets"
    OUT_PACKETS = "out_packets"
    IN_ERRORS = "in_errors"
    RX_POWER = "rx_power"
    TX_POWER = "tx_power"
    TEMPERATURE = "temperature"
    FAN = "fan"
    PROCESSOR = "processor"
    MEMORY = "memory"
    BGP_STATE = "bgp_state"


class Snapshot:
    """One device at one instant; counters are worked out together when the first is asked for."""

    def __init__(self, network: Network, device: Device, now_ns: int) -> None:
        self._network, self._device, self.now_ns = network, device, now_ns
        self._first = device.interfaces[0].number
        self._octets: list[list[int]] | None = None

    def value(self, column: str, row: int) -> int:
        return _READERS[column](self, row)

    def uptime_cs(self, row: int = 0) -> int:
        return (self.now_ns - self._network.status.boot_ns[self._device.number]) // NS_PER_CS % MAX_U32

    def octets(self, row: int, direction: int) -> int:
        if self._octets is None:
            rows = np.arange(self._first, self._first + len(self._device.interfaces))
            self._octets = self._network.traffic.octets(rows, self.now_ns).tolist()
        return self._octets[row][direction]

    def packets(self, row: int, direction: int) -> int:
        return self.octets(row, direction) // PACKET_OCTETS

    def errors(self, row: int) -> int:
        extra = self._network.status.errors.get(self._first + row)
        return self.packets(row, IN) // ERRORS_PER_PACKET + (extra.at(self.now_ns) if extra else 0)

    def oper_status(self, row: int) -> int:
        return UP if self._network.status.up[self._first + row] else DOWN

    def since_boot_cs(self, t_ns: int) -> int:
        """sysUpTime at an instant; 0 for anything before the boot."""
        return max(0, t_ns - self._network.status.boot_ns[self._device.number]) // NS_PER_CS % MAX_U32

    def rx_power(self, row: int) -> int:
        """Hundredths of a dBm, with a little flicker."""
        return round(100 * self._network.rx_dbm(self._first + row) + 12 * (self._wander("rx", row, 30) - 0.5))

    def tx_power(self, row: int) -> int:
        own = between(-2.0, 1.0, self._network.world.seed, "tx", self._first + row)
        return round(100 * own + 6 * (self._wander("tx", row, 60) - 0.5))

    def temperature(self) -> int:
        """Tenths of a degree, warmest in the afternoon."""
        own = between(26.0, 34.0, self._network.world.seed, "temperature", self._device.name)
        day = np.cos(2 * np.pi * (self.now_ns / NS_PER_S % DAY_S - 15 * 3600) / DAY_S)
        return round(10 * (own + 2.5 * float(day) + self._wander("temperature", 0, 120)))

    def fan(self) -> int:
        return 4_200 + 14 * self.temperature() // 10 + round(40 * self._wander("fan", 0, 20))

    def processor(self, row: int) -> int:
        """Percent."""
        day = np.cos(2 * np.pi * (self.now_ns / NS_PER_S % DAY_S - 19 * 3600) / DAY_S)
        return round(16 + 6 * float(day) + 12 * self._wander("processor", row, 20))

    def memory(self) -> int:
        """KiB in use of 8 GiB."""
        own = between(0.35, 0.6, self._network.world.seed, "memory", self._device.name)
        return round((own + 0.02 * self._wander("memory", 0, 600)) * 8 * 1024 * 1024)

    def bgp_state(self, peer: int) -> int:
        return BGP_IDLE if {peer, self._device.number} & self._network.status.no_session else BGP_ESTABLISHED

    def engine_boots(self) -> int:
        return self._network.status.boots[self._device.number]

    def changed_cs(self, row: int) -> int:
        return self.since_boot_cs(self._network.status.last_change_ns[self._first + row])

    def discontinuity_cs(self, row: int) -> int:
        return self.since_boot_cs(self._network.status.discontinuity_ns[self._first + row])

    def _wander(self, what: str, row: int, slot_s: int) -> float:
        """A value between 0 and 1 that moves from slot to slot."""
        key = (self._first + row) * 1009 + len(what) + slot_s
        slot, into = divmod(self.now_ns, slot_s * NS_PER_S)
        keys: npt.NDArray[np.uint64] = np.array([key * 1_000_003 + slot, key * 1_000_003 + slot + 1], np.uint64)
        here, there = units(keys).tolist()
        return float(here + (there - here) * into / (slot_s * NS_PER_S))


_READERS: dict[str, Callable[[Snapshot, int], int]] = {
    Column.UPTIME: Snapshot.uptime_cs,
    Column.ENGINE_BOOTS: lambda now, _: now.engine_boots(),
    Column.ENGINE_TIME: lambda now, _: now.uptime_cs() // 100,
    Column.OPER_STATUS: Snapshot.oper_status,
    Column.LAST_CHANGE: Snapshot.changed_cs,
    Column.DISCONTINUITY: Snapshot.discontinuity_cs,
    Column.IN_OCTETS: lambda now, row: now.octets(row, IN),
    Column.OUT_OCTETS: lambda now, row: now.octets(row, OUT),
    Column.IN_PACKETS: lambda now, row: now.packets(row, IN),
    Column.OUT_PACKETS: lambda now, row: now.packets(row, OUT),
    Column.IN_ERRORS: Snapshot.errors,
    Column.RX_POWER: Snapshot.rx_power,
    Column.TX_POWER: Snapshot.tx_power,
    Column.TEMPERATURE: lambda now, _: now.temperature(),
    Column.FAN: lambda now, _: now.fan(),
    Column.PROCESSOR: Snapshot.processor,
    Column.MEMORY: lambda now, _: now.memory(),
    Column.BGP_STATE: Snapshot.bgp_state,
}
