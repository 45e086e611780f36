"""What a device has to say about a change, before it becomes a trap or a syslog line."""

from dataclasses import dataclass
from enum import Enum


class Say(Enum):
    """The kinds of notice; `simulator.messages` gives each its trap and its syslog line."""

    LINK_DOWN = "link_down"
    LINK_UP = "link_up"
    COLD_START = "cold_start"
    LLDP_CHANGED = "lldp_changed"
    OSPF_DOWN = "ospf_down"
    OSPF_UP = "ospf_up"
    BGP_DOWN = "bgp_down"
    BGP_UP = "bgp_up"
    RX_POWER_LOW = "rx_power_low"
    RX_POWER_OK = "rx_power_ok"
    ON_BATTERY = "on_battery"
    ON_MAINS = "on_mains"
    SPEAK = "speak"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice of one device. `interface` and `peer` are world numbers, -1 where they mean nothing; `value` in the kind's unit.

    RX_POWER_*: 1/100 dBm. ON_BATTERY: minutes left. SPEAK: which of the poisoned texts.
    """

    time_ns: int
    device: int
    say: Say
    interface: int = -1
    peer: int = -1
    value: int = 0
