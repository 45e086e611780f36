"""What a series is called outside: the labels of its device, interface, sensor or session."""

from inventory.topology import Topology
from station.series import split_key


def labels_of(topology: Topology, key: int, *, snmp: bool = False) -> dict[str, str] | None:
    """Label names and values of an entity, `snmp` as snmp_exporter's modules have them; None when it is unknown."""
    device_no, entity_no = split_key(key)
    device = topology.devices.get(device_no)
    entity = topology.entities.get(key)
    if device is None or (entity_no and entity is None):
        return None
    site = topology.sites.get(device.site_id)
    pairs = {"node": device.name, "site": site.name if site else ""}
    if entity is not None and entity.kind == "interface" and snmp:
        pairs = {"instance_name": device.name, "ifIndex": str(entity.if_index), "ifName": entity.name}
        pairs |= {"ifAlias": entity.alias, "ifDescr": entity.descr}
    elif entity is not None:
        pairs[entity.kind] = entity.name
        if entity.kind == "interface":
            pairs["alias"] = entity.alias
    return pairs
