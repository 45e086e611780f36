"""The station's own alarm history as columns for learning."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store
from fault.learning.events import EVENTS_MAX, History, history
from inventory.topology import Topology
from station.clock import NS_PER_S
from station.scope import OPERATOR_TENANT

DAY_NS = 86_400 * NS_PER_S


async def history_of(conn: AsyncConnection, topology: Topology, now_ns: int, days: int, tenant: int = OPERATOR_TENANT) -> History:
    """Every raise of the last days by device and alarm type, with the links of the topology."""
    h, a = store.alarm_history.c, store.alarm.c
    joined = store.alarm_history.join(store.alarm, sa.and_(a.tenant == h.tenant, a.id == h.alarm_id))
    raised = (h.tenant == tenant, h.what.in_(("raised", "reopened")), h.time_ns >= now_ns - days * DAY_NS)
    query = sa.select(a.device_id, a.alarm_type, h.time_ns).select_from(joined).where(*raised)
    rows = await conn.execute(query.order_by(h.time_ns.desc()).limit(EVENTS_MAX))
    devices = topology.devices
    ends = [(devices.get(link.a >> 16), devices.get(link.b >> 16)) for link in topology.links.values()]
    links = [(one.id, other.id) for one, other in ends if one is not None and other is not None]
    return history([(device or "unknown", kind, time_ns / NS_PER_S) for device, kind, time_ns in rows], links)
