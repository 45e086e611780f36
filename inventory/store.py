"""The tables of the inventory. Dense numbers (`no`, `entity_no`) stay inside the station; ids are public."""

import sqlalchemy as sa

from station.state import metadata

site = sa.Table(
    "site",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("region", sa.String(255), nullable=False, default=""),
    sa.Column("latitude", sa.Float),
    sa.Column("longitude", sa.Float),
    sa.UniqueConstraint("tenant", "name"),
)

device = sa.Table(
    "device",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("no", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("identity", sa.String(255), nullable=False),  # chassis id, serial or engine id; else sysName@address
    sa.Column("site_id", sa.String(36), sa.ForeignKey("site.id")),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("management_address", sa.String(64), nullable=False),
    sa.Column("snmp_port", sa.Integer, nullable=False, default=161),
    sa.Column("credential", sa.String(64), nullable=False, default="default"),  # a name in the vault, never the secret
    sa.Column("sys_object_id", sa.String(255), nullable=False, default=""),
    sa.Column("sys_descr", sa.Text, nullable=False, default=""),
    sa.Column("chassis_id", sa.String(255), nullable=False, default=""),
    sa.Column("engine_id", sa.String(64), nullable=False, default=""),
    sa.Column("serial", sa.String(255), nullable=False, default=""),
    sa.Column("vendor", sa.String(64), nullable=False, default=""),
    sa.Column("model", sa.String(255), nullable=False, default=""),
    sa.Column("profile", sa.String(64), nullable=False, default="generic"),
    sa.Column("role", sa.String(32), nullable=False, default=""),
    sa.Column("simulated", sa.Boolean, nullable=False, default=False),
    sa.Column("status", sa.String(16), nullable=False, default="unknown"),  # up | down | unreachable | unknown
    sa.Column("last_seen_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("discovered_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("vrf", sa.String(64), nullable=False, default="", server_default=""),  # the address space of its addresses
    sa.UniqueConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "identity"),
    sa.Index(None, "tenant", "chassis_id"),  # whose facts these are is asked by each of them
    sa.Index(None, "tenant", "serial"),
    sa.Index(None, "tenant", "engine_id"),
    sa.Index(None, "tenant", "management_address"),
    sqlite_autoincrement=True,
)

device_address = sa.Table(
    "device_address",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("device_no", sa.Integer, sa.ForeignKey("device.no"), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "address"),
    sa.Index(None, "tenant", "device_no"),
)

vrf_address = sa.Table(
    "vrf_address",  # the same of devices in other address spaces than the station's own
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("vrf", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("device_no", sa.Integer, sa.ForeignKey("device.no"), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "vrf", "address"),
    sa.Index(None, "tenant", "device_no"),
)

interface_address = sa.Table(
    "interface_address",  # what each device says of its own addresses; two may say the same (anycast, a virtual router)
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("device_no", sa.Integer, sa.ForeignKey("device.no"), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("if_index", sa.Integer, nullable=False),
    sa.Column("prefix_length", sa.Integer, nullable=False, default=-1),  # -1: not told
    sa.PrimaryKeyConstraint("tenant", "device_no", "address"),
)

entity = sa.Table(
    "entity",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("device_no", sa.Integer, sa.ForeignKey("device.no"), nullable=False),
    sa.Column("entity_no", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # interface | sensor | session
    sa.Column("name", sa.String(255), nullable=False),  # ifName: the identity of an interface within its device
    sa.Column("descr", sa.String(255), nullable=False, default=""),
    sa.Column("alias", sa.String(255), nullable=False, default=""),
    sa.Column("if_index", sa.Integer, nullable=False, default=0),  # an attribute that may change (RFC 2863, 3.1.5)
    sa.Column("if_type", sa.Integer, nullable=False, default=0),
    sa.Column("speed_bps", sa.BigInteger, nullable=False, default=0),
    sa.Column("mac", sa.String(32), nullable=False, default=""),
    sa.Column("admin_status", sa.Integer, nullable=False, default=0),
    sa.Column("oper_status", sa.Integer, nullable=False, default=0),
    sa.Column("oid", sa.String(255), nullable=False, default=""),  # where a sensor's or session's value is read
    sa.Column("scale", sa.Float, nullable=False, default=1.0),  # what the value read is multiplied by to reach the metric's unit
    sa.Column("metric", sa.Integer, nullable=False, default=0),  # the code of that metric
    sa.Column("parent_entity_no", sa.Integer, nullable=False, default=0),  # a sensor's interface, a subinterface's port
    sa.Column("gone_ns", sa.BigInteger, nullable=False, default=0),
    sa.PrimaryKeyConstraint("tenant", "device_no", "entity_no"),
    sa.UniqueConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "device_no", "kind", "name"),
)

link = sa.Table(
    "link",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("a_device_no", sa.Integer, nullable=False),
    sa.Column("a_entity_no", sa.Integer, nullable=False),
    sa.Column("b_device_no", sa.Integer, nullable=False),
    sa.Column("b_entity_no", sa.Integer, nullable=False),
    sa.Column("sources", sa.String(255), nullable=False, default=""),  # lldp:a,lldp:b,manual
    sa.Column("confidence", sa.Float, nullable=False, default=0.0),
    sa.Column("duct", sa.String(255), nullable=False, default=""),
    sa.Column("first_seen_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("last_seen_ns", sa.BigInteger, nullable=False, default=0),
    sa.UniqueConstraint("tenant", "a_device_no", "a_entity_no", "b_device_no", "b_entity_no"),
)

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("number", sa.String(32), nullable=False),  # the operator's own customer number
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("email", sa.String(255), nullable=False, default=""),
    sa.Column("address", sa.Text, nullable=False, default=""),
    sa.Column("tax_id", sa.String(64), nullable=False, default=""),
    sa.Column("currency", sa.String(3), nullable=False, default="EUR"),
    sa.Column("tax_rate_ppm", sa.Integer, nullable=False, default=190_000),  # parts per million: exact, no float
    sa.UniqueConstraint("tenant", "number"),
)

service = sa.Table(
    "service",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("number", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("customer_id", sa.String(36), sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False, default="internet_access"),
    sa.Column("tariff", sa.String(64), nullable=False, default=""),  # a folder of config/tariffs
    sa.Column("sla", sa.String(64), nullable=False, default=""),
    sa.Column("active_from_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("active_to_ns", sa.BigInteger, nullable=False, default=0),  # 0: still active
    sa.UniqueConstraint("tenant", "number"),
)

service_binding = sa.Table(
    "service_binding",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("service_id", sa.String(36), sa.ForeignKey("service.id"), nullable=False),
    sa.Column("device_no", sa.Integer, nullable=False),
    sa.Column("entity_no", sa.Integer, nullable=False),
    sa.Column("role", sa.String(32), nullable=False, default="access"),  # access (metered) | path | backup
    sa.Column("valid_from_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("valid_to_ns", sa.BigInteger, nullable=False, default=0),  # 0: still valid
    sa.UniqueConstraint("tenant", "service_id", "device_no", "entity_no", "valid_from_ns"),
)

lldp_neighbour = sa.Table(
    "lldp_neighbour",  # what each device says of its neighbours, by whatever protocol: links are drawn again when the other side appears
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("device_no", sa.Integer, sa.ForeignKey("device.no"), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),  # derived from the local port and the remote end
    sa.Column("protocol", sa.String(8), nullable=False),
    sa.Column("local_if_index", sa.Integer, nullable=False, default=0),
    sa.Column("local_port", sa.String(255), nullable=False, default=""),
    sa.Column("remote_chassis_id", sa.String(255), nullable=False, default=""),
    sa.Column("remote_port", sa.String(255), nullable=False, default=""),
    sa.Column("remote_port_descr", sa.String(255), nullable=False, default=""),
    sa.Column("remote_name", sa.String(255), nullable=False, default=""),
    sa.Column("remote_address", sa.String(64), nullable=False, default=""),
    sa.PrimaryKeyConstraint("tenant", "device_no", "key"),
)

unresolved_neighbour = sa.Table(
    "unresolved_neighbour",  # a neighbour that no device or port of the inventory answers to: one end of a link that is missing
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("device_no", sa.Integer, sa.ForeignKey("device.no"), nullable=False),
    sa.Column("entity_no", sa.Integer, nullable=False, default=0),  # 0: the local port is unknown too
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("remote_name", sa.String(255), nullable=False, default=""),
    sa.Column("remote_port", sa.String(255), nullable=False, default=""),
    sa.Column("remote_chassis_id", sa.String(255), nullable=False, default=""),
    sa.Column("remote_address", sa.String(64), nullable=False, default=""),
    sa.Column("why", sa.String(64), nullable=False),  # unknown device | unknown port | unknown local port | port taken
    sa.PrimaryKeyConstraint("tenant", "device_no", "key"),
)

pending_binding = sa.Table(
    "pending_binding",  # a service bound by names to an interface that is not discovered yet
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("service_id", sa.String(36), sa.ForeignKey("service.id"), nullable=False),
    sa.Column("device_name", sa.String(255), nullable=False),
    sa.Column("interface_name", sa.String(255), nullable=False),
    sa.Column("role", sa.String(32), nullable=False, default="access"),
    sa.Column("valid_from_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("valid_to_ns", sa.BigInteger, nullable=False, default=0),
    sa.PrimaryKeyConstraint("tenant", "service_id", "device_name", "interface_name", "valid_from_ns"),
)

discovery_run = sa.Table(
    "discovery_run",  # the last discoveries with what each address said; where nobody answered is only counted
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("ranges", sa.Text, nullable=False),
    sa.Column("started_ns", sa.BigInteger, nullable=False),
    sa.Column("ended_ns", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("new_devices", sa.Integer, nullable=False),
    sa.Column("nobody", sa.Integer, nullable=False),
    sa.Column("lines", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)
