"""Which devices the station itself hangs on: where reachability begins."""

from collections.abc import Collection, Sequence

from inventory.topology import Topology


def roots(topology: Topology, names: Sequence[str] = (), gateways: Collection[str] = ()) -> tuple[int, ...]:
    """The devices named (sysName), else those that own one of the station's gateways; () when the inventory is empty.

    Where neither is known, the core device with the most links, else the device with the most.
    """
    named = tuple(device.no for device in topology.devices.values() if device.name in names)
    if named or not topology.devices:
        return named
    attached = {topology.addresses[address] for address in gateways if topology.addresses.get(address) in topology.devices}
    if attached:
        return tuple(sorted(attached))
    degree = {no: len(topology.neighbours.get(no, ())) for no in topology.devices}
    return (min(topology.devices, key=lambda no: (topology.devices[no].role != "core", -degree[no], topology.devices[no].name, no)),)
