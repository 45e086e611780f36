"""When ports and devices were down, from the history of their alarms."""

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.alarm_types import alarm_types
from fault.store import alarm, alarm_history
from station.state import among

DOWN_CLASSES = frozenset(("link", "device"))  # the signal of a port is lost; a device is gone
Span = tuple[int, int]


def down_types() -> frozenset[str]:
    """The alarm types that say their resource carries nothing."""
    return frozenset(name for name, one in alarm_types().items() if one.class_ in DOWN_CLASSES)


async def outages(conn: AsyncConnection, tenant: int, resources: Collection[str], from_ns: int, to_ns: int) -> dict[str, list[Span]]:
    """The spans within [from_ns, to_ns) in which each resource had such an alarm; several alarms of one may overlap.

    What still stands ends at `to_ns`. A history that was purged tells nothing.
    """
    if not resources:
        return {}
    a, h = alarm.c, alarm_history.c
    mine = (a.tenant == tenant, among(conn, a.resource, resources), a.alarm_type.in_(sorted(down_types())), a.created_ns < to_ns)
    query = (
        sa.select(a.resource, a.id, h.time_ns, h.is_cleared)
        .join(alarm_history, sa.and_(h.tenant == a.tenant, h.alarm_id == a.id))
        .where(*mine, h.time_ns < to_ns)
        .order_by(a.resource, a.id, h.seq)
    )
    told: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    for resource, id_, time_ns, is_cleared in await conn.execute(query):
        told.setdefault((resource, id_), []).append((time_ns, bool(is_cleared)))
    found: dict[str, list[Span]] = {}
    for (resource, _), states in told.items():
        clipped = ((max(low, from_ns), min(high, to_ns)) for low, high in _spans(states, to_ns))
        found.setdefault(resource, []).extend((low, high) for low, high in clipped if low < high)
    return found


def _spans(states: Iterable[tuple[int, bool]], to_ns: int) -> Iterable[Span]:
    """From when it was raised until it was cleared, over and over; (instant, whether it was clear from then on) in order."""
    since = None
    for time_ns, clear in states:
        if not clear and since is None:
            since = time_ns
        elif clear and since is not None:
            yield since, time_ns
            since = None
    if since is not None:
        yield since, to_ns
