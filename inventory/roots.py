"""Which devices the station itself hangs on: where reachability begins."""

from collections.abc import Sequence

from inventory.topology import Topology


def roots(topology: Topology, names: Sequence[str] = ()) -> tuple[int, ...]:
    """The devices named (sysName), else the core device with the most links, else the device with the most; () when empty."""
    named = tuple(device.no for device in topology.devices.values() if device.name in names)
    if named or not topology.devices:
        return named
    degree = {no: len(topology.neighbours.get(no, ())) for no in topology.devices}
    return (min(topology.devices, key=lambda no: (topology.devices[no].role != "core", -degree[no], topology.devices[no].name, no)),)
